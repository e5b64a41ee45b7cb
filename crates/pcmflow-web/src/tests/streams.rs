//! Devices that go and come back, leaps of the audio time, and streams that are ended.

use super::*;

#[test]
fn a_device_that_comes_back_with_another_format_leaves_one_gap_of_the_time_between() {
    let mut page = Page::open("{}", 48_000, 1);
    page.run(375, sine(440.0, 48_000));
    page.engine.stream_end();
    assert_eq!(page.push(|_| 0.0), 0, "what comes too late is part of nothing");
    page.poll(page.now_ms + 500.0);
    assert_eq!(json(&page.engine.snapshot())["inputs"]["input"]["state"], "stopped");
    page.stream(44_100, 2);
    let told = page.told.len();
    page.run(345, sine(330.0, 44_100));
    page.told.drain(..told);
    let last = page.of_type("pitch").pop().unwrap().clone();
    let cents = 1_200.0 * (last["hz"].as_f64().unwrap() / 330.0).log2();
    assert!(cents.abs() < 1.0, "a tracker of the new rate: {last}");
    let gap = page.named("gap_opened")[0].clone();
    assert_eq!((&gap["fields"]["cause"], &gap["fields"]["position"]), (&"device".into(), &48_000.into()));
    // 500 ms, and up to the moment that the first quantum arrived.
    let frames = gap["fields"]["frames"].as_u64().unwrap();
    assert!((24_000..24_300).contains(&frames), "{gap}");
    let books = json(&page.engine.close());
    assert_eq!(books["unaccounted"], 0, "{books}");
    assert_eq!(books["sinks"]["pitch"]["delivered"], 48_000 + 345 * 128);
}

#[test]
fn quanta_that_never_came_are_seen_by_the_audio_time() {
    let mut page = Page::open("{}", 48_000, 1);
    page.run(100, sine(440.0, 48_000));
    // Three quanta for which the worklet was not called.
    page.frames += 3 * QUANTUM as u64;
    page.run(100, sine(440.0, 48_000));
    assert_eq!((page.capture.pushed(), page.capture.missed()), (200 * 128, 3 * 128));
    let gap = page.named("gap_opened")[0].clone();
    assert_eq!((&gap["fields"]["cause"], &gap["fields"]["frames"]), (&"device".into(), &(3 * 128).into()));
    let books = json(&page.engine.close());
    assert_eq!(books["sinks"]["pitch"]["frames_in"], 203 * 128, "{books}");
    assert_eq!(
        (&books["sinks"]["pitch"]["delivered"], &books["unaccounted"]),
        (&(200 * 128).into(), &0.into())
    );
}

