//! The hot side: what the task of a link or a node holds, and what reads it.
//!
//! [`Meter`] belongs to the task that moves the audio. Everything it counts stands in lines of its own, is written by it
//! alone with relaxed loads and stores, and is never reset. [`MeterReader`] belongs to the sampling task.

use crate::sync::{Arc, AtomicU64, Ordering};
use pcmflow_core::health::{BufferHealthMonitor, HealthConfig, HealthError, HealthFigures, HealthRecorder};
use serde::{Deserialize, Serialize};

/// Why a task that was polled moved nothing.
///
/// ```
/// use pcmflow_engine::metrics::Starved;
/// assert_eq!(Starved::cause(true, true), Starved::NotMoved);
/// assert_eq!(Starved::cause(false, true).name(), "upstream_empty");
/// assert_eq!(Starved::cause(false, false), Starved::Idle);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Starved {
    /// Data is due, and did not come.
    UpstreamEmpty,
    /// Data waits, and was not moved.
    NotMoved,
    /// Nothing waits and nothing is due: no trouble.
    Idle,
}

impl Starved {
    /// All of them.
    pub const ALL: [Starved; 3] = [Self::UpstreamEmpty, Self::NotMoved, Self::Idle];

    /// The cause, from whether data waits upstream and whether it is due.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn cause(waiting: bool, due: bool) -> Self {
        match (waiting, due) {
            (true, _) => Self::NotMoved,
            (false, true) => Self::UpstreamEmpty,
            (false, false) => Self::Idle,
        }
    }

    /// One lower-case word for machines.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpstreamEmpty => "upstream_empty",
            Self::NotMoved => "not_moved",
            Self::Idle => "idle",
        }
    }
}

/// How often and how long a task moved nothing for one cause.
///
/// ```
/// use pcmflow_core::health::HealthConfig;
/// use pcmflow_engine::metrics::{Meter, Starvation, Starved};
/// let (mut meter, mut reader) = Meter::new(HealthConfig::default(), 0)?;
/// meter.starved(Starved::NotMoved, 100);
/// let [_, not_moved, _] = reader.read(150).starved; // it is not over yet
/// assert_eq!(not_moved, Starvation { episodes: 1, ns: 50 });
/// # Ok::<(), pcmflow_core::health::HealthError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starvation {
    /// How often it began.
    pub episodes: u64,
    /// How long it lasted in all, the episode under way included.
    pub ns: u64,
}

/// What the two halves share beside the health counters. Aligned so that no reader of something else disturbs the writer.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counters {
    busy_ns: AtomicU64,
    depth: AtomicU64,
    depth_high: AtomicU64,
    /// Of the episodes that began, and of those that ended, by cause.
    episodes: [AtomicU64; Starved::ALL.len()],
    starved_ns: [AtomicU64; Starved::ALL.len()],
    /// The episode under way: when it began, times 4, plus its cause + 1; 0 when there is none. One word, so that the two
    /// belong together.
    starving: AtomicU64,
}

/// Counts what goes through a link or a node. One task's, hence not `Clone`.
///
/// ```
/// use pcmflow_core::health::HealthConfig;
/// use pcmflow_engine::metrics::{Meter, Starved};
/// let (mut meter, mut reader) = Meter::new(HealthConfig::default(), 0)?;
/// meter.health.block(128, 2_000_000);
/// meter.depth(3);
/// meter.depth(1);
/// meter.starved(Starved::UpstreamEmpty, 1_000);
/// meter.starved(Starved::UpstreamEmpty, 2_000); // still the same episode
/// meter.fed(5_000);
/// let reading = reader.read(6_000);
/// assert_eq!((reading.health.frames, reading.depth, reading.depth_high), (128, 1, 3));
/// assert_eq!((reading.starved[0].episodes, reading.starved[0].ns), (1, 4_000));
/// # Ok::<(), pcmflow_core::health::HealthError>(())
/// ```
#[derive(Debug)]
pub struct Meter {
    /// Chunks, frames, latencies, drops, overruns, underruns, errors and missed deadlines.
    pub health: HealthRecorder,
    counters: Arc<Counters>,
    /// As they were last stored: only we write them, and need not wait until they are read.
    busy_ns: u64,
    depth: u64,
    depth_high: u64,
    starving: Option<(Starved, u64)>,
}

/// Only the meter writes, and it takes `&mut`, so that load and store are as good as one step. Relaxed: each counter
/// speaks for itself.
#[inline]
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed).saturating_add(count), Ordering::Relaxed);
}

impl Meter {
    /// Makes a meter and its reader; what is counted counts from `now_ns`.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`HealthError`] for the number that is out of range.
    pub fn new(config: HealthConfig, now_ns: u64) -> Result<(Self, MeterReader), HealthError> {
        let (health, monitor) = BufferHealthMonitor::new(config, now_ns)?;
        let counters = Arc::new(Counters::default());
        let reader = MeterReader {
            monitor,
            counters: Arc::clone(&counters),
            config,
            started_ns: now_ns,
            troubles: 0,
            uneasy_until_ns: 0,
        };
        Ok((Self { health, counters, busy_ns: 0, depth: 0, depth_high: 0, starving: None }, reader))
    }

