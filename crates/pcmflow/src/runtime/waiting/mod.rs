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
//! A dropped producer rings no bell either. A reader that looks by itself finds out; one that does not (`AsyncReader::ready`)
//! would wait for ever. So hand the producer to the bell, [`Bell::on`]: however that [`BellProducer`] goes, the bell rings.

#[cfg(feature = "async")]
mod asynchronous;
mod blocking;

#[cfg(feature = "async")]
pub use asynchronous::AsyncReader;
pub use blocking::BlockingReader;

use crate::core::ring::Producer;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// What waiting for a ring came to.
///
/// ```
/// use pcmflow::core::ring::CircularBuffer;
/// use pcmflow::runtime::{BlockingReader, Waited};
/// use std::time::Duration;
/// let (mut producer, consumer) = CircularBuffer::with_capacity(4)?.split();
/// let mut reader = BlockingReader::new(consumer, Duration::from_millis(1));
/// assert_eq!(producer.push_slice(&[1, 2]), 2);
/// assert_eq!(reader.wait(2, Duration::ZERO), Waited::Ready);
/// assert_eq!(reader.wait(3, Duration::ZERO), Waited::TimedOut(2));
/// drop(producer);
/// assert_eq!(reader.wait(3, Duration::ZERO), Waited::Closed(2));
/// assert_eq!(reader.wait(0, Duration::ZERO), Waited::Ready); // nothing is always there
/// # Ok::<(), pcmflow::core::ring::RingError>(())
/// ```
#[must_use = "the items may not be there: the producer may be gone, or time up"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// As many items as were asked for are there; or the ring is full, where more were asked for than it holds. Always so
    /// for 0 items, also when the producer is gone.
    Ready,
    /// The producer was dropped; this many items are left, fewer than were asked for, and no more will come.
    Closed(usize),
    /// Time is up; this many items are there.
    TimedOut(usize),
}

/// Wakes the reader of a ring. Clone it to whoever may have something to tell.
///
/// ```
/// use pcmflow::core::ring::CircularBuffer;
/// use pcmflow::runtime::{BlockingReader, Waited};
/// use std::time::Duration;
/// let (producer, consumer) = CircularBuffer::with_capacity(4)?.split();
/// // By itself it would look again in an hour.
/// let mut reader = BlockingReader::new(consumer, Duration::from_secs(3600));
/// let mut producer = reader.bell().on(producer);
/// let writer = std::thread::spawn(move || {
///     assert_eq!(producer.push_slice(&[1, 2, 3]), 3);
///     producer.ring();
/// }); // The producer is dropped here, and rings once more.
/// assert_eq!(reader.wait(4, Duration::from_secs(3600)), Waited::Closed(3));
/// # writer.join().unwrap();
/// # Ok::<(), pcmflow::core::ring::RingError>(())
/// ```
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

    /// Hangs the bell on the producer of the reader's ring: it rings when that goes, so that no reader waits for ever.
    ///
    /// For a producer off the audio thread. (One on an audio thread is heard by a reader that looks by itself.)
    ///
    /// Not RT-safe: meant for set-up.
    pub fn on<T: Send>(&self, producer: Producer<T>) -> BellProducer<T> {
        BellProducer { producer, rings: RingOnDrop(self.clone()) }
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

/// A producer with the [`Bell`] of its reader: [`ring`](Self::ring) after a push; its drop, also by a panic, rings by itself.
///
/// ```
/// use pcmflow::core::ring::CircularBuffer;
/// use pcmflow::runtime::{BlockingReader, Waited};
/// use std::time::Duration;
/// let (producer, consumer) = CircularBuffer::<f32>::with_capacity(4)?.split();
/// let mut reader = BlockingReader::new(consumer, Duration::from_secs(3600));
/// let producer = reader.bell().on(producer);
/// assert_eq!(producer.capacity(), 4); // all that the ring's half can do
/// std::thread::spawn(move || drop(producer));
/// assert_eq!(reader.wait(1, Duration::from_secs(3600)), Waited::Closed(0));
/// # Ok::<(), pcmflow::core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct BellProducer<T> {
    // Dropped in this order: who is woken finds the producer gone.
    producer: Producer<T>,
    rings: RingOnDrop,
}

impl<T: Send> BellProducer<T> {
    /// Wakes the reader: to be called after items were pushed.
    ///
    /// Not RT-safe: locks, and may make a system call.
    pub fn ring(&self) {
        self.rings.0.ring();
    }
}

impl<T> Deref for BellProducer<T> {
    type Target = Producer<T>;
    fn deref(&self) -> &Producer<T> {
        &self.producer
    }
}

impl<T> DerefMut for BellProducer<T> {
    fn deref_mut(&mut self) -> &mut Producer<T> {
        &mut self.producer
    }
}

/// Rings when it goes.
#[derive(Debug)]
struct RingOnDrop(Bell);

impl Drop for RingOnDrop {
    fn drop(&mut self) {
        self.0.ring();
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
