//! Memory that comes and goes by whole slabs: what drains, what is freed. (What the system sees of it: pcmflow's
//! `tests/pages.rs`.)

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use pcmflow_core::pool::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a slab of 32 buffers of 64 samples.
const SLAB: usize = 32 * 256;

/// One class of three such slabs.
fn pool() -> BufferRecyclingPool {
    let class = ClassConfig { samples: 64, buffers_max: 96, buffers_prewarm: 96 };
    BufferRecyclingPool::new(PoolConfig { classes: vec![class], ..PoolConfig::default() }).unwrap()
}

fn take(pool: &BufferRecyclingPool, count: usize) -> Vec<PooledBuffer> {
    (0..count).map(|_| pool.acquire(64, Miss::Fail).unwrap()).collect()
}

#[test]
fn idle_slabs_go_at_once_and_others_drain() {
    let pool = pool();
    let full = take(&pool, 32);
    let mut one = take(&pool, 1).pop().unwrap();
    assert_eq!(pool.trim(64, 97), GivenBack::default(), "nothing to do");
    assert_eq!(pool.trim(65, 0), GivenBack::default(), "no such class");
    assert_eq!(pool.trim(64, 65), GivenBack::default(), "whole slabs only");
    assert_eq!(pool.trim(64, 32), GivenBack { freed_bytes: SLAB, draining_bytes: SLAB });
    let metrics = pool.metrics();
    assert_eq!((metrics.states().in_use, metrics.draining_bytes()), (33, SLAB));
    assert!(pool.acquire(64, Miss::Fail).is_err(), "31 are free in the slab that drains");
    // What is held stays good.
    assert_eq!(one.resize(64, 2.0), 64);
    assert_eq!(*one, [2.0; 64]);
    assert_eq!(pool.give_back(), GivenBack { freed_bytes: 0, draining_bytes: SLAB });
    drop(one);
    assert_eq!(pool.give_back(), GivenBack { freed_bytes: SLAB, draining_bytes: 0 });
    assert_eq!((pool.metrics().states().in_use, pool.metrics().states().recycled), (32, 0));
    drop(full);
    assert_eq!(take(&pool, 32).len(), 32);
    assert!(pool.metrics().classes[0].in_use_peak >= 33, "peaks outlast the storage");
}

#[test]
fn growth_opens_a_draining_slab_again_and_allocates_nothing() {
    let pool = pool();
    let held = take(&pool, 65);
    assert_eq!(pool.clear(), GivenBack { freed_bytes: 0, draining_bytes: 3 * SLAB });
    let bytes = pool.metrics().held_bytes;
    // One after the other: the first that opens has nothing free.
    let more = pool.acquire(64, Miss::Grow).unwrap();
    assert_eq!((pool.metrics().held_bytes, pool.metrics().draining_bytes()), (bytes, 0));
    drop((held, more));
    assert_eq!(pool.clear().freed_bytes, 3 * SLAB);
    assert_eq!(pool.prewarm(64, 32), Ok(32));
    assert_eq!(pool.metrics().held_bytes, bytes - 2 * SLAB);
    let one = take(&pool, 1);
    pool.clear();
    assert_eq!(pool.prewarm(64, 1), Ok(32), "buffers of a draining slab don't count");
    assert_eq!((pool.metrics().held_bytes, pool.metrics().draining_bytes()), (bytes - 2 * SLAB, 0));
    drop(one);
    assert_eq!(take(&pool, 32).len(), 32);
}

#[test]
fn a_pool_shrinks_to_bytes() {
    let class = |samples| ClassConfig { samples, buffers_max: 64, buffers_prewarm: 64 };
    let config = PoolConfig { classes: vec![class(64), class(128)], ..PoolConfig::default() };
    let pool = BufferRecyclingPool::new(config).unwrap();
    let held_bytes = pool.metrics().held_bytes;
    assert_eq!(pool.shrink_to(held_bytes), GivenBack::default());
    assert_eq!(pool.shrink_to(held_bytes - 1).freed_bytes, 2 * SLAB, "the larger class first");
    let one = pool.acquire(128, Miss::Fail).unwrap();
    assert_eq!(
        pool.shrink_to(held_bytes - 3 * SLAB).freed_bytes,
        SLAB,
        "an idle slab before a larger one in use"
    );
    assert_eq!(
        pool.shrink_to(held_bytes - 5 * SLAB),
        GivenBack { freed_bytes: SLAB, draining_bytes: 2 * SLAB }
    );
    assert_eq!(pool.shrink_to(0).draining_bytes, 2 * SLAB);
    drop(one);
    assert_eq!(pool.give_back().freed_bytes, 2 * SLAB);
}

