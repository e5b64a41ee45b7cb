//! [`PooledBuffer`]: a slot with one owner.

use super::class::Taken;
use super::shared::BufferRef;
use super::slab::{SlabPtr, SlotHeader};
use crate::prefetch::{prefetch_to_read, prefetch_to_write};
use crate::sync::Ordering;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::slice;

/// So much of a buffer is asked for ahead: the processor follows who goes on by itself.
const AHEAD_BYTES_MAX: usize = 512;

/// Who holds a buffer: a number that the program chooses, so that what is not returned can be named.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, OwnerId, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let recorder = OwnerId(7);
/// let kept = pool.acquire_for(recorder, 1024, Miss::Fail)?;
/// assert_eq!(pool.held_by().get(&recorder), Some(&1));
/// drop(kept);
/// assert!(pool.held_by().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(pub u32);

/// A slot that is out, and how much of it is written. What both kinds of handle are made of: two words, so that a handle
/// travels in registers, and a queue of them is short. Where the samples are is asked of the slab.
pub(super) struct Slot {
    pub(super) slab: SlabPtr,
    /// Samples written since the slot was acquired, never above the capacity, shifted up by 32; and which slot it is.
    len_at: u64,
}

/// Which slot of its slab, and of which class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct At(pub(super) u32);

impl At {
    #[inline]
    pub(super) fn new(slot: u32, class: u8) -> Self {
        Self(slot | u32::from(class) << 8)
    }

    /// Index of the slot in its slab.
    #[inline]
    pub(super) fn slot(self) -> u32 {
        self.0 & 0xff
    }

    /// Index of the slab's class in the pool.
    #[inline]
    pub(super) fn class(self) -> usize {
        (self.0 >> 8) as usize
    }
}

impl Slot {
    /// A slot with that many samples written.
    #[inline]
    pub(super) fn new(slab: SlabPtr, at: At, len: u32) -> Self {
        Self { slab, len_at: u64::from(len) << 32 | u64::from(at.0) }
    }

    /// Its two words.
    pub(super) fn into_words(self) -> (SlabPtr, u64) {
        (self.slab, self.len_at)
    }

    /// A slot of the words that [`into_words`](Self::into_words) gave.
    pub(super) fn from_words(slab: SlabPtr, len_at: u64) -> Self {
        Self { slab, len_at }
    }

    #[inline]
    pub(super) fn at(&self) -> At {
        At(self.len_at as u32)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        (self.len_at >> 32) as usize
    }

    /// Says that the first `len` samples are written.
    #[inline]
    fn set_len(&mut self, len: usize) {
        *self = Self::new(self.slab, self.at(), len as u32);
    }

    /// The slot's first sample; `capacity` initialised samples, aligned to 64 bytes.
    #[inline]
    fn data(&self) -> *mut f32 {
        // SAFETY: the slot is held.
        unsafe { self.slab.data(self.at().slot()) }
    }

    /// The samples that may be seen.
    #[inline]
    pub(super) fn samples(&self) -> &[f32] {
        // SAFETY: the slot is held.
        unsafe { self.slab.reads(self.at().slot()) };
        // SAFETY: the slot is held, so that its storage is alive; `len` of its samples, all initialised, belong to
        // it; nobody writes to them while `self` is borrowed (unique handle: `&self`; shared: no writer).
        unsafe { slice::from_raw_parts(self.data(), self.len()) }
    }

    /// Asks for what a thread that will write to the buffer touches first. The caller holds the slot.
    #[inline]
    pub(super) fn prefetch_to_write(&self) {
        prefetch_to_write((&raw const *self.header()).cast(), size_of::<SlotHeader>());
        prefetch_to_write(self.data().cast(), self.ahead_bytes());
    }

    /// Asks for what a thread that will read the buffer and give it back touches first. The caller holds the slot.
    #[inline]
    pub(super) fn prefetch_to_read(&self) {
        prefetch_to_write((&raw const *self.header()).cast(), size_of::<SlotHeader>());
        prefetch_to_read(self.data().cast(), self.ahead_bytes());
    }

