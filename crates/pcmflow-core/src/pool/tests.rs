use super::*;
use std::boxed::Box;
use std::format;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

fn class(samples: usize, buffers_max: usize, buffers_prewarm: usize) -> ClassConfig {
    ClassConfig { samples, buffers_max, buffers_prewarm }
}

fn pool(classes: &[ClassConfig]) -> BufferRecyclingPool {
    BufferRecyclingPool::new(PoolConfig { classes: classes.into(), ..PoolConfig::default() }).unwrap()
}

fn small() -> BufferRecyclingPool {
    pool(&[class(64, 3, 3), class(128, 40, 2), class(256, 2, 1)])
}

#[test]
fn a_bad_configuration_is_refused_by_class_value_and_range() {
    let refused = |classes: &[ClassConfig], budget_bytes| {
        BufferRecyclingPool::new(PoolConfig {
            classes: classes.into(),
            budget_bytes,
            ..PoolConfig::default()
        })
        .unwrap_err()
    };
    let mib = 1 << 20;
    let cases: Vec<(PoolConfigError, PoolConfigError, &str)> = vec![
        (refused(&[], mib), PoolConfigError::Classes { classes: 0 }, "1 to 16"),
        (refused(&[class(16, 1, 0); 17], mib), PoolConfigError::Classes { classes: 17 }, "17"),
        (refused(&[class(15, 1, 0)], mib), PoolConfigError::ClassSamples { samples: 15 }, "16 to 16777216"),
        (
            refused(&[class((1 << 24) + 1, 1, 0)], mib),
            PoolConfigError::ClassSamples { samples: (1 << 24) + 1 },
            "16777217",
        ),
        (
            refused(&[class(64, 1, 0), class(64, 1, 0)], mib),
            PoolConfigError::Order { samples: 64, previous: 64 },
            "ascending",
        ),
        (
            refused(&[class(64, 0, 0)], mib),
            PoolConfigError::BuffersMax { samples: 64, buffers: 0 },
            "64-sample class is 0, allowed are 1 to 65536",
        ),
        (
            refused(&[class(64, 2, 3)], mib),
            PoolConfigError::Prewarm { samples: 64, buffers: 3, buffers_max: 2 },
            "is 3, allowed are 0 to its buffers_max, 2",
        ),
        (refused(&[class(64, 1, 0)], 4095), PoolConfigError::Budget { bytes: 4095 }, "4096 to"),
    ];
    for (error, expected, text) in cases {
        assert_eq!(error, expected);
        assert!(error.to_string().contains(text), "{error}");
    }
    let error = refused(&[class(65_536, 65_536, 0)], 65_536);
    assert!(
        matches!(error, PoolConfigError::Tables { bytes, budget_bytes: 65_536 } if bytes > 65_536),
        "{error}"
    );
    let error = refused(&[class(4096, 64, 64)], 100_000);
    assert!(matches!(error, PoolConfigError::Grow(GrowError::Budget { class: 4096, .. })), "{error}");
}

#[test]
fn a_request_is_served_by_the_smallest_class_that_holds_it() {
    let pool = small();
    for (samples, capacity) in [(0, 64), (1, 64), (64, 64), (65, 128), (256, 256)] {
        assert_eq!(pool.acquire(samples, Miss::Fail).unwrap().capacity(), capacity);
    }
    for miss in [Miss::Fail, Miss::NextClassUp, Miss::Smaller, Miss::Grow] {
        let error = pool.acquire(257, miss).unwrap_err();
        assert_eq!(error, AcquireError::TooLarge { samples: 257, largest: 256 });
        assert!(error.to_string().contains("257") && error.to_string().contains("holds 256"), "{error}");
    }
    assert_eq!(pool.metrics().too_large, 4);
}

