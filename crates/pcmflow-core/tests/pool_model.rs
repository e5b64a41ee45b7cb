//! The pool against a naive model: whatever is done with handles, what they show is what was written through them.

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use pcmflow_core::pool::*;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Debug, Clone)]
enum Op {
    Acquire { samples: usize, miss: Miss },
    Write { which: usize, count: usize, value: f32 },
    Truncate { which: usize, len: usize },
    Share { which: usize },
    Clone { which: usize },
    Unique { which: usize },
    MakeMut { which: usize, value: f32 },
    Upgrade { which: usize },
    DropUnique { which: usize },
    DropShared { which: usize },
    Clear,
    Trim { samples: usize, buffers: usize },
    ShrinkTo { bytes: usize },
    GiveBack,
    Grow { samples: usize },
    EndpointAcquire { samples: usize, miss: Miss },
    EndpointRelease { which: usize },
    EndpointReleaseShared { which: usize },
    Flush,
    NewEndpoint,
}

fn op() -> impl Strategy<Value = Op> {
    let which = 0usize..64;
    let miss = prop_oneof![Just(Miss::Fail), Just(Miss::NextClassUp), Just(Miss::Smaller), Just(Miss::Grow)];
    prop_oneof![
        4 => (0usize..140, miss.clone()).prop_map(|(samples, miss)| Op::Acquire { samples, miss }),
        4 => (0usize..140, miss).prop_map(|(samples, miss)| Op::EndpointAcquire { samples, miss }),
        3 => which.clone().prop_map(|which| Op::EndpointRelease { which }),
        2 => which.clone().prop_map(|which| Op::EndpointReleaseShared { which }),
        1 => Just(Op::Flush),
        1 => Just(Op::NewEndpoint),
        3 => (which.clone(), 0usize..80, -1e3f32..1e3).prop_map(|(which, count, value)| Op::Write { which, count, value }),
        1 => (which.clone(), 0usize..80).prop_map(|(which, len)| Op::Truncate { which, len }),
        2 => which.clone().prop_map(|which| Op::Share { which }),
        2 => which.clone().prop_map(|which| Op::Clone { which }),
        1 => which.clone().prop_map(|which| Op::Unique { which }),
        2 => (which.clone(), -1e3f32..1e3).prop_map(|(which, value)| Op::MakeMut { which, value }),
        2 => which.clone().prop_map(|which| Op::Upgrade { which }),
        2 => which.clone().prop_map(|which| Op::DropUnique { which }),
        3 => which.prop_map(|which| Op::DropShared { which }),
        1 => Just(Op::Clear),
        1 => (1usize..140, 0usize..80).prop_map(|(samples, buffers)| Op::Trim { samples, buffers }),
        1 => (0usize..24 * 1024).prop_map(|bytes| Op::ShrinkTo { bytes }),
        1 => Just(Op::GiveBack),
        1 => (1usize..140).prop_map(|samples| Op::Grow { samples }),
    ]
}

/// What a shared handle should be: which life it belongs to, of which `lives` knows samples and references.
struct SharedModel {
    handle: BufferRef,
    life: usize,
}

#[derive(Default)]
struct Model {
    unique: Vec<(PooledBuffer, Vec<f32>)>,
    shared: Vec<SharedModel>,
    lives: HashMap<usize, (Vec<f32>, usize)>,
    ids: Vec<(BufferId, usize)>,
    next_life: usize,
    copies: u64,
    acquired: u64,
    not_hits: u64,
}

/// Buffers that can be handed out, now or when they come back.
fn open(metrics: &PoolMetrics) -> usize {
    // Capacities here are whole cache lines.
    let draining = |class: &ClassMetrics| class.draining_bytes / (class.samples * 4);
    metrics.classes.iter().map(|class| class.buffers() - draining(class)).sum()
}

impl Model {
    fn begin(&mut self, handle: BufferRef, samples: Vec<f32>) {
        let life = self.next_life;
        self.next_life += 1;
        self.ids.push((handle.id(), life));
        self.lives.insert(life, (samples, 1));
        self.shared.push(SharedModel { handle, life });
    }

    fn leave(&mut self, life: usize) {
        let references = &mut self.lives.get_mut(&life).unwrap().1;
        *references -= 1;
        if *references == 0 {
            self.lives.remove(&life);
        }
    }

