//! [`HealthFigures`]: what happened in some span of time, and the score that follows from it.

use super::HealthConfig;
use crate::histogram::LatencySnapshot;

/// What happened in some span of time.
///
/// ```
/// use pcmflow_core::health::{HealthConfig, HealthFigures};
/// let span = HealthFigures { duration_ns: 500_000_000, frames: 23_760, frames_dropped: 240, ..HealthFigures::empty() };
/// assert_eq!((span.frames_per_s(), span.dropped_ppm()), (47_520, 10_000));
/// assert_eq!(span.score(HealthConfig::default()), 60); // 1 % lost costs the most that losses can cost
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthFigures {
    /// How long the span is.
    pub duration_ns: u64,
    /// Frames that went through.
    pub frames: u64,
    /// Frames that were lost.
    pub frames_dropped: u64,
    /// Moments without room.
    pub overruns: u64,
    /// Moments without data.
    pub underruns: u64,
    /// Failed operations.
    pub errors: u64,
    /// Blocks done too late.
    pub deadlines_missed: u64,
    /// One latency per block.
    pub latency: LatencySnapshot,
}

impl HealthFigures {
    /// Nothing, in no time.
    ///
    /// Not RT-safe: allocates.
    pub fn empty() -> Self {
        Self {
            duration_ns: 0,
            frames: 0,
            frames_dropped: 0,
            overruns: 0,
            underruns: 0,
            errors: 0,
            deadlines_missed: 0,
            latency: LatencySnapshot::empty(),
        }
    }

    /// Blocks that went through.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn blocks(&self) -> u64 {
        self.latency.count()
    }

    /// Throughput in frames per second, rounded down; 0 for a span of no time.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn frames_per_s(&self) -> u64 {
        let frames = u128::from(self.frames) * 1_000_000_000;
        frames.checked_div(self.duration_ns.into()).unwrap_or(0).try_into().unwrap_or(u64::MAX)
    }

    /// Errors per million blocks, rounded up. Above a million when there are more errors than blocks.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn errors_ppm(&self) -> u64 {
        ppm(self.errors, self.blocks())
    }

    /// Frames lost per million offered, rounded up.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn dropped_ppm(&self) -> u64 {
        ppm(self.frames_dropped, self.frames.saturating_add(self.frames_dropped))
    }

    /// The score, 0 to 100: see the module's docs for the formula.
    ///
    /// RT-safe: wait-free (624 steps), no allocation.
    pub fn score(&self, config: HealthConfig) -> u8 {
        let xruns = self.overruns.saturating_add(self.underruns).saturating_add(self.deadlines_missed);
        let too_long = self.latency.p99_ns().saturating_sub(config.latency_limit_ns);
        let penalty = points(40, self.dropped_ppm(), 10_000)
            + points(30, ppm(xruns, self.blocks()), 10_000)
            + points(20, self.errors_ppm(), 10_000)
            + points(10, too_long, config.latency_limit_ns);
        100u8.saturating_sub(penalty)
    }

    /// What happened after `earlier`, which has the same beginning.
    ///
    /// ```
    /// use pcmflow_core::health::HealthFigures;
    /// let earlier = HealthFigures { duration_ns: 10, frames: 128, ..HealthFigures::empty() };
    /// let now = HealthFigures { duration_ns: 30, frames: 512, overruns: 1, ..HealthFigures::empty() };
    /// let between = now.since(&earlier);
    /// assert_eq!((between.duration_ns, between.frames, between.overruns), (20, 384, 1));
    /// ```
    ///
    /// Not RT-safe: allocates.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            duration_ns: self.duration_ns.saturating_sub(earlier.duration_ns),
            frames: self.frames.saturating_sub(earlier.frames),
            frames_dropped: self.frames_dropped.saturating_sub(earlier.frames_dropped),
            overruns: self.overruns.saturating_sub(earlier.overruns),
            underruns: self.underruns.saturating_sub(earlier.underruns),
            errors: self.errors.saturating_sub(earlier.errors),
            deadlines_missed: self.deadlines_missed.saturating_sub(earlier.deadlines_missed),
            latency: self.latency.since(&earlier.latency),
        }
    }
}

/// `part` per million of `whole`, of which there is at least one; rounded up, saturating.
fn ppm(part: u64, whole: u64) -> u64 {
    let ppm = (u128::from(part) * 1_000_000).div_ceil(u128::from(whole.max(1)));
    ppm.try_into().unwrap_or(u64::MAX)
}

/// The penalty for `trouble`: proportional, rounded up, `most` from `full` on.
fn points(most: u8, trouble: u64, full: u64) -> u8 {
    let points = (u128::from(trouble) * u128::from(most)).div_ceil(u128::from(full.max(1)));
    points.min(most.into()) as u8
}