    /// Counts time spent on work.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn busy(&mut self, ns: u64) {
        self.busy_ns = self.busy_ns.saturating_add(ns);
        self.counters.busy_ns.store(self.busy_ns, Ordering::Relaxed);
    }

    /// Says how many chunks wait.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn depth(&mut self, chunks: u64) {
        if std::mem::replace(&mut self.depth, chunks) == chunks {
            return;
        }
        self.counters.depth.store(chunks, Ordering::Relaxed);
        if chunks > self.depth_high {
            self.depth_high = chunks;
            self.counters.depth_high.store(chunks, Ordering::Relaxed);
        }
    }

    /// Says that nothing was moved, and why. The first time, and when it is for another cause than before, an episode
    /// begins.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn starved(&mut self, cause: Starved, now_ns: u64) {
        if self.starving.is_some_and(|(before, _)| before == cause) {
            return;
        }
        self.fed(now_ns);
        self.starving = Some((cause, now_ns));
        if let Some(episodes) = self.counters.episodes.get(cause as usize) {
            add(episodes, 1);
        }
        self.counters.starving.store((now_ns << 2) | (cause as u64 + 1), Ordering::Relaxed);
    }

    /// Says that something was moved: the episode under way, if there is one, is over.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn fed(&mut self, now_ns: u64) {
        let Some((cause, since_ns)) = self.starving.take() else { return };
        self.counters.starving.store(0, Ordering::Relaxed);
        if let Some(starved_ns) = self.counters.starved_ns.get(cause as usize) {
            add(starved_ns, now_ns.saturating_sub(since_ns));
        }
    }
}

/// Everything a meter counted since it was made: plain data, the sampler's input.
///
/// The counters are read one after the other while the meter goes on, so that a chunk under way may be in one and not yet
/// in another, and an episode that just ends may be missing from the time starved until the next reading.
///
/// ```
/// use pcmflow_core::health::HealthConfig;
/// use pcmflow_engine::metrics::Reading;
/// let nothing = Reading::empty(HealthConfig::default(), 7);
/// assert_eq!((nothing.started_ns, nothing.health.frames, nothing.depth), (7, 0, 0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When the meter was made. A reading with another start is another meter's.
    pub started_ns: u64,
    /// What counts as healthy.
    pub config: HealthConfig,
    /// Chunks, frames, latencies and troubles.
    pub health: HealthFigures,
    /// Time spent on work.
    pub busy_ns: u64,
    /// Chunks that waited when it was last said.
    pub depth: u64,
    /// The most chunks that ever waited.
    pub depth_high: u64,
    /// By cause, in the order of [`Starved::ALL`].
    pub starved: [Starvation; Starved::ALL.len()],
}

impl Reading {
    /// A reading of a meter that has counted nothing.
    ///
    /// Not RT-safe: allocates.
    pub fn empty(config: HealthConfig, started_ns: u64) -> Self {
        Self {
            started_ns,
            config,
            health: HealthFigures::empty(),
            busy_ns: 0,
            depth: 0,
            depth_high: 0,
            starved: Default::default(),
        }
    }
}

/// Reads what a [`Meter`] counts, without disturbing it.
///
/// ```
/// use pcmflow_core::health::HealthConfig;
/// use pcmflow_engine::metrics::{Meter, Reading};
/// let (_meter, mut reader) = Meter::new(HealthConfig::default(), 7)?;
/// assert_eq!(reader.read(7), Reading::empty(HealthConfig::default(), 7));
/// # Ok::<(), pcmflow_core::health::HealthError>(())
/// ```
#[derive(Debug)]
pub struct MeterReader {
    monitor: BufferHealthMonitor,
    counters: Arc<Counters>,
    config: HealthConfig,
    started_ns: u64,
    /// What had gone wrong when [`is_calm`](Self::is_calm) was asked last.
    troubles: u64,
    /// Until then what went wrong may be in a window.
    uneasy_until_ns: u64,
}

impl MeterReader {
    /// For so long after something went wrong a meter is not calm: a window of 10 s, longer by the time between two readings that are
    /// kept and by that between two looks, does not begin before it then.
    const UNEASY_NS: u64 = 13_000_000_000;

