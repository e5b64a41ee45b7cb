//! What is done about a link that fills up: a pure reducer a link, polled by whoever looks after the flow.
//!
//! [`BackpressureController`] takes in how full the link is, how fast it is emptied and what may be spent on it, and says
//! what is to be done: the [`Strategy`] in force, how long the producer should wait, how many units the link may hold. It
//! moves nothing by itself, knows no clock, and computes with integers: the same observations give the same decisions in
//! every replay.
//!
//! # The adaptive strategy
//!
//! Back-pressure begins at 90 % of the capacity and ends at 70 % ([`BackpressureDetector`](pcmflow_core::pressure)). Until it
//! begins the link is what it is: [`Strategy::Buffer`], limited to its capacity. Then, in this order:
//!
//! 1. **buffer**: the limit grows as far as latency and [`buffer_factor_max`](ControllerConfig::buffer_factor_max)
//!    allow;
//! 2. when that is used to 90 %, a producer that can wait is **throttled**: it pauses after each piece for as long as the
//!    consumer needs to work off what lies above the middle of the two thresholds. There production and consumption
//!    meet, between the thresholds, so that a steady overload settles instead of swinging;
//! 3. when the link fills to its limit nevertheless, that producer **blocks** until there is room;
//! 4. a live producer can't wait: for it, **drop oldest** comes right after buffering, so that what is heard is recent.
//!
//! A producer that can wait is never made to lose anything: its waiting fills the link before it, and so on up to the
//! source, which can wait, too.
//!
//! A step up needs [`escalate_ns`](ControllerConfig::escalate_ns) since the last change. The way down is one step, to the
//! beginning, once there was no back-pressure for [`relax_ns`](ControllerConfig::relax_ns). So the strategy changes at most
//! once in the shorter of the two, whatever the fill does; only a producer of another kind changes it at once.
//!
//! # In a flow
//!
//! Behind a source that is live no listener holds up the others. Where ways part, be it at that source or at a node behind it, a link
//! that is full is waited for once, whatever its strategy: for 20 ms at the most, as that may be a moment's; not at all, where another one from
//! there is more [urgent](crate::Priority). From then on, until its back-pressure ends, what finds no room in it is given up: at this link alone, which counts it. Of one that begins at the source,
//! and is to throttle or to block, the strategy in force is then [`Strategy::DropNewest`]. What a node makes of an input for which there
//! was room is taken, also where that is more than the link holds. A node with one way out holds up its own way alone: it waits, and
//! the link that loses is the one where that way begins, or it is the source's ring. What is ahead of a join's other inputs waits for
//! them, as [`flow`](crate::flow) says.

mod controller;
#[cfg(all(test, not(pcmflow_loom)))]
mod tests;

pub use controller::BackpressureController;

use core::fmt;
use pcmflow_core::pressure::{PressureEdge, PressureError};
use serde::{Deserialize, Serialize};

/// What is done about a link that fills up.
///
/// ```
/// use pcmflow_engine::pressure::Strategy;
/// assert_eq!(Strategy::default(), Strategy::Adaptive);
/// assert_eq!(Strategy::DropOldest.to_string(), "drop-oldest");
/// assert!(Strategy::ALL.contains(&("block", Strategy::Block)));
/// assert_eq!(serde_json::to_string(&Strategy::DropOldest)?, "\"drop-oldest\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The producer pauses after each piece. Not for one that is live: for it, drop newest.
    Throttle,
    /// The link may hold more, as far as latency allows. Behind that the producer waits; what a live one brings is given up.
    Buffer,
    /// What waited longest gives way.
    DropOldest,
    /// What comes is given up while the link is full.
    DropNewest,
    /// The producer waits until there is room. Not for one that is live: for it, drop newest.
    Block,
    /// Chosen from what is observed: see the module's docs. Never in force itself.
    #[default]
    Adaptive,
}

