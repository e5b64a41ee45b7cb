//! A link between two nodes' tasks: two ends over one [`AudioRingBuffer`], or several one after the other, since another
//! strategy may need another kind.

pub(in crate::flow) mod adapter;
pub(in crate::flow) mod inlet;
mod inlet_news;
mod losing;
pub(in crate::flow) mod outlet;
pub(in crate::flow) mod outlet_news;
#[cfg(not(pcmflow_loom))]
pub(in crate::flow) mod wait;
/// For the model checker, with threads of its own.
#[cfg(pcmflow_loom)]
pub mod wait;

use crate::event::NameId;
use crate::flow::books::{LinkBooks, Tally};
use crate::pressure::{BackpressureController, ControllerConfig, ControllerError, Strategy};
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex, MutexGuard};
use inlet::Inlet;
use outlet::Outlet;
use pcmflow_core::chunk::{AudioRingBuffer, LinkGauge};
use pcmflow_core::ledger::{EdgeSnapshot, Gap, Losses};
use pcmflow_core::pressure::PressureStats;
use pcmflow_core::ring::{CircularBuffer, RingError};
use std::collections::VecDeque;
use std::sync::PoisonError;
use wait::Wait;

/// Links that may wait for the receiving end behind the one it is at: the strategy may change so often before it looks.
const SUCCESSORS: usize = 4;

/// How one link is made.
#[derive(Debug, Clone, Copy)]
pub(in crate::flow) struct LinkConfig {
    /// Chunks and marks that it holds.
    pub(in crate::flow) packets: usize,
    pub(in crate::flow) strategy: Strategy,
    /// How old a chunk's oldest frame may be when it is taken; 0: does not matter.
    pub(in crate::flow) latency_ns_max: u64,
    /// What fills it gets its frames whether there is room or not, and what empties it takes them as they come. Not so before a
    /// join: what is ahead there waits for the other inputs, which is no reason to throw out what is there.
    pub(in crate::flow) live: bool,
    /// Of its fill: where back-pressure begins, and where it ends.
    pub(in crate::flow) pressure_percent: (u8, u8),
}

/// What a link and its ends are called in events.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::flow) struct LinkNames {
    pub(in crate::flow) pipeline: NameId,
    pub(in crate::flow) from: NameId,
    pub(in crate::flow) to: NameId,
}

/// A link may hold up its node for as long as it is full.
pub(in crate::flow) const FOREVER: u64 = u64::MAX;
/// Where ways part behind a source that can't wait, a link that is full holds up others that are as urgent for so long, once: then it is
/// not just a moment's, and they get what they wait for. One that is more urgent waits for nobody.
pub(in crate::flow) const HELD_NS_MAX: u64 = 20_000_000;

/// What both ends of a link share with each other and with whoever looks.
#[derive(Debug)]
pub(in crate::flow) struct LinkCell {
    pub(in crate::flow) names: LinkNames,
    pub(in crate::flow) sender: Wait,
    pub(in crate::flow) receiver: Wait,
    /// Where on the source's timeline the link begins; [`UNBEGUN`] before it is attached, [`TOO_LATE`] where the receiving end went
    /// before that.
    pub(in crate::flow) start: AtomicU64,
    /// How long it may hold up its node; [`FOREVER`] unless that fills other links, too, and somewhere before it is a source that
    /// can't wait. The control side's to say.
    pub(in crate::flow) patience_ns: AtomicU64,
    /// The receiving end is ahead of another one, which has nothing: the sending end may go on though the link is full.
    pub(in crate::flow) ahead: AtomicBool,
    /// Even so, the sending end waits: as much waits already as may. The sending end's to say.
    pub(in crate::flow) stalled: AtomicBool,
    /// What the receiving end took.
    pub(in crate::flow) taken: Tally,
    /// Chunks that were taken too late.
    pub(in crate::flow) missed: AtomicU64,
    /// Locked when another ring takes over, and by who looks.
    rings: Mutex<Rings>,
    /// Back-pressure, as of its last edge, and the strategy in force. Locked at edges, and by who looks.
    pub(in crate::flow) pressure: Mutex<(PressureStats, Strategy)>,
    /// What the sending end could not send any more when it went.
    pub(in crate::flow) unsent: Mutex<Vec<Gap>>,
    /// The books, closed by each end when it goes.
    pub(in crate::flow) books: Mutex<LinkBooks>,
}

