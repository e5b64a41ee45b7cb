//! The pool's real-time lines, held against an allocator that counts: nothing is allocated or freed where they say so,
//! and everything is freed in the end.

#![cfg_attr(pcmflow_rtsan, feature(sanitize))]
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use guard::{bytes_held, calls};
use pcmflow_core::pool::*;
use std::sync::Mutex;

#[path = "guard/mod.rs"]
mod guard;

/// The list of dropped pools is the process's: another test's new pool would free them first.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn pool() -> BufferRecyclingPool {
    let classes = [(64, 40, 40), (128, 2, 1)].map(|(samples, buffers_max, buffers_prewarm)| ClassConfig {
        samples,
        buffers_max,
        buffers_prewarm,
    });
    BufferRecyclingPool::new(PoolConfig { classes: classes.into(), ..PoolConfig::default() }).unwrap()
}

#[test]
fn the_guard_trips() {
    let _turn = ONE_AT_A_TIME.lock();
    assert_eq!(calls(|| drop(std::hint::black_box(Box::new(1)))), 2);
    let pool = pool();
    let hold = std::array::from_fn::<_, 2, _>(|_| pool.acquire(128, Miss::Fail));
    assert!(hold.iter().all(Result::is_ok));
    pool.clear();
    let pool = BufferRecyclingPool::new(PoolConfig {
        classes: vec![ClassConfig { samples: 64, buffers_max: 1, buffers_prewarm: 0 }],
        ..PoolConfig::default()
    })
    .unwrap();
    assert_eq!(calls(|| drop(pool.acquire(64, Miss::Grow))), 2, "block and storage");
}

#[test]
fn the_steady_state_never_calls_the_allocator() {
    let _turn = ONE_AT_A_TIME.lock();
    let pool = pool();
    let allocator_calls = calls(|| {
        for turn in 0..1000 {
            let mut buffer = pool.acquire_for(OwnerId(turn), 64, Miss::Fail).unwrap();
            let _ = buffer.extend_from_slice(&[1.0; 40]);
            let _ = buffer.extend_with(10, |i| i as f32);
            let _ = buffer.resize(64, 0.0);
            let mut shared = buffer.into_shared();
            let clone = shared.clone();
            let looked_up = pool.upgrade(clone.id()).unwrap();
            shared.make_mut(Miss::Fail).unwrap()[0] = 2.0;
            assert_eq!((shared[0], clone[0], looked_up.ref_count()), (2.0, 1.0, 2));
            let unique = shared.try_unique().unwrap();
            drop((clone, unique, looked_up));
            assert!(pool.acquire(129, Miss::NextClassUp).is_err());
        }
        // Exhaustion, too: over two slabs, up a class, and down.
        let mut held: [Option<PooledBuffer>; 43] = [const { None }; 43];
        for (at, place) in held.iter_mut().enumerate() {
            *place = pool.acquire(64, Miss::NextClassUp).ok();
            assert_eq!(place.is_some(), at < 42);
        }
        held[0] = None;
        assert_eq!(pool.acquire(128, Miss::Smaller).unwrap().capacity(), 64);
        drop(pool.clone());
    });
    assert_eq!(allocator_calls, 0);
    assert_eq!(pool.metrics().copies(), 1000);
}

#[test]
fn endpoints_never_call_the_allocator() {
    let _turn = ONE_AT_A_TIME.lock();
    let pool = pool();
    let mut endpoint = pool.endpoint(OwnerId(1)).unwrap();
    let allocator_calls = calls(|| {
        let mut held: [Option<PooledBuffer>; 42] = [const { None }; 42];
        for turn in 0..100 {
            // Refills, recalls, and at last a refusal; spills on the way back.
            for place in &mut held {
                *place = endpoint.acquire(64, Miss::NextClassUp).ok();
            }
            assert!(held.iter().all(Option::is_some) && endpoint.acquire(64, Miss::Fail).is_err());
            for place in &mut held {
                match place.take() {
                    Some(buffer) if turn % 2 == 0 => endpoint.release(buffer),
                    Some(buffer) => endpoint.release_shared(buffer.into_shared()),
                    None => {}
                }
            }
            if turn % 8 == 0 {
                endpoint.flush();
            }
        }
        drop(endpoint);
    });
    assert_eq!(allocator_calls, 0);
    let endpoint = pool.endpoint(OwnerId(1)).unwrap();
    drop(pool);
    assert_eq!(calls(|| drop(endpoint)), 0, "not even the pool's last handle frees");
    assert_eq!(reclaim_dropped_pools(), 1);
}

#[test]
fn a_pool_that_was_dropped_first_is_freed_off_the_audio_thread() {
    let _turn = ONE_AT_A_TIME.lock();
    let before = bytes_held();
    let pool = pool();
    let unique = pool.acquire(64, Miss::Fail).unwrap();
    let shared = pool.acquire(128, Miss::Fail).unwrap().into_shared();
    drop(pool);
    assert!(bytes_held() - before > 40 * 256, "buffers keep the pool's memory");
    assert_eq!(calls(|| drop((unique, shared))), 0, "nothing is freed by the last drop");
    assert!(bytes_held() - before > 40 * 256);
    assert_eq!(reclaim_dropped_pools(), 1);
    assert_eq!(bytes_held(), before, "everything is freed");
    drop(self::pool());
    assert_eq!(bytes_held(), before, "with nothing out, dropping the pool frees it");
}
