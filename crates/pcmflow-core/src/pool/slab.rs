//! Slabs: runs of slots of one class, with a bitmap of the free ones.
//!
//! A slab is two allocations. The *block* is the [`Slab`] with one [`SlotHeader`] a slot behind it; it lives as long
//! as the pool, so that an old [`BufferId`](super::BufferId) always finds a header to fail on. The *storage* is the
//! samples; it can go (when all slots are free) and come back.
//!
//! # The slab's word
//!
//! ```text
//! bit 63 … 40                  39 … 33   32       31 … 0
//!     acquisitions, mod 2^24   unused    CLOSED   free slots
//! ```
//!
//! Taking a slot is one compare-exchange, which clears the lowest free bit and counts the acquisition; returning one
//! is one `fetch_or`. Always taking the lowest bit makes the highest slot ever taken the largest number that were
//! ever in use at once. `CLOSED` is set when the pool's last handle goes: because it sits in the same word, exactly
//! one operation makes the word "closed and all free", and a return that finds it unset touches nothing afterwards.

use super::class::Class;
use super::inner::Inner;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use core::alloc::Layout;
use core::mem::size_of;
use core::ptr::{self, NonNull};

/// Bits of the free bitmap; the rest of the word is flags and the count.
pub(super) const SLOTS_MAX: usize = 32;
/// Sample storage starts on a cache line.
const STORAGE_ALIGN: usize = 64;

const SLOTS: u64 = (1 << SLOTS_MAX) - 1;
const CLOSED: u64 = 1 << 32;
const TAKEN_SHIFT: u32 = 40;
const TAKEN_ONE: u64 = 1 << TAKEN_SHIFT;
const TAKEN_MASK: u64 = (1 << 24) - 1;
/// The wide count is brought up to date every time the narrow one passes a multiple of this.
const TAKEN_STEP: u64 = 1 << 23;

/// What is kept per slot, 16 bytes.
#[repr(C, align(16))]
pub(super) struct SlotHeader {
    /// Reference count and generation; see `shared.rs`.
    pub(super) word: AtomicU64,
    /// Who acquired it last.
    pub(super) owner: AtomicU32,
    /// Samples written; valid while the slot is shared.
    pub(super) len: AtomicU32,
}

/// The head of a slab's block.
#[repr(C, align(128))]
pub(super) struct Slab {
    /// See the module's docs.
    word: AtomicU64,
    /// Acquisitions, a multiple of `TAKEN_STEP`; lags behind the word by less than two steps.
    taken_wide: AtomicU64,
    /// Slots `high..` were never taken since the storage came.
    high: AtomicU32,
    /// Null while the storage is given back. Stored by who owns every slot, read by who owns one.
    storage: AtomicPtr<f32>,
    // From here on: never written after the slab is published.
    pub(super) inner: NonNull<Inner>,
    pub(super) class: NonNull<Class>,
    pub(super) index: u32,
    slots: u32,
    stride_samples: u32,
    capacity: u32,
    /// A word with every slot free.
    all: u64,
}

#[cfg(not(pcmflow_loom))]
const _: () = assert!(size_of::<SlotHeader>() == 16 && size_of::<Slab>() == 128);

/// The numbers that a class's slabs are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlabShape {
    pub(super) capacity: usize,
    pub(super) slots: usize,
}

impl SlabShape {
    /// Samples from one slot to the next: the capacity, rounded up to a cache line.
    fn stride_samples(self) -> usize {
        self.capacity.next_multiple_of(STORAGE_ALIGN / size_of::<f32>())
    }

    /// Bytes of the storage. Can't overflow 64 bits (2^24 samples × 32 slots); saturates on 32.
    pub(super) fn storage_bytes(self) -> usize {
        (self.stride_samples() * size_of::<f32>()).saturating_mul(self.slots)
    }

    /// Bytes of the block.
    pub(super) fn block_bytes(self) -> usize {
        size_of::<Slab>() + self.slots * size_of::<SlotHeader>()
    }

    fn storage_layout(self) -> Option<Layout> {
        Layout::from_size_align(self.storage_bytes(), STORAGE_ALIGN).ok()
    }

    fn block_layout(self) -> Option<Layout> {
        Layout::from_size_align(self.block_bytes(), align_of::<Slab>()).ok()
    }

