//! What a tracker says about a moment of the stream.

use crate::Note;
use pcmflow_core::format::StreamPosition;

/// The pitch at one moment of the stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PitchEstimate {
    /// The frame this is for: the centre of the window that was looked at, never before the stream (or what follows a
    /// gap) began.
    pub position: StreamPosition,
    /// The pitch in Hz, the best guess even where it is not voiced; none where there is no period at all.
    pub hz: Option<f32>,
    /// How periodic the sound is, 0 to 1; 0.5 is the threshold of voiced. Silence is 0.
    pub confidence: f32,
    /// Whether there is a pitch to speak of: `confidence` is at least 0.5 and there is one.
    pub voiced: bool,
    /// The note nearest to `hz`.
    pub note: Option<Note>,
    /// How far `hz` lies above `note`, in cents: −50 to 50; 0 where there is none.
    pub cents: f32,
}
