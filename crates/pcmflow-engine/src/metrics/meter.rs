//! The hot side: what the task of a link or a node holds, and what reads it.
//!
//! [`Meter`] belongs to the task that moves the audio. Everything it counts stands in lines of its own, is written by it
//! alone with relaxed loads and stores, and is never reset. [`MeterReader`] belongs to the sampling task.

use crate::sync::{AtomicU64, Ordering};
use pcmflow_core::format::Frames;
use pcmflow_core::health::{BufferHealthMonitor, HealthConfig, HealthError, HealthFigures, HealthRecorder};
use serde::{Deserialize, Serialize};

/// Why nothing was moved though it was due.
///
/// ```
/// use pcmflow_engine::metrics::Starved;
/// assert_eq!(Starved::cause(true), Starved::NotMoved);
/// assert_eq!(Starved::cause(false).name(), "upstream_empty");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Starved {
    /// Data did not come.
    UpstreamEmpty,
    /// Data waits, and was not moved.
    NotMoved,
}

impl Starved {
    /// All of them.
    pub const ALL: [Starved; 2] = [Self::UpstreamEmpty, Self::NotMoved];

    /// The cause, from whether data waits.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn cause(waiting: bool) -> Self {
        if waiting { Self::NotMoved } else { Self::UpstreamEmpty }
    }

    /// One lower-case word for machines.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpstreamEmpty => "upstream_empty",
            Self::NotMoved => "not_moved",
        }
    }
}

/// How often and how long nothing was moved for one cause.
///
/// ```
/// use pcmflow_core::health::HealthConfig;
/// use pcmflow_engine::metrics::{Meter, Starvation, Starved};
/// let (mut meter, mut reader) = Meter::new(HealthConfig::default(), 0)?;
/// meter.starved(Starved::NotMoved, 50);
/// let [_, not_moved] = reader.read(150).starved;
/// assert_eq!(not_moved, Starvation { episodes: 1, ns: 50 });
/// # Ok::<(), pcmflow_core::health::HealthError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starvation {
    /// How many spans there were: of a [`Reading`] those that are over, of [figures](super::FlowFigures) also the one under way.
    pub episodes: u64,
    /// How long they lasted in all, the one under way included.
    pub ns: u64,
}

/// What a [`Meter`] counts beside its health, for its [`MeterReader`] alone.
///
/// ```
/// use pcmflow_core::health::HealthConfig;
/// use pcmflow_engine::metrics::{Counters, Meter};
/// let (meter, _reader) = Meter::new(HealthConfig::default(), 0)?;
/// let counters: &Counters = meter.health.besides();
/// assert_eq!(size_of_val(counters), 64); // what every block touches shares a cache line with its health
/// # Ok::<(), pcmflow_core::health::HealthError>(())
/// ```
#[derive(Debug, Default)]
#[repr(C)]
pub struct Counters {
    // In this order what every block touches is in the last half, beside what it touches there.
    /// Of the episodes that are over, by cause.
    episodes: [AtomicU64; Starved::ALL.len()],
    starved_ns: [AtomicU64; Starved::ALL.len()],
    busy_ns: AtomicU64,
    depth: AtomicU64,
    depth_high: AtomicU64,
    /// When the next chunk is due at the latest; 0: none is. Whoever looks finds out by it that nothing comes: whoever
    /// waits for it can't tell.
    due_ns: AtomicU64,
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
/// meter.starved(Starved::UpstreamEmpty, 4_000); // that is over
/// meter.due(5_000);
/// let reading = reader.read(6_000);
/// assert_eq!((reading.health.frames, reading.depth, reading.depth_high), (128, 1, 3));
/// assert_eq!((reading.starved[0].episodes, reading.starved[0].ns), (1, 5_000));
/// assert_eq!(reading.starving, Some(Starved::UpstreamEmpty)); // again
/// # Ok::<(), pcmflow_core::health::HealthError>(())
/// ```
#[derive(Debug)]
pub struct Meter {
    /// Chunks, frames, latencies, drops, overruns, underruns, errors and missed deadlines.
    pub health: HealthRecorder<Counters>,
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
        let (health, monitor) = BufferHealthMonitor::beside(Counters::default(), config, now_ns)?;
        let reader = MeterReader {
            monitor,
            config,
            started_ns: now_ns,
            troubles: 0,
            uneasy_until_ns: 0,
            starves_by: Some(Starved::UpstreamEmpty),
            lost: (Frames::ZERO, 0),
        };
        Ok((Self { health }, reader))
    }

