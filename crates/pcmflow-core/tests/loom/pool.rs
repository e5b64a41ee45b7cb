//! The pool: slots that change hands, slabs that come and go, shared lives, and the end.

use super::explore;
use loom::thread;
use pcmflow_core::pool::{
    BufferRecyclingPool, ClassConfig, Miss, OwnerId, PoolConfig, PooledBuffer, SlabMemory,
    reclaim_dropped_pools,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's memory, counted. A static of its own for each model, as they run side by side.
#[derive(Debug, Default)]
pub(crate) struct Counted(AtomicUsize);

impl Counted {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

// SAFETY: the system's allocator keeps the promises; counting changes nothing.
unsafe impl SlabMemory for Counted {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.0.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the pool asks for no empty layout.
        NonNull::new(unsafe { System.alloc(layout) })
    }

    unsafe fn free(&self, memory: NonNull<u8>, layout: Layout) {
        self.0.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.dealloc(memory.as_ptr(), layout) };
    }
}

/// A pool of `buffers` buffers in one slab.
pub(crate) fn pool(buffers: usize, memory: &'static Counted) -> BufferRecyclingPool {
    let class = ClassConfig { samples: 16, buffers_max: buffers, buffers_prewarm: buffers };
    let config = PoolConfig { classes: vec![class], budget_bytes: 1 << 16, ..PoolConfig::default() };
    BufferRecyclingPool::with_memory(config, memory).unwrap()
}

/// Everything is freed when the last handle and the last buffer are gone.
pub(crate) fn all_freed(memory: &Counted) {
    reclaim_dropped_pools();
    assert_eq!(memory.bytes(), 0, "the pool's end freed not everything");
}

/// Writes into a buffer and looks at it.
fn stamp(buffer: &mut PooledBuffer, value: f32) {
    assert!(buffer.is_empty());
    let _ = buffer.resize(2, value);
    assert_eq!(**buffer, [value; 2]);
}

#[test]
fn a_slot_passes_from_holder_to_holder() {
    static MEMORY: Counted = Counted::new();
    explore("pool, two threads and one slot", None, || {
        let pool = pool(1, &MEMORY);
        let other = pool.clone();
        let thread = thread::spawn(move || {
            other.acquire(16, Miss::Fail).is_ok_and(|mut buffer| {
                stamp(&mut buffer, 1.0);
                true
            })
        });
        let mine = pool.acquire(16, Miss::Fail).is_ok_and(|mut buffer| {
            stamp(&mut buffer, 2.0);
            true
        });
        assert!(thread.join().unwrap() || mine, "one of them was first");
        assert_eq!(pool.metrics().states().in_use, 0);
        assert!(pool.acquire(16, Miss::Fail).is_ok());
        drop(pool);
        all_freed(&MEMORY);
    });
}

#[test]
fn two_slots_are_two() {
    static MEMORY: Counted = Counted::new();
    explore("pool, two threads and two slots", None, || {
        let pool = pool(2, &MEMORY);
        let other = pool.clone();
        let thread = thread::spawn(move || {
            let mut buffer = other.acquire(16, Miss::Fail).unwrap();
            stamp(&mut buffer, 1.0);
            buffer
        });
        let mut mine = pool.acquire(16, Miss::Fail).unwrap();
        stamp(&mut mine, 2.0);
        let theirs = thread.join().unwrap();
        assert_ne!(mine.as_ptr(), theirs.as_ptr());
        assert_eq!((mine[0], theirs[0]), (2.0, 1.0));
        drop((mine, theirs, pool));
        all_freed(&MEMORY);
    });
}

#[test]
fn storage_goes_and_comes_while_others_acquire_and_release() {
    static MEMORY: Counted = Counted::new();
    explore("pool, clear and prewarm against two acquisitions", 3, || {
        let pool = pool(1, &MEMORY);
        let other = pool.clone();
        let thread = thread::spawn(move || {
            for value in [1.0, 2.0] {
                if let Ok(mut buffer) = other.acquire(16, Miss::Fail) {
                    stamp(&mut buffer, value);
                }
            }
        });
        pool.clear();
        pool.prewarm(16, 1).unwrap();
        thread.join().unwrap();
        let mut buffer = pool.acquire(16, Miss::Fail).unwrap();
        stamp(&mut buffer, 3.0);
        drop(buffer);
        assert_eq!(pool.clear().draining_bytes, 0);
        assert_eq!((MEMORY.bytes(), pool.metrics().states().in_use), (0, 0));
        drop(pool);
        all_freed(&MEMORY);
    });
}

