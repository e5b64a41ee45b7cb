//! How well a flow does: counters and a latency histogram on the hot side, figures and a score on the other.
//!
//! [`BufferHealthMonitor::new`] gives two halves. The [`HealthRecorder`] belongs to the thread that moves the audio;
//! the monitor reads what it stores, and any number of clones of it do so independently: reading and
//! [`reset`](BufferHealthMonitor::reset) only move the reader's own baseline.
//!
//! # The score
//!
//! 100 minus four penalties, in whole points, each rounded up, so that 100 means that nothing at all went wrong:
//!
//! | trouble | penalty | at most |
//! | --- | --- | --- |
//! | frames dropped, part of those offered (processed + dropped) | 1 point per 0.025 % | 40, at 1 % |
//! | overruns, underruns and missed deadlines per block | 1 point per 0.033 % | 30, at 1 % |
//! | errors per block | 1 point per 0.05 % | 20, at 1 % |
//! | p99 latency above the limit | 1 point per 10 % of the limit | 10, at twice the limit |
//!
//! More trouble of one kind never raises it. Doing nothing is not trouble: a flow that stands still without underruns
//! scores 100, and its throughput says 0.

mod figures;
#[cfg(test)]
mod tests;

pub use figures::HealthFigures;

use crate::histogram::LatencyHistogram;
use crate::prefetch::prefetch_to_write;
use crate::sync::Arc;
use crate::sync::{AtomicU64, Ordering};

/// What counts as healthy.
///
/// ```
/// use pcmflow_core::health::{BufferHealthMonitor, HealthConfig};
/// let strict = HealthConfig { latency_limit_ns: 3_000_000, ..HealthConfig::default() };
/// assert!(BufferHealthMonitor::new(strict, 0).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthConfig {
    /// The latency that 99 % of the blocks should keep, 1 to [`LatencyHistogram::LIMIT_NS`]; by default 10 ms.
    pub latency_limit_ns: u64,
    /// The lowest score that is healthy, 1 to 100; by default 80.
    pub healthy_score_min: u8,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { latency_limit_ns: 10_000_000, healthy_score_min: 80 }
    }
}

/// Why a configuration was refused.
///
/// ```
/// use pcmflow_core::health::{BufferHealthMonitor, HealthConfig, HealthError};
/// let config = HealthConfig { healthy_score_min: 101, ..HealthConfig::default() };
/// let error = BufferHealthMonitor::new(config, 0).unwrap_err();
/// assert_eq!(error, HealthError::HealthyScore { healthy_score_min: 101 });
/// assert_eq!(error.to_string(), "health.healthy_score_min is 101, allowed are 1 to 100");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HealthError {
    /// The latency limit is out of range.
    #[error("health.latency_limit_ns is {latency_limit_ns}, allowed are 1 to {max}", max = LatencyHistogram::LIMIT_NS)]
    LatencyLimit {
        /// The refused limit.
        latency_limit_ns: u64,
    },
    /// The lowest healthy score is out of range.
    #[error("health.healthy_score_min is {healthy_score_min}, allowed are 1 to 100")]
    HealthyScore {
        /// The refused score.
        healthy_score_min: u8,
    },
}

/// What the two halves share. Aligned so that no reader of something else disturbs the writer, and in an order in which all
/// that a block touches is in one cache line, but for the bucket of its latency: with nothing beside it the first, with 64
/// bytes beside it the second, their last half included.
#[derive(Debug)]
#[repr(C, align(128))]
struct Shared<B> {
    frames_dropped: AtomicU64,
    overruns: AtomicU64,
    underruns: AtomicU64,
    deadlines_missed: AtomicU64,
    beside: B,
    frames: AtomicU64,
    latency: LatencyHistogram,
    errors: AtomicU64,
}

