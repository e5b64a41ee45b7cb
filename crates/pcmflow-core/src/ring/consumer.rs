//! The half that reads.

use super::shared::{Shared, Slots};
use super::{ReadChunk, TooFew};
use crate::mutant::{is, weakened};
use crate::sync::{Arc, Ordering};
use core::marker::PhantomData;

/// The half of a [`CircularBuffer`](super::CircularBuffer) that reads.
///
/// ```
/// use pcmflow_core::ring::CircularBuffer;
/// let (mut producer, mut consumer) = CircularBuffer::with_capacity(4)?.split();
/// producer.push_slice(&[1, 2, 3]);
/// drop(producer);
/// assert!(consumer.is_closed());
/// assert_eq!((consumer.available(), consumer.pop()), (3, Some(1)));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct Consumer<T> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) slots: Slots<T>,
    /// Items ever read: the only writer of `shared.read` is this half, so this copy is exact.
    pub(super) read: u64,
    /// The producer's position as last seen: never ahead of the true one.
    written_seen: u64,
    /// The most items that were inside when the producer was asked.
    most_seen: u64,
}

impl<T: Send> Consumer<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        let slots = shared.slots;
        Self { shared, slots, read: 0, written_seen: 0, most_seen: 0 }
    }

    /// The items that the ring holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
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
    #[inline]
    pub fn available(&mut self) -> usize {
        // After a leaked `PopIter` its slots are still to be given back, and where nothing is left to read nobody else does. A
        // load of our own line, where there was too little to do anyway.
        if self.shared.read.0.load(Ordering::Relaxed) != self.read {
            self.release(0);
        }
        // Acquire: pairs with the producer's release; the items are seen as written.
        self.written_seen = self.shared.written.0.load(Ordering::Acquire);
        let inside = self.written_seen - self.read;
        if inside > self.most_seen {
            self.most_seen = inside;
            // Relaxed: a figure, on the strength of which nobody reads anything.
            self.shared.consumer.most_seen.store(inside, Ordering::Relaxed);
        }
        self.available_seen()
    }

    /// Whether the producer was dropped. What it wrote before can still be read: [`is_finished`](Self::is_finished) says
    /// that no more will come.
    ///
    /// RT-safe: wait-free, no allocation.
    #[doc(alias = "is_abandoned")]
    pub fn is_closed(&self) -> bool {
        // Acquire: after it, `available` sees the producer's last position.
        self.shared.producer.gone.load(weakened("ring-closed-relaxed", Ordering::Acquire))
    }

    /// Whether the producer was dropped and all that it wrote was read: no more will come. Once true it stays true.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_finished(&mut self) -> bool {
        if is("ring-finished-stale") {
            return self.available_seen() == 0 && self.is_closed();
        }
        // In this order: nothing is written after the end, so what is not there then never comes.
        self.is_closed() && self.available() == 0
    }

    #[inline(always)]
    fn available_seen(&self) -> usize {
        (self.written_seen - self.read) as usize
    }

    /// Items as far as `wanted` needs to know: asks the producer only when the copy says too few.
    #[inline(always)]
    pub(super) fn available_for(&mut self, wanted: usize) -> usize {
        let available = self.available_seen();
        if available >= wanted { available } else { self.available() }
    }

    /// Gives `count` slots back; their items were moved or dropped.
    #[inline(always)]
    pub(super) fn release(&mut self, count: usize) {
        self.read += count as u64;
        // Release: our reads of the slots are over before the producer can see them as free.
        let order = weakened("ring-release-relaxed", Ordering::Release);
        self.shared.read.0.store(self.read, order);
    }

    /// Reads one item; none when the ring is empty.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.available_for(1) == 0 {
            return None;
        }
        self.shared.cells.write(self.read as usize, 1);
        // SAFETY: the slot at `read` holds an initialised item; `release` below gives the slot up, so the item is moved
        // out exactly once.
        let item = unsafe { (*self.slots.slot(self.read)).assume_init_read() };
        self.release(1);
        Some(item)
    }

    /// Looks at the next item without taking it.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn peek(&mut self) -> Option<&T> {
        self.available_for(1);
        self.peek_seen()
    }

    /// The next item, if it is known to be there without asking the producer.
    #[inline]
    pub(crate) fn peek_seen(&self) -> Option<&T> {
        if self.available_seen() == 0 {
            return None;
        }
        self.shared.cells.read(self.read as usize, 1);
        // SAFETY: the slot at `read` holds an initialised item, which stays ours until `release`; only `&mut self` takes items, so
        // that none is taken while the reference lives.
        Some(unsafe { (*self.slots.slot(self.read)).assume_init_ref() })
    }

    /// Copies as many items as there are into `out`, from its start; returns how many.
    ///
    /// RT-safe: wait-free, no allocation, at most two copies.
    #[inline]
    pub fn pop_slice(&mut self, out: &mut [T]) -> usize
    where
        T: Copy,
    {
        let count = self.available_for(out.len()).min(out.len());
        // SAFETY: `count` items are there, and `out` has room for `count` or more.
        unsafe { self.copy_out(out.as_mut_ptr(), count) };
        count
    }

    /// Fills `out`, or copies nothing.
    ///
    /// Blocks of a size that divides the capacity then never wrap, and each is one copy.
    ///
    /// RT-safe: wait-free, no allocation, at most two copies.
    ///
    /// # Errors
    /// [`TooFew`] when fewer items are there than `out` holds; nothing is read.
    #[inline]
    pub fn pop_entire(&mut self, out: &mut [T]) -> Result<(), TooFew>
    where
        T: Copy,
    {
        let available = self.available_for(out.len());
        if available < out.len() {
            return Err(TooFew { requested: out.len(), available });
        }
        // SAFETY: as many items are there as `out` has room for.
        unsafe { self.copy_out(out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// Copies `count` items out and gives their slots back.
    ///
    /// # Safety
    /// - `count` items are there.
    /// - `out` points to room for at least `count` items.
    #[inline(always)]
    unsafe fn copy_out(&mut self, out: *mut T, count: usize)
    where
        T: Copy,
    {
        let runs = self.slots.runs(self.read, count);
        self.shared.cells.read(self.read as usize, count);
        // SAFETY: `count` slots from `read` hold initialised items that are ours until `release`; both runs lie inside the
        // storage and are `count` together; a caller's slice can't overlap storage that no reference leaves. `T: Copy`,
        // so that copying out leaves nothing to drop.
        unsafe {
            core::ptr::copy_nonoverlapping(runs.first.cast::<T>(), out, runs.first_len);
            // Blocks that divide the capacity never wrap; a copy of nothing is a call all the same.
            if runs.second_len > 0 {
                core::ptr::copy_nonoverlapping(
                    runs.second.cast::<T>(),
                    out.add(runs.first_len),
                    runs.second_len,
                );
            }
        }
        self.release(count);
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
        Ok(ReadChunk { consumer: self, count, shares: PhantomData })
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
    /// RT-safe while the producer or a gauge lives: wait-free, no allocation, no free. Dropped last, it frees the ring, and the items in it.
    fn drop(&mut self) {
        // A leaked `PopIter` took items and did not say so: who frees the storage must not drop them again. Release, as in
        // `release`.
        if !is("ring-drop-position") {
            self.shared.read.0.store(self.read, Ordering::Release);
        }
        // Relaxed: the producer reads nothing on the strength of it.
        self.shared.consumer.gone.store(true, Ordering::Relaxed);
    }
}
