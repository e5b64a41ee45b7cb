//! The header of a WAV stream, up to the first byte of audio.
//!
//! Layout: `RIFF` (or `RIFX`, `RF64`, `BW64`), a length, `WAVE`, then chunks of an id, a length, a body and a pad byte
//! where the length is odd. Sources: "Multimedia Programming Interface and Data Specifications 1.0" (IBM and Microsoft,
//! 1991), `WAVEFORMATEXTENSIBLE` (Microsoft, mmreg.h), RF64 (EBU Tech 3306), BW64 (ITU-R BS.2088).

use super::PcmCodec;
use pcmflow_core::format::{ByteOrder, FormatError, SampleEncoding, SampleFormat, StreamFormat};
use std::io::{self, Read};

/// Chunks before the audio, and bytes in them, that are skipped at most: an endless stream of zeros is no header.
const CHUNKS_MAX: usize = 1024;
const SKIPPED_BYTES_MAX: u64 = 256 << 20;

/// Whether these first 12 bytes of a stream announce WAV.
pub(crate) fn is_wav(head: &[u8]) -> bool {
    matches!(head.get(..4), Some(b"RIFF" | b"RIFX" | b"RF64" | b"BW64")) && head.get(8..12) == Some(b"WAVE")
}

/// What a header says about the audio behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WavHeader {
    /// `RIFF`, `RIFX`, `RF64` or `BW64`.
    pub(crate) container: &'static str,
    pub(crate) codec: PcmCodec,
    pub(crate) format: StreamFormat,
    /// Bytes of audio; `None` where the writer did not know (it wrote to a pipe) and they go on to the end.
    pub(crate) data_bytes: Option<u64>,
}

/// The number that names the codec of a WAV stream (`wFormatTag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u32);

/// Why a header was not understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WavError {
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A compressed codec: another decoder may know it.
    #[error("codec {:#06x}", .0.0)]
    Compressed(Tag),
    #[error("{0}")]
    Format(#[from] FormatError),
    #[error("the header ends before the audio begins")]
    Short,
    #[error("the header has no format chunk before the audio")]
    NoFormat,
    #[error("the format chunk has {0} bytes, at least 16 are needed")]
    FormatChunk(u32),
    #[error("{bits} bits per sample")]
    Bits { bits: u16 },
    #[error("no audio among the first {CHUNKS_MAX} chunks")]
    NoData,
}

/// The fields of a `fmt ` chunk.
struct Fmt {
    tag: u32,
    channels: u16,
    rate_hz: u32,
    block_align: u16,
    bits: u16,
}

/// Reads a header whose first 12 bytes passed [`is_wav`]; stops at the first byte of audio.
pub(crate) fn parse(input: &mut impl Read) -> Result<WavHeader, WavError> {
    let mut chunks = Chunks { input, order: ByteOrder::Little, position: 0 };
    let head: [u8; 12] = chunks.take()?;
    let container = match &head[..4] {
        b"RIFX" => "RIFX",
        b"RF64" => "RF64",
        b"BW64" => "BW64",
        _ => "RIFF",
    };
    if container == "RIFX" {
        chunks.order = ByteOrder::Big;
    }
    let riff_end = 8 + u64::from(chunks.number(&head[4..8]));
    let mut fmt: Option<Fmt> = None;
    let mut data_bytes_64: Option<u64> = None;
    let mut skipped: u64 = 0;
    for _ in 0..CHUNKS_MAX {
        let head: [u8; 8] = chunks.take()?;
        let bytes = chunks.number(&head[4..8]);
        let mut body = u64::from(bytes);
        match &head[..4] {
            b"fmt " => {
                let (parsed, used) = chunks.fmt(bytes)?;
                fmt = Some(parsed);
                body -= used;
            }
            b"ds64" if bytes >= 16 => {
                let sizes: [u8; 16] = chunks.take()?;
                let mut data = [0; 8];
                data.copy_from_slice(&sizes[8..]);
                data_bytes_64 = Some(u64::from_le_bytes(data));
                body -= 16;
            }
            b"data" => {
                let fmt = fmt.ok_or(WavError::NoFormat)?;
                let unknown = streaming(bytes, riff_end, chunks.position);
                let data_bytes = match data_bytes_64 {
                    Some(long) if bytes == u32::MAX => Some(long),
                    _ => (!unknown).then_some(u64::from(bytes)),
                };
                let codec = codec(&fmt, chunks.order)?;
                let format = StreamFormat::new(fmt.rate_hz, u32::from(fmt.channels))?;
                return Ok(WavHeader { container, codec, format, data_bytes });
            }
            _ => {}
        }
        body += u64::from(bytes % 2);
        skipped += body;
        if skipped > SKIPPED_BYTES_MAX {
            return Err(WavError::NoData);
        }
        chunks.skip(body)?;
    }
    Err(WavError::NoData)
}

