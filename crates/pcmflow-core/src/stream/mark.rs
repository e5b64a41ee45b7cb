//! What travels in band with the frames.

use crate::format::{Frames, StreamPosition};
use crate::ledger::{CutMark, Gap, LossCause};
use crate::sync::{AtomicU64, Ordering};

/// Something that is not samples, at a position of the stream.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamPosition};
/// use pcmflow_core::ledger::{Gap, LossCause};
/// use pcmflow_core::stream::Mark;
/// let gap = Gap { position: StreamPosition(128), frames: Frames(64), cause: LossCause::Overflow };
/// assert_eq!(Mark::Gap(gap).position(), StreamPosition(128));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
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

impl Arrival {
    /// How many words it takes in storage of words.
    pub(super) const WORDS: usize = 2;

    pub(super) fn to_words(self) -> [u64; Self::WORDS] {
        [self.position.0, self.at_ns]
    }

    pub(super) fn from_words([position, at_ns]: [u64; Self::WORDS]) -> Self {
        Self { position: StreamPosition(position), at_ns }
    }
}

/// The loss whose mark is not sent yet, as the writer's thread last left it: for whoever must do without that thread.
/// Stored by the writer only; whole only while the writer rests.
#[derive(Debug, Default)]
pub(super) struct Untold {
    position: AtomicU64,
    frames: AtomicU64,
    /// Index of the cause in [`LossCause::ALL`].
    cause: AtomicU64,
}

impl Untold {
    /// Notes the loss as it is now; none when its mark was sent.
    pub(super) fn note(&self, gap: Option<Gap>) {
        let Some(gap) = gap else { return self.frames.store(0, Ordering::Release) };
        self.position.store(gap.position.0, Ordering::Relaxed);
        self.cause.store(gap.cause as u64, Ordering::Relaxed);
        // Release: who sees the length sees place and cause.
        self.frames.store(gap.frames.0, Ordering::Release);
    }

    /// The loss that was noted last.
    pub(super) fn read(&self) -> Option<Gap> {
        let frames = Frames(self.frames.load(Ordering::Acquire));
        let cause = *LossCause::ALL.get(self.cause.load(Ordering::Relaxed) as usize)?;
        let position = StreamPosition(self.position.load(Ordering::Relaxed));
        (frames > Frames::ZERO).then_some(Gap { position, frames, cause })
    }
}