    fn check(&self, pool: &BufferRecyclingPool, endpoint: &PoolEndpoint) {
        for (buffer, expected) in &self.unique {
            assert_eq!(&**buffer, &expected[..]);
        }
        for SharedModel { handle, life } in &self.shared {
            let (samples, references) = &self.lives[life];
            assert_eq!((&**handle, handle.ref_count()), (&samples[..], *references));
        }
        let metrics = pool.metrics();
        assert_eq!(metrics.states().in_use, self.unique.len() + self.lives.len());
        assert_eq!(metrics.copies(), self.copies);
        assert!(metrics.held_bytes <= metrics.budget_bytes);
        assert_eq!(metrics.acquisitions() - metrics.releases(), metrics.states().in_use as u64);
        assert_eq!(metrics.states().cached, endpoint.cached());
        assert_eq!(pool.held_by().values().sum::<usize>(), metrics.states().in_use);
        assert_eq!((metrics.acquisitions(), metrics.hits()), (self.acquired, self.acquired - self.not_hits));
        let classes: usize = metrics.classes.iter().map(|class| class.held_bytes).sum();
        assert!(
            classes < metrics.held_bytes && metrics.held_bytes < classes + 6144,
            "classes, endpoints and little else"
        );
    }

    /// Counts an acquisition that gave `Some` capacity.
    fn acquired(&mut self, pool: &BufferRecyclingPool, before: &PoolMetrics, copy: bool) {
        let (before, now) = (before.classes.iter(), pool.metrics());
        let missed: u64 = before
            .zip(&now.classes)
            .map(|(before, now)| {
                let served = |class: &ClassMetrics| class.misses_up + class.misses_down + class.misses_grown;
                served(now) - served(before)
            })
            .sum();
        self.acquired += 1;
        self.not_hits += missed;
        assert!(missed <= 1 && (!copy || missed == 0 || now.copies() > 0));
    }
}

