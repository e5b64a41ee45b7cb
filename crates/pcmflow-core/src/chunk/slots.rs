//! Slots of handles whose producer never waits: where there is no room, the oldest handle gives way.
//!
//! # How it works
//! Items are numbered as they are put; item `n` goes to slot `n` modulo the capacity. A slot is a few atomic words: a
//! *stamp*, which is the number of the item inside plus one, or [`EMPTY`]; beside it the item, taken apart. Whoever changes
//! the stamp from an item's to `EMPTY` owns the item:
//!
//! ```text
//! put n:   old = swap(stamp, EMPTY)                   old was a stamp: that item is evicted, and ours to drop
//!          words = item; stamp = n + 1; written = n + 1
//!
//! take n:  where n < written:
//!          if stamp is not n + 1: evicted
//!          read the words
//!          compare_exchange(stamp, n + 1, EMPTY)      failed: evicted while we read; what was read is forgotten
//! ```
//!
//! No number comes twice, so that a stamp which is unchanged at the exchange never changed: the words belong together. Words
//! are put together by the winner only, and read before the exchange, since afterwards the slot is the producer's.
//!
//! A put is a fixed number of steps. A take that finds its item evicted tries the oldest that there is: each try that fails
//! is one more put that the producer has begun.
#![cfg_attr(not(pcmflow_loom), allow(unreachable_pub, reason = "public to the model checker only"))]

use crate::mutant::{self, weakened};
use crate::ring::{Padded, RingError};
use crate::sync::{Arc, AtomicPtr, AtomicU64, Ordering};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ptr;

/// What can lie in a slot: it comes apart into a pointer and `N` numbers, and can be put together again.
pub trait InWords<const N: usize>: Send + Sized {
    /// Takes it apart. What it owns is owned by whoever puts it together.
    ///
    /// RT-safe: wait-free, no allocation.
    fn into_words(self) -> (*mut (), [u64; N]);

    /// Puts it together.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Safety
    /// The words come from one call of [`into_words`](Self::into_words), and nobody else puts them together.
    unsafe fn from_words(pointer: *mut (), words: [u64; N]) -> Self;
}

/// The stamp of a slot without an item.
const EMPTY: u64 = 0;

/// The stamp of item `number`.
fn stamp(number: u64) -> u64 {
    if mutant::is("link-stamp-unnumbered") { 1 } else { number + 1 }
}

#[repr(C, align(64))]
struct Slot<const N: usize> {
    stamp: AtomicU64,
    pointer: AtomicPtr<()>,
    words: [AtomicU64; N],
}