/// The hot side: counts what happens. One thread's, hence not `Clone`. `B` is what its user counts
/// [beside](BufferHealthMonitor::beside) that.
///
/// ```
/// use pcmflow_core::health::{BufferHealthMonitor, HealthConfig};
/// let (mut recorder, mut monitor) = BufferHealthMonitor::new(HealthConfig::default(), 0)?;
/// recorder.block(128, 2_000_000);
/// recorder.overrun();
/// let snapshot = monitor.snapshot(1_000_000_000);
/// assert_eq!((snapshot.total.frames, snapshot.total.overruns), (128, 1));
/// # Ok::<(), pcmflow_core::health::HealthError>(())
/// ```
#[derive(Debug)]
pub struct HealthRecorder<B = ()> {
    shared: Arc<Shared<B>>,
}

impl<B> HealthRecorder<B> {
    /// What its user counts beside.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn besides(&self) -> &B {
        &self.shared.beside
    }

    /// Only this half writes, and it takes `&mut`, so that load and store are as good as one step.
    #[inline]
    fn add(counter: &AtomicU64, count: u64) {
        counter.store(counter.load(Ordering::Relaxed).saturating_add(count), Ordering::Relaxed);
    }

    /// A block will have about this latency: asks the processor for what [`block`](Self::block) will touch, which other work has
    /// pushed out of the nearest cache meanwhile. Only a hint, for who has something to do in between.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn expect_block(&self, latency_ns: u64) {
        prefetch_to_write((&raw const self.shared.frames).cast(), 1);
        self.shared.latency.prefetch(latency_ns);
    }

    /// Counts one block of `frames` frames that went through, `latency_ns` after it was captured or asked for.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn block(&mut self, frames: u64, latency_ns: u64) {
        Self::add(&self.shared.frames, frames);
        self.shared.latency.record(latency_ns);
    }

    /// Counts frames that were lost.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn frames_dropped(&mut self, frames: u64) {
        Self::add(&self.shared.frames_dropped, frames);
    }

    /// Counts a moment in which there was no room for what came.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn overrun(&mut self) {
        Self::add(&self.shared.overruns, 1);
    }

    /// Counts a moment in which there was nothing to give.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn underrun(&mut self) {
        Self::add(&self.shared.underruns, 1);
    }

    /// Counts a failed operation.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn error(&mut self) {
        Self::add(&self.shared.errors, 1);
    }

    /// Counts a block that was done too late.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn deadline_missed(&mut self) {
        Self::add(&self.shared.deadlines_missed, 1);
    }
}

/// How the last interval's score compares with that of the one before.
///
/// ```
/// use pcmflow_core::health::{BufferHealthMonitor, HealthConfig, Trend};
/// let (mut recorder, mut monitor) = BufferHealthMonitor::new(HealthConfig::default(), 0)?;
/// let mut trend = |dropped, now_ns| {
///     recorder.block(128, 150_000);
///     recorder.frames_dropped(dropped);
///     monitor.snapshot(now_ns).trend
/// };
/// assert_eq!((trend(0, 1), trend(0, 2)), (Trend::Unknown, Trend::Steady));
/// assert_eq!((trend(128, 3), trend(0, 4)), (Trend::Worsening, Trend::Improving));
/// # Ok::<(), pcmflow_core::health::HealthError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Trend {
    /// There is no interval before.
    #[default]
    Unknown,
    /// Higher by [`Trend::STEP`] points or more.
    Improving,
    /// Less than [`Trend::STEP`] points apart.
    Steady,
    /// Lower by [`Trend::STEP`] points or more.
    Worsening,
}

impl Trend {
    /// Points that make a trend.
    pub const STEP: u8 = 3;

    /// How a score compares with another one, if there is one.
    ///
    /// ```
    /// use pcmflow_core::health::Trend;
    /// assert_eq!(Trend::of(80, None), Trend::Unknown);
    /// assert_eq!((Trend::of(80, Some(78)), Trend::of(80, Some(77))), (Trend::Steady, Trend::Improving));
    /// ```
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn of(score: u8, previous: Option<u8>) -> Self {
        match previous {
            None => Self::Unknown,
            Some(previous) if score >= previous.saturating_add(Self::STEP) => Self::Improving,
            Some(previous) if previous >= score.saturating_add(Self::STEP) => Self::Worsening,
            Some(_) => Self::Steady,
        }
    }
}

