//! Compressed and less common containers, through symphonia.
//!
//! Whatever a file holds, this ends: errors in a row are bounded, metadata is bounded, panics of a decoder are caught,
//! and a decoder that panicked is never called again.

use crate::channels::ChannelMap;
use crate::source::{Damage, Source, SourceError};
use pcmflow_core::format::{FormatError, Frames, StreamFormat};
use std::panic::{AssertUnwindSafe, catch_unwind};
use symphonia::core::codecs::audio::well_known as ids;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
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

/// The names that `info` shows.
pub(crate) struct DecodedInfo {
    pub(crate) container: String,
    pub(crate) codec: String,
    pub(crate) sample_format: Option<String>,
}

/// A track of a container, decoded.
pub(crate) struct DecodedSource {
    track: Track,
    format: StreamFormat,
    /// What the container says, and whether a lossless codec must give exactly that.
    promised: Option<(Frames, bool)>,
    /// Decoded and not yet delivered: `pending[taken..]`, interleaved.
    pending: Vec<f32>,
    taken: usize,
    decoded: Frames,
    damage: Option<Damage>,
    ended: bool,
}

impl DecodedSource {
    /// Finds the container by its content, picks the default audio track and decodes its first frames.
    pub(crate) fn open(
        media: Box<dyn MediaSource>,
        name: &str,
    ) -> Result<(DecodedSource, DecodedInfo), SourceError> {
        let mut track =
            guarded(|| Track::open(media, name)).unwrap_or_else(|| Err(broken(name, PANICKED)))?;
        let (mut pending, mut damage) = (Vec::new(), None);
        let format = match track.next(&mut pending, &mut damage) {
            Next::Frames(format) => {
                format.map_err(|source| SourceError::Format { name: name.into(), source })?
            }
            Next::End => {
                return Err(match damage {
                    Some(damage) => broken(name, &damage.to_string()),
                    None => broken(name, "it holds no audio"),
                });
            }
        };
        let parameters = track.decoder.codec_params();
        let info = DecodedInfo {
            container: track.reader.format_info().long_name.to_owned(),
            codec: track.decoder.codec_info().long_name.to_owned(),
            sample_format: sample_format(parameters),
        };
        let exact = matches!(track.decoder.codec_info().short_name, "flac" | "alac");
        let promised = track.frames_promised.map(|frames| (frames, exact));
        let decoded = Frames::in_samples(pending.len(), format.channels);
        Ok((Self { track, format, promised, pending, taken: 0, decoded, damage, ended: false }, info))
    }

    /// Decodes up to the next frames; none left means the end.
    fn refill(&mut self) {
        self.pending.clear();
        self.taken = 0;
        match self.track.next(&mut self.pending, &mut self.damage) {
            Next::Frames(Ok(format)) if format == self.format => {
                self.decoded += Frames::in_samples(self.pending.len(), format.channels);
                return;
            }
            Next::Frames(Ok(format)) if self.track.mpeg.is_some() && format.rate == self.format.rate => {
                let map = ChannelMap::new(format.channels, self.format.channels);
                let frames = Frames::in_samples(self.pending.len(), format.channels);
                let mut mapped = vec![0.0; frames.samples(self.format.channels)];
                map.map(&self.pending, &mut mapped);
                self.pending = mapped;
                self.decoded += frames;
                return;
            }
            Next::Frames(other) => {
                self.pending.clear();
                let before = self.format;
                match other {
                    Ok(after) => Damage::note(
                        &mut self.damage,
                        format_args!("the format changes from {before} to {after}; the rest is left out"),
                    ),
                    Err(error) => Damage::note(&mut self.damage, error),
                }
            }
            Next::End => {
                if let Some((promised, true)) = self.promised
                    && promised != self.decoded
                {
                    let found = self.decoded;
                    Damage::note(
                        &mut self.damage,
                        format_args!("the header promises {promised} frames, there are {found}"),
                    );
                }
                if self.track.checksum_wrong() {
                    Damage::note(&mut self.damage, "the checksum of the decoded audio is wrong");
                }
            }
        }
        self.ended = true;
    }
}

impl Source for DecodedSource {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn read(&mut self, out: &mut [f32]) -> Result<Frames, SourceError> {
        let channels = self.format.channels;
        if out.len() < channels.get() {
            return Ok(Frames::ZERO);
        }
        if self.taken == self.pending.len() && !self.ended {
            self.refill();
        }
        let waiting = &self.pending[self.taken..];
        let frames = Frames::in_samples(waiting.len().min(out.len()), channels);
        let samples = frames.samples(channels);
        out[..samples].copy_from_slice(&waiting[..samples]);
        self.taken += samples;
        Ok(frames)
    }

    fn frames_hint(&self) -> Option<Frames> {
        self.promised.map(|(frames, _)| frames)
    }

    fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }
}

/// What decoding up to the next frames came to.
enum Next {
    /// Frames were appended; they are of this format, which may be absurd.
    Frames(Result<StreamFormat, FormatError>),
    /// There is no more, or no more that could be had.
    End,
}

/// The demultiplexer and the decoder of one track.
struct Track {
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    id: u32,
    frames_promised: Option<Frames>,
    /// For MPEG audio, whose packets may change between mono and stereo: the signal of the last packet.
    mpeg: Option<MpegSignal>,
}

impl Track {
    fn open(media: Box<dyn MediaSource>, name: &str) -> Result<Track, SourceError> {
        let stream = MediaSourceStream::new(media, Default::default());
        let metadata = MetadataOptions::default()
            .limit_tag_bytes(Limit::Maximum(TAG_BYTES_MAX))
            .limit_visual_bytes(Limit::Maximum(VISUAL_BYTES_MAX));
        let reader = symphonia::default::get_probe()
            .probe(&Hint::new(), stream, FormatOptions::default(), metadata)
            .map_err(|error| match error {
                Error::Unsupported(_) => SourceError::UnknownContainer { name: name.into() },
                Error::IoError(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
                    SourceError::Read { name: name.into(), source }
                }
                error => broken(name, &error.to_string()),
            })?;
        let Made { decoder, id, frames_promised } = make_decoder(&*reader, name)?;
        let mpeg = decoder.codec_info().short_name.starts_with("mp").then_some(MpegSignal(0));
        Ok(Track { reader, decoder, id, frames_promised, mpeg })
    }

    /// Appends the frames of the next packet that has any.
    fn next(&mut self, pending: &mut Vec<f32>, damage: &mut Option<Damage>) -> Next {
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

    fn checksum_wrong(&mut self) -> bool {
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

fn broken(name: &str, reason: &str) -> SourceError {
    SourceError::Damaged { name: name.into(), reason: reason.into() }
}

/// A decoder and the track it is for.
struct Made {
    decoder: Box<dyn AudioDecoder>,
    id: u32,
    frames_promised: Option<Frames>,
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
    let options = AudioDecoderOptions::default().verify(true);
    let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &options).map_err(
        |error| match error {
            Error::Unsupported(_) => {
                SourceError::UnsupportedCodec { name: name.into(), codec: codec_name(parameters.codec) }
            }
            error => broken(name, &error.to_string()),
        },
    )?;
    Ok(Made { decoder, id: track.id, frames_promised: track.num_frames.map(Frames) })
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

/// What the samples were before they were encoded, where that is known.
fn sample_format(parameters: &AudioCodecParameters) -> Option<String> {
    match (parameters.bits_per_sample, parameters.sample_format) {
        (Some(bits), _) => Some(format!("{bits} bit")),
        (None, Some(format)) => Some(format!("{format:?}").to_lowercase()),
        (None, None) => None,
    }
}
