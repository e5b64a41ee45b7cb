//! Who decides what becomes of a read that hangs.

use std::sync::atomic::{AtomicU8, Ordering};

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

    /// Gives up a source that hangs in a read now, for good; returns whether it does.
    pub(super) fn abandon(&self) -> bool {
        self.step(Self::READING, Self::ABANDONED)
    }

    /// Gives up the source whatever it is at: it begins no read any more. Returns whether it is in one.
    pub(super) fn close(&self) -> bool {
        self.0.swap(Self::ABANDONED, Ordering::AcqRel) == Self::READING
    }

    /// Whether the source was given up: nothing more will come, though its end of the ring is never closed.
    pub(super) fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::ABANDONED
    }
}
