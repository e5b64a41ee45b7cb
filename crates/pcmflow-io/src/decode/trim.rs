//! What an encoder put before and behind the audio, taken off.

use super::track::Promise;
use pcmflow_core::format::{ChannelCount, Frames};

/// Leaves out the first frames of a track at once, and the last ones if it turns out to be complete.
#[derive(Debug)]
pub(super) struct Trim {
    channels: ChannelCount,
    /// Frames still to be left out at the start.
    delay: Frames,
    padding: Frames,
    /// All frames that a complete track has, those to be left out included.
    complete: Option<Frames>,
    /// Frames seen.
    seen: Frames,
    /// The last `padding` frames at most, which may turn out to be audio.
    held: Vec<f32>,
}

impl Trim {
    pub(super) fn new(promise: Promise, channels: ChannelCount) -> Self {
        let Promise { frames, delay, padding } = promise;
        let complete = frames.map(|frames| frames + delay + padding);
        Self { channels, delay, padding, complete, seen: Frames::ZERO, held: Vec::new() }
    }

    /// For codecs whose decoder trims.
    pub(super) fn nothing(channels: ChannelCount) -> Self {
        let promise = Promise { frames: None, delay: Frames::ZERO, padding: Frames::ZERO };
        Self::new(promise, channels)
    }

    /// Takes what is to be left out off `frames`, interleaved, and holds back what may be.
    pub(super) fn pass(&mut self, frames: &mut Vec<f32>) {
        let count = Frames::in_samples(frames.len(), self.channels);
        self.seen += count;
        let late = self.delay.min(count);
        self.delay = self.delay - late;
        frames.drain(..late.samples(self.channels));
        if self.padding == Frames::ZERO {
            return;
        }
        self.held.append(frames);
        let known = self.held.len().saturating_sub(self.padding.samples(self.channels));
        frames.extend(self.held.drain(..known));
    }

    /// At the end of the track: gives back to `frames` what was held, unless it is what the encoder added. A track that
    /// is shorter or longer than promised has been cut or joined, so that its end is audio.
    pub(super) fn end(&mut self, frames: &mut Vec<f32>) {
        if self.complete != Some(self.seen) {
            frames.append(&mut self.held);
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `blocks` of frames numbered from 0 and returns the numbers that come out.
    fn passed(promise: (Option<u64>, u64, u64), blocks: &[usize]) -> Vec<f32> {
        let (frames, delay, padding) = promise;
        let promise = Promise { frames: frames.map(Frames), delay: Frames(delay), padding: Frames(padding) };
        let mut trim = Trim::new(promise, ChannelCount::STEREO);
        let (mut out, mut next) = (Vec::new(), 0);
        for &block in blocks {
            let mut frames: Vec<f32> = (next..next + block).flat_map(|n| [n as f32, -1.0]).collect();
            next += block;
            trim.pass(&mut frames);
            out.append(&mut frames);
        }
        let mut rest = Vec::new();
        trim.end(&mut rest);
        out.append(&mut rest);
        out.chunks_exact(2).map(|frame| frame[0]).collect()
    }

    fn numbers(from: usize, to: usize) -> Vec<f32> {
        (from..to).map(|n| n as f32).collect()
    }

    #[test]
    fn a_complete_track_loses_both_ends() {
        assert_eq!(passed((Some(7), 3, 2), &[4, 4, 4]), numbers(3, 10));
        assert_eq!(passed((Some(7), 3, 2), &[1; 12]), numbers(3, 10));
        assert_eq!(passed((Some(0), 3, 9), &[12]), numbers(3, 3));
    }

    #[test]
    fn a_track_of_another_length_keeps_its_end() {
        assert_eq!(passed((Some(7), 3, 2), &[4, 4]), numbers(3, 8));
        assert_eq!(passed((Some(7), 3, 2), &[4, 4, 4, 4]), numbers(3, 16));
        assert_eq!(passed((None, 0, 2), &[5]), numbers(0, 5));
        assert_eq!(passed((Some(5), 0, 0), &[3]), numbers(0, 3));
    }
}
