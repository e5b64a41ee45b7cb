//! How the two tasks at a link's ends wait for each other.
//!
//! A task that finds nothing to do raises its flag, looks once more, and is idle; whoever changed something looks at the
//! flag. Both look behind a sequentially consistent fence, so that at least one sees the other (as in [`task`](crate::task)).
//! Where nobody waits, that is one fence and one load a poll, not a wake-up a packet.

use crate::sync::{AtomicBool, Mutex, Ordering, fence};
use crate::task::Waker;
use std::sync::PoisonError;

/// One task that may wait, and how it is woken.
#[derive(Debug, Default)]
pub(super) struct Wait {
    waiting: AtomicBool,
    /// Written by the task when it is polled first; read only when it waits.
    waker: Mutex<Option<Waker>>,
}

impl Wait {
    /// Says who it is that waits.
    pub(super) fn register(&self, waker: &Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    /// The task is about to wait, and looks once more after this.
    pub(super) fn arm(&self) {
        self.waiting.store(true, Ordering::Release);
        // With the fence in `notify`: either we see what was changed, or whoever changed it sees the flag.
        fence(Ordering::SeqCst);
    }

    /// Wakes the task if it waits; to be called after what it waits for was made visible.
    pub(super) fn notify(&self) {
        fence(Ordering::SeqCst);
        // The load comes first: where nobody waits, no line is written. Acquire: the waker is seen.
        if self.waiting.load(Ordering::Relaxed)
            && self.waiting.swap(false, Ordering::Acquire)
            && let Some(waker) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner)
        {
            waker.wake();
        }
    }
}