    #[inline]
    fn header(&self) -> &SlotHeader {
        // SAFETY: the slot is held, and belongs to the slab.
        unsafe { self.slab.header(self.at().slot()) }
    }

    fn ahead_bytes(&self) -> usize {
        AHEAD_BYTES_MAX.min(self.capacity() * size_of::<f32>())
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        // SAFETY: the slot is held.
        unsafe { self.slab.capacity() }
    }

    pub(super) fn owner(&self) -> OwnerId {
        OwnerId(self.header().owner.load(Ordering::Relaxed))
    }

    /// The samples for writing.
    ///
    /// # Safety
    /// The caller is the slot's only holder, and nothing else borrows from the handle.
    #[inline]
    pub(super) unsafe fn samples_mut(&mut self) -> &mut [f32] {
        // SAFETY: the slot is held.
        unsafe { self.slab.writes(self.at().slot()) };
        // SAFETY: as in `samples`, and nobody else reads or writes, says the caller.
        unsafe { slice::from_raw_parts_mut(self.data(), self.len()) }
    }

    /// A copy, for moving it from one handle to another.
    #[inline]
    pub(super) fn copied(&self) -> Self {
        let Slot { slab, len_at } = *self;
        Self { slab, len_at }
    }

    /// Returns the slot to its slab's bitmap.
    ///
    /// # Safety
    /// The slot is held by the caller alone, who gives it up.
    #[inline]
    pub(super) unsafe fn release(&self) {
        // SAFETY: the slot is held until `put`, which is the last thing that touches slab or class.
        unsafe {
            // Before the bit is set: afterwards the class may be gone.
            if self.slab.is_open() {
                self.slab.class().as_ref().note_free(self.slab.index());
            }
            self.slab.put(1 << self.at().slot());
        }
    }
}

/// A recycled buffer with one owner: like a `Vec<f32>` that never reallocates.
///
/// It starts empty, and dereferences to what was written since it was acquired and to nothing else, so that a reused
/// buffer can't show an earlier user's samples. Dropping it, on any thread, returns it to its pool: RT-safe,
/// wait-free, frees no memory, whether or not the pool is still there. (Lock-free for the very last buffer of a pool whose
/// handles are gone: it puts the pool on a list.)
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut buffer = pool.acquire(300, Miss::Fail)?;
/// assert_eq!((buffer.len(), buffer.capacity()), (0, 512));
/// assert_eq!(buffer.extend_from_slice(&[0.5; 600]), 512);
/// buffer[0] = 1.0;
/// assert_eq!(buffer[..2], [1.0, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PooledBuffer(Slot);

// SAFETY: the handle is the only one of its slot: sending it sends exclusive access to plain samples, as with
// `Vec<f32>`. The slab behind it is only changed through atomics and may be used from any thread.
unsafe impl Send for PooledBuffer {}
// SAFETY: `&PooledBuffer` gives `&[f32]` and numbers that don't change; writing takes `&mut`.
unsafe impl Sync for PooledBuffer {}

impl PooledBuffer {
    /// Makes the handle of a slot that was just taken.
    ///
    /// # Safety
    /// The caller hands over the slot, which nobody else holds.
    #[inline]
    pub(super) unsafe fn from_taken(Taken { slab, slot }: Taken, owner: OwnerId) -> Self {
        // SAFETY: the slot is held.
        unsafe {
            slab.header(slot).owner.store(owner.0, Ordering::Relaxed);
            Self(Slot::new(slab, At::new(slot, slab.class_index()), 0))
        }
    }

    /// Makes the handle of a slot that was another handle's.
    ///
    /// # Safety
    /// The caller hands over the slot, which nobody else holds, with a reference count of 0.
    #[inline]
    pub(super) unsafe fn from_slot(slot: Slot) -> Self {
        Self(slot)
    }

    /// Takes the slot out without returning it.
    #[inline]
    pub(super) fn into_slot(self) -> Slot {
        ManuallyDrop::new(self).0.copied()
    }

