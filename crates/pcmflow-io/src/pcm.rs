//! Uncompressed frames out of any byte stream, as soon as their bytes are there.
//!
//! One read of the stream is made per call at most once something is there, so that a slow pipe delivers each frame
//! when it arrives; only a stream with nothing to give blocks.

use crate::source::{Damage, Source, SourceError};
use crate::wav::PcmCodec;
use pcmflow_core::format::{ChannelCount, Frames, StreamFormat};
use std::io::{self, BufRead, BufReader, Read};

/// The longest frame: [`ChannelCount::MAX`] samples of 8 bytes.
const FRAME_BYTES_MAX: usize = ChannelCount::MAX.get() * 8;

/// What is known about the bytes beforehand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PcmLayout {
    pub(crate) codec: PcmCodec,
    pub(crate) format: StreamFormat,
    /// Bytes of audio that the header promises; `None`: up to the end of the stream.
    pub(crate) data_bytes: Option<u64>,
}

/// Frames of uncompressed samples.
pub(crate) struct PcmSource {
    input: BufReader<Box<dyn Read + Send>>,
    name: String,
    layout: PcmLayout,
    frame_bytes: usize,
    /// Bytes of audio that are still to be read; counts down from `data_bytes`.
    remaining: Option<u64>,
    /// The first bytes of a frame whose rest has not arrived: `carry[..carried]`, always less than one frame.
    carry: [u8; FRAME_BYTES_MAX],
    carried: usize,
    delivered: Frames,
    damage: Option<Damage>,
    ended: bool,
}

impl PcmSource {
    pub(crate) fn new(input: BufReader<Box<dyn Read + Send>>, name: String, layout: PcmLayout) -> Self {
        let frame_bytes = layout.codec.bytes() * layout.format.channels.get();
        Self {
            input,
            name,
            layout,
            frame_bytes,
            remaining: layout.data_bytes,
            carry: [0; FRAME_BYTES_MAX],
            carried: 0,
            delivered: Frames::ZERO,
            damage: None,
            ended: false,
        }
    }

    /// Decodes what is buffered and whole into `out`; keeps a partial frame for later. Returns frames; 0 at the end
    /// of the stream or when the bytes that arrived make no frame yet (`ended` tells which).
    fn step(&mut self, out: &mut [f32]) -> io::Result<usize> {
        let channels = self.layout.format.channels.get();
        // Not one byte beyond the audio is waited for: the other end of a pipe may have nothing more to say.
        let mut bytes = if self.remaining == Some(0) { &[] } else { self.input.fill_buf()? };
        if let Some(remaining) = self.remaining {
            bytes = &bytes[..bytes.len().min(usize::try_from(remaining).unwrap_or(usize::MAX))];
        }
        if bytes.is_empty() {
            self.end();
            return Ok(0);
        }
        let (mut used, mut frames) = (0, 0);
        if self.carried > 0 {
            used = bytes.len().min(self.frame_bytes - self.carried);
            self.carry[self.carried..self.carried + used].copy_from_slice(&bytes[..used]);
            self.carried += used;
            if self.carried == self.frame_bytes {
                self.layout.codec.decode(&self.carry[..self.frame_bytes], &mut out[..channels]);
                (self.carried, frames) = (0, 1);
            }
        }
        let whole = ((bytes.len() - used) / self.frame_bytes).min(out.len() / channels - frames);
        let end = used + whole * self.frame_bytes;
        self.layout.codec.decode(&bytes[used..end], &mut out[frames * channels..(frames + whole) * channels]);
        (used, frames) = (end, frames + whole);
        let rest = bytes.len() - used;
        if self.carried == 0 && rest < self.frame_bytes {
            self.carry[..rest].copy_from_slice(&bytes[used..]);
            (self.carried, used) = (rest, bytes.len());
        }
        self.input.consume(used);
        if let Some(remaining) = &mut self.remaining {
            *remaining -= used as u64;
        }
        Ok(frames)
    }

    fn end(&mut self) {
        self.ended = true;
        if let Some(missing) = self.remaining.filter(|&missing| missing > 0) {
            let promised = self.layout.data_bytes.unwrap_or(0);
            Damage::note(
                &mut self.damage,
                format_args!("truncated: {missing} of {promised} bytes of audio are missing at the end"),
            );
        } else if self.carried > 0 {
            Damage::note(
                &mut self.damage,
                format_args!(
                    "truncated: the last frame has {} of its {} bytes",
                    self.carried, self.frame_bytes
                ),
            );
        }
    }
}

impl Source for PcmSource {
    fn format(&self) -> StreamFormat {
        self.layout.format
    }

    fn read(&mut self, out: &mut [f32]) -> Result<Frames, SourceError> {
        if out.len() < self.layout.format.channels.get() {
            return Ok(Frames::ZERO);
        }
        while !self.ended {
            match self.step(out) {
                Ok(0) => {}
                Ok(frames) => {
                    self.delivered += Frames(frames as u64);
                    return Ok(Frames(frames as u64));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    self.ended = true;
                    if self.delivered == Frames::ZERO {
                        return Err(SourceError::Read { name: self.name.clone(), source });
                    }
                    Damage::note(&mut self.damage, format_args!("reading failed: {source}"));
                }
            }
        }
        Ok(Frames::ZERO)
    }

    fn frames_hint(&self) -> Option<Frames> {
        self.layout.data_bytes.map(|bytes| Frames(bytes / self.frame_bytes as u64))
    }

    fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }
}
