//! [`BufferRef`]: a slot with many readers, and [`BufferId`], its name.
//!
//! # The slot's word
//!
//! ```text
//! bit 63 … 20   19 … 0
//!  generation   reference count
//! ```
//!
//! The count is 0 while the slot is free or has one unique owner; looking an id up needs a count of at least 1 and the
//! id's generation in one compare-exchange, so that a look-up can neither revive a returned buffer nor watch a unique
//! owner write. The generation goes up whenever a shared life ends: by the last drop, by becoming unique again, or by
//! [`BufferRef::make_mut`], where the same handle goes on with a generation that no id names yet.
//!
//! A count that would overflow (2^19 handles, leaked ones surely) saturates for good and the slot is never reused: the
//! scheme of Linux's `refcount_t`. A slot in its last generation is not reused either. Both count as retired.

use super::buffer::{At, OwnerId, PooledBuffer, Slot};
use super::inner::Inner;
use super::slab::SlabPtr;
use super::{AcquireError, Miss};
use crate::mutant::{is as mutant, weakened};
use crate::sync::{AtomicU64, Ordering};
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::NonNull;

const GENERATION_ONE: u64 = 1 << 20;
const COUNT: u64 = GENERATION_ONE - 1;
/// The largest honest count. As many threads again could be in the midst of cloning before it ran into the
/// generation.
const COUNT_MAX: u64 = 1 << 19;
/// Where a saturated count is put: far from both ends.
const COUNT_SATURATED: u64 = COUNT_MAX + (COUNT_MAX >> 1);
const GENERATION_LAST: u64 = u64::MAX / GENERATION_ONE;

/// Names one shared life of one buffer: pool, slot and generation.
///
/// It keeps nothing alive. [`BufferRecyclingPool::upgrade`](super::BufferRecyclingPool::upgrade) turns it back into a
/// [`BufferRef`] as long as there is one; after that it is stale for ever. Ids can only be had from a `BufferRef`.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let shared = pool.acquire(256, Miss::Fail)?.into_shared();
/// let id = shared.id();
/// assert!(pool.upgrade(id).is_some());
/// drop(shared);
/// assert!(pool.upgrade(id).is_none()); // also when the same memory is in use again
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BufferId {
    // Not to be made from parts: that a generation is unknown until its handle is asked is what makes `make_mut`
    // sound. The pool's number keeps ids of another pool from matching.
    pool: u64,
    generation: u64,
    slab: u32,
    at: At,
}

/// A shared, read-only, reference-counted buffer.
///
/// Dereferences to the samples that were written before [`PooledBuffer::into_shared`]. Cloning adds a reference and
/// copies nothing. Dropping the last one, on any thread, returns the buffer: RT-safe, wait-free, frees no memory,
/// whether or not the pool is still there. (Lock-free for the very last buffer of a pool whose handles are all gone.)
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut buffer = pool.acquire(2, Miss::Fail)?;
/// buffer.extend_from_slice(&[1.0, 2.0]);
/// let mut left = buffer.into_shared();
/// let right = left.clone();
/// left.make_mut(Miss::Fail)?[0] = 9.0; // not alone: copies first
/// assert_eq!((&*left, &*right), (&[9.0, 2.0][..], &[1.0, 2.0][..]));
/// assert_eq!(pool.metrics().copies(), 1);
/// let id = right.id();
/// drop(right);
/// assert!(pool.upgrade(id).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BufferRef(Slot);

// SAFETY: a handle on another thread reads plain samples that nobody writes while the count is not 0 (`make_mut`
// writes only when the count is 1 and no id can raise it), and drops by atomics; the last drop's Acquire orders
// every handle's reads before reuse.
unsafe impl Send for BufferRef {}
// SAFETY: `&BufferRef` gives `&[f32]`, and clones by an atomic add.
unsafe impl Sync for BufferRef {}

impl BufferRef {
    /// Starts a shared life.
    ///
    /// # Safety
    /// The caller hands over the slot, which nobody else holds, with a count of 0.
    #[inline]
    pub(super) unsafe fn share(slot: Slot) -> Self {
        let this = Self(slot);
        let word = this.word();
        // Ours alone, so that load and store need not be one step.
        let generation = word.load(Ordering::Relaxed);
        debug_assert_eq!(generation & COUNT, 0, "a unique slot has no count");
        // SAFETY: the slot is held.
        unsafe { this.0.slab.header(this.0.at().slot()) }.len.store(this.0.len() as u32, Ordering::Relaxed);
        // Release: who looks the id up sees length and samples.
        word.store(generation | 1, Ordering::Release);
        this
    }

