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

/// What is stored rarely, on lines that nobody writes while frames move: asking for it costs no miss.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// This side was dropped; never goes back to false.
    pub(super) gone: AtomicBool,
    /// The most items that this side ever saw inside when it asked for the other's position. Stored by this side only, from
    /// a copy of its own.
    pub(super) most_seen: AtomicU64,
}

/// Where the slots are. Each half keeps a copy, so that its hot path follows no pointer to find them.
#[derive(Debug)]
pub(super) struct Slots<T> {
    start: NonNull<MaybeUninit<T>>,
    /// Capacity − 1; the capacity is a power of two.
    mask: usize,
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Slots<T> {}

// SAFETY: a pair of numbers; who dereferences what `slot` and `runs` return argues for that.
unsafe impl<T: Send> Send for Slots<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Slots<T> {}

impl<T> Slots<T> {
    #[inline(always)]
    pub(super) fn capacity(self) -> usize {
        self.mask + 1
    }

    /// The slot of `position`; in bounds by the mask.
    #[inline(always)]
    pub(super) fn slot(self, position: u64) -> *mut MaybeUninit<T> {
        // SAFETY: the index is under the mask, so inside the allocation of `mask + 1` slots.
        unsafe { self.start.as_ptr().add(position as usize & self.mask) }
    }

    /// The slots of `count` positions from `position`, at most the capacity, as two runs.
    #[inline(always)]
    pub(super) fn runs(self, position: u64, count: usize) -> Runs<T> {
        debug_assert!(count <= self.capacity());
        let first_len = count.min(self.capacity() - (position as usize & self.mask));
        Runs {
            first: self.slot(position),
            first_len,
            second: self.start.as_ptr(),
            second_len: count - first_len,
        }
    }
}

/// Slots of consecutive positions; the second run is empty unless they wrap.
pub(super) struct Runs<T> {
    pub(super) first: *mut MaybeUninit<T>,
    pub(super) first_len: usize,
    pub(super) second: *mut MaybeUninit<T>,
    pub(super) second_len: usize,
}

/// The storage and the two sides. Invariant: `read ≤ written ≤ read + capacity`; slots of the positions
/// `read..written` hold initialised items that belong to the consumer, all others belong to the producer.
#[derive(Debug)]
pub(super) struct Shared<T> {
    /// Items ever written. Stored by the producer only.
    pub(super) written: Padded<AtomicU64>,
    /// Items ever read. Stored by the consumer only.
    pub(super) read: Padded<AtomicU64>,
    pub(super) producer: Side,
    pub(super) consumer: Side,
    pub(super) slots: Slots<T>,
    /// The slots, for the model checker.
    pub(super) cells: Cells,
}

// SAFETY: `Shared` hands out slots only through the two halves, each of which is the only accessor of its part of the
// storage (the invariant above); items cross threads by that, so `T: Send` is needed. References to
// items are given only by a half that is borrowed exclusively (`peek`) or by `ReadChunk`, which is `Sync` only if `T` is.
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
        let start = if layout.size() == 0 {
            NonNull::dangling()
        } else {
            // SAFETY: the layout's size is not zero.
            let raw = unsafe { alloc(layout) };
            let raw = NonNull::new(raw).ok_or(RingError::OutOfMemory { bytes: layout.size() })?;
            fault_in(raw, layout.size());
            raw.cast()
        };
        Ok(Self {
            written: Padded::default(),
            read: Padded::default(),
            producer: Side::default(),
            consumer: Side::default(),
            slots: Slots { start, mask: capacity - 1 },
            cells: Cells::new(capacity),
        })
    }

    /// The storage's layout, aligned to cache lines; none where it can't be addressed.
    fn layout(capacity: usize) -> Option<Layout> {
        Layout::array::<T>(capacity).ok()?.align_to(64).ok()
    }
}

/// Writes to every page of new storage, so that the system finds memory for it now and not in the first lap of pushes.
fn fault_in(storage: NonNull<u8>, bytes: usize) {
    /// The smallest page there is.
    const PAGE: usize = 4096;
    for offset in (0..bytes).step_by(PAGE) {
        // Volatile: the compiler sees nobody who reads it.
        // SAFETY: `storage` is an allocation of `bytes` bytes, above `offset`, that nobody else knows of yet.
        unsafe { storage.as_ptr().add(offset).write_volatile(0) };
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Relaxed is enough: the last `Arc` was released to us with acquire ordering, so both halves' stores are seen.
        let mut position = self.read.0.load(Ordering::Relaxed);
        let end = self.written.0.load(Ordering::Relaxed);
        if core::mem::needs_drop::<T>() {
            while position < end {
                // SAFETY: positions `read..written` hold initialised items, and nobody else is left to touch them.
                unsafe { (*self.slots.slot(position)).assume_init_drop() };
                position += 1;
            }
        }
        if let Some(layout) = Self::layout(self.slots.capacity())
            && layout.size() != 0
        {
            // SAFETY: allocated in `new` with this very layout.
            unsafe { dealloc(self.slots.start.as_ptr().cast(), layout) };
        }
    }
}
