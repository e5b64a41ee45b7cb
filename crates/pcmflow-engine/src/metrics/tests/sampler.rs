//! The sampler, beside counting what happened by hand.

use super::{MS, S};
use crate::metrics::history::History;
use crate::metrics::{FlowFigures, FlowSnapshot, Meter, MeterReader, Readings, Sampler, Starved};
use pcmflow_core::health::{HealthConfig, HealthFigures, Trend};
use pcmflow_core::histogram::LatencyHistogram;
use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
use proptest::prelude::*;

/// A second: so long that no latency here costs points.
const CONFIG: HealthConfig = HealthConfig { latency_limit_ns: 1_000_000_000, healthy_score_min: 80 };

fn sample(sampler: &mut Sampler, reader: &mut MeterReader, now_ns: u64) -> FlowSnapshot {
    let readings = Readings { flows: [("x".to_owned(), reader.read(now_ns))].into(), ..Readings::default() };
    sampler.sample(now_ns, readings).flows.remove("x").unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Block { frames: u64, latency_ns: u64 },
    Drop(u64),
    Trouble(u8),
    Busy(u64),
    Pass(i64),
    Sample,
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u64..2_000, 1u64..100_000_000)
            .prop_map(|(frames, latency_ns)| Step::Block { frames, latency_ns }),
        2 => (1u64..50).prop_map(Step::Drop),
        2 => (0u8..5).prop_map(Step::Trouble),
        2 => (0u64..90_000_000).prop_map(Step::Busy),
        8 => (1i64..300).prop_map(Step::Pass),
        1 => (1_000i64..100_000).prop_map(Step::Pass), // a clock that jumps,
        1 => (-2_000i64..=0).prop_map(Step::Pass),     // stands, or goes back
        16 => Just(Step::Sample),
        1 => Just(Step::Reset),
    ];
    proptest::collection::vec(step, 1..400)
}

/// The naive figures of what happened in `steps`, as far as they are counts; and the latencies, sorted.
fn naive(steps: &[Step], duration_ns: u64) -> (FlowFigures, Vec<u64>) {
    let histogram = LatencyHistogram::new();
    let (mut latencies, mut busy_ns) = (Vec::new(), 0);
    let mut health = HealthFigures { duration_ns, ..HealthFigures::empty() };
    for step in steps {
        match *step {
            Step::Block { frames, latency_ns } => {
                health.frames += frames;
                histogram.record(latency_ns);
                latencies.push(latency_ns);
            }
            Step::Drop(frames) => health.frames_dropped += frames,
            Step::Trouble(0) => health.overruns += 1,
            Step::Trouble(1) => health.underruns += 1,
            Step::Trouble(2) => health.errors += 1,
            Step::Trouble(_) => health.deadlines_missed += 1,
            Step::Busy(ns) => busy_ns += ns,
            Step::Pass(_) | Step::Sample | Step::Reset => {}
        }
    }
    health.latency = histogram.snapshot();
    latencies.sort_unstable();
    let chunks = latencies.len() as u64;
    let rate = |count: u64, of: u64| {
        if duration_ns == 0 {
            0
        } else {
            (u128::from(count) * u128::from(of) / u128::from(duration_ns)) as u64
        }
    };
    let ppm = |part: u64, whole: u64| (part * 1_000_000).div_ceil(whole.max(1));
    let figures = FlowFigures {
        duration_ns,
        chunks,
        chunks_per_s: rate(chunks, S),
        frames: health.frames,
        frames_per_s: rate(health.frames, S),
        frames_dropped: health.frames_dropped,
        dropped_ppm: ppm(health.frames_dropped, health.frames + health.frames_dropped),
        overruns: health.overruns,
        underruns: health.underruns,
        errors: health.errors,
        errors_ppm: ppm(health.errors, chunks),
        deadlines_missed: health.deadlines_missed,
        busy_ns,
        busy_ppm: rate(busy_ns, 1_000_000),
        score: health.score(CONFIG),
        ..FlowFigures::default()
    };
    (figures, latencies)
}

/// Whether `told` is what happened in `steps`: counts exactly, latencies to 1/16.
fn agrees(told: &FlowFigures, steps: &[Step]) -> bool {
    let (mut expected, latencies) = naive(steps, told.duration_ns);
    let near = |told: u64, exact: u64| told.abs_diff(exact) * 16 <= exact;
    let rank = |per_mille: usize| (latencies.len() * per_mille).div_ceil(1_000).max(1) - 1;
    let at = |per_mille| latencies.get(rank(per_mille)).copied().unwrap_or(0);
    let mean = latencies.iter().sum::<u64>().checked_div(latencies.len() as u64).unwrap_or(0);
    expected.latency = told.latency.clone();
    let latency = &told.latency;
    *told == expected
        && near(latency.p50_ns, at(500))
        && near(latency.p95_ns, at(950))
        && near(latency.p99_ns, at(990))
        && near(latency.p99_9_ns, at(999))
        && near(latency.min_ns, latencies.first().copied().unwrap_or(0))
        && near(latency.max_ns, latencies.last().copied().unwrap_or(0))
        && latency.mean_ns == mean
}

