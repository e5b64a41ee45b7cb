//! [`PoolSnapshot`]: how a pool does, as integers.

use super::figures::per;
use pcmflow_core::pool::{ClassMetrics, PoolMetrics};
use serde::{Deserialize, Serialize};

/// How one size class does. What is counted counts since the sampler's baseline, the rest is as it is now.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// use pcmflow_engine::metrics::{Readings, Sampler};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let _buffer = pool.acquire(1024, Miss::Fail)?;
/// let readings = Readings { pools: [("main".to_owned(), pool.metrics())].into(), ..Readings::default() };
/// let sample = Sampler::new(Sampler::INTERVAL_NS)?.sample(0, readings);
/// let class = &sample.pools["main"].classes[2];
/// assert_eq!((class.samples, class.in_use), (1024, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ClassSnapshot {
    /// Samples each buffer holds.
    pub samples: u64,
    /// Buffers there are.
    pub buffers: u64,
    /// The most there may be.
    pub buffers_max: u64,
    /// Buffers somebody holds.
    pub in_use: u64,
    /// The most that were held at once, ever.
    pub in_use_peak: u64,
    /// Requests served at once.
    pub hits: u64,
    /// Requests that found the class exhausted.
    pub misses: u64,
    /// Bytes held.
    pub held_bytes: u64,
    /// Bytes of free buffers that can't be given back, per million of those of all buffers.
    pub fragmentation_ppm: u64,
}

/// How a pool does. What is counted counts since the sampler's baseline, the rest is as it is now.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// use pcmflow_engine::metrics::{Readings, Sampler};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let _buffer = pool.acquire(1024, Miss::Fail)?;
/// let readings = Readings { pools: [("main".to_owned(), pool.metrics())].into(), ..Readings::default() };
/// let sample = Sampler::new(Sampler::INTERVAL_NS)?.sample(0, readings);
/// let main = &sample.pools["main"];
/// assert_eq!((main.in_use, main.budget_bytes), (1, 52_428_800));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PoolSnapshot {
    /// Bytes held.
    pub held_bytes: u64,
    /// The most bytes ever held.
    pub held_bytes_peak: u64,
    /// The most bytes that may be held.
    pub budget_bytes: u64,
    /// Bytes held that are not samples.
    pub overhead_bytes: u64,
    /// Those, per million of the bytes held.
    pub overhead_ppm: u64,
    /// Bytes of free buffers that can't be given back, per million of those of all buffers.
    pub fragmentation_ppm: u64,
    /// Buffers somebody holds.
    pub in_use: u64,
    /// Free buffers that endpoints keep for themselves.
    pub cached: u64,
    /// Free buffers.
    pub free: u64,
    /// Buffers handed out.
    pub acquisitions: u64,
    /// Buffers that came back.
    pub releases: u64,
    /// Requests served at once.
    pub hits: u64,
    /// Requests that found their class exhausted.
    pub misses: u64,
    /// Hits per million requests; none without requests.
    pub hit_rate_ppm: Option<u64>,
    /// The same in the last 10 s.
    pub hit_rate_10_s_ppm: Option<u64>,
    /// Buffers copied on write.
    pub copies: u64,
    /// Requests that were too large for any class.
    pub too_large: u64,
    /// The classes, smallest first.
    pub classes: Vec<ClassSnapshot>,
}

impl PoolSnapshot {
    pub(super) fn of(metrics: &PoolMetrics, lately: &PoolMetrics) -> Self {
        let states = metrics.states();
        let sum = |field: fn(&ClassMetrics) -> usize| metrics.classes.iter().map(field).sum::<usize>() as u64;
        Self {
            held_bytes: metrics.held_bytes as u64,
            held_bytes_peak: metrics.held_bytes_peak as u64,
            budget_bytes: metrics.budget_bytes as u64,
            overhead_bytes: metrics.overhead_bytes as u64,
            overhead_ppm: per(metrics.overhead_bytes as u64, metrics.held_bytes as u64, 1_000_000),
            fragmentation_ppm: per(
                sum(|class| class.stranded_bytes),
                sum(|class| class.payload_bytes),
                1_000_000,
            ),
            in_use: states.in_use as u64,
            cached: states.cached as u64,
            free: (states.allocated + states.recycled) as u64,
            acquisitions: metrics.acquisitions(),
            releases: metrics.releases(),
            hits: metrics.hits(),
            misses: metrics.misses(),
            hit_rate_ppm: hit_rate_ppm(metrics),
            hit_rate_10_s_ppm: hit_rate_ppm(lately),
            copies: metrics.copies(),
            too_large: metrics.too_large,
            classes: metrics.classes.iter().map(ClassSnapshot::of).collect(),
        }
    }
}

impl ClassSnapshot {
    fn of(class: &ClassMetrics) -> Self {
        Self {
            samples: class.samples as u64,
            buffers: class.buffers() as u64,
            buffers_max: class.buffers_max as u64,
            in_use: class.states.in_use as u64,
            in_use_peak: class.in_use_peak as u64,
            hits: class.hits,
            misses: class.misses(),
            held_bytes: class.held_bytes as u64,
            fragmentation_ppm: per(class.stranded_bytes as u64, class.payload_bytes as u64, 1_000_000),
        }
    }
}

fn hit_rate_ppm(metrics: &PoolMetrics) -> Option<u64> {
    let requests = metrics.hits() + metrics.misses();
    (requests > 0).then(|| per(metrics.hits(), requests, 1_000_000))
}

/// The same pool, before anything was asked of it.
pub(super) fn unused(metrics: &PoolMetrics) -> PoolMetrics {
    since(metrics, metrics)
}

/// The pool as it is now, with what was counted since `earlier`.
pub(super) fn since(now: &PoolMetrics, earlier: &PoolMetrics) -> PoolMetrics {
    let mut now = now.clone();
    now.too_large = now.too_large.saturating_sub(earlier.too_large);
    for class in &mut now.classes {
        let Some(earlier) = earlier.classes.iter().find(|earlier| earlier.samples == class.samples) else {
            continue;
        };
        for (count, before) in [
            (&mut class.acquisitions, earlier.acquisitions),
            (&mut class.releases, earlier.releases),
            (&mut class.hits, earlier.hits),
            (&mut class.misses_refused, earlier.misses_refused),
            (&mut class.misses_up, earlier.misses_up),
            (&mut class.misses_down, earlier.misses_down),
            (&mut class.misses_grown, earlier.misses_grown),
            (&mut class.copies, earlier.copies),
            (&mut class.retired, earlier.retired),
        ] {
            *count = count.saturating_sub(before);
        }
    }
    now
}
