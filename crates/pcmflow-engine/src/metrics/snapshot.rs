//! [`Snapshot`]: what is known at one moment, for the console, pages and exporters alike.
//!
//! Plain data in ordered maps; numbers are integers, with their unit in the name. As JSON they are numbers: JavaScript reads
//! those exactly up to 2^53, which is 104 days in nanoseconds and 5900 years in frames at 48 kHz; larger ones are not
//! expected. (A clock that counts from 1970 exceeds it: [`at_ns`](Snapshot::at_ns) should count from the program's start.)

use super::alerts::Alert;
use super::as_serde::{PressureStatsAs, TrendAs, losses};
use super::figures::FlowFigures;
use super::pools::PoolSnapshot;
use crate::Priority;
use crate::event::BusSnapshot;
use crate::pressure::Strategy;
use pcmflow_core::health::Trend;
use pcmflow_core::ledger::{Balance, Losses, Settled};
use pcmflow_core::pressure::PressureStats;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// How the flow through a link, a node or a pipeline does.
///
/// ```
/// use pcmflow_engine::metrics::FlowSnapshot;
/// let flow = FlowSnapshot { depth: 3, score: 100, is_healthy: true, ..FlowSnapshot::default() };
/// let json = serde_json::to_value(&flow)?;
/// assert_eq!((&json["depth"], &json["trend"]), (&3.into(), &"unknown".into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FlowSnapshot {
    /// The latency that 99 % of the chunks should keep.
    pub latency_limit_ns: u64,
    /// Chunks that wait.
    pub depth: u64,
    /// The most chunks that waited; after a reset of the sampler, the most that it knows of.
    pub depth_high: u64,
    /// 0 to 100, of the last 10 s: see [`health`](pcmflow_core::health).
    pub score: u8,
    /// Whether the score reaches what was configured.
    pub is_healthy: bool,
    /// The score of the last 10 s beside that of the last 60 s.
    #[serde(with = "TrendAs")]
    #[cfg_attr(test, ts(as = "TrendAs"))]
    pub trend: Trend,
    /// Since the meter was made or the sampler reset; its duration is the uptime.
    pub total: FlowFigures,
    /// In about the last second.
    pub last_1_s: FlowFigures,
    /// In about the last 10 seconds.
    pub last_10_s: FlowFigures,
    /// In about the last 60 seconds.
    pub last_60_s: FlowFigures,
}

/// A pipeline: what enters it and what becomes of it.
///
/// ```
/// use pcmflow_engine::metrics::PipelineSnapshot;
/// let pipeline = PipelineSnapshot { state: "running".into(), ..PipelineSnapshot::default() };
/// assert_eq!(serde_json::to_value(&pipeline)?["ledger"]["unaccounted"], 0);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PipelineSnapshot {
    /// What it does, in one lower-case word.
    pub state: String,
    /// How urgent it is.
    pub priority: Priority,
    /// Its links, from the source on, by name.
    pub links: Vec<String>,
    /// From capture to its end.
    pub flow: FlowSnapshot,
    /// Its books.
    pub ledger: LedgerSnapshot,
}

/// A link between two nodes.
///
/// ```
/// use pcmflow_engine::metrics::LinkSnapshot;
/// let link = LinkSnapshot { fill: 3, capacity: 64, ..LinkSnapshot::default() };
/// let json = serde_json::to_value(&link)?;
/// assert_eq!((&json["fill"], &json["strategy"]), (&3.into(), &"adaptive".into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LinkSnapshot {
    /// The node that fills it.
    pub from: String,
    /// The node that empties it.
    pub to: String,
    /// Chunks in it.
    pub fill: u64,
    /// Chunks it can hold.
    pub capacity: u64,
    /// What is done when it fills up.
    pub strategy: Strategy,
    /// Whether, how often and how long it was nearly full.
    #[serde(with = "PressureStatsAs")]
    #[cfg_attr(test, ts(as = "PressureStatsAs"))]
    pub pressure: PressureStats,
    /// Frames lost here, by cause.
    #[serde(with = "losses")]
    #[cfg_attr(test, ts(type = "Losses"))]
    pub lost: Losses,
    /// What goes through it.
    pub flow: FlowSnapshot,
}

/// A node: a source, a transformation or a consumer.
///
/// ```
/// use pcmflow_engine::metrics::NodeSnapshot;
/// let node = NodeSnapshot { state: "running".into(), ..NodeSnapshot::default() };
/// assert_eq!(serde_json::to_value(&node)?["state"], "running");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NodeSnapshot {
    /// What it does, in one lower-case word.
    pub state: String,
    /// What it failed with.
    pub error: Option<String>,
    /// What goes through it.
    pub flow: FlowSnapshot,
}

