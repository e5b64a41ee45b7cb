//! A plucked string: Karplus and Strong's loop, tuned as Jaffe and Smith do.
//!
//! K. Karplus and A. Strong, "Digital synthesis of plucked-string and drum timbres", and D. A. Jaffe and J. O. Smith,
//! "Extensions of the Karplus-Strong plucked-string algorithm", Computer Music Journal 7(2), 1983.
//!
//! ```text
//! y[n] = x[n] + ρ · allpass(mean(y[n − N], y[n − N − 1]))
//! ```
//!
//! A period lasts N + ½ + d samples: the delay line, the half sample that averaging two neighbours takes at every
//! frequency, and d from the all-pass, whose coefficient is chosen so that its phase delay is exactly d at the
//! fundamental. So the fundamental is in tune at any rate; the partials above are off by a fraction of a cent.

use super::random::SplitMix64;
use pcmflow_core::format::SampleRate;
use std::f64::consts::{PI, TAU};

/// The time in which the fundamental falls by 60 dB, the loop's own losses apart.
const DECAY_SECONDS: f64 = 4.0;
/// Where along its length the string is plucked.
const PLUCKED_AT: f64 = 0.2;
/// How much of the pluck is noise; the rest is the shape of a string that is pulled aside.
const NOISE: f32 = 0.3;

pub(crate) struct Pluck {
    /// The last N + 1 samples; the oldest is at `oldest`.
    line: Vec<f32>,
    oldest: usize,
    loss: f32,
    all_pass: f32,
    all_pass_in: f32,
    all_pass_out: f32,
}

impl Pluck {
    /// A string that was just plucked; `hz` must be above 0 and below a quarter of `rate`, which any note is.
    pub(crate) fn new(hz: f64, rate: SampleRate, random: &mut SplitMix64) -> Self {
        let rate = f64::from(rate.hz());
        let hz = hz.clamp(1.0, rate / 4.0);
        let period = rate / hz;
        // Between ½ and 1½ samples the all-pass behaves best.
        let whole = (period - 1.0).floor().max(1.0);
        let fraction = period - 0.5 - whole;
        let omega = TAU / period;
        let all_pass = (omega * (1.0 - fraction) / 2.0).sin() / (omega * (1.0 + fraction) / 2.0).sin();
        // The two-point mean loses cos(πf/rate) per period by itself; only what is missing to the decay is added.
        let loss = 10f64.powf(-3.0 / (hz * DECAY_SECONDS)) / (PI / period).cos();
        Self {
            line: excitation(whole as usize + 1, random),
            oldest: 0,
            loss: loss.min(0.999_99) as f32,
            all_pass: all_pass as f32,
            all_pass_in: 0.0,
            all_pass_out: 0.0,
        }
    }

    /// The next sample, −1 to 1.
    pub(crate) fn next(&mut self) -> f32 {
        let newer = if self.oldest + 1 == self.line.len() { 0 } else { self.oldest + 1 };
        let mean = 0.5 * (self.line[self.oldest] + self.line[newer]);
        let out = self.all_pass * (mean - self.all_pass_out) + self.all_pass_in;
        (self.all_pass_in, self.all_pass_out) = (mean, out);
        let sample = self.loss * out;
        self.line[self.oldest] = sample;
        self.oldest = newer;
        sample
    }
}

/// One period of a string pulled aside at one point, roughened by noise, without its mean (which no loss would damp) and
/// scaled to a peak of 0.9, which leaves room for what the all-pass adds.
fn excitation(length: usize, random: &mut SplitMix64) -> Vec<f32> {
    let shape = |place: f64| match place < PLUCKED_AT {
        true => place / PLUCKED_AT,
        false => (1.0 - place) / (1.0 - PLUCKED_AT),
    };
    let mut line: Vec<f32> = (0..length)
        .map(|n| (1.0 - NOISE) * shape(n as f64 / length as f64) as f32 + NOISE * random.bipolar())
        .collect();
    let mean = line.iter().sum::<f32>() / length as f32;
    let peak = line.iter().fold(f32::MIN_POSITIVE, |peak, sample| peak.max((sample - mean).abs()));
    line.iter_mut().for_each(|sample| *sample = (*sample - mean) * 0.9 / peak);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Amplitude and phase of `samples` at `hz`, by a Hann-windowed sum.
    fn phasor(samples: &[f32], hz: f64, rate: f64) -> (f64, f64) {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, &sample) in samples.iter().enumerate() {
            let window = 0.5 - 0.5 * (TAU * n as f64 / samples.len() as f64).cos();
            let angle = TAU * hz * n as f64 / rate;
            re += f64::from(sample) * window * angle.cos();
            im -= f64::from(sample) * window * angle.sin();
        }
        (re.hypot(im), im.atan2(re))
    }

    /// The frequency of the fundamental near `hz`, from the phase that it gains between two windows.
    fn measured_hz(samples: &[f32], hz: f64, rate: f64) -> f64 {
        let (length, step) = (samples.len() / 2, samples.len() / 8);
        let (_, first) = phasor(&samples[..length], hz, rate);
        let (_, second) = phasor(&samples[step..step + length], hz, rate);
        let expected = TAU * hz * step as f64 / rate;
        let gained = (second - first - expected + PI).rem_euclid(TAU) - PI;
        hz + gained * rate / (TAU * step as f64)
    }

    #[test]
    fn every_note_is_in_tune_at_every_rate() {
        for rate_hz in [16_000, 44_100, 48_000, 96_000] {
            let rate = SampleRate::new(rate_hz).unwrap();
            for midi in 36..=96 {
                let hz = 440.0 * 2f64.powf((f64::from(midi) - 69.0) / 12.0);
                let mut string = Pluck::new(hz, rate, &mut SplitMix64(midi as u64));
                let samples: Vec<f32> = (0..rate_hz * 35 / 100).map(|_| string.next()).collect();
                let cents = 1200.0 * (measured_hz(&samples, hz, f64::from(rate_hz)) / hz).log2();
                assert!(cents.abs() < 1.0, "note {midi} at {rate_hz} Hz is {cents:+.2} cents off");
            }
        }
    }

    #[test]
    fn a_string_starts_strong_stays_in_range_and_decays() {
        for seed in 0..50 {
            let mut string = Pluck::new(220.0, SampleRate::HZ_48000, &mut SplitMix64(seed));
            let samples: Vec<f32> = (0..96_000).map(|_| string.next()).collect();
            let peak = |part: &[f32]| part.iter().fold(0f32, |peak, s| peak.max(s.abs()));
            assert!(samples.iter().all(|s| s.is_finite()) && peak(&samples) <= 1.0, "{}", peak(&samples));
            assert!(peak(&samples[..4800]) > 0.5);
            assert!(peak(&samples[91_200..]) < 0.15 * peak(&samples[..4800]));
        }
    }

    #[test]
    fn absurd_pitches_do_not_hang_or_grow() {
        for hz in [0.0, -5.0, 1e9] {
            let mut string = Pluck::new(hz, SampleRate::HZ_48000, &mut SplitMix64(1));
            assert!((0..1000).all(|_| string.next().abs() <= 1.0), "{hz}");
        }
    }
}