/// One look at a flow.
///
/// ```
/// use pcmflow_core::health::{BufferHealthMonitor, HealthConfig};
/// let (mut recorder, mut monitor) = BufferHealthMonitor::new(HealthConfig::default(), 0)?;
/// recorder.block(128, 150_000);
/// monitor.snapshot(1_000_000_000);
/// recorder.block(128, 150_000);
/// let now = monitor.snapshot(3_000_000_000);
/// assert_eq!((now.total.frames, now.total.duration_ns), (256, 3_000_000_000));
/// assert_eq!((now.interval.frames, now.interval.duration_ns), (128, 2_000_000_000));
/// # Ok::<(), pcmflow_core::health::HealthError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthSnapshot {
    /// Since the monitor was made or last reset; its duration is the uptime.
    pub total: HealthFigures,
    /// Since the snapshot before, or since then.
    pub interval: HealthFigures,
    /// The score of the interval, 0 to 100.
    pub score: u8,
    /// Whether the score is at least `healthy_score_min`.
    pub is_healthy: bool,
    /// The interval beside the one before.
    pub trend: Trend,
}

/// The reading side: figures, score and trend of what a [`HealthRecorder`] counts.
///
/// A clone starts with the same baseline and goes its own way. `B` is what the recorder's user counts
/// [beside](Self::beside).
///
/// ```
/// use pcmflow_core::health::{BufferHealthMonitor, HealthConfig};
/// let (mut recorder, mut monitor) = BufferHealthMonitor::new(HealthConfig::default(), 0)?;
/// for _ in 0..375 {
///     recorder.block(128, 150_000);
/// }
/// let now = monitor.snapshot(1_000_000_000);
/// assert_eq!((now.total.frames_per_s(), now.score, now.is_healthy), (48_000, 100, true));
/// recorder.frames_dropped(480);
/// let now = monitor.snapshot(2_000_000_000);
/// assert_eq!((now.interval.frames, now.interval.frames_dropped, now.score), (0, 480, 60));
/// # Ok::<(), pcmflow_core::health::HealthError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BufferHealthMonitor<B = ()> {
    shared: Arc<Shared<B>>,
    config: HealthConfig,
    started_ns: u64,
    /// The counters when the monitor was made or reset.
    baseline: HealthFigures,
    /// The totals of the last snapshot.
    previous: HealthFigures,
    previous_score: Option<u8>,
}

impl BufferHealthMonitor {
    /// Makes a pair of halves; the uptime counts from `now_ns`.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`HealthError`] for the number that is out of range.
    pub fn new(config: HealthConfig, now_ns: u64) -> Result<(HealthRecorder, Self), HealthError> {
        Self::beside((), config, now_ns)
    }
}

