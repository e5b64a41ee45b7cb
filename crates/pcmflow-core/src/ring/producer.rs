//! The half that writes.

use super::shared::{Shared, Slots};
use super::{TooFew, WriteChunk};
use crate::mutant::weakened;
use crate::prefetch::{LINE, prefetch_to_write};
use crate::sync::{Arc, Ordering};
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

/// The largest block of which as much again is asked for: more would push out of the cache what is worked on.
const AHEAD_BYTES_MAX: usize = 4096;

/// Why an item was not taken; it is handed back.
///
/// ```
/// use pcmflow_core::ring::{CircularBuffer, PushError};
/// let (mut producer, consumer) = CircularBuffer::with_capacity(1)?.split();
/// assert_eq!(producer.push("first"), Ok(()));
/// let full = producer.push("second").unwrap_err();
/// assert_eq!(full, PushError::Full("second"));
/// assert_eq!(full.to_string(), "the ring is full; offer the item again when the consumer has read some");
/// drop(consumer);
/// assert_eq!(producer.push("third").unwrap_err().into_inner(), "third");
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
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

// The item needs neither `Debug` nor `Display`: with `?` the error alone travels on.
impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full(_) => "the ring is full; offer the item again when the consumer has read some",
            Self::Closed(_) => "the ring is closed: its consumer was dropped, and nobody will read the item",
        })
    }
}

impl<T> core::error::Error for PushError<T> {}

/// The half of a [`CircularBuffer`](super::CircularBuffer) that writes.
///
/// ```
/// use pcmflow_core::ring::CircularBuffer;
/// let (mut producer, consumer) = CircularBuffer::with_capacity(4)?.split();
/// assert_eq!((producer.push_slice(&[1, 2, 3]), producer.free(), producer.position()), (3, 1, 3));
/// drop(consumer);
/// assert!(producer.is_closed());
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
///
/// A producer of references that live long can't be passed off as one of references that live shorter: the consumer would
/// still take them for long-lived ones.
///
/// ```compile_fail,E0597
/// use pcmflow_core::ring::{CircularBuffer, Producer};
/// fn feed<'a>(mut producer: Producer<&'a str>, text: &'a str) {
///     let _ = producer.push(text);
/// }
/// let (producer, mut consumer) = CircularBuffer::<&'static str>::with_capacity(4).unwrap().split();
/// let text = String::from("gone");
/// feed(producer, &text);
/// drop(text);
/// let dangling: &'static str = consumer.pop().unwrap();
/// ```
#[derive(Debug)]
pub struct Producer<T> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) slots: Slots<T>,
    /// Items ever written: the only writer of `shared.written` is this half, so this copy is exact.
    pub(super) written: u64,
    /// The consumer's position as last seen: never ahead of the true one.
    read_seen: u64,
    /// The most items that were inside when the consumer was asked.
    most_seen: u64,
    /// Slots that were set to the default ahead of the items, for writing in place (see `write_chunk`).
    initialised: u64,
    /// Takes items in, as a function does: contravariant in `T`, and with the other fields invariant.
    takes: PhantomData<fn(T)>,
}

