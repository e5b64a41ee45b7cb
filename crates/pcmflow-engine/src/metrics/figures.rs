//! [`FlowFigures`]: what went through a link or a node in one span of time.

use super::meter::{Reading, Starvation, Starved};
use pcmflow_core::health::HealthFigures;
use pcmflow_core::histogram::LatencySnapshot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Latencies in a span of time, each known to 1/32; all 0 when there were none.
///
/// ```
/// use pcmflow_core::histogram::LatencyHistogram;
/// use pcmflow_engine::metrics::LatencyFigures;
/// let histogram = LatencyHistogram::new();
/// histogram.record(1_000_000);
/// let latency = LatencyFigures::from(&histogram.snapshot());
/// assert_eq!((latency.min_ns, latency.max_ns), (1_000_000, 1_000_000));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LatencyFigures {
    /// The mean.
    pub mean_ns: u64,
    /// The smallest; in a window to 1/16.
    pub min_ns: u64,
    /// The largest; in a window to 1/16.
    pub max_ns: u64,
    /// What half of the chunks do not exceed.
    pub p50_ns: u64,
    /// What 95 % of them do not exceed.
    pub p95_ns: u64,
    /// What 99 % of them do not exceed.
    pub p99_ns: u64,
    /// What 99.9 % of them do not exceed.
    pub p99_9_ns: u64,
}

impl From<&LatencySnapshot> for LatencyFigures {
    fn from(latency: &LatencySnapshot) -> Self {
        Self {
            mean_ns: latency.mean_ns(),
            min_ns: latency.min_ns(),
            max_ns: latency.max_ns(),
            p50_ns: latency.p50_ns(),
            p95_ns: latency.p95_ns(),
            p99_ns: latency.p99_ns(),
            p99_9_ns: latency.p99_9_ns(),
        }
    }
}

/// What went through a link or a node in one span of time.
///
/// ```
/// use pcmflow_core::health::HealthConfig;
/// use pcmflow_engine::metrics::{Meter, Readings, Sampler};
/// let (mut meter, mut reader) = Meter::new(HealthConfig::default(), 0)?;
/// meter.health.block(480, 1_000_000);
/// meter.busy(2_000_000);
/// let readings = Readings { flows: [("mic".to_owned(), reader.read(10_000_000))].into(), ..Readings::default() };
/// let sample = Sampler::new(Sampler::INTERVAL_NS)?.sample(10_000_000, readings);
/// let total = &sample.flows["mic"].total;
/// assert_eq!((total.chunks, total.frames_per_s, total.busy_ppm), (1, 48_000, 200_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FlowFigures {
    /// How long the span in truth was: see [`Sampler`](super::Sampler).
    pub duration_ns: u64,
    /// Chunks that went through.
    pub chunks: u64,
    /// Chunks a second, rounded down.
    pub chunks_per_s: u64,
    /// Frames that went through.
    pub frames: u64,
    /// Frames a second, rounded down.
    pub frames_per_s: u64,
    /// Frames that were lost.
    pub frames_dropped: u64,
    /// Frames lost per million offered, rounded up.
    pub dropped_ppm: u64,
    /// Moments without room.
    pub overruns: u64,
    /// Moments without data: each span of [starvation](Self::starved) is one.
    pub underruns: u64,
    /// Failed operations.
    pub errors: u64,
    /// Failed operations per million chunks, rounded up.
    pub errors_ppm: u64,
    /// Chunks done too late.
    pub deadlines_missed: u64,
    /// Time spent on work.
    pub busy_ns: u64,
    /// Time spent on work, per million.
    pub busy_ppm: u64,
    /// From capture, or request, to here.
    pub latency: LatencyFigures,
    /// Spans in which nothing was moved though it was due, for those causes that occurred: those that ended in this time, and the
    /// one under way at its end.
    pub starved: BTreeMap<Starved, Starvation>,
    /// The health score, 0 to 100: see [`health`](pcmflow_core::health).
    pub score: u8,
}

impl FlowFigures {
    /// What happened between two readings of one meter, `duration_ns` apart.
    pub(super) fn between(earlier: &Reading, now: &Reading, duration_ns: u64) -> Self {
        let busy_ns = now.busy_ns.saturating_sub(earlier.busy_ns);
        let starved = Starved::ALL.into_iter().zip(now.starved.iter().zip(&earlier.starved));
        let starved = starved.map(|(cause, (now, earlier))| {
            let ns = now.ns.saturating_sub(earlier.ns);
            (cause, Starvation { episodes: now.episodes.saturating_sub(earlier.episodes), ns })
        });
        let mut starved: BTreeMap<_, _> = starved.collect();
        // The one under way is in every span that ends now, however long ago it began.
        if let Some(starved) = now.starving.and_then(|cause| starved.get_mut(&cause)) {
            starved.episodes += 1;
        }
        starved.retain(|_, starved| *starved != Starvation::default());
        let health = now.health.since(&earlier.health);
        let episodes = starved.values().map(|starved| starved.episodes);
        let underruns = episodes.fold(health.underruns, u64::saturating_add);
        let health = HealthFigures { duration_ns, underruns, ..health };
        Self {
            duration_ns,
            chunks: health.blocks(),
            chunks_per_s: per(health.blocks(), duration_ns, 1_000_000_000),
            frames: health.frames,
            frames_per_s: health.frames_per_s(),
            frames_dropped: health.frames_dropped,
            dropped_ppm: health.dropped_ppm(),
            overruns: health.overruns,
            underruns: health.underruns,
            errors: health.errors,
            errors_ppm: health.errors_ppm(),
            deadlines_missed: health.deadlines_missed,
            busy_ns,
            busy_ppm: per(busy_ns, duration_ns, 1_000_000),
            latency: LatencyFigures::from(&health.latency),
            starved,
            score: health.score(now.config),
        }
    }
}

/// `part` for each `unit` of `whole`, rounded down, saturating; 0 of nothing.
pub(super) fn per(part: u64, whole: u64, unit: u64) -> u64 {
    let per = u128::from(part) * u128::from(unit);
    per.checked_div(whole.into()).unwrap_or(0).try_into().unwrap_or(u64::MAX)
}
