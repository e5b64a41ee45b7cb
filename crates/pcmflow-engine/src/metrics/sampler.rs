//! [`Sampler`]: from what meters and pools counted to rates, windows, scores and trends.

use super::figures::FlowFigures;
use super::history::History;
use super::meter::Reading;
use super::pools::{self, PoolSnapshot};
use super::snapshot::FlowSnapshot;
use pcmflow_core::health::Trend;
use pcmflow_core::pool::PoolMetrics;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why an interval was refused.
///
/// ```
/// use pcmflow_engine::metrics::Sampler;
/// let error = Sampler::new(2_000_000_000).unwrap_err();
/// assert_eq!(error.to_string(), "metrics.interval_ns is 2000000000, allowed are 1000000 to 1000000000");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "metrics.interval_ns is {interval_ns}, allowed are {} to {}",
    Sampler::INTERVAL_NS_MIN,
    Sampler::INTERVAL_NS_MAX
)]
pub struct IntervalError {
    /// The refused interval.
    pub interval_ns: u64,
}

/// What is sampled, by name. Links, nodes and pipelines share one set of names.
///
/// ```
/// use pcmflow_core::health::HealthConfig;
/// use pcmflow_engine::metrics::{Reading, Readings};
/// let mut readings = Readings::default();
/// readings.flows.insert("mic".into(), Reading::empty(HealthConfig::default(), 0));
/// assert!(readings.flows.contains_key("mic") && readings.pools.is_empty());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// What the meters counted.
    pub flows: BTreeMap<String, Reading>,
    /// What the pools counted.
    pub pools: BTreeMap<String, PoolMetrics>,
}

/// What was sampled, by the names of the readings.
///
/// ```
/// use pcmflow_engine::metrics::{Readings, Sample, Sampler};
/// let mut sampler = Sampler::new(Sampler::INTERVAL_NS)?;
/// assert_eq!(sampler.sample(0, Readings::default()), Sample::default());
/// # Ok::<(), pcmflow_engine::metrics::IntervalError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// How the links, nodes and pipelines do.
    pub flows: BTreeMap<String, FlowSnapshot>,
    /// How the pools do.
    pub pools: BTreeMap<String, PoolSnapshot>,
}

/// Computes figures from differences of readings: in all since the meter was made or the sampler last
/// [reset](Self::reset), and in windows of about 1, 10 and 60 s.
///
/// A window begins at the youngest kept reading that is as old as the window is long; readings are kept a tenth of it
/// apart. So it is up to a tenth (and the time between two samples) longer than its name says, younger flows have shorter ones,
/// and after a time without samples it is as long as that was. Each says its true
/// [`duration_ns`](FlowFigures::duration_ns), and rates are of that. A clock that goes back stands still. One flow's
/// readings take 180 KB.
///
/// A flow's score is that of its 10 s ([formula](pcmflow_core::health)); it is healthy when that reaches the
/// [`healthy_score_min`](pcmflow_core::health::HealthConfig) of its meter. The trend compares it with the score of the 60 s,
/// once they are longer than the 10.
///
/// A meter is known by its name and start: a new one begins anew. What is not among the readings any more is forgotten.
///
/// ```
/// use pcmflow_core::health::HealthConfig;
/// use pcmflow_engine::metrics::{Meter, Readings, Sampler};
/// let (mut meter, mut reader) = Meter::new(HealthConfig::default(), 0)?;
/// let mut sampler = Sampler::new(Sampler::INTERVAL_NS)?;
/// let mut sample = |reading| {
///     let readings = Readings { flows: [("mic".to_owned(), reading)].into(), ..Readings::default() };
///     sampler.sample(sampler.due_ns(), readings).flows.remove("mic").unwrap_or_default()
/// };
/// sample(reader.read(0));
/// (0..375).for_each(|_| meter.health.block(128, 150_000));
/// let mic = sample(reader.read(100_000_000));
/// assert_eq!((mic.total.frames, mic.last_1_s.frames_per_s, mic.score), (48_000, 480_000, 100));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sampler {
    interval_ns: u64,
    /// When the last sample was taken.
    now_ns: Option<u64>,
    /// When the meters' readings were last taken in.
    kept_ns: Option<u64>,
    flows: BTreeMap<String, Flow>,
    pools: BTreeMap<String, Series<PoolMetrics, 1>>,
}

impl Sampler {
    /// The interval between two samples unless another is asked for.
    pub const INTERVAL_NS: u64 = 100_000_000;
    /// The shortest interval.
    pub const INTERVAL_NS_MIN: u64 = 1_000_000;
    /// The longest interval.
    pub const INTERVAL_NS_MAX: u64 = 1_000_000_000;
    const SPANS_NS: [u64; 3] = [1_000_000_000, 10_000_000_000, 60_000_000_000];
    const POOL_SPAN_NS: [u64; 1] = [10_000_000_000];

