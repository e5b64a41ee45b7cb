//! A thread's way of publishing.

use super::bus::Shared;
use super::losses::LossWriter;
use super::{Event, NameId, Record};
use crate::Priority;
use crate::sync::Arc;
use core::fmt;
use pcmflow_core::ring::Producer;

/// Publishes one thread's events: a ring for each priority, and the books of what found them full. Made by
/// [`EventBus::publisher`](super::EventBus::publisher).
///
/// Dropping it while the bus lives frees nothing but the reference to the bus; what it published is delivered.
///
/// ```
/// use pcmflow_engine::event::types::CriticalLost;
/// use pcmflow_engine::event::{BusConfig, EventBus, NameId};
/// let (bus, _task) = EventBus::new(BusConfig { publisher_events: [1, 1, 1], ..BusConfig::default() });
/// let mut publisher = bus.publisher(NameId::NONE)?;
/// assert!(publisher.publish(&CriticalLost { events: 1 }, 0));
/// assert!(!publisher.publish(&CriticalLost { events: 2 }, 0)); // nobody took the first one yet
/// # Ok::<(), pcmflow_engine::event::EventError>(())
/// ```
pub struct Publisher {
    pub(super) source: NameId,
    pub(super) rings: [Producer<Record>; Priority::ALL.len()],
    pub(super) losses: LossWriter,
    pub(super) bus: Arc<Shared>,
}

impl Publisher {
    /// Publishes an event: a copy into the ring of its priority. False where that is full: the event is lost, and counted by its
    /// type; subscribers see a gap.
    ///
    /// The bus learns of it when it looks the next time: by itself where this is an
    /// [audio publisher](super::EventBus::audio_publisher), else when anybody wakes it.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn publish<E: Event>(&mut self, event: &E, now_ns: u64) -> bool {
        self.publish_as(self.source, event, now_ns)
    }

    /// As [`publish`](Self::publish), in the name of one of several that share this publisher.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn publish_as<E: Event>(&mut self, source: NameId, event: &E, now_ns: u64) -> bool {
        // Which ring is known when the program is compiled.
        match self.rings[E::TYPE.priority().index()].vacant() {
            Some(slot) => {
                slot.fill(Record::new(event, source, now_ns));
                true
            }
            None => {
                self.losses.count(E::TYPE);
                false
            }
        }
    }

    /// Publishes an event, and wakes the bus.
    ///
    /// Not RT-safe: makes a system call where the bus's driver sleeps.
    pub fn publish_and_wake<E: Event>(&mut self, event: &E, now_ns: u64) -> bool {
        let taken = self.publish(event, now_ns);
        self.wake();
        taken
    }

    /// Wakes the bus, to deliver what was published.
    ///
    /// Not RT-safe: makes a system call where the bus's driver sleeps.
    pub fn wake(&self) {
        self.bus.wake();
    }

    /// Who publishes.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn source(&self) -> NameId {
        self.source
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("source", &self.source).finish_non_exhaustive()
    }
}
