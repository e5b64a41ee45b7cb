//! The half that writes.

use super::shared::Shared;
use super::{TooFew, WriteChunk};
use crate::mutant::weakened;
use crate::sync::{Arc, Ordering};
use core::mem::MaybeUninit;

/// Why an item was not taken; it is handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError<T> {
    /// The ring is full: offer it again later, or count it as lost.
    Full(T),
    /// The consumer was dropped: nobody will ever read it.
    Closed(T),
}

impl<T> PushError<T> {
    /// The item that was not taken.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(item) | Self::Closed(item) => item,
        }
    }
}

/// The half of a [`CircularBuffer`](super::CircularBuffer) that writes.
#[derive(Debug)]
pub struct Producer<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// Items ever written: the only writer of `shared.producer.position` is this half, so this copy is exact.
    pub(super) written: u64,
    /// The consumer's position as last seen: never ahead of the true one.
    read_seen: u64,
    /// Slots that were ever initialised, 0 to capacity; in-place writes lean on it (see `write_chunk`).
    pub(super) initialised: u64,
}

impl<T: Send> Producer<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, written: 0, read_seen: 0, initialised: 0 }
    }

    /// The items that the ring holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        self.shared.capacity()
    }

    /// Items ever written.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self) -> u64 {
        self.written
    }

    /// Free slots, asked of the consumer afresh. More may be free by the time of the answer, fewer can't.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn free(&mut self) -> usize {
        // Acquire: pairs with the consumer's release; its reads of these slots are over before we write them.
        self.read_seen = self.shared.consumer.0.position.load(Ordering::Acquire);
        self.free_seen()
    }

    /// Whether at least `count` slots are free; asks the consumer afresh only when the last answer was too low.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn has_room(&mut self, count: usize) -> bool {
        self.free_for(count) >= count
    }

    /// Whether the consumer was dropped. Once true it stays true.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_closed(&self) -> bool {
        // Relaxed: nothing is read on the strength of it.
        self.shared.consumer.0.gone.load(Ordering::Relaxed)
    }

    fn free_seen(&self) -> usize {
        self.capacity() - (self.written - self.read_seen) as usize
    }

    /// Free slots as far as `wanted` needs to know: asks the consumer only when the copy says too few.
    fn free_for(&mut self, wanted: usize) -> usize {
        let free = self.free_seen();
        if free >= wanted { free } else { self.free() }
    }

    /// Makes `count` more items visible; their slots are initialised.
    pub(super) fn publish(&mut self, count: usize) {
        self.written += count as u64;
        self.initialised = self.initialised.max(self.written.min(self.capacity() as u64));
        // Release: the items are written before the consumer can see the position.
        let order = weakened("ring-publish-relaxed", Ordering::Release);
        self.shared.producer.0.position.store(self.written, order);
    }

    /// Writes one item.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`PushError::Full`] and [`PushError::Closed`] hand the item back.
    pub fn push(&mut self, item: T) -> Result<(), PushError<T>> {
        if self.is_closed() {
            return Err(PushError::Closed(item));
        }
        match self.vacant() {
            Some(slot) => {
                slot.fill(item);
                Ok(())
            }
            None => Err(PushError::Full(item)),
        }
    }

    /// The next free slot, to be filled without a chance of failure; none when the ring is full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn vacant(&mut self) -> Option<Vacant<'_, T>> {
        if self.free_for(1) == 0 { None } else { Some(Vacant { producer: self }) }
    }

    /// Copies as many items as fit, from the start of `items`; returns how many.
    ///
    /// RT-safe: wait-free, no allocation, at most two copies.
    pub fn push_slice(&mut self, items: &[T]) -> usize
    where
        T: Copy,
    {
        let count = self.free_for(items.len()).min(items.len());
        let (first, first_len, second_len) = self.shared.runs(self.written, count);
        self.shared.cells.write(self.written as usize, count);
        // SAFETY: `count` slots from `written` are free, so they are the producer's alone until `publish`; both runs lie
        // inside the storage and `items` holds `first_len + second_len = count` or more; `MaybeUninit<T>` has the
        // layout of `T`; a caller's slice can't overlap storage that no reference leaves.
        unsafe {
            core::ptr::copy_nonoverlapping(items.as_ptr().cast(), first, first_len);
            core::ptr::copy_nonoverlapping(
                items.as_ptr().add(first_len).cast(),
                self.shared.start(),
                second_len,
            );
        }
        self.publish(count);
        count
    }

    /// Opens `count` free slots for writing in place, as at most two slices.
    ///
    /// The slices hold old items or `T::default()`; nothing is visible to the consumer before
    /// [`WriteChunk::commit`].
    ///
    /// RT-safe: wait-free, no allocation. In the first lap round the storage each slot is set to the default once.
    ///
    /// # Errors
    /// [`TooFew`] when fewer are free.
    pub fn write_chunk(&mut self, count: usize) -> Result<WriteChunk<'_, T>, TooFew>
    where
        T: Copy + Default,
    {
        let available = self.free_for(count);
        if available < count {
            return Err(TooFew { requested: count, available });
        }
        // In the first lap `written` is the slot's own index; later every slot was initialised, and items that are
        // `Copy` stay valid bits after the consumer has read them.
        while self.initialised < (self.written + count as u64).min(self.capacity() as u64) {
            self.shared.cells.write(self.initialised as usize, 1);
            // SAFETY: slots at or after `written` and up to `written + count` are free, so the producer's alone.
            unsafe { self.shared.slot(self.initialised).write(MaybeUninit::new(T::default())) };
            self.initialised += 1;
        }
        Ok(WriteChunk { producer: self, count })
    }
}

/// A free slot of a ring.
#[derive(Debug)]
pub struct Vacant<'a, T> {
    producer: &'a mut Producer<T>,
}

impl<T: Send> Vacant<'_, T> {
    /// Writes the item. Where the consumer is gone, it stays in the ring and is dropped with it.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn fill(self, item: T) {
        let producer = self.producer;
        producer.shared.cells.write(producer.written as usize, 1);
        // SAFETY: the slot at `written` is free, so it is the producer's alone until `publish`.
        unsafe { producer.shared.slot(producer.written).write(MaybeUninit::new(item)) };
        producer.publish(1);
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        // Release: whoever sees the flag with acquire sees the last position too, so "closed and empty" is final.
        self.shared.producer.0.gone.store(true, Ordering::Release);
    }
}
