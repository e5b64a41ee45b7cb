//! A flow that is too slow loses frames and knows which. The check does not trust its books: the input's frames carry
//! their numbers, and what comes out is told by them.

use super::stamps::{Span, arrived, assert_tiles, books, gap, joined, silent, stamped};
use super::support::{Place, line};

/// Two and a half seconds, and no whole number of blocks or quanta.
const FRAMES: u64 = 5 * 24_000 + 77;
const SLOW: &str = "slow-consumer=30ms";
/// Longer than ring and link bridge together, with room for a machine that is slow itself.
const STALL: &str = "stall=800ms@500ms";

/// Carries stamped frames through `pipe`, in real time, and holds what arrived against the books.
fn pipe(channels: usize, overflow: &str, inject: &str, gaps: &str) {
    let place = Place::new();
    let run = line(&format!(
        "pipe - --raw f32le,rate=48000,channels={channels} --realtime --overflow {overflow} --inject {inject} \
         --gaps {gaps} --format f32le -o - --summary"
    ))
    .arg(place.at("books.json"))
    .stdin_paced(stamped(FRAMES, channels), 48_000 * 4 * channels)
    .end()
    .code(3);
    let books = books(&place, "books.json", &run);
    let samples = run.samples();
    let came = arrived(&samples, channels);
    assert_tiles(&came, &books.gaps, FRAMES);
    assert_eq!(came.iter().map(|span| span.end - span.start).sum::<u64>(), books.delivered);
    assert!(books.dropped > 0, "{inject} cost nothing");
    if gaps == "silence" {
        assert_eq!(samples.len() as u64, FRAMES * channels as u64, "silence keeps the length");
        assert_eq!(silent(&samples, channels), books.gaps);
    }
}

#[test]
fn a_slow_consumer_and_reject() {
    pipe(1, "reject", SLOW, "cut");
}

#[test]
fn a_slow_consumer_and_drop_newest() {
    pipe(1, "drop-newest", SLOW, "cut");
}

#[test]
fn a_slow_consumer_in_stereo() {
    pipe(2, "drop-newest", SLOW, "cut");
}

#[test]
fn a_stall_and_reject() {
    pipe(2, "reject", STALL, "cut");
}

#[test]
fn a_stall_and_drop_newest() {
    pipe(1, "drop-newest", STALL, "cut");
}

#[test]
fn a_slow_consumer_and_evict_oldest() {
    pipe(1, "evict-oldest", SLOW, "cut");
}

#[test]
fn a_stall_and_evict_oldest() {
    pipe(2, "evict-oldest", STALL, "silence");
}

#[test]
fn silence_stands_exactly_where_frames_are_missing() {
    pipe(1, "reject", SLOW, "silence");
}

#[test]
fn silence_stands_where_a_stall_lost_frames() {
    pipe(2, "drop-newest", STALL, "silence");
}

/// Stamps are absurd as sound, but each frame still counts.
#[test]
fn pitch_tells_the_gaps_in_its_lines() {
    let place = Place::new();
    let run = line(&format!("pitch - --json --raw f32le --realtime --inject {SLOW} --summary"))
        .arg(place.at("books.json"))
        .stdin_paced(stamped(FRAMES, 1), 48_000 * 4)
        .end()
        .code(3);
    let books = books(&place, "books.json", &run);
    assert!(books.dropped > 0);
    let lines = run.json();
    let told = lines.iter().filter(|line| line["gap"].is_object()).map(|line| gap(&line["gap"]));
    assert_eq!(joined(told), books.gaps);
}

/// At 8 kHz the ring holds a second, which no machine is late by.
#[test]
fn a_live_flow_that_keeps_up_loses_nothing() {
    let place = Place::new();
    let frames = 2 * 8_000 + 77;
    let run = line("pipe - --raw f32le,rate=8000 --realtime --format f32le --summary")
        .arg(place.at("books.json"))
        .stdin_paced(stamped(frames, 1), 8_000 * 4)
        .end()
        .code(0);
    let books = books(&place, "books.json", &run);
    assert_eq!((books.delivered, books.dropped), (frames, 0));
    assert_eq!(arrived(&run.samples(), 1), [Span { start: 0, end: frames }]);
}

/// What has time waits instead.
#[test]
fn a_fast_flow_loses_nothing_however_slow_its_consumer() {
    let place = Place::new();
    let frames = 60_000;
    for overflow in ["reject", "drop-newest", "evict-oldest"] {
        let run = line(&format!(
            "pipe - --raw f32le,channels=2 --fast --overflow {overflow} --inject slow-consumer=5ms --format f32le --summary"
        ))
        .arg(place.at("books.json"))
        .stdin(stamped(frames, 2))
        .end()
        .code(0);
        let books = books(&place, "books.json", &run);
        assert_eq!((books.delivered, books.dropped), (frames, 0));
        assert_eq!(arrived(&run.samples(), 2), [Span { start: 0, end: frames }]);
    }
}