impl<B> BufferHealthMonitor<B> {
    /// As [`new`](BufferHealthMonitor::new), with counters of the user's own beside, which both halves see: where those are in the
    /// way of every block, as an engine's are, they share a cache line with the others.
    ///
    /// ```
    /// use pcmflow_core::health::{BufferHealthMonitor, HealthConfig};
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// let (recorder, monitor) = BufferHealthMonitor::beside(AtomicU64::new(0), HealthConfig::default(), 0)?;
    /// recorder.besides().store(3, Ordering::Relaxed);
    /// assert_eq!(monitor.besides().load(Ordering::Relaxed), 3);
    /// # Ok::<(), pcmflow_core::health::HealthError>(())
    /// ```
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`HealthError`] for the number that is out of range.
    pub fn beside(
        beside: B,
        config: HealthConfig,
        now_ns: u64,
    ) -> Result<(HealthRecorder<B>, Self), HealthError> {
        let HealthConfig { latency_limit_ns, healthy_score_min } = config;
        if !(1..=LatencyHistogram::LIMIT_NS).contains(&latency_limit_ns) {
            return Err(HealthError::LatencyLimit { latency_limit_ns });
        }
        if !(1..=100).contains(&healthy_score_min) {
            return Err(HealthError::HealthyScore { healthy_score_min });
        }
        let shared = Arc::new(Shared {
            frames_dropped: AtomicU64::new(0),
            overruns: AtomicU64::new(0),
            underruns: AtomicU64::new(0),
            deadlines_missed: AtomicU64::new(0),
            beside,
            frames: AtomicU64::new(0),
            latency: LatencyHistogram::new(),
            errors: AtomicU64::new(0),
        });
        let monitor = Self {
            shared: Arc::clone(&shared),
            config,
            started_ns: now_ns,
            baseline: HealthFigures::empty(),
            previous: HealthFigures::empty(),
            previous_score: None,
        };
        Ok((HealthRecorder { shared }, monitor))
    }

    /// What its user counts beside.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn besides(&self) -> &B {
        &self.shared.beside
    }

    /// What was counted since the beginning, or the last [`reset`](Self::reset), without what [`snapshot`](Self::snapshot) makes of
    /// it; the duration is not known here, and 0.
    ///
    /// Not RT-safe: allocates.
    pub fn figures(&self) -> HealthFigures {
        let read = self.read();
        if self.baseline.blocks() == 0 { read } else { read.since(&self.baseline) }
    }

    /// How much went wrong since the counters began, in no unit: whatever is frames dropped, overruns, underruns, errors, missed
    /// deadlines, or a block of this latency or more. What matters is whether it is what it was.
    ///
    /// Not RT-safe: meant for the task that samples.
    pub fn troubles(&self, latency_ns: u64) -> u64 {
        let shared = &*self.shared;
        let counters = [
            &shared.frames_dropped,
            &shared.overruns,
            &shared.underruns,
            &shared.deadlines_missed,
            &shared.errors,
        ];
        let troubles = counters.into_iter().map(|counter| counter.load(Ordering::Relaxed));
        troubles.fold(shared.latency.at_least(latency_ns), u64::wrapping_add)
    }

    fn read(&self) -> HealthFigures {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let shared = &*self.shared;
        HealthFigures {
            duration_ns: 0,
            frames: get(&shared.frames),
            frames_dropped: get(&shared.frames_dropped),
            overruns: get(&shared.overruns),
            underruns: get(&shared.underruns),
            errors: get(&shared.errors),
            deadlines_missed: get(&shared.deadlines_missed),
            latency: shared.latency.snapshot(),
        }
    }

    /// What happened up to `now_ns`, and since the snapshot before.
    ///
    /// The counters are read one after the other while the recorder goes on, so that a block under way may be in one
    /// and not yet in another. Never disturbs the recorder.
    ///
    /// Not RT-safe: allocates.
    pub fn snapshot(&mut self, now_ns: u64) -> HealthSnapshot {
        let mut total = self.read().since(&self.baseline);
        total.duration_ns = now_ns.saturating_sub(self.started_ns);
        let interval = total.since(&self.previous);
        let score = interval.score(self.config);
        let trend = Trend::of(score, self.previous_score);
        self.previous = total.clone();
        self.previous_score = Some(score);
        let is_healthy = score >= self.config.healthy_score_min;
        HealthSnapshot { total, interval, score, is_healthy, trend }
    }

    /// Starts this monitor's totals, uptime and trend anew at `now_ns`. Stores nothing into the counters, and other
    /// clones don't notice.
    ///
    /// Not RT-safe: allocates.
    pub fn reset(&mut self, now_ns: u64) {
        self.baseline = self.read();
        self.started_ns = now_ns;
        self.previous = HealthFigures::empty();
        self.previous_score = None;
    }
}
