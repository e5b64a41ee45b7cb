//! [`PoolEndpoint`]: a thread's own way to a pool.

use super::buffer::{OwnerId, PooledBuffer, Slot};
use super::cache::{Cache, Endpoint};
use super::class::Taken;
use super::inner::Inner;
use super::shared::BufferRef;
use super::{AcquireError, BufferRecyclingPool, GrowError, Miss};
use crate::mutant::is as mutant;
use crate::sync::Ordering;
use alloc::boxed::Box;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// A thread's own way to a pool: what it releases here, it gets back first, with no atomic read-modify-write at all.
///
/// Each class has a small cache of free buffers, filled when first asked for and limited by
/// [`PoolConfig::endpoint_cache_bytes`](super::PoolConfig::endpoint_cache_bytes). An empty one takes several buffers of a
/// slab in one step, a full one returns several: so it also pays where one thread acquires and another releases, each with
/// an endpoint of its own. Buffers that are simply dropped go straight to the pool, as do those of other pools.
///
/// Cached buffers are free, but for this endpoint only; the pool's metrics report them as *cached*. When the pool wants
/// them (somebody found a class exhausted, or slabs are to be given back), the endpoint returns them at its next use. So
/// a thread that will not use its endpoint for long [flushes](Self::flush) it.
///
/// An endpoint is a handle of the pool. It can be sent to another thread, and is used by one at a time.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, OwnerId, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut endpoint = pool.endpoint(OwnerId(1))?;
/// let buffer = endpoint.acquire(1024, Miss::Fail)?;
/// endpoint.release(buffer);
/// let states = pool.metrics().states();
/// assert_eq!((states.in_use, states.cached > 0), (0, true));
/// endpoint.flush();
/// assert_eq!(pool.metrics().states().cached, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PoolEndpoint {
    /// Alive as long as this handle.
    inner: NonNull<Inner>,
    /// Ours alone until the drop; alive as long as the pool.
    endpoint: NonNull<Endpoint>,
    /// The calls to give back that were followed.
    recalls: usize,
    owner: OwnerId,
    /// Not `Sync`: each use writes without asking who else does.
    one_user: PhantomData<Cell<()>>,
}

// SAFETY: nothing in it belongs to a thread: the handle works through atomics, and the caches' one user is whoever has
// the value.
unsafe impl Send for PoolEndpoint {}

impl BufferRecyclingPool {
    /// Makes an endpoint, which is a handle of the pool with a cache; what it acquires is in the name of `owner`.
    ///
    /// Not RT-safe: allocates.
    ///
    /// The pool grows by the endpoint's block, a few kilobytes, where no dropped endpoint has left one. Such blocks stay with
    /// the pool, whatever memory is given back: as many as there were endpoints at a time.
    ///
    /// # Errors
    /// Why the pool could not grow by the block: [`GrowError::Endpoints`] when there are
    /// [`PoolConfig::endpoints_max`](super::PoolConfig::endpoints_max) already, [`GrowError::EndpointBudget`] when the
    /// budget has no room for it.
    pub fn endpoint(&self, owner: OwnerId) -> Result<PoolEndpoint, GrowError> {
        let pool = self.inner();
        let endpoint = match pool.endpoints().find(|endpoint| endpoint.claim()) {
            Some(endpoint) => NonNull::from(endpoint),
            None => pool.add_endpoint()?,
        };
        pool.add_handle();
        Ok(PoolEndpoint {
            inner: self.inner,
            endpoint,
            recalls: pool.recalls.load(Ordering::Acquire),
            owner,
            one_user: PhantomData,
        })
    }
}

