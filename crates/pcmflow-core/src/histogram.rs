//! A histogram of latencies with fixed buckets: one writer that never waits, readers that never disturb it.
//!
//! The buckets are log-linear, the idea of Gil Tene's HdrHistogram: values below 16 have a bucket each; above, every
//! octave is cut into 16 equal ones. So a value is known to within 1/16 of itself, and the representative of a bucket
//! (the harmonic mean of its ends, which balances the relative errors) is off by at most 1/32, wherever it is between
//! 1 ns and [`LatencyHistogram::LIMIT_NS`], 73 minutes. 5 KB in all; a snapshot holds only what is used.

use crate::prefetch::prefetch_to_write;
use crate::sync::{AtomicU64, Ordering};
use alloc::boxed::Box;

/// log2 of the buckets per octave.
const SUB_BITS: u32 = 4;
const SUB: usize = 1 << SUB_BITS;
/// Values have at most so many bits.
const VALUE_BITS: u32 = 42;
const BUCKETS: usize = (VALUE_BITS - SUB_BITS + 1) as usize * SUB;

/// The bucket of a value below 2^VALUE_BITS.
#[inline]
fn bucket_of(ns: u64) -> usize {
    // Shifted so that 5 significant bits are left; the lowest two "octaves" are one run of single values.
    let shift = (u64::BITS - SUB_BITS - 1).saturating_sub(ns.leading_zeros());
    (shift as usize * SUB) + (ns >> shift) as usize
}

/// The smallest and the largest value of a bucket.
fn bounds(bucket: usize) -> (u64, u64) {
    let shift = (bucket / SUB).saturating_sub(1);
    let first = ((bucket - shift * SUB) as u64) << shift;
    (first, first + (1 << shift) - 1)
}

/// What stands for a bucket's values: within 1/32 of each of them.
fn representative(bucket: usize) -> u64 {
    let (first, last) = bounds(bucket);
    if last == 0 { 0 } else { (2 * u128::from(first) * u128::from(last) / u128::from(first + last)) as u64 }
}

/// Counts latencies in nanoseconds.
///
/// One thread records, any number of threads take snapshots. ("One" is by convention: with a second writer counts
/// would be lost, no more.)
///
/// ```
/// use pcmflow_core::histogram::LatencyHistogram;
/// let histogram = LatencyHistogram::new();
/// (1..=1000).for_each(|us| histogram.record(us * 1000));
/// let snapshot = histogram.snapshot();
/// assert_eq!((snapshot.count(), snapshot.max_ns(), snapshot.mean_ns()), (1000, 1_000_000, 500_500));
/// assert!(snapshot.p99_ns().abs_diff(990_000) <= 990_000 / 32);
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct LatencyHistogram {
    // In this order, so that what every value touches is one cache line beside the bucket's.
    /// Sum of the recorded values; saturates.
    sum_ns: AtomicU64,
    /// `u64::MAX` before the first.
    min_ns: AtomicU64,
    max_ns: AtomicU64,
    /// Written by the recording thread only, by load and store, as are the others.
    buckets: [AtomicU64; BUCKETS],
}

impl LatencyHistogram {
    /// The largest value that is told apart; larger ones are recorded as this.
    pub const LIMIT_NS: u64 = (1 << VALUE_BITS) - 1;

    /// An empty histogram.
    ///
    /// RT-safe: wait-free, no allocation; but it is 5 KB large.
    pub fn new() -> Self {
        Self {
            buckets: core::array::from_fn(|_| AtomicU64::new(0)),
            sum_ns: AtomicU64::new(0),
            min_ns: AtomicU64::new(u64::MAX),
            max_ns: AtomicU64::new(0),
        }
    }

