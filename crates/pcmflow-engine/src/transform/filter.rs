//! rubato behind fixed buffers: frames in, blocks of frames out, in time.
//!
//! Rates whose ratio is that of two small numbers (44.1 to 16 kHz: 441 to 160) go through an FFT, others, and those that are
//! to be adjusted while frames flow, through a windowed sinc. Everything is allocated when the filter is made.

use super::ResampleError;
use audioadapter_buffers::direct::InterleavedSlice;
use pcmflow_core::format::{ChannelCount, SampleRate};
use rubato::{Async, Fft, FixedAsync, FixedSync, Indexing, SincInterpolationParameters, WindowFunction};

/// Frames that are transformed at a time, on the side that has fewer: the filter is as long, so that its transition band
/// is about 3 % of that side's band, and its delay is half of it.
const BLOCK_FRAMES: u64 = 256;
/// The largest of both numbers in the reduced ratio for which an FFT is made; beyond it blocks become too long.
const FFT_RATIO_MAX: u64 = 2048;
/// Length of the sinc, in frames of the slower side, for all other ratios.
const SINC_FRAMES: usize = 256;
/// The longest sinc, so that its table stays within some megabytes; beyond a ratio of 16 the filter is less steep.
const SINC_FRAMES_MAX: usize = 4096;
/// The loudest sample that is converted as it is: 180 dB above full scale.
const SAMPLE_MAX: f32 = 1e9;
/// The most that two clocks may differ, in billionths: crystals differ by some 100 000 at worst.
pub(super) const DRIFT_PPB_MAX: i32 = 1_000_000;
/// How far the ratio may be adjusted: a little beyond what is asked for.
const ADJUSTMENT_MAX: f64 = 1.002;
/// In how many parts a frame is counted where clocks drift.
pub(super) const PARTS: u128 = 1_000_000_000;

/// What a filter will be, told before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Design {
    kind: Kind,
    /// Input frames of a block.
    chunk: usize,
    /// Frames of silence before the input.
    lead: usize,
    /// Output frames that the filter is late by.
    pub(super) delay: u64,
    /// The most output frames of a block.
    pub(super) block: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fft,
    Sinc { length: usize },
}

impl Design {
    pub(super) fn new(from: SampleRate, to: SampleRate, adjustable: bool) -> Self {
        let (from_hz, to_hz) = (u64::from(from.hz()), u64::from(to.hz()));
        let divisor = gcd(from_hz, to_hz);
        let (small, large) = (from_hz.min(to_hz) / divisor, from_hz.max(to_hz) / divisor);
        if large <= FFT_RATIO_MAX && !adjustable {
            // An even number of the smallest blocks: half of it, the delay, is a whole number of frames then.
            let blocks = BLOCK_FRAMES.div_ceil(small).next_multiple_of(2);
            let block = blocks * (to_hz / divisor);
            let chunk = (blocks * (from_hz / divisor)) as usize;
            return Self { kind: Kind::Fft, chunk, lead: 0, delay: block / 2, block };
        }
        let ratio = to_hz as f64 / from_hz as f64;
        let slower = from_hz.div_ceil(to_hz) as usize;
        let length = (SINC_FRAMES * slower).min(SINC_FRAMES_MAX);
        let chunk = BLOCK_FRAMES as usize * slower;
        // The sinc's first output lies one frame after its start, so that it is late by ratio × length ÷ 2 − 1 frames
        // (what `output_delay` says, one frame and the fraction less). Silence before the input, of the length that
        // brings this nearest to a whole number, keeps the output in time to within a hundredth of a frame.
        let late = |lead: usize| ratio * (length / 2 + lead) as f64;
        let off = |lead: usize| (late(lead) - late(lead).round()).abs();
        let lead = (0..BLOCK_FRAMES as usize).min_by(|&a, &b| off(a).total_cmp(&off(b))).unwrap_or(0);
        let delay = (late(lead).round() as u64).saturating_sub(1);
        // As rubato bounds it.
        let block = (chunk as f64 * ratio * adjustment_max(adjustable) + 10.0) as u64;
        Self { kind: Kind::Sinc { length }, chunk, lead, delay, block }
    }
}

