//! What all handles and buffers of one pool share, and how it ends.
//!
//! # Who keeps it alive
//!
//! Pool handles are counted. Buffers are not: their slots' missing free bits say that they are out, so that acquire
//! and release pay nothing for it. When the last handle goes, every slab's word gets its closed mark
//! ([`SlabPtr::close`]), and from then on the return that makes a slab whole reports it here ([`Inner::slabs_done`]).
//! The last report puts the pool on a list of orphans. Nothing is freed there, as that may be any thread; the list is
//! emptied by whoever next makes or drops a pool, or calls [`reclaim_dropped_pools`].

use super::bitmap::SlabState;
use super::cache::{Cache, Endpoint};
use super::class::{Class, Grown, Taken};
use super::config::{ClassConfig, PoolConfig, PoolConfigError};
use super::memory::SlabMemory;
use super::slab::SlabPtr;
use super::{AcquireError, GrowError, Miss};
use crate::sync::{AtomicPtr, AtomicU64, AtomicUsize, Ordering, spin_loop};
use alloc::boxed::Box;
use core::ptr::{self, NonNull};

/// Pools whose handles and buffers are all gone: a stack, pushed from any thread, emptied as a whole.
/// Not `crate::sync`'s: a model checker's atomics can't be static.
static ORPHANS: core::sync::atomic::AtomicPtr<Inner> = core::sync::atomic::AtomicPtr::new(ptr::null_mut());
/// The next pool's number. Numbers are never used twice, which `BufferId` relies on.
static NEXT_ID: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

/// The shared part of a pool.
pub(super) struct Inner {
    /// Unlike any other pool's in this process.
    pub(super) id: u64,
    pub(super) classes: Box<[Class]>,
    sizes: Sizes,
    pub(super) budget_bytes: usize,
    pub(super) endpoint_cache_bytes: usize,
    pub(super) endpoints_max: usize,
    /// Endpoints in the list, or about to be; never above `endpoints_max`.
    pub(super) endpoint_count: AtomicUsize,
    /// Raised to call all endpoints' cached slots back. Hardly ever written.
    pub(super) recalls: AtomicUsize,
    /// All endpoints there ever were: a stack that is only pushed to; they live as long as the pool.
    pub(super) endpoints: AtomicPtr<Endpoint>,
    /// Bytes allocated, or reserved for an allocation under way; never above `budget_bytes`.
    pub(super) held_bytes: AtomicUsize,
    pub(super) held_bytes_peak: AtomicUsize,
    /// Requests above the largest class.
    pub(super) too_large: AtomicU64,
    /// 64 bits on every machine: even a loop that leaks handles can't make it wrap.
    handles: AtomicU64,
    /// Slabs not yet whole after the last handle went, and one for the thread that counts them.
    open: AtomicUsize,
    next_orphan: AtomicPtr<Inner>,
}

impl Inner {
    /// Makes a pool without storage; the caller gets the first handle.
    pub(super) fn allocate(
        config: &PoolConfig,
        memory: &'static dyn SlabMemory,
    ) -> Result<NonNull<Self>, PoolConfigError> {
        config.validate()?;
        let budget_bytes = config.budget_bytes;
        let classes: Box<[Class]> = (config.classes.iter().enumerate())
            .map(|(index, class)| Class::new(index, *class, budget_bytes, memory))
            .collect();
        let bytes = size_of::<Self>()
            + size_of_val(&*classes)
            + classes.iter().map(Class::table_bytes).sum::<usize>();
        if bytes > budget_bytes {
            return Err(PoolConfigError::Tables { bytes, budget_bytes });
        }
        let inner = Box::new(Self {
            id: NEXT_ID.fetch_add(1, core::sync::atomic::Ordering::Relaxed),
            sizes: Sizes::new(&classes),
            classes,
            budget_bytes,
            endpoint_cache_bytes: config.endpoint_cache_bytes,
            endpoints_max: config.endpoints_max,
            endpoint_count: AtomicUsize::new(0),
            recalls: AtomicUsize::new(0),
            endpoints: AtomicPtr::new(ptr::null_mut()),
            held_bytes: AtomicUsize::new(bytes),
            held_bytes_peak: AtomicUsize::new(bytes),
            too_large: AtomicU64::new(0),
            handles: AtomicU64::new(1),
            open: AtomicUsize::new(0),
            next_orphan: AtomicPtr::new(ptr::null_mut()),
        });
        Ok(NonNull::from(Box::leak(inner)))
    }

