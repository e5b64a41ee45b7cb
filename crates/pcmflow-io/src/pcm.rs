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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Trickle, read_all};

    const S24: &str = "s24le";

    fn source(input: Trickle, channels: u32, data_bytes: Option<u64>) -> PcmSource {
        let layout = PcmLayout {
            codec: PcmCodec::Linear(S24.parse().unwrap()),
            format: StreamFormat::new(8_000, channels).unwrap(),
            data_bytes,
        };
        PcmSource::new(BufReader::new(Box::new(input)), "a pipe".into(), layout)
    }

    fn trickle(bytes: usize, per_read: usize, then: Option<io::ErrorKind>) -> Trickle {
        // Each sample counts one up in its top byte: 1/128 per sample.
        let bytes = (0..bytes).map(|n| if n % 3 == 2 { (n / 3 % 100) as u8 } else { 0 }).collect();
        Trickle { bytes, per_read, then }
    }

    #[test]
    fn frames_survive_any_cut_of_the_stream() {
        let expected: Vec<f32> = (0..60).map(|n| n as f32 / 128.0).collect();
        for per_read in 1..40 {
            for block in [2, 3, 7, 100] {
                let mut source = source(trickle(180, per_read, None), 2, None);
                assert_eq!(
                    read_all(&mut source, block).unwrap(),
                    expected,
                    "{per_read} bytes, {block} samples"
                );
                assert_eq!(source.damage(), None);
            }
        }
    }

    #[test]
    fn a_frame_is_there_as_soon_as_its_bytes_are() {
        // An error stands for "would block for ever": whoever reads on too early meets it.
        let mut source = source(trickle(14, 7, Some(io::ErrorKind::TimedOut)), 1, None);
        let mut out = [0.0; 100];
        assert_eq!(source.read(&mut out).unwrap(), Frames(2));
        assert_eq!(source.read(&mut out).unwrap(), Frames(2));
        assert_eq!(source.read(&mut out).unwrap(), Frames::ZERO);
        assert!(source.damage().unwrap().first.contains("reading failed"));
    }

    #[test]
    fn nothing_is_read_beyond_the_promised_length() {
        let mut source = source(trickle(12, 12, Some(io::ErrorKind::TimedOut)), 2, Some(12));
        assert_eq!(source.frames_hint(), Some(Frames(2)));
        assert_eq!(read_all(&mut source, 100).unwrap().len(), 4);
        assert_eq!(source.damage(), None);
        // What follows the audio is not audio.
        let mut source = self::source(trickle(100, 100, None), 2, Some(12));
        assert_eq!(read_all(&mut source, 100).unwrap().len(), 4);
        assert_eq!(source.damage(), None);
    }

    #[test]
    fn truncation_is_told() {
        let damage = |bytes, promised| {
            let mut source = source(trickle(bytes, 5, None), 2, promised);
            let frames = read_all(&mut source, 64).unwrap().len() / 2;
            (frames, source.damage().map(|damage| damage.to_string()))
        };
        assert_eq!(damage(17, None), (2, Some("truncated: the last frame has 5 of its 6 bytes".into())));
        assert_eq!(
            damage(17, Some(24)),
            (2, Some("truncated: 7 of 24 bytes of audio are missing at the end".into()))
        );
        assert_eq!(damage(100, Some(13)), (2, Some("truncated: the last frame has 1 of its 6 bytes".into())));
        assert_eq!(damage(18, Some(18)), (3, None));
    }

    #[test]
    fn an_error_before_the_first_frame_is_an_error() {
        let mut source = source(trickle(0, 1, Some(io::ErrorKind::PermissionDenied)), 1, None);
        let error = source.read(&mut [0.0; 4]).unwrap_err();
        assert!(error.to_string().starts_with("can't read a pipe"), "{error}");
        assert_eq!(source.read(&mut [0.0; 4]).unwrap(), Frames::ZERO, "the end stays the end");
    }

    #[test]
    fn a_slice_shorter_than_a_frame_takes_nothing() {
        let mut source = source(trickle(12, 12, None), 2, None);
        assert_eq!(source.read(&mut [9.0; 1]).unwrap(), Frames::ZERO);
        assert_eq!(source.read(&mut [9.0; 2]).unwrap(), Frames(1));
    }
}
