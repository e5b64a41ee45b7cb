//! Samples, formats and messages that nobody should send.

use super::*;
use crate::WebError;

#[test]
fn samples_that_are_no_sound_are_counted_and_hurt_nothing() {
    let mut page = Page::open("{}", 48_000, 1);
    let wild = |frame: u64| match frame % 7 {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2 => f32::NEG_INFINITY,
        3 => 1e30,
        4 => -1e30,
        5 => f32::MIN_POSITIVE / 2.0,
        _ => 0.5,
    };
    page.run(400, wild);
    // All of them are gone when they are gone.
    page.run(200, sine(440.0, 48_000));
    let levels = page.of_type("level");
    assert!(
        levels[3]["non_finite"].as_u64() > Some(400) && levels[3]["peak"].as_f64() > Some(9e29),
        "{}",
        levels[3]
    );
    let last = page.of_type("pitch").pop().unwrap();
    assert!((last["hz"].as_f64().unwrap() - 440.0).abs() < 0.2, "{last}");
    let books = json(&page.engine.close());
    assert_eq!(
        (&books["sinks"]["pitch"]["delivered"], &books["unaccounted"]),
        (&(600 * 128).into(), &0.into())
    );
}

#[test]
fn denormal_samples_are_silence() {
    let mut page = Page::open("{}", 48_000, 1);
    page.run(16, |_| f32::MIN_POSITIVE / 2.0);
    assert_eq!(page.of_type("level")[0]["peak"], 0.0);
}

#[test]
fn formats_work_or_are_refused_with_what_is_allowed() {
    for (rate_hz, channels) in [(3_000, 1), (384_000, 1), (48_000, 33), (768_000, 2), (1_000, 64)] {
        let mut page = Page::open("{}", rate_hz, channels);
        page.run(64, sine(100.0, rate_hz));
        let books = json(&page.engine.close());
        assert_eq!(
            books["sinks"]["pitch"]["delivered"],
            64 * 128,
            "{rate_hz} Hz, {channels} channels: {books}"
        );
        assert_eq!(books["unaccounted"], 0);
    }
    let mut engine = WebEngine::open("{}").unwrap();
    let mut refused = |request: &str| engine.stream(request).unwrap_err();
    for (request, what, words) in [
        (r#"{"rate_hz":48000,"channels":0,"quantum":128}"#, "format", "0 channels: 1 to 64 are allowed"),
        (r#"{"rate_hz":999,"channels":1,"quantum":128}"#, "format", "outside 1000 to 768000 Hz"),
        (r#"{"rate_hz":-1,"channels":1,"quantum":128}"#, "format", "outside 1000 to 768000 Hz"),
        (r#"{"rate_hz":1e30,"channels":1,"quantum":128}"#, "format", "outside 1000 to 768000 Hz"),
        (r#"{"rate_hz":48000,"channels":1,"quantum":0}"#, "quantum", "a quantum of 0 frames: 1 to 16384"),
        (r#"{"rate_hz":48000,"channels":1,"quantum":16385}"#, "quantum", "1 to 16384 are allowed"),
        (r#"{"rate_hz":48000,"channels":-1,"quantum":128}"#, "message", "-1"),
        (r#"{"rate_hz":48000,"chanels":1,"quantum":128}"#, "message", "chanels"),
        ("nonsense", "message", r#"{"rate_hz":48000,"channels":1,"quantum":128}"#),
    ] {
        let error: WebError = refused(request);
        assert_eq!(error.what(), what, "{request}: {error}");
        assert!(error.to_string().contains(words), "{request}: {error}");
    }
    // The engine is as it was.
    assert!(engine.stream(&request(48_000, 1)).is_ok());
}

#[test]
fn a_ring_that_no_sound_needs_is_refused() {
    let mut engine = WebEngine::open(r#"{"config":{"audio":{"ring_ms":60000}}}"#).unwrap();
    let error = engine.stream(&request(384_000, 33)).unwrap_err();
    assert_eq!(error.what(), "ring");
    assert!(error.to_string().contains("audio.ring_ms"), "{error}");
}

#[test]
fn more_frames_than_a_quantum_are_lost_and_counted() {
    let mut page = Page::open("{}", 48_000, 1);
    assert_eq!(page.capture.push(1_000, 0.0), 128);
    assert_eq!(page.capture.push(0, 1_000.0 / 48.0), 0);
    page.poll(1_030.0);
    let books = json(&page.engine.close());
    assert_eq!(
        (&books["sinks"]["level"]["frames_in"], &books["sinks"]["level"]["delivered"]),
        (&1_000.into(), &128.into())
    );
    assert_eq!(
        (&books["sinks"]["level"]["dropped"]["overflow"], &books["unaccounted"]),
        (&872.into(), &0.into())
    );
}

#[test]
fn a_wrong_configuration_is_refused_with_all_that_is_wrong() {
    let error = WebEngine::open(r#"{"config":{"audio":{"chanels":2,"ring_ms":0},"flow":7}}"#).unwrap_err();
    assert_eq!(error.what(), "config");
    let words = error.to_string();
    for part in ["audio.channels", "audio.ring_ms", "flow"] {
        assert!(words.contains(part), "{words}");
    }
    for message in ["", "7", r#"{"config":[]}"#, r#"{"now":1}"#, r#"{"now_ms":"x"}"#] {
        assert_eq!(WebEngine::open(message).unwrap_err().what(), "message", "{message}");
    }
    assert!(WebEngine::open(r#"{"now_ms":1e300}"#).is_ok(), "far in the future, and no panic");
}

#[test]
fn no_message_brings_it_down() {
    let mut page = Page::open("{}", 48_000, 1);
    for message in
        ["", "{}", "null", "[1]", "\"line\"", r#"{"line":1}"#, r#"{"set":[]}"#, r#"{"line":"\u0000"}"#]
    {
        let _ = page.engine.command(message).map(|answer| json(&answer));
        let _ = page.engine.configure(message).map(|answer| json(&answer));
        let _ = page.engine.stream(message);
    }
    page.run(8, |_| 0.1);
    assert_eq!(json(&page.engine.close())["unaccounted"], 0);
}
