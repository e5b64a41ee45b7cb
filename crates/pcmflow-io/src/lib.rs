//! Where audio comes from and where it goes: files, standard streams, synthetic signals.
//!
//! Everything here blocks, allocates or makes system calls, so nothing here may run on an audio thread; it stands
//! at both ends of a ring. Samples are interleaved `f32`, nominal range −1.0..=1.0.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`source`] | [`Source`]: whole frames out of anything; [`Damage`]: what was wrong on the way |
//! | [`mod@file`] | [`open_file`], [`open_reader`]: every common container, raw PCM, pipes |
//! | [`synth`] | [`SynthSpec`]: sine, sweep, noise, silence, clicks, a plucked melody |
//! | [`sink`] | [`Sink`]: WAV, raw PCM, JSON lines, nothing |
//! | [`scan`] | [`scan::scan`]: what `pcmflow info` says about an input |
#![forbid(unsafe_code)]

mod decode;
pub mod file;
mod file_id;
mod flac;
mod pcm;
pub mod scan;
pub mod sink;
pub mod source;
pub mod synth;
mod wav;

pub use file::{FileSource, MediaInfo, RawFormat, open_file, open_reader};
pub use file_id::{FileId, is_pipe, is_same_file};
pub use sink::{JsonLines, NoneSink, RawSink, Sink, SinkError, WavFormat, WavSink};
pub use source::{Damage, Source, SourceError};
pub use synth::{Melody, MelodyNote, SynthError, SynthSource, SynthSpec};

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod samples;