proptest! {
    #[test]
    fn figures_are_those_of_what_happened(steps in steps()) {
        let start_ns = 5 * S;
        let (mut meter, mut reader) = Meter::new(CONFIG, start_ns).unwrap();
        let mut sampler = Sampler::new(Sampler::INTERVAL_NS).unwrap();
        let (mut clock_ns, mut latest_ns) = (start_ns, start_ns);
        // When samples were taken, with how many steps had been made: the first is what totals count from.
        let mut samples = vec![(start_ns, 0)];
        let (mut gap_ns, mut first_ns) = (0, None);
        for (index, step) in steps.iter().enumerate() {
            match *step {
                Step::Block { frames, latency_ns } => meter.health.block(frames, latency_ns),
                Step::Drop(frames) => meter.health.frames_dropped(frames),
                Step::Trouble(0) => meter.health.overrun(),
                Step::Trouble(1) => meter.health.underrun(),
                Step::Trouble(2) => meter.health.error(),
                Step::Trouble(_) => meter.health.deadline_missed(),
                Step::Busy(ns) => meter.busy(ns),
                Step::Pass(ms) => clock_ns = clock_ns.saturating_add_signed(ms * MS as i64),
                Step::Reset => {
                    sampler.reset();
                    if samples.len() > 1 {
                        samples.drain(..samples.len() - 1);
                        (gap_ns, first_ns) = (0, Some(samples[0].0));
                    }
                }
                Step::Sample => {
                    let told = sample(&mut sampler, &mut reader, clock_ns);
                    if first_ns.is_none() {
                        // A sampler that is behind the meter's clock counts from its own.
                        samples[0].0 = samples[0].0.min(clock_ns);
                        latest_ns = clock_ns;
                    }
                    latest_ns = latest_ns.max(clock_ns);
                    gap_ns = gap_ns.max(latest_ns - samples[samples.len() - 1].0);
                    first_ns = first_ns.or(Some(latest_ns));
                    let (base_ns, base) = samples[0];
                    prop_assert_eq!(told.total.duration_ns, latest_ns - base_ns);
                    prop_assert!(agrees(&told.total, &steps[base..index]), "{:?}", told.total);
                    for (span_ns, window) in [(S, &told.last_1_s), (10 * S, &told.last_10_s), (60 * S, &told.last_60_s)] {
                        let begin_ns = latest_ns - window.duration_ns;
                        // It is long enough, or as long as can be; and not much longer. A window that was too short for
                        // the meter's age when it was first seen began there.
                        let oldest_ns = match first_ns {
                            Some(first_ns) if first_ns - base_ns > span_ns => first_ns,
                            _ => base_ns,
                        };
                        prop_assert!(window.duration_ns >= span_ns.min(latest_ns - oldest_ns));
                        prop_assert!(window.duration_ns <= span_ns + span_ns / 10 + gap_ns);
                        // It begins with a sample, and tells what happened since.
                        let mut begins = samples.iter().filter(|(at_ns, _)| *at_ns == begin_ns)
                            .map(|(_, begin)| *begin).chain((begin_ns == latest_ns).then_some(index));
                        prop_assert!(begins.any(|begin| agrees(window, &steps[begin..index])), "{:?}", window);
                    }
                    prop_assert_eq!((told.score, told.is_healthy), (told.last_10_s.score, told.last_10_s.score >= 80));
                    samples.push((latest_ns, index));
                }
            }
        }
    }

    #[test]
    fn a_history_stays_small(ms in 1u64..1_000, span_s in 1u64..60) {
        let mut history = History::new(span_s * S, ms * MS, 0, 0);
        for now_ns in (0..200 * S).step_by((ms * MS) as usize) {
            history.begin(now_ns);
            history.push(now_ns, now_ns);
            prop_assert!(history.len() <= 21, "{}", history.len());
        }
    }
}

#[test]
fn windows_tell_what_passed_and_forget_it() {
    let (mut meter, mut reader) = Meter::new(CONFIG, 0).unwrap();
    let mut sampler = Sampler::new(Sampler::INTERVAL_NS).unwrap();
    let frames = |flow: &FlowSnapshot| {
        [&flow.total, &flow.last_1_s, &flow.last_10_s, &flow.last_60_s].map(|figures| figures.frames)
    };
    for tick in 0..=900 {
        let now_ns = tick * 100 * MS;
        assert!(tick == 0 || sampler.due_ns() == now_ns);
        if tick == 1 {
            meter.health.block(480, MS);
            meter.health.frames_dropped(20);
            meter.starved(Starved::NotMoved, 7);
        }
        let told = sample(&mut sampler, &mut reader, now_ns);
        let expected = match tick {
            0 => [0; 4],
            1..=10 => [480; 4],
            12..=100 => [480, 0, 480, 480],
            111..=600 => [480, 0, 0, 480],
            661.. => [480, 0, 0, 0],
            _ => continue, // a window may be a tenth longer than its name
        };
        assert_eq!(frames(&told), expected, "at {tick}");
        assert_eq!(told.last_1_s.starved.len(), usize::from(expected[1] > 0));
        let trend = match tick {
            0..=100 => Trend::Unknown,
            111..=600 => Trend::Improving, // from 60 to 100
            _ => Trend::Steady,
        };
        assert_eq!(told.trend, trend, "at {tick}");
    }
}

