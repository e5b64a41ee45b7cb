use super::*;
use proptest::prelude::*;
use std::string::ToString;
use std::thread;

const CONFIG: HealthConfig = HealthConfig { latency_limit_ns: 1000, healthy_score_min: 80 };

#[test]
fn configurations_are_checked_and_named() {
    let error = |config| BufferHealthMonitor::new(config, 0).map(|_| ()).unwrap_err().to_string();
    assert!(
        error(HealthConfig { latency_limit_ns: 0, ..CONFIG })
            .contains("is 0, allowed are 1 to 4398046511103")
    );
    assert!(
        error(HealthConfig { healthy_score_min: 101, ..CONFIG }).contains("is 101, allowed are 1 to 100")
    );
    assert!(error(HealthConfig { healthy_score_min: 0, ..CONFIG }).contains("is 0"));
}

#[test]
fn scores_by_table() {
    // 10 000 blocks of 100 frames; frames dropped, overruns, underruns, deadlines, errors, latency, score
    let table = [
        (0, 0, 0, 0, 0, 1000, 100),
        (1, 0, 0, 0, 0, 1000, 99),            // 1 ppm, rounded up
        (10_101, 0, 0, 0, 0, 1000, 60),       // 1 % of what was offered
        (1_000_000, 0, 0, 0, 0, 1000, 60),    // half of it: no more
        (0, 1, 0, 0, 0, 1000, 99),            // 0.01 %
        (0, 20, 20, 10, 0, 1000, 85),         // 0.5 %
        (0, 0, 0, 100, 0, 1000, 70),          // 1 %
        (0, 0, u64::MAX, u64::MAX, 0, 0, 70), // no more
        (0, 0, 0, 0, 5, 1000, 99),            // 0.05 %
        (0, 0, 0, 0, 6, 1000, 98),
        (0, 0, 0, 0, 100, 1000, 80), // 1 %
        (0, 0, 0, 0, 0, 1001, 99),
        (0, 0, 0, 0, 0, 1500, 95),
        (0, 0, 0, 0, 0, 9000, 90),
        (2_525, 0, 25, 0, 5, 1100, 79), // 10 + 8 + 1 + 1, and a point for the rest of 0.25 %
        (u64::MAX, u64::MAX, 0, 0, u64::MAX, u64::MAX, 0),
    ];
    for (dropped, overruns, underruns, deadlines_missed, errors, latency_ns, score) in table {
        let (mut recorder, mut monitor) = BufferHealthMonitor::new(CONFIG, 0).unwrap();
        for _ in 0..10_000 {
            recorder.block(100, latency_ns);
        }
        recorder.frames_dropped(dropped);
        let figures =
            HealthFigures { overruns, underruns, deadlines_missed, errors, ..monitor.snapshot(1).total };
        assert_eq!(figures.score(CONFIG), score, "{dropped} {overruns} {underruns} {errors} {latency_ns}");
    }
}

#[test]
fn snapshots_tell_totals_intervals_and_trends_apart() {
    let (mut recorder, mut monitor) = BufferHealthMonitor::new(CONFIG, 500).unwrap();
    let idle = monitor.snapshot(500);
    assert_eq!((idle.score, idle.trend, idle.total.frames_per_s()), (100, Trend::Unknown, 0));
    (0..100).for_each(|_| recorder.block(480, 700));
    recorder.overrun();
    recorder.underrun();
    recorder.error();
    recorder.deadline_missed();
    recorder.frames_dropped(3);
    let bad = monitor.snapshot(500 + 1_000_000_000);
    assert_eq!(bad.total, bad.interval);
    let f = &bad.total;
    assert_eq!((f.frames, f.blocks(), f.frames_per_s(), f.duration_ns), (48_000, 100, 48_000, 1_000_000_000));
    assert_eq!((f.overruns, f.underruns, f.errors, f.deadlines_missed, f.frames_dropped), (1, 1, 1, 1, 3));
    assert_eq!((f.errors_ppm(), f.dropped_ppm()), (10_000, 63));
    assert_eq!((f.latency.min_ns(), f.latency.mean_ns(), f.latency.p99_9_ns()), (700, 700, 700));
    assert_eq!((bad.score, bad.is_healthy, bad.trend), (49, false, Trend::Worsening));
    (0..100).for_each(|_| recorder.block(480, 300));
    let good = monitor.snapshot(500 + 1_500_000_000);
    assert_eq!(
        (good.total.frames, good.interval.frames, good.interval.frames_per_s()),
        (96_000, 48_000, 96_000)
    );
    assert_eq!((good.score, good.is_healthy, good.trend), (100, true, Trend::Improving));
    assert!(good.interval.latency.max_ns() < 320 && good.total.latency.max_ns() == 700);
    assert_eq!(monitor.snapshot(500 + 1_600_000_000).trend, Trend::Steady);
}