    /// Counts one latency of `ns` nanoseconds.
    ///
    /// RT-safe: wait-free, no allocation; two relaxed loads and stores, seldom four. Recording thread only.
    #[inline]
    pub fn record(&self, ns: u64) {
        let ns = ns.min(Self::LIMIT_NS);
        // Only we write, so that load and store are as good as one step. In range: `ns` was just limited.
        if let Some(bucket) = self.buckets.get(bucket_of(ns)) {
            bucket.store(bucket.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        self.sum_ns.store(self.sum_ns.load(Ordering::Relaxed).saturating_add(ns), Ordering::Relaxed);
        if ns < self.min_ns.load(Ordering::Relaxed) {
            self.min_ns.store(ns, Ordering::Relaxed);
        }
        if ns > self.max_ns.load(Ordering::Relaxed) {
            self.max_ns.store(ns, Ordering::Relaxed);
        }
    }

    /// Asks for the bucket of this value.
    #[inline]
    pub(crate) fn prefetch(&self, ns: u64) {
        let bucket = bucket_of(ns.min(Self::LIMIT_NS));
        prefetch_to_write(self.buckets.as_ptr().wrapping_add(bucket).cast(), 1);
    }

    /// How many of at least `ns` nanoseconds were counted so far; some that are less by up to 1/16 are taken for as much.
    pub(crate) fn at_least(&self, ns: u64) -> u64 {
        let max_ns = self.max_ns.load(Ordering::Relaxed);
        if max_ns < ns {
            return 0;
        }
        let long = self.buckets.get(bucket_of(ns)..=bucket_of(max_ns)).unwrap_or_default();
        long.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// What was counted so far. While the writer goes on, the sum may miss, or have, a few values that the buckets have
    /// or miss.
    ///
    /// Not RT-safe: allocates.
    pub fn snapshot(&self) -> LatencySnapshot {
        let (min_ns, max_ns) = (self.min_ns.load(Ordering::Relaxed), self.max_ns.load(Ordering::Relaxed));
        // Only between the extremes is there anything to read; what comes meanwhile beyond them is in the next snapshot.
        let first = bucket_of(min_ns.min(Self::LIMIT_NS));
        let used = self.buckets.get(first..=bucket_of(max_ns)).unwrap_or_default();
        let buckets: Box<[u64]> = used.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let sum_ns = self.sum_ns.load(Ordering::Relaxed);
        LatencySnapshot { count: buckets.iter().sum(), first, buckets, sum_ns, min_ns, max_ns }.trimmed()
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

/// Latencies counted up to some moment, or between two. Plain data; what is asked of an empty one is 0.
///
/// ```
/// use pcmflow_core::histogram::{LatencyHistogram, LatencySnapshot};
/// let histogram = LatencyHistogram::new();
/// assert_eq!(histogram.snapshot(), LatencySnapshot::empty());
/// histogram.record(1_500);
/// let snapshot = histogram.snapshot();
/// assert_eq!((snapshot.count(), snapshot.min_ns(), snapshot.max_ns()), (1, 1_500, 1_500));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencySnapshot {
    /// The number of the first bucket.
    first: usize,
    /// Those from the lowest that is used to the highest, so that a snapshot is small where latencies are alike.
    buckets: Box<[u64]>,
    /// Sum of the buckets.
    count: u64,
    sum_ns: u64,
    /// `u64::MAX` when empty.
    min_ns: u64,
    max_ns: u64,
}

impl LatencySnapshot {
    /// A snapshot of nothing.
    ///
    /// Not RT-safe: allocates.
    pub fn empty() -> Self {
        Self { first: 0, buckets: Box::new([]), count: 0, sum_ns: 0, min_ns: u64::MAX, max_ns: 0 }
    }

    /// How many latencies were counted.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn min_ns(&self) -> u64 {
        if self.count == 0 { 0 } else { self.min_ns }
    }

    /// The largest.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The mean, from the exact sum, rounded down.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn mean_ns(&self) -> u64 {
        self.sum_ns.checked_div(self.count).unwrap_or(0)
    }

    /// The latency that `per_mille` of 1000 do not exceed (nearest rank), to within 1/32; 1000 and above give the
    /// largest.
    ///
    /// RT-safe: wait-free (624 steps), no allocation.
    pub fn percentile_ns(&self, per_mille: u32) -> u64 {
        if per_mille >= 1000 || self.count == 0 {
            return self.max_ns;
        }
        let rank = (u128::from(self.count) * u128::from(per_mille)).div_ceil(1000).max(1) as u64;
        let mut passed = 0;
        for (index, count) in (self.first..).zip(&self.buckets) {
            passed += count;
            if passed >= rank {
                // A writer that is between bucket and extremes must not show a range that is none.
                return representative(index).max(self.min_ns()).min(self.max_ns);
            }
        }
        self.max_ns
    }

    /// The median.
    ///
    /// RT-safe: wait-free (624 steps), no allocation.
    pub fn p50_ns(&self) -> u64 {
        self.percentile_ns(500)
    }

    /// What 95 % do not exceed.
    ///
    /// RT-safe: wait-free (624 steps), no allocation.
    pub fn p95_ns(&self) -> u64 {
        self.percentile_ns(950)
    }

    /// What 99 % do not exceed.
    ///
    /// RT-safe: wait-free (624 steps), no allocation.
    pub fn p99_ns(&self) -> u64 {
        self.percentile_ns(990)
    }

    /// What 99.9 % do not exceed.
    ///
    /// RT-safe: wait-free (624 steps), no allocation.
    pub fn p99_9_ns(&self) -> u64 {
        self.percentile_ns(999)
    }

    /// What was counted after `earlier`, a snapshot of the same histogram.
    ///
    /// Minimum and maximum are then known to a bucket only: they are its ends, 1/16 off at most.
    ///
    /// Not RT-safe: allocates.
    pub fn since(&self, earlier: &LatencySnapshot) -> LatencySnapshot {
        if earlier.count == 0 {
            return self.clone();
        }
        let since = |(index, now): (usize, &u64)| now.saturating_sub(earlier.bucket(index));
        let buckets: Box<[u64]> = (self.first..).zip(&self.buckets).map(since).collect();
        let mut since = LatencySnapshot {
            count: buckets.iter().sum(),
            first: self.first,
            buckets,
            sum_ns: self.sum_ns.saturating_sub(earlier.sum_ns),
            min_ns: u64::MAX,
            max_ns: 0,
        }
        .trimmed();
        if let Some(above) = since.buckets.len().checked_sub(1) {
            since.min_ns = bounds(since.first).0.max(self.min_ns);
            since.max_ns = bounds(since.first + above).1.min(self.max_ns);
        }
        since
    }

    fn bucket(&self, index: usize) -> u64 {
        index.checked_sub(self.first).and_then(|at| self.buckets.get(at)).copied().unwrap_or(0)
    }

    /// Without unused buckets at either end.
    fn trimmed(mut self) -> Self {
        let used = |count: &u64| *count > 0;
        let (Some(low), Some(high)) =
            (self.buckets.iter().position(used), self.buckets.iter().rposition(used))
        else {
            (self.first, self.buckets) = (0, Box::new([]));
            return self;
        };
        if high - low + 1 < self.buckets.len() {
            self.first += low;
            self.buckets = self.buckets.get(low..=high).unwrap_or_default().into();
        }
        self
    }

    /// Adds what `other` counted.
    ///
    /// Not RT-safe: allocates.
    pub fn merge(&mut self, other: &LatencySnapshot) {
        let end = |of: &LatencySnapshot| of.first + of.buckets.len();
        if self.buckets.is_empty() {
            (self.first, self.buckets) = (other.first, other.buckets.clone());
        } else if !other.buckets.is_empty() {
            let first = self.first.min(other.first);
            let both = first..end(self).max(end(other));
            self.buckets = both.map(|index| self.bucket(index).saturating_add(other.bucket(index))).collect();
            self.first = first;
        }
        self.count = self.count.saturating_add(other.count);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn recorded(values: &[u64]) -> LatencyHistogram {
        let histogram = LatencyHistogram::new();
        values.iter().for_each(|ns| histogram.record(*ns));
        histogram
    }

    #[test]
    fn buckets_follow_on_each_other_and_cover_every_value() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            let (first, last) = bounds(bucket);
            assert_eq!(first, next);
            assert_eq!((bucket_of(first), bucket_of(last)), (bucket, bucket));
            let middle = representative(bucket);
            assert!((first..=last).contains(&middle));
            assert!(
                (last - middle) * 32 <= last && (middle - first) * 32 <= first,
                "{first}..={last}: {middle}"
            );
            next = last + 1;
        }
        assert_eq!(next, LatencyHistogram::LIMIT_NS + 1);
        assert!(size_of::<LatencyHistogram>() <= 8192);
    }

    #[test]
    fn the_empty_and_the_extreme() {
        let empty = LatencyHistogram::new().snapshot();
        assert_eq!(empty, LatencySnapshot::empty());
        assert_eq!((empty.min_ns(), empty.max_ns(), empty.mean_ns(), empty.p50_ns()), (0, 0, 0, 0));
        let extreme = recorded(&[0, u64::MAX]).snapshot();
        assert_eq!((extreme.min_ns(), extreme.max_ns()), (0, LatencyHistogram::LIMIT_NS));
        assert_eq!((extreme.count(), extreme.p50_ns()), (2, 0));
        assert_eq!(extreme.percentile_ns(u32::MAX), LatencyHistogram::LIMIT_NS);
    }

    /// Latencies of all magnitudes.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec((0u32..42, any::<u64>()).prop_map(|(bits, ns)| ns >> (63 - bits)), 1..300)
    }

