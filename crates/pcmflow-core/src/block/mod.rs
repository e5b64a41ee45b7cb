//! Blocks: their sizes, their windows, and the analyser that cuts a stream into them.

mod window;

pub use window::{Blackman, Hamming, Hann, Window, WindowFunction, WindowKind, WindowSymmetry};
