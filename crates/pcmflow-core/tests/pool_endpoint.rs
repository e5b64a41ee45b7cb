//! Endpoints: what is released into a cache is the endpoint's, is reported as cached, and can be called back.

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use pcmflow_core::pool::*;
use std::collections::BTreeMap;

const ME: OwnerId = OwnerId(7);

/// Two classes; an endpoint keeps at most eight buffers of 64 samples, and four of 128.
fn pool(buffers: usize) -> BufferRecyclingPool {
    let class = |samples| ClassConfig { samples, buffers_max: buffers, buffers_prewarm: buffers };
    let config = PoolConfig {
        classes: vec![class(64), class(128)],
        endpoint_cache_bytes: 4096,
        ..PoolConfig::default()
    };
    BufferRecyclingPool::new(config).unwrap()
}

fn states(pool: &BufferRecyclingPool) -> BufferStates {
    pool.metrics().states()
}

#[test]
fn what_is_released_last_comes_back_first() {
    let pool = pool(32);
    let mut endpoint = pool.endpoint(ME).unwrap();
    let mut first = endpoint.acquire(64, Miss::Fail).unwrap();
    let _ = first.resize(64, 9.0);
    let second = endpoint.acquire(10, Miss::Fail).unwrap();
    let (place, capacity) = (first.as_ptr(), first.capacity());
    endpoint.release(second);
    endpoint.release(first);
    let again = endpoint.acquire(1, Miss::Fail).unwrap();
    assert_eq!((again.as_ptr(), again.capacity(), again.len()), (place, capacity, 0));
    assert_eq!(again.owner(), ME);
}

#[test]
fn cached_buffers_are_neither_in_use_nor_leaked_and_everything_is_counted() {
    let pool = pool(32);
    let mut endpoint = pool.endpoint(ME).unwrap();
    let held: Vec<_> = (0..3).map(|_| endpoint.acquire(64, Miss::Fail).unwrap()).collect();
    let large = endpoint.acquire(128, Miss::Fail).unwrap();
    // Three quarters of eight and of four, less what was handed out.
    let expected = BufferStates { allocated: 64 - 9, in_use: 4, cached: 5, recycled: 0 };
    assert_eq!((states(&pool), endpoint.cached()), (expected, 5));
    assert_eq!(pool.held_by(), BTreeMap::from([(ME, 4)]));
    held.into_iter().for_each(|buffer| endpoint.release(buffer));
    endpoint.release(large);
    let m = pool.metrics();
    assert_eq!(m.states(), BufferStates { allocated: 55, in_use: 0, cached: 9, recycled: 0 });
    assert_eq!((m.acquisitions(), m.releases(), m.hits(), m.misses()), (4, 4, 4, 0));
    assert_eq!((m.classes[0].hit_rate(), m.endpoints), (Some(1.0), 1));
    assert!(pool.held_by().is_empty());
    assert!(endpoint.acquire(129, Miss::Grow).is_err());
    drop(endpoint);
    let m = pool.metrics();
    assert_eq!(m.states(), BufferStates { allocated: 55, in_use: 0, cached: 0, recycled: 9 });
    assert_eq!((m.acquisitions(), m.hits(), m.too_large, m.endpoints), (4, 4, 1, 0));
    // The next endpoint takes the place over, counts included.
    let mut endpoint = pool.endpoint(ME).unwrap();
    drop(endpoint.acquire(64, Miss::Fail));
    assert_eq!((pool.metrics().acquisitions(), pool.metrics().held_bytes), (5, m.held_bytes));
    let second = pool.endpoint(OwnerId(8)).unwrap();
    assert!(pool.metrics().held_bytes > m.held_bytes, "two at once need room for two");
    assert_eq!(pool.metrics().endpoints, 2);
    drop(second);
}

#[test]
fn a_cache_keeps_no_more_bytes_than_it_may() {
    let pool = pool(32);
    let mut endpoint = pool.endpoint(ME).unwrap();
    let held: Vec<_> = (0..32).map(|_| pool.acquire(64, Miss::Fail).unwrap()).collect();
    for (released, buffer) in (1..).zip(held) {
        endpoint.release(buffer);
        assert!(endpoint.cached() <= 8, "{} after {released}", endpoint.cached());
        assert_eq!(states(&pool).in_use, 32 - released);
    }
    let held: Vec<_> = (0..32).map(|_| pool.acquire(128, Miss::Fail).unwrap()).collect();
    held.into_iter().for_each(|buffer| endpoint.release(buffer));
    assert!(endpoint.cached() <= 12 && endpoint.cached() > 1);
    // All of them are to be had, wherever they are.
    let all: Vec<_> = std::iter::from_fn(|| endpoint.acquire(64, Miss::Fail).ok()).collect();
    assert_eq!(all.len(), 32);
}