#[test]
fn a_draining_slab_hands_out_nothing_and_goes_when_it_is_whole() {
    static MEMORY: Counted = Counted::new();
    explore("pool, give-back against the last return", None, || {
        let pool = pool(2, &MEMORY);
        let mut held = pool.acquire(16, Miss::Fail).unwrap();
        stamp(&mut held, 1.0);
        assert_eq!(pool.clear().freed_bytes, 0);
        assert!(pool.acquire(16, Miss::Fail).is_err(), "the slab is draining");
        // Its first step on the slab is the return: a look before it would hide the other's (see `main.rs`).
        let thread = thread::spawn(move || {
            assert_eq!(*held, [1.0; 2]);
            drop(held);
        });
        pool.give_back();
        thread.join().unwrap();
        assert_eq!((pool.give_back().draining_bytes, MEMORY.bytes()), (0, 0));
        drop(pool);
        all_freed(&MEMORY);
    });
}

#[test]
fn a_draining_slab_is_opened_again_or_is_freed_and_never_both() {
    static MEMORY: Counted = Counted::new();
    explore("pool, give-back against growth that opens the slab again", 3, || {
        let pool = pool(1, &MEMORY);
        let held = pool.acquire(16, Miss::Fail).unwrap();
        pool.clear();
        drop(held);
        let other = pool.clone();
        let thread = thread::spawn(move || {
            let mut buffer = other.acquire(16, Miss::Grow).unwrap();
            stamp(&mut buffer, 1.0);
        });
        pool.give_back();
        thread.join().unwrap();
        assert_eq!(pool.metrics().states().in_use, 0);
        assert_eq!(pool.metrics().classes[0].buffers(), 1);
        drop(pool);
        all_freed(&MEMORY);
    });
}

#[test]
fn the_last_buffer_and_the_last_handle_end_the_pool_once() {
    static MEMORY: Counted = Counted::new();
    explore("pool, two buffers and the handle go", 3, || {
        let pool = pool(2, &MEMORY);
        let threads: Vec<_> = [1.0, 2.0]
            .map(|value| {
                let mut buffer = pool.acquire(16, Miss::Fail).unwrap();
                thread::spawn(move || stamp(&mut buffer, value))
            })
            .into();
        drop(pool);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        all_freed(&MEMORY);
    });
}

#[test]
fn a_name_leads_to_its_life_or_to_nothing() {
    static MEMORY: Counted = Counted::new();
    explore("pool, look-up against drop and reuse", None, || {
        let pool = pool(1, &MEMORY);
        let mut buffer = pool.acquire(16, Miss::Fail).unwrap();
        stamp(&mut buffer, 1.0);
        let shared = buffer.into_shared();
        let (id, other) = (shared.id(), pool.clone());
        let thread = thread::spawn(move || {
            drop(shared);
            if let Ok(mut buffer) = other.acquire(16, Miss::Fail) {
                stamp(&mut buffer, 2.0);
                return Some(buffer.into_shared());
            }
            None
        });
        if let Some(found) = pool.upgrade(id) {
            assert_eq!(*found, [1.0; 2], "the name led to another life");
        }
        drop(thread.join().unwrap());
        assert!(pool.upgrade(id).is_none());
        assert_eq!(pool.metrics().states().in_use, 0);
        drop(pool);
        all_freed(&MEMORY);
    });
}

