//! Any bytes as a pipe: the content decides what reads them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pcmflow_fuzz::drain;
use std::io::Cursor;

fuzz_target!(|bytes: &[u8]| {
    drain(pcmflow_io::open_reader(Cursor::new(bytes.to_vec()), "fuzz", None));
});
