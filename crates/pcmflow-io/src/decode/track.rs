//! One track: its demultiplexer and its decoder, bounded and guarded.

use crate::source::{Damage, SourceError};
use pcmflow_core::format::{FormatError, Frames, StreamFormat};
use std::panic::{AssertUnwindSafe, catch_unwind};
use symphonia::core::codecs::audio::well_known as ids;
use symphonia::core::codecs::audio::{AudioCodecId, AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

/// Packets in a row that may fail before the rest is given up: some seconds of any codec.
const FAILURES_IN_A_ROW_MAX: u32 = 256;
/// Packets in a row that may be fine and yet hold no frame of our track.
const BARREN_IN_A_ROW_MAX: u32 = 1 << 20;
/// Metadata is not used here: what a tag or a picture may occupy before it is skipped.
const TAG_BYTES_MAX: usize = 64 << 10;
const VISUAL_BYTES_MAX: usize = 256 << 10;

/// What decoding up to the next frames came to.
pub(super) enum Next {
    /// Frames were appended; they are of this format, which may be absurd.
    Frames(Result<StreamFormat, FormatError>),
    /// There is no more, or no more that could be had.
    End,
}

/// The demultiplexer and the decoder of one track.
pub(super) struct Track {
    pub(super) reader: Box<dyn FormatReader>,
    pub(super) decoder: Box<dyn AudioDecoder>,
    id: u32,
    pub(super) promise: Promise,
    /// For MPEG audio, whose packets may change between mono and stereo: the signal of the last packet.
    mpeg: Option<MpegSignal>,
}

/// What the container says about the length of the track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promise {
    /// Frames without `delay` and `padding`.
    pub(super) frames: Option<Frames>,
    /// Frames that the encoder put before the audio, and behind it.
    pub(super) delay: Frames,
    pub(super) padding: Frames,
}

impl Track {
    /// Finds the container by its content and picks the default audio track.
    pub(super) fn open(media: Box<dyn MediaSource>, name: &str) -> Result<Track, SourceError> {
        guarded(|| Self::open_unguarded(media, name)).unwrap_or_else(|| Err(broken(name, PANICKED)))
    }

    /// Whether this is MPEG audio, which may change between mono and stereo from packet to packet.
    pub(super) fn is_mpeg(&self) -> bool {
        self.mpeg.is_some()
    }

    fn open_unguarded(media: Box<dyn MediaSource>, name: &str) -> Result<Track, SourceError> {
        let stream = MediaSourceStream::new(media, Default::default());
        let metadata = MetadataOptions::default()
            .limit_tag_bytes(Limit::Maximum(TAG_BYTES_MAX))
            .limit_visual_bytes(Limit::Maximum(VISUAL_BYTES_MAX));
        let reader = symphonia::default::get_probe()
            .probe(&Hint::new(), stream, FormatOptions::default(), metadata)
            .map_err(|error| match error {
                Error::Unsupported(what) if what.starts_with("core (probe)") => {
                    SourceError::UnknownContainer { name: name.into() }
                }
                Error::Unsupported(feature) => SourceError::Unsupported { name: name.into(), feature },
                Error::IoError(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
                    SourceError::Read { name: name.into(), source }
                }
                error => broken(name, &error.to_string()),
            })?;
        let Made { decoder, id, promise } = make_decoder(&*reader, name)?;
        let mpeg = decoder.codec_info().short_name.starts_with("mp").then_some(MpegSignal(0));
        Ok(Track { reader, decoder, id, promise, mpeg })
    }

    /// Appends the frames of the next packet that has any.
    pub(super) fn next(&mut self, pending: &mut Vec<f32>, damage: &mut Option<Damage>) -> Next {
        let (mut failures, mut barren) = (0, 0);
        while failures < FAILURES_IN_A_ROW_MAX && barren < BARREN_IN_A_ROW_MAX {
            match guarded(|| self.step(pending)) {
                Some(Ok(Some(next))) => return next,
                Some(Ok(None)) => barren += 1,
                Some(Err(Failure::Packet(error))) => {
                    failures += 1;
                    Damage::note(damage, format_args!("a packet could not be decoded: {error}"));
                }
                Some(Err(Failure::Stream(message))) => {
                    Damage::note(damage, message);
                    return Next::End;
                }
                None => {
                    Damage::note(damage, PANICKED);
                    return Next::End;
                }
            }
        }
        Damage::note(damage, "too many packets in a row without audio; the rest is left out");
        Next::End
    }

    /// Reads and decodes one packet; `Ok(None)` where it held no frames of this track.
    fn step(&mut self, pending: &mut Vec<f32>) -> Result<Option<Next>, Failure> {
        let packet = match self.reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => return Ok(Some(Next::End)),
            Err(Error::ResetRequired) => {
                // A chained stream begins: its tracks replace those before.
                let made = make_decoder(&*self.reader, "the next part of the stream")
                    .map_err(|error| Failure::Stream(error.to_string()))?;
                (self.decoder, self.id) = (made.decoder, made.id);
                return Ok(None);
            }
            Err(Error::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(Failure::Stream("truncated: it ends in the middle of a packet".into()));
            }
            Err(error) => return Err(Failure::Stream(format!("it can't be read further: {error}"))),
        };
        if packet.track_id != self.id {
            return Ok(None);
        }
        if let Some(before) = self.mpeg {
            let signal = MpegSignal::of(&packet.data);
            // The decoder of MPEG audio keeps to the signal of its first packet; another signal needs another decoder.
            if before != MpegSignal(0) && signal != before {
                let made = make_decoder(&*self.reader, "the stream")
                    .map_err(|error| Failure::Stream(error.to_string()))?;
                self.decoder = made.decoder;
            }
            self.mpeg = Some(signal);
        }
        match self.decoder.decode(&packet) {
            Ok(audio) if audio.frames() == 0 => Ok(None),
            Ok(audio) => {
                let channels = u32::try_from(audio.num_planes()).unwrap_or(u32::MAX);
                let format = StreamFormat::new(audio.spec().rate(), channels);
                audio.copy_to_vec_interleaved(pending);
                Ok(Some(Next::Frames(format)))
            }
            Err(error @ (Error::DecodeError(_) | Error::IoError(_))) => Err(Failure::Packet(error)),
            Err(error) => Err(Failure::Stream(format!("it can't be decoded further: {error}"))),
        }
    }

    /// Whether the container's checksum of the decoded audio is known to differ.
    pub(super) fn checksum_wrong(&mut self) -> bool {
        guarded(|| self.decoder.finalize().verify_ok) == Some(Some(false))
    }
}