#[test]
fn every_miss_policy_does_what_it_says_and_is_counted() {
    let pool = small();
    let all: Vec<_> = (0..2).map(|_| pool.acquire(128, Miss::Fail).unwrap()).collect();
    // The whole slab was prewarmed: 32 of the 40.
    let rest: Vec<_> = core::iter::from_fn(|| pool.acquire(128, Miss::Fail).ok()).collect();
    assert_eq!(all.len() + rest.len(), 32);
    assert_eq!(
        pool.acquire(100, Miss::Fail).unwrap_err(),
        AcquireError::Exhausted { samples: 100, class: 128 }
    );
    let up = pool.acquire(100, Miss::NextClassUp).unwrap();
    assert_eq!(up.capacity(), 256);
    // That class had one, though it may have two.
    assert_eq!(pool.metrics().classes[2].buffers(), 2);
    let up_too = pool.acquire(100, Miss::NextClassUp).unwrap();
    assert!(pool.acquire(100, Miss::NextClassUp).is_err());
    let down: Vec<_> = core::iter::from_fn(|| pool.acquire(100, Miss::Smaller).ok()).collect();
    assert_eq!(down.iter().map(|b| b.capacity()).collect::<Vec<_>>(), [64; 3]);
    let grown: Vec<_> = (0..8).map(|_| pool.acquire(100, Miss::Grow).unwrap()).collect();
    assert_eq!(
        pool.acquire(100, Miss::Grow).unwrap_err(),
        AcquireError::Grow(GrowError::ClassFull { class: 128, buffers: 40, buffers_max: 40 })
    );
    let m = pool.metrics();
    let c = m.classes[1];
    // Refused: the end of `rest`, Fail, the third NextClassUp, the end of `down`, the last Grow.
    assert_eq!((c.misses_refused, c.misses_up, c.misses_down, c.misses_grown), (5, 2, 3, 1));
    assert_eq!((c.acquisitions, c.hits, c.in_use_peak, c.states.in_use), (40, 39, 40, 40));
    assert_eq!((m.classes[0].hits, m.classes[0].acquisitions, m.classes[2].hits), (0, 3, 0));
    assert_eq!((m.hits(), m.misses(), m.acquisitions(), m.releases()), (39, 11, 45, 0));
    assert_eq!(m.hit_rate(), Some(0.78));
    drop((all, rest, up, up_too, down, grown));
    let m = pool.metrics();
    assert_eq!(
        (m.releases(), m.states()),
        (45, BufferStates { allocated: 0, in_use: 0, cached: 0, recycled: 45 })
    );
}

#[test]
fn a_reused_buffer_shows_only_what_was_written_since() {
    let pool = pool(&[class(64, 1, 1)]);
    let mut buffer = pool.acquire(64, Miss::Fail).unwrap();
    assert_eq!(buffer.resize(100, 7.0), 64);
    assert!(!buffer.push(1.0));
    let first = buffer.as_ptr();
    drop(buffer);
    let mut buffer = pool.acquire(64, Miss::Fail).unwrap();
    assert_eq!(buffer.as_ptr(), first, "the only slot there is");
    assert!(buffer.is_empty());
    assert!(buffer.push(1.0));
    buffer.truncate(5);
    assert_eq!(*buffer, [1.0]);
    assert_eq!(buffer.extend_with(2, |i| i as f32), 2);
    buffer.truncate(2);
    assert_eq!(buffer.resize(4, 3.0), 4);
    assert_eq!(*buffer, [1.0, 0.0, 3.0, 3.0]);
    buffer.clear();
    assert_eq!(buffer.extend_with(usize::MAX, |_| 2.0), 64);
    assert_eq!(*buffer.into_shared(), [2.0; 64]);
}

#[test]
fn samples_start_on_cache_lines() {
    let pool = pool(&[class(17, 5, 5)]);
    let held: Vec<_> = (0..5).map(|_| pool.acquire(17, Miss::Fail).unwrap()).collect();
    for buffer in &held {
        assert_eq!((buffer.as_ptr().addr() % 64, buffer.capacity()), (0, 17));
    }
}

