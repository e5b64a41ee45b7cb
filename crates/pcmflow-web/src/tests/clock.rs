//! The audio clock beside the engine's.

use crate::audio_clock::{AudioClock, Offset, audio_ns};
use pcmflow::engine::task::StepClock;
use std::sync::Arc;

const MS: u64 = 1_000_000;

/// Pushes that arrive at these times of the engine, and looks that come so much later; returns what each push was said to arrive at.
fn arrivals(starts_ms: u64, quanta: u64, late: impl Fn(u64) -> u64) -> Vec<i64> {
    let engine = Arc::new(StepClock::default());
    let (clock, mut offset) = (AudioClock::new(engine.clone()), Offset::new(0));
    let mut errors = Vec::new();
    for quantum in 0..quanta {
        let audio = quantum * 3 * MS;
        let arrived = clock.heard(Some(audio));
        let true_ns = starts_ms * MS + audio;
        errors.push(arrived as i64 - true_ns as i64);
        let now_ns = true_ns + late(quantum) * MS;
        engine.set(now_ns);
        assert!(offset.look(&clock, now_ns));
        assert!(!offset.look(&clock, now_ns), "nothing has come since");
    }
    errors
}

#[test]
fn the_offset_is_found_though_looks_are_late() {
    let errors = arrivals(5_000, 400, |quantum| 1 + quantum * 7 % 5);
    // From the first looks on as near as the promptest look.
    assert!(errors[40..].iter().all(|error| *error == MS as i64), "{:?}", &errors[40..50]);
}

#[test]
fn a_context_that_was_suspended_is_followed() {
    let engine = Arc::new(StepClock::default());
    let (clock, mut offset) = (AudioClock::new(engine.clone()), Offset::new(0));
    let mut last = 0;
    for quantum in 0..1_500u64 {
        // The engine's time goes on for ten seconds, and the audio time does not.
        let pause = if quantum < 500 { 0 } else { 10_000 * MS };
        let now_ns = quantum * 3 * MS + pause;
        last = clock.heard(Some(quantum * 3 * MS)).abs_diff(now_ns);
        engine.set(now_ns);
        offset.look(&clock, now_ns);
    }
    assert!(last <= MS, "{last}");
}

#[test]
fn times_that_are_none_are_none() {
    assert_eq!(audio_ns(2.5), Some(2_500_000));
    for audio_ms in [f64::NAN, f64::INFINITY, -0.1, 1e13] {
        assert_eq!(audio_ns(audio_ms), None, "{audio_ms}");
    }
}
