//! Bringing tasks to an executor, from any thread.

use super::waker::Shared;
use super::{Task, Waker};
use crate::Priority;
use crate::sync::{Arc, AtomicU64, Ordering};
use core::fmt;
use pcmflow_core::ring::{Producer, PushError, RingError};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Why a task could not be brought to an executor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// An executor for so many tasks can't be made.
    #[error("an executor for {tasks_max} tasks can't be made: 1 to 4096 are possible")]
    TasksMax {
        /// What was asked for.
        tasks_max: usize,
    },
    /// Its inbox could not be made.
    #[error("the executor's inbox: {0}")]
    Inbox(#[from] RingError),
    /// All places are taken: make another executor, or wait until a task is over.
    #[error("the executor has {tasks_max} tasks already, as many as it was made for")]
    Full {
        /// As many as it was made for.
        tasks_max: usize,
    },
    /// The executor is gone, and polls nothing any more.
    #[error("the executor is gone")]
    Gone,
}

/// A task on its way to its executor, or the wish to end one.
pub(super) enum Edit {
    Add { index: usize, priority: Priority, task: Box<dyn Task>, done: Arc<AtomicU64> },
    Remove { index: usize, done: Arc<AtomicU64> },
}

/// The control side of an executor's places: who is free, and the way in.
pub(super) struct Inbox {
    pub(super) edits: Producer<Edit>,
    pub(super) free: BTreeSet<usize>,
}

/// A task's state as its handle sees it.
pub(super) const LIVES: u64 = 0;
pub(super) const ENDED: u64 = 1;
pub(super) const PANICKED: u64 = 2;

/// Brings tasks to one executor. Clones bring to the same.
#[derive(Clone)]
pub struct Spawner {
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: std::sync::Arc<Mutex<Inbox>>,
    pub(super) tasks_max: usize,
}

impl Spawner {
    /// Brings a task; it is polled once at the next opportunity. In the order of these calls, tasks are added and removed.
    ///
    /// Not RT-safe: locks, and may allocate.
    ///
    /// # Errors
    /// [`SpawnError::Full`] and [`SpawnError::Gone`]; the task is dropped.
    pub fn spawn(&self, priority: Priority, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let index = inbox.free.first().copied().ok_or(SpawnError::Full { tasks_max: self.tasks_max })?;
        let done = Arc::new(AtomicU64::new(LIVES));
        match inbox.edits.push(Edit::Add { index, priority, task, done: done.clone() }) {
            Ok(()) => {}
            Err(PushError::Full(_)) => return Err(SpawnError::Full { tasks_max: self.tasks_max }),
            Err(PushError::Closed(_)) => return Err(SpawnError::Gone),
        }
        inbox.free.remove(&index);
        drop(inbox);
        self.announce();
        let waker = Waker { shared: self.shared.clone(), priority, index };
        Ok(TaskHandle { waker, done, spawner: self.clone() })
    }

    fn announce(&self) {
        self.shared.inbox_ready.store(true, Ordering::Release);
        self.shared.rouse();
    }

    /// Which task is being polled now, as its [`TaskHandle::index`], and since when in nanoseconds of the driver's clock: what a
    /// supervisor looks at to see one that hangs.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn polling(&self) -> Option<(usize, u64)> {
        let index = self.shared.polling.load(Ordering::Acquire).checked_sub(1)?;
        Some((index as usize, self.shared.polling_since_ns.load(Ordering::Relaxed)))
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").field("tasks_max", &self.tasks_max).finish_non_exhaustive()
    }
}

/// A task that was brought to an executor. Dropping the handle lets the task go on.
#[derive(Debug, Clone)]
pub struct TaskHandle {
    waker: Waker,
    done: Arc<AtomicU64>,
    spawner: Spawner,
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
        self.done.load(Ordering::Acquire) != LIVES
    }

    /// Whether the task is over because it panicked.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn has_panicked(&self) -> bool {
        self.done.load(Ordering::Acquire) == PANICKED
    }

    /// Asks the executor to drop the task without another poll; [`is_done`](Self::is_done) tells when it has.
    ///
    /// Not RT-safe: locks.
    pub fn remove(&self) {
        let mut inbox = self.spawner.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let index = self.waker.index;
        // The inbox has a place for each task's end beside one for its start; where the executor is gone, so is the task.
        let _ = inbox.edits.push(Edit::Remove { index, done: self.done.clone() });
        drop(inbox);
        self.spawner.announce();
    }
}