#[test]
fn shared_buffers_are_counted_and_become_unique_again() {
    let pool = small();
    let mut buffer = pool.acquire_for(OwnerId(7), 64, Miss::Fail).unwrap();
    let _ = buffer.extend_from_slice(&[1.0, 2.0]);
    let shared = buffer.into_shared();
    let id = shared.id();
    let again = pool.upgrade(id).unwrap();
    assert_eq!((shared.ref_count(), &*again, again.owner()), (2, &[1.0, 2.0][..], OwnerId(7)));
    assert_eq!(pool.held_by().into_iter().collect::<Vec<_>>(), [(OwnerId(7), 1)]);
    let shared = shared.try_unique().unwrap_err();
    drop(again);
    let mut unique = shared.try_unique().unwrap();
    assert!(pool.upgrade(id).is_none(), "a unique buffer can't be looked up");
    let _ = unique.push(3.0);
    let shared = unique.into_shared();
    assert_eq!(*shared, [1.0, 2.0, 3.0]);
    assert!(pool.upgrade(id).is_none(), "the id names the life before");
    assert!(pool.upgrade(shared.id()).is_some());
}

#[test]
fn a_recycled_id_and_another_pools_id_are_stale() {
    let pool = pool(&[class(64, 1, 1)]);
    let other = self::pool(&[class(64, 1, 1)]);
    let share = |pool: &BufferRecyclingPool| pool.acquire(1, Miss::Fail).unwrap().into_shared();
    let first = share(&pool);
    let (id, same_place) = (first.id(), share(&other));
    assert!(other.upgrade(id).is_none() && pool.upgrade(same_place.id()).is_none());
    drop(first);
    assert!(pool.upgrade(id).is_none());
    let second = share(&pool);
    assert_ne!(second.id(), id);
    assert!(pool.upgrade(id).is_none(), "same slot, another life");
}

#[test]
fn writing_copies_only_when_shared() {
    let pool = pool(&[class(64, 2, 2), class(128, 1, 1)]);
    let mut buffer = pool.acquire_for(OwnerId(3), 64, Miss::Fail).unwrap();
    let _ = buffer.extend_from_slice(&[1.0, 2.0]);
    let mut a = buffer.into_shared();
    let (id, place) = (a.id(), a.as_ptr());
    a.make_mut(Miss::Fail).unwrap()[1] = 5.0;
    assert_eq!((a.as_ptr(), pool.metrics().copies()), (place, 0));
    assert!(pool.upgrade(id).is_none(), "written since it was named");
    let b = a.clone();
    a.make_mut(Miss::Fail).unwrap()[0] = 9.0;
    assert_eq!((&*a, &*b), (&[9.0, 5.0][..], &[1.0, 5.0][..]));
    assert_eq!((pool.metrics().copies(), a.owner(), b.ref_count()), (1, OwnerId(3), 1));
    let mut c = b.clone();
    assert_eq!(c.make_mut(Miss::Smaller).unwrap_err(), AcquireError::Exhausted { samples: 2, class: 64 });
    assert_eq!((*c == *b, b.ref_count()), (true, 2), "a refused copy changes nothing");
    c.make_mut(Miss::NextClassUp).unwrap()[0] = 4.0;
    assert_eq!((&*c, pool.metrics().copies()), (&[4.0, 5.0][..], 2));
}

#[test]
fn buffers_outlive_their_pool() {
    let pool = small();
    let mut unique = pool.acquire(64, Miss::Fail).unwrap();
    let mut shared = pool.acquire(128, Miss::Fail).unwrap().into_shared();
    let other = pool.clone();
    drop(pool);
    drop(other);
    assert_eq!(unique.extend_from_slice(&[1.0; 64]), 64);
    assert!(shared.make_mut(Miss::Grow).is_ok(), "needs no copy");
    let clone = shared.clone();
    assert_eq!(shared.make_mut(Miss::Grow).unwrap_err(), AcquireError::PoolDropped);
    drop((unique, shared, clone));
}