    proptest! {
        #[test]
        fn no_long_latency_is_missed_and_none_that_is_much_shorter_counted(values in values(), limit in values()) {
            let histogram = recorded(&values);
            for limit in limit {
                let at_least = |ns| values.iter().filter(|value| **value >= ns).count() as u64;
                let told = histogram.at_least(limit);
                prop_assert!(told >= at_least(limit) && told <= at_least(limit - limit / 16));
            }
        }

        #[test]
        fn percentiles_are_those_of_the_sorted_values(mut values in values(), per_mille in 0u32..=1000) {
            let snapshot = recorded(&values).snapshot();
            values.sort_unstable();
            let rank = (values.len() as u64 * u64::from(per_mille)).div_ceil(1000).max(1) as usize;
            let exact = values[rank - 1];
            let told = snapshot.percentile_ns(per_mille);
            prop_assert!(told.abs_diff(exact) * 32 <= exact, "{} for {}", told, exact);
            prop_assert_eq!(snapshot.min_ns(), values[0]);
            prop_assert_eq!(snapshot.max_ns(), values[values.len() - 1]);
            prop_assert_eq!(snapshot.mean_ns(), values.iter().sum::<u64>() / values.len() as u64);
            prop_assert_eq!(snapshot.count(), values.len() as u64);
        }

        #[test]
        fn differences_and_sums_are_those_of_the_values(before in values(), after in values()) {
            let histogram = recorded(&before);
            let first = histogram.snapshot();
            after.iter().for_each(|ns| histogram.record(*ns));
            let both = histogram.snapshot();
            let difference = both.since(&first);
            let alone = recorded(&after).snapshot();
            prop_assert_eq!(&difference.buckets, &alone.buckets);
            prop_assert_eq!((difference.count, difference.sum_ns), (alone.count, alone.sum_ns));
            prop_assert!(difference.min_ns <= alone.min_ns && (alone.min_ns - difference.min_ns) * 16 <= alone.min_ns);
            prop_assert!(difference.max_ns >= alone.max_ns && (difference.max_ns - alone.max_ns) * 16 <= alone.max_ns);
            let mut merged = first.clone();
            merged.merge(&alone);
            prop_assert_eq!(merged, both);
            prop_assert_eq!(first.since(&first).count(), 0);
        }
    }
}
