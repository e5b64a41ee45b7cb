//! The recycling pool: buffers of samples that are acquired and returned without allocating.
//!
//! A pool has a few *size classes*; a class has *slabs* of up to 32 buffers; a slab has a bitmap of the free ones.
//! [`acquire`](BufferRecyclingPool::acquire) clears a bit, dropping a buffer sets it: one atomic operation each, from
//! any thread. An [endpoint](BufferRecyclingPool::endpoint) takes and returns several at once. All memory together stays
//! inside one byte budget, and goes back by whole slabs while others acquire and release
//! ([`trim`](BufferRecyclingPool::trim)).
//!
//! | handle | |
//! | --- | --- |
//! | [`BufferRecyclingPool`] | the pool: cheap to clone, made and dropped off the audio thread |
//! | [`PoolEndpoint`] | one thread's way to it, with a small cache of free buffers |
//! | [`PooledBuffer`] | one owner, writable, like a `Vec<f32>` of fixed capacity |
//! | [`BufferRef`] | many readers, reference-counted, copy-on-write |
//! | [`BufferId`] | the name of a shared buffer; keeps nothing alive |
//!
//! A class counts samples: frames × channels. 1024 stereo frames need a class of 2048.
//!
//! # What outlives what
//!
//! Buffers stay valid when every handle of their pool is gone. The last one to come back then does *not* free the
//! pool's memory, as it may do so on an audio thread: it puts the pool on a list that whoever next makes or drops a
//! pool, or calls [`reclaim_dropped_pools`], frees. A buffer that is leaked (`mem::forget`) keeps its pool's memory
//! for ever.

mod bitmap;
mod buffer;
mod cache;
mod class;
mod config;
mod endpoint;
mod error;
mod give_back;
mod inner;
mod memory;
mod metrics;
mod shared;
mod slab;
#[cfg(test)]
mod tests;

pub use buffer::{OwnerId, PooledBuffer};
pub use config::{ClassConfig, PoolConfig, PoolConfigError};
pub use endpoint::PoolEndpoint;
pub use error::{AcquireError, GrowError};
pub use give_back::GivenBack;
pub use inner::reclaim_dropped_pools;
pub use memory::SlabMemory;
pub use metrics::{BufferStates, ClassMetrics, PoolMetrics};
pub use shared::{BufferId, BufferRef};

use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;
use core::ptr::NonNull;
use inner::Inner;

/// What to do when the class that should serve a request has no free buffer.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, ClassConfig, Miss, PoolConfig};
/// let class = |samples, buffers_prewarm| ClassConfig { samples, buffers_max: 2, buffers_prewarm };
/// let classes = vec![class(64, 2), class(128, 0), class(256, 2)];
/// let pool = BufferRecyclingPool::new(PoolConfig { classes, ..PoolConfig::default() })?;
/// let capacity = |miss| pool.acquire(100, miss).map(|buffer| buffer.capacity());
/// assert!(capacity(Miss::Fail).is_err()); // 100 samples are the middle class's to serve
/// assert_eq!((capacity(Miss::NextClassUp)?, capacity(Miss::Smaller)?), (256, 64));
/// assert_eq!(capacity(Miss::Grow)?, 128); // allocates: not on an audio thread
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Miss {
    /// Give nothing.
    #[default]
    Fail,
    /// Give a buffer of the next larger class that has one.
    NextClassUp,
    /// Give a buffer of the next smaller class that has one: its capacity is below what was asked for.
    Smaller,
    /// Add memory to the class. Not RT-safe: allocates.
    Grow,
}

/// A pool of recycled sample buffers in size classes, inside a byte budget.
///
/// Clones are handles of the same pool. Share it by cloning; clone and drop it off the audio thread.
///
/// ```
/// use pcmflow_core::pool::{AcquireError, BufferRecyclingPool, Miss, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut buffer = pool.acquire(1024, Miss::Fail)?;
/// buffer.extend_from_slice(&[0.25; 1024]);
/// let shared = buffer.into_shared();
/// let other = shared.clone();
/// assert_eq!(pool.metrics().states().in_use, 1);
/// std::thread::spawn(move || assert_eq!(other[1023], 0.25)).join().unwrap();
/// drop(shared);
/// assert_eq!(pool.metrics().states().in_use, 0);
/// let refused = pool.acquire(5000, Miss::NextClassUp).unwrap_err();
/// assert_eq!(refused, AcquireError::TooLarge { samples: 5000, largest: 4096 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BufferRecyclingPool {
    /// Alive as long as there is a handle, of which this value is one.
    inner: NonNull<Inner>,
}

// SAFETY: the handle only leads to `Inner`, whose fields are atomics or never change; the last handle's drop orders
// the other handles' uses before the end (Release and Acquire in `release_handle`).
unsafe impl Send for BufferRecyclingPool {}
// SAFETY: every method takes `&self` and works through atomics.
unsafe impl Sync for BufferRecyclingPool {}

impl BufferRecyclingPool {
    /// Makes a pool and the buffers that its classes start with.
    ///
    /// Not RT-safe: allocates, and frees what dropped pools left ([`reclaim_dropped_pools`]).
    ///
    /// # Errors
    /// A [`PoolConfigError`] that names class, value and allowed range; or why prewarming failed.
    pub fn new(config: PoolConfig) -> Result<Self, PoolConfigError> {
        Self::with_memory(config, &memory::Heap)
    }

    /// Makes a pool, as [`new`](Self::new) does, whose samples are in memory from `memory`.
    ///
    /// Not RT-safe: allocates, and frees what dropped pools left.
    ///
    /// # Errors
    /// As `new`.
    pub fn with_memory(config: PoolConfig, memory: &'static dyn SlabMemory) -> Result<Self, PoolConfigError> {
        reclaim_dropped_pools();
        let pool = Self { inner: Inner::allocate(&config, memory)? };
        for class in &config.classes {
            pool.prewarm(class.samples, class.buffers_prewarm)?;
        }
        Ok(pool)
    }

