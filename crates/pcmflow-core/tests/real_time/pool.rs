//! The pool: with buffers free, exhausted, shared, and gone before its last buffer.

use crate::guard::rt;
use pcmflow_core::pool::*;

pub(crate) fn pool() -> BufferRecyclingPool {
    let class = |samples, buffers| ClassConfig { samples, buffers_max: buffers, buffers_prewarm: buffers };
    let classes = vec![class(64, 40), class(128, 2)];
    BufferRecyclingPool::new(PoolConfig { classes, ..PoolConfig::default() }).unwrap()
}

pub(crate) fn entries() {
    rt("ClassConfig::new", || ClassConfig::new(256));
    unique(&pool());
    shared(&pool());
    exhausted(&pool());
    endpoint(&pool());
    the_pool_is_gone();
    metrics();
}

fn unique(pool: &BufferRecyclingPool) {
    let mut buffer = rt("BufferRecyclingPool::acquire", || pool.acquire(64, Miss::Fail)).unwrap();
    rt("PooledBuffer::capacity", || buffer.capacity());
    rt("PooledBuffer::spare", || buffer.spare());
    rt("PooledBuffer::owner", || buffer.owner());
    rt("PooledBuffer::extend_from_slice", || buffer.extend_from_slice(&[0.5; 60]));
    rt("PooledBuffer::extend_with", || buffer.extend_with(10, |n| n as f32));
    assert!(!rt("PooledBuffer::push", || buffer.push(1.0)));
    rt("PooledBuffer::truncate", || buffer.truncate(3));
    rt("PooledBuffer::resize", || buffer.resize(20, 0.25));
    rt("PooledBuffer::deref_mut", || buffer[19] = 1.0);
    assert_eq!(rt("PooledBuffer::deref", || buffer[19]), 1.0);
    rt("PooledBuffer::clear", || buffer.clear());
    rt("PooledBuffer::drop", || drop(buffer));
}

fn shared(pool: &BufferRecyclingPool) {
    let owner = OwnerId(7);
    let buffer = rt("BufferRecyclingPool::acquire_for", || pool.acquire_for(owner, 64, Miss::Fail));
    let mut buffer = buffer.unwrap();
    let _ = buffer.resize(64, 0.5);
    let mut left = rt("PooledBuffer::into_shared", || buffer.into_shared());
    let right = rt("BufferRef::clone", || left.clone());
    let id = rt("BufferRef::id", || right.id());
    let found = rt("BufferRecyclingPool::upgrade", || pool.upgrade(id)).unwrap();
    assert_eq!(rt("BufferRef::ref_count", || found.ref_count()), 3);
    assert_eq!(rt("BufferRef::owner", || found.owner()), owner);
    // Copies, as it is not alone; then writes in place.
    rt("BufferRef::make_mut", || left.make_mut(Miss::Fail).map(|samples| samples.fill(1.0))).unwrap();
    rt("BufferRef::make_mut", || left.make_mut(Miss::Fail).map(|samples| samples.fill(2.0))).unwrap();
    assert_eq!(rt("BufferRef::deref", || (left[0], right[0])), (2.0, 0.5));
    let right = rt("BufferRef::try_unique", || right.try_unique()).unwrap_err();
    rt("BufferRef::drop", || drop(found));
    let unique = rt("BufferRef::try_unique", || right.try_unique()).unwrap();
    assert!(rt("BufferRecyclingPool::upgrade", || pool.upgrade(id)).is_none());
    rt("PooledBuffer::drop", || drop(unique));
    rt("BufferRef::drop", || drop(left));
}

fn exhausted(pool: &BufferRecyclingPool) {
    // Over two slabs, up a class, and down.
    let mut held: [Option<PooledBuffer>; 43] = [const { None }; 43];
    for (at, place) in held.iter_mut().enumerate() {
        *place = rt("BufferRecyclingPool::acquire", || pool.acquire(64, Miss::NextClassUp)).ok();
        assert_eq!(place.is_some(), at < 42);
    }
    rt("BufferRecyclingPool::acquire", || pool.acquire(129, Miss::Fail)).unwrap_err();
    rt("BufferRecyclingPool::acquire", || pool.acquire(64, Miss::Fail)).unwrap_err();
    rt("PooledBuffer::drop", || drop(held[0].take()));
    let smaller = rt("BufferRecyclingPool::acquire", || pool.acquire(128, Miss::Smaller)).unwrap();
    assert_eq!(smaller.capacity(), 64);
    let mut one = smaller.into_shared();
    let _other = one.clone();
    rt("BufferRef::make_mut", || one.make_mut(Miss::Smaller).is_ok());
}