    /// Makes a sampler that knows nothing yet.
    ///
    /// Not RT-safe: meant for the task that samples.
    ///
    /// # Errors
    /// [`IntervalError`] outside the range.
    pub fn new(interval_ns: u64) -> Result<Self, IntervalError> {
        if !(Self::INTERVAL_NS_MIN..=Self::INTERVAL_NS_MAX).contains(&interval_ns) {
            return Err(IntervalError { interval_ns });
        }
        Ok(Self { interval_ns, now_ns: None, kept_ns: None, flows: BTreeMap::new(), pools: BTreeMap::new() })
    }

    /// Another interval from now on.
    ///
    /// Not RT-safe: meant for the task that samples.
    ///
    /// # Errors
    /// [`IntervalError`] outside the range; nothing is changed then.
    pub fn set_interval(&mut self, interval_ns: u64) -> Result<(), IntervalError> {
        self.interval_ns = Self::new(interval_ns)?.interval_ns;
        Ok(())
    }

    /// When the next sample should be taken; 0 for the first. Others are taken too.
    ///
    /// Not RT-safe: meant for the task that samples.
    pub fn due_ns(&self) -> u64 {
        self.now_ns.map_or(0, |now_ns| now_ns.saturating_add(self.interval_ns))
    }

    /// Takes in what was read at `now_ns`, and says what follows.
    ///
    /// Not RT-safe: allocates.
    pub fn sample(&mut self, now_ns: u64, readings: Readings) -> Sample {
        let now_ns = self.at(now_ns);
        let mut flows = BTreeMap::new();
        self.keep(now_ns, readings.flows, |name, series, reading| {
            let snapshot = flow(series, now_ns, reading);
            flows.insert(name, snapshot);
        });
        Sample { flows, pools: self.pools(now_ns, readings.pools) }
    }

    /// Whether what meters counted is to be read for the windows that alerts are about. Who samples need not ask.
    pub(crate) fn wants_flows(&self, now_ns: u64) -> bool {
        let [_, span_ns, _] = Self::SPANS_NS;
        self.kept_ns.is_none_or(|kept_ns| {
            now_ns.saturating_sub(kept_ns) >= History::<()>::step_ns(span_ns, self.interval_ns)
        })
    }

    /// Takes in what meters counted up to `now_ns`, and forgets what is not among it; shows `each` before it is taken in.
    pub(crate) fn keep<N: AsRef<str>>(
        &mut self,
        now_ns: u64,
        readings: impl IntoIterator<Item = (N, Reading)>,
        mut each: impl FnMut(N, &mut Flow, &Reading),
    ) {
        let now_ns = self.at(now_ns);
        self.kept_ns = Some(now_ns);
        let mut kept = 0;
        for (name, reading) in readings {
            let reading = Arc::new(reading);
            let series = self.series(name.as_ref(), now_ns, &reading);
            each(name, series, &reading);
            series.push(now_ns, reading);
            kept += 1;
        }
        if kept < self.flows.len() {
            self.flows.retain(|_, series| series.last.0 == now_ns);
        }
    }

    /// How the flow of this name did lately, all that [rules](super::Rule) look at: its limit, its last 10 s, and their score.
    pub(crate) fn lately(&mut self, now_ns: u64, name: &str, reading: Reading) -> FlowSnapshot {
        let now_ns = self.at(now_ns);
        let reading = Arc::new(reading);
        let [_, window, _] = &mut self.series(name, now_ns, &reading).windows;
        let (at_ns, begin) = window.begin(now_ns);
        let last_10_s = FlowFigures::between(begin, &reading, now_ns - at_ns);
        let (latency_limit_ns, score) = (reading.config.latency_limit_ns, last_10_s.score);
        FlowSnapshot { latency_limit_ns, score, last_10_s, ..FlowSnapshot::default() }
    }

    /// Takes in what pools counted up to `now_ns`; forgets what is not among it.
    pub(crate) fn pools(
        &mut self,
        now_ns: u64,
        readings: BTreeMap<String, PoolMetrics>,
    ) -> BTreeMap<String, PoolSnapshot> {
        let (now_ns, interval_ns) = (self.at(now_ns), self.interval_ns);
        let mut pools = BTreeMap::new();
        let mut snapshots = BTreeMap::new();
        for (name, metrics) in readings {
            let metrics = Arc::new(metrics);
            let mut series = self.pools.remove(&name).unwrap_or_else(|| {
                // A pool does not say when it was made: not before the clock began.
                let begin = Arc::new(pools::unused(&metrics));
                Series::new(Self::POOL_SPAN_NS, interval_ns, (0, begin), (now_ns, &metrics))
            });
            let [window] = &mut series.windows;
            let lately = pools::since(&metrics, &window.begin(now_ns).1);
            snapshots
                .insert(name.clone(), PoolSnapshot::of(&pools::since(&metrics, &series.base.1), &lately));
            series.push(now_ns, metrics);
            pools.insert(name, series);
        }
        self.pools = pools;
        snapshots
    }

