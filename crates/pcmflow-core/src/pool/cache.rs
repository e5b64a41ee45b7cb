//! What an endpoint keeps to itself: a stack of free slots a class, and its counters.
//!
//! Everything here has one writer, the endpoint, which uses plain loads and stores of relaxed atomics; readers of metrics
//! look at it from other threads. The memory is the pool's and lives as long as it, so that counts outlast their endpoint,
//! and the next endpoint takes the place over.

use super::buffer::{At, Slot};
use super::class::Class;
use super::slab::{Slab, SlabPtr};
use crate::mutant::is as mutant;
use crate::sync::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use alloc::boxed::Box;
use core::ptr;

/// The most slots of one class that an endpoint keeps.
#[cfg(not(pcmflow_loom))]
pub(super) const CACHE_SLOTS_MAX: usize = 16;
/// The most slots of one class that an endpoint keeps.
#[cfg(pcmflow_loom)]
pub(super) const CACHE_SLOTS_MAX: usize = 2;

/// A place for a [`Slot`], in parts that a reader may look at any time.
struct Place {
    slab: AtomicPtr<Slab>,
    at: AtomicU32,
}

/// Free slots of one class, and what was done with them.
#[repr(align(128))]
pub(super) struct Cache {
    /// Places `..count` hold slots.
    count: AtomicU32,
    /// The most slots it keeps; never above `CACHE_SLOTS_MAX`.
    pub(super) limit: u32,
    /// Places `..cold` hold slots that came from the bitmaps and were not asked for yet; those above were in use here just now.
    cold: AtomicU32,
    /// Buffers handed out.
    handed_out: AtomicU64,
    /// Slots taken from the bitmaps.
    refilled: AtomicU64,
    places: [Place; CACHE_SLOTS_MAX],
}

/// An endpoint's part of the pool's memory.
#[repr(align(128))]
pub(super) struct Endpoint {
    /// Whether an endpoint is using it.
    used: AtomicBool,
    /// One a class.
    pub(super) caches: Box<[Cache]>,
    /// The endpoint that was made before; never changes once this one can be found.
    pub(super) next: AtomicPtr<Endpoint>,
}

impl Endpoint {
    /// Bytes that an endpoint of a pool with so many classes takes.
    pub(super) fn bytes(classes: usize) -> usize {
        size_of::<Self>() + classes * size_of::<Cache>()
    }

    /// Makes one, in use, whose caches together keep at most `cache_bytes`.
    pub(super) fn new(classes: &[Class], cache_bytes: usize) -> Box<Self> {
        let share = cache_bytes / classes.len().max(1);
        let caches = classes
            .iter()
            .map(|class| Cache {
                count: AtomicU32::new(0),
                cold: AtomicU32::new(0),
                limit: (share / (class.capacity() * size_of::<f32>())).min(CACHE_SLOTS_MAX) as u32,
                handed_out: AtomicU64::new(0),
                refilled: AtomicU64::new(0),
                places: core::array::from_fn(|_| Place {
                    slab: AtomicPtr::new(ptr::null_mut()),
                    at: AtomicU32::new(0),
                }),
            })
            .collect();
        Box::new(Self { used: AtomicBool::new(true), caches, next: AtomicPtr::new(ptr::null_mut()) })
    }

    /// Takes it over, if nobody uses it.
    pub(super) fn claim(&self) -> bool {
        // Acquire pairs with the Release of `leave`: the former endpoint's stores come before ours.
        !self.used.load(Ordering::Relaxed) && !self.used.swap(true, Ordering::Acquire)
    }

    /// Lets another endpoint take it over.
    pub(super) fn leave(&self) {
        self.used.store(false, Ordering::Release);
    }

    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }
}

/// Adds to a counter that nobody else writes.
#[inline]
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

