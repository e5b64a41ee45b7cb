//! A slab's word: which slots are free, and what the slab is up to. Taking, returning, draining.
//!
//! ```text
//! bit 63 … 40                  39 … 36   35    34     33        32      31 … 0
//!     slots taken, mod 2^24    unused    BUSY  EMPTY  DRAINING  CLOSED  free slots
//! ```
//!
//! Taking slots is one compare-exchange, which clears the lowest free bits and counts them; returning some is one
//! `fetch_add` of their bits, which are not there yet. (An *or* would say the same, but where its result is used x86 has no
//! instruction for it, only a loop, which other threads could keep from getting through.) Always taking the lowest bits makes the highest slot ever taken the largest number that were ever out
//! at once.
//!
//! `DRAINING` stops the taking: bits only come back. When all are there, one compare-exchange makes the slab `BUSY`, which
//! nobody else changes; its storage is freed, and it is `EMPTY`. Until that moment another one takes the mark off again. Who
//! brings an empty slab new storage makes it `BUSY` to store the pointer. `CLOSED` is set when the pool's last handle goes.
//! Because the marks sit in the same word as the bits, exactly one operation makes it "closed and all free" or "busy", and a
//! return that finds no mark touches nothing afterwards.

use super::memory::SlabMemory;
use super::slab::{SLOTS_MAX, SlabPtr};
use crate::mutant::{is as mutant, weakened};
use crate::sync::Ordering;
use core::ptr::{self, NonNull};

pub(super) const SLOTS: u64 = (1 << SLOTS_MAX) - 1;
const CLOSED: u64 = 1 << 32;
const DRAINING: u64 = 1 << 33;
const EMPTY: u64 = 1 << 34;
const BUSY: u64 = 1 << 35;
const TAKEN_SHIFT: u32 = 40;
const TAKEN_ONE: u64 = 1 << TAKEN_SHIFT;
const TAKEN_MASK: u64 = (1 << 24) - 1;
/// The wide count is brought up to date every time the narrow one passes a multiple of this.
const TAKEN_STEP: u64 = 1 << 23;

impl SlabPtr {
    /// Takes the lowest free slot.
    ///
    /// Lock-free: a retry means that another thread's operation on this slab got through meanwhile.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    #[inline]
    pub(super) unsafe fn take(self) -> Option<u32> {
        // SAFETY: as the caller says.
        let bits = unsafe { self.take_bits(|free| (free & free.wrapping_neg(), 1)) };
        if bits == 0 { None } else { Some(bits.trailing_zeros()) }
    }

    /// Takes the lowest free slots, `count` of them or as many as there are, in one step; returns their bits.
    ///
    /// Lock-free, as `take`.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    #[inline]
    pub(super) unsafe fn take_many(self, count: u32) -> u64 {
        // SAFETY: as the caller says.
        unsafe {
            self.take_bits(|free| {
                let mut rest = free;
                for _ in 0..count {
                    rest &= rest.wrapping_sub(1);
                }
                (free ^ rest, u64::from((free ^ rest).count_ones()))
            })
        }
    }

    /// Takes the slots that `choose` picks from the free ones, given with their number: at least one, the lowest.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    #[inline(always)]
    unsafe fn take_bits(self, choose: impl Fn(u64) -> (u64, u64)) -> u64 {
        // SAFETY: as the caller says.
        let bitmap = &unsafe { self.get() }.bitmap;
        let mut word = bitmap.word.load(Ordering::Relaxed);
        let (bits, taken) = loop {
            let free = word & SLOTS;
            if free == 0 || (word & DRAINING != 0 && !mutant("pool-take-draining")) {
                return 0;
            }
            let (bits, count) = choose(free);
            let taken = (word & !bits).wrapping_add(count * TAKEN_ONE);
            // Acquire pairs with the Release of `put`: the last holder's accesses are over before ours begin.
            let order = weakened("pool-take-relaxed", Ordering::Acquire);
            match bitmap.word.compare_exchange(word, taken, order, Ordering::Relaxed) {
                Ok(_) => break (bits, taken),
                Err(now) => word = now,
            }
        };
        let high = u64::BITS - bits.leading_zeros();
        if high > bitmap.high.load(Ordering::Relaxed) {
            bitmap.high.fetch_max(high, Ordering::Relaxed);
        }
        if (word ^ taken) >> TAKEN_SHIFT & TAKEN_STEP != 0 {
            // Release: who reads this sum reads a word at least as new.
            bitmap.taken_wide.fetch_add(TAKEN_STEP, Ordering::Release);
        }
        bits
    }

