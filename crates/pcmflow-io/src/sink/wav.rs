//! WAV files.

use super::{Sink, SinkError, whole_frames};
use crate::is_pipe;
use hound::{SampleFormat, WavSpec, WavWriter};
use pcmflow_core::format::{Frames, StreamFormat};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::str::FromStr;

/// Bytes that the header may take; 68 is the longest that is written.
const HEADER_BYTES_MAX: u64 = 128;

/// How samples are stored in a WAV file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WavFormat {
    /// Unsigned 8 bit.
    U8,
    /// Signed 16 bit.
    #[default]
    S16,
    /// Signed 24 bit.
    S24,
    /// Signed 32 bit.
    S32,
    /// IEEE single, which keeps every sample as it is.
    F32,
}

impl WavFormat {
    /// Every format with its name.
    pub const ALL: [(&'static str, WavFormat); 5] =
        [("u8", Self::U8), ("s16", Self::S16), ("s24", Self::S24), ("s32", Self::S32), ("f32", Self::F32)];

    const fn bits(self) -> u16 {
        match self {
            Self::U8 => 8,
            Self::S16 => 16,
            Self::S24 => 24,
            Self::S32 | Self::F32 => 32,
        }
    }
}

/// A name that is no WAV sample format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such WAV sample format; one of u8, s16, s24, s32, f32")]
pub struct UnknownWavFormat;

impl FromStr for WavFormat {
    type Err = UnknownWavFormat;
    fn from_str(text: &str) -> Result<Self, UnknownWavFormat> {
        Self::ALL.iter().find_map(|(name, format)| (*name == text).then_some(*format)).ok_or(UnknownWavFormat)
    }
}

/// Writes a WAV file. Until [`Sink::finish`] the header says that the file is empty.
pub struct WavSink {
    writer: WavWriter<BufWriter<File>>,
    name: String,
    wav: WavFormat,
    format: StreamFormat,
    frames: Frames,
    frames_max: Frames,
}

impl WavSink {
    /// Creates the file at `path`, or empties it.
    ///
    /// Not RT-safe: makes system calls, allocates.
    ///
    /// # Errors
    /// [`SinkError::Create`] when that fails.
    pub fn create(path: impl AsRef<Path>, wav: WavFormat, format: StreamFormat) -> Result<Self, SinkError> {
        let name = path.as_ref().display().to_string();
        Self::refuse_pipe(path.as_ref())?;
        match File::create(path) {
            Ok(file) => Self::new(file, &name, wav, format),
            Err(source) => Err(SinkError::Create { name, source }),
        }
    }

    /// Refuses a named pipe before it is opened, which would wait for a reader.
    ///
    /// Not RT-safe: makes a system call.
    ///
    /// # Errors
    /// [`SinkError::Create`].
    pub fn refuse_pipe(path: &Path) -> Result<(), SinkError> {
        if !is_pipe(path) {
            return Ok(());
        }
        let source =
            io::Error::other("a pipe takes no WAV file, whose header is written last: write raw PCM");
        Err(SinkError::Create { name: path.display().to_string(), source })
    }

    /// Writes to `file`, which is empty, and which messages call `name`.
    ///
    /// Not RT-safe: makes system calls, allocates.
    ///
    /// # Errors
    /// [`SinkError::Create`] when the header can't be written.
    pub fn new(file: File, name: &str, wav: WavFormat, format: StreamFormat) -> Result<Self, SinkError> {
        let spec = WavSpec {
            channels: format.channels.get() as u16,
            sample_rate: format.rate.hz(),
            bits_per_sample: wav.bits(),
            sample_format: if wav == WavFormat::F32 { SampleFormat::Float } else { SampleFormat::Int },
        };
        let frame_bytes = u64::from(wav.bits() / 8) * format.channels.get() as u64;
        let frames_max = Frames((u64::from(u32::MAX) - HEADER_BYTES_MAX) / frame_bytes);
        let (name, frames) = (name.to_owned(), Frames::ZERO);
        match WavWriter::new(BufWriter::new(file), spec) {
            Ok(writer) => Ok(Self { writer, name, wav, format, frames, frames_max }),
            Err(error) => Err(SinkError::Create { name, source: io_error(error) }),
        }
    }
}

impl fmt::Debug for WavSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WavSink")
            .field("name", &self.name)
            .field("wav", &self.wav)
            .field("format", &self.format)
            .field("frames", &self.frames)
            .finish()
    }
}