    /// Adds a handle for one that holds a handle.
    pub(super) fn add_handle(&self) {
        // Relaxed, as for `Arc`: the new handle is made from one that keeps everything alive.
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds a handle for one that holds only a buffer; fails when the last handle is gone.
    pub(super) fn try_add_handle(&self) -> bool {
        // Acquire: what the pool's other users did before is seen.
        self.handles
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |n| if n == 0 { None } else { Some(n + 1) })
            .is_ok()
    }

    /// Gives a handle up; true if it was the last.
    ///
    /// # Safety
    /// The caller owns a handle and does not use it afterwards: the pool may be gone when this returns.
    pub(super) unsafe fn release_handle(inner: NonNull<Self>) -> bool {
        // SAFETY: our handle keeps it alive.
        if unsafe { &(*inner.as_ptr()).handles }.fetch_sub(1, Ordering::Release) != 1 {
            return false;
        }
        // Acquire: what was done through the other handles is over. (A load, as ThreadSanitizer knows no fences.)
        // SAFETY: nobody else can end a pool that has no handle but has not been closed.
        unsafe { &(*inner.as_ptr()).handles }.load(Ordering::Acquire);
        // SAFETY: we own the end of the handles; buffers that are out can't end it before we count ourselves done.
        unsafe { Self::close(inner) };
        true
    }

    /// # Safety
    /// The last handle is gone, and this is called once.
    unsafe fn close(inner: NonNull<Self>) {
        // SAFETY: `open` counts this thread until the last line. No reference lives across that.
        let whole = unsafe {
            let pool = inner.as_ref();
            let slabs =
                || pool.classes.iter().flat_map(Class::slabs).filter(|slab| slab.state() != SlabState::Empty);
            // Before the first mark, whose Release publishes it. Without a handle no slab comes or goes.
            pool.open.store(slabs().count() + 1, Ordering::Relaxed);
            slabs().filter(|slab| slab.close()).count()
        };
        // SAFETY: those slabs are reported by nobody else, and we report ourselves.
        unsafe { Self::slabs_done(inner, whole + 1) };
    }

