//! What the system sees of a pool whose slabs are pages: growth, give-back, the pool's end, and refusals.
//!
//! Resident memory is the process's: one test, so that nothing else comes and goes beside it.
#![cfg(target_os = "linux")]
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use pcmflow::core::pool::{BufferRecyclingPool, ClassConfig, GrowError, Miss, PoolConfig, SlabMemory};
use pcmflow::runtime::PageMemory;
use std::alloc::Layout;

const MIB: i64 = 1024;

/// The size of the process's address space, and what of it is in memory, in KiB.
fn mapped_and_resident_kib() -> (i64, i64) {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let mut pages = statm.split(' ').map(|pages| pages.parse::<i64>().unwrap());
    // SAFETY: asks for a number.
    let page_kib = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as i64 / 1024;
    (pages.next().unwrap() * page_kib, pages.next().unwrap() * page_kib)
}

fn resident_kib() -> i64 {
    mapped_and_resident_kib().1
}

#[test]
fn resident_memory_follows_the_pool() {
    growth_and_give_back();
    refusals();
    mappings_beyond_the_limit();
}

fn growth_and_give_back() {
    let class = ClassConfig { samples: 1024, buffers_max: 16 * 1024, buffers_prewarm: 0 };
    let config = PoolConfig { classes: vec![class], budget_bytes: 80 << 20, ..PoolConfig::default() };
    let pool = BufferRecyclingPool::with_memory(config, &PageMemory).unwrap();
    for round in 0..5 {
        let before = resident_kib();
        pool.prewarm(1024, 16 * 1024).unwrap();
        let grown = resident_kib() - before;
        assert!(grown >= 60 * MIB, "64 MiB were to be faulted in, {grown} KiB were");
        let held: Vec<_> = (0..9 * 1024).map(|_| pool.acquire(1024, Miss::Fail).unwrap()).collect();
        pool.trim(1024, 8 * 1024);
        let trimmed = resident_kib() - before;
        assert!((30 * MIB..44 * MIB).contains(&trimmed), "36 MiB are in use, {trimmed} KiB are resident");
        drop(held);
        pool.give_back();
        let drained = resident_kib() - before;
        assert!((28 * MIB..40 * MIB).contains(&drained), "32 MiB are kept, {drained} KiB are resident");
        pool.clear();
        let cleared = resident_kib() - before;
        assert!(cleared < 6 * MIB, "{cleared} KiB stayed");
        println!("round {round}: KiB {grown} grown, {trimmed} trimmed, {drained} drained, {cleared} cleared");
    }
    let before = resident_kib();
    pool.prewarm(1024, 16 * 1024).unwrap();
    drop(pool);
    assert!(resident_kib() - before < 6 * MIB, "a pool that is dropped leaves no pages");
}

fn refusals() {
    let huge = Layout::from_size_align(1 << 60, 64).unwrap();
    assert!(PageMemory.allocate(huge).is_none(), "2^60 bytes are more than any address space");
    assert!(PageMemory.allocate(Layout::from_size_align(64, 1 << 20).unwrap()).is_none(), "not that aligned");
    let odd = Layout::from_size_align(5000, 64).unwrap();
    let memory = PageMemory.allocate(odd).unwrap();
    assert_eq!(memory.addr().get() % 4096, 0);
    // SAFETY: 5000 bytes are ours, and are freed once, as they were allocated.
    unsafe {
        memory.write_bytes(0xa5, 5000);
        assert_eq!(memory.add(4999).read(), 0xa5);
        PageMemory.free(memory, odd);
    }
    // A pool that the system refuses says so, and goes on.
    let class = ClassConfig { samples: 1024, buffers_max: 64, buffers_prewarm: 0 };
    let config = PoolConfig { classes: vec![class], ..PoolConfig::default() };
    let pool = BufferRecyclingPool::with_memory(config, &PageMemory).unwrap();
    let refused = without_address_space(|| pool.prewarm(1024, 32).unwrap_err());
    assert!(matches!(refused, GrowError::OutOfMemory { class: 1024, .. }), "{refused}");
    assert_eq!(pool.prewarm(1024, 32), Ok(32));
}

/// Runs `act` where the process may map nothing more.
fn without_address_space<T>(act: impl FnOnce() -> T) -> T {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let mapped = mapped_and_resident_kib().0 as u64 * 1024;
    // SAFETY: reads and writes one limit; the soft one may be lowered, and raised again.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_AS, &raw mut limit), 0);
        let lowered = libc::rlimit { rlim_cur: mapped, ..limit };
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &raw const lowered), 0);
        let result = act();
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &raw const limit), 0);
        result
    }
}

/// Every second of many neighbours is freed: Linux keeps neighbours as one mapping, and allows so many holes. Nearly 1000
/// holes are refused, and their memory must go all the same.
fn mappings_beyond_the_limit() {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    if limit > 100_000 {
        return println!("skipped: {limit} mappings are allowed here, too many to reach");
    }
    let page = Layout::from_size_align(4096, 64).unwrap();
    let all: Vec<_> = (0..2 * limit + 2000).map(|_| PageMemory.allocate(page).unwrap()).collect();
    let (even, odd): (Vec<_>, Vec<_>) = all.into_iter().enumerate().partition(|(n, _)| n % 2 == 0);
    // SAFETY: each is ours, 4096 bytes long, and freed once.
    unsafe {
        even.iter().for_each(|(_, memory)| memory.write_bytes(1, 4096));
        let before = mapped_and_resident_kib();
        even.iter().for_each(|(_, memory)| PageMemory.free(*memory, page));
        let after = mapped_and_resident_kib();
        let (mapped, resident) = (before.0 - after.0, before.1 - after.1);
        println!("{} KiB freed: {mapped} fewer are mapped, {resident} fewer resident", 4 * even.len());
        assert!(mapped < 4 * even.len() as i64 - 2 * MIB, "the limit was not met");
        assert!(resident > 4 * even.len() as i64 - MIB, "{resident} KiB went");
        odd.iter().for_each(|(_, memory)| PageMemory.free(*memory, page));
    }
}