/// Whether a `data` length says "I did not know when I wrote this": ffmpeg leaves 0xFFFFFFFF in pipes (others a little
/// less), sox and mplayer 0x7FFFF000. A 0 counts only where nothing else could follow inside of the RIFF chunk:
/// otherwise the file is truly empty and tags come next.
fn streaming(data_bytes: u32, riff_end: u64, audio_start: u64) -> bool {
    matches!(data_bytes, 0xFFFF_FF00..|0x7FFF_F000| 0x7FFF_FFFF)
        || data_bytes == 0 && (riff_end <= audio_start || riff_end >= 0x7FFF_F000)
}

/// Chooses the codec by tag, bits and the size of a sample's container.
fn codec(fmt: &Fmt, order: ByteOrder) -> Result<PcmCodec, WavError> {
    let linear = |format| Ok(PcmCodec::Linear(SampleEncoding { format, order }));
    let bits = fmt.bits;
    // Some writers state a block size that fits no whole container; the bits are right then.
    let container = match fmt.channels {
        0 => 0,
        channels if fmt.block_align.is_multiple_of(channels) => fmt.block_align / channels,
        _ => 0,
    };
    match (fmt.tag, bits) {
        (1, 24) if container == 4 => Ok(PcmCodec::S24In32(order)),
        // Fewer bits than the container holds are left-justified in it, so that the container is what counts.
        (1, 1..=8) => linear(SampleFormat::U8),
        (1, 9..=16) => linear(SampleFormat::S16),
        (1, 17..=24) => linear(SampleFormat::S24),
        (1, 25..=32) => linear(SampleFormat::S32),
        (3, 32) => linear(SampleFormat::F32),
        (3, 64) => linear(SampleFormat::F64),
        (6, _) => Ok(PcmCodec::ALaw),
        (7, _) => Ok(PcmCodec::MuLaw),
        (1 | 3, bits) => Err(WavError::Bits { bits }),
        (tag, _) => Err(WavError::Compressed(Tag(tag))),
    }
}

/// Reads numbers and counts bytes.
struct Chunks<'a, R> {
    input: &'a mut R,
    order: ByteOrder,
    /// Bytes read so far.
    position: u64,
}