impl Strategy {
    /// Every strategy with its name, as it stands in a configuration.
    pub const ALL: [(&'static str, Strategy); 6] = [
        ("throttle", Self::Throttle),
        ("buffer", Self::Buffer),
        ("drop-oldest", Self::DropOldest),
        ("drop-newest", Self::DropNewest),
        ("block", Self::Block),
        ("adaptive", Self::Adaptive),
    ];

    /// What is done at first.
    pub(crate) const fn first(self) -> Self {
        match self {
            Self::Adaptive => Self::Buffer,
            fixed => fixed,
        }
    }

    /// Its name.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a producer can wait.
///
/// ```
/// use pcmflow_engine::pressure::*;
/// let block = ControllerConfig { strategy: Strategy::Block, ..ControllerConfig::default() };
/// let mut controller = BackpressureController::new(block)?;
/// # let calm = Observation {
/// #     now_ns: 0, used: 100, capacity: 1_000, producer: Producer::Waiting, consumer_per_s: 48_000, nominal_per_s: 48_000,
/// #     latency_limit_ns: u64::MAX,
/// # };
/// let now = controller.observe(Observation { producer: Producer::Live, ..calm });
/// assert_eq!(now.decision.strategy, Strategy::DropNewest); // it can't be made to wait
/// # Ok::<(), ControllerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Producer {
    /// An audio thread, or whoever else gets its data whether there is room or not.
    Live,
    /// A file, a generator, a node between two links.
    Waiting,
}

/// How one link's back-pressure is dealt with.
///
/// ```
/// use pcmflow_engine::pressure::{BackpressureController, ControllerConfig, ControllerError};
/// let crooked = ControllerConfig { buffer_factor_max: 0, ..ControllerConfig::default() };
/// let error = BackpressureController::new(crooked).unwrap_err();
/// assert_eq!(error, ControllerError::BufferFactor);
/// assert_eq!(error.to_string(), "pressure.buffer_factor_max is 0, allowed are 1 and more");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ControllerConfig {
    /// What is done; by default what the observations ask for.
    pub strategy: Strategy,
    /// Back-pressure begins at this fill of the capacity, in percent: 1 to 100, by default 90.
    pub on_percent: u8,
    /// It ends at this fill, in percent: 0 to `on_percent` − 1, by default 70.
    pub off_percent: u8,
    /// The longest pause asked of a throttled producer; by default 20 ms.
    pub throttle_ns_max: u64,
    /// The link may be buffered up to so many times its capacity: 1 and more, by default 4.
    pub buffer_factor_max: u32,
    /// Between two steps up there is at least this; by default 20 ms.
    pub escalate_ns: u64,
    /// For so long there must have been no back-pressure before it counts as over; by default 1 s.
    pub relax_ns: u64,
}

impl Default for ControllerConfig {
    fn default() -> Self {
        Self {
            strategy: Strategy::Adaptive,
            on_percent: 90,
            off_percent: 70,
            throttle_ns_max: 20_000_000,
            buffer_factor_max: 4,
            escalate_ns: 20_000_000,
            relax_ns: 1_000_000_000,
        }
    }
}

/// Why a configuration was refused.
///
/// ```
/// use pcmflow_engine::pressure::{BackpressureController, ControllerConfig};
/// let crossed = ControllerConfig { off_percent: 90, ..ControllerConfig::default() };
/// let error = BackpressureController::new(crossed).unwrap_err();
/// assert_eq!(error.to_string(), "pressure.off_percent is 90, it must be below on_percent, 90");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// A threshold is out of range.
    #[error(transparent)]
    Thresholds(#[from] PressureError),
    /// A link can't be buffered to less than its capacity.
    #[error("pressure.buffer_factor_max is 0, allowed are 1 and more")]
    BufferFactor,
}

/// A link at one moment. Units are frames or chunks, the same throughout.
///
/// ```
/// use pcmflow_engine::pressure::*;
/// let observation = Observation {
///     now_ns: 0, used: 100, capacity: 1_000, producer: Producer::Waiting, consumer_per_s: 48_000, nominal_per_s: 48_000,
///     latency_limit_ns: u64::MAX,
/// };
/// let mut controller = BackpressureController::new(ControllerConfig::default())?;
/// assert_eq!(controller.observe(observation).edge, None);
/// # Ok::<(), ControllerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// When. A clock that goes back stands still.
    pub now_ns: u64,
    /// Units in the link, those beyond its capacity included.
    pub used: u64,
    /// Units it holds without being buffered. An observation of a link without capacity is ignored.
    pub capacity: u64,
    /// Who fills it.
    pub producer: Producer,
    /// Units a second that the consumer took lately; 0 when it stands.
    pub consumer_per_s: u64,
    /// Units a second that the flow makes when all is well.
    pub nominal_per_s: u64,
    /// How long a unit may stay in the link; `u64::MAX` when it does not matter.
    pub latency_limit_ns: u64,
}

/// What is to be done about a link, until the next observation.
///
/// ```
/// use pcmflow_engine::pressure::*;
/// # let calm = Observation {
/// #     now_ns: 0, used: 100, capacity: 1_000, producer: Producer::Waiting, consumer_per_s: 48_000, nominal_per_s: 48_000,
/// #     latency_limit_ns: u64::MAX,
/// # };
/// let mut controller = BackpressureController::new(ControllerConfig::default())?;
/// let calm = controller.observe(calm).decision;
/// assert_eq!(calm, Decision { strategy: Strategy::Buffer, throttle_ns: 0, buffer_limit: 1_000 });
/// # Ok::<(), ControllerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The strategy in force, never [`Strategy::Adaptive`].
    pub strategy: Strategy,
    /// How long the producer should pause after each piece; 0 unless it is throttled.
    pub throttle_ns: u64,
    /// Units that the link may hold: its capacity, or more when it is buffered.
    pub buffer_limit: u64,
}