#[test]
fn without_bytes_nothing_is_cached() {
    let class = ClassConfig { samples: 64, buffers_max: 2, buffers_prewarm: 2 };
    let config = PoolConfig { classes: vec![class], endpoint_cache_bytes: 255, ..PoolConfig::default() };
    let pool = BufferRecyclingPool::new(config).unwrap();
    let mut endpoint = pool.endpoint(ME).unwrap();
    let buffer = endpoint.acquire(64, Miss::Fail).unwrap();
    assert_eq!((buffer.owner(), states(&pool).in_use, states(&pool).cached), (ME, 1, 0));
    endpoint.release(buffer);
    assert_eq!((states(&pool).in_use, states(&pool).cached), (0, 0));
    assert_eq!(pool.metrics().acquisitions(), 1);
}

#[test]
fn another_pools_buffer_goes_home() {
    let (pool, other) = (pool(4), pool(4));
    let mut endpoint = pool.endpoint(ME).unwrap();
    endpoint.release(other.acquire(64, Miss::Fail).unwrap());
    endpoint.release_shared(other.acquire(64, Miss::Fail).unwrap().into_shared());
    assert_eq!(endpoint.cached(), 0);
    assert_eq!(states(&other), BufferStates { allocated: 7, in_use: 0, cached: 0, recycled: 1 });
    let orphan = other.acquire(64, Miss::Fail).unwrap();
    drop(other);
    endpoint.release(orphan);
    assert!(reclaim_dropped_pools() <= 1, "unless another test did it");
}

#[test]
fn the_last_reference_is_cached() {
    let pool = pool(4);
    let mut endpoint = pool.endpoint(ME).unwrap();
    let shared = pool.acquire(64, Miss::Fail).unwrap().into_shared();
    let (id, other) = (shared.id(), shared.clone());
    endpoint.release_shared(shared);
    assert_eq!((endpoint.cached(), states(&pool).in_use), (0, 1));
    endpoint.release_shared(other);
    assert_eq!((endpoint.cached(), states(&pool).in_use), (1, 0));
    assert!(pool.upgrade(id).is_none(), "cached is not alive");
    let again = endpoint.acquire(64, Miss::Fail).unwrap().into_shared();
    assert!(pool.upgrade(id).is_none() && pool.upgrade(again.id()).is_some());
}

#[test]
fn who_finds_the_class_exhausted_calls_cached_buffers_back() {
    let pool = pool(4);
    let mut idle = pool.endpoint(ME).unwrap();
    let mut endpoint = pool.endpoint(OwnerId(8)).unwrap();
    drop(idle.acquire(64, Miss::Fail));
    assert_eq!(idle.cached(), 3);
    let first = endpoint.acquire(64, Miss::Fail).unwrap();
    assert!(endpoint.acquire(64, Miss::Fail).is_err(), "three are cached elsewhere");
    assert!(pool.acquire(64, Miss::Fail).is_err());
    // Its next use, whatever it is.
    drop(idle.acquire(128, Miss::Fail));
    assert_eq!(states(&pool).in_use, 1);
    let others: Vec<_> = (0..3).map(|_| endpoint.acquire(64, Miss::Fail).unwrap()).collect();
    assert_eq!(states(&pool).in_use, 4);
    drop((first, others));
}

