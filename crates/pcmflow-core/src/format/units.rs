//! Rates, channels, frames and positions.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};
use core::ops::{Add, AddAssign, Sub};

/// Why a format was refused.
///
/// ```
/// use pcmflow_core::format::{FormatError, StreamFormat};
/// assert_eq!(StreamFormat::new(48_000, 65), Err(FormatError::Channels { channels: 65 }));
/// assert_eq!(FormatError::Rate { hz: 12 }.to_string(), "a sample rate of 12 Hz is outside 1000 to 768000 Hz");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The sample rate is outside [`SampleRate::MIN`]`..=`[`SampleRate::MAX`].
    #[error("a sample rate of {hz} Hz is outside 1000 to 768000 Hz")]
    Rate {
        /// The refused rate.
        hz: u32,
    },
    /// The number of channels is outside 1 to 64.
    #[error("{channels} channels: 1 to 64 are allowed")]
    Channels {
        /// The refused count.
        channels: u32,
    },
    /// A slice does not hold a whole number of frames.
    #[error("{samples} samples are not a whole number of frames of {channels} channels")]
    PartialFrame {
        /// Length of the slice.
        samples: usize,
        /// Channels of the stream.
        channels: u16,
    },
    /// A chunk stands for more frames of its source than can be told.
    #[error("a chunk that stands for {frames} frames of its source: fewer than 4294967296 are allowed")]
    Span {
        /// The refused count.
        frames: u64,
    },
    /// The planes of a planar view differ in length.
    #[error("plane {plane} holds {samples} samples where {expected} were expected")]
    PlaneLength {
        /// Index of the plane that differs.
        plane: usize,
        /// Its length.
        samples: usize,
        /// The length of the first plane.
        expected: usize,
    },
    /// A matrix for mapping channels does not have one finite weight for each pair of them.
    #[error(
        "a channel matrix of {weights} weights: {expected} finite ones are needed, a row for each output channel"
    )]
    Matrix {
        /// How many there are.
        weights: usize,
        /// How many are needed: input channels × output channels.
        expected: usize,
    },
    /// The text names no sample encoding.
    #[error(
        "no such sample format; one of u8, s8, s16le, s16be, s24le, s24be, s32le, s32be, f32le, f32be, f64le, f64be"
    )]
    UnknownEncoding,
    /// The text names no window function.
    #[error("no such window; one of hann, hamming, blackman")]
    UnknownWindow,
}

/// Frames per second.
///
/// ```
/// use pcmflow_core::format::SampleRate;
/// let rate = SampleRate::new(48_000)?;
/// assert_eq!(rate.frames_to_ns(1024.into()), 21_333_333);
/// assert!(SampleRate::new(0).is_err());
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(NonZeroU32);

impl SampleRate {
    /// The lowest rate that is accepted.
    pub const MIN: SampleRate = SampleRate(NonZeroU32::new(1_000).unwrap());
    /// The highest rate that is accepted.
    pub const MAX: SampleRate = SampleRate(NonZeroU32::new(768_000).unwrap());
    /// 48 kHz, what most devices run at.
    pub const HZ_48000: SampleRate = SampleRate(NonZeroU32::new(48_000).unwrap());
    /// 44.1 kHz, what most music files hold.
    pub const HZ_44100: SampleRate = SampleRate(NonZeroU32::new(44_100).unwrap());

    /// Makes a rate of `hz` frames per second.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`FormatError::Rate`] outside [`SampleRate::MIN`]`..=`[`SampleRate::MAX`].
    pub const fn new(hz: u32) -> Result<Self, FormatError> {
        match NonZeroU32::new(hz) {
            Some(rate) if hz >= Self::MIN.hz() && hz <= Self::MAX.hz() => Ok(Self(rate)),
            _ => Err(FormatError::Rate { hz }),
        }
    }

    /// Frames per second.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn hz(self) -> u32 {
        self.0.get()
    }

    /// How long `frames` last, in nanoseconds, rounded down; saturates.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn frames_to_ns(self, frames: Frames) -> u64 {
        let ns = frames.0 as u128 * 1_000_000_000 / self.hz() as u128;
        if ns > u64::MAX as u128 { u64::MAX } else { ns as u64 }
    }

    /// How many whole frames pass in `ns` nanoseconds.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn ns_to_frames(self, ns: u64) -> Frames {
        Frames((ns as u128 * self.hz() as u128 / 1_000_000_000) as u64)
    }

    /// How long `frames` last, in seconds.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn frames_to_secs(self, frames: Frames) -> f64 {
        frames.0 as f64 / self.hz() as f64
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// Channels of a stream: samples per frame, 1 to 64.
///
/// ```
/// use pcmflow_core::format::ChannelCount;
/// assert_eq!(ChannelCount::new(2), Ok(ChannelCount::STEREO));
/// assert!(ChannelCount::new(0).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelCount(NonZeroU16);

impl ChannelCount {
    /// One channel.
    pub const MONO: ChannelCount = ChannelCount(NonZeroU16::MIN);
    /// Two channels.
    pub const STEREO: ChannelCount = ChannelCount(NonZeroU16::new(2).unwrap());
    /// The most channels that are accepted.
    pub const MAX: ChannelCount = ChannelCount(NonZeroU16::new(64).unwrap());

    /// Makes a count of `channels`.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`FormatError::Channels`] outside 1 to 64.
    pub const fn new(channels: u32) -> Result<Self, FormatError> {
        match NonZeroU16::new(channels as u16) {
            Some(count) if channels <= Self::MAX.get() as u32 => Ok(Self(count)),
            _ => Err(FormatError::Channels { channels }),
        }
    }

