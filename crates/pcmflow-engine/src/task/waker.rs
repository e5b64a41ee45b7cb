//! Waking a task, and the protocol by which its executor's driver sleeps.

use super::ready::ReadySet;
use crate::Priority;
use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering, fence};
use core::fmt;

/// Wakes the thread, or whatever else it is, that drives an executor.
///
/// Closures implement it.
pub trait Unpark: Send + Sync {
    /// Makes the driver look again, also if it is only about to sleep.
    ///
    /// Not RT-safe: makes a system call.
    fn unpark(&self);
}

impl<F: Fn() + Send + Sync> Unpark for F {
    fn unpark(&self) {
        self();
    }
}

/// What an executor shares with everybody who wakes its tasks.
pub(super) struct Shared {
    pub(super) ready: [ReadySet; Priority::ALL.len()],
    /// New tasks wait in the inbox.
    pub(super) inbox_ready: AtomicBool,
    /// The driver sleeps, or is about to.
    asleep: AtomicBool,
    unpark: Box<dyn Unpark>,
    /// The task that is being polled, plus one; 0 when none is.
    pub(super) polling: AtomicU64,
    /// When that poll began.
    pub(super) polling_since_ns: AtomicU64,
}

impl Shared {
    pub(super) fn new(tasks_max: usize, unpark: Box<dyn Unpark>) -> Self {
        Self {
            ready: core::array::from_fn(|_| ReadySet::new(tasks_max)),
            inbox_ready: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            unpark,
            polling: AtomicU64::new(0),
            polling_since_ns: AtomicU64::new(0),
        }
    }

    fn has_work(&self) -> bool {
        self.inbox_ready.load(Ordering::Acquire) || self.ready.iter().any(|ready| !ready.is_empty())
    }

    /// The driver wants to sleep; false when there is something to do after all.
    pub(super) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        // With the fence in `rouse`: either we see the work, or whoever brought it sees the flag.
        fence(Ordering::SeqCst);
        if self.has_work() {
            self.asleep.store(false, Ordering::Relaxed);
            return false;
        }
        true
    }

    pub(super) fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Wakes the driver if it sleeps; to be called after the work was made visible.
    pub(super) fn rouse(&self) {
        fence(Ordering::SeqCst);
        // The load comes first: where nobody sleeps, no line is written.
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.unpark.unpark();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("ready", &self.ready)
            .field("asleep", &self.asleep)
            .finish_non_exhaustive()
    }
}

/// Wakes one task, from any thread but an audio callback's.
///
/// Waking a task that is over, or ready already, does nothing.
#[derive(Clone)]
pub struct Waker {
    pub(super) shared: Arc<Shared>,
    pub(super) priority: Priority,
    pub(super) index: usize,
}

impl Waker {
    /// Makes the task ready; to be called after the work was made visible. It is polled at least once from now.
    ///
    /// Not RT-safe: makes a system call where the executor's driver sleeps.
    pub fn wake(&self) {
        self.shared.ready[self.priority.index()].add(self.index);
        self.shared.rouse();
    }

    /// Whether it wakes the same task as `other`.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn will_wake(&self, other: &Waker) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
            && self.index == other.index
            && self.priority == other.priority
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waker({} {})", self.priority, self.index)
    }
}
