//! The tracker looks back, never ahead: what it has said does not change by what comes after.
//!
//! The rule, by position and not by time. A flow hands the tracker one block after another, and each block is answered
//! with one estimate, made when the block ends. So the `k`-th estimate (from 0) is emitted at the end of block `k`, frame
//! `(k + 1) * BLOCK`. Cutting the input at frame `N` leaves `N / BLOCK` whole blocks before the cut, and that
//! many estimates, the first ones in the output, must be the same to the last digit. What follows them
//! was emitted *at* the end and may differ: an estimate for the short block that the cut made, and those of the tail,
//! for which the window shrinks.
//!
//! `delay_ms` is how long the computing took, and is left out.

use super::support::{Place, few, line, pcmflow, wav};
use serde_json::{Value, json};

const BLOCK: usize = 1024;

/// What `pitch` says of a file, without what depends on the clock and on the file's name.
fn estimates(file: &str) -> Vec<Value> {
    let run = pcmflow(["pitch", "--json", "--fast", file]).end().code(0);
    let fields = ["position", "time_s", "hz", "note", "cents", "confidence", "voiced"];
    run.json().iter().map(|line| fields.iter().map(|field| line[*field].clone()).collect()).collect()
}

/// The samples of a melody, as the program renders it.
fn melody(settings: &str) -> Vec<i16> {
    let run = line(&format!("pipe synth:melody,{settings} --fast")).end().code(0);
    run.out.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect()
}

fn check(place: &Place, rate: u32, channels: u16, samples: &[i16], at: &[usize]) {
    let channel_count = usize::from(channels);
    let whole = estimates(&place.file("whole.wav", &wav(rate, channels, samples)));
    let frames = samples.len() / channel_count;
    assert!(whole.len() > frames / BLOCK, "an estimate for each block, and a tail");
    let voiced = whole.iter().filter(|estimate| estimate[6] == json!(true)).count();
    assert!(voiced * 2 > whole.len(), "a melody is mostly voiced: {voiced} of {}", whole.len());
    for &cut in at {
        let blocks = cut / BLOCK;
        let before = &samples[..cut * channel_count];
        // The end of the input, and then instead of it an outcry: neither may be heard before it comes.
        let noise =
            (0..samples.len() - before.len()).map(|n| (n.wrapping_mul(40_503) % 65_536) as u16 as i16);
        let other: Vec<i16> = before.iter().copied().chain(noise).collect();
        for (what, samples) in [("ends", before), ("is noise", &other)] {
            let heard = estimates(&place.file("cut.wav", &wav(rate, channels, samples)));
            assert!(heard.len() >= blocks, "{cut}: {} estimates for {blocks} blocks", heard.len());
            let differ: Vec<_> =
                (0..blocks).filter(|&k| heard[k] != whole[k]).map(|k| (k, &heard[k], &whole[k])).collect();
            assert!(differ.is_empty(), "what {what} from frame {cut} on was heard before:\n{}", few(&differ));
            assert_ne!(heard, whole, "the check compares nothing: the input {what} from {cut} on");
        }
    }
}

#[test]
fn a_cut_leaves_what_was_said_before_it() {
    let place = Place::new();
    let samples = melody("rate=48000");
    let cuts = [BLOCK, 37 * BLOCK, 37 * BLOCK + 1, 38 * BLOCK - 1, 50_000, 123 * BLOCK + 512];
    check(&place, 48_000, 1, &samples, &cuts);
}

#[test]
fn at_other_rates_and_in_stereo_too() {
    let place = Place::new();
    // 96 kHz is decimated before it is analysed: that filter must not look ahead either.
    check(&place, 96_000, 1, &melody("rate=96000,seed=7"), &[80 * BLOCK, 80 * BLOCK + 333]);
    check(&place, 44_100, 2, &melody("rate=44100,channels=2"), &[60 * BLOCK, 60 * BLOCK + 700]);
}
