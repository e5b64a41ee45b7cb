//! Linux: affinity, `/proc`, control groups, limits of the process.

use super::super::thread::limit;
use super::cgroup::{self, Allowed};
use super::unix;
pub(super) use super::unix::timer_resolution_ns;
use crate::engine::platform::{Cores, Limit, Memory};
use libc::{c_long, c_ulong};
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(super) fn cores() -> Cores {
    let mut cores = unix::cores();
    cores.usable = affinity();
    cores.quota_thousandths = groups().cpu_thousandths;
    cores
}

pub(super) fn memory() -> Memory {
    let mut memory = unix::memory();
    if let Some(text) = read(Path::new("/proc/meminfo")) {
        memory.total_bytes = meminfo_bytes(&text, "MemTotal").or(memory.total_bytes);
        memory.available_bytes = meminfo_bytes(&text, "MemAvailable");
    }
    // SAFETY: the kernel writes one `struct rlimit`, for which there is room.
    let addresses = limit(|limit| unsafe { libc::getrlimit(libc::RLIMIT_AS, limit) });
    // SAFETY: as above.
    let data = limit(|limit| unsafe { libc::getrlimit(libc::RLIMIT_DATA, limit) });
    let process = unix::at_most(addresses).lower(unix::at_most(data));
    memory.limit_bytes = groups().memory_bytes.lower(process);
    if let Limit::At(bytes) = memory.lock_limit_bytes
        && may_lock(bytes.saturating_add(memory.page_bytes.unwrap_or(1)))
    {
        memory.lock_limit_bytes = Limit::Unlimited;
    }
    memory
}

/// The cores that the current thread may run on.
fn affinity() -> Option<u32> {
    const BITS: usize = c_ulong::BITS as usize;
    // The kernel refuses a set that is smaller than its own, of 8192 at the most so far.
    for cores in [1024, 8192, 65_536] {
        let mut set = vec![0 as c_ulong; cores / BITS];
        let (thread, bytes) = (0 as c_long, size_of_val(set.as_slice()));
        // SAFETY: the kernel writes at most `bytes` bytes, for which there is room.
        let written = unsafe { libc::syscall(libc::SYS_sched_getaffinity, thread, bytes, set.as_mut_ptr()) };
        if written > 0 {
            return Some(set.iter().map(|word| word.count_ones()).sum());
        }
    }
    None
}

/// What the control groups of this process allow.
fn groups() -> Allowed {
    let of_process = ["/proc/self/cgroup", "/proc/self/mountinfo"].map(|path| read(Path::new(path)));
    match of_process {
        [Some(groups), Some(mounts)] => cgroup::allowed(&groups, &mounts, read),
        _ => Allowed::default(),
    }
}

/// A file of the kernel's, or as much of it as could be expected.
fn read(path: &Path) -> Option<String> {
    const BYTES_MAX: u64 = 4 << 20;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A line of `/proc/meminfo`.
fn meminfo_bytes(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// Whether so many bytes can be locked: who has the privilege is held to no limit. Tried with addresses that have no memory, and
/// are locked on their first use, which never comes.
fn may_lock(bytes: u64) -> bool {
    let Ok(bytes) = usize::try_from(bytes) else { return false };
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping where there is room.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        return false;
    }
    let flags = c_long::from(libc::MLOCK_ONFAULT);
    // SAFETY: our own mapping; nobody has used or will use it. Unmapping unlocks it.
    unsafe {
        let locked = libc::syscall(libc::SYS_mlock2, start, bytes, flags) == 0;
        libc::munmap(start, bytes);
        locked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_meminfo_is_read_or_left_alone() {
        let text = "MemTotal:       24684092 kB\nMemFree:        1 kB\nMemAvailable:\t5 kB\nBare: 7\nHuge: 18446744073709551615 kB\n\
                    Bad: many kB\nNegative: -1 kB\nCut: 12 k";
        for (key, bytes) in [
            ("MemTotal", Some(24_684_092 * 1024)),
            ("MemAvailable", Some(5 * 1024)),
            ("Mem", None),
            ("Bare", None),
            ("Huge", None),
            ("Bad", None),
            ("Negative", None),
            ("Cut", None),
            ("Missing", None),
        ] {
            assert_eq!(meminfo_bytes(text, key), bytes, "{key}");
        }
        assert_eq!(meminfo_bytes("", "MemTotal"), None);
    }

    #[test]
    fn what_cannot_be_mapped_cannot_be_locked() {
        assert!(!may_lock(0) && !may_lock(u64::MAX) && !may_lock(1 << 60));
    }
}