/// Books: what went in and what became of it, in frames of the source.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamPosition};
/// use pcmflow_core::ledger::{Balance, Settled, Timeline};
/// use pcmflow_engine::metrics::LedgerSnapshot;
/// let balance = Balance::close(Frames(64), &[], &Timeline::default());
/// let settled = Settled { position: StreamPosition(0), unaccounted: Frames(0) };
/// let books = LedgerSnapshot::of(&balance, Some(settled));
/// assert_eq!((books.frames_in, books.unaccounted, books.settled_position), (64, 64, Some(0)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LedgerSnapshot {
    /// Frames that the source made.
    pub frames_in: u64,
    /// Frames that consumers got.
    pub delivered: u64,
    /// Frames given up, by cause.
    #[serde(with = "losses")]
    #[cfg_attr(test, ts(type = "Losses"))]
    pub dropped: Losses,
    /// Frames on their way: while it runs, all that are neither delivered nor dropped.
    pub in_flight: u64,
    /// Frames that none of these explains. While it runs, those before `settled_position`, and those that came twice or were left out
    /// at its end; when it is at rest, all.
    pub unaccounted: u64,
    /// The position up to which the books were compared while the flow went on; none before the first time.
    pub settled_position: Option<u64>,
    /// Frames before it that are unaccounted for. Anything but 0 is a bug of ours.
    pub settled_unaccounted: u64,
}

impl LedgerSnapshot {
    /// Adds another's books: each frame counts once for each that gets it.
    ///
    /// Not RT-safe: meant for the task that samples.
    pub fn add(&mut self, other: &Self) {
        self.frames_in += other.frames_in;
        self.delivered += other.delivered;
        self.dropped = self.dropped + other.dropped;
        self.in_flight += other.in_flight;
        self.unaccounted += other.unaccounted;
        // Everybody's books are settled up to where the last one's are.
        self.settled_position = match (self.settled_position, other.settled_position) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        };
        self.settled_unaccounted += other.settled_unaccounted;
    }

    /// The books of a flow, and what the last cut mark showed.
    ///
    /// Not RT-safe: meant for the task that samples.
    pub fn of(balance: &Balance, settled: Option<Settled>) -> Self {
        Self {
            frames_in: balance.frames_in.0,
            delivered: balance.delivered.0,
            dropped: balance.dropped,
            in_flight: balance.in_flight.0,
            unaccounted: balance.unaccounted.0,
            settled_position: settled.map(|settled| settled.position.0),
            settled_unaccounted: settled.map_or(0, |settled| settled.unaccounted.0),
        }
    }
}

/// Everything that is known at one moment; everything with a name by its name.
///
/// ```
/// use pcmflow_engine::metrics::Snapshot;
/// let snapshot = Snapshot { at_ns: 5, ..Snapshot::default() };
/// let json = serde_json::to_string(&snapshot)?;
/// assert_eq!(serde_json::from_str::<Snapshot>(&json)?, snapshot);
/// let later = json.replace("\"version\":1", "\"version\":9");
/// let error = serde_json::from_str::<Snapshot>(&later).unwrap_err();
/// assert!(error.to_string().starts_with("the snapshot has version 9, this program reads 1"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Snapshot {
    /// [`Snapshot::VERSION`]; another one is not read.
    #[serde(deserialize_with = "version")]
    pub version: u32,
    /// When it was taken.
    pub at_ns: u64,
    /// How long the program runs.
    pub uptime_ns: u64,
    /// The pipelines.
    pub pipelines: BTreeMap<String, PipelineSnapshot>,
    /// The links.
    pub links: BTreeMap<String, LinkSnapshot>,
    /// The nodes.
    pub nodes: BTreeMap<String, NodeSnapshot>,
    /// The pools.
    pub pools: BTreeMap<String, PoolSnapshot>,
    /// The event bus.
    pub events: BusSnapshot,
    /// What is worth a person's attention now.
    pub alerts: Vec<Alert>,
    /// The books of all pipelines together.
    pub ledger: LedgerSnapshot,
}

impl Snapshot {
    /// The version of this shape. Another is needed when a field changes its meaning or goes, not when one is added.
    pub const VERSION: u32 = 1;
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            at_ns: 0,
            uptime_ns: 0,
            pipelines: BTreeMap::new(),
            links: BTreeMap::new(),
            nodes: BTreeMap::new(),
            pools: BTreeMap::new(),
            events: BusSnapshot::default(),
            alerts: Vec::new(),
            ledger: LedgerSnapshot::default(),
        }
    }
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let (version, ours) = (u32::deserialize(deserializer)?, Snapshot::VERSION);
    if version == ours {
        return Ok(version);
    }
    Err(Error::custom(format_args!("the snapshot has version {version}, this program reads {ours}")))
}
