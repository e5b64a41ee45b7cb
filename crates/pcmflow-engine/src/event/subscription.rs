//! A subscriber's end: bounded queues, and what did not fit in them.
//!
//! A queue's entry carries how many events of its priority this subscription had lost before it, ever. So a gap is told where it
//! is, also when more was lost behind it. What was lost after the last entry is read from a counter, *before* the look that finds
//! the queue empty: everything that was queued before those losses was then seen.

use super::bus::{Edit, Shared};
use super::{Event, Filter, Record, Stamped};
use crate::Priority;
use crate::sync::{Arc, AtomicU64, Ordering};
use crate::task::Waker;
use core::fmt;
use core::marker::PhantomData;
use pcmflow_core::ring::{CircularBuffer, Consumer, Producer, PushError, RingError};

/// What a subscription gives.
///
/// ```
/// use pcmflow_engine::event::types::CriticalLost;
/// use pcmflow_engine::event::{BusConfig, EventBus, NameId, Received};
/// # use pcmflow_engine::Priority;
/// # use pcmflow_engine::task::{Executor, StepClock};
/// # let (mut executor, spawner) = Executor::new(1)?;
/// let (bus, task) = EventBus::new(BusConfig::default());
/// # spawner.spawn(Priority::Critical, Box::new(task))?;
/// let mut losses = bus.subscribe::<CriticalLost>(1)?;
/// let mut publisher = bus.publisher(NameId::NONE)?;
/// (1..=3).for_each(|events| assert!(publisher.publish_and_wake(&CriticalLost { events }, 0)));
/// # executor.run(&StepClock::default());
/// let first = losses.receive();
/// assert!(matches!(first, Some(Received::Event(told)) if told.event.events == 1));
/// assert_eq!(losses.receive(), Some(Received::Gap(2))); // it has a queue for one
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received<T> {
    /// An event.
    Event(T),
    /// So many of its events are missing here: its queue was full, or already a publisher's ring.
    Gap(u64),
}

/// Fails with the record where it is of another type.
impl<E: Event> TryFrom<Record> for Stamped<E> {
    type Error = Record;

    fn try_from(record: Record) -> Result<Self, Record> {
        let event = record.get().ok_or(record)?;
        Ok(Self { event, source: record.source(), time_ns: record.time_ns() })
    }
}

#[derive(Debug, Clone, Copy)]
struct Queued {
    /// What was lost of this priority before it, ever.
    lost_before: u64,
    record: Record,
}

/// What was lost of each priority, ever. Stored by the bus only.
pub(super) type Lost = [AtomicU64; Priority::ALL.len()];

/// A bounded queue of events for one subscriber, apart by priority. Made by [`EventBus::subscribe`](super::EventBus::subscribe).
/// Dropping it ends the subscription.
///
/// ```
/// use pcmflow_engine::event::types::CriticalLost;
/// use pcmflow_engine::event::{BusConfig, EventBus};
/// let (bus, _task) = EventBus::new(BusConfig::default());
/// let mut losses = bus.subscribe::<CriticalLost>(16)?;
/// assert!(losses.receive().is_none());
/// assert_eq!(losses.lost(), 0);
/// # Ok::<(), pcmflow_engine::event::EventError>(())
/// ```
pub struct Subscription<T> {
    lanes: [Option<Lane>; Priority::ALL.len()],
    lost: Arc<Lost>,
    bus: Arc<Shared>,
    gives: PhantomData<fn() -> T>,
}

struct Lane {
    queue: Consumer<Queued>,
    /// What was told to be lost, of what was.
    told: u64,
}

impl Lane {
    fn receive(&mut self, lost: &AtomicU64) -> Option<Received<Record>> {
        // Before the look: see the module's docs. Acquire: what was queued before those losses is seen.
        let lost = lost.load(Ordering::Acquire);
        let next = self.queue.peek().copied();
        let lost_before = next.as_ref().map_or(lost, |queued| queued.lost_before);
        if lost_before > self.told {
            let gap = lost_before - self.told;
            self.told = lost_before;
            return Some(Received::Gap(gap));
        }
        self.queue.pop().map(|queued| Received::Event(queued.record))
    }
}

