//! What a pool has done and holds, as plain numbers.
//!
//! Almost nothing is counted on the hot path: a slab's word carries how many slots were taken, its bitmap says what is out,
//! and its highest slot ever taken is its peak; an endpoint counts what it hands out. The rest is derived here.
//!
//! Fields are read one after the other while the pool is used, so that they need not add up to the last unit; when
//! the pool is at rest they do.

use super::cache::Cache;
use super::class::Class;
use super::inner::Inner;
use super::slab::block_bytes;
use crate::sync::Ordering;
use alloc::vec::Vec;

/// How many buffers are in which state.
///
/// A buffer is *allocated* until it is first taken, then *in use*, and *recycled* while it waits to be handed out again;
/// *cached* if it does so in an endpoint.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let buffer = pool.acquire(256, Miss::Fail)?;
/// assert_eq!(pool.metrics().states().in_use, 1);
/// drop(buffer);
/// assert_eq!(pool.metrics().states().in_use, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BufferStates {
    /// Never handed out since their memory came.
    pub allocated: usize,
    /// Held by somebody, retired ones included.
    pub in_use: usize,
    /// Free, kept by an endpoint for itself.
    pub cached: usize,
    /// Returned and free.
    pub recycled: usize,
}

/// What one size class has done and holds.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// drop(pool.acquire(300, Miss::Fail)?);
/// let metrics = pool.metrics();
/// let class = metrics.classes.iter().find(|class| class.samples == 512).unwrap();
/// assert_eq!(class.states.in_use, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassMetrics {
    /// Samples each buffer holds.
    pub samples: usize,
    /// Buffers by state.
    pub states: BufferStates,
    /// The most buffers in use at once, those included that endpoints had cached. Otherwise exact with one thread; with
    /// several it may be somewhat too high (a slot of a later slab was taken just before one of an earlier slab came
    /// back), never too low.
    pub in_use_peak: usize,
    /// The most buffers the class may hold.
    pub buffers_max: usize,
    /// Buffers of this class handed out, to whichever request. (Stale by 2^23 for the moment in which a thread stands
    /// between two instructions, once in 2^23 slots taken from one slab.)
    pub acquisitions: u64,
    /// Of those, returned or retired.
    pub releases: u64,
    /// Requests that this class served at once.
    pub hits: u64,
    /// Requests that found this class exhausted and got nothing.
    pub misses_refused: u64,
    /// Requests that found this class exhausted and got a larger buffer.
    pub misses_up: u64,
    /// Requests that found this class exhausted and got a smaller buffer.
    pub misses_down: u64,
    /// Requests that found this class exhausted and were served after it grew.
    pub misses_grown: u64,
    /// Buffers of this class copied because somebody wrote to a shared one.
    pub copies: u64,
    /// Buffers that will never be reused: their generations ran out, or their references were leaked in such numbers.
    pub retired: u64,
    /// Bytes of samples allocated: buffers × samples × 4.
    pub payload_bytes: usize,
    /// Bytes the class holds: samples, what rounds them up, headers, bitmaps and its table.
    pub held_bytes: usize,
    /// Of those, bytes of slabs that hand out no more buffers and go when the last one is back.
    pub draining_bytes: usize,
    /// Bytes of slabs that can't be given back though their buffers in use would find room in fewer: those are scattered. What is free
    /// in the fewest slabs that could hold them is none of it.
    pub stranded_bytes: usize,
}

