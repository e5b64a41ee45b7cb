//! The executor: owns tasks, and polls the ready ones by priority.

use super::pending::Pending;
use super::ready::ReadySet;
use super::spawn::{ENDED, Entry, Inbox, PANICKED, REMOVED};
use super::timers::Timers;
use super::waker::Shared;
use super::{Clock, Cx, Poll, SpawnError, Spawner, Unpark};
use crate::Priority;
use crate::catching::catching;
use crate::event::types::TaskPanicked;
use crate::event::{NameId, Publisher};
use crate::mutant::{is as mutant, weakened};
use crate::sync::{Arc, Mutex, Ordering};
use core::fmt;
use pcmflow_core::ring::{CircularBuffer, Consumer, Producer};
use std::collections::BTreeSet;
use std::sync::PoisonError;

/// What an executor has to do, as far as it knows. A driver sleeps by it:
///
/// ```
/// use pcmflow_engine::task::{Executor, Rest, StepClock};
/// let (mut executor, _spawner) = Executor::new(1)?;
/// match executor.run(&StepClock::default()) {
///     Rest::No => panic!("there is no task"),
///     // Nobody brought a task meanwhile: now is the time to sleep, until the due time or until unparked.
///     Rest::Until(_) | Rest::UntilWoken => assert!(executor.fall_asleep()),
/// }
/// executor.wake_up();
/// # Ok::<(), pcmflow_engine::task::SpawnError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// There is more to do at once.
    No,
    /// Nothing until this time, in nanoseconds of the clock, unless a task is woken.
    Until(u64),
    /// Nothing until a task is woken or brought.
    UntilWoken,
}

/// A task that panicked, when it was polled or when it was dropped: it is over, the others go on.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::task::{Cx, Executor, Poll, StepClock, Task};
/// struct Buggy;
/// impl Task for Buggy {
///     fn poll(&mut self, _: &mut Cx<'_>) -> Poll {
///         panic!("a bug")
///     }
/// }
/// let (mut executor, spawner) = Executor::new(1)?;
/// let handle = spawner.spawn(Priority::Normal, Box::new(Buggy))?;
/// executor.run(&StepClock::default());
/// let (panics, total) = executor.take_panics();
/// assert_eq!((panics[0].index, panics[0].message.as_str(), total), (handle.index(), "a bug", 1));
/// # Ok::<(), pcmflow_engine::task::SpawnError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPanic {
    /// Its [`TaskHandle::index`](super::TaskHandle::index).
    pub index: usize,
    /// What it said.
    pub message: String,
}

/// Owns tasks and polls them; see the [module](super).
///
/// Dropping it drops its tasks, and those that are on their way: their handles say that they are over.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::task::{Cx, Executor, Poll, Rest, StepClock, Task};
/// struct Twice(u32);
/// impl Task for Twice {
///     fn poll(&mut self, _: &mut Cx<'_>) -> Poll {
///         self.0 += 1;
///         if self.0 < 2 { Poll::Again } else { Poll::Done }
///     }
/// }
/// let (mut executor, spawner) = Executor::new(8)?;
/// let handle = spawner.spawn(Priority::Normal, Box::new(Twice(0)))?;
/// assert_eq!(executor.run(&StepClock::default()), Rest::UntilWoken);
/// assert!(handle.is_done() && !handle.has_panicked());
/// assert_eq!((executor.tasks(), executor.polls(Priority::Normal)), (0, 2));
/// # Ok::<(), pcmflow_engine::task::SpawnError>(())
/// ```
pub struct Executor {
    shared: Arc<Shared>,
    inbox: Arc<Mutex<Inbox>>,
    arrivals: Consumer<Entry>,
    freed: Producer<usize>,
    entries: Box<[Option<Entry>]>,
    /// Places in `entries`, by their tasks' priority.
    pending: [Pending; Priority::ALL.len()],
    timers: Timers,
    /// Polls that went past a task of this priority since one was polled.
    passed: [u32; Priority::ALL.len()],
    polls: [u64; Priority::ALL.len()],
    panics: Vec<TaskPanic>,
    panics_total: u64,
    tasks: usize,
    events: Option<Publisher>,
}

impl Executor {
    /// The most tasks one executor can own.
    pub const TASKS_MAX: usize = ReadySet::MAX;
    /// After so many polls that went past a ready task of lower priority, one of those is polled: at once, or behind one of
    /// another priority that waited as long.
    pub const STARVATION_LIMIT: u32 = 32;
    /// The budget of a poll.
    pub const BUDGET: u32 = 32;
    /// Polls of one [`run`](Self::run), so that its driver gets to look around.
    const POLLS_A_RUN: u32 = 256;
    /// Panics of tasks that are kept with their messages until they are asked for; further ones are counted.
    const PANICS_KEPT: usize = 64;

