//! What the threads of a flow share.

use crate::core::format::{Frames, StreamPosition};
use crate::core::ledger::Settled;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// What the threads of a running flow tell everybody else.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Frames that the source made, by its own count.
    pub(super) frames_in: AtomicU64,
    pub(super) delivered: AtomicU64,
    settled_to: AtomicU64,
    unaccounted: AtomicU64,
    pub(super) read_state: ReadState,
    /// The consumer gave up: nobody will take another chunk.
    pub(super) consumer_failed: AtomicBool,
}

impl Live {
    pub(super) fn settle(&self, settled: Settled) {
        self.unaccounted.fetch_max(settled.unaccounted.0, Ordering::Relaxed);
        // Release: who sees the position sees what was unaccounted before it.
        self.settled_to.store(settled.position.0, Ordering::Release);
    }

    pub(super) fn settled(&self) -> Settled {
        let position = StreamPosition(self.settled_to.load(Ordering::Acquire));
        Settled { position, unaccounted: Frames(self.unaccounted.load(Ordering::Relaxed)) }
    }
}

/// A source may hang in a read (standard input). Whoever wants the flow to end must not wait for it, and what it still
/// reads must not be counted: who moves this state first, decides.
#[derive(Debug, Default)]
pub(super) struct ReadState(AtomicU8);

impl ReadState {
    pub(super) const FREE: u8 = 0;
    pub(super) const READING: u8 = 1;
    const ABANDONED: u8 = 2;

    pub(super) fn step(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether the source hangs in a read now and was given up for good.
    pub(super) fn abandon(&self) -> bool {
        self.step(Self::READING, Self::ABANDONED)
    }

    /// Whether the source was given up: nothing more will come, though its end of the ring is never closed.
    pub(super) fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::ABANDONED
    }
}