#[test]
fn the_budget_covers_everything_and_clear_gives_back() {
    let config =
        PoolConfig { classes: vec![class(1024, 1000, 0)], budget_bytes: 1 << 20, ..PoolConfig::default() };
    let pool = BufferRecyclingPool::new(config).unwrap();
    let empty = pool.metrics().held_bytes;
    let mut held = Vec::new();
    let error = loop {
        match pool.acquire(1024, Miss::Grow) {
            Ok(buffer) => held.push(buffer),
            Err(error) => break error,
        }
    };
    let AcquireError::Grow(GrowError::Budget { class: 1024, bytes, held_bytes, budget_bytes }) = error else {
        panic!("{error}");
    };
    assert!(held_bytes + bytes > budget_bytes && held_bytes <= budget_bytes);
    let full = pool.metrics();
    assert_eq!(
        (full.held_bytes, full.budget_bytes, full.classes[0].in_use_peak),
        (held_bytes, 1 << 20, held.len())
    );
    assert_eq!(full.held_bytes, full.classes[0].payload_bytes + full.overhead_bytes);
    assert!(full.overhead_percent() < 3.0, "{}", full.overhead_percent());
    // One buffer of each slab keeps it: they could be in fewer. The one that is left then needs the slab that it is in.
    let slab_buffers = 8;
    let slabs = held.len().div_ceil(slab_buffers);
    let mut at = 0..;
    held.retain(|_| at.next().is_some_and(|at| at % slab_buffers == 0));
    let scattered = pool.metrics();
    assert_eq!((held.len(), slabs > 2), (slabs, true));
    let needed = slabs.next_multiple_of(slab_buffers) * 4096;
    assert_eq!(scattered.classes[0].stranded_bytes, scattered.classes[0].payload_bytes - needed);
    assert!(scattered.fragmentation_percent() > 50.0, "{}", scattered.fragmentation_percent());
    held.truncate(1);
    assert_eq!(pool.metrics().fragmentation_percent(), 0.0);
    let freed = pool.clear().freed_bytes;
    let slab = pool.metrics();
    assert_eq!(slab.held_bytes + freed, full.held_bytes);
    assert_eq!((slab.states().in_use, slab.classes[0].in_use_peak), (1, full.classes[0].in_use_peak));
    assert_eq!((slab.acquisitions(), slab.held_bytes_peak), (full.acquisitions(), full.held_bytes));
    held.clear();
    pool.clear();
    assert!(pool.acquire(1024, Miss::Fail).is_err(), "nothing is left");
    assert!(pool.metrics().held_bytes - empty < 40 * 1024, "slab headers stay");
    // And it comes back, to the same limit.
    let again: Vec<_> = core::iter::from_fn(|| pool.acquire(1024, Miss::Grow).ok()).collect();
    assert_eq!((again.len(), pool.metrics().held_bytes), (full.classes[0].in_use_peak, full.held_bytes));
}

#[test]
fn a_stale_hint_costs_a_search_and_no_buffer() {
    let pool = pool(&[class(64, 96, 96)]);
    for hint in [0, 1, 2, 3, u32::MAX] {
        pool.inner().classes[0].mislead(hint);
        let held: Vec<_> = core::iter::from_fn(|| pool.acquire(64, Miss::Fail).ok()).collect();
        assert_eq!(held.len(), 96, "from {hint}");
    }
}

