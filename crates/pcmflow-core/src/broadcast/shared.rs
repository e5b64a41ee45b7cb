//! What the writer and its readers share: two positions and the words.

use super::Plain;
use crate::mutant::is;
use crate::ring::RingError;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::num::NonZeroUsize;

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Keeps what the writer stores with each write off the line that readers store when they come and go.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Line<T>(pub(super) T);

/// Where the writer is. Stored by the writer only.
#[derive(Debug)]
pub(super) struct Progress {
    /// Items written or being written: stored *before* their words. What lies more than the capacity below it may be
    /// overwritten already.
    pub(super) reserved: AtomicU64,
    /// Items that can be read: stored *after* their words.
    pub(super) committed: AtomicU64,
    /// The writer was dropped; never goes back to false.
    pub(super) gone: AtomicBool,
}

/// The storage, as words that anyone may load at any time and the writer alone stores. An item never lies across two words.
#[derive(Debug)]
pub(super) struct Shared<T> {
    pub(super) progress: Line<Progress>,
    pub(super) readers: Line<AtomicUsize>,
    words: Box<[AtomicU64]>,
    /// Items that the words hold, less one; a power of two less one.
    mask: u64,
    /// Items of a frame: written, read and lost together.
    pub(super) frame: NonZeroUsize,
    /// Items of the whole frames that the words hold.
    pub(super) capacity: u64,
    items: PhantomData<T>,
}

impl<T: Plain> Shared<T> {
    /// Items of one word.
    const PER_WORD: usize = {
        assert!(size_of::<T>() != 0 && WORD.is_multiple_of(size_of::<T>()), "items of 1, 2, 4 or 8 bytes");
        WORD / size_of::<T>()
    };

    pub(super) fn new(frames: usize, frame: usize) -> Result<Self, RingError> {
        let (false, Some(frame_items)) = (frames == 0, NonZeroUsize::new(frame)) else {
            return Err(RingError::Empty);
        };
        let too_large =
            RingError::TooLarge { items: frames, bytes_each: frame.saturating_mul(size_of::<T>()) };
        let items = frames.checked_mul(frame).and_then(usize::checked_next_power_of_two).ok_or(too_large)?;
        let items = items.max(Self::PER_WORD);
        let count = items / Self::PER_WORD;
        if count > isize::MAX as usize / size_of::<AtomicU64>() {
            return Err(too_large);
        }
        let mut words = Vec::new();
        words
            .try_reserve_exact(count)
            .map_err(|_| RingError::OutOfMemory { bytes: count.saturating_mul(WORD) })?;
        words.extend((0..count).map(|_| AtomicU64::new(0)));
        Ok(Self {
            progress: Line(Progress {
                reserved: AtomicU64::new(0),
                committed: AtomicU64::new(0),
                gone: AtomicBool::new(false),
            }),
            readers: Line(AtomicUsize::new(0)),
            words: words.into_boxed_slice(),
            mask: items as u64 - 1,
            frame: frame_items,
            capacity: (items - items % frame) as u64,
            items: PhantomData,
        })
    }

    /// The oldest item that is safe from a writer that has reserved up to `reserved`.
    pub(super) fn oldest(&self, reserved: u64) -> u64 {
        reserved.saturating_sub(self.capacity)
    }

    /// Splits `count` items at the storage's end: the index of the first, and how many lie before the end.
    fn run(&self, position: u64, count: usize) -> (usize, usize) {
        let first = (position & self.mask) as usize;
        (first, count.min((self.mask + 1) as usize - first))
    }

    /// Stores `items`, which the storage holds, from `position` on. The writer only.
    pub(super) fn store(&self, position: u64, items: &[T]) {
        let (index, before_end) = self.run(position, items.len());
        let (first, second) = items.split_at(before_end);
        self.store_run(index, first);
        self.store_run(0, second);
    }

