//! Views of many channels in one or several slices.

use super::{ChannelCount, FormatError, Frames};

/// How the samples of several channels lie in memory.
///
/// ```
/// use pcmflow_core::format::{ChannelCount, Interleaved, Layout};
/// let describe = |layout| match layout {
///     Layout::Interleaved => "L R L R",
///     Layout::Planar => "L L R R",
/// };
/// let mut planes = [[0.0; 2]; 2];
/// let [left, right] = &mut planes;
/// Interleaved::new(&[1.0, 2.0, 3.0, 4.0], ChannelCount::STEREO)?.copy_to_planes(&mut [left, right]);
/// assert_eq!((describe(Layout::Planar), planes), ("L L R R", [[1.0, 3.0], [2.0, 4.0]]));
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Frame after frame: `L R L R …`. What rings, chunks and most devices use.
    Interleaved,
    /// Channel after channel: `L L … R R …`. What Web Audio and most filters use.
    Planar,
}

/// Whole frames in one slice, frame after frame.
///
/// ```
/// use pcmflow_core::format::{ChannelCount, Interleaved};
/// let view = Interleaved::new(&[1.0, 2.0, 3.0, 4.0], ChannelCount::STEREO)?;
/// assert_eq!(view.frames().0, 2);
/// assert_eq!(view.channel(1).collect::<Vec<_>>(), [2.0, 4.0]);
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interleaved<'a> {
    samples: &'a [f32],
    channels: ChannelCount,
}

impl<'a> Interleaved<'a> {
    /// Views `samples` as frames of `channels`.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`FormatError::PartialFrame`] when the length is not a multiple of `channels`.
    pub fn new(samples: &'a [f32], channels: ChannelCount) -> Result<Self, FormatError> {
        if samples.len().is_multiple_of(channels.get()) {
            Ok(Self { samples, channels })
        } else {
            Err(FormatError::PartialFrame { samples: samples.len(), channels: channels.get() as u16 })
        }
    }

    /// The samples, frame after frame.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn samples(&self) -> &'a [f32] {
        self.samples
    }

    /// Samples per frame.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn channels(&self) -> ChannelCount {
        self.channels
    }

    /// The number of frames.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn frames(&self) -> Frames {
        Frames::in_samples(self.samples.len(), self.channels)
    }

    /// The samples of one channel; none where there is no such channel.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn channel(&self, channel: usize) -> impl Iterator<Item = f32> + 'a {
        let first = if channel < self.channels.get() { channel } else { self.samples.len() };
        self.samples.get(first..).unwrap_or(&[]).iter().step_by(self.channels.get()).copied()
    }

    /// The mean of all channels, frame by frame.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn mono(&self) -> impl Iterator<Item = f32> + 'a {
        let scale = 1.0 / self.channels.get() as f32;
        self.samples.chunks_exact(self.channels.get()).map(move |frame| frame.iter().sum::<f32>() * scale)
    }

    /// Copies each channel to a slice of its own; returns the frames that all of them took.
    ///
    /// Missing or short planes limit the copy; surplus planes are left alone.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn copy_to_planes(&self, planes: &mut [&mut [f32]]) -> Frames {
        if planes.len() < self.channels.get() {
            return Frames::ZERO;
        }
        let shortest = planes.iter().take(self.channels.get()).map(|plane| plane.len()).min().unwrap_or(0);
        let frames = shortest.min(self.frames().0 as usize);
        for (channel, plane) in planes.iter_mut().take(self.channels.get()).enumerate() {
            for (to, from) in plane.iter_mut().take(frames).zip(self.channel(channel)) {
                *to = from;
            }
        }
        Frames(frames as u64)
    }
}

/// Whole frames in one slice per channel.
///
/// ```
/// use pcmflow_core::format::Planar;
/// let view = Planar::new(&[&[1.0, 3.0], &[2.0, 4.0]])?;
/// let mut out = [0.0; 4];
/// assert_eq!(view.copy_to_interleaved(&mut out).0, 2);
/// assert_eq!(out, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Planar<'a> {
    planes: &'a [&'a [f32]],
    channels: ChannelCount,
}

impl<'a> Planar<'a> {
    /// Views `planes`, one slice of equal length per channel.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`FormatError::Channels`] for no or too many planes, [`FormatError::PlaneLength`] where one is shorter
    /// or longer than the first.
    pub fn new(planes: &'a [&'a [f32]]) -> Result<Self, FormatError> {
        let channels = ChannelCount::new(planes.len().min(u32::MAX as usize) as u32)?;
        let expected = planes.first().map_or(0, |plane| plane.len());
        match planes.iter().position(|plane| plane.len() != expected) {
            Some(plane) => Err(FormatError::PlaneLength { plane, samples: planes[plane].len(), expected }),
            None => Ok(Self { planes, channels }),
        }
    }

    /// One slice per channel.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn planes(&self) -> &'a [&'a [f32]] {
        self.planes
    }

    /// Samples per frame.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn channels(&self) -> ChannelCount {
        self.channels
    }

    /// The number of frames.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn frames(&self) -> Frames {
        Frames(self.planes.first().map_or(0, |plane| plane.len()) as u64)
    }

    /// Weaves the channels into `out`, as many whole frames as fit; returns how many.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn copy_to_interleaved(&self, out: &mut [f32]) -> Frames {
        let frames = (self.frames().0 as usize).min(out.len() / self.channels.get());
        for (index, frame) in out.chunks_exact_mut(self.channels.get()).take(frames).enumerate() {
            for (to, plane) in frame.iter_mut().zip(self.planes) {
                *to = plane[index];
            }
        }
        Frames(frames as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn partial_frames_and_uneven_planes_are_refused() {
        let three = ChannelCount::new(3).unwrap();
        assert_eq!(
            Interleaved::new(&[0.0; 4], three),
            Err(FormatError::PartialFrame { samples: 4, channels: 3 })
        );
        assert_eq!(
            Planar::new(&[&[0.0; 2], &[0.0; 3]]),
            Err(FormatError::PlaneLength { plane: 1, samples: 3, expected: 2 })
        );
        assert_eq!(Planar::new(&[]), Err(FormatError::Channels { channels: 0 }));
    }

    #[test]
    fn layouts_convert_both_ways() {
        let samples = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let view = Interleaved::new(&samples, ChannelCount::STEREO).unwrap();
        let (mut left, mut right) = ([0.0; 3], [0.0; 3]);
        assert_eq!(view.copy_to_planes(&mut [&mut left, &mut right]), Frames(3));
        assert_eq!((left, right), ([1.0, 3.0, 5.0], [2.0, 4.0, 6.0]));
        let planes: [&[f32]; 2] = [&left, &right];
        let mut back = [0.0; 6];
        assert_eq!(Planar::new(&planes).unwrap().copy_to_interleaved(&mut back), Frames(3));
        assert_eq!(back, samples);
    }

    #[test]
    fn a_missing_channel_is_empty_and_missing_planes_copy_nothing() {
        let view = Interleaved::new(&[1.0, 2.0], ChannelCount::STEREO).unwrap();
        assert_eq!(view.channel(2).count(), 0);
        assert_eq!(view.copy_to_planes(&mut [&mut [0.0; 1]]), Frames::ZERO);
        assert_eq!(view.mono().collect::<Vec<_>>(), [1.5]);
    }
}
