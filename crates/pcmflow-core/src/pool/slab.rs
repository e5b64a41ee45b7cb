//! Slabs: runs of slots of one class, with a bitmap of the free ones.
//!
//! A slab is two allocations. The *block* is the [`Slab`] with one [`SlotHeader`] a slot behind it; it lives as long
//! as the pool, so that an old [`BufferId`](super::BufferId) always finds a header to fail on. The *storage* is the
//! samples; it can go (when all slots are free) and come back. What happens to the bitmap is in `bitmap.rs`.

use super::bitmap::SlabState;
use super::class::Class;
use super::inner::Inner;
use super::memory::{SlabMemory, SlabShape};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Cells, Ordering};
use core::alloc::Layout;
use core::mem::size_of;
use core::ptr::{self, NonNull};

/// Bits of the free bitmap; the rest of the word is flags and the count.
pub(super) const SLOTS_MAX: usize = 32;

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

/// What every take and return changes, on a cache line of its own.
#[repr(C, align(64))]
pub(super) struct Bitmap {
    /// See `bitmap.rs`.
    pub(super) word: AtomicU64,
    /// Slots taken, a multiple of `TAKEN_STEP`; behind the word by less than two steps, but for threads that stand still between their
    /// two additions.
    pub(super) taken_wide: AtomicU64,
    /// Slots `high..` were never taken since the storage came.
    pub(super) high: AtomicU32,
}

/// The head of a slab's block.
#[repr(C, align(128))]
pub(super) struct Slab {
    pub(super) bitmap: Bitmap,
    /// Freed while the slab is empty. Stored by who fills an empty slab, followed by who holds a slot.
    pub(super) storage: AtomicPtr<f32>,
    /// The pool whose endpoints may cache the slots: `inner`, or null while the slab is draining. Only advice.
    pub(super) cached_by: AtomicPtr<Inner>,
    // From here on: never written after the slab is published.
    inner: NonNull<Inner>,
    class: NonNull<Class>,
    /// A word with every slot free.
    pub(super) all: u64,
    index: u32,
    stride_samples: u32,
    capacity: u32,
    class_index: u8,
    slots: u8,
    pub(super) cells: Cells,
}

#[cfg(not(pcmflow_loom))]
const _: () = assert!(size_of::<SlotHeader>() == 16 && size_of::<Slab>() == 128);

/// Bytes of a slab's block.
pub(super) fn block_bytes(slots: usize) -> usize {
    size_of::<Slab>() + slots * size_of::<SlotHeader>()
}

fn block_layout(slots: usize) -> Option<Layout> {
    Layout::from_size_align(block_bytes(slots), align_of::<Slab>()).ok()
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
        memory: &dyn SlabMemory,
        inner: NonNull<Inner>,
        class: &Class,
        index: usize,
    ) -> Option<Self> {
        let layout = block_layout(shape.slots)?;
        let storage = shape.allocate_storage(memory)?;
        // SAFETY: the size is not zero, as `Slab` is not.
        let Some(block) = NonNull::new(unsafe { alloc::alloc::alloc(layout) }) else {
            // SAFETY: just allocated with this shape, nobody else knows it.
            unsafe { shape.free_storage(memory, storage) };
            return None;
        };
        let slab = Self(block.cast());
        let all = super::bitmap::SLOTS >> (SLOTS_MAX - shape.slots);
        // SAFETY: the block is as long as a `Slab` and `slots` headers behind it, aligned for `Slab`, and ours.
        unsafe {
            slab.0.write(Slab {
                bitmap: Bitmap {
                    word: AtomicU64::new(all),
                    taken_wide: AtomicU64::new(0),
                    high: AtomicU32::new(0),
                },
                storage: AtomicPtr::new(storage.as_ptr()),
                cached_by: AtomicPtr::new(inner.as_ptr()),
                inner,
                class: NonNull::from(class),
                all,
                index: index as u32,
                stride_samples: shape.stride_samples() as u32,
                capacity: shape.capacity as u32,
                class_index: class.index(),
                slots: shape.slots as u8,
                cells: Cells::new(shape.slots),
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
    /// Nothing refers to the slab, nor to a slot or header of it, any more; `memory` is what it was allocated from.
    pub(super) unsafe fn free(self, memory: &dyn SlabMemory) {
        // SAFETY: the slab is alive until the end of this function, and ours.
        let (shape, slab, state) = unsafe { (self.shape(), self.get(), self.state()) };
        if let Some(storage) =
            NonNull::new(slab.storage.load(Ordering::Relaxed)).filter(|_| state != SlabState::Empty)
        {
            slab.cells.write(0, shape.slots);
            // SAFETY: made by `allocate_storage` of this shape; nobody uses it, says the caller.
            unsafe { shape.free_storage(memory, storage) };
        }
        if let Some(layout) = block_layout(shape.slots) {
            // SAFETY: made in `allocate` with this layout. Only the model checker's parts need dropping, and headers
            // have none that do.
            unsafe {
                ptr::drop_in_place(self.as_ptr());
                alloc::alloc::dealloc(self.as_ptr().cast(), layout);
            }
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
    pub(super) unsafe fn get<'a>(self) -> &'a Slab {
        // SAFETY: written in `allocate`; what changes afterwards is atomic.
        unsafe { self.0.as_ref() }
    }

    /// # Safety
    /// The slab is alive.
    pub(super) unsafe fn shape(self) -> SlabShape {
        // SAFETY: as the caller says.
        let slab = unsafe { self.get() };
        SlabShape { capacity: slab.capacity as usize, slots: usize::from(slab.slots) }
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
    pub(super) unsafe fn class_index(self) -> u8 {
        // SAFETY: as the caller says.
        unsafe { self.get() }.class_index
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

    /// Whether endpoints of `inner` may cache its slots: it is that pool's, and not draining.
    ///
    /// # Safety
    /// The slab is alive.
    #[inline]
    pub(super) unsafe fn is_cached_by(self, inner: *mut Inner) -> bool {
        // SAFETY: as the caller says. Relaxed: advice; see `Inner::recall`.
        unsafe { self.get() }.cached_by.load(Ordering::Relaxed) == inner
    }

    /// Whether a slot that comes back is of use to the class at once.
    ///
    /// # Safety
    /// The slab is alive.
    #[inline]
    pub(super) unsafe fn is_open(self) -> bool {
        // SAFETY: as the caller says. Relaxed: advice.
        !unsafe { self.get() }.cached_by.load(Ordering::Relaxed).is_null()
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

    /// Tells the model checker that the slot's samples are read.
    ///
    /// # Safety
    /// The caller holds the slot.
    #[inline(always)]
    pub(super) unsafe fn reads(self, slot: u32) {
        // SAFETY: a held slot keeps the slab alive.
        unsafe { self.get() }.cells.read(slot as usize, 1);
    }

    /// Tells the model checker that the slot's samples are written.
    ///
    /// # Safety
    /// The caller holds the slot.
    #[inline(always)]
    pub(super) unsafe fn writes(self, slot: u32) {
        // SAFETY: a held slot keeps the slab alive.
        unsafe { self.get() }.cells.write(slot as usize, 1);
    }
}
