//! Single operations, timed one by one, and their percentiles.
//!
//! Two time stamps lie round each operation, so that what reading the clock takes is in every figure; the row of empty
//! timing shows it. A clock that ticks every 10 ns shows 113 ns as 110 or 120: percentiles below the worst are
//! interpolated in their tick.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;

/// Does something and may look at how long it took: one loop serves means and tails.
pub(crate) trait Stopwatch {
    fn time<R>(&mut self, work: impl FnOnce() -> R) -> R;
}

/// Looks at nothing.
pub(crate) struct Untimed;

impl Stopwatch for Untimed {
    fn time<R>(&mut self, work: impl FnOnce() -> R) -> R {
        work()
    }
}

impl Stopwatch for Tail {
    fn time<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        self.0.push(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
        result
    }
}

/// The times of single operations, in nanoseconds.
#[derive(Debug)]
pub(crate) struct Tail(Vec<u32>);

impl Tail {
    pub(crate) fn with_capacity(operations: u64) -> Self {
        // Ones: zeroed pages would be touched only between two time stamps.
        let mut times = vec![1; operations as usize];
        times.clear();
        Self(times)
    }

    /// All of both.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// 50 %, 99 %, 99.9 % and the worst.
    pub(crate) fn figures(self) -> Vec<f64> {
        let mut times = self.0;
        times.sort_unstable();
        let tick = *CLOCK_TICK.get_or_init(clock_tick);
        let mut figures = [0.5, 0.99, 0.999].map(|part| percentile(&times, part, tick)).to_vec();
        let worst = f64::from(times.last().copied().unwrap_or(0));
        figures.push(worst);
        // In a tick's upper half a percentile could come to lie above it.
        figures.into_iter().map(|figure| figure.min(worst)).collect()
    }
}

static CLOCK_TICK: OnceLock<u32> = OnceLock::new();

/// The steps in which the clock counts: how far the two most common distances between neighbouring stamps lie apart.
fn clock_tick() -> u32 {
    let start = Instant::now();
    let stamps: Vec<u128> = (0..50_000).map(|_| start.elapsed().as_nanos()).collect();
    let mut seen = BTreeMap::new();
    for pair in stamps.windows(2) {
        *seen.entry(pair[1] - pair[0]).or_insert(0u32) += 1;
    }
    let mut common: Vec<_> = seen.into_iter().collect();
    common.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    match common[..] {
        [(first, _), (second, _), ..] => first.abs_diff(second).clamp(1, 1000) as u32,
        _ => 1,
    }
}

/// The value below which `part` of the sorted `times` lie, if each was spread evenly over its tick.
fn percentile(times: &[u32], part: f64, tick: u32) -> f64 {
    let target = part * times.len() as f64;
    let Some(found) = times.get(target as usize) else { return f64::NAN };
    let tick_of = |time: u32| (time + tick / 2) / tick;
    let centre = tick_of(*found);
    let from = times.partition_point(|time| tick_of(*time) < centre);
    let to = times.partition_point(|time| tick_of(*time) <= centre);
    let within = (target - from as f64) / (to - from) as f64;
    (f64::from(centre) - 0.5 + within) * f64::from(tick)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_interpolated_within_a_tick() {
        // 113 ns by a clock of 10 ns: 70 % are shown as 110, 30 % as 120.
        let mut times: Vec<u32> = [110; 700].into();
        times.extend([120; 300]);
        assert!((percentile(&times, 0.5, 10) - 112.1).abs() < 0.1);
        assert!((percentile(&times, 0.99, 10) - 124.7).abs() < 0.1);
        let even: Vec<u32> = (0..1000).collect();
        assert_eq!(percentile(&even, 0.5, 1), 499.5);
        assert_eq!(percentile(&even, 0.999, 1), 998.5);
    }

    #[test]
    fn the_worst_is_kept_as_it_was() {
        let tail = Tail(vec![5, 1, 77, 3]);
        assert_eq!(tail.figures()[3], 77.0);
    }
}
