//! The samples of a synthetic signal.

use super::melody::{Melody, MelodyPlayer};
use super::random::SplitMix64;
use super::{NoiseColour, Signal, SynthSpec};
use crate::source::{Source, SourceError};
use pcmflow_core::format::{Frames, StreamFormat};
use std::f64::consts::TAU;
use std::fmt;

/// A synthetic signal as a source; [`SynthSpec::source`] makes it.
pub struct SynthSource {
    format: StreamFormat,
    generator: Generator,
    amplitude: f32,
    /// Frames yielded so far.
    position: Frames,
    /// Frames in all; `None` is endless.
    length: Option<Frames>,
}

enum Generator {
    /// Phase in cycles, 0 to 1, and what is added to it per frame; the growth of that per frame is 1 for a sine.
    Tone {
        phase: f64,
        step: f64,
        growth: f64,
    },
    White(SplitMix64),
    Pink(Box<Pink>),
    Silence,
    Clicks {
        interval_frames: f64,
        next: f64,
        frame: u64,
    },
    Melody(Box<MelodyPlayer>),
    SilentMelody(Melody),
}

impl SynthSource {
    pub(crate) fn new(spec: &SynthSpec) -> Self {
        let rate = f64::from(spec.format.rate.hz());
        let frames = |seconds: f64| Frames((seconds * rate).round() as u64);
        let mut length = spec.seconds.map(frames);
        let generator = match spec.signal {
            Signal::Sine { hz } => Generator::Tone { phase: 0.0, step: hz / rate, growth: 1.0 },
            Signal::Sweep { from_hz, to_hz } => {
                let count = length.unwrap_or_default().0.max(1) as f64;
                Generator::Tone {
                    phase: 0.0,
                    step: from_hz / rate,
                    growth: (to_hz / from_hz).powf(1.0 / count),
                }
            }
            Signal::Noise(NoiseColour::White) => Generator::White(SplitMix64(spec.seed)),
            Signal::Noise(NoiseColour::Pink) => Generator::Pink(Box::new(Pink::new(spec.seed))),
            Signal::Silence => Generator::Silence,
            Signal::Clicks { interval_ms } => Generator::Clicks {
                // Two clicks in one frame would be one.
                interval_frames: (interval_ms * rate / 1000.0).max(1.0),
                next: 0.0,
                frame: 0,
            },
            Signal::Melody { audible } => {
                let melody = Melody::compose(spec.seed, spec.format.rate, spec.detune_cents);
                length = Some(melody.frames());
                match audible {
                    true => Generator::Melody(Box::new(MelodyPlayer::new(melody, spec.seed))),
                    false => Generator::SilentMelody(melody),
                }
            }
        };
        let amplitude = 10f64.powf(spec.level_db / 20.0) as f32;
        Self { format: spec.format, generator, amplitude, position: Frames::ZERO, length }
    }

    /// The tune, where this is a melody, heard or silent.
    pub fn melody(&self) -> Option<&Melody> {
        match &self.generator {
            Generator::Melody(player) => Some(player.melody()),
            Generator::SilentMelody(melody) => Some(melody),
            _ => None,
        }
    }
}

impl fmt::Debug for SynthSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SynthSource")
            .field("format", &self.format)
            .field("position", &self.position)
            .field("length", &self.length)
            .finish()
    }
}

impl Source for SynthSource {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn read(&mut self, out: &mut [f32]) -> Result<Frames, SourceError> {
        let channels = self.format.channels;
        let mut frames = Frames::in_samples(out.len(), channels);
        if let Some(length) = self.length {
            frames = frames.min(length - self.position);
        }
        for frame in out[..frames.samples(channels)].chunks_exact_mut(channels.get()) {
            frame.fill(self.generator.next() * self.amplitude);
        }
        self.position += frames;
        Ok(frames)
    }

    fn frames_hint(&self) -> Option<Frames> {
        self.length
    }
}

