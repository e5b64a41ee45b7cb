//! The handle of a bus: publishers and subscriptions are made here, from any thread, while the bus runs.

use super::losses::losses;
use super::publisher::Publisher;
use super::snapshot::Counts;
use super::subscription::{Lost, Outlet, Subscription, subscription};
use super::task::{BusTask, Intake};
use super::{BusSnapshot, Event, Filter, NameId, Names, Record, Stamped};
use crate::Priority;
use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering, fence};
use crate::task::Waker;
use core::fmt;
use pcmflow_core::ring::{CircularBuffer, RingError};
use std::sync::{Mutex, OnceLock, PoisonError};

/// How a bus is made.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::event::BusConfig;
/// let config = BusConfig { look_every_ns: 100_000, ..BusConfig::default() };
/// assert_eq!(config.publisher_events[Priority::Normal.index()], 1024);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusConfig {
    /// Events that a publisher's ring holds, by [`Priority::index`], rounded up to powers of two; 64 bytes each. By default 256
    /// Critical, 256 High and 1024 Normal: what comes in one look, many times over.
    pub publisher_events: [usize; Priority::ALL.len()],
    /// How often the bus looks for events of audio publishers, in nanoseconds; by default 250 µs, a quarter of what a Critical event
    /// may take.
    pub look_every_ns: u64,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self { publisher_events: [256, 256, 1024], look_every_ns: 250_000 }
    }
}

/// Why a publisher or a subscription could not be made.
///
/// ```
/// use pcmflow_engine::event::{BusConfig, EventBus, EventError, NameId};
/// let (bus, _task) = EventBus::new(BusConfig { publisher_events: [256, 0, 1024], ..BusConfig::default() });
/// let error = bus.publisher(NameId::NONE).unwrap_err();
/// assert!(error.to_string().starts_with("a publisher's ring for 0 high events: "), "{error}");
/// assert!(matches!(error, EventError::Publisher { events: 0, .. }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The ring of a publisher.
    #[error("a publisher's ring for {events} {priority} events: {error}")]
    Publisher {
        /// For how many events.
        events: usize,
        /// Of which priority.
        priority: Priority,
        /// What was wrong.
        #[source]
        error: RingError,
    },
    /// The queue of a subscription.
    #[error("a subscription's queue for {events} events: {error}")]
    Subscription {
        /// For how many events.
        events: usize,
        /// What was wrong.
        #[source]
        error: RingError,
    },
}

/// What the handles, the publishers and the subscriptions share with the bus's task.
pub(super) struct Shared {
    /// Set by the first poll.
    waker: OnceLock<Waker>,
    edits: Mutex<Vec<Edit>>,
    /// There are edits. Stored under their lock.
    edited: AtomicBool,
    /// The counters of each type, as far as seen.
    pub(super) counts: Mutex<Vec<Arc<Counts>>>,
    pub(super) publishers: AtomicU64,
    pub(super) subscriptions: AtomicU64,
    config: BusConfig,
    names: Names,
}

/// What the bus's task is to do with what it owns.
pub(super) enum Edit {
    Publisher(Intake),
    Subscription(Outlet),
    Waker(Arc<Lost>, Waker),
}

impl Shared {
    pub(super) fn edit(&self, edit: Edit) {
        let mut edits = self.edits.lock().unwrap_or_else(PoisonError::into_inner);
        edits.push(edit);
        self.edited.store(true, Ordering::Relaxed);
        drop(edits);
        self.wake();
    }

    /// The edits so far; none when somebody else is at it just now, and they are to be asked for again.
    pub(super) fn take_edits(&self) -> Option<Vec<Edit>> {
        if !self.edited.load(Ordering::Relaxed) {
            return Some(Vec::new());
        }
        // Only tried: the task must not wait for a thread of low priority that was interrupted here.
        let mut edits = match self.edits.try_lock() {
            Ok(edits) => edits,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return None,
        };
        self.edited.store(false, Ordering::Relaxed);
        Some(std::mem::take(&mut edits))
    }

    /// Wakes the task; to be called after the work was made visible.
    pub(super) fn wake(&self) {
        // With the fence in `polled`: either we see the waker, or the first poll, which follows, sees the work.
        fence(Ordering::SeqCst);
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    /// The task is polled, and is woken by this from now on.
    pub(super) fn polled(&self, waker: &Waker) {
        if self.waker.get().is_none() {
            let _ = self.waker.set(waker.clone());
            fence(Ordering::SeqCst);
        }
    }

    pub(super) fn look_every_ns(&self) -> u64 {
        self.config.look_every_ns
    }
}

/// A bus, as everybody sees it. Clones are the same bus.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::event::types::BackpressureDetected;
/// use pcmflow_engine::event::{BusConfig, EventBus, Received};
/// use pcmflow_engine::task::{Executor, StepClock};
/// let (mut executor, spawner) = Executor::new(16)?;
/// let (bus, task) = EventBus::new(BusConfig::default());
/// spawner.spawn(Priority::Critical, Box::new(task))?;
///
/// let mut slow = bus.subscribe::<BackpressureDetected>(16)?;
/// let (voice, tracker) = (bus.names().id("voice"), bus.names().id("tracker"));
/// let mut publisher = bus.publisher(voice)?;
/// let event = BackpressureDetected { pipeline: voice, slow: tracker, queued_chunks: 58, capacity_chunks: 64 };
/// publisher.publish_and_wake(&event, 1_000);
///
/// executor.run(&StepClock::default());
/// let Some(Received::Event(told)) = slow.receive() else { panic!() };
/// assert_eq!((told.event, told.source, told.time_ns), (event, voice, 1_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EventBus {
    shared: Arc<Shared>,
}