    /// Makes an executor for this many tasks whose driver looks by itself whether there is something to do.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`SpawnError::TasksMax`] for none or over 4096 tasks.
    pub fn new(tasks_max: usize) -> Result<(Self, Spawner), SpawnError> {
        Self::with_unpark(tasks_max, || {})
    }

    /// Makes an executor for this many tasks; `unpark` wakes its driver.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`SpawnError::TasksMax`] for none or over 4096 tasks.
    pub fn with_unpark(
        tasks_max: usize,
        unpark: impl Unpark + 'static,
    ) -> Result<(Self, Spawner), SpawnError> {
        if tasks_max == 0 || tasks_max > Self::TASKS_MAX {
            return Err(SpawnError::TasksMax { tasks_max });
        }
        let shared = Arc::new(Shared::new(tasks_max, Box::new(unpark)));
        let (bring, arrivals) = CircularBuffer::with_capacity(tasks_max)?.split();
        let (freed, free) = CircularBuffer::with_capacity(tasks_max)?.split();
        let places = BTreeSet::from_iter(0..tasks_max);
        let inbox = Inbox { arrivals: bring, freed: free, free: places, gone: false };
        let inbox = Arc::new(Mutex::new(inbox));
        let executor = Self {
            shared: shared.clone(),
            inbox: inbox.clone(),
            arrivals,
            freed,
            entries: (0..tasks_max).map(|_| None).collect(),
            pending: core::array::from_fn(|_| Pending::new(tasks_max)),
            timers: Timers::new(tasks_max),
            passed: [0; Priority::ALL.len()],
            polls: [0; Priority::ALL.len()],
            panics: Vec::new(),
            panics_total: 0,
            tasks: 0,
            events: None,
        };
        Ok((executor, Spawner { shared, inbox, tasks_max }))
    }

    /// From now on its tasks publish by this ([`Cx::publish`]), and it tells of those that panic
    /// ([`TaskPanicked`]).
    ///
    /// Not RT-safe: a driver's.
    pub fn publish_by(&mut self, events: Publisher) {
        self.events = Some(events);
    }

    /// Polls ready tasks until there are none, or for some hundred polls; says when there will be more to do.
    ///
    /// What it does itself takes no lock and no memory, asks the clock once a poll, and costs what is ready and not what there is.
    ///
    /// Not RT-safe: tasks may do anything.
    pub fn run(&mut self, clock: &dyn Clock) -> Rest {
        for _ in 0..Self::POLLS_A_RUN {
            self.collect();
            let now_ns = clock.now_ns();
            self.ring(now_ns);
            let Some(index) = self.choose() else {
                return self.timers.first().map_or(Rest::UntilWoken, |(due_ns, _)| Rest::Until(due_ns));
            };
            self.poll(index, clock, now_ns);
        }
        Rest::No
    }

    /// To be called by a driver that wants to sleep, after [`run`](Self::run) found nothing to do: false when there is
    /// something after all. Until [`wake_up`](Self::wake_up) is called, whoever wakes a task unparks the driver, once.
    ///
    /// Not RT-safe: a driver's.
    #[must_use]
    pub fn fall_asleep(&self) -> bool {
        self.pending.iter().all(Pending::is_empty) && self.shared.fall_asleep()
    }

    /// Whether a task was woken that was not polled since: what a driver looks at that waits a moment before it sleeps.
    ///
    /// Not RT-safe: a driver's.
    #[must_use]
    pub fn is_called(&self) -> bool {
        !self.shared.ready.is_empty()
    }

    /// To be called when the driver has slept.
    ///
    /// Not RT-safe: a driver's.
    pub fn wake_up(&self) {
        self.shared.wake_up();
    }

    /// How many tasks it owns.
    ///
    /// Not RT-safe: a driver's.
    pub fn tasks(&self) -> usize {
        self.tasks
    }

    /// Polls so far, by priority.
    ///
    /// Not RT-safe: a driver's.
    pub fn polls(&self, priority: Priority) -> u64 {
        self.polls[priority.index()]
    }

    /// Tasks that panicked since this was asked last, and how many ever did.
    ///
    /// Not RT-safe: hands out memory.
    pub fn take_panics(&mut self) -> (Vec<TaskPanic>, u64) {
        (std::mem::take(&mut self.panics), self.panics_total)
    }

