//! Limits and privileges of the process and its threads, to be taken away in tests.

#![allow(dead_code, reason = "each test target takes what it needs")]

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

pub(crate) const CAP_IPC_LOCK: u32 = 14;
pub(crate) const CAP_SYS_NICE: u32 = 23;

/// Limits are the process's: tests that change or need one run one at a time.
pub(crate) fn limits() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the system keeps about the current thread.
pub(crate) fn status(key: &str) -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

pub(crate) fn has(capability: u32) -> bool {
    u64::from_str_radix(&status("CapEff"), 16).unwrap() >> capability & 1 == 1
}

/// Gives a capability up, for this thread.
pub(crate) fn give_up(capability: u32) {
    #[repr(C)]
    struct Header {
        version: u32,
        thread: i32,
    }
    // Version 3: effective, permitted and inheritable, low and high halves.
    let header = Header { version: 0x2008_0522, thread: 0 };
    let mut sets = [[0_u32; 3]; 2];
    // SAFETY: the kernel reads the header, and reads or writes two triples of 32 bits.
    unsafe {
        assert_eq!(libc::syscall(libc::SYS_capget, &raw const header, &raw mut sets), 0);
        sets[0][0] &= !(1 << capability);
        sets[0][1] &= !(1 << capability);
        assert_eq!(libc::syscall(libc::SYS_capset, &raw const header, &raw const sets), 0);
    }
    assert!(!has(capability));
}

/// The type of a resource's name depends on the C library.
#[cfg(target_env = "gnu")]
pub(crate) type Resource = libc::c_uint;
#[cfg(not(target_env = "gnu"))]
pub(crate) type Resource = libc::c_int;

/// Sets a soft limit; false where the hard one is lower.
pub(crate) fn set_limit(resource: Resource, value: u64) -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: one `struct rlimit` is written and read.
    unsafe {
        libc::getrlimit(resource, &raw mut limit);
        limit.rlim_cur = value as _;
        libc::setrlimit(resource, &raw const limit) == 0
    }
}

/// The soft limit.
pub(crate) fn get_limit(resource: Resource) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: one `struct rlimit` is written.
    unsafe { libc::getrlimit(resource, &raw mut limit) };
    limit.rlim_cur as _
}

/// Runs `work` on a thread of its own, with a soft limit changed meanwhile; false where it can't be.
pub(crate) fn with_limit(resource: Resource, value: u64, work: impl FnOnce() + Send + 'static) -> bool {
    let before = get_limit(resource);
    if !set_limit(resource, value) {
        eprintln!("skipped: the hard limit of resource {resource} is below {value}");
        return false;
    }
    let result = thread::spawn(work).join();
    assert!(set_limit(resource, before));
    result.unwrap();
    true
}