/// Who could not keep up when back-pressure began.
///
/// ```
/// use pcmflow_engine::pressure::*;
/// # let calm = Observation {
/// #     now_ns: 0, used: 100, capacity: 1_000, producer: Producer::Waiting, consumer_per_s: 48_000, nominal_per_s: 48_000,
/// #     latency_limit_ns: u64::MAX,
/// # };
/// let mut controller = BackpressureController::new(ControllerConfig::default())?;
/// let full = controller.observe(Observation { used: 950, consumer_per_s: 24_000, ..calm });
/// assert_eq!(full.edge.map(|edge| edge.slow), Some(Slow::ConsumerSlow));
/// # Ok::<(), ControllerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slow {
    /// The consumer took nothing.
    ConsumerStands,
    /// The consumer took less than 95 % of the flow's rate.
    ConsumerSlow,
    /// The consumer kept up: the producer brought more than the flow's rate.
    ProducerFast,
}

/// Back-pressure began or ended.
///
/// ```
/// use pcmflow_core::pressure::PressureEdge;
/// use pcmflow_engine::pressure::*;
/// # let calm = Observation {
/// #     now_ns: 0, used: 100, capacity: 1_000, producer: Producer::Waiting, consumer_per_s: 48_000, nominal_per_s: 48_000,
/// #     latency_limit_ns: u64::MAX,
/// # };
/// let mut controller = BackpressureController::new(ControllerConfig::default())?;
/// let full = controller.observe(Observation { used: 950, consumer_per_s: 24_000, ..calm });
/// assert!(matches!(full.edge, Some(Edge { edge: PressureEdge::On { .. }, .. })));
/// # Ok::<(), ControllerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Which of the two, when, and how long it lasted.
    pub edge: PressureEdge,
    /// Who was to blame when it began.
    pub slow: Slow,
}

/// Another strategy came into force.
///
/// ```
/// use pcmflow_engine::pressure::*;
/// # let calm = Observation {
/// #     now_ns: 0, used: 100, capacity: 1_000, producer: Producer::Waiting, consumer_per_s: 48_000, nominal_per_s: 48_000,
/// #     latency_limit_ns: 0,
/// # };
/// let mut controller = BackpressureController::new(ControllerConfig::default())?;
/// let full = controller.observe(Observation { used: 950, consumer_per_s: 24_000, ..calm });
/// let change = full.change.map(|change| (change.from, change.to));
/// assert_eq!(change, Some((Strategy::Buffer, Strategy::Throttle))); // there is no latency to spare
/// # Ok::<(), ControllerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at_ns: u64,
    /// What was in force.
    pub from: Strategy,
    /// What is now.
    pub to: Strategy,
    /// Why.
    pub reason: Reason,
}

/// Why another strategy came into force.
///
/// ```
/// use pcmflow_engine::pressure::*;
/// # let calm = Observation {
/// #     now_ns: 0, used: 100, capacity: 1_000, producer: Producer::Waiting, consumer_per_s: 48_000, nominal_per_s: 48_000,
/// #     latency_limit_ns: 0,
/// # };
/// let mut controller = BackpressureController::new(ControllerConfig::default())?;
/// let full = controller.observe(Observation { used: 950, consumer_per_s: 24_000, ..calm });
/// assert_eq!(full.change.map(|change| change.reason), Some(Reason::Exhausted));
/// let live = controller.observe(Observation { producer: Producer::Live, ..calm });
/// assert_eq!(live.change.map(|change| change.reason), Some(Reason::OtherProducer));
/// # Ok::<(), ControllerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// What was in force did not keep the link from filling.
    Exhausted,
    /// There was no back-pressure for long enough.
    Calm,
    /// The producer is of another kind.
    OtherProducer,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Exhausted, Self::Calm, Self::OtherProducer];

    /// One lower-case word for machines.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Calm => "calm",
            Self::OtherProducer => "other_producer",
        }
    }
}

/// What one observation came to.
///
/// ```
/// use pcmflow_engine::pressure::*;
/// # let calm = Observation {
/// #     now_ns: 0, used: 100, capacity: 1_000, producer: Producer::Waiting, consumer_per_s: 48_000, nominal_per_s: 48_000,
/// #     latency_limit_ns: u64::MAX,
/// # };
/// let mut controller = BackpressureController::new(ControllerConfig::default())?;
/// let outcome = controller.observe(calm);
/// assert_eq!((outcome.edge, outcome.change), (None, None));
/// # Ok::<(), ControllerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// What is to be done.
    pub decision: Decision,
    /// Back-pressure began or ended with it.
    pub edge: Option<Edge>,
    /// Another strategy came into force with it.
    pub change: Option<Change>,
}
