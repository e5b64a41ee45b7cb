//! From one sample rate to another, by rubato, as a declared conversion: nothing is lost or added.
//!
//! The output is delay compensated: its first frame belongs to the first frame of the input, and after
//! [`Resampler::finish`] there are exactly `round(frames in × to ÷ from)` of them.

use super::filter::Filter;
use pcmflow_core::format::{ChannelCount, FormatError, Frames, SampleRate, StreamFormat};
use std::fmt;

/// Why frames could not be resampled.
///
/// ```
/// use pcmflow_core::format::{ChannelCount, SampleRate};
/// use pcmflow_engine::transform::{ResampleError, Resampler};
/// let mut resampler = Resampler::new(SampleRate::HZ_48000, SampleRate::HZ_48000, ChannelCount::STEREO)?;
/// let error = resampler.process(&[0.0; 3], &mut Vec::new()).unwrap_err();
/// assert!(matches!(error, ResampleError::PartialFrame(_)));
/// # Ok::<(), ResampleError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResampleError {
    /// Not a whole number of frames; nothing was taken.
    #[error(transparent)]
    PartialFrame(FormatError),
    /// The library refused; a resampler that was made does not do that.
    #[error("no conversion from {from} to {to}")]
    Refused {
        /// Rate of the input.
        from: SampleRate,
        /// Rate of the output.
        to: SampleRate,
    },
}

/// Converts interleaved frames from one rate to another; equal rates pass through unchanged, to the bit.
///
/// ```
/// use pcmflow_core::format::{ChannelCount, Frames, SampleRate};
/// use pcmflow_engine::transform::Resampler;
/// let to = SampleRate::new(16_000)?;
/// let mut resampler = Resampler::new(SampleRate::HZ_48000, to, ChannelCount::MONO)?;
/// let mut out = Vec::new();
/// resampler.process(&[0.0; 1000], &mut out)?;
/// resampler.finish(&mut out)?;
/// assert_eq!(out.len(), 333);
/// assert_eq!((resampler.frames_out(), resampler.frames_held()), (Frames(333), Frames(0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Resampler {
    from: SampleRate,
    to: SampleRate,
    channels: ChannelCount,
    frames_in: Frames,
    frames_out: Frames,
    /// Whether the counts are those of a stream that ended.
    finished: bool,
    filter: Option<Filter>,
}

impl Resampler {
    /// Makes a resampler for frames of `channels`.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`ResampleError::Refused`] when there is no conversion, which no valid pair of rates is known to cause.
    pub fn new(from: SampleRate, to: SampleRate, channels: ChannelCount) -> Result<Self, ResampleError> {
        let filter = match from == to {
            true => None,
            false => Some(Filter::new(from, to, channels, false)?),
        };
        Ok(Self {
            from,
            to,
            channels,
            frames_in: Frames::ZERO,
            frames_out: Frames::ZERO,
            finished: false,
            filter,
        })
    }

