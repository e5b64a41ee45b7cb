//! Notes of the twelve-tone equal temperament.

use core::fmt;

const NAMES: [&str; 12] = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
/// The MIDI number of A4.
const A4_MIDI: f64 = 69.0;

/// A note, by its MIDI number: 69 is A4, 60 is C4.
///
/// ```
/// use pcmflow_pitch::Note;
/// let (note, cents) = Note::nearest(550.0, 440.0).ok_or("no note")?;
/// assert_eq!(note.to_string(), "C#5");
/// assert_eq!(cents.round(), -14.0);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Note(u8);

impl Note {
    /// The note nearest to `hz` with A4 at `a4_hz`, and how far above it `hz` lies, in cents (−50 to 50).
    ///
    /// None where `hz` is outside the MIDI range or not a number.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn nearest(hz: f32, a4_hz: f32) -> Option<(Self, f32)> {
        let midi = A4_MIDI + 12.0 * (f64::from(hz) / f64::from(a4_hz)).log2();
        let nearest = midi.round();
        // The comparison is false for NaN too.
        (0.0..=127.0).contains(&nearest).then_some((Self(nearest as u8), (100.0 * (midi - nearest)) as f32))
    }

    /// The MIDI number.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn midi(self) -> u8 {
        self.0
    }

    /// The pitch of this note with A4 at `a4_hz`, in Hz.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn hz(self, a4_hz: f32) -> f32 {
        (f64::from(a4_hz) * ((f64::from(self.0) - A4_MIDI) / 12.0).exp2()) as f32
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, octave) = (NAMES[usize::from(self.0 % 12)], i32::from(self.0 / 12) - 1);
        if f.width().is_none() && f.precision().is_none() {
            return write!(f, "{name}{octave}");
        }
        // As text, so that tables align.
        f.pad(&format!("{name}{octave}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_column() {
        assert_eq!(format!("{:<4}|{:>5}|{}", Note(69), Note(70), Note(69)), "A4  |  A#4|A4");
    }

    #[test]
    fn every_note_is_nearest_to_itself_and_names_differ() {
        let mut names = std::collections::BTreeSet::new();
        for midi in 0..=127 {
            let (note, cents) = Note::nearest(Note(midi).hz(442.0), 442.0).unwrap();
            assert_eq!(note.midi(), midi);
            assert!(cents.abs() < 0.01, "{note}: {cents}");
            names.insert(note.to_string());
        }
        assert_eq!(names.len(), 128);
    }

    #[test]
    fn names_follow_the_scientific_notation() {
        for (hz, name) in [(27.5, "A0"), (261.626, "C4"), (246.9, "B3"), (277.18, "C#4"), (4186.0, "C8")] {
            assert_eq!(Note::nearest(hz, 440.0).unwrap().0.to_string(), name);
        }
    }

    #[test]
    fn cents_stay_within_half_a_semitone() {
        for n in 0..2000 {
            let (_, cents) = Note::nearest(30.0 + n as f32 * 1.37, 440.0).unwrap();
            assert!((-50.0..=50.0).contains(&cents));
        }
        // 30 cents sharp.
        let (note, cents) = Note::nearest(440.0 * 2f32.powf(0.3 / 12.0), 440.0).unwrap();
        assert_eq!((note.to_string().as_str(), cents.round()), ("A4", 30.0));
    }

    #[test]
    fn what_is_no_pitch_is_no_note() {
        for hz in [0.0, -5.0, f32::NAN, f32::INFINITY, 1.0, 20_000.0] {
            assert_eq!(Note::nearest(hz, 440.0), None, "{hz}");
        }
    }
}