    /// Returns slots, given as bits. Wait-free where the processor adds in one instruction (x86, Arm from v8.1 on, WebAssembly), else
    /// lock-free; frees nothing: the return that completes a closed pool hands its memory
    /// to the list of orphans.
    ///
    /// # Safety
    /// The caller holds the slots, and gives them up: the slab may be gone when this returns.
    #[inline]
    pub(super) unsafe fn put(self, bits: u64) {
        // SAFETY: the slots that we hold keep the slab alive up to the `fetch_add` below. No reference to anything
        // but the word itself lives across it.
        let (all, inner) = unsafe { (self.get().all, self.inner()) };
        // SAFETY: as above. Release: our accesses to the samples are over before the next holder's begin.
        let before = unsafe { &(*self.as_ptr()).bitmap.word }
            .fetch_add(bits, weakened("pool-put-relaxed", Ordering::Release));
        debug_assert_eq!(before & bits, 0, "a slot was returned twice");
        if before & CLOSED != 0 && !mutant("pool-closed-unseen") && (before | bits) & SLOTS == all {
            // Acquire: every other holder's accesses are over, too. (A load, as ThreadSanitizer knows no fences.)
            // SAFETY: as for `slabs_done`.
            unsafe { &(*self.as_ptr()).bitmap.word }.load(Ordering::Acquire);
            // SAFETY: only one operation can make a closed word all free, so that this slab is reported once; until
            // then `Inner` counts it and is alive.
            unsafe { super::inner::Inner::slabs_done(inner, 1) };
        }
    }

    /// Marks the slab closed; true when no slot is out, so that no return will report it.
    ///
    /// # Safety
    /// The pool has no handle left and `Inner` is kept alive by the caller.
    pub(super) unsafe fn close(self) -> bool {
        // SAFETY: as the caller says.
        let slab = unsafe { self.get() };
        // Acquire: the returned slots' holders are done; Release: who sees the mark sees the count of slabs.
        slab.bitmap.word.fetch_or(CLOSED, Ordering::AcqRel) & SLOTS == slab.all
    }

