//! Noise that makes an error of rounding independent of the signal.

use pcmflow_core::format::{SampleEncoding, SampleFormat};

/// Samples that are rounded at a time.
const PIECE: usize = 64;

/// Dither with a triangular distribution (TPDF), two steps wide: rounding then has no bias and makes no distortion, only a
/// steady, faint noise. The same seed makes the same noise.
///
/// A sample that the format holds exactly is left as it is, so that a stream which came from that format goes back to the bit,
/// and silence stays silent. `s32`, finer than what `f32` holds near full scale, and floats get none.
///
/// ```
/// use pcmflow_core::format::SampleEncoding;
/// use pcmflow_engine::transform::Dither;
/// let s16: SampleEncoding = "s16le".parse()?;
/// let mut dither = Dither::new(1);
/// let mut bytes = [0; 4];
/// assert_eq!(dither.encode(s16, &[0.25, 0.0], &mut bytes), 2);
/// assert_eq!(bytes, [0x00, 0x20, 0x00, 0x00]);
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dither {
    state: u64,
}

impl Dither {
    /// Dither of which each seed makes another.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Writes as many whole samples as both slices hold, as [`SampleEncoding::encode`] does, with dither; returns how many.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn encode(&mut self, encoding: SampleEncoding, samples: &[f32], bytes: &mut [u8]) -> usize {
        let Some(full) = full_scale(encoding.format) else { return encoding.encode(samples, bytes) };
        let mut rounded = [0.0; PIECE];
        let mut written = 0;
        for (samples, bytes) in samples.chunks(PIECE).zip(bytes.chunks_mut(PIECE * encoding.format.bytes())) {
            let rounded = &mut rounded[..samples.len()];
            for (rounded, &sample) in rounded.iter_mut().zip(samples) {
                *rounded = self.round(f64::from(sample) * full, full);
            }
            written += encoding.encode(rounded, bytes);
        }
        written
    }

    /// Rounds to a step; a step of 24 bits is exact in `f32`.
    fn round(&mut self, steps: f64, full: f64) -> f32 {
        let noise = self.noise();
        let rounded = steps.round_ties_even();
        let rounded =
            if rounded == steps || !steps.is_finite() { steps } else { (steps + noise).round_ties_even() };
        (rounded / full) as f32
    }

    /// The difference of two even distributions over one step.
    fn noise(&mut self) -> f64 {
        // splitmix64 (Steele, Lea, Flood 2014).
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        (f64::from((word >> 32) as u32) - f64::from(word as u32)) / 4_294_967_296.0
    }
}

/// How many steps full scale has, where rounding is to be heard.
fn full_scale(format: SampleFormat) -> Option<f64> {
    match format {
        SampleFormat::U8 | SampleFormat::S8 => Some(128.0),
        SampleFormat::S16 => Some(32_768.0),
        SampleFormat::S24 => Some(8_388_608.0),
        SampleFormat::S32 | SampleFormat::F32 | SampleFormat::F64 => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dithered(name: &str, samples: &[f32]) -> Vec<f32> {
        let encoding: SampleEncoding = name.parse().unwrap();
        let mut bytes = vec![0; samples.len() * encoding.format.bytes()];
        let mut back = vec![0.0; samples.len()];
        assert_eq!(Dither::new(7).encode(encoding, samples, &mut bytes), samples.len());
        encoding.decode(&bytes, &mut back);
        back
    }

    #[test]
    fn the_mean_is_the_sample_and_the_noise_does_not_depend_on_it() {
        for (name, step) in [("u8", 1.0 / 128.0), ("s16le", 1.0 / 32_768.0), ("s24be", 1.0 / 8_388_608.0)] {
            for part in [0.01, 0.25, 0.5, 0.77] {
                let sample = (3.0 + part) * step as f32;
                let exact = f64::from(sample);
                let back = dithered(name, &vec![sample; 200_000]);
                let mean = back.iter().map(|&sample| f64::from(sample)).sum::<f64>() / back.len() as f64;
                assert!(
                    ((mean - exact) / step).abs() < 0.01,
                    "{name}: {part} of a step became {}",
                    mean / step - 3.0
                );
                // Rounding and TPDF together have a variance of a quarter of a step squared, whatever the signal.
                let variance =
                    back.iter().map(|&sample| ((f64::from(sample) - exact) / step).powi(2)).sum::<f64>();
                let variance = variance / back.len() as f64;
                assert!((variance - 0.25).abs() < 0.01, "{name}: {variance}");
            }
        }
    }

    #[test]
    fn what_fits_exactly_is_left_alone() {
        let exact: Vec<f32> = (-32_768..32_768).map(|n| n as f32 / 32_768.0).collect();
        assert_eq!(dithered("s16le", &exact), exact);
        assert_eq!(dithered("s32le", &[0.1, 1e-9]), dithered("s32be", &[0.1, 1e-9]));
        assert_eq!(dithered("f32le", &[0.1, 1e-9, 1e30]), [0.1, 1e-9, 1e30]);
    }

    #[test]
    fn beyond_full_scale_is_clipped_and_no_number_is_silence() {
        let back = dithered("s16le", &[1e30, -1e30, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.99999]);
        let full = 32_767.0 / 32_768.0;
        assert_eq!(back[..5], [full, -1.0, 0.0, full, -1.0]);
        assert!((back[5] - full).abs() <= 2.0 / 32_768.0);
    }

    #[test]
    fn one_seed_makes_one_noise() {
        let noise = |seed| {
            let mut dither = Dither::new(seed);
            (0..100).map(|_| dither.noise()).collect::<Vec<_>>()
        };
        assert_eq!(noise(1), noise(1));
        assert_ne!(noise(1), noise(2));
        assert!(noise(3).iter().all(|noise| noise.abs() < 1.0));
    }

    #[test]
    fn a_short_slice_limits_it() {
        let mut bytes = [9; 5];
        assert_eq!(Dither::new(1).encode("s16le".parse().unwrap(), &[0.0; 100], &mut bytes), 2);
        assert_eq!(bytes, [0, 0, 0, 0, 9]);
        assert_eq!(Dither::new(1).encode("u8".parse().unwrap(), &[0.0; 3], &mut [0; 200]), 3);
    }
}
