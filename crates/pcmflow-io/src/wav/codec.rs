//! What one uncompressed sample is in bytes.

use pcmflow_core::format::{ByteOrder, SampleEncoding, SampleFormat};
use std::fmt;

/// How the samples of a WAV or raw stream are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PcmCodec {
    /// Integers or floats, packed.
    Linear(SampleEncoding),
    /// 24 bit in the low three bytes of four (`arecord -f S24_LE` writes that).
    S24In32(ByteOrder),
    /// ITU-T G.711 A-law.
    ALaw,
    /// ITU-T G.711 µ-law.
    MuLaw,
}

impl PcmCodec {
    /// Bytes of one sample.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Linear(encoding) => encoding.format.bytes(),
            Self::S24In32(_) => 4,
            Self::ALaw | Self::MuLaw => 1,
        }
    }

    /// Reads as many whole samples as both slices hold.
    pub(crate) fn decode(self, bytes: &[u8], samples: &mut [f32]) {
        match self {
            Self::Linear(encoding) => {
                encoding.decode(bytes, samples);
            }
            Self::S24In32(order) => {
                let s24 = SampleEncoding { format: SampleFormat::S24, order };
                let first = if order == ByteOrder::Little { 0 } else { 1 };
                for (raw, sample) in bytes.chunks_exact(4).zip(samples.chunks_exact_mut(1)) {
                    s24.decode(&raw[first..first + 3], sample);
                }
            }
            Self::ALaw => each_byte(bytes, samples, a_law),
            Self::MuLaw => each_byte(bytes, samples, mu_law),
        }
    }
}

impl fmt::Display for PcmCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linear(encoding) => encoding.fmt(f),
            Self::S24In32(ByteOrder::Little) => f.write_str("s24le in 32 bit"),
            Self::S24In32(ByteOrder::Big) => f.write_str("s24be in 32 bit"),
            Self::ALaw => f.write_str("A-law"),
            Self::MuLaw => f.write_str("µ-law"),
        }
    }
}

fn each_byte(bytes: &[u8], samples: &mut [f32], expand: fn(u8) -> i16) {
    for (&byte, sample) in bytes.iter().zip(samples) {
        *sample = f32::from(expand(byte)) / 32_768.0;
    }
}

/// Expands one byte of A-law (ITU-T G.711, table 1a): sign, 3 bits of exponent, 4 of mantissa, even bits inverted.
fn a_law(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let (exponent, mantissa) = ((code >> 4) & 7, i16::from(code & 0x0F) << 4);
    let magnitude = match exponent {
        0 => mantissa + 8,
        _ => (mantissa + 0x108) << (exponent - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

/// Expands one byte of µ-law (ITU-T G.711, table 2a): all bits inverted, a bias of 0x84 on the magnitude.
fn mu_law(byte: u8) -> i16 {
    let code = !byte;
    let (exponent, mantissa) = ((code >> 4) & 7, i16::from(code & 0x0F) << 3);
    let magnitude = ((mantissa + 0x84) << exponent) - 0x84;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g711_end_points() {
        // The ends of the scale and the smallest steps, from the tables of the recommendation (scaled to 16 bit).
        for (byte, value) in [(0xD5, 8), (0x55, -8), (0xAA, 32_256), (0x2A, -32_256), (0xD4, 24)] {
            assert_eq!(a_law(byte), value, "A-law {byte:#x}");
        }
        for (byte, value) in [(0xFF, 0), (0x7F, 0), (0x80, 32_124), (0x00, -32_124), (0xFE, 8)] {
            assert_eq!(mu_law(byte), value, "µ-law {byte:#x}");
        }
    }

    #[test]
    fn g711_rises_over_the_whole_scale() {
        // Ordered by sign and magnitude, each code stands for more than the one before.
        for (expand, order) in
            [(a_law as fn(u8) -> i16, (|i| i ^ 0x55) as fn(u8) -> u8), (mu_law, (|i| !i) as fn(u8) -> u8)]
        {
            let magnitudes: Vec<i32> = (0..128).map(|i| i32::from(expand(order(i))).abs()).collect();
            assert!(magnitudes.windows(2).all(|pair| pair[0] < pair[1]), "{magnitudes:?}");
        }
    }

    #[test]
    fn four_byte_containers_ignore_the_fourth_byte() {
        let mut samples = [0.0; 2];
        PcmCodec::S24In32(ByteOrder::Little).decode(&[0, 0, 0x40, 0, 0, 0, 0xC0, 0xFF], &mut samples);
        assert_eq!(samples, [0.5, -0.5]);
        PcmCodec::S24In32(ByteOrder::Big).decode(&[0, 0x40, 0, 0, 0xFF, 0xC0, 0, 0], &mut samples);
        assert_eq!(samples, [0.5, -0.5]);
    }
}
