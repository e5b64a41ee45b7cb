//! Losses: how many frames, where and why.

use crate::format::{Frames, StreamPosition};
use core::fmt;
use core::ops::{Index, IndexMut};

/// Why frames were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LossCause {
    /// A full buffer could not take them.
    Overflow,
    /// They came too late to be of use.
    Deadline,
    /// What held them was damaged.
    Corrupt,
    /// The module that held them stopped working.
    DeadModule,
    /// The device lost them before they reached us.
    Device,
    /// The path on which they travelled was removed.
    Removed,
    /// They were given up on purpose to relieve the rest.
    Shed,
}

impl LossCause {
    /// Every cause, in the order of [`Losses`].
    pub const ALL: &'static [LossCause] = &[
        Self::Overflow,
        Self::Deadline,
        Self::Corrupt,
        Self::DeadModule,
        Self::Device,
        Self::Removed,
        Self::Shed,
    ];

    /// The cause as one lower-case word for machines.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Deadline => "deadline",
            Self::Corrupt => "corrupt",
            Self::DeadModule => "dead_module",
            Self::Device => "device",
            Self::Removed => "removed",
            Self::Shed => "shed",
        }
    }
}

impl fmt::Display for LossCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Lost frames in a row, with one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gap {
    /// The first lost frame.
    pub position: StreamPosition,
    /// How many were lost from there.
    pub frames: Frames,
    /// Why.
    pub cause: LossCause,
}

impl Gap {
    /// The first frame after the gap.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn end(self) -> StreamPosition {
        self.position + self.frames
    }
}

/// Lost frames by cause.
///
/// ```
/// use pcmflow_core::format::Frames;
/// use pcmflow_core::ledger::{LossCause, Losses};
/// let mut losses = Losses::default();
/// losses[LossCause::Overflow] += Frames(128);
/// assert_eq!(losses.total(), Frames(128));
/// assert_eq!(losses.iter().collect::<Vec<_>>(), [(LossCause::Overflow, Frames(128))]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses([Frames; LossCause::ALL.len()]);

impl Losses {
    /// Lost frames of all causes.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn total(&self) -> Frames {
        self.0.iter().fold(Frames::ZERO, |sum, &frames| sum + frames)
    }

    /// The causes that lost something, with how much.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn iter(&self) -> impl Iterator<Item = (LossCause, Frames)> + '_ {
        LossCause::ALL.iter().map(|&cause| (cause, self[cause])).filter(|(_, frames)| *frames > Frames::ZERO)
    }
}

impl Index<LossCause> for Losses {
    type Output = Frames;
    fn index(&self, cause: LossCause) -> &Frames {
        &self.0[cause as usize]
    }
}

impl IndexMut<LossCause> for Losses {
    fn index_mut(&mut self, cause: LossCause) -> &mut Frames {
        &mut self.0[cause as usize]
    }
}

/// The writer's books at a position, sent along with the stream: "before this position I put in so much, and lost so
/// much". Where frames are evicted on the way, the reader moves them from the one to the other, as it learns of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutMark {
    /// The first frame after the mark.
    pub position: StreamPosition,
    /// Frames put into the stream before it.
    pub accepted: Frames,
    /// Frames lost before it.
    pub lost: Losses,
}
