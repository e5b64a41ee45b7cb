//! Files, pipes and anything else that can be read, opened by content and never by extension.

use crate::decode::{DecodedInfo, DecodedSource};
use crate::flac;
use crate::pcm::{PcmLayout, PcmSource};
use crate::scan::ScanOptions;
use crate::source::{Damage, Source, SourceError};
use crate::wav::{self, PcmCodec, WavError};
use pcmflow_core::format::{Frames, SampleEncoding, StreamFormat};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use symphonia::core::io::{MediaSource, ReadOnlySource};

/// Bytes that are read ahead at most; a pipe gives less when it has less.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// The longest WAV header whose bytes are kept, so that another decoder can read a pipe from its start.
const TAPE_BYTES_MAX: usize = 1 << 20;

/// What raw PCM can't say about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFormat {
    /// How each sample is stored.
    pub encoding: SampleEncoding,
    /// Rate and channels.
    pub format: StreamFormat,
}

/// What an input turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaInfo {
    /// The container: `RIFF`, `RIFX`, `RF64`, `raw`, or a longer name.
    pub container: String,
    /// The codec.
    pub codec: String,
    /// What one sample was before it became `f32`, where that is known.
    pub sample_format: Option<String>,
}

impl MediaInfo {
    /// The largest positive sample that the format can hold: what [`scan`](crate::scan::scan) takes for clipped.
    pub fn full_scale(&self) -> f32 {
        match self.sample_format.as_deref() {
            Some("u8" | "s8" | "8 bit") => 127.0 / 128.0,
            _ => ScanOptions::default().full_scale,
        }
    }
}

/// A file, a pipe or another stream of bytes, decoded.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_io::{RawFormat, Source, open_reader};
/// let raw = RawFormat { encoding: "s16le".parse()?, format: StreamFormat::new(16_000, 1)? };
/// let mut source = open_reader(&[0x00, 0x40, 0x00, 0xC0][..], "bytes", Some(raw))?;
/// let mut out = [0.0; 8];
/// assert_eq!(source.read(&mut out)?, Frames(2));
/// assert_eq!(out[..2], [0.5, -0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileSource {
    inner: Inner,
    info: MediaInfo,
}

enum Inner {
    Pcm(Box<PcmSource>),
    Decoded(Box<DecodedSource>),
}

impl FileSource {
    /// What the input turned out to be.
    pub fn info(&self) -> &MediaInfo {
        &self.info
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource").field("info", &self.info).field("format", &self.format()).finish()
    }
}

impl Source for FileSource {
    fn format(&self) -> StreamFormat {
        match &self.inner {
            Inner::Pcm(source) => source.format(),
            Inner::Decoded(source) => source.format(),
        }
    }
    fn read(&mut self, out: &mut [f32]) -> Result<Frames, SourceError> {
        match &mut self.inner {
            Inner::Pcm(source) => source.read(out),
            Inner::Decoded(source) => source.read(out),
        }
    }
    fn frames_hint(&self) -> Option<Frames> {
        match &self.inner {
            Inner::Pcm(source) => source.frames_hint(),
            Inner::Decoded(source) => source.frames_hint(),
        }
    }
    fn damage(&self) -> Option<&Damage> {
        match &self.inner {
            Inner::Pcm(source) => source.damage(),
            Inner::Decoded(source) => source.damage(),
        }
    }
}

/// Opens the audio file at `path`, whatever its extension says.
///
/// WAV (RIFF, RIFX, RF64, BW64; integers, floats, A-law, µ-law, ADPCM), AIFF, CAF, FLAC, MP1 to MP3, Ogg Vorbis, AAC and
/// ALAC in MP4, AAC in ADTS, Matroska and WebM with those codecs. The default audio track is taken. Encoder delay and
/// padding are trimmed where the file tells them. A path that names a pipe or a device is read as [`open_reader`] does.
///
/// Not RT-safe: makes system calls, blocks, allocates.
///
/// # Errors
/// Every variant of [`SourceError`] names the file and the reason.
pub fn open_file(path: impl AsRef<Path>) -> Result<FileSource, SourceError> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let open_failed = |source| SourceError::Open { name: name.clone(), source };
    let mut file = File::open(path).map_err(open_failed)?;
    let metadata = file.metadata().map_err(open_failed)?;
    if metadata.is_dir() {
        return Err(SourceError::Directory { name });
    }
    if !metadata.is_file() {
        return open_reader(file, &name, None);
    }
    let again = file.try_clone().map_err(open_failed)?;
    match sniff(again, &name)? {
        Sniffed::Wav(source) => Ok(source),
        Sniffed::Flac { head, input } => decoded(forward_only(head, input), &name),
        Sniffed::Other { .. } => {
            // Some containers keep at the end what is needed first, so the decoder may seek.
            file.rewind().map_err(|source| SourceError::Read { name: name.clone(), source })?;
            decoded(Box::new(file), &name)
        }
    }
}

