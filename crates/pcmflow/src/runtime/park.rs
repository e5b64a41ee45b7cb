//! Parking and waking of an input's thread.
//!
//! A thread that finds nothing to do raises its flag, looks once more, and only then sleeps. Whoever brings work makes it
//! visible first and looks at the flag then. Both look after a sequentially consistent fence, so at least one of them sees
//! the other: either the sleeper finds the work, or the waker finds the flag. (`Thread::unpark` before `park` is
//! remembered by the system.)

use super::clock::NAP;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;

#[derive(Debug, Default)]
struct Shared {
    asleep: AtomicBool,
    /// Who parks now. Locked when that begins, and to wake it.
    thread: Mutex<Option<Thread>>,
}

/// Where one thread sleeps.
#[derive(Debug, Default)]
pub(super) struct Parker(Arc<Shared>);

impl Parker {
    /// What wakes the thread that [waits](Self::wait).
    pub(super) fn waker(&self) -> Waker {
        Waker(self.0.clone())
    }

    /// Sleeps until `is_so`, which is looked at again whenever somebody wakes this thread.
    pub(super) fn wait(&self, mut is_so: impl FnMut() -> bool) {
        if is_so() {
            return;
        }
        *self.0.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current());
        loop {
            self.0.asleep.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if is_so() {
                break;
            }
            // The bound makes a thread notice that nobody is left to wake it.
            std::thread::park_timeout(NAP);
        }
        self.0.asleep.store(false, Ordering::Relaxed);
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
            && let Some(thread) = &*self.0.thread.lock().unwrap_or_else(PoisonError::into_inner)
        {
            thread.unpark();
        }
    }
}
