//! A thread that pushes while the control side polls, ends streams and begins others.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_thread_pushes_while_the_engine_polls_and_every_frame_is_accounted_for() {
    let mut engine = WebEngine::open("{}").unwrap();
    let (mut now_ms, mut pushed) = (0.0, 0);
    for round in 0..8 {
        let capture = engine.stream(&request(48_000, 2)).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let pushing = capture.clone();
            let over = &over;
            let thread = scope.spawn(move || {
                let mut offered = 0u64;
                // Until some time after the stream was ended.
                while !over.load(Ordering::Relaxed) {
                    let audio_ms = offered as f64 / 48.0;
                    pushing.push(128, audio_ms);
                    offered += 128;
                    // Some ten times as fast as time: a poll must come to its end.
                    std::thread::sleep(std::time::Duration::from_micros(200));
                }
            });
            // Else all may be over before the other thread runs at all.
            while capture.pushed() == 0 {
                std::thread::yield_now();
            }
            for _ in 0..10 {
                now_ms += 1.0;
                engine.poll(now_ms);
            }
            if round % 2 == 0 {
                engine.stream_end();
            } else {
                // The next one ends it.
                engine.stream(&request(48_000, 1)).unwrap();
            }
            let at_end = capture.pushed();
            std::thread::sleep(std::time::Duration::from_millis(1));
            over.store(true, Ordering::Relaxed);
            thread.join().unwrap();
            assert_eq!(capture.pushed(), at_end, "nothing is taken behind the end");
            pushed += at_end;
        });
    }
    let books = json(&engine.close());
    assert_eq!(
        (&books["sinks"]["level"]["unaccounted"], &books["is_over"]),
        (&0.into(), &true.into()),
        "{books}"
    );
    let level = &books["sinks"]["level"];
    let device = level["dropped"]["device"].as_u64().unwrap_or(0);
    assert_eq!(level["frames_in"].as_u64().unwrap() - device, pushed, "{books}");
    assert!(pushed > 0);
}
