//! Work in place: parts of the ring, opened as at most two slices.

use super::{Consumer, Producer};

/// Free slots of a ring, opened for writing. Dropped without [`commit`](Self::commit), it writes nothing.
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
        let shared = &self.producer.shared;
        let (first, first_len, second_len) = shared.runs(self.producer.written, self.count);
        shared.cells.write(self.producer.written as usize, self.count);
        // SAFETY: `count` slots from `written` are free, so the producer's alone, whom this chunk borrows mutably; all
        // were initialised by `write_chunk`; the two runs don't overlap, being at most the capacity together.
        unsafe {
            (
                core::slice::from_raw_parts_mut(first.cast(), first_len),
                core::slice::from_raw_parts_mut(shared.start().cast(), second_len),
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
#[derive(Debug)]
pub struct ReadChunk<'a, T> {
    pub(super) consumer: &'a mut Consumer<T>,
    pub(super) count: usize,
}

impl<T: Send> ReadChunk<'_, T> {
    /// The items, oldest first; the second slice is empty unless the chunk wraps.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn as_slices(&self) -> (&[T], &[T]) {
        let shared = &self.consumer.shared;
        let (first, first_len, second_len) = shared.runs(self.consumer.read, self.count);
        shared.cells.read(self.consumer.read as usize, self.count);
        // SAFETY: `count` slots from `read` hold initialised items that stay the consumer's, whom this chunk borrows,
        // until `release`.
        unsafe {
            (
                core::slice::from_raw_parts(first.cast(), first_len),
                core::slice::from_raw_parts(shared.start().cast(), second_len),
            )
        }
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
