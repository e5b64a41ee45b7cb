//! Sample formats and their bytes: the one place where numbers become `f32` and back.

use super::FormatError;
use core::fmt;
use core::str::FromStr;

/// How one sample is stored, byte order apart.
///
/// ```
/// use pcmflow_core::format::SampleFormat;
/// assert_eq!(SampleFormat::S24.bytes(), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleFormat {
    /// Unsigned 8 bit, silence at 128.
    U8,
    /// Signed 8 bit.
    S8,
    /// Signed 16 bit.
    S16,
    /// Signed 24 bit, packed in 3 bytes.
    S24,
    /// Signed 32 bit.
    S32,
    /// IEEE 754 single.
    F32,
    /// IEEE 754 double.
    F64,
}

impl SampleFormat {
    /// Bytes of one sample.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::S8 => 1,
            Self::S16 => 2,
            Self::S24 => 3,
            Self::S32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Which byte of a sample comes first.
///
/// ```
/// use pcmflow_core::format::{ByteOrder, SampleEncoding};
/// let big: SampleEncoding = "s16be".parse()?;
/// let mut bytes = [0; 2];
/// big.encode(&[0.5], &mut bytes);
/// assert_eq!((big.order, bytes), (ByteOrder::Big, [0x40, 0x00]));
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first (WAV, x86, ARM).
    Little,
    /// Most significant byte first (AIFF, RIFX, network).
    Big,
}

/// A sample format with its byte order: what raw PCM must declare.
///
/// Its text form is that of ffmpeg and sox users: `s16le`, `f32be`, `u8` …
///
/// Integer full scale is 2^(bits−1): `i16::MIN` reads as exactly −1.0. Writing rounds to nearest,
/// clips at full scale, and turns NaN into silence.
///
/// ```
/// use pcmflow_core::format::SampleEncoding;
/// let s16: SampleEncoding = "s16le".parse()?;
/// let mut bytes = [0u8; 4];
/// assert_eq!(s16.encode(&[0.5, -2.0], &mut bytes), 2);
/// let mut samples = [0.0f32; 2];
/// assert_eq!(s16.decode(&bytes, &mut samples), 2);
/// assert_eq!(samples, [0.5, -1.0]);
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleEncoding {
    /// How one sample is stored.
    pub format: SampleFormat,
    /// Which of its bytes comes first.
    pub order: ByteOrder,
}

impl SampleEncoding {
    /// Every encoding with its name.
    pub const ALL: [(&'static str, SampleEncoding); 12] = {
        const fn e(format: SampleFormat, order: ByteOrder) -> SampleEncoding {
            SampleEncoding { format, order }
        }
        use ByteOrder::{Big, Little};
        use SampleFormat::*;
        [
            ("u8", e(U8, Little)),
            ("s8", e(S8, Little)),
            ("s16le", e(S16, Little)),
            ("s16be", e(S16, Big)),
            ("s24le", e(S24, Little)),
            ("s24be", e(S24, Big)),
            ("s32le", e(S32, Little)),
            ("s32be", e(S32, Big)),
            ("f32le", e(F32, Little)),
            ("f32be", e(F32, Big)),
            ("f64le", e(F64, Little)),
            ("f64be", e(F64, Big)),
        ]
    };

    /// Reads as many whole samples as both slices hold; returns how many.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn decode(self, bytes: &[u8], samples: &mut [f32]) -> usize {
        let big = self.order == ByteOrder::Big;
        macro_rules! each {
            ($n:literal, $read:expr) => {{
                let read = $read;
                let mut count = 0;
                for (raw, sample) in bytes.chunks_exact($n).zip(samples.iter_mut()) {
                    let mut b = [0u8; $n];
                    b.copy_from_slice(raw);
                    if big {
                        b.reverse();
                    }
                    *sample = read(b);
                    count += 1;
                }
                count
            }};
        }
        match self.format {
            SampleFormat::U8 => each!(1, |b: [u8; 1]| (f32::from(b[0]) - 128.0) / 128.0),
            SampleFormat::S8 => each!(1, |b: [u8; 1]| f32::from(b[0] as i8) / 128.0),
            SampleFormat::S16 => each!(2, |b| f32::from(i16::from_le_bytes(b)) / 32_768.0),
            SampleFormat::S24 => each!(3, |b: [u8; 3]| {
                // The top three bytes of an i32 keep the sign; the scale follows.
                i32::from_le_bytes([0, b[0], b[1], b[2]]) as f32 / 2_147_483_648.0
            }),
            SampleFormat::S32 => each!(4, |b| i32::from_le_bytes(b) as f32 / 2_147_483_648.0),
            SampleFormat::F32 => each!(4, f32::from_le_bytes),
            SampleFormat::F64 => each!(8, |b| f64::from_le_bytes(b) as f32),
        }
    }

