//! From N channels to M.

use super::{ChannelCount, FormatError, Frames};
use alloc::boxed::Box;

const CHANNELS_MAX: usize = ChannelCount::MAX.get();
/// −3 dB: a centre channel that goes to both sides keeps its power.
const CENTRE: f32 = core::f32::consts::FRAC_1_SQRT_2;

/// How frames of N channels become frames of M.
///
/// | from | to | rule |
/// | --- | --- | --- |
/// | any | the same | unchanged, to the bit |
/// | any | mono | the mean of all channels |
/// | mono | any | every channel is the one |
/// | 3 to 8 | stereo | in WAVE order (FL FR FC LFE BL BR SL SR; 4: FL FR BL BR; 5: FL FR FC BL BR; 7: FL FR FC LFE BC SL SR): sides keep their side, centres go to both at −3 dB, LFE is left out; then scaled so that nothing can clip |
/// | 9 or more | stereo | the mean of the even channels left, of the odd ones right |
/// | stereo or more | more | the first ones are kept, the others silent |
/// | 4 or more | 3 or more, fewer | the first ones are kept |
///
/// ```
/// use pcmflow_core::format::{ChannelCount, ChannelMap};
/// let map = ChannelMap::new(ChannelCount::STEREO, ChannelCount::MONO);
/// let mut mono = [0.0; 2];
/// assert_eq!(map.map(&[1.0, 0.0, 0.5, 0.5], &mut mono).0, 2);
/// assert_eq!(mono, [0.5, 0.5]);
/// ```
#[derive(Debug, Clone)]
pub struct ChannelMap {
    from: ChannelCount,
    to: ChannelCount,
    rule: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    Copy,
    Mean,
    Spread,
    /// Weight of each channel in the left and the right.
    Stereo(Box<[[f32; 2]; CHANNELS_MAX]>),
    First,
    /// Weight of each input channel in the first output channel, then in the second, and so on.
    Matrix(Box<[f32]>),
}

impl ChannelMap {
    /// Chooses the rule.
    ///
    /// Not RT-safe: allocates.
    pub fn new(from: ChannelCount, to: ChannelCount) -> Self {
        let rule = match (from.get(), to.get()) {
            (from, to) if from == to => Rule::Copy,
            (_, 1) => Rule::Mean,
            (1, _) => Rule::Spread,
            (from, 2) => Rule::Stereo(Box::new(stereo_weights(from))),
            _ => Rule::First,
        };
        Self { from, to, rule }
    }

    /// Takes the rule from the caller: `weights` has a row for each output channel, in it the weight of each input channel.
    ///
    /// ```
    /// use pcmflow_core::format::{ChannelCount, ChannelMap};
    /// let swap = ChannelMap::with_matrix(ChannelCount::STEREO, ChannelCount::STEREO, &[0.0, 1.0, 1.0, 0.0])?;
    /// let mut out = [0.0; 2];
    /// swap.map(&[0.25, -0.5], &mut out);
    /// assert_eq!(out, [-0.5, 0.25]);
    /// # Ok::<(), pcmflow_core::format::FormatError>(())
    /// ```
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`FormatError::Matrix`] where there are not `from × to` weights, or one is no finite number.
    pub fn with_matrix(from: ChannelCount, to: ChannelCount, weights: &[f32]) -> Result<Self, FormatError> {
        let expected = from.get() * to.get();
        if weights.len() != expected || !weights.iter().all(|weight| weight.is_finite()) {
            return Err(FormatError::Matrix { weights: weights.len(), expected });
        }
        Ok(Self { from, to, rule: Rule::Matrix(weights.into()) })
    }

    /// Whether whole channels are left out because there is no place for them: it keeps the first ones only.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn keeps_first_only(&self) -> bool {
        matches!(self.rule, Rule::First) && self.to < self.from
    }

    /// Channels of the frames that go in.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn from(&self) -> ChannelCount {
        self.from
    }

    /// Channels of the frames that come out.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn to(&self) -> ChannelCount {
        self.to
    }

    /// Maps as many whole frames as both slices hold; returns how many.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn map(&self, input: &[f32], out: &mut [f32]) -> Frames {
        let (from, to) = (self.from.get(), self.to.get());
        let frames = (input.len() / from).min(out.len() / to);
        if let Rule::Copy = self.rule {
            out[..frames * to].copy_from_slice(&input[..frames * from]);
            return Frames(frames as u64);
        }
        for (input, out) in input.chunks_exact(from).zip(out.chunks_exact_mut(to)).take(frames) {
            match &self.rule {
                Rule::Copy => {}
                Rule::Mean => out[0] = input.iter().sum::<f32>() / from as f32,
                Rule::Spread => out.fill(input[0]),
                Rule::Stereo(weights) => {
                    let mut sides = [0.0; 2];
                    for (sample, weights) in input.iter().zip(weights.iter()) {
                        sides[0] += sample * weights[0];
                        sides[1] += sample * weights[1];
                    }
                    out.copy_from_slice(&sides);
                }
                Rule::First => {
                    let kept = from.min(to);
                    out[..kept].copy_from_slice(&input[..kept]);
                    out[kept..].fill(0.0);
                }
                Rule::Matrix(weights) => {
                    for (out, weights) in out.iter_mut().zip(weights.chunks_exact(from)) {
                        *out = input.iter().zip(weights).map(|(sample, weight)| sample * weight).sum();
                    }
                }
            }
        }
        Frames(frames as u64)
    }
}