    /// Rate and channels of what comes out.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn format(&self) -> StreamFormat {
        StreamFormat { rate: self.to, channels: self.channels }
    }

    /// Frames taken so far.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn frames_in(&self) -> Frames {
        self.frames_in
    }

    /// Frames given so far.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn frames_out(&self) -> Frames {
        self.frames_out
    }

    /// Frames, at the output's rate, that were taken and not yet given: `round(frames in × to ÷ from) − frames out`.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn frames_held(&self) -> Frames {
        self.frames_due() - self.frames_out
    }

    /// The most that [`frames_held`](Self::frames_held) comes to: what this conversion adds to the delay of a stream.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn frames_held_max(&self) -> Frames {
        self.filter.as_ref().map_or(Frames::ZERO, |filter| Frames(filter.held_frames_max()))
    }

    fn frames_due(&self) -> Frames {
        let (from, to) = (u128::from(self.from.hz()), u128::from(self.to.hz()));
        Frames(u64::try_from((u128::from(self.frames_in.0) * to + from / 2) / from).unwrap_or(u64::MAX))
    }

    /// Takes whole frames and appends to `out` what they complete.
    ///
    /// Where rates differ, samples that are not finite count as 0, and absurdly loud ones are clipped.
    ///
    /// Not RT-safe: `out` may grow.
    ///
    /// # Errors
    /// [`ResampleError::PartialFrame`] when the length is no multiple of the channels; nothing is taken then.
    pub fn process(&mut self, interleaved: &[f32], out: &mut Vec<f32>) -> Result<(), ResampleError> {
        let frames = pcmflow_core::format::Interleaved::new(interleaved, self.channels)
            .map_err(ResampleError::PartialFrame)?
            .frames();
        if std::mem::take(&mut self.finished) {
            (self.frames_in, self.frames_out) = (Frames::ZERO, Frames::ZERO);
        }
        self.frames_in += frames;
        let before = out.len();
        match &mut self.filter {
            None => out.extend_from_slice(interleaved),
            Some(filter) => filter.take(interleaved, &mut |block| out.extend_from_slice(block))?,
        }
        self.frames_out += Frames::in_samples(out.len() - before, self.channels);
        Ok(())
    }

    /// Ends the stream: appends what was held. The counts stay readable; with the next frames another stream begins, and
    /// counts from zero.
    ///
    /// Not RT-safe: `out` may grow.
    ///
    /// # Errors
    /// [`ResampleError::Refused`], never seen.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), ResampleError> {
        let due = self.frames_due() - self.frames_out;
        if let Some(filter) = &mut self.filter {
            filter.flush(due.0, &mut |block| out.extend_from_slice(block))?;
        }
        self.frames_out = self.frames_due();
        self.finished = true;
        Ok(())
    }
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resampler")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("channels", &self.channels)
            .field("frames_in", &self.frames_in)
            .field("frames_out", &self.frames_out)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    fn rate(hz: u32) -> SampleRate {
        SampleRate::new(hz).unwrap()
    }

    fn sine(hz: f64, rate_hz: u32, frames: usize) -> Vec<f32> {
        (0..frames).map(|n| (TAU * hz * n as f64 / f64::from(rate_hz)).sin() as f32).collect()
    }

    fn resampled(input: &[f32], from: u32, to: u32, channels: ChannelCount) -> Vec<f32> {
        let mut resampler = Resampler::new(rate(from), rate(to), channels).unwrap();
        let mut out = Vec::new();
        for block in input.chunks(100 * channels.get()) {
            resampler.process(block, &mut out).unwrap();
        }
        resampler.finish(&mut out).unwrap();
        out
    }

    fn decibel(ratio: f64) -> f64 {
        20.0 * ratio.log10()
    }

    /// Largest difference, away from the ends, where the filter sees silence beyond.
    fn worst(out: &[f32], expected: &[f32]) -> f64 {
        let edge = out.len() / 4;
        out.iter()
            .zip(expected)
            .skip(edge)
            .take(out.len() - 2 * edge)
            .fold(0.0, |worst, (a, b)| worst.max(f64::from((a - b).abs())))
    }

    #[test]
    fn tones_pass_in_time_and_at_their_level() {
        for (from, to) in [
            (48_000, 16_000),
            (44_100, 16_000),
            (44_100, 48_000),
            (48_000, 44_100),
            (8_000, 48_000),
            (44_101, 16_000),
            (96_000, 16_001),
        ] {
            for part in [0.01, 0.3, 0.8] {
                let hz = part * f64::from(from.min(to)) / 2.0;
                let out = resampled(&sine(hz, from, from as usize), from, to, ChannelCount::MONO);
                let error = decibel(worst(&out, &sine(hz, to, to as usize)));
                // Odd ratios are in time to within a hundredth of a frame only.
                let limit = if from % 100 == 0 && to % 100 == 0 { -60.0 } else { -32.0 };
                assert!(error < limit, "{hz} Hz from {from} to {to}: off by {error:.1} dB");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_can_not_hold_is_removed() {
        for (from, to) in [(48_000, 16_000), (44_100, 16_000), (48_000, 44_100), (44_101, 16_000)] {
            let nyquist = f64::from(to) / 2.0;
            for hz in [nyquist * 1.05, (nyquist * 1.05 + f64::from(from) / 2.0) / 2.0] {
                let out = resampled(&sine(hz, from, from as usize), from, to, ChannelCount::MONO);
                let left = decibel(worst(&out, &vec![0.0; out.len()]));
                assert!(left < -80.0, "{hz} Hz from {from} to {to}: {left:.1} dB are left");
            }
        }
    }

    #[test]
    fn channels_stay_apart() {
        let left = sine(1_000.0, 48_000, 48_000);
        let input: Vec<f32> = left.iter().flat_map(|&sample| [sample, 0.25]).collect();
        let out = resampled(&input, 48_000, 16_000, ChannelCount::STEREO);
        let (left, right): (Vec<f32>, Vec<f32>) =
            out.chunks_exact(2).map(|frame| (frame[0], frame[1])).unzip();
        assert!(worst(&left, &sine(1_000.0, 16_000, 16_000)) < 1e-3);
        assert!(worst(&right, &vec![0.25; 16_000]) < 1e-3);
    }

    #[test]
    fn a_finished_resampler_starts_anew() {
        let input = sine(440.0, 44_100, 5_000);
        let mut resampler = Resampler::new(rate(44_100), rate(16_000), ChannelCount::MONO).unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        resampler.process(&input, &mut first).unwrap();
        resampler.finish(&mut first).unwrap();
        assert_eq!((resampler.frames_in(), resampler.frames_out()), (Frames(5_000), Frames(1_814)));
        resampler.process(&input, &mut second).unwrap();
        resampler.finish(&mut second).unwrap();
        assert_eq!(first, second);
        assert!(format!("{resampler:?}").contains("frames_in"));
        assert_eq!(resampler.format(), StreamFormat::new(16_000, 1).unwrap());
    }

    #[test]
    fn samples_that_are_no_numbers_harm_nobody_near_them() {
        for (from, to) in [(48_000, 16_000), (44_101, 16_000)] {
            for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
                let mut input = sine(440.0, from, from as usize);
                let expected = resampled(&input, from, to, ChannelCount::MONO);
                for sample in input.iter_mut().skip(1_000).step_by(10_000) {
                    *sample = odd;
                }
                let out = resampled(&input, from, to, ChannelCount::MONO);
                assert_eq!(out.len(), expected.len());
                assert!(out.iter().all(|sample| sample.is_finite()), "{odd} from {from} to {to}");
                if odd != f32::MAX {
                    assert!(worst(&out, &expected) < 1.0, "{odd} from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn partial_frames_are_refused() {
        let mut resampler = Resampler::new(rate(44_100), rate(16_000), ChannelCount::STEREO).unwrap();
        let error = resampler.process(&[0.0; 3], &mut Vec::new()).unwrap_err();
        assert!(matches!(error, ResampleError::PartialFrame(_)), "{error}");
        assert_eq!(resampler.frames_in(), Frames::ZERO);
    }

    #[test]
    fn the_ends_of_the_scale_of_rates() {
        for (from, to) in [(1_000, 768_000), (768_000, 1_000), (767_999, 1_000), (1_000, 767_999)] {
            let out = resampled(&vec![0.5; from as usize / 10], from, to, ChannelCount::MONO);
            assert_eq!(out.len(), (from / 10 * to + from / 2) as usize / from as usize, "{from} to {to}");
            assert!(out.iter().all(|sample| sample.is_finite()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_account_balances(
            from in prop_oneof![Just(44_100u32), Just(48_000), Just(16_000), 1_000u32..100_000],
            to in prop_oneof![Just(16_000u32), Just(48_000), 1_000u32..100_000],
            blocks in proptest::collection::vec(0usize..3_000, 0..12),
        ) {
            let mut resampler = Resampler::new(rate(from), rate(to), ChannelCount::MONO).unwrap();
            let (mut out, mut taken) = (Vec::new(), 0u64);
            for block in blocks {
                resampler.process(&vec![0.1; block], &mut out).unwrap();
                taken += block as u64;
                prop_assert_eq!(resampler.frames_in(), Frames(taken));
                prop_assert_eq!(resampler.frames_out(), Frames(out.len() as u64));
                let held = resampler.frames_held();
                prop_assert!(held <= resampler.frames_held_max(), "{held} held, at most {}", resampler.frames_held_max());
            }
            resampler.finish(&mut out).unwrap();
            let (from, to) = (u64::from(from), u64::from(to));
            prop_assert_eq!(out.len() as u64, (2 * taken * to + from) / (2 * from));
            prop_assert_eq!(resampler.frames_out(), Frames(out.len() as u64));
            prop_assert_eq!(resampler.frames_held(), Frames::ZERO);
        }

        #[test]
        fn equal_rates_change_no_bit(bits in proptest::collection::vec(any::<u32>(), 0..100)) {
            let input: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
            let mut resampler = Resampler::new(rate(48_000), rate(48_000), ChannelCount::MONO).unwrap();
            let mut out = Vec::new();
            resampler.process(&input, &mut out).unwrap();
            prop_assert_eq!(resampler.frames_held(), Frames::ZERO);
            resampler.finish(&mut out).unwrap();
            prop_assert_eq!(out.iter().map(|sample| sample.to_bits()).collect::<Vec<_>>(), bits);
        }
    }
}
