//! Peak, RMS and clipping of each chunk.

use super::Listener;
use crate::core::chunk::AudioChunk;
use crate::core::format::{Frames, SampleRate, StreamPosition};
use crate::core::ledger::Gap;
use crate::engine::flow::{Node, NodeError, Out};

/// What the samples of one chunk amount to, over all channels.
///
/// ```
/// use pcmflow::nodes::Levels;
/// let levels = Levels::of(&[1.0, -0.5, f32::NAN, 0.0]);
/// assert_eq!((levels.peak, levels.clipped, levels.non_finite), (1.0, 1, 1));
/// assert_eq!((Levels::decibels(levels.peak), Levels::decibels(0.0)), (Some(0.0), None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// Where the chunk begins.
    pub position: StreamPosition,
    /// Its frames.
    pub frames: Frames,
    /// Its rate.
    pub rate: SampleRate,
    /// The largest sample.
    pub peak: f32,
    /// The root of the mean square.
    pub rms: f32,
    /// Samples at or beyond full scale.
    pub clipped: u64,
    /// Samples that are NaN or infinite; they count in neither peak nor RMS.
    pub non_finite: u64,
}

impl Levels {
    /// Measures samples, as a chunk of one channel at the start of a stream.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn of(samples: &[f32]) -> Self {
        let (mut peak, mut clipped, mut non_finite) = (0.0f32, 0, 0);
        let (mut squares, mut finite) = (0.0f64, 0u64);
        for sample in samples {
            if !sample.is_finite() {
                non_finite += 1;
                continue;
            }
            let size = sample.abs();
            peak = peak.max(size);
            clipped += u64::from(size >= 1.0);
            squares += f64::from(size) * f64::from(size);
            finite += 1;
        }
        let rms = if finite == 0 { 0.0 } else { (squares / finite as f64).sqrt() as f32 };
        let (position, frames) = (StreamPosition::START, Frames(samples.len() as u64));
        Self { position, frames, rate: SampleRate::HZ_48000, peak, rms, clipped, non_finite }
    }

    /// A level in dB relative to full scale, to a tenth; none for silence.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn decibels(level: f32) -> Option<f32> {
        (level > 0.0).then(|| (200.0 * level.log10()).round() / 10.0)
    }
}

/// A sink that tells the [`Levels`] of each chunk.
///
/// ```
/// use pcmflow::engine::flow::Node;
/// use pcmflow::nodes::{LevelNode, Levels};
/// let (told, heard) = std::sync::mpsc::channel();
/// let node: Box<dyn Node> = Box::new(LevelNode::new(move |levels: Levels| Ok(told.send(levels)?)));
/// drop(node); // for `DataFlowCoordinator::add_node`
/// assert!(heard.recv().is_err());
/// ```
#[derive(Debug)]
pub struct LevelNode<L> {
    listener: L,
}

impl<L: Listener<Levels>> LevelNode<L> {
    /// Tells `listener`.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn new(listener: L) -> Self {
        Self { listener }
    }
}

impl<L: Listener<Levels>> Node for LevelNode<L> {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        let (position, frames, rate) = (chunk.position(), chunk.frames(), chunk.sample_rate());
        self.listener.heard(Levels { position, frames, rate, ..Levels::of(chunk.samples()) })
    }

    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.listener.gap(gap)
    }

    fn end(&mut self, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.listener.over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_known_samples() {
        let sine: Vec<f32> =
            (0..480).map(|n| (n as f32 * std::f32::consts::TAU / 48.0).sin() * 0.5).collect();
        let level = Levels::of(&sine);
        assert!((level.peak - 0.5).abs() < 1e-6 && (level.rms - 0.353_553_4).abs() < 1e-6);
        assert_eq!((Levels::decibels(level.peak), Levels::decibels(level.rms)), (Some(-6.0), Some(-9.0)));
        let odd = Levels::of(&[1.0, -1.5, f32::NAN, f32::INFINITY, 0.0]);
        assert_eq!((odd.peak, odd.clipped, odd.non_finite), (1.5, 2, 2));
        let none = Levels::of(&[]);
        assert_eq!((none.peak, none.rms, none.clipped), (0.0, 0.0, 0));
    }
}