fn adjustment_max(adjustable: bool) -> f64 {
    if adjustable { ADJUSTMENT_MAX } else { 1.0 }
}

/// Takes interleaved frames, and gives those of another rate, block by block.
pub(super) struct Filter {
    refused: ResampleError,
    inner: Box<dyn rubato::Resampler<f32>>,
    channels: usize,
    design: Design,
    /// What waits for the rest of its block, interleaved; and how many of these frames are not the silence before the input.
    waiting: Vec<f32>,
    waiting_real: u64,
    out: Vec<f32>,
    /// Late output frames that are still to be left out.
    skip: u64,
    /// By how many billionths the input's clock is faster than it should be.
    drift_ppb: i32,
    /// What went through, in [`PARTS`] of a frame at the input's nominal rate.
    passed: u128,
}

impl Filter {
    pub(super) fn new(
        from: SampleRate,
        to: SampleRate,
        channels: ChannelCount,
        adjustable: bool,
    ) -> Result<Self, ResampleError> {
        let refused = ResampleError::Refused { from, to };
        let (from_hz, to_hz, count) = (from.hz() as usize, to.hz() as usize, channels.get());
        let design = Design::new(from, to, adjustable);
        let window = WindowFunction::BlackmanHarris2;
        let inner: Box<dyn rubato::Resampler<f32>> = match design.kind {
            Kind::Fft => {
                let fft = Fft::new_custom(from_hz, to_hz, design.chunk, 1, count, window, FixedSync::Both);
                Box::new(fft.map_err(|_| refused)?)
            }
            Kind::Sinc { length } => {
                let parameters = SincInterpolationParameters::new(length, window);
                let (ratio, most) = (to_hz as f64 / from_hz as f64, adjustment_max(adjustable));
                let sinc = Async::new_sinc(ratio, most, &parameters, design.chunk, count, FixedAsync::Input);
                Box::new(sinc.map_err(|_| refused)?)
            }
        };
        let mut waiting = Vec::with_capacity(inner.input_frames_max().max(design.lead) * count);
        waiting.resize(design.lead * count, 0.0);
        let out = vec![0.0; inner.output_frames_max() * count];
        let skip = design.delay;
        let (waiting_real, drift_ppb, passed) = (0, 0, 0);
        Ok(Self {
            refused,
            inner,
            channels: count,
            design,
            waiting,
            waiting_real,
            out,
            skip,
            drift_ppb,
            passed,
        })
    }

    /// The most output frames that were taken and not given.
    pub(super) fn held_frames_max(&self) -> u64 {
        (self.out.len() / self.channels) as u64 + self.design.delay
    }

    /// What was taken, in [`PARTS`] of a frame at the input's nominal rate.
    pub(super) fn taken_parts(&self) -> u128 {
        self.passed + self.parts(self.waiting_real)
    }

    /// What `frames` of the input come to, by the clock that is right.
    pub(super) fn parts(&self, frames: u64) -> u128 {
        let faster = (PARTS as i128 + i128::from(self.drift_ppb)).unsigned_abs();
        u128::from(frames) * (PARTS * PARTS) / faster
    }

    /// From the next block on, takes the input's clock to be faster than nominal by so many billionths.
    pub(super) fn set_drift_ppb(&mut self, ppb: i32) -> Option<i32> {
        let ppb = ppb.clamp(-DRIFT_PPB_MAX, DRIFT_PPB_MAX);
        let ratio = 1e9 / (1e9 + f64::from(ppb));
        self.inner.as_adjustable()?.set_resample_ratio_relative(ratio, false).ok()?;
        self.drift_ppb = ppb;
        Some(ppb)
    }

