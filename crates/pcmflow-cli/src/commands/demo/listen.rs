//! From estimates to notes: an ear.

use pcmflow::core::format::{Frames, SampleRate, StreamPosition};
use pcmflow::pitch::{Note, PitchEstimate};

/// The shortest stretch of one pitch that is taken for a note.
const NOTE_SECONDS_MIN: f64 = 0.1;
/// How far an estimate may be from the note's running pitch and still belong to it.
const SAME_NOTE_CENTS: f64 = 60.0;

/// A note that was heard.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    pub(super) note: Note,
    /// Median frequency.
    pub(super) hz: f64,
    /// How far that lies above `note`.
    pub(super) cents: f64,
    start: StreamPosition,
    end: StreamPosition,
}

impl Heard {
    pub(super) fn middle(&self) -> StreamPosition {
        self.start + Frames((self.end - self.start).0 / 2)
    }
}

/// Gathers estimates that belong together into notes.
#[derive(Debug)]
pub(super) struct Ear {
    rate: SampleRate,
    /// Frequencies of the note that sounds, and where it began and was last heard.
    sounding: Vec<f64>,
    start: StreamPosition,
    last: StreamPosition,
    heard: Vec<Heard>,
}

impl Ear {
    pub(super) fn new(rate: SampleRate) -> Self {
        let start = StreamPosition::START;
        Self { rate, sounding: Vec::new(), start, last: start, heard: Vec::new() }
    }

    pub(super) fn hear(&mut self, estimate: &PitchEstimate) {
        let hz = estimate.hz.filter(|_| estimate.voiced).map(f64::from);
        let same = match (hz, self.median()) {
            (Some(hz), Some(median)) => (1200.0 * (hz / median).log2()).abs() < SAME_NOTE_CENTS,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !same {
            self.close();
        }
        let Some(hz) = hz else { return };
        if self.sounding.is_empty() {
            self.start = estimate.position;
        }
        self.sounding.push(hz);
        self.last = estimate.position;
    }

    fn median(&self) -> Option<f64> {
        let mut sorted = self.sounding.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    fn close(&mut self) {
        let long_enough = self.rate.frames_to_secs(self.last - self.start) >= NOTE_SECONDS_MIN;
        if let (Some(hz), true) = (self.median(), long_enough)
            && let Some((note, cents)) = Note::nearest(hz as f32, 440.0)
        {
            let (start, end) = (self.start, self.last);
            self.heard.push(Heard { note, hz, cents: f64::from(cents), start, end });
        }
        self.sounding.clear();
    }

    /// The notes that were heard, in order.
    pub(super) fn heard(mut self) -> Vec<Heard> {
        self.close();
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimates(ear: &mut Ear, from: u64, hz: f32, voiced: bool, count: u64) -> u64 {
        for n in from..from + count {
            let (note, cents) = Note::nearest(hz, 440.0).unwrap();
            ear.hear(&PitchEstimate {
                position: StreamPosition(n * 1024),
                hz: Some(hz),
                confidence: if voiced { 0.9 } else { 0.1 },
                voiced,
                note: Some(note),
                cents,
            });
        }
        from + count
    }

    #[test]
    fn notes_are_told_apart_by_pitch_and_by_silence() {
        let mut ear = Ear::new(SampleRate::HZ_48000);
        let mut at = estimates(&mut ear, 0, 440.0, true, 10);
        at = estimates(&mut ear, at, 466.2, true, 10);
        at = estimates(&mut ear, at, 466.2, false, 3);
        at = estimates(&mut ear, at, 466.2, true, 10);
        // Too short to be a note.
        estimates(&mut ear, at, 880.0, true, 3);
        let heard = ear.heard();
        let names: Vec<_> = heard.iter().map(|heard| heard.note.to_string()).collect();
        assert_eq!(names, ["A4", "A#4", "A#4"]);
        assert_eq!(heard[0].middle(), StreamPosition(9 * 1024 / 2));
    }

    #[test]
    fn nothing_voiced_is_nothing_heard() {
        let mut ear = Ear::new(SampleRate::HZ_48000);
        estimates(&mut ear, 0, 440.0, false, 50);
        assert_eq!(ear.heard(), []);
    }
}
