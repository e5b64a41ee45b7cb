//! Any bytes as raw PCM of any declared format: every whole frame comes out, and no other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pcmflow_core::format::{SampleEncoding, StreamFormat};
use pcmflow_fuzz::drain;
use pcmflow_io::RawFormat;
use std::io::Cursor;

fuzz_target!(|input: (u8, u32, u32, Vec<u8>)| {
    let (choice, rate_hz, channels, bytes) = input;
    let (_, encoding) = SampleEncoding::ALL[usize::from(choice) % SampleEncoding::ALL.len()];
    let Ok(format) = StreamFormat::new(rate_hz, channels) else { return };
    let whole = bytes.len() / (encoding.format.bytes() * format.channels.get());
    let frames =
        drain(pcmflow_io::open_reader(Cursor::new(bytes), "fuzz", Some(RawFormat { encoding, format })));
    assert_eq!(frames.unwrap_or(0), whole as u64, "{encoding:?}, {format}");
});