    /// Takes whole frames, and hands on each block that they complete.
    pub(super) fn take(
        &mut self,
        mut interleaved: &[f32],
        give: &mut dyn FnMut(&[f32]),
    ) -> Result<(), ResampleError> {
        while !interleaved.is_empty() {
            let block = self.inner.input_frames_next() * self.channels;
            let taken = block.saturating_sub(self.waiting.len()).min(interleaved.len());
            self.waiting.extend(interleaved[..taken].iter().map(|&sample| bearable(sample)));
            self.waiting_real += (taken / self.channels) as u64;
            interleaved = &interleaved[taken..];
            if self.waiting.len() >= block {
                let made = self.block()?;
                if !made.is_empty() {
                    give(&self.out[made]);
                }
            }
        }
        Ok(())
    }

    /// Turns what is waiting, and silence for what is missing of a block, into output: where it lies in `out`.
    fn block(&mut self) -> Result<std::ops::Range<usize>, ResampleError> {
        let frames = self.inner.input_frames_next();
        let waiting = self.waiting.len() / self.channels;
        self.waiting.resize(frames * self.channels, 0.0);
        let room = self.out.len() / self.channels;
        let refused = self.refused;
        let input = InterleavedSlice::new(&self.waiting, self.channels, frames).map_err(|_| refused)?;
        let mut output =
            InterleavedSlice::new_mut(&mut self.out, self.channels, room).map_err(|_| refused)?;
        let indexing = Indexing::new().partial_len(waiting);
        let partial = (waiting < frames).then_some(&indexing);
        let (_, made) = self.inner.process_into_buffer(&input, &mut output, partial).map_err(|_| refused)?;
        self.waiting.clear();
        (self.passed, self.waiting_real) = (self.taken_parts(), 0);
        let late = self.skip.min(made as u64);
        self.skip -= late;
        Ok(late as usize * self.channels..made * self.channels)
    }

    /// Hands on `frames` more, then forgets everything but the counts.
    pub(super) fn flush(&mut self, frames: u64, give: &mut dyn FnMut(&[f32])) -> Result<(), ResampleError> {
        let mut rest = usize::try_from(frames).unwrap_or(usize::MAX).saturating_mul(self.channels);
        let mut result = Ok(());
        while rest > 0 && result.is_ok() {
            result = self.block().map(|made| {
                let last = made.len().min(rest);
                rest -= last;
                if last > 0 {
                    give(&self.out[made][..last]);
                }
            });
        }
        (self.passed, self.waiting_real) = (self.taken_parts(), 0);
        self.waiting.clear();
        self.waiting.resize(self.design.lead * self.channels, 0.0);
        self.inner.reset();
        if self.drift_ppb != 0 {
            self.set_drift_ppb(self.drift_ppb);
        }
        self.skip = self.design.delay;
        result
    }
}

/// What a filter can take: one sample that is no number, or a sum that overflows, would poison every frame near it (and
/// the FFT's library panics on it).
fn bearable(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-SAMPLE_MAX, SAMPLE_MAX) } else { 0.0 }
}

pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// What a plan tells beforehand is what the filter then is.
        #[test]
        fn a_design_is_kept(from in 1_000u32..=200_000, to in 1_000u32..=200_000, round in any::<bool>(), adjustable in any::<bool>()) {
            let rate = |hz: u32| SampleRate::new(if round { hz.div_ceil(1_000) * 1_000 } else { hz }).unwrap();
            let filter = Filter::new(rate(from), rate(to), ChannelCount::STEREO, adjustable).unwrap();
            prop_assert_eq!(filter.inner.input_frames_next(), filter.design.chunk);
            prop_assert_eq!(filter.design.block, filter.inner.output_frames_max() as u64);
            if filter.design.kind == Kind::Fft {
                prop_assert_eq!(filter.design.delay, filter.inner.output_delay() as u64);
            }
        }
    }
}