fn stereo_weights(from: usize) -> [[f32; 2]; CHANNELS_MAX] {
    const LEFT: [f32; 2] = [1.0, 0.0];
    const RIGHT: [f32; 2] = [0.0, 1.0];
    const BOTH: [f32; 2] = [CENTRE, CENTRE];
    const NONE: [f32; 2] = [0.0, 0.0];
    let layout: &[[f32; 2]] = match from {
        3 => &[LEFT, RIGHT, BOTH],
        4 => &[LEFT, RIGHT, LEFT, RIGHT],
        5 => &[LEFT, RIGHT, BOTH, LEFT, RIGHT],
        6 => &[LEFT, RIGHT, BOTH, NONE, LEFT, RIGHT],
        7 => &[LEFT, RIGHT, BOTH, NONE, BOTH, LEFT, RIGHT],
        8 => &[LEFT, RIGHT, BOTH, NONE, LEFT, RIGHT, LEFT, RIGHT],
        _ => &[],
    };
    let mut weights = [NONE; CHANNELS_MAX];
    for (channel, weights) in weights.iter_mut().enumerate().take(from) {
        *weights = layout.get(channel).copied().unwrap_or(if channel % 2 == 0 { LEFT } else { RIGHT });
    }
    for side in 0..2 {
        let sum: f32 = weights.iter().map(|weights| weights[side]).sum();
        weights.iter_mut().for_each(|weights| weights[side] /= sum);
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn map(from: u32, to: u32, input: &[f32]) -> Vec<f32> {
        let map = ChannelMap::new(ChannelCount::new(from).unwrap(), ChannelCount::new(to).unwrap());
        assert_eq!((map.from().get(), map.to().get()), (from as usize, to as usize));
        let mut out = vec![9.0; input.len() / from as usize * to as usize];
        let frames = map.map(input, &mut out);
        assert_eq!(frames.0 as usize, input.len() / from as usize);
        out
    }

    #[test]
    fn the_rules() {
        assert_eq!(map(2, 2, &[0.1, f32::NAN, 0.3, 4.0])[..1], [0.1]);
        assert_eq!(map(4, 1, &[1.0, 0.0, 1.0, 0.0]), [0.5]);
        assert_eq!(map(1, 3, &[0.25, -1.0]), [0.25, 0.25, 0.25, -1.0, -1.0, -1.0]);
        assert_eq!(map(2, 4, &[0.1, 0.2]), [0.1, 0.2, 0.0, 0.0]);
        assert_eq!(map(6, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [1.0, 2.0, 3.0]);
        assert_eq!(map(4, 2, &[1.0, 0.0, 0.0, 1.0]), [0.5, 0.5]);
    }

    #[test]
    fn surround_keeps_its_sides_and_leaves_the_lfe_out() {
        let one = |channels: u32, channel: usize| {
            let mut frame = vec![0.0; channels as usize];
            frame[channel] = 1.0;
            map(channels, 2, &frame)
        };
        let centre = one(6, 2);
        assert_eq!(centre[0], centre[1]);
        assert!((centre[0] / one(6, 0)[0] - CENTRE).abs() < 1e-6);
        assert_eq!(one(6, 3), [0.0, 0.0], "LFE");
        for (channels, left) in [(3, 0), (4, 2), (5, 3), (6, 4), (7, 5), (8, 6), (12, 10)] {
            assert!(one(channels, left)[0] > 0.0 && one(channels, left)[1] == 0.0, "{left} of {channels}");
            let right = left + 1;
            assert!(one(channels, right)[1] > 0.0 && one(channels, right)[0] == 0.0, "{right} of {channels}");
        }
    }

    #[test]
    fn a_matrix_of_the_wrong_size_or_with_no_numbers_is_refused() {
        let refused = |weights: &[f32]| {
            ChannelMap::with_matrix(ChannelCount::STEREO, ChannelCount::MONO, weights).unwrap_err()
        };
        assert_eq!(refused(&[0.5; 3]), FormatError::Matrix { weights: 3, expected: 2 });
        assert_eq!(refused(&[0.5, f32::NAN]), FormatError::Matrix { weights: 2, expected: 2 });
        assert!(
            !map_of(2, 1).keeps_first_only()
                && !map_of(3, 5).keeps_first_only()
                && map_of(6, 4).keeps_first_only()
        );
    }

    fn map_of(from: u32, to: u32) -> ChannelMap {
        ChannelMap::new(ChannelCount::new(from).unwrap(), ChannelCount::new(to).unwrap())
    }

    proptest! {
        /// A matrix that is found by asking a map for each channel alone does what the map does; and what it does is a sum.
        #[test]
        fn every_rule_is_a_matrix(from in 1u32..=64, to in 1u32..=64, seed in any::<u32>()) {
            let (from_count, to_count) = (ChannelCount::new(from).unwrap(), ChannelCount::new(to).unwrap());
            let (from, to, rule) = (from as usize, to as usize, map_of(from, to));
            let mut weights = vec![0.0; from * to];
            for channel in 0..from {
                let (mut alone, mut out) = (vec![0.0; from], vec![0.0; to]);
                alone[channel] = 1.0;
                rule.map(&alone, &mut out);
                out.iter().enumerate().for_each(|(row, &weight)| weights[row * from + channel] = weight);
            }
            let input: Vec<f32> = (0..from as u32).map(|n| (n.wrapping_mul(2_654_435_761) ^ seed) as i16 as f32 / 32_768.0).collect();
            let naive: Vec<f32> = (0..to).map(|row| (0..from).map(|n| input[n] * weights[row * from + n]).sum()).collect();
            let (mut by_rule, mut by_matrix) = (vec![0.0; to], vec![0.0; to]);
            rule.map(&input, &mut by_rule);
            ChannelMap::with_matrix(from_count, to_count, &weights).unwrap().map(&input, &mut by_matrix);
            for ((naive, rule), matrix) in naive.iter().zip(&by_rule).zip(&by_matrix) {
                prop_assert!((naive - rule).abs() < 1e-5 && (naive - matrix).abs() < 1e-6);
            }
        }

        #[test]
        fn nothing_clips_that_was_not_clipped(from in 1u32..=64, to in 1u32..=64, seed in any::<u64>()) {
            let input: Vec<f32> = (0..from).map(|c| if seed >> (c % 64) & 1 == 1 { 1.0 } else { -1.0 }).collect();
            prop_assert!(map(from, to, &input).iter().all(|sample| sample.abs() <= 1.000_001));
        }

        #[test]
        fn whole_frames_only(from in 1u32..=8, to in 1u32..=8, inputs in 0usize..40, outs in 0usize..40) {
            let map = ChannelMap::new(ChannelCount::new(from).unwrap(), ChannelCount::new(to).unwrap());
            let mut out = vec![9.0; outs];
            let frames = map.map(&vec![0.5; inputs], &mut out).0 as usize;
            prop_assert_eq!(frames, (inputs / from as usize).min(outs / to as usize));
            prop_assert!(out[frames * to as usize..].iter().all(|&sample| sample == 9.0));
        }
    }
}
