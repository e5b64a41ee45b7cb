//! Blocks: how long they are, how a stream is cut into them, and the windows that are laid over them.

mod analyzer;
mod size;
mod window;

pub use analyzer::{Block, BufferAnalyzer, Step};
pub use size::{BlockSize, BlockSizeError, BufferConstants, Profile};
pub use window::{Blackman, Hamming, Hann, Window, WindowFunction, WindowKind, WindowSymmetry};
