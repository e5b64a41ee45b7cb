//! The books of one edge: a block of counters for the writer, one for the reader, each with that one writer.

use super::{LossCause, Losses};
use crate::format::Frames;
use crate::sync::{AtomicU64, Ordering};
use core::ops::Add;

/// A counter with one writer: a plain add, no locked instruction. Anyone may read it. What can't be counted any more (a driver
/// that reports an absurd loss) saturates, as [`Frames`] do.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, frames: Frames) {
        // Relaxed, load then store: only the counter's one writer ever stores.
        self.0.store(self.0.load(Ordering::Relaxed).saturating_add(frames.0), Ordering::Relaxed);
    }

    fn read(&self) -> Frames {
        Frames(self.0.load(Ordering::Relaxed))
    }
}

fn losses(counters: &[Counter; LossCause::ALL.len()]) -> Losses {
    let mut losses = Losses::default();
    for &cause in LossCause::ALL {
        losses[cause] = counters[cause as usize].read();
    }
    losses
}

/// What the writing end of an edge did. Posted by that end only; read by anyone, at any time, each figure for itself.
///
/// ```
/// use pcmflow_core::format::Frames;
/// use pcmflow_core::ledger::{LossCause, WriterBooks};
/// let books = WriterBooks::default();
/// books.post_accepted(Frames(128));
/// books.post_lost(Frames(64), LossCause::Overflow);
/// assert_eq!((books.accepted(), books.lost()[LossCause::Overflow]), (Frames(128), Frames(64)));
/// ```
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WriterBooks {
    accepted: Counter,
    evicted: [Counter; LossCause::ALL.len()],
    lost: [Counter; LossCause::ALL.len()],
    overruns: Counter,
}

impl WriterBooks {
    /// Posts frames that the edge took in.
    ///
    /// RT-safe: wait-free, no allocation. The edge's writer only.
    pub fn post_accepted(&self, frames: Frames) {
        self.accepted.add(frames);
    }

    /// Posts frames that the writer threw out of the edge unread, to make room.
    ///
    /// RT-safe: wait-free, no allocation. The edge's writer only.
    pub fn post_evicted(&self, frames: Frames, cause: LossCause) {
        self.evicted[cause as usize].add(frames);
    }

    /// Posts frames that the edge would not take and the writer gave up.
    ///
    /// RT-safe: wait-free, no allocation. The edge's writer only.
    pub fn post_lost(&self, frames: Frames, cause: LossCause) {
        self.lost[cause as usize].add(frames);
    }

    /// Posts that a run of losses began: one overrun, however long.
    ///
    /// RT-safe: wait-free, no allocation. The edge's writer only.
    pub fn post_overrun(&self) {
        self.overruns.add(Frames(1));
    }

    /// Frames that the edge took in.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn accepted(&self) -> Frames {
        self.accepted.read()
    }

    /// Frames that the writer threw out unread, by cause.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn evicted(&self) -> Losses {
        losses(&self.evicted)
    }

    /// Frames that were given up, by cause.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn lost(&self) -> Losses {
        losses(&self.lost)
    }

    /// How often a run of losses began.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn overruns(&self) -> u64 {
        self.overruns.read().0
    }
}

/// What the reading end of an edge did. Posted by that end only; read by anyone.
///
/// ```
/// use pcmflow_core::format::Frames;
/// use pcmflow_core::ledger::{LossCause, ReaderBooks};
/// let books = ReaderBooks::default();
/// books.post_popped(Frames(96));
/// books.post_evicted(Frames(32), LossCause::Shed);
/// assert_eq!(books.popped() + books.evicted().total(), Frames(128));
/// ```
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ReaderBooks {
    popped: Counter,
    evicted: [Counter; LossCause::ALL.len()],
    overruns: Counter,
}

impl ReaderBooks {
    /// Posts frames that left the edge.
    ///
    /// RT-safe: wait-free, no allocation. The edge's reader only.
    pub fn post_popped(&self, frames: Frames) {
        self.popped.add(frames);
    }

    /// Posts frames that the reader threw out of the edge unread, or found overwritten.
    ///
    /// RT-safe: wait-free, no allocation. The edge's reader only.
    pub fn post_evicted(&self, frames: Frames, cause: LossCause) {
        self.evicted[cause as usize].add(frames);
    }

    /// Posts that a run of evictions began: one overrun, however long.
    ///
    /// RT-safe: wait-free, no allocation. The edge's reader only.
    pub fn post_overrun(&self) {
        self.overruns.add(Frames(1));
    }

    /// Frames that left the edge to be used.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn popped(&self) -> Frames {
        self.popped.read()
    }

    /// Frames that the reader threw out of the edge unread, by cause.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn evicted(&self) -> Losses {
        losses(&self.evicted)
    }

    /// How often a run of evictions began.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn overruns(&self) -> u64 {
        self.overruns.read().0
    }
}

/// Both ends of one edge beside what is measured inside it. Exact when the edge rests; while frames move the three
/// figures are not of one instant.
///
/// ```
/// use pcmflow_core::format::Frames;
/// use pcmflow_core::ledger::{EdgeSnapshot, Losses};
/// let edge = EdgeSnapshot {
///     accepted: Frames(128), popped: Frames(100), occupancy: Frames(20),
///     evicted: Losses::default(), lost: Losses::default(), overruns: 0,
/// };
/// assert_eq!(edge.imbalance(), Frames(8)); // 8 frames went in and are nowhere: a bug
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EdgeSnapshot {
    /// Frames that the writer says it put in.
    pub accepted: Frames,
    /// Frames that the reader says it took out.
    pub popped: Frames,
    /// Frames that either end threw out unread, by cause.
    pub evicted: Losses,
    /// Frames inside, measured from the storage and not derived from the other two.
    pub occupancy: Frames,
    /// Frames that the writer gave up, by cause; they never entered.
    pub lost: Losses,
    /// How often a run of losses began.
    pub overruns: u64,
}

/// Of edges that followed one another as one.
impl Add for EdgeSnapshot {
    type Output = EdgeSnapshot;
    fn add(self, other: EdgeSnapshot) -> EdgeSnapshot {
        EdgeSnapshot {
            accepted: self.accepted + other.accepted,
            popped: self.popped + other.popped,
            evicted: self.evicted + other.evicted,
            occupancy: self.occupancy + other.occupancy,
            lost: self.lost + other.lost,
            overruns: self.overruns + other.overruns,
        }
    }
}

impl EdgeSnapshot {
    /// Frames by which the two sides of this edge's books differ: 0 when `accepted = popped + evicted + occupancy`.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn imbalance(&self) -> Frames {
        Frames(self.accepted.0.abs_diff((self.popped + self.evicted.total() + self.occupancy).0))
    }
}
