//! The hot half of the health monitor, figures that are read, and the latency histogram.

use crate::guard::rt;
use pcmflow_core::health::*;
use pcmflow_core::histogram::LatencyHistogram;

pub(crate) fn entries() {
    let config = HealthConfig::default();
    let (mut recorder, mut monitor) = BufferHealthMonitor::new(config, 0).unwrap();
    rt("HealthRecorder::expect_block", || recorder.expect_block(1_000_000));
    rt("HealthRecorder::block", || recorder.block(128, 1_000_000));
    rt("HealthRecorder::frames_dropped", || recorder.frames_dropped(1));
    rt("HealthRecorder::overrun", || recorder.overrun());
    rt("HealthRecorder::underrun", || recorder.underrun());
    rt("HealthRecorder::error", || recorder.error());
    rt("HealthRecorder::deadline_missed", || recorder.deadline_missed());
    rt("HealthRecorder::besides", || recorder.besides());
    rt("BufferHealthMonitor::besides", || monitor.besides());
    let figures = monitor.snapshot(1_000_000_000).total;
    assert_eq!(rt("HealthFigures::blocks", || figures.blocks()), 1);
    rt("HealthFigures::frames_per_s", || figures.frames_per_s());
    rt("HealthFigures::errors_ppm", || figures.errors_ppm());
    rt("HealthFigures::dropped_ppm", || figures.dropped_ppm());
    rt("HealthFigures::score", || figures.score(config));
    for previous in [None, Some(100), Some(90), Some(80)] {
        rt("Trend::of", || Trend::of(90, previous));
    }
    histogram();
}

fn histogram() {
    let histogram = rt("LatencyHistogram::new", LatencyHistogram::new);
    for ns in [0, 1, 1_000, 5_000_000, u64::MAX] {
        rt("LatencyHistogram::record", || histogram.record(ns));
    }
    let latency = histogram.snapshot();
    assert_eq!(rt("LatencySnapshot::count", || latency.count()), 5);
    rt("LatencySnapshot::min_ns", || latency.min_ns());
    rt("LatencySnapshot::max_ns", || latency.max_ns());
    rt("LatencySnapshot::mean_ns", || latency.mean_ns());
    rt("LatencySnapshot::percentile_ns", || latency.percentile_ns(900));
    rt("LatencySnapshot::p50_ns", || latency.p50_ns());
    rt("LatencySnapshot::p95_ns", || latency.p95_ns());
    rt("LatencySnapshot::p99_ns", || latency.p99_ns());
    rt("LatencySnapshot::p99_9_ns", || latency.p99_9_ns());
}
