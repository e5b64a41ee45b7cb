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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Trickle, Wav, aiff, chunk, read_all, silent_mp2};
    use std::path::PathBuf;

    /// A file that is deleted at the end of the test.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str, bytes: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("pcmflow-{}-{name}", std::process::id()));
            std::fs::write(&path, bytes).unwrap();
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    /// Opens the same bytes as a file and as a pipe, sees that they agree, and returns samples and damage.
    fn both(name: &str, bytes: &[u8]) -> Result<(FileSource, Vec<f32>), String> {
        let file = Temporary::new(name, bytes);
        let read = |mut source: FileSource| {
            let samples = read_all(&mut source, 1000).map_err(|error| error.to_string())?;
            Ok((source, samples))
        };
        let plain = |error: SourceError| error.to_string().replace(&file.0.display().to_string(), "it");
        let from_file = open_file(&file.0).map_err(plain).and_then(read);
        let trickle = Trickle { bytes: bytes.to_vec(), per_read: 100, then: None };
        let from_pipe = open_reader(trickle, "it", None).map_err(plain).and_then(read);
        match (&from_file, &from_pipe) {
            (Ok((a, file)), Ok((b, pipe))) => {
                assert_eq!((a.info(), a.format(), a.damage()), (b.info(), b.format(), b.damage()), "{name}");
                assert!(file == pipe, "{name}: file and pipe differ");
            }
            (Err(a), Err(b)) => assert_eq!(a, b, "{name}"),
            (a, b) => panic!("{name}: file {a:?}, pipe {b:?}"),
        }
        from_file
    }

    fn info(source: &FileSource) -> [&str; 3] {
        let MediaInfo { container, codec, sample_format } = source.info();
        [container, codec, sample_format.as_deref().unwrap_or("")]
    }

    #[test]
    fn wav_in_both_byte_orders() {
        let wav = Wav { channels: 2, block_align: 4, data: vec![0, 0x40, 0, 0xC0], ..Default::default() };
        let (source, samples) = both("le.wav", &wav.bytes()).unwrap();
        assert_eq!(samples, [0.5, -0.5]);
        assert_eq!(info(&source), ["RIFF", "PCM", "s16le"]);
        let big = Wav { magic: b"RIFX", data: vec![0x40, 0, 0xC0, 0], ..wav };
        let (source, samples) = both("be.wav", &big.bytes()).unwrap();
        assert_eq!(samples, [0.5, -0.5]);
        assert_eq!(info(&source), ["RIFX", "PCM", "s16be"]);
        assert!(format!("{source:?}").contains("RIFX"));
    }

    #[test]
    fn floats_pass_as_they_are() {
        let data = [f32::NAN, f32::INFINITY, 2.5, -0.0].iter().flat_map(|s| s.to_le_bytes()).collect();
        let wav = Wav { tag: 3, bits: 32, block_align: 4, data, ..Default::default() };
        let mut source = open_reader(io::Cursor::new(wav.bytes()), "it", None).unwrap();
        let samples = read_all(&mut source, 10).unwrap();
        assert!(samples[0].is_nan() && samples[1] == f32::INFINITY && samples[2] == 2.5);
        assert!(samples[3].is_sign_negative());
    }

    #[test]
    fn adpcm_goes_to_the_other_decoder_from_files_and_pipes() {
        // One block of IMA ADPCM: predictor 1000, step index 0, and differences of 0.
        let block = [&1000i16.to_le_bytes()[..], &[0; 30]].concat();
        let fmt: [&[u8]; 9] = [
            &0x11u16.to_le_bytes(),
            &1u16.to_le_bytes(),
            &8_000u32.to_le_bytes(),
            &4_000u32.to_le_bytes(),
            &32u16.to_le_bytes(),
            &4u16.to_le_bytes(),
            &2u16.to_le_bytes(),
            &57u16.to_le_bytes(),
            &[],
        ];
        let body =
            [b"WAVE".to_vec(), chunk(b"fmt ", &fmt.concat()), chunk(b"data", &block.repeat(3))].concat();
        let wav = [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat();
        let (source, samples) = both("adpcm.wav", &wav).unwrap();
        assert_eq!(samples.len(), 3 * 57);
        assert!((samples[0] - 1000.0 / 32_768.0).abs() < 1e-6, "{}", samples[0]);
        assert!(source.info().codec.contains("ADPCM"), "{source:?}");
        // The same behind a header that is too long to be kept: a file can seek, a pipe can't.
        let long = [b"WAVE".to_vec(), chunk(b"JUNK", &vec![0; TAPE_BYTES_MAX]), body[4..].to_vec()].concat();
        let wav = [b"RIFF", &(long.len() as u32).to_le_bytes()[..], &long].concat();
        let error = open_reader(io::Cursor::new(wav), "it", None).unwrap_err().to_string();
        assert!(error.contains("0x0011 behind a very long header"), "{error}");
    }

    #[test]
    fn aiff_is_read() {
        let (source, samples) = both("tone.aiff", &aiff(44_100, 2, &[16_384, -16_384, 0, 1])).unwrap();
        assert_eq!(samples, [0.5, -0.5, 0.0, 1.0 / 32_768.0]);
        assert_eq!(source.format(), StreamFormat::new(44_100, 2).unwrap());
        assert!(source.info().container.contains("Interchange"), "{source:?}");
        assert_eq!(source.frames_hint(), Some(Frames(2)));
    }

    #[test]
    fn mpeg_audio_is_told_by_content_and_keeps_its_first_channels() {
        let (mono, stereo) = (silent_mp2(20, 0, true), silent_mp2(20, 0, false));
        let (source, samples) = both("silence.bin", &[mono, stereo].concat()).unwrap();
        assert_eq!(source.format(), StreamFormat::new(44_100, 1).unwrap());
        assert_eq!(samples, vec![0.0; 40 * 1152]);
        assert_eq!(source.damage(), None);
    }

    #[test]
    fn a_change_of_rate_ends_the_stream_and_is_named() {
        let bytes = [silent_mp2(20, 0, false), silent_mp2(20, 1, false)].concat();
        let (source, samples) = both("change.mp2", &bytes).unwrap();
        assert_eq!(samples.len(), 2 * 20 * 1152);
        let damage = source.damage().unwrap().to_string();
        assert!(damage.contains("from 44100 Hz stereo to 48000 Hz stereo"), "{damage}");
    }

    #[test]
    fn what_is_no_audio_is_refused_with_its_name_and_reason() {
        for (name, bytes, says) in [
            ("empty", &b""[..], "it is empty"),
            ("text", &b"hello, this is no audio".repeat(100)[..], "it is no audio file of a known kind"),
            ("short", b"RIFF", "it is no audio file of a known kind"),
            ("header", &Wav::default().bytes()[..30], "it is damaged: the header ends"),
            ("rate", &Wav { rate_hz: 1, ..Default::default() }.bytes(), "it: a sample rate of 1 Hz"),
            ("channels", &Wav { channels: 0, ..Default::default() }.bytes(), "it: 0 channels"),
            ("channels", &Wav { channels: 999, ..Default::default() }.bytes(), "it: 999 channels"),
            ("flac", b"fLaC\x00\x00\x00\x22aaaaaaaaaaaaaa", "it is damaged: its metadata can't be read"),
        ] {
            let error = both(name, bytes).map(|_| ()).unwrap_err();
            assert!(error.starts_with(says), "{name}: {error}");
        }
    }

    #[test]
    fn an_unknown_codec_in_wav_is_named() {
        let error =
            both("codec.wav", &Wav { tag: 0x1234, ..Default::default() }.bytes()).map(|_| ()).unwrap_err();
        assert!(error.starts_with("it "), "{error}");
    }

    #[test]
    fn paths_that_are_no_files() {
        let missing = open_file("/nowhere/at/all.wav").unwrap_err();
        assert!(missing.to_string().starts_with("can't open /nowhere/at/all.wav"), "{missing}");
        let directory = open_file(std::env::temp_dir()).unwrap_err();
        assert!(directory.to_string().ends_with("is a directory, not a file"), "{directory}");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_read_as_a_pipe() {
        assert!(matches!(open_file("/dev/null"), Err(SourceError::Empty { .. })));
        // Zeros without end are no audio of any kind; this must not go on for ever.
        assert!(open_file("/dev/zero").is_err());
    }

    #[test]
    fn reading_that_fails_at_once_is_an_error() {
        let broken = Trickle { bytes: vec![], per_read: 1, then: Some(io::ErrorKind::ConnectionReset) };
        assert!(matches!(open_reader(broken, "it", None), Err(SourceError::Read { .. })));
        let broken = Trickle {
            bytes: Wav::default().bytes()[..20].to_vec(),
            per_read: 7,
            then: Some(io::ErrorKind::ConnectionReset),
        };
        assert!(matches!(open_reader(broken, "it", None), Err(SourceError::Read { .. })));
    }

    #[test]
    fn full_scale_depends_on_the_bits() {
        let of = |sample_format: Option<&str>| {
            MediaInfo { container: "".into(), codec: "".into(), sample_format: sample_format.map(Into::into) }
                .full_scale()
        };
        assert_eq!(of(Some("u8")), 127.0 / 128.0);
        assert_eq!(of(Some("s16le")), 32_767.0 / 32_768.0);
        assert_eq!(of(None), 32_767.0 / 32_768.0);
    }
}