    /// Counts time spent on work.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn busy(&mut self, ns: u64) {
        add(&self.health.besides().busy_ns, ns);
    }

    /// Says how many chunks wait.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn depth(&mut self, chunks: u64) {
        let counters = self.health.besides();
        counters.depth.store(chunks, Ordering::Relaxed);
        if chunks > counters.depth_high.load(Ordering::Relaxed) {
            counters.depth_high.store(chunks, Ordering::Relaxed);
        }
    }

    /// Says when the next chunk is due at the latest; 0: none is. Past that an episode is under way, for whoever looks.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn due(&mut self, at_ns: u64) {
        self.health.besides().due_ns.store(at_ns, Ordering::Relaxed);
    }

    /// Counts an episode that is over: for so long nothing was moved.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn starved(&mut self, cause: Starved, ns: u64) {
        let Counters { episodes, starved_ns, .. } = self.health.besides();
        if let (Some(episodes), Some(starved_ns)) =
            (episodes.get(cause as usize), starved_ns.get(cause as usize))
        {
            add(episodes, 1);
            add(starved_ns, ns);
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
    /// Why nothing was moved when it was read, where something was due.
    pub starving: Option<Starved>,
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
            starving: None,
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
    monitor: BufferHealthMonitor<Counters>,
    config: HealthConfig,
    started_ns: u64,
    /// What had gone wrong when [`is_calm`](Self::is_calm) was asked last.
    troubles: u64,
    /// Until then what went wrong may be in a window.
    uneasy_until_ns: u64,
    /// What it means that something is overdue: nothing, where none is due.
    starves_by: Option<Starved>,
    /// What the link has lost by its own count, and how often a run of that began.
    lost: (Frames, u64),
}

impl MeterReader {
    /// For so long after something went wrong a meter is not calm: a window of 10 s, longer by the time between two readings that are
    /// kept and by that between two looks, does not begin before it then.
    const UNEASY_NS: u64 = 13_000_000_000;

    /// Whether the next chunk is overdue.
    ///
    /// Not RT-safe: meant for the task that samples.
    pub fn is_overdue(&self, now_ns: u64) -> bool {
        let due_ns = self.monitor.besides().due_ns.load(Ordering::Relaxed);
        due_ns != 0 && now_ns > due_ns
    }

    /// Says why the chunk that [is overdue](Self::is_overdue) does not come; none: it is not missed, whatever the meter says. Unless
    /// told, [`Starved::UpstreamEmpty`].
    ///
    /// Not RT-safe: meant for the task that samples.
    pub fn starves_by(&mut self, cause: Option<Starved>) {
        self.starves_by = cause;
    }

    /// Says what the link has lost so far by its own count, in so many runs: that counts beside what the meter counted. A meter
    /// is at the receiving end, which finds out only when it takes something.
    ///
    /// ```
    /// use pcmflow_core::{format::Frames, health::HealthConfig};
    /// use pcmflow_engine::metrics::Meter;
    /// let (_meter, mut reader) = Meter::new(HealthConfig::default(), 0)?;
    /// reader.link_lost(Frames(480), 1);
    /// let health = reader.read(1).health;
    /// assert_eq!((health.frames_dropped, health.overruns), (480, 1));
    /// assert!(!reader.is_calm(0, 1));
    /// # Ok::<(), pcmflow_core::health::HealthError>(())
    /// ```
    ///
    /// Not RT-safe: meant for the task that samples.
    pub fn link_lost(&mut self, frames: Frames, overruns: u64) {
        self.lost = (frames, overruns);
    }