impl Cache {
    /// Slots it holds.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed) as usize
    }

    /// Buffers handed out from it.
    pub(super) fn handed_out(&self) -> u64 {
        self.handed_out.load(Ordering::Relaxed)
    }

    /// Slots taken from the bitmaps for it.
    pub(super) fn refilled(&self) -> u64 {
        self.refilled.load(Ordering::Relaxed)
    }

    /// The slots it holds, as seen by a reader: exact while the endpoint rests.
    pub(super) fn contents(&self) -> impl Iterator<Item = (*mut Slab, u32)> + '_ {
        self.places
            .iter()
            .take(self.count())
            .map(|place| (place.slab.load(Ordering::Relaxed), At(place.at.load(Ordering::Relaxed)).slot()))
    }

    /// Takes the slot that was cached last.
    ///
    /// # Safety
    /// The caller is the one user of the endpoint, and holds a handle of the pool.
    #[inline]
    pub(super) unsafe fn pop(&self) -> Option<Slot> {
        let count = self.count.load(Ordering::Relaxed).checked_sub(1)?;
        let place = self.places.get(count as usize)?;
        self.count.store(count, Ordering::Relaxed);
        add(&self.handed_out, 1);
        self.warm_up(count);
        let slab = SlabPtr::from_ptr(place.slab.load(Ordering::Relaxed))?;
        Some(Slot::new(slab, At(place.at.load(Ordering::Relaxed)), 0))
    }

    /// Asks for the lines of the slot that will be handed out after this one, of `count`, if another core may have them: taking
    /// them from there takes longer than everything else that is done with a buffer.
    #[inline]
    fn warm_up(&self, count: u32) {
        if count > self.cold.load(Ordering::Relaxed) {
            return;
        }
        let below = count.saturating_sub(1);
        self.cold.store(below, Ordering::Relaxed);
        if let Some(place) = self.places.get(below as usize).filter(|_| count > 0)
            && let Some(slab) = SlabPtr::from_ptr(place.slab.load(Ordering::Relaxed))
        {
            Slot::new(slab, At(place.at.load(Ordering::Relaxed)), 0).prefetch_to_write();
        }
    }

    /// Caches a slot; false when there is no room.
    ///
    /// # Safety
    /// The caller is the one user of the endpoint and hands the slot over, which nobody else holds, if this says true.
    #[inline]
    pub(super) unsafe fn push(&self, slot: &Slot) -> bool {
        let count = self.count.load(Ordering::Relaxed);
        if count >= self.limit {
            return false;
        }
        let Some(place) = self.places.get(count as usize) else { return false };
        place.slab.store(slot.slab.as_ptr(), Ordering::Relaxed);
        place.at.store(slot.at().0, Ordering::Relaxed);
        self.count.store(count + 1, Ordering::Relaxed);
        true
    }

    /// Fills three quarters of it (at least one place) with slots of one slab of `class`, its own; false when none was
    /// free. The rest is for those that come back before more are asked for.
    ///
    /// # Safety
    /// The caller is the one user of the endpoint, and holds a handle of the pool. The cache is empty.
    pub(super) unsafe fn refill(&self, class: &Class) -> bool {
        // SAFETY: as the caller says.
        let Some((slab, mut bits)) = (unsafe { class.take_many((self.limit * 3 / 4).max(1)) }) else {
            return false;
        };
        add(&self.refilled, u64::from(bits.count_ones()));
        // The lowest is handed out first: what was in use before is warmer than what never was.
        while bits != 0 {
            let index = bits.ilog2();
            bits ^= 1 << index;
            // SAFETY: the slots that were just taken, which are ours; there is room, as the cache was empty.
            unsafe { self.push(&Slot::new(slab, At::new(index, class.index()), 0)) };
        }
        self.cold.store(self.count.load(Ordering::Relaxed), Ordering::Relaxed);
        true
    }

    /// Returns all slots to their slabs: one step a slab.
    ///
    /// # Safety
    /// The caller is the one user of the endpoint, and holds a handle of the pool.
    pub(super) unsafe fn spill(&self, class: &Class) {
        let Some(places) = self.places.get(..self.count()) else { return };
        // Before the slots go: a reader may miss them, and never counts them as cached when somebody holds them.
        if !mutant("pool-spill-twice") {
            self.count.store(0, Ordering::Relaxed);
            self.cold.store(0, Ordering::Relaxed);
        }
        let mut done = 0u32;
        for (first, place) in places.iter().enumerate() {
            if done & (1 << first) != 0 {
                continue;
            }
            let slab = place.slab.load(Ordering::Relaxed);
            let mut bits = 0;
            for (at, other) in places.iter().enumerate().skip(first) {
                if other.slab.load(Ordering::Relaxed) == slab {
                    done |= 1 << at;
                    bits |= 1 << At(other.at.load(Ordering::Relaxed)).slot();
                }
            }
            if let Some(slab) = SlabPtr::from_ptr(slab) {
                // SAFETY: these slots were ours, and are given up here; the handle keeps slab and class.
                unsafe {
                    if slab.is_open() {
                        class.note_free(slab.index());
                    }
                    slab.put(bits);
                }
            }
        }
    }
}
