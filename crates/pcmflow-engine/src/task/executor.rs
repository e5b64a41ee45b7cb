//! The executor: owns tasks, and polls the ready ones by priority.

use super::spawn::{ENDED, Edit, Inbox, LIVES, PANICKED};
use super::waker::Shared;
use super::{Clock, Cx, Poll, SpawnError, Spawner, Task, Unpark, Waker};
use crate::Priority;
use crate::sync::{Arc, AtomicU64, Ordering};
use core::cmp::Reverse;
use core::fmt;
use pcmflow_core::ring::{CircularBuffer, Consumer};
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// What an executor has to do, as far as it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// There is more to do at once.
    No,
    /// Nothing until this time, in nanoseconds of the clock, unless a task is woken.
    Until(u64),
    /// Nothing until a task is woken or brought.
    UntilWoken,
}

/// A task that panicked: it was dropped, the others go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPanic {
    /// Its [`TaskHandle::index`](super::TaskHandle::index).
    pub index: usize,
    /// What it said.
    pub message: String,
}

struct Entry {
    task: Box<dyn Task>,
    waker: Waker,
    done: Arc<AtomicU64>,
    /// When it wants to be polled, unless it is woken before; `u64::MAX` for never.
    due_ns: u64,
}

/// Owns tasks and polls them; see the [module](super).
pub struct Executor {
    shared: Arc<Shared>,
    entries: Box<[Option<Entry>]>,
    edits: Consumer<Edit>,
    inbox: std::sync::Arc<Mutex<Inbox>>,
    /// When tasks are due, the next one first; entries that are stale differ from the task's own `due_ns`.
    timers: BinaryHeap<Reverse<(u64, usize)>>,
    /// Where the search of each priority goes on.
    next: [usize; Priority::ALL.len()],
    /// Polls that went past a lower priority's ready task.
    passed: [u32; Priority::ALL.len()],
    polls: [u64; Priority::ALL.len()],
    panics: Vec<TaskPanic>,
    panics_total: u64,
    tasks: usize,
}