#[test]
fn less_than_three_percent_is_overhead_in_each_class() {
    for samples in [256, 512, 1024, 2048, 4096] {
        let class = ClassConfig { samples, buffers_max: 1024, buffers_prewarm: 256 };
        let config = PoolConfig { classes: vec![class], ..PoolConfig::default() };
        let pool = BufferRecyclingPool::new(config).unwrap();
        let metrics = pool.metrics();
        let class = metrics.classes[0];
        let percent = class.overhead_percent();
        println!(
            "{samples} samples: {} of {} bytes, {percent:.2} %",
            class.overhead_bytes(),
            class.held_bytes
        );
        assert!(class.payload_bytes >= 256 * samples * 4);
        assert!(percent > 0.1 && percent < 3.0, "{percent} % in the class of {samples}");
        // All of the pool, with two endpoints.
        let _endpoints = [pool.endpoint(OwnerId(0)).unwrap(), pool.endpoint(OwnerId(1)).unwrap()];
        assert!(pool.metrics().overhead_percent() < 3.0, "{}", pool.metrics().overhead_percent());
    }
}

/// Acquires and releases `held` buffers in turn until told to stop; returns turns and the worst acquire.
fn work(pool: &BufferRecyclingPool, me: u32, held: usize, done: &AtomicBool) -> (u64, Duration) {
    let mut endpoint = me.is_multiple_of(2).then(|| pool.endpoint(OwnerId(me)).unwrap());
    let mut buffers: Vec<Option<(PooledBuffer, f32)>> = (0..held).map(|_| None).collect();
    let (mut turns, mut worst) = (0u64, Duration::ZERO);
    while !done.load(Ordering::Relaxed) {
        let place = &mut buffers[turns as usize % held];
        if let Some((buffer, stamp)) = place.take() {
            assert!(buffer.iter().all(|sample| *sample == stamp), "somebody wrote into a held buffer");
            match &mut endpoint {
                Some(endpoint) => endpoint.release(buffer),
                None => drop(buffer),
            }
        }
        let before = Instant::now();
        let acquired = match &mut endpoint {
            Some(endpoint) => endpoint.acquire(64, Miss::Fail),
            None => pool.acquire(64, Miss::Fail),
        };
        worst = worst.max(before.elapsed());
        if let Ok(mut buffer) = acquired {
            // Exact in f32.
            let stamp = (me * 1_000_000) as f32 + (turns % 1_000_000) as f32;
            let _ = buffer.resize(64, stamp);
            *place = Some((buffer, stamp));
        }
        turns += 1;
    }
    (turns, worst)
}

#[test]
fn four_threads_work_while_memory_comes_and_goes() {
    let worst_of = |trims: bool| {
        let pool = pool();
        let (done, freed) = (AtomicBool::new(false), AtomicU64::new(0));
        let started = Instant::now();
        let (turns, worst) = thread::scope(|scope| {
            let (pool, done) = (&pool, &done);
            let users: Vec<_> = (0..4).map(|me| scope.spawn(move || work(pool, me, 12, done))).collect();
            while started.elapsed() < Duration::from_millis(300)
                && !users.iter().any(|user| user.is_finished())
            {
                if trims {
                    freed.fetch_add(pool.trim(64, 32).freed_bytes as u64, Ordering::Relaxed);
                    thread::sleep(Duration::from_micros(200));
                    assert!(pool.metrics().held_bytes <= pool.metrics().budget_bytes);
                    pool.prewarm(64, 96).unwrap();
                } else {
                    thread::sleep(Duration::from_micros(200));
                }
            }
            done.store(true, Ordering::Relaxed);
            let results: Vec<_> = users.into_iter().map(|user| user.join().unwrap()).collect();
            results.iter().fold((0, Duration::ZERO), |(turns, worst), (t, w)| (turns + t, worst.max(*w)))
        });
        let given = freed.into_inner();
        println!("given back {given} bytes: {turns} turns, worst acquire {worst:?}");
        assert!(!trims || given > 0, "nothing was ever given back");
        let metrics = pool.metrics();
        assert_eq!((metrics.states().in_use, metrics.states().cached), (0, 0));
        let hits: u64 = metrics.hits();
        assert_eq!(hits + metrics.misses(), turns);
        pool.clear();
        let metrics = pool.metrics();
        assert_eq!((metrics.states(), metrics.held_bytes), (BufferStates::default(), metrics.overhead_bytes));
    };
    worst_of(false);
    worst_of(true);
}