impl Sink for WavSink {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn write(&mut self, interleaved: &[f32]) -> Result<(), SinkError> {
        let frames = whole_frames(interleaved, self.format)?;
        // Lengths in a WAV header have 32 bits; beyond that the header would lie.
        let fitting = frames.min(self.frames_max - self.frames);
        let full = f64::from(1u32 << (self.wav.bits() - 1));
        for &sample in &interleaved[..fitting.samples(self.format.channels)] {
            let written = match self.wav {
                WavFormat::F32 => self.writer.write_sample(sample),
                _ => self.writer.write_sample(
                    // Rounded in f64, which holds every product exactly; `as` makes NaN 0.
                    (f64::from(sample) * full).round_ties_even().clamp(-full, full - 1.0) as i32,
                ),
            };
            written.map_err(|error| SinkError::write(&self.name, io_error(error)))?;
        }
        self.frames += fitting;
        if fitting < frames {
            return Err(SinkError::Full { name: self.name.clone(), frames: self.frames_max });
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Frames, SinkError> {
        let Self { writer, name, frames, .. } = *self;
        writer.finalize().map_err(|error| SinkError::write(&name, io_error(error)))?;
        Ok(frames)
    }
}

fn io_error(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, open_file};

    fn temporary(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("pcmflow-{}-{name}.wav", std::process::id()))
    }

    #[test]
    fn every_format_comes_back() {
        let format = StreamFormat::new(44_100, 3).unwrap();
        let samples: Vec<f32> = (0..768).map(|n| ((n % 256) as f32 - 128.0) / 128.0).collect();
        for (name, wav) in WavFormat::ALL {
            assert_eq!(name.parse(), Ok(wav));
            let path = temporary(name);
            let mut sink = Box::new(WavSink::create(&path, wav, format).unwrap());
            sink.write(&samples).unwrap();
            assert!(format!("{sink:?}").contains(".wav"));
            assert_eq!(sink.finish().unwrap(), Frames(256));
            let mut source = open_file(&path).unwrap();
            assert_eq!((source.format(), source.frames_hint()), (format, Some(Frames(256))));
            let mut back = vec![0.0; 1000];
            assert_eq!(source.read(&mut back).unwrap(), Frames(256));
            assert!(back[..768] == samples[..], "{name}");
            std::fs::remove_file(path).unwrap();
        }
        assert!("s20".parse::<WavFormat>().unwrap_err().to_string().contains("u8, s16"));
    }

    #[test]
    fn integers_clip_and_nan_is_silent() {
        let path = temporary("clip");
        let mut sink =
            Box::new(WavSink::create(&path, WavFormat::S16, StreamFormat::new(8_000, 1).unwrap()).unwrap());
        sink.write(&[2.0, -2.0, f32::NAN, 1.0, -1.0]).unwrap();
        sink.finish().unwrap();
        let stored: Vec<i16> = hound::WavReader::open(&path).unwrap().samples().map(Result::unwrap).collect();
        assert_eq!(stored, [32_767, -32_768, 0, 32_767, -32_768]);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_full_file_is_whole_and_says_so() {
        let path = temporary("full");
        let format = StreamFormat::new(8_000, 1).unwrap();
        let mut sink = WavSink::create(&path, WavFormat::S16, format).unwrap();
        assert_eq!(sink.frames_max, Frames((u64::from(u32::MAX) - 128) / 2));
        // Four gibibytes are not written here: the bound itself is moved.
        sink.frames_max = Frames(3);
        sink.write(&[0.5; 2]).unwrap();
        let error = sink.write(&[0.5; 2]).unwrap_err();
        assert!(matches!(error, SinkError::Full { frames: Frames(3), .. }), "{error}");
        assert_eq!(Box::new(sink).finish().unwrap(), Frames(3));
        assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 3);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_path_that_cannot_be_is_named() {
        let format = StreamFormat::new(8_000, 1).unwrap();
        let error = WavSink::create("/nowhere/at/all.wav", WavFormat::F32, format).unwrap_err();
        assert!(error.to_string().starts_with("can't create /nowhere/at/all.wav"), "{error}");
    }
}