    /// The items lie within the storage, which is not known where this is compiled; asked so that nothing here can panic.
    fn store_run(&self, index: usize, items: &[T]) {
        // Up to the next word, whole words, and the rest.
        let offset = index % Self::PER_WORD;
        let head = if offset == 0 { 0 } else { items.len().min(Self::PER_WORD - offset) };
        let (head, items) = items.split_at(head);
        self.store_part(index, head);
        let words = self.words.get((index + head.len()) / Self::PER_WORD..).unwrap_or_default();
        let mut chunks = items.chunks_exact(Self::PER_WORD);
        for (word, chunk) in words.iter().zip(&mut chunks) {
            // SAFETY: the chunk is `PER_WORD` items, a word's bytes; they are initialised (`Plain`); any bits are a `u64`;
            // and the read asks for no alignment.
            let bits = unsafe { chunk.as_ptr().cast::<u64>().read_unaligned() };
            word.store(bits, Ordering::Relaxed);
        }
        self.store_part(index + head.len() + items.len() - chunks.remainder().len(), chunks.remainder());
    }

    /// Stores items that don't fill their word; the word's other items stay what they are.
    fn store_part(&self, index: usize, items: &[T]) {
        if items.is_empty() {
            return;
        }
        // The items lie within the storage, as in `store_run`.
        let Some(word) = self.words.get(index / Self::PER_WORD) else { return };
        // Relaxed: the writer alone stores, so this is what it stored last. The other items go back in unchanged, whole with
        // the new ones: a reader of the word finds each item as it was or as it is, never half.
        let mut bits = if is("broadcast-half-word") { 0 } else { word.load(Ordering::Relaxed) };
        let offset = index % Self::PER_WORD;
        debug_assert!(offset + items.len() <= Self::PER_WORD);
        // SAFETY: `offset + items.len() ≤ PER_WORD`, so the copy stays inside `bits`; items are initialised bytes
        // (`Plain`), any bytes are a `u64`; and `bits` is a local that nothing else refers to.
        unsafe {
            let place = (&raw mut bits).cast::<T>().add(offset);
            core::ptr::copy_nonoverlapping(items.as_ptr(), place, items.len());
        }
        word.store(bits, Ordering::Relaxed);
    }

    /// Loads items, as many as `out` takes, from `position` on: whatever is there now, old, new or of several laps. Each for
    /// itself is whole.
    pub(super) fn load(&self, position: u64, out: &mut [T]) {
        let (index, before_end) = self.run(position, out.len());
        let (first, second) = out.split_at_mut(before_end);
        self.load_run(index, first);
        self.load_run(0, second);
    }

    fn load_run(&self, index: usize, out: &mut [T]) {
        let offset = index % Self::PER_WORD;
        let head = if offset == 0 { 0 } else { out.len().min(Self::PER_WORD - offset) };
        let (head, out) = out.split_at_mut(head);
        self.load_part(index, head);
        let index = index + head.len();
        let words = &self.words[index / Self::PER_WORD..];
        let rest = out.len() - out.len() % Self::PER_WORD;
        let mut chunks = out.chunks_exact_mut(Self::PER_WORD);
        for (word, chunk) in words.iter().zip(&mut chunks) {
            let bits = word.load(Ordering::Relaxed);
            // SAFETY: the chunk is `PER_WORD` items, a word's bytes; any bits are such items (`Plain`); no alignment is
            // asked.
            unsafe { chunk.as_mut_ptr().cast::<u64>().write_unaligned(bits) };
        }
        self.load_part(index + rest, chunks.into_remainder());
    }

    fn load_part(&self, index: usize, out: &mut [T]) {
        if out.is_empty() {
            return;
        }
        let bits = self.words[index / Self::PER_WORD].load(Ordering::Relaxed);
        let offset = index % Self::PER_WORD;
        debug_assert!(offset + out.len() <= Self::PER_WORD);
        // SAFETY: `offset + out.len() ≤ PER_WORD`, so the copy stays inside `bits`; any bits are items (`Plain`); a local
        // can't overlap the caller's slice; the alignment of a `u64` serves every item of at most 8 bytes in it.
        unsafe {
            let place = (&raw const bits).cast::<T>().add(offset);
            core::ptr::copy_nonoverlapping(place, out.as_mut_ptr(), out.len());
        }
    }
}