#[test]
fn a_reset_moves_the_baseline_and_no_counter() {
    let (mut meter, mut reader) = Meter::new(CONFIG, 0).unwrap();
    let [mut one, mut other] = [0; 2].map(|_| Sampler::new(Sampler::INTERVAL_NS).unwrap());
    meter.health.block(100, MS);
    meter.depth(9);
    meter.depth(2);
    for sampler in [&mut one, &mut other] {
        assert_eq!(sample(sampler, &mut reader, S).depth_high, 9);
    }
    let before = reader.read(S);
    one.reset();
    assert_eq!(reader.read(S), before);
    meter.health.block(1, MS);
    meter.depth(3);
    let (told, untouched) = (sample(&mut one, &mut reader, 2 * S), sample(&mut other, &mut reader, 2 * S));
    assert_eq!((told.total.frames, told.total.duration_ns, told.depth_high), (1, S, 3));
    assert_eq!((untouched.total.frames, untouched.total.duration_ns, untouched.depth_high), (101, 2 * S, 9));
    meter.depth(10);
    meter.depth(0);
    assert_eq!(sample(&mut one, &mut reader, 3 * S).depth_high, 10, "higher than ever is higher than since");
}

#[test]
fn another_meter_begins_anew_and_what_is_gone_is_forgotten() {
    let mut sampler = Sampler::new(Sampler::INTERVAL_NS).unwrap();
    let (mut first, mut reader) = Meter::new(CONFIG, 0).unwrap();
    first.health.block(100, MS);
    sample(&mut sampler, &mut reader, S);
    let (mut second, mut reader) = Meter::new(CONFIG, S + 1).unwrap();
    second.health.block(150, MS);
    let told = sample(&mut sampler, &mut reader, 2 * S + 1);
    assert_eq!((told.total.frames, told.last_10_s.frames, told.total.duration_ns), (150, 150, S));
    assert!(sampler.sample(3 * S, Readings::default()).flows.is_empty());
    // A meter that is older than a window does not fill it with what is older, either.
    let told = sample(&mut sampler, &mut reader, 20 * S + 1);
    assert_eq!((told.total.frames, told.last_10_s.frames, told.last_60_s.frames), (150, 0, 150));
}

#[test]
fn pools_tell_their_hit_rate_of_late_and_since_the_reset() {
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    let mut sampler = Sampler::new(Sampler::INTERVAL_NS).unwrap();
    let mut metrics = pool.metrics();
    let mut told = |now_s: u64, hits: u64, misses: u64, reset: bool| {
        metrics.classes[0].hits += hits;
        metrics.classes[0].misses_refused += misses;
        let readings = Readings { pools: [("p".to_owned(), metrics.clone())].into(), ..Readings::default() };
        let pool = sampler.sample(now_s * S, readings).pools.remove("p").unwrap();
        if reset {
            sampler.reset();
        }
        (pool.hits, pool.misses, pool.hit_rate_ppm, pool.hit_rate_10_s_ppm)
    };
    assert_eq!(told(0, 0, 0, false), (0, 0, None, None));
    assert_eq!(told(1, 3, 1, false), (3, 1, Some(750_000), Some(750_000)));
    assert_eq!(told(5, 4, 0, false), (7, 1, Some(875_000), Some(875_000)));
    assert_eq!(told(12, 0, 0, false), (7, 1, Some(875_000), Some(1_000_000)));
    assert_eq!(told(30, 0, 0, true), (7, 1, Some(875_000), None));
    assert_eq!(told(31, 1, 1, false), (1, 1, Some(500_000), Some(500_000)));
    drop(pool.acquire(300, Miss::Fail).unwrap());
    let readings = Readings { pools: [("real".to_owned(), pool.metrics())].into(), ..Readings::default() };
    let told = sampler.sample(40 * S, readings).pools.remove("real").unwrap();
    assert_eq!(
        (told.hits, told.acquisitions, told.releases, told.in_use),
        (1, 1, 1, 0),
        "all that the pool ever did"
    );
    assert_eq!(told.overhead_ppm, told.overhead_bytes * 1_000_000 / told.held_bytes);
    assert_eq!(told.classes.iter().map(|class| class.hits).collect::<Vec<_>>(), [0, 1, 0, 0, 0]);
}

#[test]
fn intervals_are_checked() {
    for interval_ns in [Sampler::INTERVAL_NS_MIN, Sampler::INTERVAL_NS_MAX] {
        assert!(Sampler::new(interval_ns).is_ok());
    }
    assert!(Sampler::new(0).is_err() && Sampler::new(S + 1).is_err());
}
