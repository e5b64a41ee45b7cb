//! What all handles and buffers of one pool share, and how it ends.
//!
//! # Who keeps it alive
//!
//! Pool handles are counted. Buffers are not: their slots' missing free bits say that they are out, so that acquire
//! and release pay nothing for it. When the last handle goes, every slab's word gets its closed mark
//! ([`SlabPtr::close`]), and from then on the return that makes a slab whole reports it here ([`Inner::slabs_done`]).
//! The last report puts the pool on a list of orphans. Nothing is freed there, as that may be any thread; the list is
//! emptied by whoever next makes or drops a pool, or calls [`reclaim_dropped_pools`].

use super::class::{Class, Grown, Taken};
use super::config::{PoolConfig, PoolConfigError};
use super::slab::SlabPtr;
use super::{AcquireError, GrowError, Miss};
use crate::sync::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
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
    pub(super) budget_bytes: usize,
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
    pub(super) fn allocate(config: &PoolConfig) -> Result<NonNull<Self>, PoolConfigError> {
        config.validate()?;
        let budget_bytes = config.budget_bytes;
        let classes: Box<[Class]> =
            config.classes.iter().map(|c| Class::new(c.samples, c.buffers_max, budget_bytes)).collect();
        let bytes = size_of::<Self>()
            + size_of_val(&*classes)
            + classes.iter().map(Class::table_bytes).sum::<usize>();
        if bytes > budget_bytes {
            return Err(PoolConfigError::Tables { bytes, budget_bytes });
        }
        let inner = Box::new(Self {
            id: NEXT_ID.fetch_add(1, core::sync::atomic::Ordering::Relaxed),
            classes,
            budget_bytes,
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
            let slabs = || pool.classes.iter().flat_map(Class::slabs).filter(|slab| slab.has_storage());
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

    /// Reserves bytes of the budget.
    pub(super) fn reserve(&self, bytes: usize, class: usize) -> Result<(), GrowError> {
        let budget_bytes = self.budget_bytes;
        let reserved = self.held_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(bytes).filter(|sum| *sum <= budget_bytes)
        });
        match reserved {
            Ok(held) => {
                self.held_bytes_peak.fetch_max(held + bytes, Ordering::Relaxed);
                Ok(())
            }
            Err(held_bytes) => Err(GrowError::Budget { class, bytes, held_bytes, budget_bytes }),
        }
    }

    /// Gives reserved bytes back.
    pub(super) fn unreserve(&self, bytes: usize) {
        self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Index of the smallest class that holds `samples`.
    #[inline]
    pub(super) fn class_for(&self, samples: usize) -> Option<usize> {
        self.classes.iter().position(|class| class.capacity() >= samples)
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
        for (index, class) in pool.classes.iter().enumerate() {
            if class.capacity() >= samples {
                // SAFETY: as the caller says.
                return match unsafe { class.take() } {
                    Some(taken) => Ok(taken),
                    // SAFETY: as the caller says.
                    None => unsafe { Self::missed(inner, index, samples, miss) },
                };
            }
        }
        pool.too_large.fetch_add(1, Ordering::Relaxed);
        Err(AcquireError::TooLarge { samples, largest: pool.largest() })
    }

    /// Does what the policy says when the class itself is exhausted.
    ///
    /// # Safety
    /// The caller holds a handle of `inner`, and `index` is that of a class.
    #[cold]
    unsafe fn missed(
        inner: NonNull<Self>,
        index: usize,
        samples: usize,
        miss: Miss,
    ) -> Result<Taken, AcquireError> {
        // SAFETY: the handle keeps it alive.
        let pool = unsafe { inner.as_ref() };
        let (below, rest) = pool.classes.split_at(index);
        let Some((class, above)) = rest.split_first() else {
            return Err(AcquireError::TooLarge { samples, largest: pool.largest() });
        };
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
                // Ends: the table is finite, and a pass that took nothing saw it grow by a slab.
                // SAFETY: as the caller says.
                if let Err(error) = unsafe { class.add_slab(inner) } {
                    class.rare.refused.fetch_add(1, Ordering::Relaxed);
                    return Err(error.into());
                }
                // SAFETY: as the caller says.
                if let Some(taken) = unsafe { class.take() } {
                    break (Some(taken), &class.rare.grew);
                }
            },
        };
        let counter = if found.is_some() { counter } else { &class.rare.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        found.ok_or(AcquireError::Exhausted { samples, class: class.capacity() })
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
        let Some(class) = pool.class_for(samples).and_then(|index| pool.classes.get(index)) else {
            return Err(GrowError::TooLarge { samples, largest: pool.largest() });
        };
        let mut added = 0;
        while class.slots() < buffers {
            // SAFETY: `class` is one of the pool's, whose handle the caller holds.
            if let Grown::Added(slots) = unsafe { class.add_slab(inner) }? {
                added += slots;
            }
        }
        Ok(added)
    }

    /// The slab with that place.
    pub(super) fn slab(&self, class: usize, index: usize) -> Option<SlabPtr> {
        self.classes.get(class)?.slab(index)
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
