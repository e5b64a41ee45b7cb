//! What goes in as a sine comes out as that sine.

use super::*;
use pcmflow_core::format::{ChannelCount, ChannelMap};
use std::f64::consts::TAU;

fn sine(hz: f64, rate: f64, frames: usize) -> Vec<f32> {
    (0..frames).map(|n| (0.5 * (TAU * hz * n as f64 / rate).sin()) as f32).collect()
}

/// Amplitude and phase of `hz` in a signal, and what is left of it without that, as an amplitude.
fn fitted(signal: &[f32], hz: f64, rate: f64) -> (f64, f64, f64) {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, &sample) in signal.iter().enumerate() {
        let angle = TAU * hz * n as f64 / rate;
        sine += f64::from(sample) * angle.sin();
        cosine += f64::from(sample) * angle.cos();
    }
    let scale = 2.0 / signal.len() as f64;
    let (sine, cosine) = (sine * scale, cosine * scale);
    let left = signal.iter().enumerate().map(|(n, &sample)| {
        let angle = TAU * hz * n as f64 / rate;
        (f64::from(sample) - sine * angle.sin() - cosine * angle.cos()).powi(2)
    });
    let left = (left.sum::<f64>() * scale).sqrt();
    (sine.hypot(cosine), cosine.atan2(sine), left)
}

#[test]
fn a_sine_keeps_frequency_amplitude_and_purity() {
    let pool = pool();
    for (from, to) in
        [(44_100, 48_000), (48_000, 16_000), (48_000, 44_100), (16_000, 48_000), (44_100, 16_000)]
    {
        for hz in [440.0, 3_000.0] {
            let mut chain =
                Plan::between(Shape::new(format(from, 1)), format(to, 1)).unwrap().build().unwrap();
            let out = through(
                &mut chain,
                &pool,
                format(from, 1),
                &sine(hz, f64::from(from), 2 * from as usize),
                441,
            );
            assert_eq!(out.len(), 2 * to as usize);
            // One second in the middle: whole periods. Its phase is 0 only if the frequency is right and the delay made up for.
            let middle = &out[to as usize / 2..][..to as usize];
            let (amplitude, phase, left) = fitted(middle, hz, f64::from(to));
            let expected = (TAU * hz * 0.5).sin().atan2((TAU * hz * 0.5).cos());
            assert!((amplitude - 0.5).abs() < 1e-4, "{from} to {to}, {hz} Hz: amplitude {amplitude}");
            assert!(
                (phase - expected).abs() < 1e-3,
                "{from} to {to}, {hz} Hz: phase {phase}, not {expected}"
            );
            let distortion = 20.0 * (left / amplitude).log10();
            assert!(
                distortion < -85.0,
                "{from} to {to}, {hz} Hz: {distortion:.1} dB of distortion and noise"
            );
        }
    }
}

#[test]
fn a_chain_does_what_its_steps_do_one_by_one() {
    let pool = pool();
    let (from, to) = (format(48_000, 2), Shape::new(format(16_000, 1)).in_blocks(Frames(160)));
    let input: Vec<f32> =
        sine(500.0, 48_000.0, 20_000).iter().flat_map(|&sample| [sample, -0.5 * sample]).collect();
    let mut chain = Plan::between(Shape::new(from), to).unwrap().build().unwrap();
    let out = through(&mut chain, &pool, from, &input, 333);
    let map = ChannelMap::new(ChannelCount::STEREO, ChannelCount::MONO);
    let mut mono = vec![0.0; 20_000];
    map.map(&input, &mut mono);
    let mut resampler = Resampler::new(from.rate, to.format.rate, ChannelCount::MONO).unwrap();
    let mut naive = Vec::new();
    resampler.process(&mono, &mut naive).unwrap();
    resampler.finish(&mut naive).unwrap();
    assert_eq!(out, naive);
}

/// A clock that runs 300 millionths fast and is known to: the tone comes out at its pitch, in frames of the right clock.
#[test]
fn a_known_drift_is_taken_out() {
    let (pool, mono) = (pool(), format(48_000, 1));
    for ppb in [300_000, -300_000] {
        let wanted = Wanted { adjustable: true, ..mono.into() };
        let mut chain = Plan::between(Shape::new(mono), wanted).unwrap().build().unwrap();
        assert_eq!(chain.set_drift_ppb(ppb), Some(ppb));
        let rate = 48_000.0 * (1.0 + f64::from(ppb) / 1e9);
        let frames = (2.0 * rate).round() as usize;
        let out = through(&mut chain, &pool, mono, &sine(1_000.0, rate, frames), 128);
        assert!(out.len().abs_diff(96_000) <= 1, "{} frames", out.len());
        let (amplitude, _, left) = fitted(&out[24_000..72_000], 1_000.0, 48_000.0);
        assert!((amplitude - 0.5).abs() < 1e-3, "{amplitude}");
        assert!(left / amplitude < 1e-3, "{} is left", left / amplitude);
        // Without the correction it would be half a period off after these two seconds.
        let books = chain.conversion();
        assert_eq!((books.imbalance(), books.given.0), (Frames::ZERO, out.len() as u64));
    }
}

#[test]
fn a_drift_that_changes_keeps_the_books() {
    let (pool, from, to) = (pool(), format(44_100, 1), format(48_000, 1));
    let wanted = Wanted { adjustable: true, ..to.into() };
    let mut chain = Plan::between(Shape::new(from), wanted).unwrap().build().unwrap();
    let (mut timeline, mut random, mut given) = (Timeline::default(), Random(4), 0);
    let mut position = 0;
    for _ in 0..3_000 {
        let ppb = random.below(600_001) as i32 - 300_000;
        assert_eq!(chain.set_drift_ppb(ppb), Some(ppb));
        let chunk = chunk(&pool, from, position, &vec![0.5; random.below(400) as usize]);
        position = chunk.end().0;
        Grown::grow(&pool);
        chain.process(chunk, &pool, &mut |packet| {
            if let Packet::Chunk(chunk) = packet {
                timeline.deliver(chunk.position(), chunk.span());
                given += chunk.frames().0;
            }
        });
        let (books, latency) = (chain.conversion(), chain.latency().frames);
        assert_eq!((books.imbalance(), books.given), (Frames::ZERO, Frames(given)));
        // What is reckoned to be inside can be inside: the filter really makes as many frames as the books say.
        assert!(books.held <= latency, "{books:?}");
        assert!(position < 4_000 || books.held.0 > 100, "{books:?}");
        assert!(position - timeline.position().0 <= latency.0 + 1);
    }
    chain.finish(&pool, &mut |packet| {
        if let Packet::Chunk(chunk) = packet {
            timeline.deliver(chunk.position(), chunk.span());
        }
    });
    assert_eq!((timeline.position().0, timeline.unaccounted()), (position, Frames::ZERO));
    assert_eq!(chain.set_drift_ppb(i32::MAX), Some(1_000_000), "at most a thousandth");
}

#[test]
fn only_what_was_planned_so_is_adjustable() {
    let plan = Plan::between(Shape::new(format(48_000, 1)), format(16_000, 1)).unwrap();
    assert_eq!(plan.build().unwrap().set_drift_ppb(1_000), None);
    let plan = Plan::between(Shape::new(format(48_000, 1)), format(48_000, 1)).unwrap();
    assert_eq!(plan.build().unwrap().set_drift_ppb(1_000), None);
}
