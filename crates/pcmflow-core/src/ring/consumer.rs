//! The half that reads.

use super::shared::Shared;
use super::{ReadChunk, TooFew};
use crate::mutant::weakened;
use crate::sync::{Arc, Ordering};

/// The half of a [`CircularBuffer`](super::CircularBuffer) that reads.
#[derive(Debug)]
pub struct Consumer<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// Items ever read: the only writer of `shared.consumer.position` is this half, so this copy is exact.
    pub(super) read: u64,
    /// The producer's position as last seen: never ahead of the true one.
    written_seen: u64,
}

impl<T: Send> Consumer<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, read: 0, written_seen: 0 }
    }

    /// The items that the ring holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        self.shared.capacity()
    }

    /// Items ever read.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// Items to read, asked of the producer afresh. More may be there by the time of the answer, fewer can't.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn available(&mut self) -> usize {
        // Acquire: pairs with the producer's release; the items are seen as written.
        self.written_seen = self.shared.producer.0.position.load(Ordering::Acquire);
        self.available_seen()
    }

    /// Whether the producer was dropped. What it wrote before can still be read, so ask
    /// [`available`](Self::available) *after* this to know that no more will come.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_closed(&self) -> bool {
        // Acquire: after it, `available` sees the producer's last position.
        self.shared.producer.0.gone.load(Ordering::Acquire)
    }

    fn available_seen(&self) -> usize {
        (self.written_seen - self.read) as usize
    }

    /// Items as far as `wanted` needs to know: asks the producer only when the copy says too few.
    fn available_for(&mut self, wanted: usize) -> usize {
        let available = self.available_seen();
        if available >= wanted { available } else { self.available() }
    }

    /// Gives `count` slots back; their items were moved or dropped.
    pub(super) fn release(&mut self, count: usize) {
        self.read += count as u64;
        // Release: our reads of the slots are over before the producer can see them as free.
        let order = weakened("ring-release-relaxed", Ordering::Release);
        self.shared.consumer.0.position.store(self.read, order);
    }

    /// Reads one item; none when the ring is empty.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn pop(&mut self) -> Option<T> {
        if self.available_for(1) == 0 {
            return None;
        }
        self.shared.cells.write(self.read as usize, 1);
        // SAFETY: the slot at `read` holds an initialised item; `release` below gives the slot up, so the item is moved
        // out exactly once.
        let item = unsafe { (*self.shared.slot(self.read)).assume_init_read() };
        self.release(1);
        Some(item)
    }

    /// Looks at the next item without taking it.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn peek(&mut self) -> Option<&T> {
        if self.available_for(1) == 0 {
            return None;
        }
        self.shared.cells.read(self.read as usize, 1);
        // SAFETY: the slot at `read` holds an initialised item, which stays ours until `release`; `&mut self` keeps
        // every other access of this half away while the reference lives.
        Some(unsafe { (*self.shared.slot(self.read)).assume_init_ref() })
    }

    /// Copies as many items as there are into `out`, from its start; returns how many.
    ///
    /// RT-safe: wait-free, no allocation, at most two copies.
    pub fn pop_slice(&mut self, out: &mut [T]) -> usize
    where
        T: Copy,
    {
        let count = self.available_for(out.len()).min(out.len());
        let (first, first_len, second_len) = self.shared.runs(self.read, count);
        self.shared.cells.read(self.read as usize, count);
        // SAFETY: `count` slots from `read` hold initialised items that are ours until `release`; both runs lie inside the
        // storage and `out` has room for `first_len + second_len = count`; a caller's slice can't overlap storage that
        // no reference leaves. `T: Copy`, so that copying out leaves nothing to drop.
        unsafe {
            core::ptr::copy_nonoverlapping(first.cast::<T>(), out.as_mut_ptr(), first_len);
            core::ptr::copy_nonoverlapping(
                self.shared.start().cast::<T>(),
                out.as_mut_ptr().add(first_len),
                second_len,
            );
        }
        self.release(count);
        count
    }

    /// Opens the next `count` items for reading in place, as at most two slices.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`TooFew`] when fewer are there.
    pub fn read_chunk(&mut self, count: usize) -> Result<ReadChunk<'_, T>, TooFew> {
        let available = self.available_for(count);
        if available < count {
            return Err(TooFew { requested: count, available });
        }
        Ok(ReadChunk { consumer: self, count })
    }

    /// Drops everything that is there now; returns how many items.
    ///
    /// RT-safe for items that need no drop: wait-free, no allocation.
    pub fn clear(&mut self) -> usize {
        let count = self.available();
        if let Ok(chunk) = self.read_chunk(count) {
            chunk.release_all();
        }
        count
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        // Relaxed: the producer reads nothing on the strength of it.
        self.shared.consumer.0.gone.store(true, Ordering::Relaxed);
    }
}
