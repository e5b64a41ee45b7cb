//! What threads ask of the system, against the real one: with privileges, without, and with limits. What this machine can't
//! be made to grant is said to be skipped.
#![cfg(target_os = "linux")]
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod limits;

use limits::*;
use pcmflow::runtime::thread::*;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

const MS_3: Duration = Duration::from_millis(3);

/// (policy, real-time priority) of the current thread, as the system shows them to everybody.
fn shown() -> (u32, u32) {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // Behind the name, which may hold spaces: field 3 of the manual's count.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[41 - 3].parse().unwrap(), fields[40 - 3].parse().unwrap())
}

#[test]
fn a_privileged_thread_is_granted_what_it_asked_for() {
    let _limits = limits();
    if !has(CAP_SYS_NICE) {
        eprintln!("skipped: needs CAP_SYS_NICE");
        return;
    }
    with_limit(libc::RLIMIT_RTTIME, 200_000, || {
        let before = scheduling();
        let raised = RealTime { priority: 3, ..RealTime::every(MS_3) }.raise();
        let expected = Granted::Fifo { priority: 3, run_limit: Some(Duration::from_millis(200)) };
        if raised.granted() != expected {
            // A control group or a filter of system calls may forbid it even so.
            assert!(matches!(raised.granted(), Granted::Nice { .. } | Granted::Nothing { .. }));
            eprintln!("skipped: {}", raised.granted());
            return;
        }
        assert_eq!((scheduling(), shown()), (Scheduling::Fifo { priority: 3 }, (1, 3)));
        // Not inherited.
        assert!(matches!(thread::spawn(scheduling).join().unwrap(), Scheduling::TimeShared { .. }));
        // Asked again, nothing is changed, upward or downward.
        for priority in [1, 50] {
            let again = RealTime { priority, ..RealTime::every(MS_3) }.raise();
            assert_eq!(again.granted(), Granted::Kept(Scheduling::Fifo { priority: 3 }));
            assert!(again.granted().is_real_time());
        }
        assert_eq!(shown(), (1, 3));
        drop(raised);
        assert_eq!((scheduling(), shown()), (before, (0, 0)));
        // Out of range is taken for the nearest, and is no error.
        assert!(matches!(
            RealTime { priority: 0, ..RealTime::every(MS_3) }.raise().granted(),
            Granted::Fifo { priority: 1, .. }
        ));
        // What a thread may not do any more with fewer privileges: still no real-time scheduling is left behind.
        let raised = RealTime::every(MS_3).raise();
        assert_eq!(shown(), (1, u32::from(RealTime::PRIORITY)));
        give_up(CAP_SYS_NICE);
        drop(raised);
        assert_eq!((scheduling(), shown()), (before, (0, 0)));
    });
}

#[test]
fn a_thread_without_privileges_is_told_why_not_and_left_as_it_was() {
    let _limits = limits();
    with_limit(libc::RLIMIT_RTPRIO, 0, || {
        give_up(CAP_SYS_NICE);
        let before = scheduling();
        let raised = RealTime::every(MS_3).raise();
        let refused = Refusal::NotPermitted { rtprio_limit: 0 };
        match raised.granted() {
            Granted::Nothing { why } => assert_eq!((why, scheduling()), (refused, before)),
            // Only where there is a limit that allows it.
            Granted::Nice { nice, why } => {
                assert_eq!((why, scheduling()), (refused, Scheduling::TimeShared { nice }));
                assert!(20 - nice <= get_limit(libc::RLIMIT_NICE) as i32);
            }
            granted => panic!("{granted}"),
        }
        assert!(!raised.granted().is_real_time());
        assert!(raised.granted().to_string().contains("RLIMIT_RTPRIO of at least 1 (it is 0;"));
        drop(raised);
        assert_eq!(scheduling(), before);
    });
}

#[test]
fn a_limit_below_what_was_asked_for_grants_the_limit() {
    let _limits = limits();
    with_limit(libc::RLIMIT_RTPRIO, 2, || {
        give_up(CAP_SYS_NICE);
        let before = scheduling();
        let raised = RealTime::every(MS_3).raise();
        if matches!(raised.granted(), Granted::Fifo { .. }) {
            assert_eq!(shown(), (1, 2));
        } else {
            // A container forbids it.
            assert!(raised.granted().to_string().contains("(it is 2;"), "{}", raised.granted());
        }
        drop(raised);
        assert_eq!(scheduling(), before);
    });
}

/// Page faults of the current thread, so far, that needed no disk.
fn faults() -> i64 {
    // SAFETY: all-zero bytes are such a structure; the system writes one.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage), 0);
        usage.ru_minflt as i64
    }
}

/// Page faults of a thread while it uses memory that was prepared, and the same of one that was not. A system that moves pages
/// about may cause a few by itself: the best of some tries counts.
fn best_of_tries(faults: impl Fn(bool) -> i64) -> (i64, i64) {
    // Locking all memory would prepare what is not to be.
    let _limits = limits();
    let best = |prepare| (0..5).map(|_| faults(prepare)).min().unwrap();
    (best(true), best(false))
}

