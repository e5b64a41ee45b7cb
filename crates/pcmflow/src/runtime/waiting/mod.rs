//! Readers that wait for a ring, off the audio thread.
//!
//! A ring wakes nobody: its producer may be an audio callback, which must not make a system call. So waiting is the
//! reader's affair, and there are two ways to it:
//!
//! - **Looking again** after a bounded time, for producers on an audio thread. [`BlockingReader`] does that by itself;
//!   `AsyncReader::ready_polled` (feature `async`) does it with any executor's sleep.
//! - **A bell**, for producers that may make system calls: they push and then [`ring`](Bell::ring) it. A thread that is not an
//!   audio thread may ring it on behalf of many callbacks, too, every few hundred microseconds.
//!
//! A dropped producer rings no bell either: ring it after the drop, or let the reader look by itself.

#[cfg(feature = "async")]
mod asynchronous;
mod blocking;

#[cfg(feature = "async")]
pub use asynchronous::AsyncReader;
pub use blocking::BlockingReader;

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// What waiting for a ring came to.
#[must_use = "the items may not be there: the producer may be gone, or time up"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// As many items as were asked for are there.
    Ready,
    /// The producer was dropped; this many items are left, fewer than were asked for, and no more will come.
    Closed(usize),
    /// Time is up; this many items are there.
    TimedOut(usize),
}

/// Wakes the reader of a ring. Clone it to whoever may have something to tell.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Mutex<Option<Waker>>>);

impl Bell {
    /// To be called after items were pushed, or the producer was dropped.
    ///
    /// Not RT-safe: locks, and may make a system call.
    pub fn ring(&self) {
        // Taken under the lock, woken outside: a waker may run code of an executor.
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Wakes `waker` with the next [`ring`](Self::ring). Look at the ring *after* this: whoever pushed before and rang found
    /// nobody, and his lock, being before ours, shows us the items.
    fn wait_for(&self, waker: &Waker) {
        // Cloned before the lock and dropped after it, as both may run code of an executor, which may ring.
        let waker = waker.clone();
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(waker);
        drop(before);
    }
}

/// How it stands with `items`, more than the ring holds being taken for that; none as long as waiting may help.
fn look<T: Send>(consumer: &mut crate::core::ring::Consumer<T>, items: usize) -> Option<Waited> {
    let items = items.min(consumer.capacity());
    // "Closed" before items: nothing comes after the end.
    let closed = consumer.is_closed();
    match consumer.available() {
        there if there >= items => Some(Waited::Ready),
        there if closed => Some(Waited::Closed(there)),
        _ => None,
    }
}

#[cfg(test)]
#[cfg(feature = "async")]
mod tests;