impl Inner {
    /// Adds an endpoint to the list.
    fn add_endpoint(&self) -> Result<NonNull<Endpoint>, GrowError> {
        let endpoints_max = self.endpoints_max;
        // Relaxed, here and below: a count, nothing is read on the strength of it.
        self.endpoint_count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < endpoints_max).then_some(count + 1)
            })
            .map_err(|_| GrowError::Endpoints { endpoints_max })?;
        let (bytes, budget_bytes) = (Endpoint::bytes(self.classes.len()), self.budget_bytes);
        self.reserve_bytes(bytes).map_err(|held_bytes| {
            self.endpoint_count.fetch_sub(1, Ordering::Relaxed);
            GrowError::EndpointBudget { bytes, held_bytes, budget_bytes }
        })?;
        let endpoint = Box::leak(Endpoint::new(&self.classes, self.endpoint_cache_bytes));
        let mut head = self.endpoints.load(Ordering::Relaxed);
        loop {
            endpoint.next.store(head, Ordering::Relaxed);
            // Release: who finds the endpoint finds it written.
            match self.endpoints.compare_exchange(head, endpoint, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Ok(NonNull::from(endpoint)),
                Err(now) => head = now,
            }
        }
    }
}

impl PoolEndpoint {
    #[inline]
    fn inner(&self) -> &Inner {
        // SAFETY: this handle keeps it alive.
        unsafe { self.inner.as_ref() }
    }

    #[inline]
    fn caches(&self) -> &[Cache] {
        // SAFETY: lives as long as the pool, which this handle keeps alive.
        &unsafe { self.endpoint.as_ref() }.caches
    }

    /// Whether nobody has asked for the cached buffers.
    #[inline]
    fn undisturbed(&self) -> bool {
        // Acquire pairs with the Release in `recall`.
        self.inner().recalls.load(Ordering::Acquire) == self.recalls || mutant("pool-recall-ignored")
    }

    /// Acquires an empty buffer, as [`BufferRecyclingPool::acquire`] does, from the cache if there is one.
    ///
    /// RT-safe: as `BufferRecyclingPool::acquire`; wait-free from the cache.
    ///
    /// # Errors
    /// As `BufferRecyclingPool::acquire`.
    #[inline]
    pub fn acquire(&mut self, samples: usize, miss: Miss) -> Result<PooledBuffer, AcquireError> {
        let class = self.inner().class_for(samples);
        if self.undisturbed()
            && let Some(cache) = self.caches().get(class)
            // SAFETY: `&mut self`: we are the one user, and a handle.
            && let Some(slot) = unsafe { cache.pop() }
        {
            return Ok(self.hand_out(slot));
        }
        self.acquire_elsewhere(class, samples, miss)
    }

    /// Makes the handle of a slot that came from the cache.
    #[inline]
    fn hand_out(&self, slot: Slot) -> PooledBuffer {
        // SAFETY: the slot is ours until the handle is made, which owns it then.
        unsafe {
            slot.slab.header(slot.at().slot()).owner.store(self.owner.0, Ordering::Relaxed);
            PooledBuffer::from_slot(slot)
        }
    }

    /// Fills the cache, if it may hold any, or does what `miss` says.
    #[cold]
    fn acquire_elsewhere(
        &mut self,
        index: usize,
        samples: usize,
        miss: Miss,
    ) -> Result<PooledBuffer, AcquireError> {
        if !self.undisturbed() {
            self.flush();
        }
        let class = self.inner().classes.get(index);
        if let Some((class, cache)) = class.zip(self.caches().get(index)) {
            // SAFETY: `&mut self`: we are the one user, and a handle. The cache is empty: flushed just now, or it
            // gave nothing.
            unsafe {
                if cache.limit == 0 {
                    if let Some(taken) = class.take() {
                        return Ok(PooledBuffer::from_taken(taken, self.owner));
                    }
                } else if cache.refill(class)
                    && let Some(slot) = cache.pop()
                {
                    return Ok(self.hand_out(slot));
                }
            }
        }
        // What other classes have here may serve, too.
        self.flush();
        // SAFETY: this handle is one of `inner`; the slot is handed on.
        unsafe {
            let taken: Taken = Inner::missed(self.inner, index, samples, miss)?;
            Ok(PooledBuffer::from_taken(taken, self.owner))
        }
    }

