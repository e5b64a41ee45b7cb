//! The bus's books, for people and machines.

use super::EventType;
use crate::Priority;
use crate::sync::{AtomicU64, Ordering};
use serde::{Deserialize, Serialize};

/// What an event bus did so far. The figures are read one after the other while the bus goes on.
///
/// ```
/// use pcmflow_engine::event::types::CriticalLost;
/// use pcmflow_engine::event::{BusConfig, BusSnapshot, Event, EventBus};
/// let (bus, _task) = EventBus::new(BusConfig::default());
/// assert_eq!(bus.snapshot(), BusSnapshot::default());
/// assert_eq!(bus.snapshot().of(CriticalLost::TYPE), None); // never seen
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct BusSnapshot {
    /// Publishers that live, or whose events still wait.
    pub publishers: u64,
    /// Subscriptions that live.
    pub subscriptions: u64,
    /// Each type that was seen, by name.
    pub types: Vec<TypeSnapshot>,
}

/// What became of the events of one type.
///
/// When nothing is moving, what was published is `taken + lost_by_publishers`, and, as often as a subscription was there for it, each one
/// taken was `delivered` or `lost_by_subscribers`.
///
/// ```
/// use pcmflow_engine::event::types::CriticalLost;
/// use pcmflow_engine::event::{BusConfig, Event, EventBus, NameId};
/// # use pcmflow_engine::Priority;
/// # use pcmflow_engine::task::{Executor, StepClock};
/// # let (mut executor, spawner) = Executor::new(1)?;
/// let (bus, task) = EventBus::new(BusConfig::default());
/// # spawner.spawn(Priority::Critical, Box::new(task))?;
/// let _two = [bus.subscribe::<CriticalLost>(16)?, bus.subscribe::<CriticalLost>(16)?];
/// bus.publisher(NameId::NONE)?.publish_and_wake(&CriticalLost { events: 1 }, 0);
/// # executor.run(&StepClock::default());
/// let told = bus.snapshot();
/// let of = told.of(CriticalLost::TYPE).ok_or("not seen")?;
/// assert_eq!((of.taken, of.delivered), (1, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TypeSnapshot {
    /// Its name.
    pub name: String,
    /// Its priority.
    pub priority: Priority,
    /// Events that the bus took from publishers.
    pub taken: u64,
    /// Events that found their publisher's ring full.
    pub lost_by_publishers: u64,
    /// Events put into subscribers' queues, counted for each.
    pub delivered: u64,
    /// Events that found a subscriber's queue full, counted for each.
    pub lost_by_subscribers: u64,
}

impl BusSnapshot {
    /// What became of the events of this type; none where it was never seen.
    ///
    /// Not RT-safe: for whoever reads snapshots.
    pub fn of(&self, event_type: &EventType) -> Option<&TypeSnapshot> {
        self.types.iter().find(|of| of.name == event_type.name())
    }
}

/// The counters of one type. Stored by the bus's task only.
#[derive(Debug)]
pub(super) struct Counts {
    event_type: &'static EventType,
    taken: AtomicU64,
    lost_by_publishers: AtomicU64,
    delivered: AtomicU64,
    lost_by_subscribers: AtomicU64,
}

impl Counts {
    pub(super) fn new(event_type: &'static EventType) -> Self {
        let [taken, lost_by_publishers, delivered, lost_by_subscribers] =
            core::array::from_fn(|_| AtomicU64::new(0));
        Self { event_type, taken, lost_by_publishers, delivered, lost_by_subscribers }
    }

    pub(super) fn lost_by_publisher(&self, events: u64) {
        Self::add(&self.lost_by_publishers, events);
    }

    pub(super) fn taken(&self, delivered: u64, lost: u64) {
        Self::add(&self.taken, 1);
        Self::add(&self.delivered, delivered);
        Self::add(&self.lost_by_subscribers, lost);
    }

    fn add(counter: &AtomicU64, count: u64) {
        if count > 0 {
            counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
        }
    }

    pub(super) fn snapshot(&self) -> TypeSnapshot {
        TypeSnapshot {
            name: self.event_type.name().to_owned(),
            priority: self.event_type.priority(),
            taken: self.taken.load(Ordering::Relaxed),
            lost_by_publishers: self.lost_by_publishers.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            lost_by_subscribers: self.lost_by_subscribers.load(Ordering::Relaxed),
        }
    }
}