impl Executor {
    /// The most tasks one executor can own.
    pub const TASKS_MAX: usize = super::ready::ReadySet::MAX;
    /// After so many polls that went past a ready task of lower priority, one of those is polled.
    pub const STARVATION_LIMIT: u32 = 32;
    /// The budget of a poll.
    pub const BUDGET: u32 = 16;
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
        // Each place is filled once and emptied once between two looks at the most, and may be asked to be emptied twice.
        let (producer, edits) = CircularBuffer::with_capacity(4 * tasks_max)?.split();
        let inbox =
            std::sync::Arc::new(Mutex::new(Inbox { edits: producer, free: (0..tasks_max).collect() }));
        let executor = Self {
            shared: shared.clone(),
            entries: (0..tasks_max).map(|_| None).collect(),
            edits,
            inbox: inbox.clone(),
            timers: BinaryHeap::new(),
            next: [0; Priority::ALL.len()],
            passed: [0; Priority::ALL.len()],
            polls: [0; Priority::ALL.len()],
            panics: Vec::new(),
            panics_total: 0,
            tasks: 0,
        };
        Ok((executor, Spawner { shared, inbox, tasks_max }))
    }

    /// Polls ready tasks until there are none, or for some hundred polls; says when there will be more to do.
    ///
    /// Not RT-safe: tasks may do anything.
    pub fn run(&mut self, clock: &dyn Clock) -> Rest {
        for _ in 0..Self::POLLS_A_RUN {
            self.take_in();
            let now_ns = clock.now_ns();
            self.ring_timers(now_ns);
            let Some((priority, index)) = self.choose() else {
                // Timers may stand for tasks that were woken before; the first that does not is the next due.
                while let Some(&Reverse((due_ns, index))) = self.timers.peek() {
                    if self.entries[index].as_ref().is_some_and(|entry| entry.due_ns == due_ns) {
                        return Rest::Until(due_ns);
                    }
                    self.timers.pop();
                }
                return Rest::UntilWoken;
            };
            self.poll(priority, index, clock, now_ns);
        }
        Rest::No
    }

    /// To be called by a driver that wants to sleep, after [`run`](Self::run) found nothing to do: false when there is
    /// something after all. Until [`wake_up`](Self::wake_up) is called, whoever wakes a task unparks the driver, once.
    ///
    /// Not RT-safe: a driver's.
    #[must_use]
    pub fn fall_asleep(&self) -> bool {
        self.shared.fall_asleep()
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
    /// Not RT-safe: allocates.
    pub fn take_panics(&mut self) -> (Vec<TaskPanic>, u64) {
        (std::mem::take(&mut self.panics), self.panics_total)
    }

    /// Adds and removes what waits in the inbox.
    fn take_in(&mut self) {
        // Cleared before the look: what comes behind it sets the flag again. The load comes first, as it is mostly false.
        if !self.shared.inbox_ready.load(Ordering::Relaxed)
            || !self.shared.inbox_ready.swap(false, Ordering::Acquire)
        {
            return;
        }
        while let Some(edit) = self.edits.pop() {
            match edit {
                Edit::Add { index, priority, task, done } => {
                    let waker = Waker { shared: self.shared.clone(), priority, index };
                    self.entries[index] = Some(Entry { task, waker, done, due_ns: u64::MAX });
                    self.tasks += 1;
                    self.shared.ready[priority.index()].add(index);
                }
                Edit::Remove { index, done } => {
                    let same =
                        self.entries[index].as_ref().is_some_and(|entry| Arc::ptr_eq(&entry.done, &done));
                    if same {
                        self.end(index, ENDED);
                    }
                }
            }
        }
    }

    /// Makes the tasks ready whose time has come.
    fn ring_timers(&mut self, now_ns: u64) {
        while let Some(&Reverse((due_ns, index))) = self.timers.peek()
            && due_ns <= now_ns
        {
            self.timers.pop();
            if let Some(entry) = &mut self.entries[index]
                && entry.due_ns == due_ns
            {
                entry.due_ns = u64::MAX;
                self.shared.ready[entry.waker.priority.index()].add(index);
            }
        }
    }

    /// The next task to poll.
    fn choose(&mut self) -> Option<(usize, usize)> {
        // The lowest that was passed too often, if it still wants; else the most urgent.
        let starved =
            (0..Priority::ALL.len()).rev().find(|&priority| self.passed[priority] >= Self::STARVATION_LIMIT);
        for priority in starved.into_iter().chain(0..Priority::ALL.len()) {
            if let Some(index) = self.shared.ready[priority].take(self.next[priority]) {
                self.next[priority] = (index + 1) % self.entries.len();
                self.passed[priority] = 0;
                for lower in priority + 1..Priority::ALL.len() {
                    if !self.shared.ready[lower].is_empty() {
                        self.passed[lower] += 1;
                    }
                }
                return Some((priority, index));
            }
            self.passed[priority] = 0;
        }
        None
    }

    fn poll(&mut self, priority: usize, index: usize, clock: &dyn Clock, now_ns: u64) {
        // Woken after it was over, or another task of another priority has its place: nothing is lost by another poll of that.
        let Some(entry) = &mut self.entries[index] else { return };
        entry.due_ns = u64::MAX;
        self.polls[priority] += 1;
        self.shared.polling_since_ns.store(now_ns, Ordering::Relaxed);
        self.shared.polling.store(index as u64 + 1, Ordering::Release);
        let Entry { task, waker, .. } = entry;
        let mut cx = Cx::new(clock, waker, Self::BUDGET);
        let polled = catch_unwind(AssertUnwindSafe(|| task.poll(&mut cx)));
        self.shared.polling.store(0, Ordering::Release);
        match polled {
            Ok(Poll::Again) => self.shared.ready[entry.waker.priority.index()].add(index),
            Ok(Poll::Idle) => {}
            Ok(Poll::IdleUntil(due_ns)) => {
                entry.due_ns = due_ns;
                self.timers.push(Reverse((due_ns, index)));
            }
            Ok(Poll::Done) => self.end(index, ENDED),
            Err(panic) => {
                self.panics_total += 1;
                if self.panics.len() < Self::PANICS_KEPT {
                    let message = panic.downcast_ref::<String>().cloned();
                    let message = message
                        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                        .unwrap_or_else(|| "a panic without a message".to_owned());
                    self.panics.push(TaskPanic { index, message });
                }
                self.end(index, PANICKED);
            }
        }
    }

    /// Drops a task and frees its place.
    fn end(&mut self, index: usize, how: u64) {
        let Some(Entry { task, done, .. }) = self.entries[index].take() else { return };
        // A task that panics again when it is dropped must not take the others along.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(task)));
        let how = if dropped.is_err() { PANICKED } else { how };
        self.tasks -= 1;
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).free.insert(index);
        // Release: whoever sees that the task is over sees what it did.
        let _ = done.compare_exchange(LIVES, how, Ordering::Release, Ordering::Relaxed);
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // What never came in, and what still lives: their handles are told.
        self.shared.inbox_ready.store(true, Ordering::Relaxed);
        self.take_in();
        for index in 0..self.entries.len() {
            self.end(index, ENDED);
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
