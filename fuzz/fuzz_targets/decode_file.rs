//! Any bytes as a file, which decoders may seek in: the ways that a pipe doesn't reach.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pcmflow_fuzz::drain;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("pcmflow-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("the directory for temporary files is writable");
    drain(pcmflow_io::open_file(&path));
});
