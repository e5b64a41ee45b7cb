//! Frames of several channels in a ring of samples, seen and copied channel by channel.
//!
//! Rings hold interleaved frames; filters and Web Audio want a slice per channel. A frame may lie across both slices of a
//! chunk when the channels don't divide the capacity: these calls see to it.

use super::{Consumer, Producer, ReadChunk};
use core::marker::PhantomData;
use core::slice::from_raw_parts_mut;

impl<T: Send + Copy> Producer<T> {
    /// Weaves one slice per channel into the ring, as many whole frames as the shortest slice has and as fit; returns how
    /// many.
    ///
    /// RT-safe: wait-free, no allocation.
    #[must_use = "frames beyond the count were not taken: offer them again, or count them as lost"]
    pub fn push_planar(&mut self, planes: &[&[T]]) -> usize {
        let channels = planes.len();
        let frames = planes.iter().map(|plane| plane.len()).min().unwrap_or(0);
        let frames = whole_frames(self.free_for(frames.saturating_mul(channels)), channels).min(frames);
        let runs = self.slots.runs(self.written, frames * channels);
        self.shared.cells.write(self.written as usize, frames * channels);
        // SAFETY: the slots of both runs are free, so the producer's alone until `publish`; the runs don't overlap, being at
        // most the capacity together. A slot need not be initialised to be a `MaybeUninit`.
        let (first, second) = unsafe {
            (from_raw_parts_mut(runs.first, runs.first_len), from_raw_parts_mut(runs.second, runs.second_len))
        };
        for (channel, plane) in planes.iter().enumerate() {
            let (in_first, in_second) = starts(runs.first_len, channel, channels);
            let first = first.get_mut(in_first..).unwrap_or_default().iter_mut().step_by(channels);
            let second = second.get_mut(in_second..).unwrap_or_default().iter_mut().step_by(channels);
            for (slot, sample) in first.chain(second).zip(*plane) {
                slot.write(*sample);
            }
        }
        self.publish(frames * channels);
        frames
    }
}

impl<T: Send + Copy> Consumer<T> {
    /// Copies each channel to a slice of its own, as many whole frames as there are and as the shortest slice has room for;
    /// returns how many.
    ///
    /// ```
    /// use pcmflow_core::ring::CircularBuffer;
    /// let (mut producer, mut consumer) = CircularBuffer::with_capacity(8)?.split();
    /// producer.push_slice(&[1.0, -1.0, 2.0, -2.0, 3.0]); // two stereo frames, and half of one
    /// let (mut left, mut right) = ([0.0; 4], [0.0; 4]);
    /// assert_eq!(consumer.pop_planar(&mut [&mut left, &mut right]), 2);
    /// assert_eq!((&left[..2], &right[..2]), (&[1.0, 2.0][..], &[-1.0, -2.0][..]));
    /// # Ok::<(), pcmflow_core::ring::RingError>(())
    /// ```
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn pop_planar(&mut self, planes: &mut [&mut [T]]) -> usize {
        let channels = planes.len();
        let frames = planes.iter().map(|plane| plane.len()).min().unwrap_or(0);
        let frames = whole_frames(self.available_for(frames.saturating_mul(channels)), channels).min(frames);
        let chunk = ReadChunk { consumer: self, count: frames * channels, shares: PhantomData };
        for (channel, plane) in planes.iter_mut().enumerate() {
            for (to, from) in plane.iter_mut().zip(chunk.channel(channel, channels)) {
                *to = *from;
            }
        }
        chunk.release_all();
        frames
    }
}

impl<T: Send> ReadChunk<'_, T> {
    /// The samples of one of `channels` channels, where the chunk starts with a whole frame; none where there is no such
    /// channel.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn channel(&self, channel: usize, channels: usize) -> impl Iterator<Item = &T> {
        let (first, second) = self.as_slices();
        let (in_first, in_second) = starts(first.len(), channel, channels);
        let step = channels.max(1);
        let first = first.get(in_first..).unwrap_or_default().iter().step_by(step);
        first.chain(second.get(in_second..).unwrap_or_default().iter().step_by(step))
    }
}

fn whole_frames(samples: usize, channels: usize) -> usize {
    samples.checked_div(channels).unwrap_or(0)
}

/// Where a channel's first sample lies in each of two runs that hold frames one after the other, the first run of
/// `first_len` samples; beyond every run where there is no such channel.
fn starts(first_len: usize, channel: usize, channels: usize) -> (usize, usize) {
    if channel >= channels {
        return (usize::MAX, usize::MAX);
    }
    // Samples of the frame that the first run's end cuts through which are in the first run.
    let cut = first_len % channels;
    (channel, if channel >= cut { channel - cut } else { channel + channels - cut })
}
