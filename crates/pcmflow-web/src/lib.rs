//! The engine of pcmflow for browsers: the native program's engine, nodes, configuration, console and books, behind raw exports.
//!
//! ```text
//!  AudioWorklet                 Worker
//!  copies a quantum     ║       polls: source → pitch, level
//!  into the planes,     ║       answers commands, tells events
//!  Capture::push ═ ring ╬═      WebEngine
//! ```
//!
//! In the *shared* build both run on one memory: the worklet's instance calls `push`, the Worker's everything else, and no frame is
//! copied between threads. In the *plain* build the Worker calls `push` too, with what the worklet sent it. The same code runs in native
//! tests, where all of it but the exports themselves is driven through [`WebEngine`] and [`Capture`].
//!
//! The exports take and return 32-bit numbers and `f64`; what is not hot is JSON. There is no clock, no thread and no import but the
//! shared build's memory: the host tells the time with each poll.

mod audio_clock;
mod capture;
mod engine;
mod error;
mod events;
#[cfg(target_arch = "wasm32")]
mod exports;
mod gate;
mod heard;
mod input;
mod last_words;
mod messages;
#[cfg(test)]
mod tests;

pub use capture::Capture;
pub use engine::WebEngine;
pub use error::WebError;
pub use last_words::LastWords;

/// The longest message.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What the source is called.
const INPUT: &str = "input";
/// The nodes that listen to it.
const SINKS: [&str; 2] = ["pitch", "level"];
