//! Giving memory back: slabs drain, and are freed when their last buffer is back. Nobody waits for anybody.

use super::BufferRecyclingPool;
use super::class::Class;
use super::inner::Inner;
use super::memory::SlabShape;
use crate::sync::Ordering;

/// What came of giving memory back.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let held = pool.acquire(256, Miss::Fail)?;
/// let given = pool.clear();
/// assert!(given.freed_bytes > 0);
/// assert!(given.draining_bytes > 0); // the slab of `held` goes when it is back
/// drop(held);
/// assert_eq!(pool.give_back().draining_bytes, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GivenBack {
    /// Bytes that were freed by this call.
    pub freed_bytes: usize,
    /// Bytes of slabs that hand out no more buffers and are freed when the last one is back: call again later.
    pub draining_bytes: usize,
}

impl BufferRecyclingPool {
    /// Shrinks the class that serves `samples` to `buffers` buffers, rounded up to whole slabs; does nothing to a class
    /// that has no more, or when no class is that large.
    ///
    /// Slabs of which nothing is in use go first and are freed at once. Others *drain*: their buffers stay valid as long
    /// as they are held, none is handed out again, and the storage is freed by the call of `trim`, `shrink_to`, `clear`
    /// or [`give_back`](Self::give_back) that finds them all back. When the class has to grow meanwhile, a draining slab
    /// is opened again rather than memory allocated.
    ///
    /// The pool can be used all the time, also by audio threads. Endpoints return what they have cached at their next use.
    ///
    /// Not RT-safe: frees memory. Never waits.
    pub fn trim(&self, samples: usize, buffers: usize) -> GivenBack {
        if let Some(class) = self.inner().classes.get(self.inner().class_for(samples)) {
            let mut excess = class.slots().saturating_sub(buffers);
            for idle in [true, false] {
                drain(class, idle, |slab| {
                    let goes = slab.slots <= excess;
                    excess -= if goes { slab.slots } else { 0 };
                    goes
                });
            }
        }
        self.give_back()
    }

    /// Shrinks the pool to `bytes` bytes, headers and tables included, or as near as whole slabs allow: the largest
    /// classes first, but slabs of which nothing is in use before any other. See [`trim`](Self::trim).
    ///
    /// Not RT-safe: frees memory. Never waits.
    pub fn shrink_to(&self, bytes: usize) -> GivenBack {
        let inner = self.inner();
        let draining_bytes: usize = inner.classes.iter().map(Class::draining_bytes).sum();
        let held_bytes = inner.held_bytes.load(Ordering::Relaxed);
        let mut excess_bytes = held_bytes.saturating_sub(draining_bytes).saturating_sub(bytes);
        for idle in [true, false] {
            for class in inner.classes.iter().rev() {
                drain(class, idle, |slab| {
                    let goes = excess_bytes > 0;
                    excess_bytes = excess_bytes.saturating_sub(slab.storage_bytes());
                    goes
                });
            }
        }
        self.give_back()
    }

    /// Frees the slabs that were draining and are whole now; what a control task calls from time to time.
    ///
    /// Not RT-safe: frees memory. Never waits.
    pub fn give_back(&self) -> GivenBack {
        let inner = self.inner();
        let sum = inner.give_back();
        if sum.draining_bytes > 0 && inner.endpoints().next().is_some() {
            inner.recall();
        }
        sum
    }

    /// Shrinks every class to nothing: see [`trim`](Self::trim). Counters stay, and so do the blocks of endpoints, also of
    /// dropped ones: a few kilobytes each, at most [`PoolConfig::endpoints_max`](super::PoolConfig::endpoints_max) of them.
    ///
    /// Afterwards requests miss until [`prewarm`](Self::prewarm), [`grow`](Self::grow) or [`Miss::Grow`](super::Miss::Grow)
    /// add memory again.
    ///
    /// Not RT-safe: frees memory. Never waits.
    pub fn clear(&self) -> GivenBack {
        for class in &self.inner().classes {
            drain(class, false, |_| true);
        }
        self.give_back()
    }
}

/// Drains the open slabs of which `goes` says so, highest first, as acquiring prefers the lowest; with `idle` only those
/// of which nothing is in use.
fn drain(class: &Class, idle: bool, mut goes: impl FnMut(SlabShape) -> bool) {
    for slab in class.slabs_from_the_end() {
        // SAFETY: our callers are handles of the pool, whose slabs live as long as it.
        unsafe {
            let census = slab.census();
            if census.open() > 0 && (!idle || census.out() == 0) && goes(slab.shape()) {
                slab.drain();
            }
        }
    }
}

impl Inner {
    /// Frees what has drained.
    fn give_back(&self) -> GivenBack {
        let mut sum = GivenBack::default();
        for class in &self.classes {
            // SAFETY: our caller is a handle of the pool.
            let GivenBack { freed_bytes, draining_bytes } = unsafe { class.give_back() };
            sum.freed_bytes += freed_bytes;
            sum.draining_bytes += draining_bytes;
        }
        self.unreserve(sum.freed_bytes);
        sum
    }
}