impl Generator {
    /// The next sample, −1 to 1.
    fn next(&mut self) -> f32 {
        match self {
            Self::Tone { phase, step, growth } => {
                let sample = (*phase * TAU).sin() as f32;
                *phase = (*phase + *step).fract();
                *step *= *growth;
                sample
            }
            Self::White(random) => random.bipolar(),
            Self::Pink(pink) => pink.next(),
            Self::Silence | Self::SilentMelody(_) => 0.0,
            Self::Clicks { interval_frames, next, frame } => {
                let click = *frame as f64 >= *next;
                // Counted from the first click, so that odd intervals don't drift.
                if click {
                    *next += *interval_frames;
                }
                *frame += 1;
                if click { 1.0 } else { 0.0 }
            }
            Self::Melody(player) => player.next(),
        }
    }
}

/// Pink noise after Voss and McCartney (R. F. Voss in M. Gardner, "White and brown music", Scientific American, April
/// 1978; the order of updates by J. McCartney, music-dsp list, 1999): rows of random numbers, each renewed half as
/// often as the one before, and their mean. Pink to within 1 dB over as many octaves as there are rows.
struct Pink {
    random: SplitMix64,
    rows: [f32; Pink::ROWS],
    frame: u64,
}

impl Pink {
    const ROWS: usize = 14;

    fn new(seed: u64) -> Self {
        let mut random = SplitMix64(seed);
        let rows = std::array::from_fn(|_| random.bipolar());
        Self { random, rows, frame: 0 }
    }

