//! Where frames and results go: WAV files, raw PCM, JSON lines, nothing.

mod jsonl;
mod none;
mod raw;
mod wav;

pub use jsonl::JsonLines;
pub use none::NoneSink;
pub use raw::RawSink;
pub use wav::{UnknownWavFormat, WavFormat, WavSink};

use pcmflow_core::format::{FormatError, Frames, StreamFormat};
use std::io;

/// Something that takes interleaved frames until it is finished.
///
/// Any one thread may own it; it may block, allocate and make system calls.
pub trait Sink: Send {
    /// The rate and the channels of the frames that it takes.
    fn format(&self) -> StreamFormat;

    /// Takes whole frames, interleaved, nominal range −1.0..=1.0.
    ///
    /// Integer formats round to nearest and clip at full scale, and turn NaN into silence.
    ///
    /// Not RT-safe: makes system calls, blocks, allocates.
    ///
    /// # Errors
    /// [`SinkError::PartialFrame`] when the length is no multiple of the channels; nothing is written. Others when
    /// the frames could not be written; how much of them was is unknown then.
    fn write(&mut self, interleaved: &[f32]) -> Result<(), SinkError>;

    /// Completes what was written and returns the frames that it took.
    ///
    /// Not RT-safe: makes system calls, blocks.
    ///
    /// # Errors
    /// [`SinkError`] when the end could not be written; the output is incomplete then.
    fn finish(self: Box<Self>) -> Result<Frames, SinkError>;
}

/// Why an output could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The file could not be made: give another path, or the right to write there.
    #[error("can't create {name}: {source}")]
    Create {
        /// The path as it was given.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed: the disk may be full.
    #[error("can't write {name}: {source}")]
    Write {
        /// Path or name of the stream.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The reader of the pipe has gone; for a filter that is an ordinary end.
    #[error("nobody reads {name} any more")]
    BrokenPipe {
        /// Name of the stream.
        name: String,
    },
    /// A WAV file holds 4 GiB; what fitted was written and the file is whole. Start another, or write raw PCM.
    #[error("{name} is full: a WAV file holds 4 GiB, which is {frames} frames of this format")]
    Full {
        /// The path as it was given.
        name: String,
        /// The frames that the file holds.
        frames: Frames,
    },
    /// Not a whole number of frames; nothing was written.
    #[error(transparent)]
    PartialFrame(FormatError),
    /// A value has no JSON form.
    #[error("can't write {name} as JSON: {source}")]
    Json {
        /// Name of the stream.
        name: String,
        /// What is wrong with the value.
        source: serde_json::Error,
    },
}

impl SinkError {
    /// What `source` means to somebody who writes to the stream called `name`.
    pub fn write(name: &str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe { name: name.into() },
            _ => Self::Write { name: name.into(), source },
        }
    }
}

/// The frames in `interleaved`, if they are whole.
fn whole_frames(interleaved: &[f32], format: StreamFormat) -> Result<Frames, SinkError> {
    pcmflow_core::format::Interleaved::new(interleaved, format.channels)
        .map(|view| view.frames())
        .map_err(SinkError::PartialFrame)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that fails once it has taken so many bytes.
    pub(super) struct Failing(pub(super) usize, pub(super) io::ErrorKind);

    impl io::Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(self.1.into()) } else { Ok(taken) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_partial_frame_is_refused_by_every_sink() {
        let format = StreamFormat::new(48_000, 2).unwrap();
        let mut raw = RawSink::new(Vec::new(), "memory", "s16le".parse().unwrap(), format);
        let mut none = NoneSink::new(format);
        let dir = std::env::temp_dir().join(format!("pcmflow-partial-{}.wav", std::process::id()));
        let mut wav = WavSink::create(&dir, WavFormat::S16, format).unwrap();
        for sink in [&mut raw as &mut dyn Sink, &mut none, &mut wav] {
            assert_eq!(sink.format(), format);
            assert!(matches!(sink.write(&[0.0; 3]), Err(SinkError::PartialFrame(_))));
        }
        std::fs::remove_file(dir).unwrap();
    }

    #[test]
    fn a_broken_pipe_is_told_from_a_full_disk() {
        let format = StreamFormat::new(48_000, 1).unwrap();
        let write = |kind| {
            let mut sink =
                RawSink::new(Failing(3, kind), "standard output", "f32le".parse().unwrap(), format);
            sink.write(&[0.0; 2]).unwrap_err()
        };
        assert!(matches!(write(io::ErrorKind::BrokenPipe), SinkError::BrokenPipe { .. }));
        let full = write(io::ErrorKind::StorageFull);
        assert!(full.to_string().starts_with("can't write standard output"), "{full}");
    }
}