    /// Whether nothing went wrong lately: in the last 10 s, and longer, there was no trouble that counts for the
    /// [score](pcmflow_core::health), no starvation, and no latency of `below_ppm` of the limit or more. Takes a
    /// look at few counters, so that it can be asked often. For one who looks about every second at least, always with the same bound.
    ///
    /// Not RT-safe: meant for the task that samples.
    pub fn is_calm(&mut self, below_ppm: u64, now_ns: u64) -> bool {
        let latency_ns = u128::from(self.config.latency_limit_ns) * u128::from(below_ppm);
        let latency_ns = u64::try_from(latency_ns.div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let (lost, overruns) = self.lost;
        let mut troubles = self.monitor.troubles(latency_ns).wrapping_add(lost.0).wrapping_add(overruns);
        for episodes in &self.monitor.besides().episodes {
            troubles = troubles.wrapping_add(episodes.load(Ordering::Relaxed));
        }
        let is_starving = self.starves_by.is_some() && self.is_overdue(now_ns);
        if std::mem::replace(&mut self.troubles, troubles) != troubles || is_starving {
            self.uneasy_until_ns = now_ns.saturating_add(Self::UNEASY_NS);
        }
        now_ns >= self.uneasy_until_ns
    }

    /// What was counted up to `now_ns`.
    ///
    /// Not RT-safe: allocates.
    pub fn read(&mut self, now_ns: u64) -> Reading {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = self.monitor.besides();
        let due_ns = get(&counters.due_ns);
        let mut starved: [Starvation; Starved::ALL.len()] = Default::default();
        for ((starved, episodes), ns) in starved.iter_mut().zip(&counters.episodes).zip(&counters.starved_ns)
        {
            *starved = Starvation { episodes: get(episodes), ns: get(ns) };
        }
        let starving = self.starves_by.filter(|_| due_ns != 0 && now_ns > due_ns);
        if let Some(starved) = starving.and_then(|cause| starved.get_mut(cause as usize)) {
            starved.ns = starved.ns.saturating_add(now_ns - due_ns);
        }
        let mut health = self.monitor.figures();
        health.frames_dropped = health.frames_dropped.saturating_add(self.lost.0.0);
        health.overruns = health.overruns.saturating_add(self.lost.1);
        Reading {
            started_ns: self.started_ns,
            config: self.config,
            health,
            busy_ns: get(&counters.busy_ns),
            depth: get(&counters.depth),
            depth_high: get(&counters.depth_high),
            starved,
            starving,
        }
    }
}

#[cfg(all(test, not(pcmflow_loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_episode_is_under_way_from_when_a_chunk_is_due_until_the_next_is_due_later() {
        use Starved::{NotMoved, UpstreamEmpty};
        let (mut meter, mut reader) = Meter::new(HealthConfig::default(), 0).unwrap();
        let mut told = |now_ns| {
            let Reading { starved, starving, .. } = reader.read(now_ns);
            assert_eq!(starving.is_some(), reader.is_overdue(now_ns));
            (starved.map(|starved| (starved.episodes, starved.ns)), starving)
        };
        assert_eq!(told(u64::MAX), ([(0, 0), (0, 0)], None), "none came yet");
        meter.due(10);
        assert_eq!(told(10), ([(0, 0), (0, 0)], None));
        assert_eq!(told(15), ([(0, 5), (0, 0)], Some(UpstreamEmpty)));
        meter.starved(UpstreamEmpty, 6);
        meter.due(20);
        assert_eq!(told(16), ([(1, 6), (0, 0)], None));
        assert_eq!(told(9), ([(1, 6), (0, 0)], None), "a clock that goes back");
        meter.starved(NotMoved, 3);
        assert_eq!(told(22), ([(1, 8), (1, 3)], Some(UpstreamEmpty)));
        meter.due(0);
        assert_eq!(told(u64::MAX), ([(1, 6), (1, 3)], None), "it ended");
        meter.due(30);
        reader.starves_by(Some(NotMoved));
        assert_eq!((reader.read(31).starving, reader.read(31).starved[1].ns), (Some(NotMoved), 4));
        assert!(!reader.is_calm(u64::MAX, 31));
        reader.starves_by(None);
        assert_eq!(reader.read(31).starving, None);
        assert!(reader.is_calm(u64::MAX, 31 + MeterReader::UNEASY_NS));
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
                    meter.starved(Starved::ALL[(chunk / 10 % 2) as usize], 1);
                }
                meter.due(chunk + 1);
            }
            meter
        });
        let mut before = reader.read(0);
        while !writer.is_finished() {
            let now = reader.read(0);
            assert!(now.health.frames >= before.health.frames && now.busy_ns >= before.busy_ns);
            assert!(now.health.latency.count() >= before.health.latency.count());
            assert!((0..2).all(|cause| now.starved[cause].episodes >= before.starved[cause].episodes));
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