    /// Allocates zeroed storage and touches every page of it. Writing zeroes rather than asking for zeroed memory
    /// is what faults the pages in; it also means that samples are never uninitialised memory.
    fn allocate_storage(self) -> Option<NonNull<f32>> {
        let layout = self.storage_layout()?;
        // SAFETY: the layout's size is not zero: capacity and slots are at least 1.
        let storage = NonNull::new(unsafe { alloc::alloc::alloc(layout) })?;
        // SAFETY: the allocation is `storage_bytes` long and ours alone.
        unsafe { ptr::write_bytes(storage.as_ptr(), 0, self.storage_bytes()) };
        Some(storage.cast())
    }

    /// # Safety
    /// `storage` comes from `allocate_storage` of an equal shape and nothing refers to it any more.
    unsafe fn free_storage(self, storage: NonNull<f32>) {
        if let Some(layout) = self.storage_layout() {
            // SAFETY: as the caller says; the layout is computed from the same numbers.
            unsafe { alloc::alloc::dealloc(storage.as_ptr().cast(), layout) };
        }
    }
}

/// A slab that is alive. Every method's caller owes just that: it holds a slot of the slab, or a handle of the
/// pool that the slab belongs to. `Copy` and without a lifetime, because the last return may hand the slab's memory
/// to another thread, which a reference across that moment would forbid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SlabPtr(NonNull<Slab>);

impl SlabPtr {
    /// Makes a slab with all slots free. `None` when there is no memory.
    pub(super) fn allocate(
        shape: SlabShape,
        inner: NonNull<Inner>,
        class: NonNull<Class>,
        index: usize,
    ) -> Option<Self> {
        let layout = shape.block_layout()?;
        let storage = shape.allocate_storage()?;
        // SAFETY: the size is not zero, as `Slab` is not.
        let Some(block) = NonNull::new(unsafe { alloc::alloc::alloc(layout) }) else {
            // SAFETY: just allocated with this shape, nobody else knows it.
            unsafe { shape.free_storage(storage) };
            return None;
        };
        let slab = Self(block.cast());
        let all = SLOTS >> (SLOTS_MAX - shape.slots);
        // SAFETY: the block is as long as a `Slab` and `slots` headers behind it, aligned for `Slab`, and ours.
        unsafe {
            slab.0.write(Slab {
                word: AtomicU64::new(all),
                taken_wide: AtomicU64::new(0),
                high: AtomicU32::new(0),
                storage: AtomicPtr::new(storage.as_ptr()),
                inner,
                class,
                index: index as u32,
                slots: shape.slots as u32,
                stride_samples: shape.stride_samples() as u32,
                capacity: shape.capacity as u32,
                all,
            });
            for slot in 0..shape.slots {
                slab.header_ptr(slot as u32).write(SlotHeader {
                    word: AtomicU64::new(0),
                    owner: AtomicU32::new(0),
                    len: AtomicU32::new(0),
                });
            }
        }
        Some(slab)
    }

    /// Wraps a pointer that `as_ptr` gave.
    pub(super) fn from_ptr(slab: *mut Slab) -> Option<Self> {
        NonNull::new(slab).map(Self)
    }

    pub(super) fn as_ptr(self) -> *mut Slab {
        self.0.as_ptr()
    }

    /// Frees block and storage.
    ///
    /// # Safety
    /// Nothing refers to the slab, nor to a slot or header of it, any more.
    pub(super) unsafe fn free(self) {
        // SAFETY: the slab is alive until the end of this function, and ours.
        let (shape, storage) = unsafe { (self.shape(), self.storage()) };
        if let Some(storage) = storage {
            // SAFETY: made by `allocate_storage` of this shape; nobody uses it, says the caller.
            unsafe { shape.free_storage(storage) };
        }
        if let Some(layout) = shape.block_layout() {
            // SAFETY: made in `allocate` with this layout. `Slab` and `SlotHeader` need no drop.
            unsafe { alloc::alloc::dealloc(self.as_ptr().cast(), layout) };
        }
    }

    fn header_ptr(self, slot: u32) -> *mut SlotHeader {
        // Offsets stay inside the block for `slot < slots`, which is what every user of the pointer owes.
        self.as_ptr()
            .cast::<u8>()
            .wrapping_add(size_of::<Slab>())
            .cast::<SlotHeader>()
            .wrapping_add(slot as usize)
    }

    /// # Safety
    /// The slab is alive for `'a`, and `slot < slots`.
    #[inline]
    pub(super) unsafe fn header<'a>(self, slot: u32) -> &'a SlotHeader {
        // SAFETY: written in `allocate`, never moved, only ever changed through its atomics.
        unsafe { &*self.header_ptr(slot) }
    }

