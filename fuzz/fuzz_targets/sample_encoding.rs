//! Any bytes, read and written in every sample encoding; any text as the name of one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pcmflow_core::format::SampleEncoding;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(encoding) = text.parse::<SampleEncoding>()
    {
        assert!(SampleEncoding::ALL.contains(&(text, encoding)), "{text:?} names no encoding");
    }
    for (name, encoding) in SampleEncoding::ALL {
        let width = encoding.format.bytes();
        let whole = bytes.len() / width;
        let mut samples = vec![0.0; whole + 1];
        assert_eq!(encoding.decode(bytes, &mut samples), whole, "{name} reads whole samples");
        samples.truncate(whole);
        let mut back = vec![0; whole * width];
        assert_eq!(encoding.encode(&samples, &mut back), whole, "{name} writes what it read");
        let mut again = vec![0.0; whole];
        encoding.decode(&back, &mut again);
        // What was representable once stays so: reading the written bytes gives the same samples.
        let same = |(a, b): (&f32, &f32)| a == b || a.is_nan() && b.is_nan();
        assert!(samples.iter().zip(&again).all(same), "{name} does not survive the way there and back");
    }
});