#[test]
fn each_kind_of_trouble_is_noticed_and_nothing_else_is() {
    let (mut recorder, monitor) = BufferHealthMonitor::new(CONFIG, 0).unwrap();
    assert_eq!(monitor.troubles(1_000), 0);
    recorder.block(128, 900);
    assert_eq!(monitor.troubles(1_000), 0);
    let kinds: [fn(&mut HealthRecorder); 6] = [
        |of| of.block(128, 1_000),
        |of| of.frames_dropped(1),
        HealthRecorder::overrun,
        HealthRecorder::underrun,
        HealthRecorder::error,
        HealthRecorder::deadline_missed,
    ];
    for (before, trouble) in (0..).zip(kinds) {
        assert_eq!(monitor.troubles(1_000), before);
        trouble(&mut recorder);
        assert_eq!(monitor.troubles(1_000), before + 1);
    }
}

#[test]
fn a_reset_is_the_readers_own() {
    let (mut recorder, mut monitor) = BufferHealthMonitor::new(CONFIG, 0).unwrap();
    let mut other = monitor.clone();
    recorder.block(10, 5);
    recorder.error();
    monitor.snapshot(5);
    monitor.reset(7);
    recorder.block(20, 6);
    let after = monitor.snapshot(10);
    assert_eq!((after.total.frames, after.total.errors, after.total.duration_ns), (20, 0, 3));
    assert_eq!((after.total.blocks(), after.trend), (1, Trend::Unknown));
    let unaware = other.snapshot(10);
    assert_eq!((unaware.total.frames, unaware.total.errors, unaware.total.blocks()), (30, 1, 2));
}

#[test]
fn reading_while_recording_ends_with_every_count() {
    let (mut recorder, mut monitor) = BufferHealthMonitor::new(CONFIG, 0).unwrap();
    let writer = thread::spawn(move || {
        for i in 0..100_000 {
            recorder.block(1, i % 2000);
            recorder.frames_dropped(2);
        }
    });
    let (mut frames, mut blocks, mut now) = (0, 0, 0);
    while !writer.is_finished() {
        now += 1;
        let snapshot = monitor.snapshot(now);
        assert!(snapshot.total.frames >= frames && snapshot.total.blocks() >= blocks, "went back");
        (frames, blocks) = (snapshot.total.frames, snapshot.total.blocks());
    }
    writer.join().unwrap();
    let end = monitor.snapshot(now + 1).total;
    assert_eq!((end.frames, end.blocks(), end.frames_dropped), (100_000, 100_000, 200_000));
}

/// Figures of every magnitude.
fn figures() -> impl Strategy<Value = HealthFigures> {
    let count = || (0u32..64, any::<u64>()).prop_map(|(shift, n)| n >> shift);
    let latencies = proptest::collection::vec(0u64..4000, 0..50);
    (count(), count(), count(), count(), count(), count(), latencies).prop_map(
        |(frames, frames_dropped, overruns, underruns, errors, deadlines_missed, latencies)| {
            let histogram = LatencyHistogram::new();
            latencies.into_iter().for_each(|ns| histogram.record(ns));
            let latency = histogram.snapshot();
            let duration_ns = 0;
            HealthFigures {
                duration_ns,
                frames,
                frames_dropped,
                overruns,
                underruns,
                errors,
                deadlines_missed,
                latency,
            }
        },
    )
}

proptest! {
    #[test]
    fn the_score_is_a_score_and_more_trouble_never_raises_it(
        figures in figures(), kind in 0usize..5, more in (0u32..64, any::<u64>()).prop_map(|(shift, n)| n >> shift),
        limit in 1u64..3000,
    ) {
        let config = HealthConfig { latency_limit_ns: limit, ..CONFIG };
        let score = figures.score(config);
        prop_assert!(score <= 100);
        let mut worse = figures.clone();
        let counter = match kind {
            0 => &mut worse.frames_dropped,
            1 => &mut worse.overruns,
            2 => &mut worse.underruns,
            3 => &mut worse.errors,
            _ => &mut worse.deadlines_missed,
        };
        *counter = counter.saturating_add(more);
        prop_assert!(worse.score(config) <= score);
        // A tighter limit is more trouble with latency.
        let tighter = HealthConfig { latency_limit_ns: limit.div_ceil(2), ..config };
        prop_assert!(figures.score(tighter) <= score);
        // Nothing wrong, and only then: full marks.
        let xruns = figures.overruns | figures.underruns | figures.deadlines_missed;
        let clean = figures.frames_dropped | figures.errors | xruns == 0 && figures.latency.p99_ns() <= limit;
        prop_assert_eq!(score == 100, clean);
    }

    #[test]
    fn slower_blocks_never_raise_the_score(mut latencies in proptest::collection::vec(0u64..4000, 1..50), which in 0usize..50, more in 0u64..4000) {
        let score = |latencies: &[u64]| {
            let histogram = LatencyHistogram::new();
            latencies.iter().for_each(|ns| histogram.record(*ns));
            HealthFigures { latency: histogram.snapshot(), ..HealthFigures::empty() }.score(CONFIG)
        };
        let before = score(&latencies);
        let which = which % latencies.len();
        latencies[which] += more;
        prop_assert!(score(&latencies) <= before);
    }
}