    /// Whether nothing went wrong lately: in the last 10 s, and longer, there was no trouble that counts for the
    /// [score](pcmflow_core::health), no starvation but for idleness, and no latency of `below_ppm` of the limit or more. Takes a
    /// look at few counters, so that it can be asked often. For one who looks about every second at least, always with the same bound.
    ///
    /// Not RT-safe: meant for the task that samples.
    pub fn is_calm(&mut self, below_ppm: u64, now_ns: u64) -> bool {
        let latency_ns = u128::from(self.config.latency_limit_ns) * u128::from(below_ppm);
        let latency_ns = u64::try_from(latency_ns.div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let mut troubles = self.monitor.troubles(latency_ns);
        for cause in [Starved::UpstreamEmpty, Starved::NotMoved] {
            let episodes = self.counters.episodes.get(cause as usize);
            troubles = troubles.wrapping_add(episodes.map_or(0, |count| count.load(Ordering::Relaxed)));
        }
        if std::mem::replace(&mut self.troubles, troubles) != troubles {
            self.uneasy_until_ns = now_ns.saturating_add(Self::UNEASY_NS);
        }
        now_ns >= self.uneasy_until_ns
    }

    /// What was counted up to `now_ns`.
    ///
    /// Not RT-safe: allocates.
    pub fn read(&mut self, now_ns: u64) -> Reading {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &*self.counters;
        let starving = get(&counters.starving);
        let mut starved: [Starvation; Starved::ALL.len()] = Default::default();
        for ((starved, episodes), ns) in starved.iter_mut().zip(&counters.episodes).zip(&counters.starved_ns)
        {
            *starved = Starvation { episodes: get(episodes), ns: get(ns) };
        }
        let cause = (starving & 3).checked_sub(1).and_then(|cause| starved.get_mut(cause as usize));
        if let Some(starved) = cause {
            // The top two bits did not fit: true for the first 146 years of the clock.
            starved.ns = starved.ns.saturating_add(now_ns.saturating_sub(starving >> 2));
        }
        Reading {
            started_ns: self.started_ns,
            config: self.config,
            health: self.monitor.figures(),
            busy_ns: get(&counters.busy_ns),
            depth: get(&counters.depth),
            depth_high: get(&counters.depth_high),
            starved,
        }
    }
}

#[cfg(all(test, not(pcmflow_loom)))]
mod tests {
    use super::*;

    #[test]
    fn episodes_by_table() {
        use Starved::{Idle, NotMoved, UpstreamEmpty};
        let (mut meter, mut reader) = Meter::new(HealthConfig::default(), 0).unwrap();
        // time, what is said; then episodes and time by cause, one nanosecond later
        let table = [
            (10, None, [(0, 0), (0, 0), (0, 0)]),
            (20, Some(UpstreamEmpty), [(1, 1), (0, 0), (0, 0)]),
            (30, Some(UpstreamEmpty), [(1, 11), (0, 0), (0, 0)]),
            (40, Some(NotMoved), [(1, 20), (1, 1), (0, 0)]), // another cause is another episode
            (50, None, [(1, 20), (1, 10), (0, 0)]),
            (60, None, [(1, 20), (1, 10), (0, 0)]),
            (70, Some(Idle), [(1, 20), (1, 10), (1, 1)]),
            (65, None, [(1, 20), (1, 10), (1, 0)]), // a clock that goes back
            (80, Some(UpstreamEmpty), [(2, 21), (1, 10), (1, 0)]),
        ];
        for (now_ns, said, expected) in table {
            match said {
                Some(cause) => meter.starved(cause, now_ns),
                None => meter.fed(now_ns),
            }
            let told = reader.read(now_ns + 1).starved.map(|starved| (starved.episodes, starved.ns));
            assert_eq!(told, expected, "at {now_ns}");
        }
    }

    #[test]
    fn the_depth_is_the_last_and_the_high_water_the_highest() {
        let (mut meter, mut reader) = Meter::new(HealthConfig::default(), 0).unwrap();
        for (depth, high) in [(4, 4), (9, 9), (2, 9), (0, 9)] {
            meter.depth(depth);
            let reading = reader.read(0);
            assert_eq!((reading.depth, reading.depth_high), (depth, high));
        }
        let other = HealthConfig { healthy_score_min: 0, ..HealthConfig::default() };
        assert!(Meter::new(other, 0).is_err());
    }

    /// A reader that never rests sees no counter go back, and in the end everything.
    #[test]
    fn counters_read_while_they_are_written_end_exact() {
        const CHUNKS: u64 = 200_000;
        let (mut meter, mut reader) = Meter::new(HealthConfig::default(), 0).unwrap();
        let writer = std::thread::spawn(move || {
            for chunk in 0..CHUNKS {
                meter.health.block(64, chunk % 1_000);
                meter.busy(3);
                meter.depth(chunk % 17);
                if chunk % 10 == 0 {
                    meter.starved(Starved::ALL[(chunk / 10 % 3) as usize], chunk);
                } else {
                    meter.fed(chunk);
                }
            }
            meter
        });
        let mut before = reader.read(0);
        while !writer.is_finished() {
            let now = reader.read(0);
            assert!(now.health.frames >= before.health.frames && now.busy_ns >= before.busy_ns);
            assert!(now.health.latency.count() >= before.health.latency.count());
            assert!((0..3).all(|cause| now.starved[cause].episodes >= before.starved[cause].episodes));
            before = now;
        }
        drop(writer.join().unwrap());
        let end = reader.read(CHUNKS);
        assert_eq!((end.health.frames, end.health.latency.count()), (CHUNKS * 64, CHUNKS));
        assert_eq!((end.busy_ns, end.depth_high), (CHUNKS * 3, 16));
        assert_eq!(end.starved.map(|starved| starved.episodes).iter().sum::<u64>(), CHUNKS / 10);
        assert_eq!(end.starved.map(|starved| starved.ns).iter().sum::<u64>(), CHUNKS / 10);
    }
}