/// The rings of a link, for who looks. What was lost in them never grows less, whichever end goes on to the next one first.
#[derive(Debug)]
struct Rings {
    /// The books of those that the receiving end has left.
    past: EdgeSnapshot,
    /// Of the one that it is at, and of those behind it: the sending end is at the last.
    gauges: VecDeque<LinkGauge>,
}

impl LinkCell {
    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was lost here, by cause, as soon as it is: given up where it was full, or evicted.
    pub(in crate::flow) fn lost(&self) -> Losses {
        let rings = self.rings();
        let past = rings.past.lost + rings.past.evicted;
        rings.gauges.iter().fold(past, |lost, gauge| lost + gauge.lost() + gauge.evicted())
    }

    /// How often a run of losses began here.
    pub(in crate::flow) fn overruns(&self) -> u64 {
        let rings = self.rings();
        rings.past.overruns + rings.gauges.iter().map(LinkGauge::overruns).sum::<u64>()
    }

    /// Chunks in the ring that the sending end is at, and how many that holds.
    pub(in crate::flow) fn fill(&self) -> (usize, usize) {
        self.rings().gauges.back().map_or((0, 0), |gauge| (gauge.occupancy(), gauge.capacity()))
    }
}

/// Not yet attached.
pub(in crate::flow) const UNBEGUN: u64 = u64::MAX;
/// Never to be attached.
pub(in crate::flow) const TOO_LATE: u64 = u64::MAX - 1;

/// Why a link could not be made.
///
/// ```
/// use pcmflow_core::ring::RingError;
/// use pcmflow_engine::flow::LinkError;
/// assert_eq!(LinkError::from(RingError::Empty).to_string(), RingError::Empty.to_string());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Its ring could not be made.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// Its back-pressure is configured wrongly.
    #[error(transparent)]
    Pressure(#[from] ControllerError),
}

/// Makes a ring of the kind that the strategy needs.
pub(in crate::flow) fn ring(packets: usize, evicting: bool) -> Result<AudioRingBuffer, RingError> {
    // A gap and the chunk behind it must find room.
    let packets = packets.max(2);
    if evicting { AudioRingBuffer::evicting_oldest(packets) } else { AudioRingBuffer::with_capacity(packets) }
}

pub(in crate::flow) fn controller(config: LinkConfig) -> Result<BackpressureController, ControllerError> {
    let (strategy, (on_percent, off_percent)) = (config.strategy, config.pressure_percent);
    BackpressureController::new(ControllerConfig {
        strategy,
        on_percent,
        off_percent,
        ..ControllerConfig::default()
    })
}

/// Makes both ends.
pub(in crate::flow) fn link(
    names: LinkNames,
    config: LinkConfig,
) -> Result<(Outlet, Inlet, Arc<LinkCell>), LinkError> {
    let evicting = config.strategy == Strategy::DropOldest;
    let ring = ring(config.packets, evicting)?;
    let controller = controller(config)?;
    let (successors_in, successors_out) = CircularBuffer::with_capacity(SUCCESSORS)?.split();
    let mut gauges = VecDeque::with_capacity(1 + SUCCESSORS);
    gauges.push_back(ring.gauge());
    let cell = Arc::new(LinkCell {
        names,
        sender: Wait::default(),
        receiver: Wait::default(),
        start: AtomicU64::new(UNBEGUN),
        patience_ns: AtomicU64::new(FOREVER),
        ahead: AtomicBool::new(false),
        stalled: AtomicBool::new(false),
        taken: Tally::default(),
        missed: AtomicU64::new(0),
        rings: Mutex::new(Rings { past: EdgeSnapshot::default(), gauges }),
        pressure: Mutex::new((PressureStats::default(), config.strategy)),
        unsent: Mutex::new(Vec::new()),
        books: Mutex::new(LinkBooks::default()),
    });
    let gauge = ring.gauge();
    let (producer, consumer) = ring.split();
    let outlet =
        Outlet::new(config, producer, gauge.clone(), evicting, successors_in, controller, cell.clone())?;
    let inlet = Inlet::new((consumer, gauge), successors_out, config.latency_ns_max, cell.clone());
    Ok((outlet, inlet, cell))
}
