//! Waking a task, and the protocol by which its executor's driver sleeps.

use super::ready::ReadySet;
use crate::mutant::is as mutant;
use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering, fence};
use core::fmt;

/// Wakes the thread, or whatever else it is, that drives an executor.
///
/// Closures implement it.
///
/// ```
/// use pcmflow_engine::task::{Executor, Unpark};
/// /// Wakes a thread; one that is not asleep yet stays awake.
/// struct Wakes(std::thread::Thread);
/// impl Unpark for Wakes {
///     fn unpark(&self) {
///         self.0.unpark();
///     }
/// }
/// assert!(Executor::with_unpark(1, Wakes(std::thread::current())).is_ok());
/// ```
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
    pub(super) ready: ReadySet,
    /// The driver sleeps, or is about to.
    asleep: AtomicBool,
    unpark: Box<dyn Unpark>,
    pub(super) polling: Polling,
}

/// Written twice a poll, so on a line that no waker reads.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Polling {
    /// The task that is being polled, plus one; 0 when none is.
    task: AtomicU64,
    /// When that poll began.
    since_ns: AtomicU64,
}

impl Polling {
    pub(super) fn begin(&self, index: usize, now_ns: u64) {
        self.since_ns.store(now_ns, Ordering::Relaxed);
        // Release: who sees the task sees when its poll began, or when a later one did.
        self.task.store(index as u64 + 1, Ordering::Release);
    }

    pub(super) fn end(&self) {
        self.task.store(0, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Option<(usize, u64)> {
        // Acquire: pairs with the release in `begin`.
        let index = self.task.load(Ordering::Acquire).checked_sub(1)?;
        Some((index as usize, self.since_ns.load(Ordering::Relaxed)))
    }
}

impl Shared {
    pub(super) fn new(tasks_max: usize, unpark: Box<dyn Unpark>) -> Self {
        Self {
            ready: ReadySet::new(tasks_max),
            asleep: AtomicBool::new(false),
            unpark,
            polling: Polling { task: AtomicU64::new(0), since_ns: AtomicU64::new(0) },
        }
    }

    /// The driver wants to sleep; false when somebody was woken after all.
    pub(super) fn fall_asleep(&self) -> bool {
        // Acquire: a swap of a waker that came too late for the last sleep is behind us. (That nobody reads its `false` for a later
        // one than ours follows from the one order of an atomic's writes, too; but the model checker does not keep that.)
        self.asleep.swap(true, Ordering::Acquire);
        // With the fence in `wake`: either we see the bit, or whoever set it sees the flag.
        if !mutant("sleep-without-fence") {
            fence(Ordering::SeqCst);
        }
        if !self.ready.is_empty() && !mutant("sleep-without-second-look") {
            self.wake_up();
            return false;
        }
        true
    }

    pub(super) fn wake_up(&self) {
        // Relaxed: a waker that takes the flag for raised unparks once too often.
        self.asleep.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("ready", &self.ready)
            .field("asleep", &self.asleep)
            .field("polling", &self.polling)
            .finish_non_exhaustive()
    }
}

/// Wakes one task, from any thread but an audio callback's.
///
/// Waking a task that is over does nothing; but where another task has got its place, that one is polled once more than
/// it asked for. Waking a task that is to be polled anyway changes nothing.
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
/// let waker = spawner.spawn(Priority::High, Box::new(Idle))?.waker().clone();
/// executor.run(&StepClock::default());
/// std::thread::spawn(move || waker.wake()).join().unwrap();
/// executor.run(&StepClock::default());
/// assert_eq!(executor.polls(Priority::High), 2);
/// # Ok::<(), pcmflow_engine::task::SpawnError>(())
/// ```
#[derive(Clone)]
pub struct Waker {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
}

impl Waker {
    /// Makes the task ready; to be called after the work was made visible. It is polled at least once from now.
    ///
    /// Not RT-safe: makes a system call where the executor's driver sleeps.
    pub fn wake(&self) {
        self.shared.ready.add(self.index);
        // With the fence in `fall_asleep`.
        if !mutant("wake-without-fence") {
            fence(Ordering::SeqCst);
        }
        // The load comes first: where nobody sleeps, no line is written. Relaxed: the fences order it. Release: see `fall_asleep`.
        if self.shared.asleep.load(Ordering::Relaxed) && self.shared.asleep.swap(false, Ordering::Release) {
            self.shared.unpark.unpark();
        }
    }

    /// Whether it wakes the same place of the same executor as `other`.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn will_wake(&self, other: &Waker) -> bool {
        self.index == other.index && Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waker({})", self.index)
    }
}
