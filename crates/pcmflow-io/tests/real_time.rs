//! What claims to be RT-safe here, under the guard of the core.
#![cfg_attr(pcmflow_rtsan, feature(sanitize))]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use guard::rt;
use pcmflow_core::format::{ChannelCount, SampleRate};
use pcmflow_io::{ChannelMap, Resampler};

#[path = "../../pcmflow-core/tests/guard/mod.rs"]
mod guard;

#[test]
fn channel_maps_and_figures_of_a_resampler_allocate_nothing() {
    for (from, to) in [(1, 1), (2, 1), (1, 2), (6, 2), (4, 6)] {
        let (from, to) = (ChannelCount::new(from).unwrap(), ChannelCount::new(to).unwrap());
        let map = ChannelMap::new(from, to);
        assert_eq!(rt("ChannelMap::from", || map.from()), from);
        assert_eq!(rt("ChannelMap::to", || map.to()), to);
        let mut out = [0.0; 60];
        assert!(rt("ChannelMap::map", || map.map(&[0.5; 60], &mut out)).0 >= 10);
    }
    for to in [48_000, 44_100] {
        let to = SampleRate::new(to).unwrap();
        let mut resampler = Resampler::new(SampleRate::HZ_48000, to, ChannelCount::MONO).unwrap();
        resampler.process(&[0.5; 1000], &mut Vec::new()).unwrap();
        assert_eq!(rt("Resampler::format", || resampler.format()).rate, to);
        assert_eq!(rt("Resampler::frames_in", || resampler.frames_in()).0, 1000);
        rt("Resampler::frames_out", || resampler.frames_out());
        rt("Resampler::frames_held", || resampler.frames_held());
        rt("Resampler::frames_held_max", || resampler.frames_held_max());
    }
    guard::report("pcmflow-io");
}