#[test]
fn a_name_is_never_good_again_when_the_storage_went() {
    static MEMORY: Counted = Counted::new();
    explore("pool, look-up against drop, give-back and reuse", 3, || {
        let pool = pool(1, &MEMORY);
        let mut buffer = pool.acquire(16, Miss::Fail).unwrap();
        stamp(&mut buffer, 1.0);
        let shared = buffer.into_shared();
        let (id, other) = (shared.id(), pool.clone());
        let thread = thread::spawn(move || {
            drop(shared);
            other.clear();
            // None while the other holds the slot, or frees storage.
            let mut buffer = other.acquire(16, Miss::Grow).ok()?;
            stamp(&mut buffer, 2.0);
            Some(buffer.into_shared())
        });
        for _ in 0..2 {
            if let Some(found) = pool.upgrade(id) {
                assert_eq!(*found, [1.0; 2], "the name led to another life, or to storage that went");
            }
        }
        drop(thread.join().unwrap());
        assert!(pool.upgrade(id).is_none());
        drop(pool);
        all_freed(&MEMORY);
    });
}

#[test]
fn who_writes_is_alone() {
    static MEMORY: Counted = Counted::new();
    explore("pool, make_mut against look-up", None, || {
        let pool = pool(1, &MEMORY);
        let mut buffer = pool.acquire(16, Miss::Fail).unwrap();
        stamp(&mut buffer, 1.0);
        let mut shared = buffer.into_shared();
        let id = shared.id();
        let thread = thread::spawn(move || {
            // With others about it would need a copy, for which there is no buffer.
            if let Ok(samples) = shared.make_mut(Miss::Fail) {
                samples.fill(2.0);
            }
        });
        if let Some(found) = pool.upgrade(id) {
            assert_eq!(*found, [1.0; 2]);
        }
        thread.join().unwrap();
        drop(pool);
        all_freed(&MEMORY);
    });
}

#[test]
fn the_last_of_two_readers_returns_the_slot() {
    static MEMORY: Counted = Counted::new();
    explore("pool, two readers drop, one reuses", None, || {
        let pool = pool(1, &MEMORY);
        let mut buffer = pool.acquire(16, Miss::Fail).unwrap();
        stamp(&mut buffer, 1.0);
        let shared = buffer.into_shared();
        let theirs = shared.clone();
        let thread = thread::spawn(move || assert_eq!(*theirs, [1.0; 2]));
        assert_eq!(*shared, [1.0; 2]);
        // Unique again if the other is gone, else dropped; in either case the slot is written next.
        match shared.try_unique() {
            Ok(mut unique) => unique.clear(),
            Err(shared) => drop(shared),
        }
        if let Ok(mut buffer) = pool.acquire(16, Miss::Fail) {
            stamp(&mut buffer, 2.0);
        }
        thread.join().unwrap();
        assert_eq!(pool.metrics().states().in_use, 0);
        drop(pool);
        all_freed(&MEMORY);
    });
}

#[test]
fn alone_again_after_another_reader() {
    static MEMORY: Counted = Counted::new();
    explore("pool, a reader drops, the other writes in place", None, || {
        let pool = pool(1, &MEMORY);
        let mut buffer = pool.acquire(16, Miss::Fail).unwrap();
        stamp(&mut buffer, 1.0);
        let mut shared = buffer.into_shared();
        let theirs = shared.clone();
        let thread = thread::spawn(move || assert_eq!(*theirs, [1.0; 2]));
        if let Ok(samples) = shared.make_mut(Miss::Fail) {
            samples.fill(2.0);
        }
        thread.join().unwrap();
        drop((shared, pool));
        all_freed(&MEMORY);
    });
}

#[test]
fn a_slab_that_was_opened_again_is_cached_again() {
    static MEMORY: Counted = Counted::new();
    explore("pool, clear against growth that opens the slab again, then an endpoint", 3, || {
        let pool = pool(2, &MEMORY);
        let held = pool.acquire(16, Miss::Fail).unwrap();
        let other = pool.clone();
        // Drained here and opened again there. A class that is open already can't grow.
        let thread = thread::spawn(move || other.prewarm(16, 2).is_ok());
        pool.clear();
        thread.join().unwrap();
        let _ = pool.prewarm(16, 2);
        let mut endpoint = pool.endpoint(OwnerId(1)).unwrap();
        let buffer = endpoint.acquire(16, Miss::Fail).unwrap();
        endpoint.release(buffer);
        assert!(endpoint.cached() > 0, "an open slab whose slots no endpoint caches");
        drop((endpoint, held, pool));
        all_freed(&MEMORY);
    });
}
