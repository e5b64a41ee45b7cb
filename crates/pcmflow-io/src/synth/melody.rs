//! A tune composed from a seed, and its player.
//!
//! It climbs a scale over a little more than two octaves in steps and thirds with a few turns on the way, and falls back
//! to the octave of its key note. No note is shorter than 0.35 s, so that any tracker can hear each.

use super::pluck::Pluck;
use super::random::SplitMix64;
use pcmflow_core::format::{Frames, SampleRate, StreamPosition};

/// The shortest note.
const BEAT_SECONDS: f64 = 0.35;
/// The time in which a note is damped before the next is plucked.
const DAMP_SECONDS: f64 = 0.03;
/// Semitones of the scales over the key note.
const MAJOR: [u8; 7] = [0, 2, 4, 5, 7, 9, 11];
const MINOR: [u8; 7] = [0, 2, 3, 5, 7, 8, 10];

/// One note of a tune.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MelodyNote {
    /// MIDI number: 69 is A4.
    pub midi: u8,
    /// Where it is plucked.
    pub start: StreamPosition,
    /// How long it lasts, its damping included.
    pub frames: Frames,
    /// Its fundamental frequency, detuning included.
    pub hz: f64,
}

impl MelodyNote {
    /// Its name with the octave, `A4` for 69, sharps for black keys.
    pub fn name(&self) -> String {
        const NAMES: [&str; 12] = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
        format!("{}{}", NAMES[usize::from(self.midi % 12)], i32::from(self.midi / 12) - 1)
    }
}

/// A tune: what a tracker that listens to it should find.
///
/// ```
/// use pcmflow_core::format::SampleRate;
/// use pcmflow_io::Melody;
/// let melody = Melody::compose(1, SampleRate::HZ_48000, 0.0);
/// let first = melody.notes()[0];
/// assert!((first.hz - 440.0 * 2f64.powf((f64::from(first.midi) - 69.0) / 12.0)).abs() < 1e-9);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Melody {
    rate: SampleRate,
    notes: Vec<MelodyNote>,
}

impl Melody {
    /// Composes 12 to 16 notes; the same seed gives the same tune at any rate. `detune_cents` moves all of them.
    ///
    /// Not RT-safe: allocates.
    pub fn compose(seed: u64, rate: SampleRate, detune_cents: f64) -> Self {
        let mut random = SplitMix64(seed ^ 0x006D_656C_6F64_7900);
        let scale = if random.below(3) == 0 { MINOR } else { MAJOR };
        let key = 48 + random.below(8) as u8;
        let count = 12 + random.below(5) as i64;
        let top = 14 + random.below(4) as i64;
        let peak = count * 3 / 5;
        let mut notes: Vec<MelodyNote> = Vec::new();
        let mut start = StreamPosition::START;
        let mut before = None;
        for index in 0..count {
            let fixed = index == 0 || index == peak || index == count - 1;
            // A straight climb from 0 to `top` and fall to 7, the octave; the notes between stray a step from it.
            let line = match index <= peak {
                true => top * index / peak,
                false => top - (top - 7) * (index - peak) / (count - 1 - peak),
            };
            let stray = if fixed { 0 } else { random.below(3) as i64 - 1 };
            let mut degree = (line + stray).clamp(0, top);
            if before == Some(degree) {
                degree += if degree < top && index <= peak { 1 } else { -1 };
            }
            before = Some(degree);
            let midi = key + 12 * (degree / 7) as u8 + scale[(degree % 7) as usize];
            let beats = match random.below(6) {
                _ if index == count - 1 => 3.0,
                0 => 2.0,
                1 | 2 => 1.5,
                _ => 1.0,
            };
            let frames = Frames((beats * BEAT_SECONDS * f64::from(rate.hz())).round() as u64);
            let hz = 440.0 * 2f64.powf((f64::from(midi) - 69.0 + detune_cents / 100.0) / 12.0);
            notes.push(MelodyNote { midi, start, frames, hz });
            start += frames;
        }
        Self { rate, notes }
    }