fn apply(model: &mut Model, pool: &BufferRecyclingPool, endpoint: &mut PoolEndpoint, op: Op) {
    let before = pool.metrics();
    match op {
        Op::Acquire { samples, miss } | Op::EndpointAcquire { samples, miss } => {
            let acquired = match op {
                Op::Acquire { .. } => pool.acquire_for(OwnerId(2), samples, miss),
                _ => endpoint.acquire(samples, miss),
            };
            match acquired {
                Ok(buffer) => {
                    assert!(buffer.is_empty());
                    assert!(miss == Miss::Smaller || buffer.capacity() >= samples);
                    let owner = if let Op::Acquire { .. } = op { OwnerId(2) } else { OwnerId(1) };
                    assert_eq!(buffer.owner(), owner);
                    model.unique.push((buffer, Vec::new()));
                    model.acquired(pool, &before, false);
                }
                Err(AcquireError::TooLarge { largest, .. }) => assert!(samples > largest),
                Err(_) => assert!(samples <= 128),
            }
        }
        Op::EndpointRelease { which } if !model.unique.is_empty() => {
            endpoint.release(model.unique.swap_remove(which % model.unique.len()).0);
        }
        Op::EndpointReleaseShared { which } if !model.shared.is_empty() => {
            let SharedModel { handle, life } = model.shared.swap_remove(which % model.shared.len());
            endpoint.release_shared(handle);
            model.leave(life);
        }
        Op::Flush => {
            endpoint.flush();
            assert_eq!(endpoint.cached(), 0);
        }
        Op::NewEndpoint => {
            // Its place is used again: the budget does not feel it, and its counts stay.
            let fresh = pool.endpoint(OwnerId(1));
            if let Ok(fresh) = fresh {
                *endpoint = fresh;
            }
        }
        Op::Trim { samples, buffers } => {
            let given = pool.trim(samples, buffers);
            let after = pool.metrics();
            assert_eq!(given.freed_bytes, before.held_bytes - after.held_bytes);
            assert_eq!(given.draining_bytes, after.draining_bytes());
            if samples <= 128 {
                assert!(open(&after) >= open(&before).min(buffers));
            }
        }
        Op::ShrinkTo { bytes } => {
            let given = pool.shrink_to(bytes);
            let after = pool.metrics();
            assert_eq!(given.freed_bytes, before.held_bytes - after.held_bytes);
            assert!(after.held_bytes - after.draining_bytes() <= bytes || open(&after) == 0);
        }
        Op::GiveBack => {
            let given = pool.give_back();
            assert_eq!(
                (given.freed_bytes, open(&before)),
                (before.held_bytes - pool.metrics().held_bytes, open(&pool.metrics()))
            );
        }
        Op::Write { which, count, value } if !model.unique.is_empty() => {
            let at = which % model.unique.len();
            let (buffer, samples) = &mut model.unique[at];
            let written = buffer.extend_from_slice(&vec![value; count]);
            assert_eq!(written, count.min(buffer.capacity() - samples.len()));
            samples.resize(samples.len() + written, value);
        }
        Op::Truncate { which, len } if !model.unique.is_empty() => {
            let at = which % model.unique.len();
            let (buffer, samples) = &mut model.unique[at];
            buffer.truncate(len);
            samples.truncate(len);
        }
        Op::Share { which } if !model.unique.is_empty() => {
            let (buffer, samples) = model.unique.swap_remove(which % model.unique.len());
            model.begin(buffer.into_shared(), samples);
        }
        Op::Clone { which } if !model.shared.is_empty() => {
            let SharedModel { handle, life } = &model.shared[which % model.shared.len()];
            let clone = SharedModel { handle: handle.clone(), life: *life };
            model.lives.get_mut(&clone.life).unwrap().1 += 1;
            model.shared.push(clone);
        }
        Op::Unique { which } if !model.shared.is_empty() => {
            let SharedModel { handle, life } = model.shared.swap_remove(which % model.shared.len());
            match handle.try_unique() {
                Ok(buffer) => {
                    let (samples, references) = model.lives.remove(&life).unwrap();
                    assert_eq!(references, 1);
                    model.unique.push((buffer, samples));
                }
                Err(handle) => {
                    assert!(model.lives[&life].1 > 1);
                    model.shared.push(SharedModel { handle, life });
                }
            }
        }
        Op::MakeMut { which, value } if !model.shared.is_empty() => {
            let mut entry = model.shared.swap_remove(which % model.shared.len());
            let alone = model.lives[&entry.life].1 == 1;
            match entry.handle.make_mut(Miss::NextClassUp) {
                Ok(samples) => {
                    samples.iter_mut().for_each(|sample| *sample += value);
                    model.copies += u64::from(!alone);
                    if !alone {
                        model.acquired(pool, &before, true);
                    }
                    let expected = model.lives[&entry.life].0.iter().map(|sample| sample + value).collect();
                    model.leave(entry.life);
                    model.begin(entry.handle, expected);
                }
                Err(_) => {
                    assert!(!alone);
                    model.shared.push(entry);
                }
            }
        }
        Op::Upgrade { which } if !model.ids.is_empty() => {
            let (id, life) = model.ids[which % model.ids.len()];
            let handle = pool.upgrade(id);
            assert_eq!(handle.is_some(), model.lives.contains_key(&life), "{id:?}");
            if let Some(handle) = handle {
                model.lives.get_mut(&life).unwrap().1 += 1;
                model.shared.push(SharedModel { handle, life });
            }
        }
        Op::DropUnique { which } if !model.unique.is_empty() => {
            model.unique.swap_remove(which % model.unique.len());
        }
        Op::DropShared { which } if !model.shared.is_empty() => {
            let life = model.shared.swap_remove(which % model.shared.len()).life;
            model.leave(life);
        }
        Op::Clear => {
            let given = pool.clear();
            assert_eq!(given.freed_bytes, before.held_bytes - pool.metrics().held_bytes);
            assert_eq!(open(&pool.metrics()), 0);
        }
        Op::Grow { samples } => {
            let added = pool.grow(samples, 1);
            let after = pool.metrics();
            match added {
                Ok(added) => assert_eq!(open(&before) + added, open(&after)),
                Err(_) => assert!(open(&before) <= open(&after)),
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn handles_show_what_was_written_through_them(ops in proptest::collection::vec(op(), 0..200)) {
        // Few and small: exhaustion, growth, limits and the budget are all met.
        let classes = [(32, 6, 2), (64, 3, 1), (128, 70, 0)]
            .map(|(samples, buffers_max, buffers_prewarm)| ClassConfig { samples, buffers_max, buffers_prewarm });
        let pool = BufferRecyclingPool::new(PoolConfig { classes: classes.into(), budget_bytes: 24 * 1024, endpoint_cache_bytes: 4096, ..PoolConfig::default() }).unwrap();
        let mut endpoint = pool.endpoint(OwnerId(1)).unwrap();
        let mut model = Model::default();
        for op in ops {
            apply(&mut model, &pool, &mut endpoint, op);
            model.check(&pool, &endpoint);
        }
        let Model { unique, shared, .. } = model;
        drop((unique, shared));
        prop_assert_eq!(pool.metrics().states().in_use, 0);
        drop(endpoint);
        pool.clear();
        let metrics = pool.metrics();
        prop_assert_eq!((metrics.states(), metrics.held_bytes), (BufferStates::default(), metrics.overhead_bytes));
    }
}
