//! [`PageMemory`]: slabs that the system gets back.

// Not by way of `crate`: the peers' harness takes this file as it is.
use pcmflow_core::pool::SlabMemory;
use std::alloc::Layout;
use std::ptr::NonNull;

/// Memory for a pool's slabs in pages of the system: what the pool gives back leaves the process at once.
///
/// The global allocator may keep it instead: glibc's does, from a slab's second round on. Each slab is a mapping of its own
/// (`mmap`, `VirtualAlloc`), rounded up to whole pages; where the system gives none, the pool says so as
/// [`GrowError::OutOfMemory`](crate::core::pool::GrowError::OutOfMemory).
///
/// On systems without such calls it is the global allocator: [`OF_THE_SYSTEM`](Self::OF_THE_SYSTEM) is false there.
///
/// ```
/// use pcmflow::core::pool::{BufferRecyclingPool, ClassConfig, PoolConfig};
/// use pcmflow::runtime::PageMemory;
///
/// let class = ClassConfig { samples: 1024, buffers_max: 4096, buffers_prewarm: 0 };
/// let config = PoolConfig { classes: vec![class], ..PoolConfig::default() };
/// let pool = BufferRecyclingPool::with_memory(config, &PageMemory)?;
/// assert_eq!(pool.prewarm(1024, 4096)?, 4096); // 16 MiB more are resident
/// let freed = pool.clear().freed_bytes; // … and are no longer
/// assert!(freed >= 16 << 20);
/// assert!(PageMemory::OF_THE_SYSTEM || cfg!(not(any(unix, windows))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct PageMemory;

impl PageMemory {
    /// Whether this system gives pages; false where the global allocator stands in for it.
    pub const OF_THE_SYSTEM: bool = cfg!(any(unix, windows));
}

/// The smallest page of all systems: what every mapping is aligned to.
const PAGE: usize = 4096;

// SAFETY: a new private mapping (or, elsewhere, an allocation) is nobody else's until it is unmapped, which any thread may
// do; larger alignments than a page's are refused.
unsafe impl SlabMemory for PageMemory {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.align() > PAGE {
            return None;
        }
        system::map(layout)
    }

    unsafe fn free(&self, memory: NonNull<u8>, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { system::unmap(memory, layout) };
    }
}

#[cfg(unix)]
mod system {
    use super::{Layout, NonNull};

    pub(super) fn map(layout: Layout) -> Option<NonNull<u8>> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
        // SAFETY: a new mapping, where the system likes, touches nothing that is there.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), layout.size(), access, kind, -1, 0) };
        if start == libc::MAP_FAILED { None } else { NonNull::new(start.cast()) }
    }

    /// # Safety
    /// `memory` comes from `map` with an equal layout, and nothing refers to it any more.
    pub(super) unsafe fn unmap(memory: NonNull<u8>, layout: Layout) {
        // SAFETY: as the caller says.
        let result = unsafe { libc::munmap(memory.as_ptr().cast(), layout.size()) };
        if result != 0 {
            // Neighbours are one mapping to Linux, and cutting a hole would have made one more than it allows
            // (`vm.max_map_count`). The addresses stay taken, the memory goes all the same.
            // SAFETY: as the caller says; nobody misses the content.
            unsafe { libc::madvise(memory.as_ptr().cast(), layout.size(), libc::MADV_DONTNEED) };
        }
    }
}

#[cfg(windows)]
mod system {
    use super::{Layout, NonNull};
    use windows_sys::Win32::System::Memory::{
        MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE, VirtualAlloc, VirtualFree,
    };

    pub(super) fn map(layout: Layout) -> Option<NonNull<u8>> {
        let kind = MEM_RESERVE | MEM_COMMIT;
        // SAFETY: a new region, where the system likes, touches nothing that is there.
        let start = unsafe { VirtualAlloc(std::ptr::null(), layout.size(), kind, PAGE_READWRITE) };
        NonNull::new(start.cast())
    }

    /// # Safety
    /// `memory` comes from `map` with an equal layout, and nothing refers to it any more.
    pub(super) unsafe fn unmap(memory: NonNull<u8>, _: Layout) {
        // SAFETY: as the caller says; 0 bytes mean the whole region. It can't fail for a region that exists.
        unsafe { VirtualFree(memory.as_ptr().cast(), 0, MEM_RELEASE) };
    }
}

#[cfg(not(any(unix, windows)))]
mod system {
    use super::{Layout, NonNull};

    pub(super) fn map(layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: the layout's size is not zero, as the trait says.
        NonNull::new(unsafe { std::alloc::alloc(layout) })
    }

    /// # Safety
    /// `memory` comes from `map` with an equal layout, and nothing refers to it any more.
    pub(super) unsafe fn unmap(memory: NonNull<u8>, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { std::alloc::dealloc(memory.as_ptr(), layout) };
    }
}
