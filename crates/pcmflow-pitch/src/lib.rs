//! A causal monophonic pitch tracker that is fed with blocks.
//!
//! [`PitchTracker`] takes one block of a stream after another, each with the position that the stream gave it, and
//! answers each with one [`PitchEstimate`]: the frame the estimate is for, the pitch in Hz, a confidence, and the
//! nearest [`Note`]. It looks back into the same stream, never ahead, and never across a gap.
//!
//! # How it estimates
//! ```text
//! mono, finite, clamped -> 20 Hz high-pass -> decimated to 44.1..88.2 kHz -> the last 69.7 ms
//!   n(lag)  the normalised square difference of that window                     (McLeod and Wyvill 2005)
//!   d(lag)  its windowed autocorrelation with the noise floor taken out of the
//!           power spectrum, divided by that of the window                       (Boersma 1993)
//!   s       the share of the power that rises above the floor
//!   M(lag) = (n + d) / 2 (n alone where s is about 0); each peak of M is a candidate period; the
//!           best is the highest after a cost that grows with the octaves below the top
//!           of the range
//!   clarity = (1 - s) n + s d at that period: the sound is voiced from 0.8 on, unless it
//!           lies below -85 dBFS
//! ```
//! The two correlations fail apart: `n` sees every period at full resolution but sinks in noise, `d` withstands noise
//! but loses low notes whose partials lie too close for its window. No state but the samples is carried from block to block: a
//! wrong octave can't be locked in.
//!
//! # Time
//! The estimate of a block is for the *centre* of the window that ends with the block: 34.8 ms before the block's end
//! once the window is full ([`PitchTracker::delay_frames`]). Where a stream (or what follows a gap) begins, the window
//! is what there is, and its centre moves accordingly; at the end [`PitchTracker::finish`] lets it shrink again.
//!
//! # Threads
//! A tracker belongs to one thread. Everything is allocated by [`PitchTracker::new`]; a block costs at most four
//! transforms of a fixed length and allocates nothing.
//!
//! ```
//! use pcmflow_core::format::{ChannelCount, Interleaved, SampleRate, StreamPosition};
//! use pcmflow_pitch::{PitchConfig, PitchTracker};
//!
//! let rate = SampleRate::HZ_48000;
//! let mut tracker = PitchTracker::new(PitchConfig::new(rate))?;
//! let mut position = StreamPosition::START;
//! let mut last = None;
//! let tone: Vec<f32> = (0..9_600).map(|n| (n as f32 * 440.0 * std::f32::consts::TAU / 48_000.0).sin()).collect();
//! for samples in tone.chunks(1024) {
//!     let block = Interleaved::new(samples, ChannelCount::MONO)?;
//!     last = tracker.block(position, block);
//!     position += block.frames();
//! }
//! let estimate = last.ok_or("no block")?;
//! assert!(estimate.voiced);
//! assert_eq!(estimate.note.ok_or("no note")?.to_string(), "A4");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod config;
mod correlate;
mod estimate;
mod history;
mod note;
mod peaks;
mod period;
mod tracker;

pub use config::{PitchConfig, PitchError};
pub use estimate::PitchEstimate;
pub use note::Note;
pub use tracker::{PitchTracker, Tail};