    /// Writes as many whole samples as both slices hold; returns how many.
    ///
    /// Integers are rounded to nearest and clipped; NaN becomes 0 there. Floats pass unchanged.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn encode(self, samples: &[f32], bytes: &mut [u8]) -> usize {
        let big = self.order == ByteOrder::Big;
        // `as` saturates and maps NaN to 0, which is the clipping promised above. f64 holds every
        // product exactly, so that a 24-bit sample survives the way through f32 unchanged.
        fn scale(sample: f32, full: f64) -> i64 {
            libm::rint(f64::from(sample) * full).clamp(-full, full - 1.0) as i64
        }
        macro_rules! each {
            ($n:literal, $write:expr) => {{
                let write = $write;
                let mut count = 0;
                for (raw, &sample) in bytes.chunks_exact_mut($n).zip(samples) {
                    let mut b: [u8; $n] = write(sample);
                    if big {
                        b.reverse();
                    }
                    raw.copy_from_slice(&b);
                    count += 1;
                }
                count
            }};
        }
        match self.format {
            SampleFormat::U8 => each!(1, |s| [(scale(s, 128.0) + 128) as u8]),
            SampleFormat::S8 => each!(1, |s| [scale(s, 128.0) as i8 as u8]),
            SampleFormat::S16 => each!(2, |s| (scale(s, 32_768.0) as i16).to_le_bytes()),
            SampleFormat::S24 => each!(3, |s| {
                let b = (scale(s, 8_388_608.0) as i32).to_le_bytes();
                [b[0], b[1], b[2]]
            }),
            SampleFormat::S32 => each!(4, |s| (scale(s, 2_147_483_648.0) as i32).to_le_bytes()),
            SampleFormat::F32 => each!(4, f32::to_le_bytes),
            SampleFormat::F64 => each!(8, |s: f32| f64::from(s).to_le_bytes()),
        }
    }
}

impl FromStr for SampleEncoding {
    type Err = FormatError;
    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::ALL
            .iter()
            .find_map(|(name, encoding)| (*name == text).then_some(*encoding))
            .ok_or(FormatError::UnknownEncoding)
    }
}

impl fmt::Display for SampleEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A single byte has no order: both spellings of u8 print alike.
        let same = |e: &SampleEncoding| {
            e.format == self.format && (self.format.bytes() == 1 || e.order == self.order)
        };
        let name = Self::ALL.iter().find_map(|(name, e)| same(e).then_some(*name)).unwrap_or("?");
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn names_and_encodings_agree_both_ways() {
        for (name, encoding) in SampleEncoding::ALL {
            assert_eq!(name.parse(), Ok(encoding));
            assert_eq!(encoding.to_string(), name);
        }
        assert_eq!("s20le".parse::<SampleEncoding>(), Err(FormatError::UnknownEncoding));
    }

    #[test]
    fn full_scale_and_beyond() {
        let cases: [(&str, f32, &[u8]); 10] = [
            ("u8", -1.0, &[0]),
            ("u8", 0.0, &[128]),
            ("u8", 1.0, &[255]),
            ("s8", -5.0, &[0x80]),
            ("s16le", 1.0, &[0xff, 0x7f]),
            ("s16be", -1.0, &[0x80, 0x00]),
            ("s24le", 1.0, &[0xff, 0xff, 0x7f]),
            ("s32be", f32::INFINITY, &[0x7f, 0xff, 0xff, 0xff]),
            ("s16le", f32::NAN, &[0, 0]),
            ("s24be", -1e30, &[0x80, 0, 0]),
        ];
        for (name, sample, expected) in cases {
            let encoding: SampleEncoding = name.parse().unwrap();
            let mut bytes = vec![0xAA; expected.len()];
            assert_eq!(encoding.encode(&[sample], &mut bytes), 1);
            assert_eq!(bytes, expected, "{sample} as {name}");
        }
    }

    #[test]
    fn a_trailing_partial_sample_is_left_alone() {
        let s24: SampleEncoding = "s24le".parse().unwrap();
        let mut samples = [9.0; 2];
        assert_eq!(s24.decode(&[0, 0, 0x40, 1, 2], &mut samples), 1);
        assert_eq!(samples, [0.5, 9.0]);
    }

    proptest! {
        #[test]
        fn integers_survive_the_way_through_f32(values in proptest::collection::vec(-8_388_608i32..8_388_608, 1..64)) {
            for (name, bits) in [("s8", 8), ("u8", 8), ("s16le", 16), ("s16be", 16), ("s24le", 24), ("s24be", 24)] {
                let encoding: SampleEncoding = name.parse().unwrap();
                let samples: Vec<f32> = values.iter().map(|v| (v >> (24 - bits)) as f32 / (1u32 << (bits - 1)) as f32).collect();
                let mut bytes = vec![0; samples.len() * encoding.format.bytes()];
                let mut back = vec![0.0; samples.len()];
                prop_assert_eq!(encoding.encode(&samples, &mut bytes), samples.len());
                prop_assert_eq!(encoding.decode(&bytes, &mut back), samples.len());
                prop_assert_eq!(&back, &samples);
            }
        }

        #[test]
        fn any_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..100), which in 0usize..12) {
            let encoding = SampleEncoding::ALL[which].1;
            let mut samples = [0.0; 128];
            prop_assert_eq!(encoding.decode(&bytes, &mut samples), bytes.len() / encoding.format.bytes());
        }
    }
}
