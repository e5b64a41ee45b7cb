//! Any text as a synthetic signal: what is accepted makes finite samples within full scale.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pcmflow_io::{Source, SynthSpec};

fuzz_target!(|text: &str| {
    let Ok(spec) = text.parse::<SynthSpec>() else { return };
    let Ok(mut source) = spec.source() else { return };
    let channels = source.format().channels.get();
    let mut out = vec![f32::NAN; 512 * channels];
    for _ in 0..8 {
        let frames = source.read(&mut out).expect("a synthetic signal can't fail").0 as usize;
        let samples = &out[..frames * channels];
        assert!(samples.iter().all(|sample| sample.abs() <= 1.0), "{text:?} leaves full scale");
        if frames == 0 {
            return;
        }
    }
});
