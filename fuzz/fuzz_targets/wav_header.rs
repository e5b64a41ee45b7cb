//! Any bytes behind a WAV's first twelve: every form of header, whatever its chunks say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pcmflow_fuzz::drain;
use std::io::Cursor;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let form = [b"RIFF", b"RIFX", b"RF64", b"BW64"][usize::from(choice & 3)];
    // Half of them tell the truth about their length, the others what programs write into pipes.
    let length = if choice & 4 == 0 { rest.len() as u32 + 4 } else { u32::MAX };
    let length = if form == b"RIFX" { length.to_be_bytes() } else { length.to_le_bytes() };
    let file = [form, &length[..], b"WAVE", rest].concat();
    drain(pcmflow_io::open_reader(Cursor::new(file), "fuzz", None));
});
