//! Work in place: parts of the ring, opened as at most two slices.

use super::{Consumer, Producer};
use core::marker::PhantomData;

/// Free slots of a ring, opened for writing. Dropped without [`commit`](Self::commit), it writes nothing.
///
/// ```
/// use pcmflow_core::ring::CircularBuffer;
/// let (mut producer, mut consumer) = CircularBuffer::<f32>::with_capacity(4)?.split();
/// let mut chunk = producer.write_chunk(3).unwrap();
/// let (first, second) = chunk.as_mut_slices();
/// first.copy_from_slice(&[1.0, 2.0, 3.0]);
/// assert!(second.is_empty());
/// chunk.commit(2); // the third is written, and not sent
/// assert_eq!((consumer.pop(), consumer.pop(), consumer.pop()), (Some(1.0), Some(2.0), None));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct WriteChunk<'a, T> {
    pub(super) producer: &'a mut Producer<T>,
    pub(super) count: usize,
}

impl<T: Send + Copy> WriteChunk<'_, T> {
    /// The slots, in the order in which they will be read; the second slice is empty unless the chunk wraps.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn as_mut_slices(&mut self) -> (&mut [T], &mut [T]) {
        let runs = self.producer.slots.runs(self.producer.written, self.count);
        self.producer.shared.cells.write(self.producer.written as usize, self.count);
        // SAFETY: `count` slots from `written` are free, so the producer's alone, whom this chunk borrows mutably; all
        // were initialised by `write_chunk`; the two runs don't overlap, being at most the capacity together.
        unsafe {
            (
                core::slice::from_raw_parts_mut(runs.first.cast(), runs.first_len),
                core::slice::from_raw_parts_mut(runs.second.cast(), runs.second_len),
            )
        }
    }

    /// Makes the first `count` slots visible to the consumer, at most those that were opened; returns how many.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn commit(self, count: usize) -> usize {
        let count = count.min(self.count);
        self.producer.publish(count);
        count
    }
}

/// Items of a ring, opened for reading. Dropped without [`release`](Self::release), it takes nothing.
///
/// ```
/// use pcmflow_core::ring::CircularBuffer;
/// let (mut producer, mut consumer) = CircularBuffer::with_capacity(4)?.split();
/// producer.push_slice(&[1, 2, 3]);
/// let chunk = consumer.read_chunk(2).unwrap();
/// assert_eq!(chunk.as_slices(), (&[1, 2][..], &[][..]));
/// chunk.release(1); // the second is looked at, and stays
/// assert_eq!(consumer.pop(), Some(2));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
///
/// Threads can share a chunk if they could share its items:
///
/// ```compile_fail,E0277
/// use std::cell::Cell;
/// fn share<T: Sync>(_: T) {}
/// # use pcmflow_core::ring::CircularBuffer;
/// # let (_producer, mut consumer) = CircularBuffer::<Cell<u64>>::with_capacity(4).unwrap().split();
/// share(consumer.read_chunk(0).unwrap());
/// ```
#[derive(Debug)]
pub struct ReadChunk<'a, T> {
    pub(super) consumer: &'a mut Consumer<T>,
    pub(super) count: usize,
    /// Whoever has a reference to the chunk may have one to its items: it is `Sync` only if they are.
    pub(super) shares: PhantomData<T>,
}

impl<T: Send> ReadChunk<'_, T> {
    /// The items, oldest first; the second slice is empty unless the chunk wraps.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn as_slices(&self) -> (&[T], &[T]) {
        let runs = self.consumer.slots.runs(self.consumer.read, self.count);
        self.consumer.shared.cells.read(self.consumer.read as usize, self.count);
        // SAFETY: `count` slots from `read` hold initialised items that stay the consumer's, whom this chunk borrows,
        // until `release`.
        unsafe {
            (
                core::slice::from_raw_parts(runs.first.cast(), runs.first_len),
                core::slice::from_raw_parts(runs.second.cast(), runs.second_len),
            )
        }
    }

    /// The items one by one, oldest first; they stay in the ring.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        let (first, second) = self.as_slices();
        first.iter().chain(second)
    }

    /// Drops the first `count` items, at most those that were opened, and gives their slots back; returns how many.
    ///
    /// RT-safe for items that need no drop: wait-free, no allocation.
    pub fn release(self, count: usize) -> usize {
        let count = count.min(self.count);
        if core::mem::needs_drop::<T>() {
            for _ in 0..count {
                // One by one: a panic in an item's drop then leaves the rest valid and in the ring.
                drop(self.consumer.pop());
            }
        } else {
            self.consumer.release(count);
        }
        count
    }

    /// Drops all items that were opened, and gives their slots back.
    ///
    /// RT-safe for items that need no drop: wait-free, no allocation.
    pub fn release_all(self) {
        let count = self.count;
        self.release(count);
    }
}
