//! What a pool has done and holds, as plain numbers.
//!
//! Almost nothing is counted on the hot path: a slab's word carries its acquisitions, its bitmap says what is in use,
//! and its highest slot ever taken is its peak. The rest is derived here.
//!
//! Fields are read one after the other while the pool is used, so that they need not add up to the last unit; when
//! the pool is at rest they do.

use super::class::Class;
use super::inner::Inner;
use crate::sync::Ordering;
use alloc::vec::Vec;

/// How many buffers are in which state.
///
/// A slot is *allocated* until it is first handed out, then *in use*, and *recycled* while it waits to be handed out
/// again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BufferStates {
    /// Never handed out since their memory came.
    pub allocated: usize,
    /// Held by somebody, retired ones included.
    pub in_use: usize,
    /// Returned and free.
    pub recycled: usize,
}

/// What one size class has done and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassMetrics {
    /// Samples each buffer holds.
    pub samples: usize,
    /// Buffers by state.
    pub states: BufferStates,
    /// The most buffers in use at once. Exact with one thread; with several it may be somewhat too high (a slot of a
    /// later slab was taken just before one of an earlier slab came back), never too low.
    pub in_use_peak: usize,
    /// The most buffers the class may hold.
    pub buffers_max: usize,
    /// Buffers of this class handed out, to whichever request. (Stale by 2^23 for the moment in which a thread stands
    /// between two instructions, once in 2^23 acquisitions of one slab.)
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
    /// Bytes of free buffers that can't be given back, because their slab is in use in part.
    pub stranded_bytes: usize,
}

impl ClassMetrics {
    /// Buffers there are, in whatever state.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn buffers(&self) -> usize {
        self.states.allocated + self.states.in_use + self.states.recycled
    }

    /// Requests that found this class exhausted.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn misses(&self) -> u64 {
        self.misses_refused + self.misses_up + self.misses_down + self.misses_grown
    }

    pub(super) fn read(class: &Class) -> Self {
        let rare = &class.rare;
        let buffer_bytes = class.capacity() * size_of::<f32>();
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
            stranded_bytes: 0,
        };
        // Before the slabs, so that what was lent is not missing from the acquisitions.
        let not_hits = rare.lent.load(Ordering::Acquire) + metrics.misses_grown;
        let mut peak = 0;
        for slab in class.slabs() {
            // SAFETY: the slabs of a class live as long as it.
            let slab = unsafe { slab.census() };
            let in_use = slab.slots.saturating_sub(slab.free);
            // The lowest free slot is always taken first, so that `high..` were never taken.
            let allocated = slab.slots.saturating_sub(slab.high);
            metrics.states.allocated += allocated;
            metrics.states.in_use += in_use;
            metrics.states.recycled += (slab.slots - in_use).saturating_sub(allocated);
            metrics.acquisitions += slab.taken;
            metrics.payload_bytes += slab.slots * buffer_bytes;
            if in_use > 0 {
                metrics.stranded_bytes += (slab.slots - in_use) * buffer_bytes;
            }
            peak += slab.high;
        }
        metrics.in_use_peak = metrics.in_use_peak.max(peak);
        metrics.releases = metrics.acquisitions.saturating_sub(metrics.states.in_use as u64);
        metrics.hits = metrics.acquisitions.saturating_sub(not_hits);
        metrics
    }
}

/// What a pool has done and holds: see the module's note on when the numbers add up.
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
}

impl PoolMetrics {
    pub(super) fn read(inner: &Inner) -> Self {
        let classes: Vec<ClassMetrics> = inner.classes.iter().map(ClassMetrics::read).collect();
        let held_bytes = inner.held_bytes.load(Ordering::Relaxed);
        let payload_bytes: usize = classes.iter().map(|class| class.payload_bytes).sum();
        Self {
            too_large: inner.too_large.load(Ordering::Relaxed),
            held_bytes,
            held_bytes_peak: inner.held_bytes_peak.load(Ordering::Relaxed),
            budget_bytes: inner.budget_bytes,
            overhead_bytes: held_bytes.saturating_sub(payload_bytes),
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
        let (hits, misses) = (self.hits(), self.misses());
        (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64)
    }

    /// Bytes that are not samples, as part of those held, in percent.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn overhead_percent(&self) -> f64 {
        percent(self.overhead_bytes, self.held_bytes)
    }

    /// Bytes of free buffers that can't be given back, as part of the bytes of all buffers, in percent.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn fragmentation_percent(&self) -> f64 {
        let stranded = self.classes.iter().map(|class| class.stranded_bytes).sum();
        percent(stranded, self.classes.iter().map(|class| class.payload_bytes).sum())
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