impl ClassMetrics {
    /// Buffers there are, in whatever state.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn buffers(&self) -> usize {
        let BufferStates { allocated, in_use, cached, recycled } = self.states;
        allocated + in_use + cached + recycled
    }

    /// Requests that found this class exhausted.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn misses(&self) -> u64 {
        self.misses_refused + self.misses_up + self.misses_down + self.misses_grown
    }

    /// Requests served at once, as part of all: see [`PoolMetrics::hit_rate`].
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn hit_rate(&self) -> Option<f64> {
        rate(self.hits, self.misses())
    }

    /// Bytes the class holds that are not samples.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn overhead_bytes(&self) -> usize {
        self.held_bytes.saturating_sub(self.payload_bytes)
    }

    /// Bytes that are not samples, as part of those held, in percent.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn overhead_percent(&self) -> f64 {
        percent(self.overhead_bytes(), self.held_bytes)
    }

    /// [Bytes that can't be given back](ClassMetrics::stranded_bytes), as part of the bytes of all buffers, in percent.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn fragmentation_percent(&self) -> f64 {
        percent(self.stranded_bytes, self.payload_bytes)
    }

    fn read(class: &Class, caches: impl Iterator<Item = CacheCount>) -> Self {
        let rare = &class.rare;
        let buffer_bytes = class.capacity() * size_of::<f32>();
        // Before the slabs, so that a buffer is not missed that moves from one to the other.
        let caches = caches.fold(CacheCount::default(), |sum, cache| CacheCount {
            cached: sum.cached + cache.cached,
            handed_out: sum.handed_out + cache.handed_out,
            refilled: sum.refilled + cache.refilled,
        });
        let mut metrics = Self {
            samples: class.capacity(),
            states: BufferStates::default(),
            in_use_peak: rare.peak_before.load(Ordering::Relaxed),
            buffers_max: class.buffers_max(),
            acquisitions: 0,
            releases: 0,
            hits: 0,
            misses_refused: rare.refused.load(Ordering::Relaxed),
            misses_up: rare.went_up.load(Ordering::Relaxed),
            misses_down: rare.went_down.load(Ordering::Relaxed),
            misses_grown: rare.grew.load(Ordering::Relaxed),
            copies: rare.copies.load(Ordering::Relaxed),
            retired: rare.retired.load(Ordering::Relaxed),
            payload_bytes: 0,
            held_bytes: class.table_bytes(),
            draining_bytes: 0,
            stranded_bytes: 0,
        };
        // Before the slabs, so that what was lent is not missing from the acquisitions.
        let not_hits = rare.lent.load(Ordering::Acquire) + metrics.misses_grown;
        let (mut peak, mut taken) = (0, 0);
        // Of slabs with a buffer out: the slots of all, and of the largest.
        let (mut pinned, mut largest) = (0, 1);
        for slab in class.slabs() {
            // SAFETY: the slabs of a class live as long as it.
            let (shape, slab) = unsafe { (slab.shape(), slab.census()) };
            // The lowest free slots are always taken first, so that `high..` were never taken.
            let allocated = slab.slots.saturating_sub(slab.high);
            metrics.states.allocated += allocated;
            metrics.states.in_use += slab.out();
            metrics.states.recycled += (slab.slots - slab.out()).saturating_sub(allocated);
            taken += slab.taken;
            metrics.held_bytes += block_bytes(shape.slots);
            if slab.slots > 0 {
                metrics.payload_bytes += shape.payload_bytes();
                metrics.held_bytes += shape.storage_bytes();
            }
            if slab.draining {
                metrics.draining_bytes += shape.storage_bytes();
            }
            if slab.out() > 0 {
                (pinned, largest) = (pinned + slab.slots, slab.slots.max(largest));
            }
            peak += slab.high;
        }
        let needed = metrics.states.in_use.div_ceil(largest) * largest;
        metrics.stranded_bytes = pinned.saturating_sub(needed) * buffer_bytes;
        metrics.states.cached = caches.cached.min(metrics.states.in_use);
        metrics.states.in_use -= metrics.states.cached;
        // What endpoints took was handed out only when they did so.
        metrics.acquisitions = taken.saturating_sub(caches.refilled) + caches.handed_out;
        metrics.in_use_peak = metrics.in_use_peak.max(peak);
        metrics.releases = metrics.acquisitions.saturating_sub(metrics.states.in_use as u64);
        metrics.hits = metrics.acquisitions.saturating_sub(not_hits);
        metrics
    }
}

/// What an endpoint's cache says of itself.
#[derive(Default)]
struct CacheCount {
    cached: usize,
    handed_out: u64,
    refilled: u64,
}

impl CacheCount {
    fn read(cache: &Cache) -> Self {
        // Before those that it is part of.
        let handed_out = cache.handed_out();
        Self { cached: cache.count(), handed_out, refilled: cache.refilled() }
    }
}