    /// Lists the tasks that were woken, and takes in those that come.
    fn collect(&mut self) {
        let Self { shared, entries, arrivals, pending, tasks, .. } = self;
        shared.ready.drain(|index| {
            if entries[index].is_none() {
                // It comes in by its first wake-up, perhaps behind others whose turn has not come; or it is over.
                while let Some(entry) = arrivals.pop() {
                    let place = &mut entries[entry.waker.index];
                    debug_assert!(place.is_none(), "a place is given out once");
                    *place = Some(entry);
                    *tasks += 1;
                }
            }
            if let Some(entry) = &entries[index] {
                pending[entry.priority.index()].add(index);
            }
        });
    }

    /// Lists the tasks whose time has come.
    fn ring(&mut self, now_ns: u64) {
        while let Some((due_ns, index)) = self.timers.first()
            && due_ns <= now_ns
        {
            self.timers.set(index, u64::MAX);
            if let Some(entry) = &self.entries[index] {
                self.pending[entry.priority.index()].add(index);
            }
        }
    }

    /// The next task to poll: of the most urgent priority, or of one that was passed too often.
    fn choose(&mut self) -> Option<usize> {
        let waits = |priority: &usize| !self.pending[*priority].is_empty();
        let waiting = || (0..Priority::ALL.len()).filter(waits);
        let starved = waiting().find(|&priority| self.passed[priority] >= Self::STARVATION_LIMIT);
        let chosen = starved.or_else(|| waiting().next())?;
        let index = self.pending[chosen].take();
        self.passed[chosen] = 0;
        for lower in chosen + 1..Priority::ALL.len() {
            if !self.pending[lower].is_empty() {
                self.passed[lower] += 1;
            }
        }
        index
    }

    fn poll(&mut self, index: usize, clock: &dyn Clock, now_ns: u64) {
        let Some(Entry { task, priority, waker, state }) = &mut self.entries[index] else { return };
        // Relaxed: the wake-up carried it.
        if state.load(Ordering::Relaxed) == REMOVED {
            return self.end(index, ENDED, now_ns);
        }
        self.polls[priority.index()] += 1;
        self.shared.polling.begin(index, now_ns);
        let mut cx = Cx::new(clock, waker, Self::BUDGET).publishing(self.events.as_mut());
        cx.began_ns = Some(now_ns);
        let polled = catching(|| task.poll(&mut cx));
        self.shared.polling.end();
        if mutant("poll-clears-afterwards") {
            self.shared.ready.drain(|_| ());
        }
        let due_ns = match polled {
            Ok(Poll::Again) => {
                self.pending[priority.index()].add(index);
                u64::MAX
            }
            Ok(Poll::Idle) => u64::MAX,
            Ok(Poll::IdleUntil(due_ns)) => due_ns,
            Ok(Poll::Done) => return self.end(index, ENDED, now_ns),
            Err(message) => {
                self.note(index, message, now_ns);
                return self.end(index, PANICKED, now_ns);
            }
        };
        self.timers.set(index, due_ns);
    }

    /// Drops a task and frees its place.
    fn end(&mut self, index: usize, how: u64, now_ns: u64) {
        let Some(Entry { task, state, .. }) = self.entries[index].take() else { return };
        self.timers.set(index, u64::MAX);
        self.tasks -= 1;
        // A task that panics when it is dropped must not take the others along.
        let dropped = catching(|| drop(task));
        let how = if dropped.is_err() { PANICKED } else { how };
        if let Err(message) = dropped {
            self.note(index, message, now_ns);
        }
        let freed = self.freed.push(index);
        debug_assert!(freed.is_ok(), "there is room for as many as there are places");
        // Release: whoever sees that the task is over sees what it did, and its place free.
        state.store(how, weakened("end-relaxed", Ordering::Release));
    }

    fn note(&mut self, index: usize, message: String, now_ns: u64) {
        self.panics_total += 1;
        if let Some(events) = &mut self.events {
            let panics = self.panics_total;
            events.publish_and_wake(&TaskPanicked { task: NameId::NONE, panics }, now_ns);
        }
        if self.panics.len() < Self::PANICS_KEPT {
            self.panics.push(TaskPanic { index, message });
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // From now on nothing comes in; what did come is found below.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).gone = true;
        while let Some(entry) = self.arrivals.pop() {
            let index = entry.waker.index;
            self.entries[index] = Some(entry);
            self.tasks += 1;
        }
        for index in 0..self.entries.len() {
            self.end(index, ENDED, 0);
        }
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("tasks", &self.tasks)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}
