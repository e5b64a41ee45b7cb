//! What travels in band with the frames.

use crate::format::StreamPosition;
use crate::ledger::{CutMark, Gap};

/// Something that is not samples, at a position of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Frames are missing here.
    Gap(Gap),
    /// The writer's books up to here.
    Cut(CutMark),
}

impl Mark {
    /// Where it stands: before the frame at this position.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self) -> StreamPosition {
        match self {
            Self::Gap(gap) => gap.position,
            Self::Cut(cut) => cut.position,
        }
    }
}

/// When a write happened, and which frame was its first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrival {
    pub(super) position: StreamPosition,
    pub(super) at_ns: u64,
}