impl<T: Send> Producer<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        let slots = shared.slots;
        Self { shared, slots, written: 0, read_seen: 0, most_seen: 0, initialised: 0, takes: PhantomData }
    }

    /// The items that the ring holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
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
    #[inline]
    pub fn free(&mut self) -> usize {
        // Acquire: pairs with the consumer's release; its reads of these slots are over before we write them.
        self.read_seen = self.shared.read.0.load(Ordering::Acquire);
        let inside = self.written - self.read_seen;
        if inside > self.most_seen {
            self.most_seen = inside;
            // Relaxed: a figure, on the strength of which nobody reads anything.
            self.shared.producer.most_seen.store(inside, Ordering::Relaxed);
        }
        self.free_seen()
    }

    /// Whether at least `count` slots are free; asks the consumer afresh only when the last answer was too low.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn has_room(&mut self, count: usize) -> bool {
        self.free_for(count) >= count
    }

    /// Whether the consumer has read all that was written; asks it afresh. True at the end of a stream means that it may be
    /// torn down without a loss.
    ///
    /// Where the consumer was dropped with items unread it stays false for ever: who waits for it looks at
    /// [`is_closed`](Self::is_closed), too.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_drained(&mut self) -> bool {
        self.free() == self.capacity()
    }

    /// Whether the consumer was dropped: nothing that is written will be read. Once true it stays true. Only
    /// [`push`](Self::push) asks by itself; what other calls write then is dropped with the ring.
    ///
    /// RT-safe: wait-free, no allocation.
    #[doc(alias = "is_abandoned")]
    pub fn is_closed(&self) -> bool {
        // Relaxed: nothing is read on the strength of it.
        self.shared.consumer.gone.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn free_seen(&self) -> usize {
        self.slots.capacity() - (self.written - self.read_seen) as usize
    }

    /// Free slots as far as `wanted` needs to know: asks the consumer only when the copy says too few.
    #[inline(always)]
    pub(super) fn free_for(&mut self, wanted: usize) -> usize {
        let free = self.free_seen();
        if free >= wanted { free } else { self.free() }
    }

    /// Makes `count` more items visible; their slots are initialised.
    #[inline(always)]
    pub(super) fn publish(&mut self, count: usize) {
        self.written += count as u64;
        // Release: the items are written before the consumer can see the position.
        let order = weakened("ring-publish-relaxed", Ordering::Release);
        self.shared.written.0.store(self.written, order);
        self.ask_ahead(count);
    }

    /// Asks for the lines of as many slots again as were written just now: the consumer read them a lap ago, so that they lie in
    /// the other core's cache, and would be waited for one after the other when they are written. Only of slots that are free,
    /// as a consumer that is about to read would have to fetch them back; and only of whole lines, as the consumer may be reading
    /// beside small items.
    #[inline(always)]
    fn ask_ahead(&self, count: usize) {
        let bytes = count * size_of::<T>();
        if (LINE..=AHEAD_BYTES_MAX).contains(&bytes) && self.free_seen() >= count {
            let ahead = self.slots.runs(self.written, count);
            prefetch_to_write(ahead.first.cast(), ahead.first_len * size_of::<T>());
        }
    }

    /// Writes one item.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`PushError::Full`] and [`PushError::Closed`] hand the item back.
    #[inline]
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
    #[inline]
    pub fn vacant(&mut self) -> Option<Vacant<'_, T>> {
        if self.free_for(1) == 0 { None } else { Some(Vacant { producer: self }) }
    }

    /// Copies as many items as fit, from the start of `items`; returns how many.
    ///
    /// RT-safe: wait-free, no allocation, at most two copies.
    #[inline]
    #[must_use = "items beyond the count were not taken: offer them again, or count them as lost"]
    pub fn push_slice(&mut self, items: &[T]) -> usize
    where
        T: Copy,
    {
        // Not the smaller of the two: where all fit, as they nearly always do, no copy waits for the arithmetic.
        let free = self.free_for(items.len());
        let count = if free >= items.len() { items.len() } else { free };
        // SAFETY: `count` slots are free, and `items` holds `count` items or more.
        unsafe { self.copy_in(items.as_ptr(), count) };
        count
    }

    /// Copies all of `items`, or none of them.
    ///
    /// Blocks of a size that divides the capacity then never wrap, and each is one copy.
    ///
    /// RT-safe: wait-free, no allocation, at most two copies.
    ///
    /// # Errors
    /// [`TooFew`] when not all of them fit; nothing is written.
    #[inline]
    pub fn push_entire(&mut self, items: &[T]) -> Result<(), TooFew>
    where
        T: Copy,
    {
        let available = self.free_for(items.len());
        if available < items.len() {
            return Err(TooFew { requested: items.len(), available });
        }
        // SAFETY: as many slots are free as `items` holds.
        unsafe { self.copy_in(items.as_ptr(), items.len()) };
        Ok(())
    }

    /// Copies `count` items in and publishes them.
    ///
    /// # Safety
    /// - `count` slots from `written` are free.
    /// - `items` points to at least `count` items.
    #[inline(always)]
    unsafe fn copy_in(&mut self, items: *const T, count: usize)
    where
        T: Copy,
    {
        let runs = self.slots.runs(self.written, count);
        self.shared.cells.write(self.written as usize, count);
        // SAFETY: the slots are free, so they are the producer's alone until `publish`; both runs lie inside the storage
        // and are `count` together; `MaybeUninit<T>` has the layout of `T`; a caller's slice can't overlap storage that
        // no reference leaves.
        unsafe {
            core::ptr::copy_nonoverlapping(items.cast(), runs.first, runs.first_len);
            // Blocks that divide the capacity never wrap; a copy of nothing is a call all the same.
            if runs.second_len > 0 {
                core::ptr::copy_nonoverlapping(
                    items.add(runs.first_len).cast(),
                    runs.second,
                    runs.second_len,
                );
            }
        }
        self.publish(count);
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
        // In the first lap `written` is the slot's own index, and every slot below it holds an item; later every slot was
        // initialised, and items that are `Copy` stay valid bits after the consumer has read them.
        self.initialised = self.initialised.max(self.written);
        while self.initialised < (self.written + count as u64).min(self.capacity() as u64) {
            self.shared.cells.write(self.initialised as usize, 1);
            // SAFETY: slots at or after `written` and up to `written + count` are free, so the producer's alone.
            unsafe { self.slots.slot(self.initialised).write(MaybeUninit::new(T::default())) };
            self.initialised += 1;
        }
        Ok(WriteChunk { producer: self, count })
    }
}

/// A free slot of a ring.
///
/// ```
/// use pcmflow_core::ring::CircularBuffer;
/// let (mut producer, mut consumer) = CircularBuffer::with_capacity(1)?.split();
/// let Some(slot) = producer.vacant() else { panic!() };
/// slot.fill(String::from("made only because there is room"));
/// assert!(producer.vacant().is_none() && consumer.pop().is_some());
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct Vacant<'a, T> {
    producer: &'a mut Producer<T>,
}

impl<T: Send> Vacant<'_, T> {
    /// Writes the item. Where the consumer is gone, it stays in the ring and is dropped with it.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn fill(self, item: T) {
        let producer = self.producer;
        producer.shared.cells.write(producer.written as usize, 1);
        // SAFETY: the slot at `written` is free, so it is the producer's alone until `publish`.
        unsafe { producer.slots.slot(producer.written).write(MaybeUninit::new(item)) };
        producer.publish(1);
    }
}

impl<T> Drop for Producer<T> {
    /// RT-safe while the consumer or a gauge lives: wait-free, no allocation, no free. Dropped last, it frees the ring, and the items in it.
    fn drop(&mut self) {
        // Release: whoever sees the flag with acquire sees the last position too, so "closed and empty" is final.
        self.shared.producer.gone.store(true, Ordering::Release);
    }
}
