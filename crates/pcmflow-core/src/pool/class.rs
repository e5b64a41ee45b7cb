//! A size class: a table of slabs that only ever grows, searched lowest first.

use super::bitmap::SlabState;
use super::inner::Inner;
use super::memory::{SlabMemory, SlabShape};
use super::slab::{SLOTS_MAX, SlabPtr, block_bytes};
use super::{ClassConfig, GivenBack, GrowError};
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
    /// The class's place in the pool.
    index: u8,
    capacity: usize,
    buffers_max: usize,
    slab_slots: usize,
    memory: &'static dyn SlabMemory,
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
    /// Another thread adds or frees one in this moment: to be tried again.
    Raced,
}

impl Class {
    /// An empty class.
    pub(super) fn new(
        index: usize,
        ClassConfig { samples: capacity, buffers_max, .. }: ClassConfig,
        budget_bytes: usize,
        memory: &'static dyn SlabMemory,
    ) -> Self {
        let slot_bytes = capacity * size_of::<f32>();
        let target_bytes = SLAB_BYTES_MAX.min(budget_bytes / SLAB_BUDGET_SHARE);
        let slab_slots = (target_bytes / slot_bytes).clamp(1, SLOTS_MAX).min(buffers_max);
        let table = (0..buffers_max.div_ceil(slab_slots))
            .map(|_| AtomicPtr::new(ptr::null_mut()))
            .collect::<Box<[_]>>();
        Self {
            index: index as u8,
            capacity,
            buffers_max,
            slab_slots,
            memory,
            table,
            published: AtomicUsize::new(0),
            hint: AtomicU32::new(0),
            rare: RareCounters::default(),
        }
    }

    /// Its place in the pool.
    pub(super) fn index(&self) -> u8 {
        self.index
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

    /// The published slabs, highest first.
    pub(super) fn slabs_from_the_end(&self) -> impl Iterator<Item = SlabPtr> + '_ {
        (0..self.published.load(Ordering::Acquire)).rev().filter_map(|index| self.slab(index))
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
        // SAFETY: as the caller says.
        self.search(|slab| unsafe { slab.take() }.map(|slot| Taken { slab, slot }))
    }

    /// Takes up to `count` free slots of the lowest slab that has any; returns them as bits.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    pub(super) unsafe fn take_many(&self, count: u32) -> Option<(SlabPtr, u64)> {
        // SAFETY: as the caller says.
        self.search(|slab| Some((slab, unsafe { slab.take_many(count) })).filter(|(_, bits)| *bits != 0))
    }

    /// Tries the slab that the hint names, and then the others.
    #[inline]
    fn search<T>(&self, take: impl Fn(SlabPtr) -> Option<T>) -> Option<T> {
        let start = self.hint.load(Ordering::Relaxed) as usize;
        match self.slab(start).and_then(&take) {
            Some(taken) => Some(taken),
            None => self.search_elsewhere(start, take),
        }
    }

    /// Tries every slab but `start` once: those above it first, as those below were full.
    #[cold]
    fn search_elsewhere<T>(&self, start: usize, take: impl Fn(SlabPtr) -> Option<T>) -> Option<T> {
        let published = self.published.load(Ordering::Acquire);
        for index in (start.saturating_add(1)..published).chain(0..start.min(published)) {
            if let Some(taken) = self.slab(index).and_then(&take) {
                self.hint.store(index as u32, Ordering::Relaxed);
                return Some(taken);
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

    /// Slots that can be handed out, now or when they come back: those of draining slabs don't count.
    pub(super) fn slots(&self) -> usize {
        // SAFETY: slabs live as long as the class, which `self` proves alive.
        self.slabs().map(|slab| unsafe { slab.census() }.open()).sum()
    }

    /// Bytes of storage that is to be freed when its last slot is back.
    pub(super) fn draining_bytes(&self) -> usize {
        // SAFETY: slabs live as long as the class, which `self` proves alive.
        let draining = self.slabs().filter(|slab| unsafe { slab.census() }.draining);
        // SAFETY: as above.
        draining.map(|slab| unsafe { slab.shape() }.storage_bytes()).sum()
    }

    /// The error that says that this class is at its limit.
    fn full(&self, buffers: usize) -> GrowError {
        GrowError::ClassFull { class: self.capacity, buffers, buffers_max: self.buffers_max }
    }

    /// Adds one slab: one that was draining, or storage for one that gave it back, or a new one.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Safety
    /// The caller holds a handle of the pool, `self` is one of its classes and `inner` is its core.
    pub(super) unsafe fn add_slab(&self, inner: NonNull<Inner>) -> Result<Grown, GrowError> {
        // SAFETY: the handle keeps it alive.
        let pool = unsafe { inner.as_ref() };
        let out_of_memory = |bytes| GrowError::OutOfMemory { class: self.capacity, bytes };
        let (mut empty, mut busy) = (None, false);
        for slab in self.slabs() {
            // SAFETY: the slabs of a class live as long as it; the caller holds a handle.
            unsafe {
                match slab.state() {
                    SlabState::Open => {}
                    SlabState::Draining if slab.reopen() => {
                        self.note_free(slab.index());
                        return Ok(Grown::Added(slab.shape().slots));
                    }
                    SlabState::Draining | SlabState::Busy => busy = true,
                    SlabState::Empty => empty = empty.or(Some(slab)),
                }
            }
        }
        if let Some(slab) = empty {
            // SAFETY: as above.
            let shape = unsafe { slab.shape() };
            pool.reserve(shape.storage_bytes(), self.capacity)?;
            // SAFETY: the caller holds a handle.
            return match unsafe { slab.refill(self.memory) } {
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
        let Some(entry) = self.table.get(index) else {
            // A slab that was on its way from one state to another may be empty or open by now.
            return if busy { Ok(Grown::Raced) } else { Err(self.full(self.slots())) };
        };
        // Every slab but the last is whole, and the last one stops at the limit.
        let slots = self.slab_slots.min(self.buffers_max - index * self.slab_slots);
        let shape = SlabShape { capacity: self.capacity, slots };
        let bytes = shape.storage_bytes().saturating_add(block_bytes(slots));
        pool.reserve(bytes, self.capacity)?;
        let Some(slab) = SlabPtr::allocate(shape, self.memory, inner, self, index) else {
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
            unsafe { slab.free(self.memory) };
            pool.unreserve(bytes);
            return Ok(Grown::Raced);
        }
        Ok(Grown::Added(slots))
    }

    /// Frees the storage of every draining slab that is whole; returns the bytes, and those of slabs still draining.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    pub(super) unsafe fn give_back(&self) -> GivenBack {
        self.rare.peak_before.fetch_max(self.peak_since(), Ordering::Relaxed);
        let mut sum = GivenBack::default();
        for slab in self.slabs() {
            // SAFETY: as the caller says.
            match unsafe { slab.give_back(self.memory) } {
                Some(bytes) => sum.freed_bytes += bytes,
                // SAFETY: as the caller says.
                None if unsafe { slab.state() } == SlabState::Draining => {
                    // SAFETY: the slabs of a class live as long as it.
                    sum.draining_bytes += unsafe { slab.shape() }.storage_bytes();
                }
                None => {}
            }
        }
        sum
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
                unsafe { slab.free(self.memory) };
            }
        }
    }
}
