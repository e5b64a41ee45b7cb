//! Bringing tasks to an executor, and ending them, from any thread.
//!
//! A task comes in through a ring of which the executor is the consumer, and is announced by its own first wake-up; the numbers of
//! places that are free again come back through another. So the executor never waits for a lock that a spawner holds.

use super::waker::Shared;
use super::{Task, Waker};
use crate::Priority;
use crate::mutant::is as mutant;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering};
use core::fmt;
use pcmflow_core::ring::{Consumer, Producer, RingError};
use std::collections::BTreeSet;
use std::sync::PoisonError;

/// Why a task could not be brought to an executor.
///
/// ```
/// use pcmflow_engine::task::{Executor, SpawnError};
/// assert!(matches!(Executor::new(5000), Err(SpawnError::TasksMax { tasks_max: 5000 })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// An executor for so many tasks can't be made: ask for fewer, or make several executors.
    #[error("an executor for {tasks_max} tasks can't be made: 1 to 4096 are possible")]
    TasksMax {
        /// What was asked for.
        tasks_max: usize,
    },
    /// The rings between executor and spawners could not be made.
    #[error("the executor's inbox: {0}")]
    Inbox(#[from] RingError),
    /// All places are taken: make another executor, or wait until a task is over.
    #[error("the executor has {tasks_max} tasks already, as many as it was made for")]
    Full {
        /// As many as it was made for.
        tasks_max: usize,
    },
    /// There is nobody to drive an executor for it.
    #[error("nobody can drive a task's executor: {reason}")]
    NoDriver {
        /// Why not.
        reason: String,
    },
    /// The executor is gone, and polls nothing any more.
    #[error("the executor is gone")]
    Gone,
}

/// A task and what belongs to it, on its way to its executor and there.
pub(super) struct Entry {
    pub(super) task: Box<dyn Task>,
    pub(super) priority: Priority,
    pub(super) waker: Waker,
    pub(super) state: Arc<AtomicU64>,
}

/// A task's state, as its handles and its executor see it.
pub(super) const LIVES: u64 = 0;
pub(super) const REMOVED: u64 = 1;
pub(super) const ENDED: u64 = 2;
pub(super) const PANICKED: u64 = 3;

/// The spawners' side of an executor's places.
pub(super) struct Inbox {
    /// Has room for a task in each place: one is given out again only when the executor has taken in, and ended, what was there.
    pub(super) arrivals: Producer<Entry>,
    pub(super) freed: Consumer<usize>,
    pub(super) free: BTreeSet<usize>,
    /// The executor is about to be dropped, and takes nothing in any more.
    pub(super) gone: bool,
}

/// Brings tasks to one executor. Clones bring to the same.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::task::{Cx, Executor, Poll, SpawnError, StepClock, Task};
/// struct Once;
/// impl Task for Once {
///     fn poll(&mut self, _: &mut Cx<'_>) -> Poll {
///         Poll::Done
///     }
/// }
/// let (mut executor, spawner) = Executor::new(1)?;
/// let handle = spawner.spawn(Priority::Normal, Box::new(Once))?;
/// assert!(matches!(spawner.spawn(Priority::Normal, Box::new(Once)), Err(SpawnError::Full { tasks_max: 1 })));
/// executor.run(&StepClock::default());
/// assert!(handle.is_done());
/// spawner.spawn(Priority::Normal, Box::new(Once))?;
/// # Ok::<(), SpawnError>(())
/// ```
#[derive(Clone)]
pub struct Spawner {
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: Arc<Mutex<Inbox>>,
    pub(super) tasks_max: usize,
}

impl Spawner {
    /// Brings a task; it is polled once at the next opportunity. Tasks may bring others from within their polls.
    ///
    /// Not RT-safe: locks, and may allocate.
    ///
    /// # Errors
    /// [`SpawnError::Full`] and [`SpawnError::Gone`]; the task is dropped.
    pub fn spawn(&self, priority: Priority, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        self.try_spawn(priority, task).map_err(|(error, _)| error)
    }

    /// As [`spawn`](Self::spawn), but hands a task back that is refused: another executor may have a place for it.
    ///
    /// Not RT-safe: locks, and may allocate.
    ///
    /// # Errors
    /// [`SpawnError::Full`] and [`SpawnError::Gone`], with the task.
    pub fn try_spawn(
        &self,
        priority: Priority,
        task: Box<dyn Task>,
    ) -> Result<TaskHandle, (SpawnError, Box<dyn Task>)> {
        let state = Arc::new(AtomicU64::new(LIVES));
        let mut locked = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let inbox = &mut *locked;
        if inbox.gone {
            return Err((SpawnError::Gone, task));
        }
        inbox.free.extend(core::iter::from_fn(|| inbox.freed.pop()));
        let Some(index) = inbox.free.pop_first() else {
            return Err((SpawnError::Full { tasks_max: self.tasks_max }, task));
        };
        let waker = Waker { shared: self.shared.clone(), index };
        if mutant("spawn-wakes-first") {
            waker.wake();
        }
        let refused =
            inbox.arrivals.push(Entry { task, priority, waker: waker.clone(), state: state.clone() });
        debug_assert!(refused.is_ok(), "there is room for as many as there are places");
        // What a task does when it is dropped, and when the executor is woken, is not ours to know: never under the lock.
        drop(locked);
        if let Err(refused) = refused {
            return Err((SpawnError::Gone, refused.into_inner().task));
        }
        if !mutant("spawn-wakes-first") {
            waker.wake();
        }
        Ok(TaskHandle { waker, state })
    }

    /// Which task is being polled now, as its [`TaskHandle::index`], and since when in nanoseconds of the driver's clock: what a
    /// supervisor looks at to see one that hangs.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn polling(&self) -> Option<(usize, u64)> {
        self.shared.polling.now()
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").field("tasks_max", &self.tasks_max).finish_non_exhaustive()
    }
}

/// A task that was brought to an executor. Dropping the handle lets the task go on.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::task::{Cx, Executor, Poll, StepClock, Task};
/// struct Idle;
/// impl Task for Idle {
///     fn poll(&mut self, _: &mut Cx<'_>) -> Poll {
///         Poll::Idle
///     }
/// }
/// let (mut executor, spawner) = Executor::new(1)?;
/// let handle = spawner.spawn(Priority::Normal, Box::new(Idle))?;
/// executor.run(&StepClock::default());
/// assert!(!handle.is_done());
/// handle.remove();
/// executor.run(&StepClock::default());
/// assert!(handle.is_done());
/// # Ok::<(), pcmflow_engine::task::SpawnError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TaskHandle {
    waker: Waker,
    state: Arc<AtomicU64>,
}

impl TaskHandle {
    /// What wakes the task.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// The task's place in its executor; another task may have it when this one is over.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn index(&self) -> usize {
        self.waker.index
    }

    /// Whether the task is over, for whatever reason, and was dropped.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_done(&self) -> bool {
        // Acquire: who sees that it is over sees what it did, and that its place is free.
        self.state.load(Ordering::Acquire) >= ENDED
    }

    /// Whether the task is over because it panicked.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn has_panicked(&self) -> bool {
        self.state.load(Ordering::Acquire) == PANICKED
    }

    /// Asks the executor to drop the task instead of polling it again; [`is_done`](Self::is_done) tells when it has. A poll that
    /// has begun is not broken off.
    ///
    /// Not RT-safe: makes a system call where the executor's driver sleeps.
    pub fn remove(&self) {
        // Relaxed: the wake-up carries it.
        if self.state.compare_exchange(LIVES, REMOVED, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.waker.wake();
        }
    }
}
