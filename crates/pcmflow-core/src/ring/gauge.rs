//! What a buffer is doing now, readable from any thread.

use super::shared::Shared;
use crate::sync::{Arc, Ordering};

/// What a buffer is doing now.
///
/// ```
/// use pcmflow_core::ring::{BufferState, CircularBuffer};
/// let ring = CircularBuffer::with_capacity(4)?;
/// let gauge = ring.gauge();
/// let (mut producer, _consumer) = ring.split();
/// assert_eq!(gauge.state(2), BufferState::Empty);
/// producer.push_slice(&[1, 2]);
/// assert_eq!((gauge.state(2), gauge.state(3)), (BufferState::Ready, BufferState::Filling));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BufferState {
    /// Nothing is in it.
    Empty,
    /// Something is in it, less than its reader waits for.
    Filling,
    /// At least what its reader waits for is in it.
    Ready,
    /// Its writer is gone, and what is left waits for the reader.
    Draining,
    /// It is full: a write now is rejected or lost.
    Overflowed,
    /// Its writer is gone and nothing is left.
    Closed,
}

/// Reads a ring's state from any thread, without disturbing either half. It keeps the storage alive.
///
/// ```
/// use pcmflow_core::ring::CircularBuffer;
/// let ring = CircularBuffer::with_capacity(4)?;
/// let gauge = ring.gauge();
/// let (mut producer, _consumer) = ring.split();
/// producer.push_slice(&[1, 2, 3]);
/// assert_eq!((gauge.occupancy(), gauge.capacity()), (3, 4));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct Gauge<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Gauge<T> {
    /// RT-safe: wait-free, no allocation. (Dropping a gauge is not: it may be the last to free the storage.)
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T: Send> Gauge<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// The items that the ring holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        self.shared.slots.capacity()
    }

    /// Items in the ring: exact when both halves rest, otherwise true at some moment during the call or too low.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn occupancy(&self) -> usize {
        // Written first, read second: the difference then can't be more than was ever in it. A reader that overtakes
        // in between would make it negative: saturate.
        let written = self.shared.written.0.load(Ordering::Acquire);
        let read = self.shared.read.0.load(Ordering::Acquire);
        written.saturating_sub(read) as usize
    }

    /// The most items that were ever inside at once: what a capacity can be chosen by.
    ///
    /// Measured whenever a half asks for the other's position, so that it costs the way of a frame nothing. It never says
    /// more than was there. It says too little by at most what the consumer read after it last asked, so at least half of the
    /// truth; it is exact for a consumer who asks [`available`](super::Consumer::available) before each read, and for a ring
    /// that turned something away, which was full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn high_water(&self) -> usize {
        let [producer, consumer] =
            [&self.shared.producer, &self.shared.consumer].map(|side| side.most_seen.load(Ordering::Relaxed));
        (producer.max(consumer) as usize).max(self.occupancy())
    }

    /// What the ring is doing, where its reader waits for `ready` items at a time.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn state(&self, ready: usize) -> BufferState {
        let gone = self.shared.producer.gone.load(Ordering::Acquire);
        match (self.occupancy(), gone) {
            (0, true) => BufferState::Closed,
            (0, false) => BufferState::Empty,
            (_, true) => BufferState::Draining,
            (items, _) if items >= self.capacity() => BufferState::Overflowed,
            (items, _) if items >= ready => BufferState::Ready,
            _ => BufferState::Filling,
        }
    }
}
