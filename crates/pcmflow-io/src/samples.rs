//! Small inputs for tests, made byte by byte, and readers that misbehave.

use crate::source::{Source, SourceError};
use pcmflow_core::format::Frames;
use std::io::{self, Read};

/// A WAV stream, field by field; the defaults are 8 kHz mono 16 bit.
#[derive(Clone)]
pub(crate) struct Wav {
    pub(crate) magic: &'static [u8; 4],
    pub(crate) tag: u16,
    pub(crate) channels: u16,
    pub(crate) rate_hz: u32,
    pub(crate) block_align: u16,
    pub(crate) bits: u16,
    /// For WAVEFORMATEXTENSIBLE: the tag that the GUID begins with.
    pub(crate) sub_tag: Option<u16>,
    /// Chunks before `fmt `, and between it and `data`.
    pub(crate) before: Vec<u8>,
    pub(crate) between: Vec<u8>,
    pub(crate) riff_bytes: Option<u32>,
    pub(crate) data_bytes: Option<u32>,
    pub(crate) data: Vec<u8>,
}

impl Default for Wav {
    fn default() -> Self {
        Self {
            magic: b"RIFF",
            tag: 1,
            channels: 1,
            rate_hz: 8_000,
            block_align: 2,
            bits: 16,
            sub_tag: None,
            before: Vec::new(),
            between: Vec::new(),
            riff_bytes: None,
            data_bytes: None,
            data: Vec::new(),
        }
    }
}

impl Wav {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let big = self.magic == b"RIFX";
        let u16 = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let u32 = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let mut fmt = Vec::new();
        fmt.extend(u16(if self.sub_tag.is_some() { 0xFFFE } else { self.tag }));
        fmt.extend(u16(self.channels));
        fmt.extend(u32(self.rate_hz));
        fmt.extend(u32(self.rate_hz.wrapping_mul(u32::from(self.block_align))));
        fmt.extend(u16(self.block_align));
        fmt.extend(u16(self.bits));
        if let Some(tag) = self.sub_tag {
            fmt.extend(u16(22));
            fmt.extend(u16(self.bits));
            fmt.extend(u32(0));
            fmt.extend(u32(u32::from(tag)));
            fmt.extend([0; 12]);
        }
        let mut body = b"WAVE".to_vec();
        body.extend(&self.before);
        body.extend(b"fmt ");
        body.extend(u32(fmt.len() as u32));
        body.extend(fmt);
        body.extend(&self.between);
        body.extend(b"data");
        body.extend(u32(self.data_bytes.unwrap_or(self.data.len() as u32)));
        body.extend(&self.data);
        let length = u32(self.riff_bytes.unwrap_or(body.len() as u32));
        [&self.magic[..], &length, &body].concat()
    }
}

/// A chunk of a RIFF stream, padded.
pub(crate) fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_le_bytes();
    [&id[..], &length, body, &[0][..body.len() % 2]].concat()
}

/// An AIFF stream of 16-bit samples.
pub(crate) fn aiff(rate_hz: u16, channels: u16, samples: &[i16]) -> Vec<u8> {
    let part = |id: &[u8; 4], body: Vec<u8>| [&id[..], &(body.len() as u32).to_be_bytes(), &body].concat();
    let frames = samples.len() as u32 / u32::from(channels.max(1));
    let mut comm = channels.to_be_bytes().to_vec();
    comm.extend(frames.to_be_bytes());
    comm.extend(16u16.to_be_bytes());
    // The rate as an 80-bit float: exponent, then a mantissa whose top bit is set.
    let shift = rate_hz.leading_zeros();
    comm.extend((16_383 + 15 - shift as u16).to_be_bytes());
    comm.extend((u64::from(rate_hz) << (48 + shift)).to_be_bytes());
    let mut ssnd = vec![0; 8];
    samples.iter().for_each(|sample| ssnd.extend(sample.to_be_bytes()));
    let body = [b"AIFF".to_vec(), part(b"COMM", comm), part(b"SSND", ssnd)].concat();
    part(b"FORM", body)
}

/// Frames of MPEG-1 layer II without any sound: a header and allocations of zero. `rate` is 0 for 44.1 kHz, 1 for 48 kHz.
pub(crate) fn silent_mp2(frames: usize, rate: u8, mono: bool) -> Vec<u8> {
    // 64 kbit/s: 144 × 64000 ÷ rate bytes.
    let bytes = [208, 192][usize::from(rate)];
    let mut frame = vec![0; bytes];
    frame[..4].copy_from_slice(&[0xFF, 0xFD, 0x40 | rate << 2, if mono { 0xC0 } else { 0x00 }]);
    frame.repeat(frames)
}

/// Gives a few bytes per call, and then nothing, an error, or never ends.
pub(crate) struct Trickle {
    pub(crate) bytes: Vec<u8>,
    pub(crate) per_read: usize,
    pub(crate) then: Option<io::ErrorKind>,
}

impl Read for Trickle {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.per_read.min(out.len()).min(self.bytes.len());
        if count == 0 {
            return self.then.map_or(Ok(0), |kind| Err(kind.into()));
        }
        out[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes.drain(..count);
        Ok(count)
    }
}

/// Everything that a source yields, read in blocks of `block` samples.
pub(crate) fn read_all(source: &mut impl Source, block: usize) -> Result<Vec<f32>, SourceError> {
    let (mut all, mut out) = (Vec::new(), vec![9.0; block]);
    loop {
        let frames = source.read(&mut out)?;
        if frames == Frames::ZERO {
            return Ok(all);
        }
        all.extend_from_slice(&out[..frames.samples(source.format().channels)]);
        // No input of a test is this long: whatever goes on beyond never ends.
        assert!(all.len() < 1 << 28, "the source does not end");
    }
}