/// Version, rate and whether there is one channel: the bits of an MPEG audio header (ISO 11172-3, 2.4.1.3) on which the
/// decoded signal depends, and a one that tells it from none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MpegSignal(u32);

impl MpegSignal {
    fn of(packet: &[u8]) -> Self {
        match packet {
            [_, version, rate, mode, ..] => {
                let mono = u32::from(mode & 0xC0 == 0xC0);
                Self(1 << 16 | u32::from(version & 0x18) << 8 | u32::from(rate & 0x0C) | mono)
            }
            _ => Self(0),
        }
    }
}

/// What went wrong in one step.
enum Failure {
    /// This packet is lost; the next may be well.
    Packet(Error),
    /// Nothing more can be had.
    Stream(String),
}

const PANICKED: &str = "its decoder gave up (a fault in the decoder, met by this input)";

/// Runs `work`, which calls a decoder with bytes from outside; `None` when it panicked.
///
/// symphonia aims not to panic and is fuzzed; its issue tracker still shows indexing and arithmetic panics on hostile
/// files now and then, and one file must not end a program that runs other streams. Unwind safety: after a panic the
/// callers drop the decoder or never call it again.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

pub(super) fn broken(name: &str, reason: &str) -> SourceError {
    SourceError::Damaged { name: name.into(), reason: reason.into() }
}

/// A decoder and the track it is for.
struct Made {
    decoder: Box<dyn AudioDecoder>,
    id: u32,
    promise: Promise,
}

/// Picks the default audio track and makes its decoder.
fn make_decoder(reader: &dyn FormatReader, name: &str) -> Result<Made, SourceError> {
    let track =
        reader.default_track(TrackType::Audio).ok_or_else(|| SourceError::NoAudio { name: name.into() })?;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or_else(|| SourceError::NoAudio { name: name.into() })?;
    // Absurd numbers are refused here, before a decoder makes room for them.
    let channels = parameters.channels.as_ref().map_or(1, |channels| channels.count());
    let rate_hz = parameters.sample_rate.unwrap_or(48_000);
    StreamFormat::new(rate_hz, u32::try_from(channels).unwrap_or(u32::MAX))
        .map_err(|source| SourceError::Format { name: name.into(), source })?;
    // The reader of MPEG audio trims to a length that it guesses where a file does not tell it, and so loses the end of
    // files whose bit rate varies: that codec is trimmed here instead.
    let gapless = !matches!(parameters.codec, ids::CODEC_ID_MP1 | ids::CODEC_ID_MP2 | ids::CODEC_ID_MP3);
    let options = AudioDecoderOptions::default().verify(true).gapless(gapless);
    let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &options).map_err(
        |error| match error {
            Error::Unsupported(_) => {
                SourceError::UnsupportedCodec { name: name.into(), codec: codec_name(parameters.codec) }
            }
            error => broken(name, &error.to_string()),
        },
    )?;
    let frames = |count: Option<u32>| Frames(count.unwrap_or(0).into());
    let promise = Promise {
        frames: track.num_frames.map(Frames),
        delay: frames(track.delay),
        padding: frames(track.padding),
    };
    Ok(Made { decoder, id: track.id, promise })
}

/// Names the codecs that files are likely to hold and that have no decoder here.
fn codec_name(codec: AudioCodecId) -> String {
    match codec {
        ids::CODEC_ID_OPUS => "Opus".into(),
        ids::CODEC_ID_AC3 => "AC-3".into(),
        ids::CODEC_ID_EAC3 => "E-AC-3".into(),
        ids::CODEC_ID_DCA => "DTS".into(),
        ids::CODEC_ID_SPEEX => "Speex".into(),
        ids::CODEC_ID_WMA => "WMA".into(),
        other => format!("a codec (number {other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_decoder_is_caught() {
        assert_eq!(guarded(|| 1), Some(1));
        assert_eq!(guarded(|| -> u8 { panic!("as a decoder might, on purpose") }), None);
    }

    #[test]
    fn codecs_without_a_decoder_have_names() {
        assert_eq!(codec_name(ids::CODEC_ID_OPUS), "Opus");
        assert_eq!(codec_name(ids::CODEC_ID_AC3), "AC-3");
        assert!(codec_name(ids::CODEC_ID_PCM_S16LE).starts_with("a codec (number 0x"));
    }

    #[test]
    fn the_signal_of_a_packet_is_in_its_header() {
        let signal = |rate: u8, mode: u8| MpegSignal::of(&[0xFF, 0xFB, 0x90 | rate << 2, mode]);
        assert_eq!(signal(0, 0x00), signal(0, 0x40), "stereo and joint stereo");
        assert_ne!(signal(0, 0x00), signal(0, 0xC0), "stereo and mono");
        assert_ne!(signal(0, 0x00), signal(1, 0x00), "rates");
        assert_eq!(MpegSignal::of(&[0xFF]), MpegSignal(0));
    }
}
