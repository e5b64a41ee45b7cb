//! A link between two nodes' tasks: two ends over one [`AudioRingBuffer`], or several one after the other, since another
//! strategy may need another kind.

use super::books::{LinkBooks, Tally};
use super::inlet::Inlet;
use super::outlet::Outlet;
use super::wait::Wait;
use crate::event::NameId;
use crate::pressure::{BackpressureController, ControllerConfig, ControllerError, Strategy};
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex};
use pcmflow_core::chunk::{AudioRingBuffer, LinkGauge};
use pcmflow_core::ledger::{Gap, Losses};
use pcmflow_core::pressure::PressureStats;
use pcmflow_core::ring::{CircularBuffer, RingError};
use std::sync::PoisonError;

/// Links that may wait for the receiving end behind the one it is at: the strategy may change so often before it looks.
const SUCCESSORS: usize = 4;

/// How one link is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkConfig {
    /// Chunks and marks that it holds.
    pub(super) packets: usize,
    pub(super) strategy: Strategy,
    /// How old a chunk's oldest frame may be when it is taken; 0: does not matter.
    pub(super) latency_ns_max: u64,
    /// What fills it gets its frames whether there is room or not.
    pub(super) live: bool,
    /// Of its fill: where back-pressure begins, and where it ends.
    pub(super) pressure_percent: (u8, u8),
}

/// What a link and its ends are called in events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LinkNames {
    pub(super) pipeline: NameId,
    pub(super) from: NameId,
    pub(super) to: NameId,
}

/// What both ends of a link share with each other and with whoever looks.
#[derive(Debug)]
pub(super) struct LinkCell {
    pub(super) names: LinkNames,
    pub(super) sender: Wait,
    pub(super) receiver: Wait,
    /// Where on the source's timeline the link begins; [`UNBEGUN`] before it is attached, [`TOO_LATE`] where the receiving end went
    /// before that.
    pub(super) start: AtomicU64,
    /// The receiving end is ahead of another one, which has nothing: the sending end may go on though the link is full.
    pub(super) ahead: AtomicBool,
    /// Even so, the sending end waits: as much waits already as may. The sending end's to say.
    pub(super) stalled: AtomicBool,
    /// What the receiving end took.
    pub(super) taken: Tally,
    /// Chunks that were taken too late.
    pub(super) missed: AtomicU64,
    /// What the rings before the one in use have lost. Locked when another takes over, and by who looks.
    pub(super) past_lost: Mutex<Losses>,
    /// Of the ring in use. Locked when that changes, and by who looks.
    pub(super) gauge: Mutex<LinkGauge>,
    /// Back-pressure, as of its last edge, and the strategy in force. Locked at edges, and by who looks.
    pub(super) pressure: Mutex<(PressureStats, Strategy)>,
    /// What the sending end could not send any more when it went.
    pub(super) unsent: Mutex<Vec<Gap>>,
    /// The books, closed by each end when it goes.
    pub(super) books: Mutex<LinkBooks>,
}

impl LinkCell {
    /// What was lost here, by cause: given up where it was full, or evicted.
    pub(super) fn lost(&self) -> Losses {
        let gauge = self.gauge.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.past_lost.lock().unwrap_or_else(PoisonError::into_inner) + gauge.lost() + gauge.evicted()
    }
}

/// Not yet attached.
pub(super) const UNBEGUN: u64 = u64::MAX;
/// Never to be attached.
pub(super) const TOO_LATE: u64 = u64::MAX - 1;

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
pub(super) fn ring(packets: usize, evicting: bool) -> Result<AudioRingBuffer, RingError> {
    // A gap and the chunk behind it must find room.
    let packets = packets.max(2);
    if evicting { AudioRingBuffer::evicting_oldest(packets) } else { AudioRingBuffer::with_capacity(packets) }
}

pub(super) fn controller(config: LinkConfig) -> Result<BackpressureController, ControllerError> {
    let (strategy, (on_percent, off_percent)) = (config.strategy, config.pressure_percent);
    BackpressureController::new(ControllerConfig {
        strategy,
        on_percent,
        off_percent,
        ..ControllerConfig::default()
    })
}

/// Makes both ends.
pub(super) fn link(
    names: LinkNames,
    config: LinkConfig,
) -> Result<(Outlet, Inlet, Arc<LinkCell>), LinkError> {
    let evicting = config.strategy == Strategy::DropOldest;
    let ring = ring(config.packets, evicting)?;
    let controller = controller(config)?;
    let (successors_in, successors_out) = CircularBuffer::with_capacity(SUCCESSORS)?.split();
    let cell = Arc::new(LinkCell {
        names,
        sender: Wait::default(),
        receiver: Wait::default(),
        start: AtomicU64::new(UNBEGUN),
        ahead: AtomicBool::new(false),
        stalled: AtomicBool::new(false),
        taken: Tally::default(),
        missed: AtomicU64::new(0),
        past_lost: Mutex::new(Losses::default()),
        gauge: Mutex::new(ring.gauge()),
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
