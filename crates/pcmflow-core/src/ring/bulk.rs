//! Many items with one hand-over: from an iterator into the ring, and out of the ring as one.
//!
//! The other half sees the new position once for all of them, so that the line it stands on crosses between the cores once.
//! Slices of `Copy` items go faster still by `push_slice` and `pop_slice`.

use super::{Consumer, Producer};
use crate::mutant::is;
use core::iter::FusedIterator;
use core::mem::MaybeUninit;

impl<T: Send> Producer<T> {
    /// Writes items as long as there are any and the ring has room; returns how many.
    ///
    /// Nothing is taken from `items` that has no room: lend the iterator (`&mut items`) to keep the rest. Where it panics,
    /// what it gave before is in the ring.
    ///
    /// ```
    /// use pcmflow_core::ring::CircularBuffer;
    /// let (mut producer, mut consumer) = CircularBuffer::with_capacity(2)?.split();
    /// let mut notes = ["do", "re", "mi"].map(String::from).into_iter();
    /// assert_eq!(producer.push_iter(&mut notes), 2);
    /// assert_eq!(notes.next().as_deref(), Some("mi"));
    /// assert_eq!(consumer.pop_iter(usize::MAX).collect::<Vec<_>>(), ["do", "re"]);
    /// # Ok::<(), pcmflow_core::ring::RingError>(())
    /// ```
    ///
    /// RT-safe when the iterator is: wait-free in the items written, no allocation.
    #[inline]
    #[must_use = "items beyond the count were not taken; what was not lent is dropped with the iterator"]
    pub fn push_iter(&mut self, items: impl IntoIterator<Item = T>) -> usize {
        let mut items = items.into_iter();
        let room = self.free_for(items.size_hint().1.unwrap_or(usize::MAX));
        let mut filled = Filled { producer: self, count: 0 };
        while filled.count < room
            && let Some(item) = items.next()
        {
            filled.write(item);
        }
        filled.count
    }
}

/// Items that were written and are not visible yet; dropped, also by a panic, it publishes them.
struct Filled<'a, T: Send> {
    producer: &'a mut Producer<T>,
    /// At most as many as slots are free.
    count: usize,
}

impl<T: Send> Filled<'_, T> {
    /// Writes one more item, for which `push_iter` saw that a slot is free.
    #[inline(always)]
    fn write(&mut self, item: T) {
        let position = self.producer.written + self.count as u64;
        self.producer.shared.cells.write(position as usize, 1);
        // SAFETY: fewer than the free slots were filled, so this one is free too and the producer's alone.
        unsafe { self.producer.slots.slot(position).write(MaybeUninit::new(item)) };
        self.count += 1;
    }
}

impl<T: Send> Drop for Filled<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.count > 0 {
            self.producer.publish(self.count);
        }
    }
}

impl<T: Send> Consumer<T> {
    /// Takes up to `count` of the items that are there now, one by one; their slots are given back together, when the
    /// iterator is dropped. What is not iterated over stays in the ring.
    ///
    /// `usize::MAX` for all.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    #[doc(alias = "drain")]
    pub fn pop_iter(&mut self, count: usize) -> PopIter<'_, T> {
        let left = self.available_for(count).min(count);
        if is("ring-give-back-early") {
            // The slots become free before the items are out of them.
            self.read += left as u64;
            self.release(0);
            self.read -= left as u64;
        }
        PopIter { consumer: self, left }
    }
}

/// Takes items out of a ring: see [`Consumer::pop_iter`].
///
/// ```
/// use pcmflow_core::ring::CircularBuffer;
/// let (mut producer, mut consumer) = CircularBuffer::with_capacity(4)?.split();
/// producer.push_iter(1..=4);
/// assert_eq!(consumer.pop_iter(3).sum::<i32>(), 6);
/// assert_eq!(consumer.pop(), Some(4));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct PopIter<'a, T: Send> {
    consumer: &'a mut Consumer<T>,
    /// Items that are still to come; all of them are there.
    left: usize,
}

impl<T: Send> Iterator for PopIter<'_, T> {
    type Item = T;

    /// Takes the next item.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let position = self.consumer.read;
        self.consumer.shared.cells.write(position as usize, 1);
        // Moved on at once, given back later: an iterator that is leaked gives no item twice.
        self.consumer.read += 1;
        // SAFETY: `left` items from `read` are there, initialised and the consumer's; this one is behind `read` now, so it
        // is moved out exactly once.
        Some(unsafe { (*self.consumer.slots.slot(position)).assume_init_read() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T: Send> ExactSizeIterator for PopIter<'_, T> {}
impl<T: Send> FusedIterator for PopIter<'_, T> {}

impl<T: Send> Drop for PopIter<'_, T> {
    /// Gives the slots back.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline(always)]
    fn drop(&mut self) {
        self.consumer.release(0);
    }
}
