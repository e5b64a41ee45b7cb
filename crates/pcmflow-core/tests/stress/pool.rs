//! The pool: workers that acquire, share, copy, look up, hand over and release, while another one grows it and gives back.

use crate::numbers::{Random, check, fill};
use crate::tally::{Counter, Tally, end_if_another_failed, join, wait};
use pcmflow_core::pool::*;
use pcmflow_core::ring::{CircularBuffer, Consumer, Producer};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const WORKERS: usize = 3;
/// Buffers that one worker keeps at most.
const HELD: usize = 24;

/// Small classes and caches, so that the workers fight for few slots, and lie in several slabs.
pub(crate) fn small_pool(random: &mut Random) -> BufferRecyclingPool {
    let class = |samples, buffers_max: usize, prewarm: u64| ClassConfig {
        samples,
        buffers_max,
        buffers_prewarm: (prewarm as usize).min(buffers_max),
    };
    let classes = vec![class(64, 72, random.below(80)), class(256, 36, random.below(40))];
    BufferRecyclingPool::new(PoolConfig { classes, endpoint_cache_bytes: 16 * 1024, ..PoolConfig::default() })
        .unwrap()
}

pub(crate) fn any_miss(random: &mut Random) -> Miss {
    match random.below(8) {
        0 => Miss::Grow,
        1..4 => Miss::NextClassUp,
        _ => Miss::Fail,
    }
}

/// Adds and gives back memory until nobody `works` any more.
pub(crate) fn control(pool: &BufferRecyclingPool, works: &AtomicU64, random: &mut Random, tally: &Tally) {
    let mut counter = tally.counter();
    while works.load(Ordering::Relaxed) > 0 {
        match random.below(4) {
            0 => counter.did(u64::from(pool.clear().freed_bytes > 0)),
            1 => counter.did(u64::from(pool.grow(64, random.size(32)).is_ok())),
            2 => counter.did(u64::from(pool.prewarm(256, random.size(36)).is_ok())),
            _ => {
                let metrics = pool.metrics();
                assert!(metrics.states().in_use <= 72 + 36, "{metrics:?}");
                assert!(metrics.held_bytes <= PoolConfig::default().budget_bytes, "{metrics:?}");
            }
        }
        thread::sleep(Duration::from_micros(random.below(300)));
        end_if_another_failed();
    }
}

/// Says when a thread is done, or failed.
pub(crate) struct Working<'a>(pub(crate) &'a AtomicU64);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Nothing is out, and everything that was handed out came back.
pub(crate) fn at_rest(pool: &BufferRecyclingPool) {
    let metrics = pool.metrics();
    assert_eq!(metrics.states().in_use, 0, "{metrics:?}");
    assert_eq!(metrics.acquisitions(), metrics.releases(), "{metrics:?}");
    assert!(pool.held_by().is_empty());
    pool.clear();
    let metrics = pool.metrics();
    assert_eq!(metrics.held_bytes, metrics.overhead_bytes, "{metrics:?}");
}

/// A buffer and the number of its first sample.
#[derive(Debug)]
struct Held {
    buffer: Either,
    first: u64,
}

#[derive(Debug)]
enum Either {
    Unique(PooledBuffer),
    Shared(BufferRef),
}

impl Held {
    fn check(&self) {
        match &self.buffer {
            Either::Unique(buffer) => check(buffer, self.first),
            Either::Shared(buffer) => check(buffer, self.first),
        }
    }
}

pub(crate) fn episode(random: &mut Random, tally: &Tally) {
    let pool = small_pool(random);
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..WORKERS {
        let (sender, receiver) = CircularBuffer::with_capacity(random.size(16)).unwrap().split();
        senders.push(sender);
        receivers.push(receiver);
    }
    // Each hands over to the next one.
    receivers.rotate_right(1);
    let turns = random.below(100_000);
    let working = AtomicU64::new(WORKERS as u64);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for (me, (outbox, inbox)) in senders.into_iter().zip(receivers).enumerate() {
            let (pool, working, random) = (&pool, &working, random.fork());
            let worker = Worker {
                me: me as u64,
                pool,
                endpoint: pool.endpoint(OwnerId(me as u32)).unwrap(),
                random,
                held: Vec::new(),
                names: Vec::new(),
                stamps: 0,
                counter: tally.counter(),
            };
            workers.push(scope.spawn(move || {
                let _working = Working(working);
                worker.work(outbox, inbox, turns, tally);
            }));
        }
        control(&pool, &working, random, tally);
        join(workers);
    });
    at_rest(&pool);
}

struct Worker<'a> {
    me: u64,
    pool: &'a BufferRecyclingPool,
    /// Used as often as the pool itself.
    endpoint: PoolEndpoint,
    random: Random,
    held: Vec<Held>,
    /// Names of shared buffers, whose lives may be over; and the first number each carried.
    names: Vec<(BufferId, u64, usize)>,
    stamps: u64,
    counter: Counter<'a>,
}

