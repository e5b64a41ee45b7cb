//! What every Unix can be asked.

use super::super::thread::limit;
use crate::engine::platform::{Cores, Limit, Memory};
use libc::c_int;

/// A number of the system's; none where it has no such one.
fn ask(name: c_int) -> Option<u64> {
    // SAFETY: takes and returns plain numbers.
    let number = unsafe { libc::sysconf(name) };
    u64::try_from(number).ok().filter(|number| *number > 0)
}

pub(super) fn cores() -> Cores {
    let mut cores = Cores::default();
    cores.logical = ask(libc::_SC_NPROCESSORS_ONLN).and_then(|cores| u32::try_from(cores).ok());
    cores
}

pub(super) fn memory() -> Memory {
    let mut memory = Memory::default();
    memory.page_bytes = ask(libc::_SC_PAGESIZE);
    memory.total_bytes =
        memory.page_bytes.zip(ask(libc::_SC_PHYS_PAGES)).and_then(|(bytes, pages)| bytes.checked_mul(pages));
    // SAFETY: the system writes one `struct rlimit`, for which there is room.
    memory.lock_limit_bytes = at_most(limit(|limit| unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, limit) }));
    memory
}

/// A limit as the system counts it, with the largest number for none.
pub(super) fn at_most(limit: u64) -> Limit {
    if limit == u64::MAX { Limit::Unlimited } else { Limit::At(limit) }
}

pub(super) fn timer_resolution_ns() -> Option<u64> {
    let mut step = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one structure, for which there is room.
    if unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC, &raw mut step) } != 0 {
        return None;
    }
    let (s, ns) = (u64::try_from(step.tv_sec).ok()?, u64::try_from(step.tv_nsec).ok()?);
    s.checked_mul(1_000_000_000)?.checked_add(ns)
}