    /// The count as an index-sized number.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn get(self) -> usize {
        self.0.get() as usize
    }
}

impl fmt::Display for ChannelCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A number of frames.
///
/// ```
/// use pcmflow_core::format::{ChannelCount, Frames};
/// assert_eq!(Frames(128).samples(ChannelCount::STEREO), 256);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frames(pub u64);

impl Frames {
    /// No frames.
    pub const ZERO: Frames = Frames(0);

    /// How many samples these frames hold; saturates.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn samples(self, channels: ChannelCount) -> usize {
        let samples = self.0.saturating_mul(channels.get() as u64);
        if samples > usize::MAX as u64 { usize::MAX } else { samples as usize }
    }

    /// The whole frames in a slice of `samples` samples.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn in_samples(samples: usize, channels: ChannelCount) -> Frames {
        Frames((samples / channels.get()) as u64)
    }
}

impl From<u64> for Frames {
    fn from(frames: u64) -> Self {
        Frames(frames)
    }
}

impl Add for Frames {
    type Output = Frames;
    fn add(self, other: Frames) -> Frames {
        Frames(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Frames {
    fn add_assign(&mut self, other: Frames) {
        *self = *self + other;
    }
}

impl Sub for Frames {
    type Output = Frames;
    /// Saturates at zero.
    fn sub(self, other: Frames) -> Frames {
        Frames(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A place on a stream's timeline: frames since the stream began, lost ones included.
///
/// Positions come from the source and ride on every block, so that a gap is a jump in them.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamPosition};
/// let end = StreamPosition(100) + Frames(28);
/// assert_eq!(end - StreamPosition(100), Frames(28));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamPosition(pub u64);

impl StreamPosition {
    /// The first frame of a stream.
    pub const START: StreamPosition = StreamPosition(0);

    /// The time of this position after the stream's start, in seconds.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn secs(self, rate: SampleRate) -> f64 {
        rate.frames_to_secs(Frames(self.0))
    }
}

impl Add<Frames> for StreamPosition {
    type Output = StreamPosition;
    fn add(self, frames: Frames) -> StreamPosition {
        StreamPosition(self.0.saturating_add(frames.0))
    }
}

impl AddAssign<Frames> for StreamPosition {
    fn add_assign(&mut self, frames: Frames) {
        *self = *self + frames;
    }
}

impl Sub for StreamPosition {
    type Output = Frames;
    /// The frames from `other` to `self`; zero when `other` is later.
    fn sub(self, other: StreamPosition) -> Frames {
        Frames(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for StreamPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What the samples of a stream are: `f32`, nominal range −1 to 1, at a rate, in channels.
///
/// ```
/// use pcmflow_core::format::{ChannelCount, SampleRate, StreamFormat};
/// let format = StreamFormat::new(44_100, 2)?;
/// assert_eq!(format, StreamFormat { rate: SampleRate::HZ_44100, channels: ChannelCount::STEREO });
/// assert_eq!(format.to_string(), "44100 Hz stereo");
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamFormat {
    /// Frames per second.
    pub rate: SampleRate,
    /// Samples per frame.
    pub channels: ChannelCount,
}

impl StreamFormat {
    /// Checks both numbers and makes the format.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`FormatError::Rate`] or [`FormatError::Channels`] for the number that is out of range.
    pub const fn new(rate_hz: u32, channels: u32) -> Result<Self, FormatError> {
        match (SampleRate::new(rate_hz), ChannelCount::new(channels)) {
            (Ok(rate), Ok(channels)) => Ok(Self { rate, channels }),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// Both numbers in one half of a word.
    pub(crate) const fn into_half_word(self) -> u32 {
        // Rates are below 2²⁰, channels below 2⁷.
        (self.channels.get() as u32) << 24 | self.rate.hz()
    }

    /// The format of a half word that [`into_half_word`](Self::into_half_word) made.
    pub(crate) const fn from_half_word(half: u32) -> Self {
        match Self::new(half & 0xFF_FFFF, half >> 24) {
            Ok(format) => format,
            // Never: what was made of a format is one.
            Err(_) => Self { rate: SampleRate::MIN, channels: ChannelCount::MONO },
        }
    }
}

impl fmt::Display for StreamFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.channels.get() {
            1 => write!(f, "{} mono", self.rate),
            2 => write!(f, "{} stereo", self.rate),
            n => write!(f, "{} {n} channels", self.rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_rates_and_channel_counts_are_refused_by_value() {
        for hz in [0, 999, 768_001, u32::MAX] {
            assert_eq!(SampleRate::new(hz), Err(FormatError::Rate { hz }));
        }
        for channels in [0, 65, u32::MAX] {
            assert_eq!(ChannelCount::new(channels), Err(FormatError::Channels { channels }));
        }
        assert!(StreamFormat::new(3_000, 1).is_ok());
        assert!(StreamFormat::new(384_000, 64).is_ok());
    }

    #[test]
    fn time_and_frames_convert_without_overflow() {
        let rate = SampleRate::HZ_44100;
        assert_eq!(rate.frames_to_ns(Frames(44_100)), 1_000_000_000);
        assert_eq!(rate.ns_to_frames(1_000_000_000), Frames(44_100));
        assert_eq!(SampleRate::MIN.frames_to_ns(Frames(u64::MAX)), u64::MAX);
    }

    #[test]
    fn subtraction_saturates() {
        assert_eq!(Frames(1) - Frames(2), Frames::ZERO);
        assert_eq!(StreamPosition(1) - StreamPosition(2), Frames::ZERO);
        assert_eq!(Frames(u64::MAX).samples(ChannelCount::STEREO), usize::MAX);
    }
}
