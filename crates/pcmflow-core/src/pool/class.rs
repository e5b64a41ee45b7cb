//! A size class: a table of slabs that only ever grows, searched lowest first.

use super::GrowError;
use super::inner::Inner;
use super::slab::{SLOTS_MAX, SlabPtr, SlabShape};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use alloc::boxed::Box;
use core::ptr::{self, NonNull};

/// A slab's storage is at most this large (or one slot), so that growing and giving back come in small steps.
const SLAB_BYTES_MAX: usize = 256 * 1024;
/// … and at most this part of the budget, so that small budgets can be used up.
const SLAB_BUDGET_SHARE: usize = 32;

/// Counters that are only touched when a request missed its class, or copied: on a line of their own.
#[repr(align(64))]
#[derive(Default)]
pub(super) struct RareCounters {
    /// Requests of this class that got nothing.
    pub(super) refused: AtomicU64,
    /// Requests of this class that a larger one served.
    pub(super) went_up: AtomicU64,
    /// Requests of this class that a smaller one served.
    pub(super) went_down: AtomicU64,
    /// Requests of this class that were served after it grew.
    pub(super) grew: AtomicU64,
    /// Buffers of this class that served requests of another.
    pub(super) lent: AtomicU64,
    /// Buffers of this class that were copied on write.
    pub(super) copies: AtomicU64,
    /// Slots that will never be used again: generation or reference count exhausted.
    pub(super) retired: AtomicU64,
    /// The most that were in use before storage was last given back.
    pub(super) peak_before: AtomicUsize,
}

/// A slot that the holder of this value may use, and must return.
pub(super) struct Taken {
    pub(super) slab: SlabPtr,
    pub(super) slot: u32,
}

pub(super) struct Class {
    capacity: usize,
    buffers_max: usize,
    slab_slots: usize,
    /// Entries below `published` are not null; an entry never changes once it is not null.
    table: Box<[AtomicPtr<super::slab::Slab>]>,
    published: AtomicUsize,
    /// Index of the first slab that may have a free slot. Only advice: one that is too high costs a longer search.
    hint: AtomicU32,
    pub(super) rare: RareCounters,
}

/// What came of an attempt to add a slab.
pub(super) enum Grown {
    /// So many slots were added.
    Added(usize),
    /// Another thread added one at the same time.
    Raced,
}

impl Class {
    /// An empty class.
    pub(super) fn new(capacity: usize, buffers_max: usize, budget_bytes: usize) -> Self {
        let slot_bytes = SlabShape { capacity, slots: 1 }.storage_bytes();
        let target_bytes = SLAB_BYTES_MAX.min(budget_bytes / SLAB_BUDGET_SHARE);
        let slab_slots = (target_bytes / slot_bytes).clamp(1, SLOTS_MAX).min(buffers_max);
        let table = (0..buffers_max.div_ceil(slab_slots))
            .map(|_| AtomicPtr::new(ptr::null_mut()))
            .collect::<Box<[_]>>();
        Self {
            capacity,
            buffers_max,
            slab_slots,
            table,
            published: AtomicUsize::new(0),
            hint: AtomicU32::new(0),
            rare: RareCounters::default(),
        }
    }

