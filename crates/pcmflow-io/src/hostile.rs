//! Bytes that nobody meant as audio, and audio with bytes changed: whatever comes, the sources end without a panic.

use crate::samples::{Wav, aiff, read_all, silent_mp2};
use crate::{RawFormat, open_reader};
use pcmflow_core::format::{SampleEncoding, StreamFormat};
use proptest::prelude::*;
use std::io::Cursor;

/// Reads to the end; the outcome does not matter, that there is one does.
fn survives(bytes: Vec<u8>, raw: Option<RawFormat>) {
    let length = bytes.len();
    if let Ok(mut source) = open_reader(Cursor::new(bytes), "hostile bytes", raw) {
        let samples = read_all(&mut source, 4096).map_or(0, |samples| samples.len());
        // Uncompressed audio can't be longer than its bytes.
        assert!(raw.is_none() || samples <= length);
    }
}

/// The beginnings by which containers are told.
const MAGICS: [&[u8]; 16] = [
    b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0",
    b"RIFX\0\0\0\0WAVE",
    b"RF64\xFF\xFF\xFF\xFFWAVEds64\x1C\0\0\0",
    b"FORM\0\0\x10\0AIFFCOMM\0\0\0\x12",
    b"fLaC\x80\0\0\x22",
    b"fLaC\0\0\0\x22",
    b"OggS\0\x02",
    b"\x1A\x45\xDF\xA3",
    b"\0\0\0\x18ftypM4A ",
    b"caff\0\x01\0\0desc",
    b"ID3\x04\0\0",
    b"\xFF\xFB\x90\x64",
    b"\xFF\xFD\x40\0",
    b"\xFF\xF1\x50\x80",
    b"APETAGEX",
    b"",
];

/// Sound files of several kinds, to be damaged.
fn sound(kind: usize) -> Vec<u8> {
    match kind {
        0 => Wav { data: vec![7; 400], ..Default::default() }.bytes(),
        1 => Wav { magic: b"RIFX", sub_tag: Some(1), data: vec![7; 400], ..Default::default() }.bytes(),
        2 => Wav { tag: 0x11, bits: 4, block_align: 32, data: vec![3; 320], ..Default::default() }.bytes(),
        3 => aiff(44_100, 2, &[5; 200]),
        _ => silent_mp2(12, 0, false),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_behind_any_magic(which in 0usize..MAGICS.len(), rest in proptest::collection::vec(any::<u8>(), 0..600)) {
        survives([MAGICS[which], &rest].concat(), None);
    }

    #[test]
    fn sound_files_with_bytes_changed_and_cut(
        kind in 0usize..5,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = sound(kind);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        survives(bytes, None);
    }

    #[test]
    fn any_bytes_are_raw_pcm(bytes in proptest::collection::vec(any::<u8>(), 0..600), which in 0usize..12, channels in 1u32..=64) {
        let raw = RawFormat { encoding: SampleEncoding::ALL[which].1, format: StreamFormat::new(8_000, channels).unwrap() };
        survives(bytes, Some(raw));
    }
}