impl<R: Read> Chunks<'_, R> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], WavError> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => WavError::Short,
            _ => WavError::Read(error),
        })?;
        self.position += N as u64;
        Ok(bytes)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), WavError> {
        let skipped = io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink())?;
        self.position += skipped;
        if skipped < bytes { Err(WavError::Short) } else { Ok(()) }
    }

    /// The unsigned number in up to 4 bytes of this container's byte order.
    fn number(&self, bytes: &[u8]) -> u32 {
        let append = |number: u32, &byte: &u8| number << 8 | u32::from(byte);
        match self.order {
            ByteOrder::Little => bytes.iter().rev().fold(0, append),
            ByteOrder::Big => bytes.iter().fold(0, append),
        }
    }

    /// Reads what is known of a `fmt ` chunk of `bytes` bytes; returns it with the bytes used.
    fn fmt(&mut self, bytes: u32) -> Result<(Fmt, u64), WavError> {
        const EXTENSIBLE: u32 = 0xFFFE;
        if bytes < 16 {
            return Err(WavError::FormatChunk(bytes));
        }
        let raw: [u8; 16] = self.take()?;
        let mut fmt = Fmt {
            tag: self.number(&raw[0..2]),
            channels: self.number(&raw[2..4]) as u16,
            rate_hz: self.number(&raw[4..8]),
            block_align: self.number(&raw[12..14]) as u16,
            bits: self.number(&raw[14..16]) as u16,
        };
        if fmt.tag == EXTENSIBLE && bytes >= 40 {
            // Size, valid bits, speaker mask, then a GUID whose first number is the tag.
            let more: [u8; 24] = self.take()?;
            fmt.tag = self.number(&more[8..12]);
            return Ok((fmt, 40));
        }
        Ok((fmt, 16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Wav, chunk};

    fn parsed(wav: &Wav) -> Result<WavHeader, WavError> {
        let bytes = wav.bytes();
        assert!(is_wav(&bytes));
        parse(&mut &bytes[..])
    }

    fn codec_of(tag: u16, bits: u16, container: u16) -> Result<String, String> {
        let wav = Wav { tag, bits, channels: 2, block_align: 2 * container, ..Default::default() };
        parsed(&wav).map(|header| header.codec.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_sample_format_is_told() {
        for (tag, bits, container, codec) in [
            (1, 8, 1, "u8"),
            (1, 16, 2, "s16le"),
            (1, 12, 2, "s16le"),
            (1, 24, 3, "s24le"),
            (1, 20, 3, "s24le"),
            (1, 24, 4, "s24le in 32 bit"),
            (1, 32, 4, "s32le"),
            (3, 32, 4, "f32le"),
            (3, 64, 8, "f64le"),
            (6, 8, 1, "A-law"),
            (7, 8, 1, "µ-law"),
        ] {
            assert_eq!(codec_of(tag, bits, container).as_deref(), Ok(codec), "tag {tag}, {bits} bits");
        }
        assert_eq!(codec_of(1, 0, 2).unwrap_err(), "0 bits per sample");
        assert_eq!(codec_of(1, 64, 8).unwrap_err(), "64 bits per sample");
        assert_eq!(codec_of(3, 16, 2).unwrap_err(), "16 bits per sample");
        assert_eq!(codec_of(0x11, 4, 1).unwrap_err(), "codec 0x0011");
    }

    #[test]
    fn an_extensible_header_names_the_codec_in_its_guid() {
        let wav = Wav { sub_tag: Some(3), bits: 32, block_align: 4, data: vec![0; 8], ..Default::default() };
        assert_eq!(parsed(&wav).unwrap().codec.to_string(), "f32le");
        let big = Wav { magic: b"RIFX", ..wav };
        let header = parsed(&big).unwrap();
        assert_eq!((header.codec.to_string().as_str(), header.container), ("f32be", "RIFX"));
        assert_eq!((header.format.rate.hz(), header.data_bytes), (8_000, Some(8)));
    }

    #[test]
    fn a_block_size_that_lies_is_overruled_by_the_bits() {
        for block_align in [0, 1, 5, 4] {
            let wav = Wav { channels: 3, bits: 24, block_align, ..Default::default() };
            assert_eq!(parsed(&wav).unwrap().codec.to_string(), "s24le");
        }
    }

    #[test]
    fn long_files_have_their_length_elsewhere() {
        let mut ds64 = [0u64.to_le_bytes(), 5_000_000_000u64.to_le_bytes()].concat();
        ds64.extend([0; 12]);
        for magic in [b"RF64", b"BW64"] {
            let wav = Wav {
                magic,
                before: chunk(b"ds64", &ds64),
                data_bytes: Some(u32::MAX),
                riff_bytes: Some(u32::MAX),
                ..Default::default()
            };
            let header = parsed(&wav).unwrap();
            assert_eq!((header.data_bytes, header.container.as_bytes()), (Some(5_000_000_000), &magic[..]));
            // A length in the usual place counts, whatever stands elsewhere.
            assert_eq!(parsed(&Wav { data_bytes: Some(10), ..wav }).unwrap().data_bytes, Some(10));
        }
    }

    #[test]
    fn lengths_that_pipes_leave_behind_mean_unknown() {
        let length = |data_bytes, riff_bytes| {
            parsed(&Wav { data_bytes: Some(data_bytes), riff_bytes, ..Default::default() })
                .unwrap()
                .data_bytes
        };
        assert_eq!(length(u32::MAX, Some(u32::MAX)), None, "ffmpeg");
        assert_eq!(length(0x7FFF_F000, Some(0x7FFF_F024)), None, "sox");
        assert_eq!(length(u32::MAX - 44, None), None);
        assert_eq!(length(0, Some(0)), None, "never finished");
        assert_eq!(length(0, Some(36)), None, "finished before the audio came");
        assert_eq!(length(0, Some(u32::MAX)), None);
        assert_eq!(length(0, Some(100)), Some(0), "empty, tags follow");
        assert_eq!(length(4, None), Some(4));
    }

    #[test]
    fn other_chunks_are_skipped_with_their_padding() {
        let wav = Wav {
            before: chunk(b"JUNK", &[1; 27]),
            between: [chunk(b"fact", &[0; 4]), chunk(b"bext", &[2; 601])].concat(),
            data: vec![0; 6],
            ..Default::default()
        };
        assert_eq!(parsed(&wav).unwrap().data_bytes, Some(6));
    }

    #[test]
    fn headers_that_are_none_are_named() {
        let error = |bytes: &[u8]| parse(&mut &bytes[..]).unwrap_err().to_string();
        let wav = Wav::default().bytes();
        for end in [0, 11, 12, 17, 20, 30, 40] {
            assert_eq!(error(&wav[..end]), "the header ends before the audio begins", "cut at {end}");
        }
        let head = &wav[..12];
        assert_eq!(
            error(&[head, &chunk(b"data", &[])].concat()),
            "the header has no format chunk before the audio"
        );
        assert!(error(&[head, &chunk(b"fmt ", &[0; 14])].concat()).contains("has 14 bytes"));
        assert_eq!(error(&[head, &[0; 9_000]].concat()), "no audio among the first 1024 chunks");
        assert!(matches!(
            parsed(&Wav { channels: 0, ..Default::default() }),
            Err(WavError::Format(FormatError::Channels { channels: 0 }))
        ));
        assert!(matches!(
            parsed(&Wav { rate_hz: 0, ..Default::default() }),
            Err(WavError::Format(FormatError::Rate { hz: 0 }))
        ));
    }

    #[test]
    fn an_endless_header_is_given_up() {
        let head = [&Wav::default().bytes()[..12], b"JUNK", &u32::MAX.to_le_bytes()].concat();
        let mut endless = Read::chain(&head[..], io::repeat(0));
        assert!(matches!(parse(&mut endless), Err(WavError::NoData)));
    }
}
