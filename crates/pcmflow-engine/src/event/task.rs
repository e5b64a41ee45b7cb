//! The task of a bus: takes from publishers, the most urgent first, and gives to subscribers.

use super::bus::{Edit, Shared};
use super::losses::LossReader;
use super::snapshot::Counts;
use super::subscription::Outlet;
use super::types::CriticalLost;
use super::{EventType, NameId, Record};
use crate::Priority;
use crate::sync::{Arc, Ordering};
use crate::task::{Cx, Poll, Task};
use core::any::TypeId;
use core::fmt;
use pcmflow_core::ring::Consumer;
use std::collections::BTreeMap;

/// The bus's end of a publisher.
pub(super) struct Intake {
    pub(super) source: NameId,
    pub(super) rings: [Consumer<Record>; Priority::ALL.len()],
    pub(super) losses: LossReader,
    /// Nobody wakes the bus for it.
    pub(super) audio: bool,
}

/// Makes a bus work, as long as its executor lives: a task for the executor of priority Critical.
///
/// A poll moves as many events as its budget says. The next event is always the most urgent of all publishers, which take
/// turns; but every 32nd time a High one comes first, and every 64th a Normal one, so that nothing waits for ever.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::event::{BusConfig, EventBus, NameId};
/// use pcmflow_engine::task::{Executor, Rest, StepClock};
/// let (mut executor, spawner) = Executor::new(1)?;
/// let (bus, task) = EventBus::new(BusConfig { look_every_ns: 250_000, ..BusConfig::default() });
/// spawner.spawn(Priority::Critical, Box::new(task))?;
/// assert_eq!(executor.run(&StepClock::default()), Rest::UntilWoken);
/// let _publisher = bus.audio_publisher(NameId::NONE)?; // it wakes nobody
/// assert_eq!(executor.run(&StepClock::default()), Rest::Until(250_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BusTask {
    shared: Arc<Shared>,
    intakes: Vec<Intake>,
    outlets: Vec<Outlet>,
    counts: BTreeMap<TypeId, Arc<Counts>>,
    /// Counters that snapshots do not know of yet.
    unlisted: Vec<Arc<Counts>>,
    /// Whose turn it is among the publishers, by priority.
    next: [usize; Priority::ALL.len()],
    turns: u64,
}

impl Task for BusTask {
    fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
        self.shared.polled(cx.waker());
        let mut again = !self.take_edits(cx.now_ns());
        self.tell_losses(cx.now_ns());
        loop {
            if !cx.spend() {
                again = true;
                break;
            }
            let Some(record) = self.take() else { break };
            self.deliver(record);
        }
        self.forget_the_gone(cx.now_ns());
        again |= !self.list_counts();
        for outlet in &mut self.outlets {
            if std::mem::take(&mut outlet.news)
                && let Some(waker) = &outlet.waker
            {
                waker.wake();
            }
        }
        if again {
            Poll::Again
        } else if self.intakes.iter().any(|intake| intake.audio) {
            Poll::IdleUntil(cx.now_ns().saturating_add(self.shared.look_every_ns()))
        } else {
            Poll::Idle
        }
    }
}