#[test]
fn memory_that_was_faulted_in_costs_no_page_fault() {
    let (prepared, unprepared) = best_of_tries(|prepare| {
        const BYTES: usize = 8 << 20;
        // Fresh from the system: an allocator might hand out what was touched before.
        // SAFETY: a private mapping of our own, unmapped below after its last use.
        let memory = unsafe {
            let (access, kind) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let start = libc::mmap(std::ptr::null_mut(), BYTES, access, kind, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            std::slice::from_raw_parts_mut(start.cast::<u8>(), BYTES)
        };
        // Beginning late in a page and ending early in one: steps of a page don't meet the last.
        let used = &mut memory[1000..BYTES - 4096 + 500];
        if prepare {
            fault_in(used);
        }
        let before = faults();
        used.fill(1);
        let faults = faults() - before;
        // SAFETY: mapped above.
        unsafe { libc::munmap(memory.as_mut_ptr().cast(), BYTES) };
        faults
    });
    assert_eq!(prepared, 0);
    assert!(unprepared > 0);
}

#[test]
fn what_faulting_in_touches_is_unchanged() {
    let mut memory: Vec<u32> = (0..10_000).collect();
    fault_in(&mut memory[3..9_999]);
    fault_in(memory.spare_capacity_mut());
    fault_in::<u32>(&mut []);
    assert!(memory.iter().enumerate().all(|(index, value)| index == *value as usize));
}

/// Uses half a megabyte of stack.
#[inline(never)]
fn deep() {
    black_box(&mut [1_u8; 512 * 1024]);
}

#[test]
fn a_stack_that_was_faulted_in_costs_no_page_fault() {
    // Each thread's stack is larger than those before it, so that none is one of theirs, touched already.
    let size = std::sync::atomic::AtomicUsize::new(4 << 20);
    let (prepared, unprepared) = best_of_tries(|prepare| {
        let size = size.fetch_add(1 << 20, std::sync::atomic::Ordering::Relaxed);
        let measure = move || {
            let touched = if prepare { fault_in_stack(600 * 1024) } else { 0 };
            let before = faults();
            deep();
            (touched, faults() - before)
        };
        let (touched, faults) =
            thread::Builder::new().stack_size(size).spawn(measure).unwrap().join().unwrap();
        assert!(!prepare || (600 * 1024..620 * 1024).contains(&touched), "{touched}");
        faults
    });
    assert_eq!(prepared, 0);
    assert!(unprepared > 0);
}

#[test]
fn no_stack_is_faulted_in_beyond_its_end() {
    // Larger than any other thread's here, or the C library would give us one of theirs, whole.
    const STACK: usize = 20 << 20;
    let on_a_thread =
        |bytes| thread::Builder::new().stack_size(STACK).spawn(move || fault_in_stack(bytes)).unwrap().join();
    let all = on_a_thread(usize::MAX).unwrap();
    assert!((STACK - 256 * 1024..=STACK - 64 * 1024).contains(&all), "{all}");
    assert_eq!(on_a_thread(0).unwrap(), 0);
}

/// Locked bytes of the process, as the system counts them.
fn locked_bytes() -> usize {
    status("VmLck").trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn memory_is_locked_up_to_the_limit_and_no_further() {
    let _limits = limits();
    const LIMIT: u64 = 256 * 1024;
    let tried = with_limit(libc::RLIMIT_MEMLOCK, LIMIT, || {
        give_up(CAP_IPC_LOCK);
        let before = locked_bytes();
        let (small, large) = (vec![0_u8; 64 * 1024], vec![0_u8; 1 << 20]);
        assert_eq!(lock_slice::<u8>(&[]), Ok(0));
        assert_eq!(lock_slice(&small), Ok(64 * 1024));
        assert!(locked_bytes() >= before + 64 * 1024);
        let refused = lock_slice(&large).unwrap_err();
        assert_eq!(refused, LockError::NotPermitted { bytes: Some(1 << 20), limit_bytes: LIMIT });
        assert!(
            refused.to_string().contains("locking 1048576 bytes is not permitted: RLIMIT_MEMLOCK is 262144")
        );
        let refused = lock_memory().unwrap_err();
        assert_eq!(refused, LockError::NotPermitted { bytes: None, limit_bytes: LIMIT });
        assert!(refused.to_string().contains("locking all memory"));
        unlock_memory();
        assert_eq!(locked_bytes(), 0);
    });
    // With privileges, everything.
    if tried && has(CAP_IPC_LOCK) {
        let memory = vec![1_u8; 4 << 20];
        assert_eq!(lock_memory(), Ok(()));
        assert!(locked_bytes() > memory.len());
        unlock_memory();
        assert_eq!(locked_bytes(), 0);
    } else {
        eprintln!("skipped: needs CAP_IPC_LOCK");
    }
}