    /// # Safety
    /// The slab is alive for `'a`.
    #[inline]
    unsafe fn get<'a>(self) -> &'a Slab {
        // SAFETY: written in `allocate`; what changes afterwards is atomic.
        unsafe { self.0.as_ref() }
    }

    /// # Safety
    /// The slab is alive.
    pub(super) unsafe fn shape(self) -> SlabShape {
        // SAFETY: as the caller says.
        let slab = unsafe { self.get() };
        SlabShape { capacity: slab.capacity as usize, slots: slab.slots as usize }
    }

    /// # Safety
    /// The slab is alive.
    unsafe fn storage(self) -> Option<NonNull<f32>> {
        // SAFETY: as the caller says. Acquire: who finds the storage there may look at it.
        NonNull::new(unsafe { self.get() }.storage.load(Ordering::Acquire))
    }

    /// # Safety
    /// The slab is alive.
    #[inline]
    pub(super) unsafe fn capacity(self) -> usize {
        // SAFETY: as the caller says.
        unsafe { self.get() }.capacity as usize
    }

    /// # Safety
    /// The slab is alive.
    #[inline]
    pub(super) unsafe fn class(self) -> NonNull<Class> {
        // SAFETY: as the caller says.
        unsafe { self.get() }.class
    }

    /// # Safety
    /// The slab is alive.
    #[inline]
    pub(super) unsafe fn inner(self) -> NonNull<Inner> {
        // SAFETY: as the caller says.
        unsafe { self.get() }.inner
    }

    /// # Safety
    /// The slab is alive.
    #[inline]
    pub(super) unsafe fn index(self) -> u32 {
        // SAFETY: as the caller says.
        unsafe { self.get() }.index
    }

    /// Where the slot's samples are.
    ///
    /// # Safety
    /// The caller holds the slot.
    #[inline]
    pub(super) unsafe fn data(self, slot: u32) -> *mut f32 {
        // SAFETY: a held slot keeps slab and storage alive.
        let slab = unsafe { self.get() };
        // Relaxed: the compare-exchange that gave the slot to its holder acquired what came before it.
        let storage = slab.storage.load(Ordering::Relaxed);
        // SAFETY: the storage is `slots` strides long and `slot < slots`.
        unsafe { storage.add(slot as usize * slab.stride_samples as usize) }
    }

    /// Takes the lowest free slot.
    ///
    /// Lock-free: a retry means that another thread's take or return in this slab got through meanwhile.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    #[inline]
    pub(super) unsafe fn take(self) -> Option<u32> {
        // SAFETY: as the caller says.
        let slab = unsafe { self.get() };
        let mut word = slab.word.load(Ordering::Relaxed);
        let taken = loop {
            let free = word & SLOTS;
            if free == 0 {
                return None;
            }
            let taken = (word & !(free & free.wrapping_neg())).wrapping_add(TAKEN_ONE);
            // Acquire pairs with the Release of `put`: the last holder's accesses are over before ours begin.
            match slab.word.compare_exchange(word, taken, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => break taken,
                Err(now) => word = now,
            }
        };
        let slot = (word & SLOTS).trailing_zeros();
        if slot >= slab.high.load(Ordering::Relaxed) {
            slab.high.fetch_max(slot + 1, Ordering::Relaxed);
        }
        if (taken >> TAKEN_SHIFT) & (TAKEN_STEP - 1) == 0 {
            // Release: who reads this sum reads a word at least as new.
            slab.taken_wide.fetch_add(TAKEN_STEP, Ordering::Release);
        }
        Some(slot)
    }

    /// Returns a slot. Wait-free; frees nothing: the return that completes a closed pool hands its memory to the
    /// list of orphans.
    ///
    /// # Safety
    /// The caller holds the slot, and gives it up: the slab may be gone when this returns.
    #[inline]
    pub(super) unsafe fn put(self, slot: u32) {
        // SAFETY: the slot that we hold keeps the slab alive up to the `fetch_or` below. No reference to anything
        // but the word itself lives across it.
        let (all, inner) = unsafe { (self.get().all, self.get().inner) };
        let bit = 1u64 << slot;
        // SAFETY: as above. Release: our accesses to the samples are over before the next holder's begin.
        let before = unsafe { &(*self.as_ptr()).word }.fetch_or(bit, Ordering::Release);
        debug_assert_eq!(before & bit, 0, "a slot was returned twice");
        if before & CLOSED != 0 && (before | bit) & SLOTS == all {
            // Acquire: every other holder's accesses are over, too. (A load, as ThreadSanitizer knows no fences.)
            // SAFETY: as for `slabs_done`.
            unsafe { &(*self.as_ptr()).word }.load(Ordering::Acquire);
            // SAFETY: only one operation can make a closed word all free, so that this slab is reported once; until
            // then `Inner` counts it and is alive.
            unsafe { Inner::slabs_done(inner, 1) };
        }
    }

