//! The metadata of a FLAC stream, taken out before a decoder sees it.
//!
//! Nothing here needs tags, pictures or cue sheets, and a decoder that reads them refuses files whose audio is sound: a
//! cue sheet that claims to be of a CD and has tracks off the CD's raster is enough. Layout: RFC 9639, section 8.

use std::io::{self, Read};

/// `fLaC`, the header of the STREAMINFO block and its body.
pub(crate) const HEAD_BYTES: usize = 4 + 4 + 34;
/// Metadata blocks that are skipped at most; each has less than 16 MiB.
const BLOCKS_MAX: usize = 1024;

/// Whether these first bytes are those of a FLAC stream as it should be; others are left to the decoder to judge.
pub(crate) fn is_flac(head: &[u8]) -> bool {
    head.get(..4) == Some(b"fLaC") && matches!(head.get(4..8), Some([0 | 0x80, 0, 0, 34]))
}

/// Reads the metadata of a stream that passed [`is_flac`], up to the first frame, and returns a head that holds
/// STREAMINFO only.
pub(crate) fn strip_metadata(input: &mut impl Read) -> io::Result<[u8; HEAD_BYTES]> {
    const LAST: u8 = 0x80;
    let mut head = [0; HEAD_BYTES];
    input.read_exact(&mut head)?;
    let mut last = head[4] & LAST != 0;
    head[4] |= LAST;
    for _ in 0..BLOCKS_MAX {
        if last {
            return Ok(head);
        }
        let mut block = [0; 4];
        input.read_exact(&mut block)?;
        last = block[0] & LAST != 0;
        let bytes = u64::from(u32::from_be_bytes([0, block[1], block[2], block[3]]));
        if io::copy(&mut input.by_ref().take(bytes), &mut io::sink())? < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "too many metadata blocks"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(blocks: &[(u8, u32)], frames: &[u8]) -> Vec<u8> {
        let mut bytes = b"fLaC".to_vec();
        for &(kind, length) in blocks {
            bytes.push(kind);
            bytes.extend_from_slice(&length.to_be_bytes()[1..]);
            bytes.extend(std::iter::repeat_n(7, length as usize));
        }
        [&bytes, frames].concat()
    }

    #[test]
    fn only_streaminfo_and_frames_are_left() {
        let bytes = stream(&[(0, 34), (4, 100), (6, 70_000), (0x85, 3)], b"frames");
        assert!(is_flac(&bytes));
        let mut input = &bytes[..];
        let head = strip_metadata(&mut input).unwrap();
        assert_eq!(input, b"frames");
        assert_eq!(head[..], stream(&[(0x80, 34)], b"")[..]);
    }

    #[test]
    fn what_is_not_as_it_should_be_is_left_alone_or_refused() {
        assert!(!is_flac(b"fLaC"));
        assert!(!is_flac(&stream(&[(0, 33)], b"")));
        assert!(!is_flac(&stream(&[(4, 34)], b"")));
        let short = stream(&[(0, 34), (4, 100)], b"");
        assert!(strip_metadata(&mut &short[..]).is_err());
        assert!(strip_metadata(&mut &short[..130]).is_err());
        let endless = stream(&[(0, 34)], &[0; 4 * (BLOCKS_MAX + 1)]);
        assert_eq!(strip_metadata(&mut &endless[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