impl<const N: usize> Slot<N> {
    fn new() -> Self {
        Self {
            stamp: AtomicU64::new(EMPTY),
            pointer: AtomicPtr::new(ptr::null_mut()),
            words: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// The words of one item, or what a race made of several: the stamp tells, and hence its orderings; these are relaxed.
    fn load(&self) -> (*mut (), [u64; N]) {
        let words = core::array::from_fn(|word| self.words[word].load(Ordering::Relaxed));
        (self.pointer.load(Ordering::Relaxed), words)
    }

    fn store(&self, (pointer, words): (*mut (), [u64; N])) {
        self.pointer.store(pointer, Ordering::Relaxed);
        for (word, value) in self.words.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

/// What both ends share.
pub struct Slots<T: InWords<N>, const N: usize> {
    /// Items ever put. Stored by the producer.
    written: Padded<AtomicU64>,
    /// The number behind the last item that the consumer is done with. Stored by the consumer.
    passed: Padded<AtomicU64>,
    slots: Box<[Slot<N>]>,
    /// It owns items, and drops what is left of them.
    items: PhantomData<T>,
}

// SAFETY: an item is owned by one thread at a time, which `T: Send` (a bound of `InWords`) allows; no reference to an item
// leaves; everything else is atomic.
unsafe impl<T: InWords<N>, const N: usize> Sync for Slots<T, N> {}

impl<T: InWords<N>, const N: usize> core::fmt::Debug for Slots<T, N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Slots").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

/// Makes both ends, with slots for at least `items` items: rounded up to a power of two.
///
/// Not RT-safe: allocates.
///
/// # Errors
/// [`RingError`] for none, and for more than can be had.
pub fn slots<T: InWords<N>, const N: usize>(
    items: usize,
) -> Result<(SlotsIn<T, N>, SlotsOut<T, N>), RingError> {
    if items == 0 {
        return Err(RingError::Empty);
    }
    let bytes_each = size_of::<Slot<N>>();
    let too_large = RingError::TooLarge { items, bytes_each };
    let capacity = items.checked_next_power_of_two().ok_or(too_large)?;
    let bytes = capacity.checked_mul(bytes_each).ok_or(too_large)?;
    let mut slots = Vec::new();
    slots.try_reserve_exact(capacity).map_err(|_| RingError::OutOfMemory { bytes })?;
    slots.extend((0..capacity).map(|_| Slot::new()));
    let slots = slots.into_boxed_slice();
    let shared =
        Arc::new(Slots { written: Padded::default(), passed: Padded::default(), slots, items: PhantomData });
    Ok((SlotsIn { shared: shared.clone(), written: 0 }, SlotsOut { shared, next: 0, written_seen: 0 }))
}

impl<T: InWords<N>, const N: usize> Slots<T, N> {
    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    fn slot(&self, number: u64) -> &Slot<N> {
        // In bounds: the capacity is a power of two.
        &self.slots[number as usize & (self.slots.len() - 1)]
    }

    /// Items inside: exact when both ends rest, otherwise true at some moment during the call or too low.
    pub(super) fn occupancy(&self) -> usize {
        // In this order, as for a ring: the difference can't be more than there ever was.
        let written = self.written.0.load(Ordering::Acquire);
        let passed = self.passed.0.load(Ordering::Acquire);
        (written.saturating_sub(passed) as usize).min(self.capacity())
    }

    /// The numbers of every item inside. They belong together while the producer rests.
    pub(super) fn words(&self) -> impl Iterator<Item = [u64; N]> + '_ {
        // Acquire: behind a stamp there are words, if not always those of one item.
        let full = |slot: &&Slot<N>| slot.stamp.load(Ordering::Acquire) != EMPTY;
        self.slots.iter().filter(full).map(|slot| slot.load().1)
    }
}

impl<T: InWords<N>, const N: usize> Drop for Slots<T, N> {
    fn drop(&mut self) {
        for slot in &self.slots {
            // Relaxed is enough: the last `Arc` was released to us with acquire ordering.
            if slot.stamp.load(Ordering::Relaxed) != EMPTY {
                let (pointer, words) = slot.load();
                // SAFETY: a stamp says that the slot owns the item of its words, and nobody else is left to take it.
                drop(unsafe { T::from_words(pointer, words) });
            }
        }
    }
}

/// The end that puts: one thread.
#[derive(Debug)]
pub struct SlotsIn<T: InWords<N>, const N: usize> {
    shared: Arc<Slots<T, N>>,
    /// Items ever put: the only writer of `shared.written` is this end, so this copy is exact.
    written: u64,
}

impl<T: InWords<N>, const N: usize> SlotsIn<T, N> {
    pub(super) fn shared(&self) -> &Arc<Slots<T, N>> {
        &self.shared
    }

    /// Items ever put.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Puts an item; returns the one that had to go for it.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn put(&mut self, item: T) -> Option<T> {
        let slot = self.shared.slot(self.written);
        let old = if mutant::is("link-evict-check-then-use") {
            let old = slot.stamp.load(Ordering::Acquire);
            slot.stamp.store(EMPTY, Ordering::Relaxed);
            old
        } else {
            // Acquire pairs with the Release of a take: the consumer has read the words before we overwrite them. A take
            // that comes later fails: the stamp that it saw never returns.
            slot.stamp.swap(EMPTY, Ordering::Acquire)
        };
        let evicted = (old != EMPTY).then(|| {
            let (pointer, words) = slot.load();
            // SAFETY: a stamp was there, which says that the slot owned the item of its words; by taking it away we own it.
            unsafe { T::from_words(pointer, words) }
        });
        slot.store(item.into_words());
        // Release: who looks at stamps alone, as `words` does, sees words behind them.
        slot.stamp.store(stamp(self.written), Ordering::Release);
        self.written += 1;
        // Release: who sees the count sees the stamp or a later one, the words, and what they point to.
        self.shared.written.0.store(self.written, weakened("link-written-relaxed", Ordering::Release));
        evicted
    }
}

/// The end that takes: one thread.
#[derive(Debug)]
pub struct SlotsOut<T: InWords<N>, const N: usize> {
    shared: Arc<Slots<T, N>>,
    /// The first item that was neither taken nor found evicted.
    next: u64,
    /// Items ever put, as last seen: never ahead of the true number.
    written_seen: u64,
}

impl<T: InWords<N>, const N: usize> SlotsOut<T, N> {
    /// The number of the next item, if it is not evicted.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn shared(&self) -> &Slots<T, N> {
        &self.shared
    }

    /// Takes the oldest item that there is, and its number: higher than [`next`](Self::next) said where items were evicted.
    ///
    /// RT-safe: lock-free (a try that fails is a put that has begun), no allocation.
    pub fn take(&mut self) -> Option<(u64, T)> {
        loop {
            if self.next == self.written_seen {
                self.look();
                if self.next == self.written_seen {
                    return None;
                }
            }
            let number = self.next;
            self.next += 1;
            if let Some(item) = self.try_take(number) {
                return Some((number, item));
            }
            // Evicted, with all that are a lap behind the producer.
            self.look();
            self.next = self.next.max(self.written_seen.saturating_sub(self.shared.capacity() as u64));
        }
    }

    fn look(&mut self) {
        // Acquire: the stamps of all these items or later ones are seen, their words, and what they point to.
        self.written_seen = self.shared.written.0.load(Ordering::Acquire);
    }

    /// Takes item `number`, which was put; none where it was evicted.
    fn try_take(&self, number: u64) -> Option<T> {
        let slot = self.shared.slot(number);
        // Relaxed: `look` has acquired what was put with this stamp; the words are seen as they were then, or later.
        let seen = slot.stamp.load(Ordering::Relaxed);
        if seen != stamp(number) {
            return None;
        }
        let words = slot.load();
        let won = if mutant::is("link-take-check-then-use") {
            let same = slot.stamp.load(Ordering::Relaxed) == seen;
            slot.stamp.store(EMPTY, Ordering::Release);
            same
        } else {
            // Release: our reads of the words are over before the producer, whose swap finds `EMPTY`, writes others.
            slot.stamp.compare_exchange(seen, EMPTY, Ordering::Release, Ordering::Relaxed).is_ok()
        };
        let words = if mutant::is("link-words-after-take") { slot.load() } else { words };
        let (pointer, words) = words;
        // SAFETY: the stamp was `number`'s from before we read the words until we took it away, so that they are that
        // item's, and the item is ours.
        won.then(|| unsafe { T::from_words(pointer, words) })
    }

    /// Says that the consumer is done with every item that it took.
    pub(super) fn pass(&self) {
        // Release: keeps the gauge's order, see `occupancy`.
        self.shared.passed.0.store(self.next, Ordering::Release);
    }
}
