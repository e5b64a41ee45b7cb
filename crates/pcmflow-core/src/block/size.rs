//! Block sizes: whole render quanta, known at compile time or checked where they come from configuration.

use crate::format::Frames;
use core::fmt;
use core::str::FromStr;

/// The sizes on which everything else is built.
///
/// ```
/// use pcmflow_core::block::BufferConstants;
/// use pcmflow_core::format::SampleRate;
/// let block = BufferConstants::PRODUCTION.frames();
/// assert_eq!(block.0 % BufferConstants::QUANTUM.0, 0);
/// assert_eq!(SampleRate::HZ_48000.frames_to_ns(block), 21_333_333);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BufferConstants;

impl BufferConstants {
    /// The render quantum of Web Audio: what an AudioWorklet is handed at a time. Every block is a multiple of it.
    pub const QUANTUM: Frames = Frames(128);
    /// The block of production: 21.3 ms at 48 kHz.
    pub const PRODUCTION: BlockSize = BlockSize::of::<1024>();
    /// The shortest block of development.
    pub const DEVELOPMENT_MIN: BlockSize = BlockSize::of::<256>();
    /// The longest block of development.
    pub const DEVELOPMENT_MAX: BlockSize = BlockSize::of::<2048>();
}

/// Why a block size was refused.
///
/// ```
/// use pcmflow_core::block::{BlockSize, BlockSizeError};
/// use pcmflow_core::format::Frames;
/// let error = BlockSize::new(Frames(1000)).unwrap_err();
/// assert_eq!(error, BlockSizeError::NotWholeQuanta { frames: Frames(1000) });
/// assert_eq!(error.to_string(), "a block of 1000 frames is no multiple of 128, the render quantum");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockSizeError {
    /// No multiple of the render quantum, or 0.
    #[error("a block of {frames} frames is no multiple of {}, the render quantum", BufferConstants::QUANTUM)]
    NotWholeQuanta {
        /// The refused size.
        frames: Frames,
    },
    /// The profile does not allow it.
    #[error("a block of {frames} frames is not allowed by the profile {profile}: it takes {}", profile.allowed())]
    NotInProfile {
        /// The refused size.
        frames: Frames,
        /// The profile in force.
        profile: Profile,
    },
    /// The text names no profile.
    #[error("no such profile; one of production, development")]
    UnknownProfile,
}

/// The length of a block, a multiple of the render quantum of 128 frames.
///
/// A constant that is no multiple does not compile:
///
/// ```
/// use pcmflow_core::block::BlockSize;
/// const BLOCK: BlockSize = BlockSize::of::<1024>();
/// assert_eq!(BLOCK.frames().0, 1024);
/// ```
/// ```compile_fail,E0080
/// use pcmflow_core::block::BlockSize;
/// const BLOCK: BlockSize = BlockSize::of::<1000>();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSize(Frames);

impl BlockSize {
    /// A size that is known at compile time, and checked then.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn of<const FRAMES: u64>() -> BlockSize {
        const {
            assert!(
                FRAMES > 0 && FRAMES.is_multiple_of(BufferConstants::QUANTUM.0),
                "a block is a multiple of 128 frames"
            )
        };
        BlockSize(Frames(FRAMES))
    }

    /// A size that comes from outside.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`BlockSizeError::NotWholeQuanta`] for 0 and for what is no multiple of 128.
    pub const fn new(frames: Frames) -> Result<BlockSize, BlockSizeError> {
        if frames.0 == 0 || !frames.0.is_multiple_of(BufferConstants::QUANTUM.0) {
            return Err(BlockSizeError::NotWholeQuanta { frames });
        }
        Ok(BlockSize(frames))
    }

    /// The length in frames.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn frames(self) -> Frames {
        self.0
    }
}

/// Which block sizes may be chosen.
///
/// ```
/// use pcmflow_core::block::Profile;
/// use pcmflow_core::format::Frames;
/// assert_eq!(Profile::Production.block(None)?.frames(), Frames(1024));
/// assert!(Profile::Production.block(Some(Frames(256))).is_err());
/// assert!(Profile::Development.block(Some(Frames(256))).is_ok());
/// # Ok::<(), pcmflow_core::block::BlockSizeError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// 1024 frames, and nothing else.
    #[default]
    Production,
    /// 256 to 2048 frames.
    Development,
}

impl Profile {
    /// Every profile with its name.
    pub const ALL: [(&'static str, Profile); 2] =
        [("production", Self::Production), ("development", Self::Development)];

    /// The block size in force: `frames`, or the profile's own choice.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`BlockSizeError::NotWholeQuanta`] for what is no multiple of 128, [`BlockSizeError::NotInProfile`] for what this
    /// profile does not allow.
    pub fn block(self, frames: Option<Frames>) -> Result<BlockSize, BlockSizeError> {
        let Some(frames) = frames else { return Ok(BufferConstants::PRODUCTION) };
        let size = BlockSize::new(frames)?;
        let (shortest, longest) = self.range();
        if size < shortest || size > longest {
            return Err(BlockSizeError::NotInProfile { frames, profile: self });
        }
        Ok(size)
    }

    fn range(self) -> (BlockSize, BlockSize) {
        match self {
            Self::Production => (BufferConstants::PRODUCTION, BufferConstants::PRODUCTION),
            Self::Development => (BufferConstants::DEVELOPMENT_MIN, BufferConstants::DEVELOPMENT_MAX),
        }
    }

    fn allowed(self) -> &'static str {
        match self {
            Self::Production => "1024 only (--profile development allows 256 to 2048)",
            Self::Development => "256 to 2048",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Production => "production",
            Self::Development => "development",
        })
    }
}

impl FromStr for Profile {
    type Err = BlockSizeError;
    fn from_str(text: &str) -> Result<Self, BlockSizeError> {
        Self::ALL
            .iter()
            .find_map(|(name, profile)| (*name == text).then_some(*profile))
            .ok_or(BlockSizeError::UnknownProfile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_refused_is_named() {
        for frames in [0, 1, 127, 1000] {
            assert_eq!(
                Profile::Development.block(Some(Frames(frames))),
                Err(BlockSizeError::NotWholeQuanta { frames: Frames(frames) })
            );
        }
        for (profile, frames) in
            [(Profile::Production, 512), (Profile::Development, 128), (Profile::Development, 2176)]
        {
            let refused = profile.block(Some(Frames(frames))).unwrap_err();
            assert_eq!(refused, BlockSizeError::NotInProfile { frames: Frames(frames), profile });
            assert!(
                refused.to_string().contains(&frames.to_string())
                    && refused.to_string().contains(&profile.to_string())
            );
        }
    }

    #[test]
    fn what_is_allowed() {
        for frames in [256, 384, 1024, 2048] {
            assert_eq!(Profile::Development.block(Some(Frames(frames))).unwrap().frames(), Frames(frames));
        }
        for (name, profile) in Profile::ALL {
            assert_eq!((name.parse(), profile.to_string().as_str()), (Ok(profile), name));
        }
        assert!("debug".parse::<Profile>().is_err());
    }
}
