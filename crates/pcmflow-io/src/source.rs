//! The trait of everything that yields frames, its errors, and what was wrong with an input that could be read.

use pcmflow_core::format::{FormatError, Frames, StreamFormat};
use std::fmt;
use std::io;

/// Something that yields interleaved frames until it ends.
///
/// Any one thread may own it; it may block, allocate and make system calls.
pub trait Source: Send {
    /// The rate and the channels of every frame that this source yields; they never change.
    fn format(&self) -> StreamFormat;

    /// Copies the next frames to `out`, interleaved, and returns how many.
    ///
    /// `out` should hold at least one frame (`channels` samples); what is beyond its last whole frame is left
    /// alone. Fewer frames than fit are normal: what is there is delivered at once. `Frames(0)` is the end, and it
    /// stays the end; it is also the answer to an `out` shorter than one frame.
    ///
    /// Not RT-safe: makes system calls, blocks, allocates.
    ///
    /// # Errors
    /// [`SourceError`] when nothing at all could be had. Once a frame was delivered, whatever ends the source
    /// early is told by [`Source::damage`] instead.
    fn read(&mut self, out: &mut [f32]) -> Result<Frames, SourceError>;

    /// How many frames there are in all, where the input says so; it may lie.
    fn frames_hint(&self) -> Option<Frames> {
        None
    }

    /// What was wrong with the input so far; complete once the end was reached.
    fn damage(&self) -> Option<&Damage> {
        None
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn format(&self) -> StreamFormat {
        (**self).format()
    }
    fn read(&mut self, out: &mut [f32]) -> Result<Frames, SourceError> {
        (**self).read(out)
    }
    fn frames_hint(&self) -> Option<Frames> {
        (**self).frames_hint()
    }
    fn damage(&self) -> Option<&Damage> {
        (**self).damage()
    }
}

/// What was wrong with an input that gave frames nevertheless: truncated, corrupt in places, lying about its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// How many things were wrong.
    pub count: u64,
    /// The first of them, in plain words.
    pub first: String,
}

impl Damage {
    /// Adds one more thing that is wrong; only the first message is kept, so that memory stays bounded.
    pub(crate) fn note(damage: &mut Option<Damage>, message: impl fmt::Display) {
        match damage {
            Some(damage) => damage.count = damage.count.saturating_add(1),
            None => *damage = Some(Damage { count: 1, first: message.to_string() }),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first)?;
        match self.count {
            0 | 1 => Ok(()),
            more => write!(f, " (and {} more)", more - 1),
        }
    }
}

/// Why no frame could be had from an input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file could not be opened: give another path, or the right to read it.
    #[error("can't open {name}: {source}")]
    Open {
        /// The path as it was given.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The path names a directory: name a file in it.
    #[error("{name} is a directory, not a file")]
    Directory {
        /// The path as it was given.
        name: String,
    },
    /// There is not one byte.
    #[error("{name} is empty")]
    Empty {
        /// Path or name of the stream.
        name: String,
    },
    /// Reading failed before the first frame.
    #[error("can't read {name}: {source}")]
    Read {
        /// Path or name of the stream.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are no audio file that is known here; raw PCM must be declared.
    #[error("{name} is no audio file of a known kind (raw PCM needs its format declared)")]
    UnknownContainer {
        /// Path or name of the stream.
        name: String,
    },
    /// The container is known and uses something of which the decoder knows nothing, or keeps at its end what is needed
    /// first: give the file and not a pipe.
    #[error(
        "{name} can't be read here: {feature} (a file may do where a pipe does not, because it can be sought)"
    )]
    Unsupported {
        /// Path or name of the stream.
        name: String,
        /// What is unsupported or missing, in the decoder's words.
        feature: &'static str,
    },
    /// The container is known, the codec in it is not: convert the file first.
    #[error("{name} holds {codec}, for which there is no decoder here; convert it to WAV or FLAC first")]
    UnsupportedCodec {
        /// Path or name of the stream.
        name: String,
        /// The codec, as well as it could be named.
        codec: String,
    },
    /// The container holds no audio track.
    #[error("{name} holds no audio track")]
    NoAudio {
        /// Path or name of the stream.
        name: String,
    },
    /// The rate or the channels that the input declares are absurd.
    #[error("{name}: {source}")]
    Format {
        /// Path or name of the stream.
        name: String,
        /// What is absurd about them.
        source: FormatError,
    },
    /// So damaged that not one frame could be had.
    #[error("{name} is damaged: {reason}")]
    Damaged {
        /// Path or name of the stream.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_keeps_the_first_message_and_counts_the_rest() {
        let mut damage = None;
        Damage::note(&mut damage, "ends early");
        assert_eq!(damage.as_ref().unwrap().to_string(), "ends early");
        Damage::note(&mut damage, "other");
        Damage::note(&mut damage, "third");
        let damage = damage.unwrap();
        assert_eq!((damage.count, damage.first.as_str()), (3, "ends early"));
        assert_eq!(damage.to_string(), "ends early (and 2 more)");
    }
}
