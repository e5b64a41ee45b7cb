//! The pool under several threads: nobody else ever writes into a held buffer, and all slots come back.

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use pcmflow_core::pool::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
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
                        buffer.resize(32, stamp);
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
    assert_eq!(metrics.states(), BufferStates { allocated: 0, in_use: 0, recycled: 36 });
    assert_eq!(metrics.hits() + metrics.misses(), u64::from(4 * TURNS));
    assert!(metrics.misses() > 0, "the threads were to fight");
    assert!(pool.held_by().is_empty());
}

#[test]
fn shared_buffers_are_read_written_and_looked_up_everywhere() {
    const TURNS: usize = 20_000;
    let pool = pool(16, 40);
    let wall: Vec<Mutex<Option<(BufferRef, f32)>>> = (0..8).map(|_| Mutex::new(None)).collect();
    let ids: Vec<Mutex<Option<(BufferId, f32)>>> = (0..8).map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for me in 0..4usize {
            let (pool, wall, ids) = (&pool, &wall, &ids);
            scope.spawn(move || {
                let mut random = Random(77 + me as u64);
                for turn in 0..TURNS {
                    let at = random.below(8) as usize;
                    match random.below(4) {
                        0 => {
                            let stamp = (me * TURNS + turn) as f32;
                            let Ok(mut buffer) = pool.acquire(16, Miss::Fail) else { continue };
                            buffer.resize(16, stamp);
                            let shared = buffer.into_shared();
                            *ids[at].lock().unwrap() = Some((shared.id(), stamp));
                            *wall[at].lock().unwrap() = Some((shared, stamp));
                        }
                        1 => {
                            let copy = wall[at].lock().unwrap().clone();
                            if let Some((shared, stamp)) = copy {
                                assert!(shared.iter().all(|s| *s == stamp));
                            }
                        }
                        2 => {
                            // An id may be stale, but never names another life.
                            let named = *ids[at].lock().unwrap();
                            if let Some((id, stamp)) = named
                                && let Some(shared) = pool.upgrade(id)
                            {
                                assert!(shared.iter().all(|s| *s == stamp), "an id led to another life");
                            }
                        }
                        _ => {
                            let copy = wall[at].lock().unwrap().clone();
                            if let Some((mut shared, stamp)) = copy
                                && let Ok(samples) = shared.make_mut(Miss::Fail)
                            {
                                assert!(samples.iter().all(|s| *s == stamp));
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
    drop(wall);
    assert_eq!(pool.metrics().states().in_use, 0);
    assert!(ids.iter().all(|id| id.lock().unwrap().is_none_or(|(id, _)| pool.upgrade(id).is_none())));
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
                            buffer.resize(64, stamp);
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
            given_back += u32::from(pool.clear() > 0);
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
        let (sender, receiver) = mpsc::channel::<BufferRef>();
        let receiver = Arc::new(Mutex::new(receiver));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let receiver = Arc::clone(&receiver);
                thread::spawn(move || {
                    while let Ok(buffer) = { receiver.lock().unwrap().recv() } {
                        assert_eq!(*buffer, [1.0; 16]);
                    }
                })
            })
            .collect();
        for _ in 0..33 {
            let mut buffer = pool.acquire(16, Miss::Fail).unwrap();
            buffer.resize(16, 1.0);
            let shared = buffer.into_shared();
            sender.send(shared.clone()).unwrap();
            if round % 2 == 0 {
                sender.send(shared).unwrap();
            }
        }
        // The pool's end races with the buffers'.
        drop(pool);
        drop(sender);
        others.into_iter().for_each(|thread| thread.join().unwrap());
    }
    reclaim_dropped_pools();
}