impl EventBus {
    /// A bus, and the task that makes it work: one for an executor, of priority Critical.
    ///
    /// Not RT-safe: allocates.
    pub fn new(config: BusConfig) -> (Self, BusTask) {
        let shared = Arc::new(Shared {
            waker: OnceLock::new(),
            edits: Mutex::new(Vec::new()),
            edited: AtomicBool::new(false),
            counts: Mutex::new(Vec::new()),
            publishers: AtomicU64::new(0),
            subscriptions: AtomicU64::new(0),
            config,
            names: Names::default(),
        });
        (Self { shared: shared.clone() }, BusTask::new(shared))
    }

    /// The names that events of this bus speak of.
    ///
    /// Not RT-safe: what it returns locks.
    pub fn names(&self) -> &Names {
        &self.shared.names
    }

    /// A publisher for one thread that wakes the bus.
    ///
    /// Not RT-safe: allocates, locks.
    ///
    /// # Errors
    /// [`EventError::Publisher`] where its rings can't be made.
    pub fn publisher(&self, source: NameId) -> Result<Publisher, EventError> {
        self.make_publisher(source, false)
    }

    /// A publisher for one thread that may wake nobody: while it lives, the bus looks every [`BusConfig::look_every_ns`].
    ///
    /// Not RT-safe: allocates, locks.
    ///
    /// # Errors
    /// [`EventError::Publisher`] where its rings can't be made.
    pub fn audio_publisher(&self, source: NameId) -> Result<Publisher, EventError> {
        self.make_publisher(source, true)
    }

    fn make_publisher(&self, source: NameId, audio: bool) -> Result<Publisher, EventError> {
        let refused = |events, priority, error| EventError::Publisher { events, priority, error };
        let ring = |priority: Priority| {
            let events = self.shared.config.publisher_events[priority.index()];
            let ring = CircularBuffer::<Record>::with_capacity(events);
            ring.map(CircularBuffer::split).map_err(|error| refused(events, priority, error))
        };
        let [critical, high, normal] =
            [ring(Priority::Critical)?, ring(Priority::High)?, ring(Priority::Normal)?];
        let (losses, told) = losses().map_err(|error| refused(0, Priority::Critical, error))?;
        let rings = [critical.1, high.1, normal.1];
        self.shared.edit(Edit::Publisher(Intake { source, rings, losses: told, audio }));
        let rings = [critical.0, high.0, normal.0];
        Ok(Publisher { source, rings, losses, bus: self.shared.clone() })
    }

    /// Subscribes to one type of events, with a queue for this many, rounded up to a power of two.
    ///
    /// Not RT-safe: allocates, locks.
    ///
    /// # Errors
    /// [`EventError::Subscription`] where the queue can't be made.
    pub fn subscribe<E: Event>(&self, events: usize) -> Result<Subscription<Stamped<E>>, EventError> {
        self.make_subscription(Filter::default().event(E::TYPE), events)
    }

    /// Subscribes to whatever the filter admits, with a queue for this many events of each priority, rounded up to a power of two.
    ///
    /// Not RT-safe: allocates, locks.
    ///
    /// # Errors
    /// [`EventError::Subscription`] where the queues can't be made.
    pub fn subscribe_to(&self, filter: Filter, events: usize) -> Result<Subscription<Record>, EventError> {
        self.make_subscription(filter, events)
    }

    fn make_subscription<T: TryFrom<Record>>(
        &self,
        filter: Filter,
        events: usize,
    ) -> Result<Subscription<T>, EventError> {
        let (outlet, subscription) = subscription(filter, events, self.shared.clone())
            .map_err(|error| EventError::Subscription { events, error })?;
        self.shared.edit(Edit::Subscription(outlet));
        Ok(subscription)
    }

    /// What became of the events so far.
    ///
    /// Not RT-safe: allocates, locks.
    pub fn snapshot(&self) -> BusSnapshot {
        let counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut types: Vec<_> = counts.iter().map(|counts| counts.snapshot()).collect();
        types.sort_by(|one, other| one.name.cmp(&other.name));
        let publishers = self.shared.publishers.load(Ordering::Relaxed);
        BusSnapshot { publishers, subscriptions: self.shared.subscriptions.load(Ordering::Relaxed), types }
    }
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus")
            .field("publishers", &self.shared.publishers)
            .field("subscriptions", &self.shared.subscriptions)
            .finish_non_exhaustive()
    }
}