impl BusTask {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            intakes: Vec::new(),
            outlets: Vec::new(),
            counts: BTreeMap::new(),
            unlisted: Vec::new(),
            next: [0; Priority::ALL.len()],
            turns: 0,
        }
    }

    /// False when there may be edits that could not be taken.
    fn take_edits(&mut self, now_ns: u64) -> bool {
        let Some(edits) = self.shared.take_edits() else { return false };
        for edit in edits {
            match edit {
                Edit::Publisher(intake) => self.intakes.push(intake),
                Edit::Subscription(outlet) => {
                    // What was lost before concerns those who were there.
                    self.tell_losses(now_ns);
                    self.outlets.push(outlet);
                }
                Edit::Waker(of, waker) => {
                    if let Some(outlet) =
                        self.outlets.iter_mut().find(|outlet| Arc::ptr_eq(&outlet.lost, &of))
                    {
                        outlet.waker = Some(waker);
                        outlet.news = true;
                    }
                }
            }
        }
        self.count_ends();
        true
    }

    fn count_ends(&self) {
        self.shared.publishers.store(self.intakes.len() as u64, Ordering::Relaxed);
        self.shared.subscriptions.store(self.outlets.len() as u64, Ordering::Relaxed);
    }

    /// Tells the subscribers what publishers could not publish.
    fn tell_losses(&mut self, now_ns: u64) {
        let mut intakes = std::mem::take(&mut self.intakes);
        for intake in &mut intakes {
            self.tell_losses_of(intake, now_ns);
        }
        self.intakes = intakes;
    }

    fn tell_losses_of(&mut self, intake: &mut Intake, now_ns: u64) {
        let (source, mut critical) = (intake.source, 0);
        intake.losses.tell(|event_type, events| {
            self.counts_of(event_type).lost_by_publisher(events);
            for outlet in self.outlets.iter_mut().filter(|outlet| outlet.filter.admits(event_type, source)) {
                outlet.lose(event_type.priority(), events);
            }
            if event_type.priority() == Priority::Critical {
                critical += events;
            }
        });
        if critical > 0 {
            self.deliver(Record::new(&CriticalLost { events: critical }, source, now_ns));
        }
    }

    /// The next event.
    fn take(&mut self) -> Option<Record> {
        let first = match self.turns % 64 {
            31 => Priority::High,
            63 => Priority::Normal,
            _ => Priority::Critical,
        };
        for priority in [first].into_iter().chain(Priority::ALL) {
            let next = &mut self.next[priority.index()];
            for _ in 0..self.intakes.len() {
                *next = (*next + 1) % self.intakes.len();
                if let Some(record) = self.intakes[*next].rings[priority.index()].pop() {
                    self.turns = self.turns.wrapping_add(1);
                    return Some(record);
                }
            }
        }
        None
    }

    fn deliver(&mut self, record: Record) {
        let (event_type, source) = (record.event_type(), record.source());
        let (mut delivered, mut lost) = (0, 0);
        for outlet in self.outlets.iter_mut().filter(|outlet| outlet.filter.admits(event_type, source)) {
            match outlet.queue(record) {
                Some(true) => delivered += 1,
                Some(false) => lost += 1,
                None => {}
            }
        }
        self.counts_of(event_type).taken(delivered, lost);
    }

    fn counts_of(&mut self, event_type: &'static EventType) -> &Counts {
        let unlisted = &mut self.unlisted;
        self.counts.entry(event_type.id()).or_insert_with(|| {
            let counts = Arc::new(Counts::new(event_type));
            unlisted.push(counts.clone());
            counts
        })
    }

    /// Lets snapshots know of new types; false when somebody makes one just now.
    fn list_counts(&mut self) -> bool {
        if self.unlisted.is_empty() {
            return true;
        }
        // Only tried: as for the edits.
        let mut listed = match self.shared.counts.try_lock() {
            Ok(listed) => listed,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return false,
        };
        listed.append(&mut self.unlisted);
        true
    }

    /// Drops the ends whose other end is gone; of publishers, when all was taken and told.
    fn forget_the_gone(&mut self, now_ns: u64) {
        let ends = self.intakes.len() + self.outlets.len();
        let is_gone = |intake: &mut Intake| intake.rings.iter_mut().all(Consumer::is_finished);
        let gone: Vec<_> = self.intakes.extract_if(.., is_gone).collect();
        for mut intake in gone {
            self.tell_losses_of(&mut intake, now_ns);
        }
        self.outlets.retain(|outlet| !outlet.is_closed());
        if self.intakes.len() + self.outlets.len() != ends {
            self.count_ends();
        }
    }
}

impl fmt::Debug for BusTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusTask")
            .field("publishers", &self.intakes.len())
            .field("subscriptions", &self.outlets.len())
            .finish_non_exhaustive()
    }
}
