//! Compressed and less common containers, through symphonia.
//!
//! Whatever a file holds, this ends: errors in a row are bounded, metadata is bounded, panics of a decoder are caught,
//! and a decoder that panicked is never called again.

mod track;
mod trim;

use crate::source::{Damage, Source, SourceError};
use pcmflow_core::format::{ChannelMap, Frames, StreamFormat};
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::io::MediaSource;
use track::{Next, Track};
use trim::Trim;

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
    trim: Trim,
    /// What the container says, and whether the track must give exactly that.
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
        let mut track = Track::open(media, name)?;
        let (mut pending, mut damage) = (Vec::new(), None);
        let Next::Frames(format) = track.next(&mut pending, &mut damage) else {
            let reason = damage.map_or("it holds no audio".into(), |damage| damage.to_string());
            return Err(track::broken(name, &reason));
        };
        let format = format.map_err(|source| SourceError::Format { name: name.into(), source })?;
        let codec = track.decoder.codec_info();
        let info = DecodedInfo {
            container: track.reader.format_info().long_name.to_owned(),
            codec: codec.long_name.to_owned(),
            sample_format: sample_format(track.decoder.codec_params()),
        };
        // Only an encoder that counted, as its notes about delay show, must be right about MPEG audio.
        let counted = track.is_mpeg() && track.promise.delay > Frames::ZERO;
        // In CAF the count is of whole packets, the padding of the last one included.
        let whole_packets = track.reader.format_info().short_name == "caf";
        let exact = counted || matches!(codec.short_name, "flac" | "alac") && !whole_packets;
        // No frames at all is no estimate either, and wrong: there are some in `pending`.
        let promised = track.promise.frames.map(|frames| (frames, exact || frames == Frames::ZERO));
        let trim = match track.is_mpeg() {
            true => Trim::new(track.promise, format.channels),
            false => Trim::nothing(format.channels),
        };
        let mut source = Self {
            track,
            format,
            trim,
            promised,
            pending,
            taken: 0,
            decoded: Frames::ZERO,
            damage,
            ended: false,
        };
        source.accept();
        Ok((source, info))
    }

    /// Decodes the next packet with frames; at the end, sets `ended`.
    fn refill(&mut self) {
        self.pending.clear();
        self.taken = 0;
        match self.track.next(&mut self.pending, &mut self.damage) {
            Next::Frames(Ok(format)) if format == self.format => self.accept(),
            Next::Frames(Ok(format)) if format.rate == self.format.rate && self.track.is_mpeg() => {
                let map = ChannelMap::new(format.channels, self.format.channels);
                let frames = Frames::in_samples(self.pending.len(), format.channels);
                let mut mapped = vec![0.0; frames.samples(self.format.channels)];
                map.map(&self.pending, &mut mapped);
                self.pending = mapped;
                self.accept();
            }
            Next::Frames(Ok(after)) => {
                let before = self.format;
                self.end(Some(format!("the format changes from {before} to {after}; the rest is left out")));
            }
            Next::Frames(Err(error)) => self.end(Some(error.to_string())),
            Next::End => self.end(None),
        }
    }

    /// Trims and counts what was decoded.
    fn accept(&mut self) {
        self.trim.pass(&mut self.pending);
        self.decoded += Frames::in_samples(self.pending.len(), self.format.channels);
    }

    fn end(&mut self, damage: Option<String>) {
        self.ended = true;
        self.pending.clear();
        self.trim.end(&mut self.pending);
        self.decoded += Frames::in_samples(self.pending.len(), self.format.channels);
        if let Some(damage) = damage {
            Damage::note(&mut self.damage, damage);
            return;
        }
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

impl Source for DecodedSource {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn read(&mut self, out: &mut [f32]) -> Result<Frames, SourceError> {
        let channels = self.format.channels;
        if out.len() < channels.get() {
            return Ok(Frames::ZERO);
        }
        while self.taken == self.pending.len() && !self.ended {
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
        self.promised.map(|(frames, _)| frames).filter(|&frames| frames > Frames::ZERO)
    }

    fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }
}

/// What the samples were before they were encoded, where that is known.
fn sample_format(parameters: &AudioCodecParameters) -> Option<String> {
    match (parameters.bits_per_sample, parameters.sample_format) {
        // Some containers store 0 for "see the codec's own header".
        (Some(bits), _) if bits > 0 => Some(format!("{bits} bit")),
        (_, Some(format)) => Some(format!("{format:?}").to_lowercase()),
        (_, None) => None,
    }
}