    /// Marks the slab closed; true when no slot is out, so that no return will report it.
    ///
    /// # Safety
    /// The pool has no handle left and `Inner` is kept alive by the caller.
    pub(super) unsafe fn close(self) -> bool {
        // SAFETY: as the caller says.
        let slab = unsafe { self.get() };
        // Acquire: the returned slots' holders are done; Release: who sees the mark sees the count of slabs.
        slab.word.fetch_or(CLOSED, Ordering::AcqRel) & SLOTS == slab.all
    }

    /// # Safety
    /// The slab is alive.
    pub(super) unsafe fn has_storage(self) -> bool {
        // SAFETY: as the caller says.
        unsafe { self.storage() }.is_some()
    }

    /// Frees the storage when every slot is free; returns its bytes.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    pub(super) unsafe fn give_back(self) -> Option<usize> {
        // SAFETY: as the caller says.
        let slab = unsafe { self.get() };
        let word = slab.word.load(Ordering::Relaxed);
        if word & SLOTS != slab.all {
            return None;
        }
        // Taking all free bits at once makes us the only holder; a slot taken meanwhile makes it fail. Acquire as
        // in `take`.
        slab.word.compare_exchange(word, word & !SLOTS, Ordering::Acquire, Ordering::Relaxed).ok()?;
        slab.high.store(0, Ordering::Relaxed);
        let storage = NonNull::new(slab.storage.swap(ptr::null_mut(), Ordering::AcqRel))?;
        // SAFETY: allocated with this shape; we held every slot and have just forgotten the only pointer.
        unsafe {
            let shape = self.shape();
            shape.free_storage(storage);
            Some(shape.storage_bytes())
        }
    }

    /// Gives a slab whose storage was given back a new one. `Ok(false)`: somebody else was faster;
    /// `Err` carries the bytes that the system did not have.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    pub(super) unsafe fn refill(self) -> Result<bool, usize> {
        // SAFETY: as the caller says.
        let (slab, shape) = unsafe { (self.get(), self.shape()) };
        let storage = shape.allocate_storage().ok_or(shape.storage_bytes())?;
        // Release: who finds the pointer finds the zeroes.
        if slab
            .storage
            .compare_exchange(ptr::null_mut(), storage.as_ptr(), Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            // SAFETY: ours, unpublished.
            unsafe { shape.free_storage(storage) };
            return Ok(false);
        }
        // Release: who takes a slot sees the storage. No slot was free or held, so that all become free at once.
        slab.word.fetch_or(slab.all, Ordering::Release);
        Ok(true)
    }

    /// # Safety
    /// The slab is alive.
    pub(super) unsafe fn census(self) -> SlabCensus {
        // SAFETY: as the caller says.
        let slab = unsafe { self.get() };
        // Acquire before the word: see `take`.
        let wide = slab.taken_wide.load(Ordering::Acquire);
        let word = slab.word.load(Ordering::Relaxed);
        let has_storage = !slab.storage.load(Ordering::Relaxed).is_null();
        SlabCensus {
            slots: if has_storage { slab.slots as usize } else { 0 },
            free: (word & SLOTS).count_ones() as usize,
            free_mask: word & SLOTS,
            high: slab.high.load(Ordering::Relaxed) as usize,
            // The narrow count is that of the true sum modulo 2^24, and the true sum is less than 2^24 ahead.
            taken: wide + ((word >> TAKEN_SHIFT).wrapping_sub(wide) & TAKEN_MASK),
        }
    }
}

/// What one look at a slab shows.
pub(super) struct SlabCensus {
    /// Slots that have storage: all or none.
    pub(super) slots: usize,
    pub(super) free: usize,
    pub(super) free_mask: u64,
    pub(super) high: usize,
    /// Acquisitions since the slab was made.
    pub(super) taken: u64,
}