    /// Time goes on, or stands.
    fn at(&mut self, now_ns: u64) -> u64 {
        let now_ns = self.now_ns.map_or(now_ns, |last_ns| last_ns.max(now_ns));
        self.now_ns = Some(now_ns);
        now_ns
    }

    /// What is kept of the meter of this name; of another one than before, nothing yet.
    fn series(&mut self, name: &str, now_ns: u64, reading: &Arc<Reading>) -> &mut Flow {
        if self.flows.get(name).is_some_and(|series| series.base.1.started_ns != reading.started_ns) {
            self.flows.remove(name);
        }
        let interval_ns = self.interval_ns;
        self.flows.entry(name.to_owned()).or_insert_with(|| {
            let begin = Arc::new(Reading::empty(reading.config, reading.started_ns));
            let started_ns = reading.started_ns.min(now_ns);
            Series::new(Self::SPANS_NS, interval_ns, (started_ns, begin), (now_ns, reading))
        })
    }

    /// Starts totals, windows and trends anew from the last sample. Only this sampler's baseline moves: nothing is stored
    /// into what others count or read.
    ///
    /// Not RT-safe: allocates.
    pub fn reset(&mut self) {
        let interval_ns = self.interval_ns;
        self.flows.values_mut().for_each(|series| series.reset(Self::SPANS_NS, interval_ns));
        self.pools.values_mut().for_each(|series| series.reset(Self::POOL_SPAN_NS, interval_ns));
    }
}

/// What is kept of one meter.
pub(crate) type Flow = Series<Reading, 3>;

/// What is kept of one meter or pool.
#[derive(Debug)]
pub(crate) struct Series<T, const WINDOWS: usize> {
    /// What totals are counted from.
    base: (u64, Arc<T>),
    last: (u64, Arc<T>),
    windows: [History<Arc<T>>; WINDOWS],
    /// The deepest queue in a sample since the base.
    depth_seen: u64,
}

impl<T, const WINDOWS: usize> Series<T, WINDOWS> {
    /// Totals count from `base`, and so do the windows that are long enough to reach back to it; others begin `now`.
    fn new(spans_ns: [u64; WINDOWS], interval_ns: u64, base: (u64, Arc<T>), now: (u64, &Arc<T>)) -> Self {
        let windows = spans_ns.map(|span_ns| {
            let (at_ns, begin) = if now.0 - base.0 <= span_ns { (base.0, &base.1) } else { now };
            History::new(span_ns, interval_ns, at_ns, Arc::clone(begin))
        });
        Self { last: (now.0, Arc::clone(now.1)), base, windows, depth_seen: 0 }
    }

    fn push(&mut self, now_ns: u64, reading: Arc<T>) {
        self.windows.iter_mut().for_each(|window| window.push(now_ns, Arc::clone(&reading)));
        self.last = (now_ns, reading);
    }

    fn reset(&mut self, spans_ns: [u64; WINDOWS], interval_ns: u64) {
        let (at_ns, reading) = &self.last;
        *self = Self::new(spans_ns, interval_ns, (*at_ns, Arc::clone(reading)), (*at_ns, reading));
    }
}

fn flow(series: &mut Flow, now_ns: u64, reading: &Reading) -> FlowSnapshot {
    let (base_ns, base) = &series.base;
    let between = |at_ns, begin| FlowFigures::between(begin, reading, now_ns - at_ns);
    let total = between(*base_ns, base);
    let [last_1_s, last_10_s, last_60_s] = series.windows.each_mut().map(|window| {
        let (at_ns, begin) = window.begin(now_ns);
        between(*at_ns, begin)
    });
    series.depth_seen = series.depth_seen.max(reading.depth);
    // A highest that rose since the base was reached since; otherwise only the samples know.
    let depth_high =
        if reading.depth_high > base.depth_high { reading.depth_high } else { series.depth_seen };
    let is_longer = last_60_s.duration_ns > last_10_s.duration_ns;
    FlowSnapshot {
        latency_limit_ns: reading.config.latency_limit_ns,
        depth: reading.depth,
        depth_high,
        score: last_10_s.score,
        is_healthy: last_10_s.score >= reading.config.healthy_score_min,
        trend: Trend::of(last_10_s.score, is_longer.then_some(last_60_s.score)),
        total,
        last_1_s,
        last_10_s,
        last_60_s,
    }
}