    /// Reports `done` slabs whose every slot is back, and makes the pool an orphan when they were the last.
    ///
    /// # Safety
    /// Each slab is reported once; the pool is not used afterwards.
    #[cold]
    pub(super) unsafe fn slabs_done(inner: NonNull<Self>, done: usize) {
        // AcqRel: what happened to every slab happened before the pool is freed.
        // SAFETY: what we report is counted, so that it is alive until now.
        if unsafe { &(*inner.as_ptr()).open }.fetch_sub(done, Ordering::AcqRel) != done {
            return;
        }
        use core::sync::atomic::Ordering::{Relaxed, Release};
        let mut head = ORPHANS.load(Relaxed);
        loop {
            // SAFETY: we made the count zero, so that it is ours until it is in the list.
            unsafe { &(*inner.as_ptr()).next_orphan }.store(head, Ordering::Relaxed);
            // Release: who takes the list sees the link and everything before.
            match ORPHANS.compare_exchange_weak(head, inner.as_ptr(), Release, Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Calls what endpoints have cached back: each flushes at its next use.
    #[cold]
    pub(super) fn recall(&self) {
        // Release: who sees the call sees which slabs drain, and caches no slot of theirs again.
        self.recalls.fetch_add(1, Ordering::Release);
    }

    /// The endpoints there are, and were.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        // Acquire pairs with the Release of the push.
        // SAFETY: what is in the list is not null, was made by `Box`, and lives as long as `self`.
        let head = unsafe { self.endpoints.load(Ordering::Acquire).as_ref() };
        // SAFETY: as above; the link never changes once its endpoint is in the list.
        core::iter::successors(head, |endpoint| unsafe { endpoint.next.load(Ordering::Relaxed).as_ref() })
    }

    /// Reserves bytes of the budget for a slab of the `class`-sample class.
    pub(super) fn reserve(&self, bytes: usize, class: usize) -> Result<(), GrowError> {
        let budget_bytes = self.budget_bytes;
        self.reserve_bytes(bytes).map_err(|held_bytes| GrowError::Budget {
            class,
            bytes,
            held_bytes,
            budget_bytes,
        })
    }

    /// Reserves bytes of the budget; `Err` carries the bytes that are held.
    pub(super) fn reserve_bytes(&self, bytes: usize) -> Result<(), usize> {
        let reserved = self.held_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(bytes).filter(|sum| *sum <= self.budget_bytes)
        });
        let held = reserved?;
        self.held_bytes_peak.fetch_max(held + bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Gives reserved bytes back.
    pub(super) fn unreserve(&self, bytes: usize) {
        self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Index of the smallest class that holds `samples`; not below the number of classes when none does.
    #[inline]
    pub(super) fn class_for(&self, samples: usize) -> usize {
        self.sizes.class_for(samples)
    }

    /// Capacity of the largest class.
    pub(super) fn largest(&self) -> usize {
        self.classes.last().map_or(0, Class::capacity)
    }

    /// Takes a slot for `samples` samples.
    ///
    /// # Safety
    /// The caller holds a handle of `inner`.
    #[inline]
    pub(super) unsafe fn acquire(
        inner: NonNull<Self>,
        samples: usize,
        miss: Miss,
    ) -> Result<Taken, AcquireError> {
        // SAFETY: the handle keeps it alive.
        let pool = unsafe { inner.as_ref() };
        let index = pool.class_for(samples);
        // SAFETY: as the caller says.
        match pool.classes.get(index).and_then(|class| unsafe { class.take() }) {
            Some(taken) => Ok(taken),
            // SAFETY: as the caller says.
            None => unsafe { Self::missed(inner, index, samples, miss) },
        }
    }

    /// Does what the policy says when the class itself is exhausted, or there is none.
    ///
    /// # Safety
    /// The caller holds a handle of `inner`, and `index` is `class_for(samples)`.
    #[cold]
    pub(super) unsafe fn missed(
        inner: NonNull<Self>,
        index: usize,
        samples: usize,
        miss: Miss,
    ) -> Result<Taken, AcquireError> {
        // SAFETY: the handle keeps it alive.
        let pool = unsafe { inner.as_ref() };
        let (below, rest) = pool.classes.split_at(index.min(pool.classes.len()));
        let Some((class, above)) = rest.split_first() else {
            pool.too_large.fetch_add(1, Ordering::Relaxed);
            return Err(AcquireError::TooLarge { samples, largest: pool.largest() });
        };
        // What idle endpoints keep is wanted.
        if pool.endpoints().next().is_some() {
            pool.recall();
        }
        let lend = |lender: &Class| {
            // SAFETY: as the caller says.
            let taken = unsafe { lender.take() };
            if taken.is_some() {
                lender.rare.lent.fetch_add(1, Ordering::Relaxed);
            }
            taken
        };
        let (found, counter) = match miss {
            Miss::Fail => (None, &class.rare.refused),
            Miss::NextClassUp => (above.iter().find_map(lend), &class.rare.went_up),
            Miss::Smaller => (below.iter().rev().find_map(lend), &class.rare.went_down),
            Miss::Grow => loop {
                // A pass that took nothing saw the class grow by a slab, or another thread take or empty what had grown: others
                // got on. Not RT-safe anyway.
                // SAFETY: as the caller says.
                match unsafe { class.add_slab(inner) } {
                    Ok(Grown::Added(_)) => {}
                    Ok(Grown::Raced) => spin_loop(),
                    Err(error) => {
                        class.rare.refused.fetch_add(1, Ordering::Relaxed);
                        return Err(error.into());
                    }
                }
                // SAFETY: as the caller says.
                if let Some(taken) = unsafe { class.take() } {
                    break (Some(taken), &class.rare.grew);
                }
            },
        };
        let counter = if found.is_some() { counter } else { &class.rare.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        found.ok_or_else(|| pool.why_none(samples, class))
    }

    /// Why `class` had nothing for `samples`: what to do about it differs.
    fn why_none(&self, samples: usize, class: &Class) -> AcquireError {
        let (index, class_samples) = (usize::from(class.index()), class.capacity());
        let caches = self.endpoints().filter_map(|endpoint| endpoint.caches.get(index));
        let cached: usize = caches.map(Cache::count).sum();
        if class.slots() == 0 {
            AcquireError::NoneAllocated { samples, class: class_samples }
        } else if cached > 0 {
            AcquireError::Cached { samples, class: class_samples, cached }
        } else {
            AcquireError::Exhausted { samples, class: class_samples }
        }
    }

    /// Adds slabs to the class that serves `samples` until it has `buffers` slots; returns how many were added.
    ///
    /// # Safety
    /// The caller holds a handle of `inner`.
    pub(super) unsafe fn prewarm(
        inner: NonNull<Self>,
        samples: usize,
        buffers: usize,
    ) -> Result<usize, GrowError> {
        // SAFETY: the handle keeps it alive.
        let pool = unsafe { inner.as_ref() };
        let Some(class) = pool.classes.get(pool.class_for(samples)) else {
            return Err(GrowError::TooLarge { samples, largest: pool.largest() });
        };
        let mut added = 0;
        while class.slots() < buffers {
            // SAFETY: `class` is one of the pool's, whose handle the caller holds.
            match unsafe { class.add_slab(inner) }? {
                Grown::Added(slots) => added += slots,
                Grown::Raced => spin_loop(),
            }
        }
        Ok(added)
    }

    /// The slab with that place.
    pub(super) fn slab(&self, class: usize, index: usize) -> Option<SlabPtr> {
        self.classes.get(class)?.slab(index)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut next = self.endpoints.load(Ordering::Relaxed);
        while !next.is_null() {
            // SAFETY: made by `Box`; with the pool's last handle the last endpoint went.
            let endpoint = unsafe { Box::from_raw(next) };
            next = endpoint.next.load(Ordering::Relaxed);
        }
    }
}

/// Finds a size class without a search: by the power of two that holds the request.
struct Sizes {
    /// At `n`: the first class that can serve a request of more than 2^(n-1) and at most 2^n samples.
    first: [u8; Self::POWERS],
    /// The classes' capacities, and then one that holds every request.
    capacities: [u32; PoolConfig::CLASSES_MAX + 1],
}

impl Sizes {
    /// Powers of two from 2^0 to the largest class there may be.
    const POWERS: usize = ClassConfig::SAMPLES_MAX.ilog2() as usize + 1;

    fn new(classes: &[Class]) -> Self {
        let mut capacities = [u32::MAX; PoolConfig::CLASSES_MAX + 1];
        for (entry, class) in capacities.iter_mut().zip(classes) {
            *entry = class.capacity() as u32;
        }
        let first = core::array::from_fn(|power| {
            let smallest = if power == 0 { 0 } else { (1 << (power - 1)) + 1 };
            classes.iter().take_while(|class| class.capacity() < smallest).count() as u8
        });
        Self { first, capacities }
    }

    #[inline]
    fn class_for(&self, samples: usize) -> usize {
        let power = (usize::BITS - samples.saturating_sub(1).leading_zeros()) as usize;
        let Some(first) = self.first.get(power) else { return usize::MAX };
        let mut index = usize::from(*first);
        // Classes of one power follow each other; with one class a power the first one is it.
        while self.capacities.get(index).is_some_and(|capacity| (*capacity as usize) < samples) {
            index += 1;
        }
        index
    }
}

/// Frees what pools left behind whose last buffer came back after their last handle was gone; returns how many
/// such pools there were.
///
/// Making or dropping a pool does this too; call it where neither happens for long. A buffer that outlives its pool
/// stays valid and its drop stays RT-safe: it frees nothing but puts the pool on the list that this empties.
///
/// Not RT-safe: frees memory.
pub fn reclaim_dropped_pools() -> usize {
    // Acquire pairs with the Release of the push. Taking the list as a whole leaves no room for ABA.
    let mut head = ORPHANS.swap(ptr::null_mut(), core::sync::atomic::Ordering::Acquire);
    let mut reclaimed = 0;
    while !head.is_null() {
        // SAFETY: an orphan has no handle, no buffer and no other list; it was made by `Box`.
        let orphan = unsafe { Box::from_raw(head) };
        head = orphan.next_orphan.load(Ordering::Relaxed);
        reclaimed += 1;
    }
    reclaimed
}
