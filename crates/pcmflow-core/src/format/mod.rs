//! Formats and units: what a number of samples means.
//!
//! A *frame* is one sample per channel; a *sample* is one number. Counts of frames, positions on a
//! stream's timeline, rates and channels are types of their own, so that they can't be mixed up.

mod channels;
mod sample;
mod units;
mod view;

pub use channels::ChannelMap;
pub use sample::{ByteOrder, SampleEncoding, SampleFormat};
pub use units::{ChannelCount, FormatError, Frames, SampleRate, StreamFormat, StreamPosition};
pub use view::{Interleaved, Layout, Planar};
