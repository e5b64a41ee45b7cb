//! [`CircularBuffer`]: a fixed-capacity ring for one producer and one consumer.
//!
//! Both halves are wait-free: no call loops, waits, locks, allocates or makes a system call. When the ring is
//! full the producer is told how much fitted; when it is empty the consumer is told so; nobody waits for anybody.
//!
//! # How it works
//! Storage is a power of two items, aligned to cache lines. Two 64-bit positions count the items ever written and
//! ever read; they do not wrap in practice (585 years at a thousand million items a second), so that
//! `written − read` *is* the occupancy, and an index is a position under a mask. Each half keeps a private copy of the
//! other's position and asks for the shared one only when the copy says "full" or "empty": most calls touch no
//! line that the other thread writes. The scheme is Lamport's (1983) with the cached indices of Lee, Bu and
//! Chandranmenon, "A lock-free, cache-efficient shared ring buffer", ANCS 2009.
//!
//! # Who may drop what
//! The half that is dropped last frees the storage: let that be one off the audio thread.
//!
//! ```
//! use pcmflow_core::ring::CircularBuffer;
//! let (mut producer, mut consumer) = CircularBuffer::with_capacity(4)?.split();
//! assert_eq!(producer.push_slice(&[1, 2, 3, 4, 5]), 4); // what does not fit stays with the caller
//! let mut out = [0; 3];
//! assert_eq!(consumer.pop_slice(&mut out), 3);
//! assert_eq!(out, [1, 2, 3]);
//! # Ok::<(), pcmflow_core::ring::RingError>(())
//! ```

mod bulk;
mod chunk;
mod consumer;
mod gauge;
mod planar;
mod producer;
mod shared;

pub use bulk::PopIter;
pub use chunk::{ReadChunk, WriteChunk};
pub use consumer::Consumer;
pub use gauge::{BufferState, Gauge};
pub use producer::{Producer, PushError, Vacant};

use crate::sync::Arc;
pub(crate) use shared::Padded;
use shared::Shared;

/// Why a ring could not be made.
///
/// ```
/// use pcmflow_core::ring::{CircularBuffer, RingError};
/// assert_eq!(CircularBuffer::<f32>::with_capacity(0).unwrap_err(), RingError::Empty);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// A ring holds at least one item.
    #[error("a ring of 0 items can hold nothing; ask for at least 1")]
    Empty,
    /// The capacity, rounded up to a power of two, can't be addressed.
    #[error("a ring of {items} items of {bytes_each} bytes can't be addressed; ask for fewer items")]
    TooLarge {
        /// The capacity that was asked for.
        items: usize,
        /// Bytes of one item.
        bytes_each: usize,
    },
    /// The system has no memory for it.
    #[error("no memory for a ring of {bytes} bytes; ask for fewer items")]
    OutOfMemory {
        /// Bytes of storage that were asked for.
        bytes: usize,
    },
}

/// Fewer items (or free slots) are there than were asked for.
///
/// ```
/// use pcmflow_core::ring::{CircularBuffer, TooFew};
/// let (mut producer, _consumer) = CircularBuffer::<f32>::with_capacity(4)?.split();
/// assert_eq!(producer.write_chunk(5).err(), Some(TooFew { requested: 5, available: 4 }));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only {available} of {requested} slots are there")]
pub struct TooFew {
    /// How many were asked for.
    pub requested: usize,
    /// How many there are.
    pub available: usize,
}

/// A fixed-capacity ring, before it is split into its two halves.
///
/// ```
/// use pcmflow_core::ring::CircularBuffer;
/// let ring = CircularBuffer::with_capacity(100)?;
/// assert_eq!(ring.capacity(), 128);
/// let (mut producer, mut consumer) = ring.split();
/// producer.push_slice(&[0.25; 128]);
/// assert_eq!(consumer.pop(), Some(0.25));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct CircularBuffer<T> {
    shared: Arc<Shared<T>>,
}

impl<T: Send> CircularBuffer<T> {
    /// Makes a ring for at least `items` items: the capacity is rounded up to a power of two.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`RingError::Empty`] for none, [`RingError::TooLarge`] and [`RingError::OutOfMemory`] for too many.
    pub fn with_capacity(items: usize) -> Result<Self, RingError> {
        Ok(Self { shared: Arc::new(Shared::new(items)?) })
    }

    /// The items that it holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        self.shared.slots.capacity()
    }

    /// A reader of its state for any thread.
    ///
    /// Not RT-safe: what it returns may be the last to free the storage.
    pub fn gauge(&self) -> Gauge<T> {
        Gauge::new(self.shared.clone())
    }

    /// Splits the ring into the half that writes and the half that reads.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn split(self) -> (Producer<T>, Consumer<T>) {
        (Producer::new(self.shared.clone()), Consumer::new(self.shared))
    }
}

#[cfg(test)]
mod tests;
