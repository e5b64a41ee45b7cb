//! What claims to be RT-safe here, under the guard of the core: a block allocates nothing and waits for nobody.
#![cfg_attr(pcmflow_rtsan, feature(sanitize))]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use guard::rt;
use pcmflow_core::format::{ChannelCount, Interleaved, SampleRate, StreamPosition};
use pcmflow_pitch::{Note, PitchConfig, PitchTracker};

#[path = "../../pcmflow-core/tests/guard/mod.rs"]
mod guard;

#[test]
fn blocks_gaps_and_ends_allocate_nothing() {
    for rate_hz in [8_000, 44_100, 192_000] {
        let rate = SampleRate::new(rate_hz).unwrap();
        let config = rt("PitchConfig::new", || PitchConfig::new(rate));
        let mut tracker = PitchTracker::new(config).unwrap();
        rt("PitchTracker::delay_frames", || tracker.delay_frames());
        rt("PitchTracker::range_hz", || tracker.range_hz());
        let samples: Vec<f32> = (0..2 * 2048).map(|n| ((n / 2) as f32 * 0.03).sin()).collect();
        let mut estimates = 0;
        let mut position = StreamPosition::START;
        for len in [1024, 2048, 256, 37, 1, 1024, 2048, 2048, 2048, 2048, 2048, 2048, 2048] {
            let block = Interleaved::new(&samples[..2 * len], ChannelCount::STEREO).unwrap();
            let estimate = rt("PitchTracker::block", || tracker.block(position, block));
            estimates += usize::from(estimate.is_some());
            position += block.frames();
            if len == 37 {
                position += 5.into();
            }
        }
        // Each estimate of the tail is computed when it is asked for.
        estimates += rt("PitchTracker::finish", || tracker.finish().count());
        assert!(estimates >= 13);
    }
    guard::report("pcmflow-pitch");
}

#[test]
fn notes_allocate_nothing() {
    let (note, _) = rt("Note::nearest", || Note::nearest(550.0, 440.0)).unwrap();
    assert!(rt("Note::nearest", || Note::nearest(f32::NAN, 440.0)).is_none());
    assert_eq!(rt("Note::midi", || note.midi()), 73);
    rt("Note::hz", || note.hz(440.0));
    guard::report("pcmflow-pitch, notes");
}
