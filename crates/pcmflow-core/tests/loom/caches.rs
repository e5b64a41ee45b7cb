//! Endpoints: caches of their own beside one bitmap, and the call to give back.

use super::explore;
use super::pool::{Counted, all_freed, pool};
use loom::thread;
use pcmflow_core::pool::{Miss, OwnerId, PoolEndpoint, PooledBuffer};
use pcmflow_core::ring::CircularBuffer;

/// Acquires, writes, looks, releases; false when there was no buffer.
fn turn(endpoint: &mut PoolEndpoint, value: f32) -> bool {
    let Ok(mut buffer) = endpoint.acquire(16, Miss::Fail) else { return false };
    assert!(buffer.is_empty());
    let _ = buffer.resize(2, value);
    assert_eq!(*buffer, [value; 2]);
    endpoint.release(buffer);
    true
}

#[test]
fn two_endpoints_share_one_slab() {
    static MEMORY: Counted = Counted::new();
    explore("pool, two endpoints and two slots", 3, || {
        let pool = pool(2, &MEMORY);
        let mut mine = pool.endpoint(OwnerId(1)).unwrap();
        let mut theirs = pool.endpoint(OwnerId(2)).unwrap();
        let thread = thread::spawn(move || {
            for value in [1.0, 2.0] {
                assert!(turn(&mut theirs, value), "there is a buffer for each");
            }
        });
        for value in [3.0, 4.0] {
            assert!(turn(&mut mine, value), "there is a buffer for each");
        }
        thread.join().unwrap();
        drop(mine);
        let states = pool.metrics().states();
        assert_eq!((states.in_use, states.cached), (0, 0));
        assert_eq!(pool.metrics().acquisitions(), 4);
        drop(pool);
        all_freed(&MEMORY);
    });
}

#[test]
fn a_cached_slot_is_called_back_by_give_back() {
    static MEMORY: Counted = Counted::new();
    explore("pool, clear against an endpoint's cache", 3, || {
        let pool = pool(1, &MEMORY);
        let mut endpoint = pool.endpoint(OwnerId(1)).unwrap();
        let thread = thread::spawn(move || {
            turn(&mut endpoint, 1.0);
            turn(&mut endpoint, 2.0);
            endpoint
        });
        pool.clear();
        let mut endpoint = thread.join().unwrap();
        // Once more to hear of the call, which `clear` has made if it found the slab not whole.
        assert!(!turn(&mut endpoint, 3.0), "a draining slab hands out nothing");
        assert_eq!((endpoint.cached(), pool.give_back().draining_bytes), (0, 0));
        assert_eq!(MEMORY.bytes(), 0, "the cache kept the slab");
        drop((endpoint, pool));
        all_freed(&MEMORY);
    });
}

#[test]
fn an_exhausted_class_calls_cached_slots_back() {
    static MEMORY: Counted = Counted::new();
    explore("pool, a miss against an endpoint's cache", 3, || {
        let pool = pool(1, &MEMORY);
        let mut endpoint = pool.endpoint(OwnerId(1)).unwrap();
        assert!(turn(&mut endpoint, 1.0));
        let thread = thread::spawn(move || {
            turn(&mut endpoint, 2.0);
            endpoint
        });
        let missed = pool.acquire(16, Miss::Fail).is_err();
        let mut endpoint = thread.join().unwrap();
        // Its next use after the miss gives the slot to whoever asks first: here itself, and then it is cached again.
        assert!(turn(&mut endpoint, 3.0));
        endpoint.flush();
        assert!(missed && pool.acquire(16, Miss::Fail).is_ok());
        drop((endpoint, pool));
        all_freed(&MEMORY);
    });
}

#[test]
fn buffers_acquired_here_are_released_there() {
    static MEMORY: Counted = Counted::new();
    explore("pool, acquired by one endpoint and released by another", 2, || {
        let pool = pool(2, &MEMORY);
        let (mut producer, mut consumer) = CircularBuffer::<PooledBuffer>::with_capacity(2).unwrap().split();
        let mut theirs = pool.endpoint(OwnerId(2)).unwrap();
        let thread = thread::spawn(move || {
            for value in [1.0, 2.0, 3.0] {
                let Ok(mut buffer) = theirs.acquire(16, Miss::Fail) else { continue };
                let _ = buffer.resize(2, value);
                let _ = producer.push(buffer);
            }
        });
        let mut mine = pool.endpoint(OwnerId(1)).unwrap();
        let mut last = 0.0;
        for _ in 0..2 {
            if let Some(buffer) = consumer.pop() {
                assert!(buffer[0] > last && buffer[0] == buffer[1], "{} after {last}", buffer[0]);
                last = buffer[0];
                mine.release(buffer);
            }
        }
        thread.join().unwrap();
        drop((consumer, mine));
        let states = pool.metrics().states();
        assert_eq!((states.in_use, states.cached, states.recycled), (0, 0, 2));
        drop(pool);
        all_freed(&MEMORY);
    });
}

#[test]
fn an_endpoint_ends_a_pool_as_any_handle_does() {
    static MEMORY: Counted = Counted::new();
    explore("pool, an endpoint and the last buffer go", 3, || {
        let pool = pool(2, &MEMORY);
        let mut endpoint = pool.endpoint(OwnerId(1)).unwrap();
        assert!(turn(&mut endpoint, 1.0));
        let buffer = pool.acquire(16, Miss::Fail).unwrap();
        drop(pool);
        let thread = thread::spawn(move || drop(endpoint));
        drop(buffer);
        thread.join().unwrap();
        all_freed(&MEMORY);
    });
}
