//! The two correlations of a window: how alike the sound is to itself one lag later.

use pcmflow_core::block::{Window, WindowKind, WindowSymmetry};
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::fmt;
use std::sync::Arc;

/// The spectrum's floor is the median of stretches this wide.
const FLOOR_STRETCH_HZ: f32 = 215.0;
/// How far above the floor a partial must rise to be one: 9 dB.
const FLOOR_FACTOR: f32 = 8.0;

/// Tables, transforms and scratch for windows of up to one length.
pub(crate) struct Correlator {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    scratch: Box<[Complex<f32>]>,
    /// A window padded with zeros, and the correlation that comes back.
    time: Box<[f32]>,
    spectrum: Box<[Complex<f32>]>,
    power: Box<[f32]>,
    /// The powers of one stretch, for its median.
    sorted: Box<[f32]>,
    /// The median of each stretch.
    floor: Box<[f32]>,
    stretch_bins: usize,
    window: Window,
    /// The window's own autocorrelation, 1 at lag 0, for every lag that may be asked for and one more.
    window_correlation: Box<[f32]>,
    /// `energy[k]` is that of the first `k` samples.
    energy: Box<[f64]>,
}

impl fmt::Debug for Correlator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Correlator")
            .field("window", &self.window.kind())
            .field("window_samples", &self.window.weights().len())
            .field("transform_samples", &self.time.len())
            .finish_non_exhaustive()
    }
}

impl Correlator {
    /// Makes ready for windows of up to `window_samples` at `rate_hz`, and the lags that they tell about.
    pub(crate) fn new(kind: WindowKind, window_samples: usize, rate_hz: f32) -> Self {
        // Room for the lags beyond the window, so that the correlation does not wrap round.
        let len = (window_samples + Self::lag_max(window_samples) + 2).next_power_of_two();
        let mut planner = RealFftPlanner::<f32>::new();
        let (forward, inverse) = (planner.plan_fft_forward(len), planner.plan_fft_inverse(len));
        let scratch_len = forward.get_scratch_len().max(inverse.get_scratch_len());
        let bins = len / 2 + 1;
        let stretch_bins = ((FLOOR_STRETCH_HZ * len as f32 / rate_hz).round() as usize).clamp(4, bins);
        let window = Window::new(kind, window_samples, WindowSymmetry::Periodic);
        let mut made = Self {
            forward,
            inverse,
            scratch: vec![Complex::default(); scratch_len].into(),
            time: vec![0.0; len].into(),
            spectrum: vec![Complex::default(); bins].into(),
            power: vec![0.0; bins].into(),
            sorted: vec![0.0; stretch_bins].into(),
            floor: vec![0.0; bins.div_ceil(stretch_bins)].into(),
            stretch_bins,
            window_correlation: Box::default(),
            window,
            energy: vec![0.0; window_samples + 1].into(),
        };
        made.time[..window_samples].copy_from_slice(made.window.weights());
        made.transform_to_power(window_samples);
        made.transform_to_correlation();
        let at_0 = made.time[0];
        made.window_correlation =
            made.time[..Self::lag_max(window_samples) + 2].iter().map(|r| r / at_0).collect();
        made
    }

    /// The longest lag that a window of `samples` tells anything about: a little over half of it.
    pub(crate) fn lag_max(samples: usize) -> usize {
        samples * 9 / 16
    }

    /// Writes the normalised square difference of `x` at the lags 0, 1, … to `out`: 1 where it repeats exactly, about 0
    /// for noise, −1 where it is inverted (the NSDF of McLeod and Wyvill, "A smarter way to find pitch", 2005).
    ///
    /// `out` must not be longer than [`Self::lag_max`] and one more.
    pub(crate) fn square_difference(&mut self, x: &[f32], out: &mut [f32]) {
        self.time[..x.len()].copy_from_slice(x);
        self.transform_to_power(x.len());
        self.transform_to_correlation();
        let mut sum = 0.0;
        for (energy, sample) in self.energy[1..].iter_mut().zip(x) {
            sum += f64::from(*sample) * f64::from(*sample);
            *energy = sum;
        }
        for (lag, out) in out.iter_mut().enumerate() {
            // What the overlap holds at its earlier and at its later end.
            let overlap = self.energy[x.len() - lag] + (sum - self.energy[lag]);
            let ratio = if overlap > 0.0 { 2.0 * f64::from(self.time[lag]) / overlap } else { 0.0 };
            *out = ratio.clamp(-1.0, 1.0) as f32;
        }
    }

    /// Writes the autocorrelation of what rises above the spectrum's floor in `x` to `out`, freed from the window's own
    /// (P. Boersma, "Accurate short-term analysis of the fundamental frequency", 1993); zeros where nothing
    /// rises. Returns the share of the power that does.
    ///
    /// `out` must not be longer than [`Self::lag_max`] and one more.
    pub(crate) fn denoised(&mut self, x: &[f32], out: &mut [f32]) -> f32 {
        // A shorter window is the same table, read in longer steps.
        let step = self.window.weights().len() as f32 / x.len() as f32;
        let weights = self.window.weights();
        for (n, (time, sample)) in self.time.iter_mut().zip(x).enumerate() {
            *time = sample * weights[((n as f32 * step) as usize).min(weights.len() - 1)];
        }
        self.transform_to_power(x.len());
        let before: f32 = self.power.iter().sum();
        self.subtract_floor();
        let kept = self.power.iter().sum::<f32>() / before.max(f32::MIN_POSITIVE);
        self.transform_to_correlation();
        let at_0 = self.time[0];
        for (lag, out) in out.iter_mut().enumerate() {
            let at = lag as f32 * step;
            let (low, part) = ((at as usize).min(self.window_correlation.len() - 2), at.fract());
            let window =
                self.window_correlation[low] * (1.0 - part) + self.window_correlation[low + 1] * part;
            *out = if at_0 > 0.0 { (self.time[lag] / (at_0 * window)).clamp(-1.0, 1.0) } else { 0.0 };
        }
        kept
    }

