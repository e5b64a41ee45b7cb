//! The pool under several threads: nobody else ever writes into a held buffer, and all slots come back.

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use pcmflow_core::pool::*;
use pcmflow_core::ring::{CircularBuffer, PushError};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

fn pool(samples: usize, buffers: usize) -> BufferRecyclingPool {
    let class = ClassConfig { samples, buffers_max: buffers, buffers_prewarm: buffers };
    BufferRecyclingPool::new(PoolConfig { classes: vec![class], ..PoolConfig::default() }).unwrap()
}

/// A small generator, so that runs differ between threads and not between runs (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

#[test]
fn four_threads_never_meet_in_one_buffer() {
    const TURNS: u32 = 60_000;
    // Fewer buffers than the threads want, in two slabs, so that they fight for them.
    let pool = pool(32, 36);
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for me in 0..4u32 {
            let (pool, barrier) = (&pool, &barrier);
            scope.spawn(move || {
                let mut random = Random(0x9E37_79B9 + u64::from(me));
                let mut held: Vec<(PooledBuffer, f32)> = Vec::new();
                barrier.wait();
                for turn in 0..TURNS {
                    // Exact in f32: 2 bits of thread, 16 of turn.
                    let stamp = (me * (TURNS + 1) + turn) as f32;
                    if let Ok(mut buffer) = pool.acquire_for(OwnerId(me), 32, Miss::Fail) {
                        let _ = buffer.resize(32, stamp);
                        held.push((buffer, stamp));
                    }
                    while held.len() as u64 > random.below(256) {
                        let (buffer, stamp) = held.swap_remove(random.below(held.len() as u64) as usize);
                        assert!(buffer.iter().all(|s| *s == stamp), "somebody wrote into a held buffer");
                        assert_eq!(buffer.owner(), OwnerId(me));
                    }
                }
            });
        }
    });
    let metrics = pool.metrics();
    assert_eq!(metrics.states(), BufferStates { allocated: 0, in_use: 0, cached: 0, recycled: 36 });
    assert_eq!(metrics.hits() + metrics.misses(), u64::from(4 * TURNS));
    assert!(metrics.misses() > 0, "the threads were to fight");
    assert!(pool.held_by().is_empty());
}

/// What goes round between threads: a buffer, or only its name, and the samples it should show.
enum Message {
    Shared(BufferRef, f32),
    Named(BufferId, f32),
}

#[test]
fn shared_buffers_are_read_written_and_looked_up_everywhere() {
    const TURNS: usize = 40_000;
    let pool = pool(16, 40);
    // Each thread hands on to the next, by rings, which ThreadSanitizer sees (it does not see into std's locks).
    let (producers, mut consumers): (Vec<_>, Vec<_>) =
        (0..4).map(|_| CircularBuffer::<Message>::with_capacity(4).unwrap().split()).unzip();
    consumers.rotate_right(1);
    thread::scope(|scope| {
        for (me, (mut next, mut previous)) in producers.into_iter().zip(consumers).enumerate() {
            let pool = &pool;
            scope.spawn(move || {
                let mut random = Random(77 + me as u64);
                // Every second thread drops its last references into a cache.
                let mut endpoint = (me % 2 == 0).then(|| pool.endpoint(OwnerId(me as u32)).unwrap());
                let mut held: Vec<(BufferRef, f32)> = Vec::new();
                for turn in 0..TURNS {
                    if held.len() > 3 {
                        let (shared, _) = held.swap_remove(random.below(4) as usize);
                        match &mut endpoint {
                            Some(endpoint) => endpoint.release_shared(shared),
                            None => drop(shared),
                        }
                    }
                    let at = random.below(held.len().max(1) as u64) as usize;
                    match (random.below(4), held.get(at)) {
                        (0, _) | (_, None) => {
                            let stamp = (me * TURNS + turn) as f32;
                            let acquired = match &mut endpoint {
                                Some(endpoint) => endpoint.acquire(16, Miss::Fail),
                                None => pool.acquire(16, Miss::Fail),
                            };
                            let Ok(mut buffer) = acquired else { continue };
                            let _ = buffer.resize(16, stamp);
                            held.push((buffer.into_shared(), stamp));
                        }
                        (1, Some((shared, stamp))) => {
                            let message = if turn % 2 == 0 {
                                Message::Shared(shared.clone(), *stamp)
                            } else {
                                Message::Named(shared.id(), *stamp)
                            };
                            // A full ring gives it back, to be dropped here.
                            let _ = next.push(message);
                        }
                        (2, _) => match previous.pop() {
                            Some(Message::Shared(shared, stamp)) => {
                                assert!(shared.iter().all(|s| *s == stamp));
                                held.push((shared, stamp));
                            }
                            // A name may be stale, but never names another life.
                            Some(Message::Named(id, stamp)) => {
                                if let Some(shared) = pool.upgrade(id) {
                                    assert!(shared.iter().all(|s| *s == stamp), "an id led to another life");
                                }
                            }
                            None => thread::yield_now(),
                        },
                        (_, Some((shared, stamp))) => {
                            let mut shared = shared.clone();
                            if let Ok(samples) = shared.make_mut(Miss::Fail) {
                                assert!(samples.iter().all(|s| s == stamp));
                                samples.fill(-1.0);
                                assert!(shared.iter().all(|s| *s == -1.0));
                            }
                        }
                    }
                }
            });
        }
    });
    assert!(pool.metrics().copies() > 0);
    let states = pool.metrics().states();
    assert_eq!((states.in_use, states.cached), (0, 0));
}

