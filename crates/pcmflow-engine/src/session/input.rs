//! What feeds a flow from outside, as a session starts and stops it.

use pcmflow_core::format::Frames;
use serde::{Deserialize, Serialize};
use std::error::Error;

/// What an input does.
///
/// ```
/// use pcmflow_engine::session::InputState;
/// assert_eq!(InputState::Failed.name(), "failed");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputState {
    /// It was not started yet.
    #[default]
    Waiting,
    /// It brings frames.
    Running,
    /// It was told to stop, and can be started again.
    Stopped,
    /// Its stream came to its end.
    Ended,
    /// It could not go on.
    Failed,
}

impl InputState {
    /// One lower-case word for machines.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }
}

/// What is known of an input.
///
/// ```
/// use pcmflow_engine::session::{InputState, InputStatus};
/// assert_eq!(InputStatus::default().state, InputState::Waiting);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputStatus {
    /// What it does.
    pub state: InputState,
    /// What is wrong with it, if anything is.
    pub trouble: Option<String>,
    /// Frames that it made, by its own count.
    pub frames_in: Frames,
    /// Frames in the ring behind it.
    pub ring_fill: Frames,
    /// As many as that holds.
    pub ring_capacity: Frames,
}

/// What feeds a source of a flow: a device, a file, a page's microphone.
///
/// ```
/// use pcmflow_engine::session::{Input, InputState, InputStatus};
/// #[derive(Default)]
/// struct Tone(InputState);
/// impl Input for Tone {
///     fn start(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///         self.0 = InputState::Running;
///         Ok(())
///     }
///     fn stop(&mut self) {
///         self.0 = InputState::Stopped;
///     }
///     fn status(&self) -> InputStatus {
///         InputStatus { state: self.0, ..InputStatus::default() }
///     }
/// }
/// let mut tone = Tone::default();
/// tone.start()?;
/// assert_eq!(tone.status().state, InputState::Running);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub trait Input: Send {
    /// Begins to bring frames; also after it was stopped. One that brings some already goes on.
    ///
    /// Not RT-safe: called by the control side.
    ///
    /// # Errors
    /// Whatever stands in the way.
    fn start(&mut self) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// Brings no more frames, soon.
    ///
    /// Not RT-safe: called by the control side; must not wait for audio.
    fn stop(&mut self);

    /// What it does.
    ///
    /// Not RT-safe: called by the control side.
    fn status(&self) -> InputStatus;
}