    /// Looks a slot up by name: takes a reference if it is still in the life that `id` names.
    ///
    /// # Safety
    /// The caller holds a handle of `inner`.
    pub(super) unsafe fn upgrade(inner: NonNull<Inner>, id: BufferId) -> Option<Self> {
        // SAFETY: the handle keeps it alive.
        let pool = unsafe { inner.as_ref() };
        if id.pool != pool.id {
            return None;
        }
        // The pool made the id: its slab exists, and blocks of slabs live as long as the pool.
        let slab = pool.slab(id.at.class(), id.slab as usize)?;
        let index = id.at.slot();
        // SAFETY: as just said; the id was made from a slot of that slab.
        let header = unsafe { slab.header(index) };
        let mut word = header.word.load(Ordering::Relaxed);
        loop {
            let count = word & COUNT;
            if word / GENERATION_ONE != id.generation || count == 0 || count >= COUNT_MAX {
                return None;
            }
            if mutant("pool-upgrade-adds") {
                header.word.fetch_add(1, Ordering::Acquire);
                break;
            }
            // Acquire pairs with the Release in `share`, through any number of adds in between.
            match header.word.compare_exchange(word, word + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        let len = header.len.load(Ordering::Relaxed);
        Some(Self(Slot::new(slab, id.at, len)))
    }

    /// Asks for what a thread touches first that will read it, and give it back, soon. Only a hint.
    #[inline]
    pub(crate) fn prefetch_to_read(&self) {
        self.0.prefetch_to_read();
    }

    #[inline]
    fn word(&self) -> &AtomicU64 {
        // SAFETY: the slot is held as long as `self`.
        &unsafe { self.0.slab.header(self.0.at().slot()) }.word
    }

    /// Slab and slot.
    #[cfg(test)]
    pub(super) fn place(&self) -> (&super::slab::SlabPtr, u32) {
        (&self.0.slab, self.0.at().slot())
    }

    /// Ends the shared life if this handle is alone in it: the count becomes `count`, the generation the next one.
    fn end_life(&self, count: u64) -> bool {
        let word = self.word();
        let now = word.load(Ordering::Relaxed);
        let generation = if mutant("pool-make-mut-keeps-name") { 0 } else { GENERATION_ONE };
        now & COUNT == 1
            && now / GENERATION_ONE != GENERATION_LAST
            // Acquire pairs with the Release of the other handles' drops: their reads are over.
            && word
                .compare_exchange(now, now - 1 + generation + count, weakened("pool-alone-relaxed", Ordering::Acquire), Ordering::Relaxed)
                .is_ok()
    }

    /// Its name, for looking it up without keeping it.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn id(&self) -> BufferId {
        let generation = self.word().load(Ordering::Relaxed) / GENERATION_ONE;
        let (slab, at) = (self.0.slab, self.0.at());
        // SAFETY: the slot is held, so that slab and pool are alive.
        unsafe { BufferId { pool: slab.inner().as_ref().id, generation, slab: slab.index(), at } }
    }

    /// How many handles there are, this one included; stale as soon as another thread clones or drops.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn ref_count(&self) -> usize {
        (self.word().load(Ordering::Relaxed) & COUNT) as usize
    }

