//! How the two tasks at a link's ends wait for each other.
//!
//! A task that finds nothing to do raises its flag, looks once more, and is idle; whoever changed something looks at the
//! flag. Both look behind a sequentially consistent fence, so that at least one sees the other (as in [`task`](crate::task)).
//! Where nobody waits, that is one fence and one load a poll, not a wake-up a packet.

#![cfg_attr(not(pcmflow_loom), allow(unreachable_pub, reason = "public to the model checker only"))]

use crate::mutant::is as mutant;
use crate::sync::{AtomicBool, Mutex, Ordering, fence};
use crate::task::Waker;
use std::sync::PoisonError;

/// One task that may wait, and how it is woken.
#[derive(Debug, Default)]
pub struct Wait {
    waiting: AtomicBool,
    /// Written by the task when it is polled first; read only when it waits.
    waker: Mutex<Option<Waker>>,
}

impl Wait {
    /// Says who it is that waits.
    ///
    /// Not RT-safe: locks.
    pub fn register(&self, waker: &Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    /// The task is about to wait, and looks once more after this.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn arm(&self) {
        self.waiting.store(true, Ordering::Release);
        // With the fence in `notify`: either we see what was changed, or whoever changed it sees the flag.
        if !mutant("wait-arm-without-fence") {
            fence(Ordering::SeqCst);
        }
    }

    /// Wakes the task if it waits; to be called after what it waits for was made visible.
    ///
    /// Not RT-safe: locks.
    pub fn notify(&self) {
        if !mutant("wait-notify-without-fence") {
            fence(Ordering::SeqCst);
        }
        // The load comes first: where nobody waits, no line is written. Acquire: the waker is seen.
        if self.waiting.load(Ordering::Relaxed)
            && self.waiting.swap(false, Ordering::Acquire)
            && let Some(waker) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner)
        {
            waker.wake();
        }
    }
}