    /// The notes in order, without gaps between them.
    pub fn notes(&self) -> &[MelodyNote] {
        &self.notes
    }

    /// The rate that positions and frames are counted at.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The length of the tune.
    pub fn frames(&self) -> Frames {
        self.notes.last().map_or(Frames::ZERO, |note| (note.start + note.frames) - StreamPosition::START)
    }
}

/// Plucks one note after the other.
pub(crate) struct MelodyPlayer {
    melody: Melody,
    random: SplitMix64,
    string: Option<Pluck>,
    /// Index of the note that comes next, and frames left of the one that sounds.
    next_note: usize,
    left: u64,
    damp_frames: u64,
}

impl MelodyPlayer {
    pub(crate) fn new(melody: Melody, seed: u64) -> Self {
        let damp_frames = (DAMP_SECONDS * f64::from(melody.rate.hz())) as u64;
        Self { melody, random: SplitMix64(seed), string: None, next_note: 0, left: 0, damp_frames }
    }

    pub(crate) fn melody(&self) -> &Melody {
        &self.melody
    }

    /// The next sample; silence after the end.
    pub(crate) fn next(&mut self) -> f32 {
        if self.left == 0 {
            let Some(note) = self.melody.notes.get(self.next_note) else { return 0.0 };
            self.string = Some(Pluck::new(note.hz, self.melody.rate, &mut self.random));
            (self.left, self.next_note) = (note.frames.0, self.next_note + 1);
        }
        self.left -= 1;
        let sample = self.string.as_mut().map_or(0.0, Pluck::next);
        sample * (self.left as f32 / self.damp_frames.max(1) as f32).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tune_keeps_the_rules() {
        for seed in 0..500 {
            let melody = Melody::compose(seed, SampleRate::HZ_44100, 0.0);
            let notes = melody.notes();
            assert!((12..=16).contains(&notes.len()), "seed {seed}: {} notes", notes.len());
            let (low, high) = (notes.iter().map(|n| n.midi).min(), notes.iter().map(|n| n.midi).max());
            let range = high.unwrap() - low.unwrap();
            assert!((24..=30).contains(&range), "seed {seed}: {range} semitones");
            let mut start = StreamPosition::START;
            for note in notes {
                assert_eq!(note.start, start, "seed {seed}: notes follow each other");
                assert!(note.frames.0 as f64 >= 0.30 * 44_100.0, "seed {seed}: {note:?} is too short");
                start += note.frames;
            }
            for pair in notes.windows(2) {
                assert_ne!(pair[0].midi, pair[1].midi, "seed {seed}");
                let leap = pair[0].midi.abs_diff(pair[1].midi);
                assert!(leap <= 12, "seed {seed}: a leap of {leap} semitones");
            }
            assert_eq!(melody.frames(), start - StreamPosition::START);
        }
    }

    #[test]
    fn the_tune_depends_on_the_seed_and_not_on_the_rate() {
        let midi = |seed, hz| {
            let rate = SampleRate::new(hz).unwrap();
            Melody::compose(seed, rate, 0.0).notes().iter().map(|note| note.midi).collect::<Vec<_>>()
        };
        assert_eq!(midi(1, 48_000), midi(1, 16_000));
        assert_ne!(midi(1, 48_000), midi(2, 48_000));
    }

    #[test]
    fn detuning_moves_the_frequency_and_not_the_name() {
        let rate = SampleRate::HZ_48000;
        let (plain, sharp) = (Melody::compose(1, rate, 0.0), Melody::compose(1, rate, 30.0));
        assert_eq!(plain.rate(), rate);
        for (plain, sharp) in plain.notes().iter().zip(sharp.notes()) {
            assert_eq!(plain.name(), sharp.name());
            assert!((1200.0 * (sharp.hz / plain.hz).log2() - 30.0).abs() < 1e-9);
        }
        let a4 = MelodyNote { midi: 69, start: StreamPosition::START, frames: Frames(1), hz: 440.0 };
        assert_eq!((a4.name().as_str(), MelodyNote { midi: 61, ..a4 }.name().as_str()), ("A4", "C#4"));
    }
}