    fn inner(&self) -> &Inner {
        // SAFETY: this handle keeps it alive.
        unsafe { self.inner.as_ref() }
    }

    /// Acquires an empty buffer for `samples` samples, of the smallest class that holds them.
    ///
    /// `miss` says what to do when that class is exhausted. The buffer's owner is `OwnerId(0)`.
    ///
    /// RT-safe: lock-free, no allocation; except with [`Miss::Grow`]. Each slab of the classes in question is looked
    /// at once, and each endpoint when nothing was found; a compare-exchange is tried again only after another thread's acquire or release on the same slab got
    /// through.
    ///
    /// # Errors
    /// [`AcquireError::TooLarge`] above the largest class, whatever `miss` says; [`AcquireError::Exhausted`],
    /// [`AcquireError::Cached`] or [`AcquireError::NoneAllocated`] when nothing that `miss` allows is free;
    /// [`AcquireError::Grow`] when it says grow and that failed.
    #[inline]
    pub fn acquire(&self, samples: usize, miss: Miss) -> Result<PooledBuffer, AcquireError> {
        self.acquire_for(OwnerId::default(), samples, miss)
    }

    /// Acquires a buffer as [`acquire`](Self::acquire) does, in the name of `owner`.
    ///
    /// RT-safe: as `acquire`.
    ///
    /// # Errors
    /// As `acquire`.
    #[inline]
    pub fn acquire_for(
        &self,
        owner: OwnerId,
        samples: usize,
        miss: Miss,
    ) -> Result<PooledBuffer, AcquireError> {
        // SAFETY: this handle is one of `inner`; the slot is handed on.
        unsafe { Ok(PooledBuffer::from_taken(Inner::acquire(self.inner, samples, miss)?, owner)) }
    }

    /// Finds the shared buffer that `id` names, and adds a reference to it.
    ///
    /// `None` when its last reference is gone or it became unique since, even if the same memory is in use again; when
    /// the id is another pool's; and when there are 2^19 references.
    ///
    /// RT-safe: lock-free, no allocation. Tried again only after another handle of the same buffer was cloned or
    /// dropped.
    pub fn upgrade(&self, id: BufferId) -> Option<BufferRef> {
        // SAFETY: this handle is one of `inner`.
        unsafe { BufferRef::upgrade(self.inner, id) }
    }

    /// Adds memory to the class that serves `samples` until it has `buffers` buffers, in use or not; returns how many
    /// were added. Whole slabs are added, so that it may be some more. Their pages are touched.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`GrowError`]: too large for any class, the class's limit, the budget, or no memory. What was added stays.
    pub fn prewarm(&self, samples: usize, buffers: usize) -> Result<usize, GrowError> {
        // SAFETY: this handle is one of `inner`.
        unsafe { Inner::prewarm(self.inner, samples, buffers) }
    }

    /// Adds at least `buffers` buffers to the class that serves `samples`; returns how many were added.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// As [`prewarm`](Self::prewarm).
    pub fn grow(&self, samples: usize, buffers: usize) -> Result<usize, GrowError> {
        let inner = self.inner();
        let class = inner.classes.get(inner.class_for(samples));
        self.prewarm(samples, class.map_or(0, class::Class::slots).saturating_add(buffers))
    }

    /// What the pool has done and holds.
    ///
    /// Not RT-safe: allocates. Never disturbs those who use the pool.
    pub fn metrics(&self) -> PoolMetrics {
        PoolMetrics::read(self.inner())
    }

    /// Who holds how many buffers, for naming leaks; cached ones are nobody's. An acquisition in this very moment may
    /// still show the buffer's former owner.
    ///
    /// Not RT-safe: allocates.
    pub fn held_by(&self) -> BTreeMap<OwnerId, usize> {
        let inner = self.inner();
        let caches = inner.endpoints().flat_map(|endpoint| &endpoint.caches);
        let cached: BTreeSet<_> = caches.flat_map(cache::Cache::contents).collect();
        let mut held = BTreeMap::new();
        for slab in inner.classes.iter().flat_map(class::Class::slabs) {
            // SAFETY: this handle keeps the slab alive; slots below `slots` have headers.
            unsafe {
                let census = slab.census();
                for slot in (0..census.slots as u32).filter(|slot| census.free_mask & (1 << slot) == 0) {
                    if !cached.contains(&(slab.as_ptr(), slot)) {
                        let owner = slab.header(slot).owner.load(crate::sync::Ordering::Relaxed);
                        *held.entry(OwnerId(owner)).or_insert(0) += 1;
                    }
                }
            }
        }
        held
    }
}

impl Clone for BufferRecyclingPool {
    /// Adds a handle of the same pool.
    ///
    /// RT-safe: wait-free, no allocation. (Dropping a handle is not.)
    fn clone(&self) -> Self {
        self.inner().add_handle();
        Self { inner: self.inner }
    }
}

impl Drop for BufferRecyclingPool {
    /// Gives the handle up; the last one frees the pool, or leaves that to [`reclaim_dropped_pools`] if buffers are
    /// out.
    ///
    /// Not RT-safe: frees memory.
    fn drop(&mut self) {
        // SAFETY: this handle, which ends here.
        if unsafe { Inner::release_handle(self.inner) } {
            reclaim_dropped_pools();
        }
    }
}

impl fmt::Debug for BufferRecyclingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferRecyclingPool").field("metrics", &self.metrics()).finish_non_exhaustive()
    }
}