#[test]
fn cached_buffers_do_not_hold_give_back_up_for_ever() {
    let pool = pool(32);
    let mut endpoint = pool.endpoint(ME).unwrap();
    let kept = endpoint.acquire(64, Miss::Fail).unwrap();
    drop(endpoint.acquire(128, Miss::Fail));
    let before = pool.metrics();
    let given = pool.clear();
    assert_eq!((given.freed_bytes, given.draining_bytes), (0, 32 * 192 * 4), "both are cached in part");
    assert!(
        endpoint.acquire(64, Miss::Fail).is_err(),
        "a draining slab hands out nothing, nor does the cache"
    );
    assert_eq!(endpoint.cached(), 0);
    assert_eq!(pool.give_back(), GivenBack { freed_bytes: 32 * 128 * 4, draining_bytes: 32 * 64 * 4 });
    endpoint.release(kept);
    assert_eq!(endpoint.cached(), 0, "a draining slab's buffer is not cached");
    assert_eq!(pool.give_back(), GivenBack { freed_bytes: 32 * 64 * 4, draining_bytes: 0 });
    assert_eq!(pool.metrics().held_bytes, before.held_bytes - 32 * 192 * 4);
    let again = endpoint.acquire(64, Miss::Grow).unwrap();
    endpoint.release(again);
    assert_eq!(endpoint.cached(), 1, "what came back is cached again");
}

#[test]
fn an_endpoint_keeps_its_pool_and_ends_it_without_freeing() {
    let pool = pool(4);
    let mut endpoint = pool.endpoint(ME).unwrap();
    drop(pool);
    let mut buffer = endpoint.acquire(64, Miss::Fail).unwrap();
    assert_eq!(buffer.extend_from_slice(&[1.0; 80]), 64);
    let kept = endpoint.acquire(128, Miss::Fail).unwrap();
    endpoint.release(buffer);
    drop(endpoint);
    assert!(kept.is_empty());
    drop(kept);
    reclaim_dropped_pools();
}

#[test]
fn an_endpoint_is_inside_the_budget() {
    let classes = vec![ClassConfig { samples: 64, buffers_max: 32, buffers_prewarm: 0 }];
    let config = PoolConfig { classes, budget_bytes: 4096, ..PoolConfig::default() };
    let pool = BufferRecyclingPool::new(config).unwrap();
    let mut endpoints = Vec::new();
    let error = loop {
        match pool.endpoint(ME) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, GrowError::EndpointBudget { budget_bytes: 4096, .. }), "{error}");
    assert!(!endpoints.is_empty() && pool.metrics().held_bytes <= 4096);
    endpoints.pop();
    assert!(pool.endpoint(ME).is_ok(), "a dropped one's room is used again");
}

#[test]
fn endpoints_can_be_sent_and_printed() {
    fn send<T: Send>(_: &T) {}
    let endpoint = pool(1).endpoint(ME).unwrap();
    send(&endpoint);
    assert!(format!("{endpoint:?}").contains("OwnerId(7)"));
}

/// The blocks of dropped endpoints stay in the budget, so that their number must have an end.
#[test]
fn endpoints_are_limited_and_the_place_of_a_dropped_one_is_used_again() {
    let config = PoolConfig { endpoints_max: 2, ..PoolConfig::default() };
    let pool = BufferRecyclingPool::new(config).unwrap();
    let (first, second) = (pool.endpoint(ME).unwrap(), pool.endpoint(ME).unwrap());
    let held_bytes = pool.metrics().held_bytes;
    let error = pool.endpoint(ME).unwrap_err();
    assert_eq!(error, GrowError::Endpoints { endpoints_max: 2 });
    assert!(error.to_string().contains("drop one, or raise endpoints_max"), "{error}");
    drop(first);
    for _ in 0..100 {
        pool.endpoint(ME).unwrap();
    }
    assert_eq!(pool.metrics().held_bytes, held_bytes);
    drop(second);
}

#[test]
fn a_refusal_says_what_helps() {
    let pool = pool(4);
    let mut endpoint = pool.endpoint(ME).unwrap();
    let held: Vec<_> = (0..4).map(|_| pool.acquire(64, Miss::Fail).unwrap()).collect();
    let refused = |samples| pool.acquire(samples, Miss::Fail).unwrap_err();
    assert_eq!(refused(64), AcquireError::Exhausted { samples: 64, class: 64 });
    held.into_iter().for_each(|buffer| endpoint.release(buffer));
    let cached = refused(64);
    assert_eq!(cached, AcquireError::Cached { samples: 64, class: 64, cached: 4 });
    assert!(cached.to_string().contains("flush()"), "{cached}");
    endpoint.flush();
    assert!(pool.acquire(64, Miss::Fail).is_ok());
    pool.clear();
    let none = refused(100);
    assert_eq!(none, AcquireError::NoneAllocated { samples: 100, class: 128 });
    assert!(none.to_string().contains("prewarm()"), "{none}");
}
