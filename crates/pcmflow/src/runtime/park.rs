//! Parking and waking of the flow's threads.
//!
//! A thread that finds nothing to do raises its flag, looks once more, and only then sleeps. Whoever brings work makes it
//! visible first and looks at the flag then. Both look after a sequentially consistent fence, so at least one of them sees
//! the other: either the sleeper finds the work, or the waker finds the flag. (`Thread::unpark` before `park` is
//! remembered by the system.)

use super::clock::NAP;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::Thread;

/// What one turn of a task came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Something was done: there may be more.
    Worked,
    /// Nothing can be done until somebody wakes the task.
    Idle,
    /// The task is over.
    Done,
}

#[derive(Debug, Default)]
struct Shared {
    asleep: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

/// Where one thread sleeps.
#[derive(Debug, Default)]
pub(super) struct Parker(Arc<Shared>);

impl Parker {
    /// What wakes the thread that will [`drive`](Self::drive).
    pub(super) fn waker(&self) -> Waker {
        Waker(self.0.clone())
    }

    /// Calls `turn` on this thread until it is done, and sleeps while it is idle.
    pub(super) fn drive(&self, mut turn: impl FnMut() -> Turn) {
        let _ = self.0.thread.set(std::thread::current());
        loop {
            match turn() {
                Turn::Worked => continue,
                Turn::Done => return,
                Turn::Idle => {}
            }
            self.0.asleep.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            match turn() {
                Turn::Worked => {}
                Turn::Done => return,
                // The bound makes a thread notice a wish to stop; no wake-up hangs on it.
                Turn::Idle => std::thread::park_timeout(NAP),
            }
            self.0.asleep.store(false, Ordering::Relaxed);
        }
    }
}

/// Wakes one thread, if it sleeps. Not for an audio callback: it may make a system call.
#[derive(Debug, Clone)]
pub(super) struct Waker(Arc<Shared>);

impl Waker {
    /// To be called after the work was made visible.
    pub(super) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.0.asleep.load(Ordering::Relaxed)
            && self.0.asleep.swap(false, Ordering::Relaxed)
            && let Some(thread) = self.0.thread.get()
        {
            thread.unpark();
        }
    }
}