    /// The power spectrum of the first `samples` of `time`; the rest counts as zeros.
    fn transform_to_power(&mut self, samples: usize) {
        self.time[samples..].fill(0.0);
        // The lengths are those that were planned for, the only thing the transforms refuse.
        let _ = self.forward.process_with_scratch(&mut self.time, &mut self.spectrum, &mut self.scratch);
        for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr();
        }
    }

    /// From `power` to the correlation in `time`, not normalised.
    fn transform_to_correlation(&mut self) {
        for (bin, power) in self.spectrum.iter_mut().zip(&self.power) {
            *bin = Complex::new(*power, 0.0);
        }
        let _ = self.inverse.process_with_scratch(&mut self.spectrum, &mut self.time, &mut self.scratch);
        let scale = 1.0 / self.time.len() as f32;
        for sample in &mut self.time {
            *sample *= scale;
        }
    }

    /// Takes a multiple of the floor out of `power`: the median of each stretch, joined by straight lines.
    fn subtract_floor(&mut self) {
        for (median, stretch) in self.floor.iter_mut().zip(self.power.chunks(self.stretch_bins)) {
            let sorted = &mut self.sorted[..stretch.len()];
            sorted.copy_from_slice(stretch);
            *median = *sorted.select_nth_unstable_by(stretch.len() / 2, f32::total_cmp).1;
        }
        let half = self.stretch_bins as f32 / 2.0;
        let last = self.floor.len() - 1;
        for (bin, power) in self.power.iter_mut().enumerate() {
            let at = ((bin as f32 - half) / self.stretch_bins as f32).clamp(0.0, last as f32);
            let (low, part) = (at as usize, at.fract());
            let floor = self.floor[low] * (1.0 - part) + self.floor[(low + 1).min(last)] * part;
            *power = (*power - FLOOR_FACTOR * floor).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: usize = 2048;
    const RATE_HZ: f32 = 44_100.0;

    fn correlator() -> Correlator {
        Correlator::new(WindowKind::Hamming, WINDOW, RATE_HZ)
    }

    fn noise(len: usize) -> impl Iterator<Item = f32> {
        let mut state = 7u64;
        (0..len).map(move |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
    }

    proptest! {
        #[test]
        fn the_square_difference_is_that_of_its_definition(x in proptest::collection::vec(-1f32..1.0, 16..WINDOW)) {
            let mut n = vec![0.0; Correlator::lag_max(x.len()) + 1];
            correlator().square_difference(&x, &mut n);
            for (lag, n) in n.iter().enumerate().step_by(7) {
                let pairs = x.iter().zip(&x[lag..]).map(|(a, b)| (f64::from(*a), f64::from(*b)));
                let (product, energy) =
                    pairs.fold((0.0, 0.0), |(p, e), (a, b)| (p + a * b, e + a * a + b * b));
                prop_assert!((2.0 * product / energy - f64::from(*n)).abs() < 1e-4, "lag {lag}");
            }
        }
    }

    #[test]
    fn a_pure_tone_repeats_fully_in_windows_of_any_length() {
        for len in [WINDOW, WINDOW * 2 / 3, WINDOW / 2] {
            // 100 samples a period.
            let x: Vec<f32> = (0..len).map(|n| (n as f32 * core::f32::consts::TAU / 100.0).sin()).collect();
            let mut d = vec![0.0; Correlator::lag_max(len) + 1];
            correlator().denoised(&x, &mut d);
            assert!(d[100] > 0.98 && d[50] < -0.98, "{len}: {} {}", d[100], d[50]);
        }
    }

    #[test]
    fn a_tone_in_noise_repeats_better_without_the_floor() {
        let tone = |n: usize| (n as f32 * core::f32::consts::TAU / 40.0).sin();
        let x: Vec<f32> = noise(WINDOW).enumerate().map(|(n, noise)| 0.5 * tone(n) + noise).collect();
        let (mut n, mut d) = ([0.0; 401], [0.0; 401]);
        let mut correlator = correlator();
        correlator.square_difference(&x, &mut n);
        correlator.denoised(&x, &mut d);
        assert!(n[400] < 0.5 && d[400] > 0.8, "{} {}", n[400], d[400]);
    }

    #[test]
    fn silence_repeats_nowhere() {
        let (mut n, mut d) = ([1.0; 101], [1.0; 101]);
        let mut correlator = correlator();
        correlator.square_difference(&[0.0; WINDOW], &mut n);
        correlator.denoised(&[0.0; WINDOW], &mut d);
        assert_eq!((n, d), ([0.0; 101], [0.0; 101]));
    }
}