#[test]
fn quanta_missing_between_batches_are_seen() {
    let mut engine = WebEngine::open(r#"{"now_ms":0}"#).unwrap();
    let capture = engine.stream(r#"{"rate_hz":48000,"channels":1,"quantum":1024}"#).unwrap();
    let ms = |frame: u32| f64::from(frame) / 48.0;
    assert_eq!(capture.push(1_024, 0.0), 1_024);
    // One quantum of a worklet less: an eighth of what is pushed at once.
    assert_eq!(capture.push(1_024, ms(1_024 + 128)), 1_024);
    // 63 frames are a clock's error, 64 are not: half of a worklet's quantum.
    assert_eq!(capture.push(1_024, ms(2_176 + 63)), 1_024);
    assert_eq!(capture.missed(), 128);
    assert_eq!(capture.push(1_024, ms(3_263 + 64)), 1_024);
    assert_eq!(capture.missed(), 192);
    engine.poll(200.0);
    let books = json(&engine.close());
    let pitch = &books["sinks"]["pitch"];
    assert_eq!(
        (&pitch["frames_in"], &pitch["dropped"]["device"]),
        (&(4_096 + 192).into(), &192.into()),
        "{books}"
    );
    assert_eq!(books["unaccounted"], 0);
}

#[test]
fn a_push_of_no_frames_tells_of_what_is_missing_at_the_end() {
    let mut page = Page::open("{}", 48_000, 1);
    page.run(100, sine(440.0, 48_000));
    let end_ms = (page.frames + 5 * QUANTUM as u64) as f64 / 48.0;
    assert_eq!(page.capture.push(0, end_ms), 0);
    assert_eq!(page.capture.push(0, end_ms), 0, "told once");
    assert_eq!((page.capture.pushed(), page.capture.missed()), (100 * 128, 5 * 128));
    page.engine.stream_end();
    page.poll(page.now_ms + 20.0);
    let gap = page.named("gap_opened")[0].clone();
    assert_eq!(
        (&gap["fields"]["position"], &gap["fields"]["frames"], &gap["fields"]["cause"]),
        (&(100 * 128).into(), &(5 * 128).into(), &"device".into())
    );
    let books = json(&page.engine.close());
    let pitch = &books["sinks"]["pitch"];
    assert_eq!(
        (&pitch["frames_in"], &pitch["dropped"]["device"]),
        (&(105 * 128).into(), &(5 * 128).into()),
        "{books}"
    );
    assert_eq!(books["unaccounted"], 0);
}

#[test]
fn times_that_are_none_lose_nothing() {
    let mut page = Page::open("{}", 48_000, 1);
    for audio_ms in [0.0, f64::NAN, f64::INFINITY, -1.0, 1e30, 5_000.0, 4_000.0, 1e11, 0.0] {
        assert_eq!(page.capture.push(128, audio_ms), 128, "{audio_ms}");
        page.poll(page.now_ms + 2.7);
    }
    page.poll(f64::NAN);
    page.poll(-5.0);
    assert_eq!(page.capture.missed(), 0);
    let books = json(&page.engine.close());
    assert_eq!(
        (&books["sinks"]["level"]["delivered"], &books["unaccounted"]),
        (&(9 * 128).into(), &0.into())
    );
}

#[test]
fn a_stream_that_the_console_stops_takes_nothing_until_the_page_begins_another() {
    let mut page = Page::open("{}", 48_000, 1);
    page.run(20, |_| 0.1);
    let stopped = json(&page.engine.command(r#"{"line":"input stop input"}"#).unwrap());
    assert_eq!(stopped["ok"], true);
    assert_eq!(page.push(|_| 0.1), 0);
    let started = json(&page.engine.command(r#"{"line":"input start input"}"#).unwrap());
    assert!(
        started["ok"] == false && started["text"].as_str().unwrap().contains("only the page"),
        "{started}"
    );
    page.stream(48_000, 1);
    page.run(20, |_| 0.1);
    let books = json(&page.engine.close());
    assert_eq!(
        (&books["sinks"]["level"]["delivered"], &books["unaccounted"]),
        (&(40 * 128).into(), &0.into())
    );
}

#[test]
fn many_reconnections_leave_nothing_unaccounted() {
    let mut page = Page::open("{}", 48_000, 1);
    for round in 0..40u32 {
        page.run(1 + round % 11, |_| 0.1);
        page.stream([48_000, 44_100, 16_000][round as usize % 3], 1 + round % 4);
    }
    let books = json(&page.engine.close());
    let pushed: u64 = (0..40).map(|round| 128 * (1 + round % 11)).sum();
    assert_eq!(
        (&books["sinks"]["pitch"]["delivered"], &books["unaccounted"]),
        (&pushed.into(), &0.into()),
        "{books}"
    );
}

#[test]
fn an_engine_without_a_stream_answers_and_closes() {
    let mut engine = WebEngine::open("{}").unwrap();
    assert!(engine.poll(5.0) > 0.0);
    engine.stream_end();
    assert_eq!(json(&engine.snapshot())["inputs"], json("{}"));
    assert!(engine.command(r#"{"line":"help"}"#).unwrap().contains("buffer-status"));
    let books = json(&engine.close());
    assert_eq!((&books["frames_in"], &books["is_over"]), (&0.into(), &true.into()));
}