    /// Releases a buffer into the cache, or to its pool when there is no room or it is another pool's.
    ///
    /// RT-safe: wait-free, no allocation; frees no memory. Lock-free for another pool's very last buffer.
    #[inline]
    pub fn release(&mut self, buffer: PooledBuffer) {
        // SAFETY: the slot was unique.
        unsafe { self.keep(buffer.into_slot()) };
    }

    /// Drops a reference; the last one is released as by [`release`](Self::release).
    ///
    /// RT-safe: wait-free, no allocation; frees no memory. Lock-free for another pool's very last buffer.
    #[inline]
    pub fn release_shared(&mut self, buffer: BufferRef) {
        if let Some(slot) = buffer.into_last() {
            // SAFETY: that was the last reference.
            unsafe { self.keep(slot) };
        }
    }

    /// Caches a slot or returns it.
    ///
    /// # Safety
    /// The caller hands the slot over, which nobody else holds.
    #[inline]
    unsafe fn keep(&mut self, slot: Slot) {
        // SAFETY: we hold the slot, are the one user of the caches, and a handle.
        unsafe {
            let kept = slot.slab.is_cached_by(self.inner.as_ptr())
                && self.undisturbed()
                && self.caches().get(slot.at().class()).is_some_and(|cache| cache.push(&slot));
            if !kept {
                self.put_back(slot);
            }
        }
    }

    /// Returns a slot that can't be cached; if that is for want of room, the others go and it stays: a full cache says that
    /// this thread releases more than it acquires.
    ///
    /// # Safety
    /// The caller hands the slot over, which nobody else holds.
    #[cold]
    unsafe fn put_back(&mut self, slot: Slot) {
        if !self.undisturbed() {
            self.flush();
        }
        let index = slot.at().class();
        // SAFETY: we hold the slot until it is released or cached, are the one user of the caches, and a handle. A slab
        // that is cached by this pool is this pool's, so that its class is.
        unsafe {
            if slot.slab.is_cached_by(self.inner.as_ptr())
                && let Some((class, cache)) = self.inner().classes.get(index).zip(self.caches().get(index))
            {
                cache.spill(class);
                if cache.push(&slot) {
                    return;
                }
            }
            slot.release();
        }
    }

    /// Returns everything cached to the pool.
    ///
    /// RT-safe: wait-free, no allocation, at most 16 steps a class; frees no memory.
    pub fn flush(&mut self) {
        // Before the slots go: a call that comes in between is followed next time.
        self.recalls = self.inner().recalls.load(Ordering::Acquire);
        for (class, cache) in self.inner().classes.iter().zip(self.caches()) {
            // SAFETY: `&mut self`: we are the one user, and a handle.
            unsafe { cache.spill(class) };
        }
    }

    /// Buffers that it keeps for itself.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn cached(&self) -> usize {
        self.caches().iter().map(Cache::count).sum()
    }
}

impl Drop for PoolEndpoint {
    /// Returns everything cached, and gives the handle up.
    ///
    /// RT-safe: wait-free, no allocation; frees no memory. If it is the pool's last handle, one step a slab, and lock-free. (Unlike that
    /// of a [`BufferRecyclingPool`]: a pool that ends here waits for
    /// [`reclaim_dropped_pools`](super::reclaim_dropped_pools).)
    fn drop(&mut self) {
        self.flush();
        // SAFETY: lives as long as the pool, of which we are still a handle.
        unsafe { self.endpoint.as_ref() }.leave();
        // SAFETY: this handle, which ends here.
        unsafe { Inner::release_handle(self.inner) };
    }
}

impl fmt::Debug for PoolEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolEndpoint")
            .field("owner", &self.owner)
            .field("cached", &self.cached())
            .finish_non_exhaustive()
    }
}