    fn next(&mut self) -> f32 {
        self.frame += 1;
        // Row k is renewed in each 2^k-th frame.
        let row = (self.frame.trailing_zeros() as usize).min(Self::ROWS - 1);
        self.rows[row] = self.random.bipolar();
        let sum = self.rows.iter().sum::<f32>() + self.random.bipolar();
        sum / (Self::ROWS + 1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(text: &str) -> Vec<f32> {
        let mut source = text.parse::<SynthSpec>().unwrap().source().unwrap();
        let channels = source.format().channels.get();
        // An odd block size, so that blocks and events don't line up.
        let (mut all, mut block) = (Vec::new(), vec![9.0; 101 * channels]);
        loop {
            match source.read(&mut block).unwrap() {
                Frames::ZERO => return all,
                frames => all.extend_from_slice(&block[..frames.samples(source.format().channels)]),
            }
        }
    }

    /// Cycles, counted by upward zero crossings.
    fn cycles(samples: &[f32]) -> usize {
        samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count()
    }

    fn rms(samples: &[f32]) -> f64 {
        (samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
    }

    #[test]
    fn a_sine_has_its_length_level_and_frequency() {
        let sine = samples("sine:440,seconds=2,rate=8000,level=-6");
        assert_eq!(sine.len(), 16_000);
        let peak = sine.iter().fold(0f32, |peak, s| peak.max(s.abs()));
        assert!((peak - 0.501_19).abs() < 1e-3, "{peak}");
        assert!(cycles(&sine).abs_diff(880) <= 1, "{}", cycles(&sine));
        assert_eq!(sine[0], 0.0);
    }

    #[test]
    fn a_sweep_spends_the_same_time_in_each_octave() {
        // Three octaves in three seconds from 100 Hz: ∫ 100·2^t dt over one octave = 100·2^k / ln 2 cycles.
        let sweep = samples("sweep:100-800,seconds=3,rate=16000");
        for (octave, expected) in [(0, 144), (1, 289), (2, 577)] {
            let found = cycles(&sweep[octave * 16_000..(octave + 1) * 16_000]);
            assert!(found.abs_diff(expected) <= 2, "octave {octave}: {found} cycles, expected {expected}");
        }
    }

    #[test]
    fn noise_depends_on_the_seed_only() {
        for colour in ["white", "pink"] {
            let one = samples(&format!("noise:{colour},seconds=0.2,seed=5"));
            assert_eq!(one, samples(&format!("noise:{colour},seconds=0.2,seed=5")));
            assert_ne!(one, samples(&format!("noise:{colour},seconds=0.2,seed=6")));
            assert!(one.iter().all(|s| s.abs() <= 0.2512));
        }
    }

    #[test]
    fn pink_noise_falls_by_three_decibel_per_octave() {
        // Power of differences over a lag grows with the noise above it; compared with white noise, whose power per
        // octave doubles, averaging over twice the length must leave pink noise about as strong.
        let averaged = |noise: &[f32], length: usize| {
            let means: Vec<f32> =
                noise.chunks_exact(length).map(|c| c.iter().sum::<f32>() / length as f32).collect();
            rms(&means)
        };
        let white = samples("noise:white,seconds=10,level=0");
        let pink = samples("noise:pink,seconds=10,level=0");
        let fall = |noise: &[f32]| averaged(noise, 8) / averaged(noise, 128);
        assert!((fall(&white) - 4.0).abs() < 0.3, "white: {}", fall(&white));
        assert!(fall(&pink) > 1.0 && fall(&pink) < 1.5, "pink: {}", fall(&pink));
    }

    #[test]
    fn clicks_come_on_time_without_drift() {
        // 441.1 frames apart: rounded up to whole frames each time, never accumulating.
        let clicks = samples("clicks:10.0022675737ms,seconds=2,rate=44100,level=0");
        let at: Vec<usize> =
            clicks.iter().enumerate().filter_map(|(i, &s)| (s == 1.0).then_some(i)).collect();
        assert_eq!(at.len(), 200);
        for (n, &frame) in at.iter().enumerate() {
            assert!((frame as f64 - n as f64 * 441.1).abs() <= 1.01, "click {n} at {frame}");
        }
        assert!(clicks.iter().all(|&s| s == 0.0 || s == 1.0));
    }

    #[test]
    fn channels_are_equal_and_silence_is_silent() {
        let noise = samples("noise,channels=3,seconds=0.01");
        assert_eq!(noise.len(), 480 * 3);
        assert!(noise.chunks_exact(3).all(|frame| frame[0] == frame[1] && frame[1] == frame[2]));
        assert_eq!(samples("silence,seconds=0.5"), vec![0.0; 24_000]);
    }

    #[test]
    fn a_melody_sounds_its_notes_and_its_silent_twin_lasts_as_long() {
        let source = |text: &str| text.parse::<SynthSpec>().unwrap().source().unwrap();
        let (heard, silent) = (source("melody,seed=3,level=0"), source("melody:silent,seed=3"));
        let melody = heard.melody().unwrap().clone();
        assert_eq!(silent.melody(), Some(&melody));
        assert_eq!(heard.frames_hint(), Some(melody.frames()));
        let tune = samples("melody,seed=3,level=0");
        assert_eq!(tune.len() as u64, melody.frames().0);
        assert_eq!(samples("melody:silent,seed=3"), vec![0.0; tune.len()]);
        assert!(tune.iter().all(|sample| sample.abs() <= 1.0));
        for note in melody.notes() {
            let sound = &tune[note.start.0 as usize..(note.start + note.frames).0 as usize];
            let (begin, end) = (rms(&sound[..4_800]), rms(&sound[sound.len() - 48..]));
            assert!(begin > 0.05, "{} begins at {begin}", note.name());
            assert!(end < begin / 10.0, "{} is damped from {begin} to {end}", note.name());
            // A period later the tone is nearly the same; half a period later it is not.
            let likeness = |lag: f64| {
                let lag = lag.round() as usize;
                let (a, b) = (&sound[4_800..9_600], &sound[4_800 + lag..9_600 + lag]);
                a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>() / 4_800.0 / rms(a) / rms(b)
            };
            let period = 48_000.0 / note.hz;
            assert!(likeness(period) > 0.9, "{}: {}", note.name(), likeness(period));
            assert!(likeness(period / 2.0) < likeness(period) - 0.3, "{}", note.name());
        }
    }

    #[test]
    fn an_endless_signal_goes_on_and_a_short_slice_takes_nothing() {
        let mut source = "noise,seconds=endless,channels=2".parse::<SynthSpec>().unwrap().source().unwrap();
        assert_eq!(source.frames_hint(), None);
        assert_eq!(source.read(&mut [9.0; 1]).unwrap(), Frames::ZERO);
        assert_eq!(source.read(&mut [9.0; 5]).unwrap(), Frames(2));
        assert!(source.melody().is_none());
        assert!(format!("{source:?}").contains("position: Frames(2)"));
    }
}
