//! The reader's side of a stream that evicts: what it announced must stay, so it is copied out first.

use super::mark::Arrival;
use super::storage::Ahead;
use crate::broadcast::{BroadcastGauge, BroadcastReader};
use crate::format::StreamPosition;
use crate::ring::RingError;
use crate::sync::{Arc, AtomicU64, Ordering};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Samples on their way from the broadcast ring to the reader. A copy may find that the writer has been faster: then there is
/// one hole in what is staged, and nothing more is staged until the reader has passed it.
#[derive(Debug)]
pub(super) struct Staging {
    samples: BroadcastReader<f32>,
    /// Pairs of words, see [`Arrival::to_words`].
    arrivals: BroadcastReader<u64>,
    /// As large as the ring, of which `start..end` is staged.
    copied: Box<[f32]>,
    start: usize,
    end: usize,
    /// Where in `start..=end` samples are missing, and how many.
    hole_at: usize,
    hole: u64,
    progress: Arc<Progress>,
}

impl Staging {
    pub(super) fn new(
        samples: BroadcastReader<f32>,
        arrivals: BroadcastReader<u64>,
        progress: Arc<Progress>,
    ) -> Result<Self, RingError> {
        let count = samples.capacity();
        let mut copied = Vec::new();
        let bytes = count.saturating_mul(size_of::<f32>());
        copied.try_reserve_exact(count).map_err(|_| RingError::OutOfMemory { bytes })?;
        copied.resize(count, 0.0);
        let copied = copied.into_boxed_slice();
        Ok(Self { samples, arrivals, copied, start: 0, end: 0, hole_at: 0, hole: 0, progress })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.samples.is_closed()
    }

    /// Stages up to `wanted` samples, the capacity at most.
    pub(super) fn gather(&mut self, wanted: usize) {
        let staged = self.end - self.start;
        if self.hole > 0 || staged >= wanted {
            return;
        }
        let more = wanted - staged;
        if staged == 0 || self.end + more > self.copied.len() {
            self.copied.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, staged);
        }
        let read = self.samples.read(&mut self.copied[self.end..self.end + more]);
        (self.hole_at, self.hole) = (self.end, read.lost);
        self.end += read.count;
        self.publish();
    }

    pub(super) fn ahead(&self) -> Ahead {
        let until = if self.hole > 0 { self.hole_at } else { self.end };
        let samples = until - self.start;
        let broken = self.hole > 0 && samples > 0;
        Ahead { evicted: if broken { 0 } else { self.hole }, samples, broken }
    }

    pub(super) fn pass_evicted(&mut self, count: u64) {
        self.hole -= count;
        self.progress.pass(count);
        self.publish();
    }

    /// The next `count` samples, staged before the hole.
    pub(super) fn readable(&self, count: usize) -> &[f32] {
        debug_assert!(count <= self.ahead().samples);
        &self.copied[self.start..self.start + count]
    }

    pub(super) fn take(&mut self, count: usize) {
        self.start += count;
        self.progress.pass(count as u64);
    }

    fn publish(&self) {
        // Relaxed: measured exactly at rest only, when whoever looks has waited for this thread.
        self.progress.copied.store(self.samples.position(), Ordering::Relaxed);
        self.progress.hole.store(self.hole, Ordering::Relaxed);
    }

    /// See [`Outlet::arrival`](super::storage::Outlet::arrival). Arrivals that were overwritten are skipped.
    pub(super) fn arrival(
        &mut self,
        position: StreamPosition,
        target: StreamPosition,
        passed: &mut Arrival,
    ) -> Arrival {
        let (mut found, mut at) = (*passed, self.arrivals.position());
        // As many as there can be, and no more: the writer may go on.
        for _ in 0..self.arrivals.capacity() / Arrival::WORDS {
            let mut words = [0; Arrival::WORDS];
            let read = self.arrivals.read_at(at, &mut words);
            at = read.end();
            if read.count == 0 {
                if read.lost == 0 {
                    break;
                }
                continue;
            }
            let arrival = Arrival::from_words(words);
            if arrival.position > target {
                break;
            }
            found = arrival;
            // What lies at or before the next frame is never asked for again but as `passed`.
            if arrival.position <= position {
                *passed = arrival;
                self.arrivals.pass(at);
            }
        }
        found
    }
}

/// How far the reader is, in samples, for whoever measures what is inside. Stored by the reader only.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Progress {
    /// Read, or told to be evicted.
    passed: AtomicU64,
    /// Copied out of the ring, or found evicted.
    copied: AtomicU64,
    /// Found evicted, not told yet.
    hole: AtomicU64,
}

impl Progress {
    fn pass(&self, count: u64) {
        // Relaxed, load then store: the reader alone stores.
        self.passed.store(self.passed.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// Samples in the ring that the reader has not copied.
    pub(super) fn stored(&self, samples: &BroadcastGauge<f32>) -> u64 {
        samples.occupancy_from(self.copied.load(Ordering::Relaxed)) as u64
    }

    /// Samples in the ring and staged, and samples that were evicted and not told of: overwritten without the reader's
    /// knowledge, or found by it just now.
    ///
    /// Exact at rest: `written = passed + both`, where all three are measured and none follows from the others' books.
    pub(super) fn measure(&self, samples: &BroadcastGauge<f32>) -> (u64, u64) {
        let copied = self.copied.load(Ordering::Relaxed);
        let hole = self.hole.load(Ordering::Relaxed);
        let staged = copied.saturating_sub(self.passed.load(Ordering::Relaxed)).saturating_sub(hole);
        let waits = samples.written().saturating_sub(copied);
        let stored = waits.min(samples.capacity() as u64);
        (staged + stored, hole + (waits - stored))
    }
}
