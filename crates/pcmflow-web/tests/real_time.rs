//! What an AudioWorklet calls, under the guard of the core: it allocates nothing, whatever becomes of the quantum.
#![cfg_attr(pcmflow_rtsan, feature(sanitize))]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use guard::rt;
use pcmflow_web::WebEngine;

#[path = "../../pcmflow-core/tests/guard/mod.rs"]
mod guard;

#[test]
fn a_quantum_allocates_nothing_be_it_taken_lost_late_or_refused() {
    let mut engine = WebEngine::open(r#"{"config":{"audio":{"ring_ms":50}}}"#).unwrap();
    let capture = engine.stream(r#"{"rate_hz":48000,"channels":2,"quantum":128}"#).unwrap();
    let capacity = rt("Capture::capacity", || capture.capacity());
    assert_eq!(rt("Capture::format", || capture.format()).channels.get(), 2);
    assert!(rt("Capture::plane", || capture.plane(2)).is_none());
    let samples = [0.25; 128];
    let (mut taken, mut audio_ms) = (0, 0.0);
    for quantum in 0..1_000u32 {
        rt("Capture::fill", || capture.fill(quantum as usize % 2, &samples));
        taken += u64::from(rt("Capture::push", || capture.push(128, audio_ms)));
        // A quantum is missing now and then, and for the first half nobody reads.
        audio_ms += if quantum % 100 == 99 { 2.0 } else { 1.0 } * 128.0 / 48.0;
        if quantum > 500 {
            engine.poll(audio_ms);
        }
    }
    assert!(taken >= capacity.0 / 128 * 128 && taken < 128_000);
    assert_eq!(rt("Capture::pushed", || capture.pushed()), 128_000);
    assert_eq!(rt("Capture::missed", || capture.missed()), 9 * 128);
    engine.stream_end();
    assert_eq!(rt("Capture::push", || capture.push(128, audio_ms)), 0);
    guard::report("pcmflow-web");
}
