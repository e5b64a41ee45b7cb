//! Single operations, timed one by one, and their percentiles.
//!
//! Two time stamps lie round each operation, so that what reading the clock takes is in every figure; the row of empty
//! timing shows it. A clock that ticks every 10 ns shows 113 ns as 110 or 120: percentiles below the worst are
//! interpolated in their tick.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

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

/// A tail without the operations in whose midst the system took the thread's processor away: how long that lasts is the
/// scheduler's, and hides what the operation itself takes. (What the host of a virtual machine takes away nobody here sees.)
#[derive(Debug)]
pub(crate) struct KeptTail {
    tail: Tail,
    /// How often this thread was switched away, as of `looked`.
    switches: i64,
    /// Up to when no switch can have gone unnoticed.
    looked: Instant,
}

impl KeptTail {
    /// A switch and back takes longer; what takes less was not interrupted, and is not worth a system call.
    const SUSPECT: Duration = Duration::from_micros(4);

    /// For this thread. None where the system does not tell how often a thread was switched away.
    pub(crate) fn with_capacity(operations: u64) -> Option<Self> {
        let tail = Tail::with_capacity(operations);
        Some(Self { tail, switches: switches()?, looked: Instant::now() })
    }

    /// What was measured.
    pub(crate) fn into_tail(self) -> Tail {
        self.tail
    }
}

impl Stopwatch for KeptTail {
    fn time<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let mut start = Instant::now();
        if start - self.looked > Self::SUSPECT {
            // Switched away between two operations, perhaps.
            self.switches = switches().unwrap_or(self.switches);
            start = Instant::now();
        }
        let result = work();
        let end = Instant::now();
        let took = end - start;
        self.looked = end;
        if took > Self::SUSPECT {
            let now = switches().unwrap_or(self.switches);
            self.looked = Instant::now();
            if std::mem::replace(&mut self.switches, now) != now {
                return result;
            }
        }
        self.tail.0.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
        result
    }
}

/// How often the system took this thread's processor away, or the thread gave it up.
#[cfg(target_os = "linux")]
fn switches() -> Option<i64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the system fills what it is given; zeroes are valid for its plain numbers.
    let (done, usage) =
        unsafe { (libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()), usage.assume_init()) };
    (done == 0).then_some(usage.ru_nvcsw + usage.ru_nivcsw)
}

/// Not asked for here.
#[cfg(not(target_os = "linux"))]
fn switches() -> Option<i64> {
    None
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

    /// Notes one that was timed elsewhere.
    pub(crate) fn add(&mut self, ns: u64) {
        self.0.push(u32::try_from(ns).unwrap_or(u32::MAX));
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

    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_switched_away_is_left_out_and_what_is_slow_is_not() {
        let mut tail = KeptTail::with_capacity(4).unwrap();
        let spin = |until: Duration| {
            let start = Instant::now();
            while start.elapsed() < until {}
        };
        tail.time(|| std::thread::sleep(Duration::from_millis(2)));
        assert_eq!(tail.tail.0.len(), 0);
        std::thread::sleep(Duration::from_millis(2));
        // Long, but rarely interrupted: one of many is not.
        (0..1000).for_each(|_| tail.time(|| spin(Duration::from_micros(20))));
        assert!(tail.tail.0.iter().any(|ns| *ns >= 20_000));
    }

    #[test]
    fn the_worst_is_kept_as_it_was() {
        let tail = Tail(vec![5, 1, 77, 3]);
        assert_eq!(tail.figures()[3], 77.0);
    }
}