    /// Who acquired it.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn owner(&self) -> OwnerId {
        self.0.owner()
    }

    /// Makes it unique again, if this is the only handle. Ids taken so far are stale afterwards.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// The handle itself when there are others.
    pub fn try_unique(self) -> Result<PooledBuffer, BufferRef> {
        if !self.end_life(0) {
            return Err(self);
        }
        // SAFETY: the count is 0 and nobody else held the slot.
        Ok(unsafe { PooledBuffer::from_slot(self.into_slot()) })
    }

    /// The samples for writing, copied into a buffer of their own first if there are other handles (copy-on-write).
    ///
    /// `miss` says what to do when there is no free buffer for the copy; as a copy must hold every sample,
    /// [`Miss::Smaller`] is no better than [`Miss::Fail`] here. Ids taken so far don't name this handle afterwards.
    ///
    /// RT-safe: lock-free (as [`acquire`](super::BufferRecyclingPool::acquire)), no allocation, at most one copy; not
    /// with [`Miss::Grow`].
    ///
    /// # Errors
    /// Those of `acquire`, and [`AcquireError::PoolDropped`] when a copy is needed and no handle of the pool is left.
    /// The buffer is as it was.
    pub fn make_mut(&mut self, miss: Miss) -> Result<&mut [f32], AcquireError> {
        // The same handle goes on in the next generation, which nobody can name before `id` is called, which the
        // borrow that we return forbids.
        if !self.end_life(1) {
            *self = self.copy(if miss == Miss::Smaller { Miss::Fail } else { miss })?;
        }
        // SAFETY: the count is 1 and no id matches, so that we are alone while `self` is borrowed.
        Ok(unsafe { self.0.samples_mut() })
    }

    /// Copies the samples into another buffer of the pool.
    fn copy(&self, miss: Miss) -> Result<BufferRef, AcquireError> {
        // SAFETY: the slot is held, so that slab, class and pool are alive.
        let (inner, class) = unsafe { (self.0.slab.inner(), self.0.slab.class().as_ref()) };
        // SAFETY: as above.
        if !unsafe { inner.as_ref() }.try_add_handle() {
            return Err(AcquireError::PoolDropped);
        }
        // SAFETY: we hold the handle just added.
        let taken = unsafe { Inner::acquire(inner, self.len(), miss) };
        // SAFETY: ours, given up here. If it was the last, the pool closes, but our slot still keeps it.
        unsafe { Inner::release_handle(inner) };
        // SAFETY: the slot that we were given.
        let mut buffer = unsafe { PooledBuffer::from_taken(taken?, self.owner()) };
        // What the policy gave may be smaller: the copy is then shorter, as `make_mut` says.
        let _ = buffer.extend_from_slice(self);
        class.rare.copies.fetch_add(1, Ordering::Relaxed);
        Ok(buffer.into_shared())
    }

    /// Takes the slot out without dropping a reference.
    fn into_slot(self) -> Slot {
        ManuallyDrop::new(self).0.copied()
    }

    /// Takes the handle apart, for storage that holds plain words: where its slab is, and slot and length in one number.
    /// The reference is kept; [`from_words`](Self::from_words) drops or uses it later.
    pub(crate) fn into_words(self) -> (*mut (), u64) {
        let (slab, place) = self.into_slot().into_words();
        (slab.as_ptr().cast(), place)
    }

    /// Puts a handle together again.
    ///
    /// # Safety
    /// The words come from one call of [`into_words`](Self::into_words), whose reference the caller has now, and has
    /// once: nobody else puts the same words together.
    pub(crate) unsafe fn from_words(slab: *mut (), place: u64) -> Self {
        // SAFETY: the words are those of a handle, whose slab is not null.
        Self(Slot::from_words(unsafe { SlabPtr::from_ptr(slab.cast()).unwrap_unchecked() }, place))
    }

    /// Puts the count where no number of drops reaches 0. The slot is lost.
    #[cold]
    fn saturate(&self, before: u64) {
        // The generation can't change any more, so that storing an older reading of it is harmless.
        let old = self.word().swap((before & !COUNT) | COUNT_SATURATED, Ordering::Relaxed);
        if old & COUNT < COUNT_SATURATED - COUNT_MAX / 4 {
            // The first: the others find a count that was saturated and moved by at most a few threads.
            // SAFETY: the slot is held (by its leaked references, if by nobody else), hence the class is alive.
            unsafe { self.0.slab.class().as_ref() }.rare.retired.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Gives a reference up; true when it was the last one and the slot is to be returned.
    ///
    /// # Safety
    /// The handle ends here. When this says false, the slot may be gone.
    #[inline]
    unsafe fn leave(&self) -> bool {
        // Release: our reads are over before the slot's reuse.
        let before = self.word().fetch_sub(1, weakened("pool-leave-relaxed", Ordering::Release));
        match before & COUNT {
            // SAFETY: from 1 to 0 by us.
            1 => unsafe { self.end(before) },
            2..=COUNT_MAX => false,
            // Whoever went above the limit still held a reference while saturating, so that the slot did not become
            // free in between and this store can only repeat that one.
            _ => {
                self.saturate(before);
                false
            }
        }
    }

    /// Ends the shared life of a slot that nobody refers to; false when it is never to be used again.
    ///
    /// # Safety
    /// The count was just brought to 0 by this handle, whose word was `before`.
    #[inline]
    unsafe fn end(&self, before: u64) -> bool {
        // Acquire pairs with the Release of the other handles' drops: their reads are over. A load rather than a
        // fence, which ThreadSanitizer does not understand.
        self.word().load(weakened("pool-last-drop-relaxed", Ordering::Acquire));
        if before / GENERATION_ONE == GENERATION_LAST {
            // SAFETY: the slot was never returned, so that the class is alive.
            unsafe { self.0.slab.class().as_ref() }.rare.retired.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        // Nobody looks up a count of 0, so that the word is ours. The bitmap's Release publishes it.
        let generation = if mutant("pool-same-generation") { 0 } else { GENERATION_ONE };
        self.word().store(before - 1 + generation, Ordering::Relaxed);
        true
    }

    /// Gives the reference up; the slot, if it was the last one, is the caller's to return.
    pub(super) fn into_last(self) -> Option<Slot> {
        let this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped.
        unsafe { this.leave() }.then(|| this.0.copied())
    }
}

impl Clone for BufferRef {
    /// Adds a reference.
    ///
    /// RT-safe: wait-free, no allocation. At 2^19 handles the buffer is retired: readable, never recycled.
    #[inline]
    fn clone(&self) -> Self {
        // Relaxed, as for `Arc`: our own reference keeps it alive meanwhile.
        let before = self.word().fetch_add(1, Ordering::Relaxed);
        if before & COUNT >= COUNT_MAX {
            self.saturate(before);
        }
        Self(self.0.copied())
    }
}

impl Drop for BufferRef {
    /// Gives the reference up; the last one returns the buffer to its pool.
    ///
    /// RT-safe: wait-free, no allocation, no free; lock-free for the very last buffer of a pool whose handles are gone.
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this handle, which ends here; if it was the last, the slot is ours to return.
        unsafe {
            if self.leave() {
                self.0.release();
            }
        }
    }
}

impl Deref for BufferRef {
    type Target = [f32];
    /// The samples.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    fn deref(&self) -> &[f32] {
        self.0.samples()
    }
}

impl fmt::Debug for BufferRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferRef")
            .field("len", &self.len())
            .field("ref_count", &self.ref_count())
            .field("owner", &self.owner())
            .finish_non_exhaustive()
    }
}