fn endpoint(pool: &BufferRecyclingPool) {
    let mut endpoint = pool.endpoint(OwnerId(3)).unwrap();
    let mut held: [Option<PooledBuffer>; 40] = [const { None }; 40];
    for _ in 0..3 {
        // Past what the cache holds, so that it fills and spills.
        for place in &mut held {
            *place = rt("PoolEndpoint::acquire", || endpoint.acquire(64, Miss::Fail)).ok();
        }
        rt("PoolEndpoint::acquire", || endpoint.acquire(64, Miss::Fail)).unwrap_err();
        for place in &mut held {
            let buffer = place.take().unwrap();
            rt("PoolEndpoint::release", || endpoint.release(buffer));
        }
        let shared = endpoint.acquire(128, Miss::Fail).unwrap().into_shared();
        let clone = shared.clone();
        rt("PoolEndpoint::release_shared", || endpoint.release_shared(shared));
        rt("PoolEndpoint::release_shared", || endpoint.release_shared(clone));
        assert_ne!(rt("PoolEndpoint::cached", || endpoint.cached()), 0);
        // Asks for what is cached: the next call follows.
        pool.clear();
        pool.prewarm(64, 40).unwrap();
        pool.prewarm(128, 2).unwrap();
    }
    rt("PoolEndpoint::flush", || endpoint.flush());
    drop(rt("PoolEndpoint::acquire", || endpoint.acquire(64, Miss::NextClassUp)).unwrap());
    rt("PoolEndpoint::drop", || drop(endpoint));
}

fn the_pool_is_gone() {
    let pool = pool();
    let other = rt("BufferRecyclingPool::clone", || pool.clone());
    let unique = pool.acquire(64, Miss::Fail).unwrap();
    let mut shared = pool.acquire(64, Miss::Fail).unwrap().into_shared();
    let clone = shared.clone();
    drop((pool, other));
    let refused = rt("BufferRef::make_mut", || shared.make_mut(Miss::Fail).map(|_| ())).unwrap_err();
    assert_eq!(refused, AcquireError::PoolDropped);
    rt("PooledBuffer::drop", || drop(unique));
    rt("BufferRef::drop", || drop(clone));
    rt("BufferRef::drop", || drop(shared));
    reclaim_dropped_pools();
}

fn metrics() {
    let pool = pool();
    drop(pool.acquire(64, Miss::Fail));
    let metrics = pool.metrics();
    rt("ClassMetrics::buffers", || metrics.classes[0].buffers());
    rt("ClassMetrics::misses", || metrics.classes[0].misses());
    rt("ClassMetrics::hit_rate", || metrics.classes[0].hit_rate());
    rt("ClassMetrics::overhead_bytes", || metrics.classes[0].overhead_bytes());
    rt("ClassMetrics::overhead_percent", || metrics.classes[0].overhead_percent());
    rt("ClassMetrics::fragmentation_percent", || metrics.classes[0].fragmentation_percent());
    rt("PoolMetrics::draining_bytes", || metrics.draining_bytes());
    rt("PoolMetrics::states", || metrics.states());
    assert_eq!(rt("PoolMetrics::acquisitions", || metrics.acquisitions()), 1);
    rt("PoolMetrics::releases", || metrics.releases());
    rt("PoolMetrics::hits", || metrics.hits());
    rt("PoolMetrics::misses", || metrics.misses());
    rt("PoolMetrics::copies", || metrics.copies());
    rt("PoolMetrics::hit_rate", || metrics.hit_rate());
    rt("PoolMetrics::overhead_percent", || metrics.overhead_percent());
    rt("PoolMetrics::fragmentation_percent", || metrics.fragmentation_percent());
}