    /// Samples of each buffer.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn buffers_max(&self) -> usize {
        self.buffers_max
    }

    pub(super) fn table_bytes(&self) -> usize {
        size_of_val(&*self.table)
    }

    /// The slab at `index`, if there is one.
    #[inline]
    pub(super) fn slab(&self, index: usize) -> Option<SlabPtr> {
        // Acquire pairs with the Release in `add_slab`: the block is written.
        SlabPtr::from_ptr(self.table.get(index)?.load(Ordering::Acquire))
    }

    /// All slabs there are.
    pub(super) fn slabs(&self) -> impl Iterator<Item = SlabPtr> + '_ {
        self.table.iter().map_while(|entry| SlabPtr::from_ptr(entry.load(Ordering::Acquire)))
    }

    /// Takes a free slot of the lowest slab that has one.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    #[inline]
    pub(super) unsafe fn take(&self) -> Option<Taken> {
        let start = self.hint.load(Ordering::Relaxed) as usize;
        if let Some(slab) = self.slab(start) {
            // SAFETY: as the caller says.
            if let Some(slot) = unsafe { slab.take() } {
                return Some(Taken { slab, slot });
            }
        }
        // SAFETY: as the caller says.
        unsafe { self.take_elsewhere(start) }
    }

    /// Searches every slab but `start` once: those above it first, as those below were full.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    #[cold]
    unsafe fn take_elsewhere(&self, start: usize) -> Option<Taken> {
        let published = self.published.load(Ordering::Acquire);
        for index in (start.saturating_add(1)..published).chain(0..start.min(published)) {
            let Some(slab) = self.slab(index) else { continue };
            // SAFETY: as the caller says.
            if let Some(slot) = unsafe { slab.take() } {
                self.hint.store(index as u32, Ordering::Relaxed);
                return Some(Taken { slab, slot });
            }
        }
        None
    }

    /// Makes the advice as bad as a race can.
    #[cfg(test)]
    pub(super) fn mislead(&self, index: u32) {
        self.hint.store(index, Ordering::Relaxed);
    }

    /// Says that slab `index` is about to have a free slot.
    #[inline]
    pub(super) fn note_free(&self, index: u32) {
        if index < self.hint.load(Ordering::Relaxed) {
            self.hint.store(index, Ordering::Relaxed);
        }
    }

    /// Slots that have storage.
    pub(super) fn slots(&self) -> usize {
        // SAFETY: slabs live as long as the class, which `self` proves alive.
        self.slabs().map(|slab| unsafe { slab.census() }.slots).sum()
    }

    /// The error that says that this class is at its limit.
    fn full(&self, buffers: usize) -> GrowError {
        GrowError::ClassFull { class: self.capacity, buffers, buffers_max: self.buffers_max }
    }

    /// Adds one slab: storage for one that gave it back, or a new one.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Safety
    /// The caller holds a handle of the pool, `self` is one of its classes and `inner` is its core.
    pub(super) unsafe fn add_slab(&self, inner: NonNull<Inner>) -> Result<Grown, GrowError> {
        // SAFETY: the handle keeps it alive.
        let pool = unsafe { inner.as_ref() };
        let out_of_memory = |bytes| GrowError::OutOfMemory { class: self.capacity, bytes };
        // SAFETY: the slabs of a class live as long as it.
        let empty = self.slabs().find(|slab| !unsafe { slab.has_storage() });
        if let Some(slab) = empty {
            // SAFETY: as above.
            let shape = unsafe { slab.shape() };
            pool.reserve(shape.storage_bytes(), self.capacity)?;
            // SAFETY: the caller holds a handle.
            return match unsafe { slab.refill() } {
                Ok(true) => {
                    // SAFETY: as above.
                    self.note_free(unsafe { slab.index() });
                    Ok(Grown::Added(shape.slots))
                }
                Ok(false) => {
                    pool.unreserve(shape.storage_bytes());
                    Ok(Grown::Raced)
                }
                Err(bytes) => {
                    pool.unreserve(shape.storage_bytes());
                    Err(out_of_memory(bytes))
                }
            };
        }
        let index = self.published.load(Ordering::Acquire);
        let Some(entry) = self.table.get(index) else { return Err(self.full(self.slots())) };
        // Every slab but the last is whole, and the last one stops at the limit.
        let slots = self.slab_slots.min(self.buffers_max - index * self.slab_slots);
        let shape = SlabShape { capacity: self.capacity, slots };
        let bytes = shape.storage_bytes().saturating_add(shape.block_bytes());
        pool.reserve(bytes, self.capacity)?;
        let Some(slab) = SlabPtr::allocate(shape, inner, NonNull::from(self), index) else {
            pool.unreserve(bytes);
            return Err(out_of_memory(bytes));
        };
        // Release: who finds the pointer finds the block written.
        let placed =
            entry.compare_exchange(ptr::null_mut(), slab.as_ptr(), Ordering::Release, Ordering::Relaxed);
        // Also done for a thread that filled the entry and was stopped before saying so: who loses the race must not
        // have to wait for it.
        self.published.fetch_max(index + 1, Ordering::Release);
        if placed.is_err() {
            // SAFETY: unpublished, so that nobody else knows it.
            unsafe { slab.free() };
            pool.unreserve(bytes);
            return Ok(Grown::Raced);
        }
        Ok(Grown::Added(slots))
    }

    /// Gives back the storage of every slab that is not in use; returns the bytes.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    pub(super) unsafe fn give_back(&self) -> usize {
        self.rare.peak_before.fetch_max(self.peak_since(), Ordering::Relaxed);
        // SAFETY: as the caller says.
        self.slabs().filter_map(|slab| unsafe { slab.give_back() }).sum()
    }

    /// The most slots in use at once since storage was last given back.
    pub(super) fn peak_since(&self) -> usize {
        // SAFETY: the slabs of a class live as long as it.
        self.slabs().map(|slab| unsafe { slab.census() }.high).sum()
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        for entry in &self.table {
            if let Some(slab) = SlabPtr::from_ptr(entry.load(Ordering::Acquire)) {
                // SAFETY: a class is dropped with its pool, once there is neither a handle nor a buffer.
                unsafe { slab.free() };
            }
        }
    }
}