#[test]
fn what_one_thread_acquires_another_releases() {
    const BUFFERS: u32 = 100_000;
    let pool = pool(64, 64);
    let (mut producer, mut consumer) = CircularBuffer::<PooledBuffer>::with_capacity(16).unwrap().split();
    let mut theirs = pool.endpoint(OwnerId(2)).unwrap();
    let consumed = thread::spawn(move || {
        let mut next = 0;
        while next < BUFFERS {
            let Some(buffer) = consumer.pop() else {
                thread::yield_now();
                continue;
            };
            assert!(buffer.len() == 64 && buffer.iter().all(|s| *s == next as f32), "lost, doubled or stale");
            theirs.release(buffer);
            next += 1;
        }
    });
    let mut mine = pool.endpoint(OwnerId(1)).unwrap();
    for number in 0..BUFFERS {
        let mut buffer = loop {
            // The other one may keep some for a while.
            match mine.acquire(64, Miss::Fail) {
                Ok(buffer) => break buffer,
                Err(_) => thread::yield_now(),
            }
        };
        let _ = buffer.resize(64, number as f32);
        while let Err(PushError::Full(back)) = producer.push(buffer) {
            buffer = back;
            thread::yield_now();
        }
    }
    consumed.join().unwrap();
    drop(mine);
    let metrics = pool.metrics();
    assert_eq!((metrics.states().in_use, metrics.states().cached), (0, 0));
    assert_eq!((metrics.acquisitions(), metrics.releases()), (u64::from(BUFFERS), u64::from(BUFFERS)));
}

#[test]
fn memory_comes_and_goes_while_others_use_it() {
    let classes = vec![ClassConfig { samples: 64, buffers_max: 96, buffers_prewarm: 1 }];
    let pool = BufferRecyclingPool::new(PoolConfig { classes, ..PoolConfig::default() }).unwrap();
    let done = AtomicBool::new(false);
    let served: u64 = thread::scope(|scope| {
        let users: Vec<_> = (0..2u8)
            .map(|me| {
                let (pool, done) = (&pool, &done);
                scope.spawn(move || {
                    let mut served = 0u64;
                    for turn in (0u8..=255).cycle() {
                        if turn == 0 && done.load(Ordering::Relaxed) {
                            break;
                        }
                        if turn.is_multiple_of(32) {
                            // Not only ever preempted while holding a buffer.
                            thread::yield_now();
                        }
                        let miss = if turn.is_multiple_of(7) { Miss::Grow } else { Miss::Fail };
                        let stamp = f32::from(me) * 256.0 + f32::from(turn);
                        if let Ok(mut buffer) = pool.acquire(64, miss) {
                            let _ = buffer.resize(64, stamp);
                            assert!(buffer.iter().all(|s| *s == stamp));
                            served += 1;
                        }
                    }
                    served
                })
            })
            .collect();
        // Until it happened often enough, not for a time: who runs when is the scheduler's affair.
        let mut given_back = 0;
        while given_back < 100 && !users.iter().any(|user| user.is_finished()) {
            given_back += u32::from(pool.clear().freed_bytes > 0);
            thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
        users.into_iter().map(|user| user.join().unwrap()).sum()
    });
    pool.clear();
    let metrics = pool.metrics();
    assert_eq!((metrics.states(), metrics.classes[0].payload_bytes), (BufferStates::default(), 0));
    assert_eq!((metrics.acquisitions(), metrics.held_bytes), (served, metrics.overhead_bytes));
}

#[test]
fn the_last_drop_may_be_anywhere_and_the_pool_may_be_gone() {
    for round in 0..200 {
        let pool = pool(16, 33);
        let mut senders = Vec::new();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (producer, mut consumer) =
                    CircularBuffer::<BufferRef>::with_capacity(64).unwrap().split();
                senders.push(producer);
                thread::spawn(move || {
                    loop {
                        match consumer.pop() {
                            Some(buffer) => assert_eq!(*buffer, [1.0; 16]),
                            None if consumer.is_closed() && consumer.available() == 0 => break,
                            None => thread::yield_now(),
                        }
                    }
                })
            })
            .collect();
        for turn in 0..33 {
            let mut buffer = pool.acquire(16, Miss::Fail).unwrap();
            let _ = buffer.resize(16, 1.0);
            let shared = buffer.into_shared();
            assert!(senders[turn % 2].push(shared.clone()).is_ok());
            if round % 2 == 0 {
                assert!(senders[1 - turn % 2].push(shared).is_ok());
            }
        }
        // The pool's end races with the buffers'.
        drop(pool);
        drop(senders);
        others.into_iter().for_each(|thread| thread.join().unwrap());
    }
    reclaim_dropped_pools();
}
