//! Synthetic signals: known input for tests, demonstrations and measurements.
//!
//! The same text always gives the same samples, on every platform to within rounding of `sin`: random numbers come from
//! SplitMix64 with the given seed. Every channel carries the same signal.

mod melody;
mod pluck;
mod random;
mod signal;
mod spec;

pub use melody::{Melody, MelodyNote};
pub use signal::SynthSource;
pub use spec::{NoiseColour, Signal, SynthError, SynthSpec};