    /// The most samples it can hold: its class's capacity.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Samples that still fit.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn spare(&self) -> usize {
        self.capacity() - self.0.len()
    }

    /// Who acquired it.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn owner(&self) -> OwnerId {
        self.0.owner()
    }

    /// Appends as many of `samples` as fit; returns how many did.
    ///
    /// RT-safe: wait-free, no allocation, one copy.
    #[inline]
    #[must_use = "samples beyond the count did not fit"]
    pub fn extend_from_slice(&mut self, samples: &[f32]) -> usize {
        let count = samples.len().min(self.spare());
        // SAFETY: the slot is held.
        unsafe { self.0.slab.writes(self.0.at().slot()) };
        // SAFETY: `len + count <= capacity`, so that the target lies in the slot, which we own; `samples` can't
        // overlap it, as our samples can only be borrowed from `self`, which is borrowed exclusively.
        unsafe {
            let end = self.0.data().add(self.0.len());
            end.copy_from_nonoverlapping(samples.as_ptr(), count);
        }
        self.0.set_len(self.0.len() + count);
        count
    }

    /// Appends `sample(0)`, `sample(1)` …, `count` of them or as many as fit; returns how many did.
    ///
    /// Fills in place: nothing is zeroed first, and what the slot held before can't be seen. If `sample` panics,
    /// what was appended stays.
    ///
    /// RT-safe: wait-free, no allocation, as far as `sample` is.
    #[inline]
    #[must_use = "samples beyond the count did not fit"]
    pub fn extend_with(&mut self, count: usize, mut sample: impl FnMut(usize) -> f32) -> usize {
        let count = count.min(self.spare());
        // SAFETY: the slot is held.
        unsafe { self.0.slab.writes(self.0.at().slot()) };
        let data = self.0.data();
        for i in 0..count {
            let value = sample(i);
            // SAFETY: `len < capacity`, as `count` was at most what was spare and `len` grew by one each time.
            unsafe { data.add(self.0.len()).write(value) };
            self.0.set_len(self.0.len() + 1);
        }
        count
    }

    /// Appends one sample; false when it is full.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    #[must_use = "a full buffer does not take the sample"]
    pub fn push(&mut self, sample: f32) -> bool {
        if self.spare() == 0 {
            return false;
        }
        // SAFETY: the slot is held, and there is room for one more.
        unsafe {
            self.0.slab.writes(self.0.at().slot());
            self.0.data().add(self.0.len()).write(sample);
        }
        self.0.set_len(self.0.len() + 1);
        true
    }

    /// Forgets all samples.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn clear(&mut self) {
        self.0.set_len(0);
    }

    /// Forgets all samples but the first `len`; nothing happens when there are fewer.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len < self.0.len() {
            self.0.set_len(len);
        }
    }

    /// Shortens it to `len` samples, or lengthens it with copies of `value` as far as they fit; returns the length.
    ///
    /// RT-safe: wait-free, no allocation.
    #[must_use = "it may be shorter than was asked for: no longer than its capacity"]
    pub fn resize(&mut self, len: usize, value: f32) -> usize {
        self.truncate(len);
        let more = len.min(self.capacity()) - self.len();
        // As many as are spare at most: all of them fit.
        let _ = self.extend_with(more, |_| value);
        self.len()
    }

    /// Makes it shared: readable by many, writable by none.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    pub fn into_shared(self) -> BufferRef {
        // SAFETY: the slot was unique, hence has a count of 0, and is handed over.
        unsafe { BufferRef::share(self.into_slot()) }
    }
}

impl Drop for PooledBuffer {
    /// Returns the buffer to its pool.
    ///
    /// RT-safe: wait-free, no allocation, no free; lock-free for the very last buffer of a pool whose handles are gone.
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the only handle of the slot, which ends here.
        unsafe { self.0.release() };
    }
}

impl Deref for PooledBuffer {
    type Target = [f32];
    /// What was written since it was acquired.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    fn deref(&self) -> &[f32] {
        self.0.samples()
    }
}

impl DerefMut for PooledBuffer {
    /// What was written since it was acquired.
    ///
    /// RT-safe: wait-free, no allocation.
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: the handle is unique and exclusively borrowed.
        unsafe { self.0.samples_mut() }
    }
}

impl fmt::Debug for PooledBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledBuffer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("owner", &self.owner())
            .finish_non_exhaustive()
    }
}
