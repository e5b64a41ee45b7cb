//! What a task is handed when it is polled: time, a budget, and its own waker.

use super::Waker;
use crate::event::{Event, NameId, Publisher};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

/// Time, as whoever drives the engine has it.
///
/// ```
/// use pcmflow_engine::task::Clock;
/// /// Stands at the end of the first second.
/// #[derive(Debug)]
/// struct Second;
/// impl Clock for Second {
///     fn now_ns(&self) -> u64 {
///         1_000_000_000
///     }
/// }
/// let clock: &dyn Clock = &Second;
/// assert_eq!(clock.now_ns(), 1_000_000_000);
/// ```
pub trait Clock: Send + Sync + fmt::Debug {
    /// Nanoseconds since some start; never goes back.
    ///
    /// Not RT-safe: may make a system call.
    fn now_ns(&self) -> u64;
}

/// A clock that stands until it is set: for tests, and for whatever must come out the same each time.
///
/// ```
/// use pcmflow_engine::task::{Clock, StepClock};
/// let clock = StepClock::default();
/// clock.set(5);
/// clock.set(3); // never goes back
/// assert_eq!(clock.now_ns(), 5);
/// ```
#[derive(Debug, Default)]
pub struct StepClock(AtomicU64);

impl StepClock {
    /// Moves the time on; an earlier one changes nothing.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn set(&self, now_ns: u64) {
        self.0.fetch_max(now_ns, Ordering::Relaxed);
    }

    /// Moves the time on by so much.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn advance(&self, ns: u64) {
        self.0.fetch_add(ns, Ordering::Relaxed);
    }
}

impl Clock for StepClock {
    fn now_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The circumstances of one poll.
///
/// ```
/// use pcmflow_engine::task::{Cx, Poll};
/// /// A poll that hands on what there is, within its budget.
/// fn poll(waiting: &mut Vec<u32>, cx: &mut Cx<'_>) -> Poll {
///     while !waiting.is_empty() {
///         if !cx.spend() {
///             return Poll::Again;
///         }
///         waiting.pop();
///     }
///     Poll::Idle
/// }
/// # use pcmflow_engine::task::{Executor, StepClock, Task};
/// # struct Nothing;
/// # impl Task for Nothing {
/// #     fn poll(&mut self, _: &mut Cx<'_>) -> Poll { Poll::Done }
/// # }
/// # let (executor, spawner) = Executor::new(1)?;
/// # let handle = spawner.spawn(pcmflow_engine::Priority::Normal, Box::new(Nothing))?;
/// # let waker = handle.waker();
/// let (clock, mut waiting) = (StepClock::default(), vec![1, 2, 3]);
/// assert_eq!(poll(&mut waiting, &mut Cx::new(&clock, waker, 2)), Poll::Again);
/// assert_eq!(poll(&mut waiting, &mut Cx::new(&clock, waker, 2)), Poll::Idle);
/// # Ok::<(), pcmflow_engine::task::SpawnError>(())
/// ```
#[derive(Debug)]
pub struct Cx<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) waker: &'a Waker,
    pub(crate) events: Option<&'a mut Publisher>,
    /// When the poll began, where whoever polls has asked the clock for it.
    pub(crate) began_ns: Option<u64>,
    budget: u32,
}

impl<'a> Cx<'a> {
    /// A context for a poll by hand.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn new(clock: &'a dyn Clock, waker: &'a Waker, budget: u32) -> Self {
        Self { clock, waker, events: None, began_ns: None, budget }
    }

    /// With what publishes.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn publishing(self, events: Option<&'a mut Publisher>) -> Self {
        Self { events, ..self }
    }

    /// When the poll began: the clock is asked only where whoever polls has not.
    pub(crate) fn began_ns(&self) -> u64 {
        self.began_ns.unwrap_or_else(|| self.clock.now_ns())
    }

    /// The time now, in nanoseconds of the driver's clock: a poll sees time pass within itself.
    ///
    /// Not RT-safe: may make a system call.
    pub fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// How many pieces of work (chunks, events) are still to be done in this poll at the most.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn budget(&self) -> u32 {
        self.budget
    }

    /// Takes one piece of work from the budget; false when it is used up, and the poll should return
    /// [`Poll::Again`](super::Poll::Again).
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn spend(&mut self) -> bool {
        let left = self.budget > 0;
        self.budget = self.budget.saturating_sub(1);
        left
    }

    /// Publishes an event in the name of `source` ([`Publisher::publish_as`]), and wakes the bus. False where it was lost, which
    /// the bus counts, or where this executor [publishes nothing](super::Executor::publish_by).
    ///
    /// Not RT-safe: makes a system call where the bus's driver sleeps.
    pub fn publish<E: Event>(&mut self, source: NameId, event: &E) -> bool {
        let now_ns = self.clock.now_ns();
        let Some(events) = &mut self.events else { return false };
        let taken = events.publish_as(source, event, now_ns);
        events.wake();
        taken
    }

    /// What wakes this task: to be given to whoever brings it work.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn waker(&self) -> &Waker {
        self.waker
    }
}