impl<T: TryFrom<Record>> Subscription<T> {
    /// The next event or gap, the most urgent first; none when there is nothing now.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn receive(&mut self) -> Option<Received<T>> {
        for (lane, lost) in self.lanes.iter_mut().zip(self.lost.iter()) {
            match lane.as_mut().and_then(|lane| lane.receive(lost)) {
                Some(Received::Event(record)) => {
                    // The filter lets nothing else pass.
                    if let Ok(event) = T::try_from(record) {
                        return Some(Received::Event(event));
                    }
                }
                Some(Received::Gap(events)) => return Some(Received::Gap(events)),
                None => {}
            }
        }
        None
    }

    /// Has this task woken when something comes, and once at first: it looks then for what came before.
    ///
    /// Not RT-safe: locks, may allocate.
    pub fn set_waker(&self, waker: Waker) {
        self.bus.edit(Edit::Waker(self.lost.clone(), waker));
    }

    /// Its events that were lost so far, told or not.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn lost(&self) -> u64 {
        self.lost.iter().map(|lost| lost.load(Ordering::Relaxed)).sum()
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// The bus's end of a subscription.
pub(super) struct Outlet {
    pub(super) filter: Filter,
    lanes: [Option<Producer<Queued>>; Priority::ALL.len()],
    pub(super) lost: Arc<Lost>,
    pub(super) waker: Option<Waker>,
    /// Something came since the subscriber was woken.
    pub(super) news: bool,
}

/// Both ends of a subscription whose queues hold `events` each.
pub(super) fn subscription<T>(
    filter: Filter,
    events: usize,
    bus: Arc<Shared>,
) -> Result<(Outlet, Subscription<T>), RingError> {
    let mut producers = [None, None, None];
    let mut lanes = [None, None, None];
    for priority in Priority::ALL.into_iter().filter(|&priority| filter.needs(priority)) {
        let (producer, queue) = CircularBuffer::with_capacity(events)?.split();
        producers[priority.index()] = Some(producer);
        lanes[priority.index()] = Some(Lane { queue, told: 0 });
    }
    let lost: Arc<Lost> = Arc::new(core::array::from_fn(|_| AtomicU64::new(0)));
    let outlet = Outlet { filter, lanes: producers, lost: lost.clone(), waker: None, news: false };
    Ok((outlet, Subscription { lanes, lost, bus, gives: PhantomData }))
}

impl Outlet {
    /// Queues a record that the filter admits: whether it fitted; none where the subscriber is gone.
    pub(super) fn queue(&mut self, record: Record) -> Option<bool> {
        let priority = record.event_type().priority();
        let lane = self.lanes[priority.index()].as_mut()?;
        // Only this side stores.
        let lost_before = self.lost[priority.index()].load(Ordering::Relaxed);
        match lane.push(Queued { lost_before, record }) {
            Ok(()) => {
                self.news = true;
                Some(true)
            }
            Err(PushError::Full(_)) => {
                self.lose(priority, 1);
                Some(false)
            }
            Err(PushError::Closed(_)) => None,
        }
    }

    /// Enters that so many events never came to the queue.
    pub(super) fn lose(&mut self, priority: Priority, events: u64) {
        let lost = &self.lost[priority.index()];
        // Release: who sees the loss sees what was queued before.
        lost.store(lost.load(Ordering::Relaxed) + events, Ordering::Release);
        self.news = true;
    }

    /// The subscriber is gone.
    pub(super) fn is_closed(&self) -> bool {
        // Where a filter can admit nothing there is no queue; the counters are shared by the two ends and whoever sets a waker.
        self.lanes.iter().flatten().any(Producer::is_closed) || self.lanes.iter().all(Option::is_none)
    }
}