#[test]
fn prewarm_counts_what_is_there_and_grow_what_is_added() {
    let pool = pool(&[class(64, 100, 0)]);
    assert_eq!(pool.prewarm(64, 33), Ok(64));
    assert_eq!(pool.prewarm(64, 64), Ok(0));
    assert_eq!(pool.grow(1, 1), Ok(32));
    assert_eq!(
        pool.grow(64, 5),
        Err(GrowError::ClassFull { class: 64, buffers: 100, buffers_max: 100 }),
        "the four that were left are there"
    );
    assert_eq!(pool.metrics().states(), BufferStates { allocated: 100, in_use: 0, cached: 0, recycled: 0 });
    assert_eq!(pool.grow(65, 1), Err(GrowError::TooLarge { samples: 65, largest: 64 }));
    drop(pool.acquire(64, Miss::Fail));
    assert_eq!(pool.metrics().states(), BufferStates { allocated: 99, in_use: 0, cached: 0, recycled: 1 });
}

#[test]
fn a_slot_in_its_last_generation_retires() {
    let pool = pool(&[class(64, 2, 2)]);
    let shared = pool.acquire(1, Miss::Fail).unwrap().into_shared();
    let (slab, slot) = shared.place();
    // SAFETY: `shared` holds the slot.
    let word = &unsafe { slab.header(slot) }.word;
    word.store(u64::MAX - (1 << 20) + 2, crate::sync::Ordering::Relaxed);
    let id = shared.id();
    let mut shared = shared.try_unique().unwrap_err();
    assert!(pool.upgrade(id).is_some());
    shared.make_mut(Miss::Fail).unwrap();
    assert_eq!(pool.metrics().copies(), 1, "alone, but there is no next generation");
    let m = pool.metrics().classes[0];
    assert_eq!((m.retired, m.states.in_use), (1, 2), "the copy and the retired slot");
    assert!(pool.upgrade(id).is_none());
    assert!(pool.acquire(1, Miss::Fail).is_err());
}

#[test]
fn too_many_references_retire_the_slot_and_nothing_else() {
    let pool = pool(&[class(64, 1, 1)]);
    let mut buffer = pool.acquire(1, Miss::Fail).unwrap();
    let _ = buffer.push(4.0);
    let shared = buffer.into_shared();
    let id = shared.id();
    let limit = 1 << 19;
    let clones: Vec<_> = (1..limit).map(|_| shared.clone()).collect();
    assert_eq!((shared.ref_count(), pool.metrics().classes[0].retired), (limit, 0));
    assert!(pool.upgrade(id).is_none());
    let more: Vec<_> = (0..10).map(|_| shared.clone()).collect();
    assert_eq!(pool.metrics().classes[0].retired, 1);
    drop((clones, more));
    assert!(shared.ref_count() > limit);
    assert_eq!(*shared, [4.0]);
    drop(shared);
    assert!(pool.acquire(1, Miss::Fail).is_err(), "never recycled");
    assert_eq!(pool.metrics().classes[0].retired, 1);
}

#[test]
fn acquisitions_are_counted_beyond_the_words_24_bits() {
    let pool = pool(&[class(64, 1, 1)]);
    let turns = (1 << 24) + 12_345;
    for _ in 0..turns {
        drop(pool.acquire(1, Miss::Fail));
    }
    assert_eq!(pool.metrics().acquisitions(), turns);
    assert_eq!((pool.metrics().hits(), pool.metrics().releases()), (turns, turns));
}

#[test]
fn everything_can_be_printed() {
    let pool = small();
    let buffer = pool.acquire_for(OwnerId(1), 64, Miss::Fail).unwrap();
    assert!(format!("{pool:?}").contains("held_bytes"));
    assert!(format!("{buffer:?}").contains("OwnerId(1)"));
    assert!(format!("{:?}", buffer.into_shared()).contains("ref_count: 1"));
}

#[test]
fn handles_can_be_sent_and_shared() {
    fn both<T: Send + Sync>() {}
    both::<BufferRecyclingPool>();
    both::<PooledBuffer>();
    both::<BufferRef>();
    // A pointer and a number, and a niche for `Option`.
    assert_eq!(size_of::<Option<BufferRef>>(), 16);
    assert_eq!(size_of::<Option<PooledBuffer>>(), 16);
    let boxed: Box<dyn core::any::Any + Send + Sync> = Box::new(small());
    drop(boxed);
}