/// Reads audio from `reader`, for example standard input; `name` stands in for a path in messages.
///
/// With `raw` the bytes are samples from the first on. Without it the content decides, as in [`open_file`], as far as
/// that can be read without seeking. Raw PCM and uncompressed WAV deliver each frame as soon as its bytes are there, and
/// WAV headers that a program left unfinished because it wrote to a pipe are understood.
///
/// Not RT-safe: blocks, allocates.
///
/// # Errors
/// Every variant of [`SourceError`] names the stream and the reason.
pub fn open_reader(
    reader: impl Read + Send + 'static,
    name: &str,
    raw: Option<RawFormat>,
) -> Result<FileSource, SourceError> {
    if let Some(RawFormat { encoding, format }) = raw {
        let input: Box<dyn Read + Send> = Box::new(reader);
        let layout = PcmLayout { codec: PcmCodec::Linear(encoding), format, data_bytes: None };
        let input = BufReader::with_capacity(READ_AHEAD_BYTES, input);
        return Ok(uncompressed(input, name, layout, "raw"));
    }
    match sniff(reader, name)? {
        Sniffed::Wav(source) => Ok(source),
        Sniffed::Flac { head, input } | Sniffed::Other { head, input } => {
            decoded(forward_only(head, input), name)
        }
    }
}

/// `head` and then `input`, for a decoder that does without seeking.
fn forward_only(head: Vec<u8>, input: Input) -> Box<dyn MediaSource> {
    // The library wants a source that threads could share; a mutex that is never contended gives it that.
    let whole = Unshared(Mutex::new(Box::new(Cursor::new(head).chain(input))));
    Box::new(ReadOnlySource::new(whole))
}

fn decoded(media: Box<dyn MediaSource>, name: &str) -> Result<FileSource, SourceError> {
    let (source, DecodedInfo { container, codec, sample_format }) = DecodedSource::open(media, name)?;
    Ok(FileSource {
        inner: Inner::Decoded(Box::new(source)),
        info: MediaInfo { container, codec, sample_format },
    })
}

type Input = BufReader<Box<dyn Read + Send>>;

fn uncompressed(input: Input, name: &str, layout: PcmLayout, container: &str) -> FileSource {
    let codec = match layout.codec {
        PcmCodec::Linear(_) | PcmCodec::S24In32(_) => "PCM",
        PcmCodec::ALaw | PcmCodec::MuLaw => "G.711",
    };
    let info = MediaInfo {
        container: container.into(),
        codec: codec.into(),
        sample_format: Some(layout.codec.to_string()),
    };
    FileSource { inner: Inner::Pcm(Box::new(PcmSource::new(input, name.into(), layout))), info }
}

/// What the first bytes say.
enum Sniffed {
    /// Uncompressed WAV, ready to be read.
    Wav(FileSource),
    /// FLAC: `head` stands for all that was read, the frames come from `input`.
    Flac { head: Vec<u8>, input: Input },
    /// Anything else: `head` was read already, the rest comes from `input`.
    Other { head: Vec<u8>, input: Input },
}

/// Reads as much as is needed to tell what this is, and the header of WAV and FLAC.
fn sniff(reader: impl Read + Send + 'static, name: &str) -> Result<Sniffed, SourceError> {
    let reader: Box<dyn Read + Send> = Box::new(reader);
    let mut input = BufReader::with_capacity(READ_AHEAD_BYTES, reader);
    let mut tape = Vec::new();
    input
        .by_ref()
        .take(12)
        .read_to_end(&mut tape)
        .map_err(|source| SourceError::Read { name: name.into(), source })?;
    if tape.is_empty() {
        return Err(SourceError::Empty { name: name.into() });
    }
    if flac::is_flac(&tape) {
        let mut whole = Cursor::new(tape).chain(input);
        let head = flac::strip_metadata(&mut whole).map_err(|error| SourceError::Damaged {
            name: name.into(),
            reason: format!("its metadata can't be read: {error}"),
        })?;
        return Ok(Sniffed::Flac { head: head.into(), input: whole.into_inner().1 });
    }
    if !wav::is_wav(&tape) {
        return Ok(Sniffed::Other { head: tape, input });
    }
    let mut recorder = Recorder { input: Cursor::new(tape).chain(input), tape: Vec::new(), complete: true };
    let parsed = wav::parse(&mut recorder);
    let Recorder { input, tape, complete } = recorder;
    let (_, input) = input.into_inner();
    match parsed {
        Ok(header) => {
            let layout =
                PcmLayout { codec: header.codec, format: header.format, data_bytes: header.data_bytes };
            Ok(Sniffed::Wav(uncompressed(input, name, layout, header.container)))
        }
        Err(WavError::Compressed(_)) if complete => Ok(Sniffed::Other { head: tape, input }),
        Err(WavError::Compressed(tag)) => Err(SourceError::UnsupportedCodec {
            name: name.into(),
            codec: format!("WAV codec {:#06x} behind a very long header", tag.0),
        }),
        Err(WavError::Format(source)) => Err(SourceError::Format { name: name.into(), source }),
        Err(WavError::Read(source)) => Err(SourceError::Read { name: name.into(), source }),
        Err(error) => Err(SourceError::Damaged { name: name.into(), reason: error.to_string() }),
    }
}

/// Keeps a copy of what is read through it, up to a bound.
struct Recorder<R> {
    input: R,
    tape: Vec<u8>,
    /// Whether `tape` is everything that was read.
    complete: bool,
}

impl<R: Read> Read for Recorder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        self.complete &= self.tape.len() + count <= TAPE_BYTES_MAX;
        if self.complete {
            self.tape.extend_from_slice(&out[..count]);
        }
        Ok(count)
    }
}

/// Makes a reader `Sync` by allowing access to its owner only.
struct Unshared(Mutex<Box<dyn Read + Send>>);

impl Read for Unshared {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).read(out)
    }
}