/// What a pool has done and holds: see the module's note on when the numbers add up.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// drop(pool.acquire(300, Miss::Fail)?);
/// let metrics = pool.metrics();
/// assert!(metrics.held_bytes <= metrics.held_bytes_peak && metrics.held_bytes_peak <= metrics.budget_bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolMetrics {
    /// The classes, smallest first.
    pub classes: Vec<ClassMetrics>,
    /// Requests refused because no class is that large.
    pub too_large: u64,
    /// Bytes allocated: samples, headers, bitmaps and tables.
    pub held_bytes: usize,
    /// The most bytes ever allocated.
    pub held_bytes_peak: usize,
    /// The most bytes that may be allocated.
    pub budget_bytes: usize,
    /// Of the bytes allocated, those that are not samples.
    pub overhead_bytes: usize,
    /// Endpoints there are.
    pub endpoints: usize,
}

impl PoolMetrics {
    pub(super) fn read(inner: &Inner) -> Self {
        let read = |(index, class)| {
            let caches = inner.endpoints().filter_map(|endpoint| endpoint.caches.get(index));
            ClassMetrics::read(class, caches.map(CacheCount::read))
        };
        let classes: Vec<ClassMetrics> = inner.classes.iter().enumerate().map(read).collect();
        let held_bytes = inner.held_bytes.load(Ordering::Relaxed);
        let payload_bytes: usize = classes.iter().map(|class| class.payload_bytes).sum();
        Self {
            too_large: inner.too_large.load(Ordering::Relaxed),
            held_bytes,
            held_bytes_peak: inner.held_bytes_peak.load(Ordering::Relaxed),
            budget_bytes: inner.budget_bytes,
            overhead_bytes: held_bytes.saturating_sub(payload_bytes),
            endpoints: inner.endpoints().filter(|endpoint| endpoint.is_used()).count(),
            classes,
        }
    }

    fn sum(&self, field: impl Fn(&ClassMetrics) -> u64) -> u64 {
        self.classes.iter().map(field).sum()
    }

    /// Buffers by state, all classes together.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn states(&self) -> BufferStates {
        self.classes.iter().fold(BufferStates::default(), |sum, class| BufferStates {
            allocated: sum.allocated + class.states.allocated,
            in_use: sum.in_use + class.states.in_use,
            cached: sum.cached + class.states.cached,
            recycled: sum.recycled + class.states.recycled,
        })
    }

    /// Buffers handed out.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn acquisitions(&self) -> u64 {
        self.sum(|class| class.acquisitions)
    }

    /// Buffers that came back.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn releases(&self) -> u64 {
        self.sum(|class| class.releases)
    }

    /// Requests served at once by the class they belong to.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn hits(&self) -> u64 {
        self.sum(|class| class.hits)
    }

    /// Requests that found their class exhausted, whatever came of them. Those that were too large for any class are
    /// not among them.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn misses(&self) -> u64 {
        self.sum(ClassMetrics::misses)
    }

    /// Buffers copied on write.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn copies(&self) -> u64 {
        self.sum(|class| class.copies)
    }

    /// Hits as part of all requests that some class could have served, 0 to 1; `None` before the first.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn hit_rate(&self) -> Option<f64> {
        rate(self.hits(), self.misses())
    }

    /// Bytes of slabs that go when their last buffer is back.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn draining_bytes(&self) -> usize {
        self.classes.iter().map(|class| class.draining_bytes).sum()
    }

    /// Bytes that are not samples, as part of those held, in percent.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn overhead_percent(&self) -> f64 {
        percent(self.overhead_bytes, self.held_bytes)
    }

    /// [Bytes that can't be given back](ClassMetrics::stranded_bytes), as part of the bytes of all buffers, in percent.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn fragmentation_percent(&self) -> f64 {
        let stranded = self.classes.iter().map(|class| class.stranded_bytes).sum();
        percent(stranded, self.classes.iter().map(|class| class.payload_bytes).sum())
    }
}

fn rate(hits: u64, misses: u64) -> Option<f64> {
    (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64)
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