    /// Stops handing out slots of this slab; false if it was stopped already or has no storage.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    pub(super) unsafe fn drain(self) -> bool {
        // SAFETY: as the caller says.
        let slab = unsafe { self.get() };
        let marked = slab.bitmap.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            (word & (DRAINING | EMPTY | BUSY) == 0).then_some(word | DRAINING)
        });
        if marked.is_ok() {
            // SAFETY: as the caller says.
            unsafe { self.advise() };
        }
        marked.is_ok()
    }

    /// Hands out slots again if the slab is draining; false if it is not (any more).
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    pub(super) unsafe fn reopen(self) -> bool {
        // SAFETY: as the caller says.
        let slab = unsafe { self.get() };
        let reopened = slab.bitmap.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            (word & DRAINING != 0).then_some(word & !DRAINING)
        });
        if reopened.is_ok() {
            // SAFETY: as the caller says.
            unsafe { self.advise() };
        }
        reopened.is_ok()
    }

    /// Tells endpoints whether to cache slots of this slab: of an open one only. To be called after every change of the mark.
    ///
    /// Two threads may change the mark one after the other, and store their advice in the other order. So each looks at the word
    /// again after its store, and repeats it where the mark is another by now. Whoever stored last saw, by the chain of
    /// exchanges, the changes of all who stored before.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    unsafe fn advise(self) {
        // SAFETY: as the caller says.
        let slab = unsafe { self.get() };
        let mut draining = slab.bitmap.word.load(Ordering::Relaxed) & DRAINING != 0;
        loop {
            // SAFETY: as the caller says.
            let cached_by = if draining { ptr::null_mut() } else { unsafe { self.inner() }.as_ptr() };
            // Acquire and release: who exchanges after us sees the change that we saw.
            slab.cached_by.swap(cached_by, Ordering::AcqRel);
            let now = slab.bitmap.word.load(Ordering::Relaxed) & DRAINING != 0;
            if now == draining || mutant("pool-advise-once") {
                return;
            }
            draining = now;
        }
    }

    /// Frees the storage of a draining slab when every slot is back; returns its bytes.
    ///
    /// # Safety
    /// The caller holds a handle of the pool; `memory` is what the slab was allocated from.
    pub(super) unsafe fn give_back(self, memory: &dyn SlabMemory) -> Option<usize> {
        // SAFETY: as the caller says.
        let slab = unsafe { self.get() };
        let word = slab.bitmap.word.load(Ordering::Relaxed);
        let whole = word & SLOTS == slab.all || mutant("pool-give-back-early");
        if !whole || word & DRAINING == 0 {
            return None;
        }
        let busy = (word & !(SLOTS | DRAINING)) | BUSY;
        if mutant("pool-give-back-unchecked") {
            slab.bitmap.word.store(busy, Ordering::Relaxed);
        } else {
            // Taking all free bits at once makes us the only holder; a slab reopened meanwhile makes it fail. Acquire as
            // in `take`.
            let order = weakened("pool-give-back-relaxed", Ordering::Acquire);
            slab.bitmap.word.compare_exchange(word, busy, order, Ordering::Relaxed).ok()?;
        }
        // Relaxed: stored before a slot could be taken, hence before all were returned.
        let storage = NonNull::new(slab.storage.load(Ordering::Relaxed))?;
        // SAFETY: as the caller says.
        let shape = unsafe { self.shape() };
        slab.cells.write(0, shape.slots);
        if mutant("pool-header-freed") {
            for slot in 0..shape.slots {
                // SAFETY: a slot of this slab.
                unsafe { self.header(slot as u32) }.word.store(0, Ordering::Relaxed);
            }
        }
        // SAFETY: allocated with this shape; we hold every slot, and an empty slab's pointer is never followed.
        unsafe { shape.free_storage(memory, storage) };
        // Release: who fills the slab does so after us.
        slab.bitmap.word.fetch_xor(BUSY | EMPTY, Ordering::Release);
        Some(shape.storage_bytes())
    }

    /// What the slab is up to.
    ///
    /// # Safety
    /// The slab is alive.
    pub(super) unsafe fn state(self) -> SlabState {
        // SAFETY: as the caller says. Acquire: who frees the storage of a pool that ended sees who brought it.
        let word = unsafe { self.get() }.bitmap.word.load(Ordering::Acquire);
        SlabState::of(word)
    }

    /// Gives a slab whose storage was given back a new one. `Ok(false)`: somebody else was faster;
    /// `Err` carries the bytes that the system did not have.
    ///
    /// # Safety
    /// The caller holds a handle of the pool.
    pub(super) unsafe fn refill(self, memory: &dyn SlabMemory) -> Result<bool, usize> {
        // SAFETY: as the caller says.
        let (slab, shape) = unsafe { (self.get(), self.shape()) };
        let storage = shape.allocate_storage(memory).ok_or(shape.storage_bytes())?;
        // Acquire pairs with the Release of `give_back`.
        let claimed = slab.bitmap.word.fetch_update(Ordering::Acquire, Ordering::Relaxed, |word| {
            (word & EMPTY != 0).then_some(word ^ (EMPTY | BUSY))
        });
        if claimed.is_err() {
            // SAFETY: ours, unpublished.
            unsafe { shape.free_storage(memory, storage) };
            return Ok(false);
        }
        // The slab is ours alone: no slot is out or free, and nobody changes the word while it is busy.
        slab.cells.write(0, shape.slots);
        slab.storage.store(storage.as_ptr(), Ordering::Relaxed);
        slab.bitmap.high.store(0, Ordering::Relaxed);
        // Release: who takes a slot sees the storage and its zeroes.
        let order = weakened("pool-refill-relaxed", Ordering::Release);
        slab.bitmap.word.fetch_xor(BUSY | slab.all, order);
        // SAFETY: as the caller says.
        unsafe { self.advise() };
        Ok(true)
    }

    /// # Safety
    /// The slab is alive.
    pub(super) unsafe fn census(self) -> SlabCensus {
        // SAFETY: as the caller says.
        let (slab, shape) = unsafe { (self.get(), self.shape()) };
        // Acquire before the word: see `take`.
        let wide = slab.bitmap.taken_wide.load(Ordering::Acquire);
        let word = slab.bitmap.word.load(Ordering::Relaxed);
        let state = SlabState::of(word);
        let has_storage = matches!(state, SlabState::Open | SlabState::Draining);
        SlabCensus {
            slots: if has_storage { shape.slots } else { 0 },
            free: (word & SLOTS).count_ones() as usize,
            free_mask: word & SLOTS,
            draining: state == SlabState::Draining,
            high: if has_storage { slab.bitmap.high.load(Ordering::Relaxed) as usize } else { 0 },
            // The narrow count is that of the true sum modulo 2^24, and the true sum is less than 2^24 ahead, unless a thread
            // stands still between its two additions while others take 2^23 more: then so many are missing until it goes on.
            taken: wide + ((word >> TAKEN_SHIFT).wrapping_sub(wide) & TAKEN_MASK),
        }
    }
}

/// What a slab is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlabState {
    /// It hands out slots.
    Open,
    /// It hands out no more slots, and will be freed.
    Draining,
    /// It has no storage, and could be refilled.
    Empty,
    /// Somebody is freeing its storage, or bringing it new one, in this moment.
    Busy,
}

impl SlabState {
    fn of(word: u64) -> Self {
        match word {
            _ if word & BUSY != 0 => Self::Busy,
            _ if word & EMPTY != 0 => Self::Empty,
            _ if word & DRAINING != 0 => Self::Draining,
            _ => Self::Open,
        }
    }
}

/// What one look at a slab shows.
pub(super) struct SlabCensus {
    /// Slots that have storage: all or none.
    pub(super) slots: usize,
    pub(super) free: usize,
    pub(super) free_mask: u64,
    pub(super) draining: bool,
    pub(super) high: usize,
    /// Slots taken since the slab was made.
    pub(super) taken: u64,
}

impl SlabCensus {
    /// Slots that are out: held, cached or retired.
    pub(super) fn out(&self) -> usize {
        self.slots.saturating_sub(self.free)
    }

    /// Slots that can be handed out now or when they come back.
    pub(super) fn open(&self) -> usize {
        if self.draining { 0 } else { self.slots }
    }
}