impl Worker<'_> {
    fn work(mut self, mut outbox: Producer<Held>, mut inbox: Consumer<Held>, turns: u64, tally: &Tally) {
        for turn in 0..turns {
            if turn % 1024 == 0 && !tally.goes_on() {
                break;
            }
            if self.held.len() >= HELD || self.random.one_in(3) {
                self.let_go(&mut outbox);
            }
            if self.random.one_in(4096) {
                self.endpoint.flush();
            }
            match self.random.below(8) {
                0..3 => self.acquire(),
                3 => self.receive(&mut inbox),
                4 => self.share(),
                5 => self.look_up(),
                6 => self.write(),
                _ => self.make_unique(),
            }
        }
        // Senders are gone when their loops end: what is in the inbox then is dropped with it, and must come back too.
        drop(outbox);
        for held in &self.held {
            held.check();
        }
    }

    /// The number of the first sample of a new content: no other content has it, nor one of the next 255.
    fn stamp(&mut self) -> u64 {
        self.stamps += 1;
        256 * (WORKERS as u64 * self.stamps + self.me)
    }

    fn acquire(&mut self) {
        let samples = self.random.size(256);
        let owner = OwnerId(self.me as u32);
        let miss = if self.random.one_in(8) { Miss::Smaller } else { any_miss(&mut self.random) };
        let acquired = match self.random.one_in(2) {
            true => self.endpoint.acquire(samples, miss),
            false => self.pool.acquire_for(owner, samples, miss),
        };
        let Ok(mut buffer) = acquired else { return wait() };
        assert!(buffer.is_empty() && (buffer.capacity() >= samples || miss == Miss::Smaller));
        let first = self.stamp();
        let len = buffer.resize(samples, 0.0);
        self.random.stumble();
        fill(&mut buffer, first);
        assert_eq!((buffer.len(), buffer.owner()), (len, owner));
        self.counter.did(1);
        self.held.push(Held { buffer: Either::Unique(buffer), first });
    }

    /// Checks one, and drops it or hands it over.
    fn let_go(&mut self, outbox: &mut Producer<Held>) {
        let Some(held) = self.take() else { return };
        held.check();
        self.random.stumble();
        if self.random.one_in(4) {
            drop(held);
        } else if self.random.one_in(2) {
            match held.buffer {
                Either::Unique(buffer) => self.endpoint.release(buffer),
                Either::Shared(buffer) => self.endpoint.release_shared(buffer),
            }
        } else if let Err(refused) = outbox.push(held) {
            // Full: dropped here.
            refused.into_inner().check();
        }
        self.counter.did(1);
    }

    fn receive(&mut self, inbox: &mut Consumer<Held>) {
        if let Some(held) = inbox.pop() {
            held.check();
            self.counter.did(1);
            self.held.push(held);
        }
    }

    /// Makes one shared, or clones what is shared.
    fn share(&mut self) {
        let Some(Held { buffer, first }) = self.take() else { return };
        let shared = match buffer {
            Either::Unique(buffer) => buffer.into_shared(),
            Either::Shared(shared) => shared,
        };
        let clone = shared.clone();
        if self.names.len() > 32 {
            let oldest = self.random.below(32) as usize;
            self.names.swap_remove(oldest);
        }
        self.names.push((shared.id(), first, shared.len()));
        self.counter.did(1);
        self.held.push(Held { buffer: Either::Shared(shared), first });
        self.held.push(Held { buffer: Either::Shared(clone), first });
    }

    /// A name leads to the very life that it was given to, or to nothing.
    fn look_up(&mut self) {
        if self.names.is_empty() {
            return;
        }
        let (id, first, len) = self.names[self.random.below(self.names.len() as u64) as usize];
        let found = self.pool.upgrade(id);
        self.counter.did(1);
        if let Some(shared) = found {
            assert_eq!(shared.len(), len, "a name led to another life");
            check(&shared, first);
            self.held.push(Held { buffer: Either::Shared(shared), first });
        }
    }

    /// Writes new content: in place where alone, into a copy otherwise. The other handles check that theirs stays.
    fn write(&mut self) {
        let miss = any_miss(&mut self.random);
        let Some(mut held) = self.take() else { return };
        let first = self.stamp();
        let samples = match &mut held.buffer {
            Either::Unique(buffer) => Ok(&mut buffer[..]),
            Either::Shared(buffer) => buffer.make_mut(miss),
        };
        if let Ok(samples) = samples {
            check(samples, held.first);
            fill(samples, first);
            held.first = first;
            self.counter.did(1);
        }
        held.check();
        self.held.push(held);
    }

    fn make_unique(&mut self) {
        let Some(mut held) = self.take() else { return };
        if let Either::Shared(buffer) = held.buffer {
            held.buffer = match buffer.try_unique() {
                Ok(buffer) => {
                    self.counter.did(1);
                    Either::Unique(buffer)
                }
                Err(buffer) => Either::Shared(buffer),
            };
        }
        held.check();
        self.held.push(held);
    }

    fn take(&mut self) -> Option<Held> {
        let held = self.held.len() as u64;
        (held > 0).then(|| self.held.swap_remove(self.random.below(held) as usize))
    }
}
