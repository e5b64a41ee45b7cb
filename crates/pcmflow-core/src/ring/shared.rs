//! What both halves share: two positions, two flags and the storage.

use super::RingError;
use crate::sync::{AtomicBool, AtomicU64, Cells, Ordering};
use alloc::alloc::{alloc, dealloc};
use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// Keeps what one thread writes off the lines that another writes. 128 bytes: x86 fetches lines in pairs, and Apple's
/// cores have lines of 128.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

/// One side of the ring as the other sees it.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Items ever written (producer) or read (consumer). Stored by that side only.
    pub(super) position: AtomicU64,
    /// That side was dropped; never goes back to false.
    pub(super) gone: AtomicBool,
}

/// The storage and the two sides. Invariant: `read ≤ written ≤ read + capacity`; slots of the positions
/// `read..written` hold initialised items that belong to the consumer, all others belong to the producer.
#[derive(Debug)]
pub(super) struct Shared<T> {
    pub(super) producer: Padded<Side>,
    pub(super) consumer: Padded<Side>,
    slots: NonNull<MaybeUninit<T>>,
    /// Capacity − 1; the capacity is a power of two.
    mask: usize,
    /// The slots, for the model checker.
    pub(super) cells: Cells,
}

// SAFETY: `Shared` hands out slots only through the two halves, each of which is the only accessor of its part of the
// storage (the invariant above); items cross threads by that, so `T: Send` is needed, and nothing gives two threads
// a reference to one item, so `T: Sync` is not.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above: through `&Shared` only the atomics can be touched by several threads at once.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn new(items: usize) -> Result<Self, RingError> {
        if items == 0 {
            return Err(RingError::Empty);
        }
        let too_large = RingError::TooLarge { items, bytes_each: size_of::<T>() };
        let capacity = items.checked_next_power_of_two().ok_or(too_large)?;
        let layout = Self::layout(capacity).ok_or(too_large)?;
        let slots = if layout.size() == 0 {
            NonNull::dangling()
        } else {
            // SAFETY: the layout's size is not zero.
            let raw = unsafe { alloc(layout) };
            NonNull::new(raw.cast()).ok_or(RingError::OutOfMemory { bytes: layout.size() })?
        };
        Ok(Self {
            producer: Padded::default(),
            consumer: Padded::default(),
            slots,
            mask: capacity - 1,
            cells: Cells::new(capacity),
        })
    }

    /// The storage's layout, aligned to cache lines; none where it can't be addressed.
    fn layout(capacity: usize) -> Option<Layout> {
        Layout::array::<T>(capacity).ok()?.align_to(64).ok()
    }

    pub(super) fn capacity(&self) -> usize {
        self.mask + 1
    }

    /// The slot of `position`; in bounds by the mask.
    pub(super) fn slot(&self, position: u64) -> *mut MaybeUninit<T> {
        // SAFETY: the index is under the mask, so inside the allocation of `mask + 1` slots.
        unsafe { self.slots.as_ptr().add(position as usize & self.mask) }
    }

    /// The slots of `count` positions from `position`: where the first run starts, its length, and that of the
    /// second run, which starts at slot 0. `count` is at most the capacity.
    pub(super) fn runs(&self, position: u64, count: usize) -> (*mut MaybeUninit<T>, usize, usize) {
        debug_assert!(count <= self.capacity());
        let first = count.min(self.capacity() - (position as usize & self.mask));
        (self.slot(position), first, count - first)
    }

    /// Where the second run starts.
    pub(super) fn start(&self) -> *mut MaybeUninit<T> {
        self.slots.as_ptr()
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Relaxed is enough: the last `Arc` was released to us with acquire ordering, so both halves' stores are seen.
        let mut position = self.consumer.0.position.load(Ordering::Relaxed);
        let end = self.producer.0.position.load(Ordering::Relaxed);
        if core::mem::needs_drop::<T>() {
            while position < end {
                // SAFETY: positions `read..written` hold initialised items, and nobody else is left to touch them.
                unsafe { (*self.slot(position)).assume_init_drop() };
                position += 1;
            }
        }
        if let Some(layout) = Self::layout(self.capacity())
            && layout.size() != 0
        {
            // SAFETY: allocated in `new` with this very layout.
            unsafe { dealloc(self.slots.as_ptr().cast(), layout) };
        }
    }
}
