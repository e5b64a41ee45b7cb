//! From pushed quanta to events and books.

use super::*;

#[test]
fn a_sine_has_its_pitch_and_level_and_every_frame_is_accounted_for() {
    let mut page = Page::open("{}", 48_000, 2);
    page.run(750, sine(440.0, 48_000));
    let steady: Vec<_> = page
        .of_type("pitch")
        .into_iter()
        .filter(|told| told["position"].as_u64() > Some(4_800))
        .cloned()
        .collect();
    assert!(steady.len() > 80, "{}", steady.len());
    for told in &steady {
        let cents = 1_200.0 * (told["hz"].as_f64().unwrap() / 440.0).log2();
        assert!(cents.abs() < 1.0 && told["note"] == "A4" && told["voiced"] == true, "{told}");
        assert!((told["cents"].as_f64().unwrap() - cents).abs() < 0.1, "{told}");
    }
    let levels = page.of_type("level");
    assert_eq!(levels.len(), 750 / 8);
    assert!((levels[5]["peak"].as_f64().unwrap() - 0.5).abs() < 1e-3 && levels[5]["frames"] == 1_024);
    let snapshot = json(&page.engine.snapshot());
    assert_eq!(snapshot["inputs"]["input"]["frames_in"], 96_000);
    assert_eq!(snapshot["inputs"]["input"]["state"], "running");
    assert_eq!(snapshot["ledger"]["unaccounted"], 0);
    // A cut mark came through: the books were compared while frames moved.
    assert!(snapshot["ledger"]["settled_position"].as_u64() > Some(80_000), "{}", snapshot["ledger"]);
    let books = json(&page.engine.close());
    for sink in ["pitch", "level"] {
        assert_eq!(books["sinks"][sink]["delivered"], 96_000, "{books}");
        assert_eq!(books["sinks"][sink]["unaccounted"], 0);
    }
    assert_eq!((&books["frames_in"], &books["unaccounted"]), (&192_000.into(), &0.into()));
    assert_eq!(books["is_over"], true);
}

#[test]
fn the_time_from_a_pitch_to_its_event_is_told() {
    let mut page = Page::open("{}", 48_000, 1);
    page.run(375, sine(220.0, 48_000));
    let last = page.of_type("pitch").pop().unwrap().clone();
    // The window's centre lies 35 ms before its end, and the block is looked at when its last quantum has come.
    let delay_ms = last["delay_ms"].as_f64().unwrap();
    assert!((30.0..45.0).contains(&delay_ms), "{last}");
    // By the host's clock: the last block was there at the last poll but a few.
    let at_ms = last["at_ms"].as_f64().unwrap();
    assert!((page.now_ms - 25.0..=page.now_ms).contains(&at_ms), "{last}");
}

#[test]
fn the_same_pushes_and_polls_give_the_same_events() {
    let events = || {
        let mut page = Page::open("{}", 44_100, 1);
        page.run(300, sine(330.0, 44_100));
        (page.told, page.engine.close())
    };
    assert_eq!(events(), events());
}

#[test]
fn what_the_flow_does_not_come_to_is_lost_and_counted_where_it_was_lost() {
    let mut page = Page::open(r#"{"audio":{"ring_ms":50}}"#, 48_000, 1);
    let capacity = page.capture.capacity().0;
    // Nobody polls.
    let accepted: u64 = (0..200).map(|_| u64::from(page.push(sine(440.0, 48_000)))).sum();
    assert_eq!(accepted, capacity / 128 * 128);
    page.poll(2_000.0);
    let opened = page.named("gap_opened");
    assert!(opened.is_empty() || opened[0]["fields"]["cause"] == "overflow");
    let books = json(&page.engine.close());
    assert_eq!(books["sinks"]["level"]["frames_in"], 25_600);
    assert_eq!(books["sinks"]["level"]["delivered"], accepted);
    assert_eq!(books["sinks"]["level"]["dropped"]["overflow"], 25_600 - accepted);
    assert_eq!(books["unaccounted"], 0);
}

#[test]
fn a_poll_says_when_the_next_block_can_be_there() {
    let mut page = Page::open("{}", 48_000, 1);
    page.poll(1_000.0);
    assert!(page.engine.poll(1_001.0) <= 4.0);
    for _ in 0..7 {
        page.push(|_| 0.0);
    }
    // A quantum is missing.
    let wait_ms = page.engine.poll(1_020.0);
    assert!((0.5..=2.67).contains(&wait_ms), "{wait_ms}");
    page.engine.stream_end();
    // Nothing runs: until the next look at the meters.
    assert!(page.engine.poll(1_021.0) > 10.0);
}

#[test]
fn the_console_and_the_configuration_answer() {
    let mut page = Page::open("{}", 48_000, 1);
    page.run(100, sine(440.0, 48_000));
    let status = json(&page.engine.command(r#"{"line":"buffer-status","json":true}"#).unwrap());
    let rows = status["answer"]["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["buffer"] == "input" && row["kind"] == "ring"), "{status}");
    assert!(rows.iter().any(|row| row["buffer"] == "input→pitch"), "{status}");
    let refused = json(&page.engine.command(r#"{"line":"bufer-status"}"#).unwrap());
    assert_eq!(
        (&refused["ok"], refused["text"].as_str().unwrap().contains("buffer-status")),
        (&false.into(), true)
    );
    let now = json(&page.engine.configure(r#"{"set":{"alerts.hold_ms":50,"console.debug":true}}"#).unwrap());
    assert_eq!((&now["alerts"]["hold_ms"], &now["console"]["debug"]), (&50.into(), &true.into()));
    let error = page.engine.configure(r#"{"set":{"audio.channels":2,"alerts.hold_ms":"x"}}"#).unwrap_err();
    assert_eq!(error.what(), "config");
    assert!(
        error.to_string().contains("audio.channels can't change")
            && error.to_string().contains("alerts.hold_ms")
    );
    page.run(100, sine(440.0, 48_000));
    assert!(
        page.of_type("line").iter().any(|told| told["text"].as_str().unwrap().starts_with("buffer input→"))
    );
}
