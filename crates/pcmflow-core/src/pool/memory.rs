//! Where the samples of slabs are: their layout, and the memory they come from and go back to.

use core::alloc::Layout;
use core::fmt;
use core::hint::black_box;
use core::ptr::{self, NonNull};

/// Sample storage starts on a cache line.
pub(super) const STORAGE_ALIGN: usize = 64;

/// What the sets of a first-level cache repeat after: nearly everywhere a page of 4 KiB.
const PAGE: usize = 4096;

/// Where a pool's slabs come from, and where they go when they are given back.
///
/// By default that is the global allocator. It may keep what it was given instead of handing it to the system: glibc's,
/// once a mapped block of a slab's size was freed, takes later ones from its heap, where they stay. A program that
/// wants its resident memory to follow the pool hands in pages of the system (`pcmflow::runtime::PageMemory`, to
/// [`BufferRecyclingPool::with_memory`](super::BufferRecyclingPool::with_memory)); so does one that wants huge pages, or
/// locked ones.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig, SlabMemory};
/// use std::alloc::{GlobalAlloc, Layout, System};
/// use std::ptr::NonNull;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// #[derive(Debug)]
/// struct Counted(AtomicUsize);
/// // SAFETY: the system's allocator keeps the promises; counting changes nothing.
/// unsafe impl SlabMemory for Counted {
///     fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
///         self.0.fetch_add(layout.size(), Ordering::Relaxed);
///         // SAFETY: the pool asks for no empty layout.
///         NonNull::new(unsafe { System.alloc(layout) })
///     }
///     unsafe fn free(&self, memory: NonNull<u8>, layout: Layout) {
///         self.0.fetch_sub(layout.size(), Ordering::Relaxed);
///         // SAFETY: as the caller says.
///         unsafe { System.dealloc(memory.as_ptr(), layout) };
///     }
/// }
///
/// static MEMORY: Counted = Counted(AtomicUsize::new(0));
/// let pool = BufferRecyclingPool::with_memory(PoolConfig::default(), &MEMORY)?;
/// assert!(MEMORY.0.load(Ordering::Relaxed) > 32 * 7936 * 4);
/// pool.clear();
/// assert_eq!(MEMORY.0.load(Ordering::Relaxed), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Safety
/// - `allocate` gives memory of that size and alignment that nobody else uses until it is freed.
/// - It may be freed on another thread than it was allocated on.
/// - Neither function panics: a slab that is being freed or filled would stay in that state for good.
pub unsafe trait SlabMemory: fmt::Debug + Sync {
    /// Gives memory of that layout, whose size is never 0; `None` when there is none. Its content does not matter: the
    /// pool writes every byte, which also faults its pages in.
    ///
    /// Not RT-safe: allocates. Called only where the pool says that it allocates.
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>>;

    /// Takes memory back.
    ///
    /// Not RT-safe: frees memory. Called only where the pool says that it frees.
    ///
    /// # Safety
    /// `memory` comes from `allocate` of the same value with an equal layout, and nothing refers to it any more.
    unsafe fn free(&self, memory: NonNull<u8>, layout: Layout);
}

/// The global allocator.
#[derive(Debug)]
pub(super) struct Heap;

// SAFETY: the global allocator owes the same.
unsafe impl SlabMemory for Heap {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: the layout's size is not zero, as the trait says.
        NonNull::new(unsafe { alloc::alloc::alloc(layout) })
    }

    unsafe fn free(&self, memory: NonNull<u8>, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { alloc::alloc::dealloc(memory.as_ptr(), layout) };
    }
}

/// The numbers that a class's slabs are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlabShape {
    pub(super) capacity: usize,
    pub(super) slots: usize,
}

impl SlabShape {
    /// Samples from one slot to the next: the capacity, rounded up to a cache line; one line more where slots would start
    /// whole pages apart, because then the first lines of all of them would share one set of the cache.
    pub(super) fn stride_samples(self) -> usize {
        let line = STORAGE_ALIGN / size_of::<f32>();
        let lines = self.capacity.div_ceil(line);
        (lines + usize::from(lines.is_multiple_of(PAGE / STORAGE_ALIGN))) * line
    }

    /// Bytes of the storage. Can't overflow 64 bits (2^24 samples × 32 slots); saturates on 32.
    pub(super) fn storage_bytes(self) -> usize {
        (self.stride_samples() * size_of::<f32>()).saturating_mul(self.slots)
    }

    /// Bytes that samples can be in.
    pub(super) fn payload_bytes(self) -> usize {
        (self.capacity * size_of::<f32>()).saturating_mul(self.slots)
    }

    fn storage_layout(self) -> Option<Layout> {
        Layout::from_size_align(self.storage_bytes(), STORAGE_ALIGN).ok()
    }

    /// Allocates zeroed storage and touches every page of it.
    pub(super) fn allocate_storage(self, memory: &dyn SlabMemory) -> Option<NonNull<f32>> {
        let storage = memory.allocate(self.storage_layout()?)?;
        // Writing zeroes rather than asking for zeroed memory is what faults the pages in (unless the optimiser could
        // see both ends, which `black_box` forbids); it also means that samples are never uninitialised memory.
        // SAFETY: the allocation is `storage_bytes` long and ours alone.
        unsafe { ptr::write_bytes(black_box(storage.as_ptr()), 0, self.storage_bytes()) };
        Some(storage.cast())
    }

    /// # Safety
    /// `storage` comes from `allocate_storage` of an equal shape and the same `memory`, and nothing refers to it any more.
    pub(super) unsafe fn free_storage(self, memory: &dyn SlabMemory, storage: NonNull<f32>) {
        if let Some(layout) = self.storage_layout() {
            // SAFETY: as the caller says; the layout is computed from the same numbers.
            unsafe { memory.free(storage.cast(), layout) };
        }
    }
}
