//! Which tasks were woken: a bit each, and a summary so that a look costs what was woken, not what there is.
//!
//! Many threads set bits; the executor takes them all at once, and keeps those of living tasks in its own
//! [`Pending`](super::pending::Pending).
//!
//! ```text
//! add:    word |= bit;  unless the summary has the word: summary |= word
//! drain:  summary → 0;  each word that it had → 0
//! ```
//!
//! The summary is cleared before the words. So a bit that is set behind the taking of its word finds the summary cleared, and
//! marks it again; and one that is set before is taken with the others, whether or not the summary was marked for it by
//! itself. A mark without a bit may be left behind, and costs one look.

// Public to the model checker only.
#![cfg_attr(not(pcmflow_loom), allow(unreachable_pub, reason = "public to the model checker only"))]

use crate::mutant::{is as mutant, weakened};
use crate::sync::{AtomicU64, Ordering};

/// Bits of a word, and of the summary.
pub(super) const BITS: usize = 64;

/// A set of up to 4096 small numbers that many threads add to and one takes from.
#[derive(Debug)]
pub struct ReadySet {
    /// A bit for each word that may have bits.
    summary: AtomicU64,
    words: Box<[AtomicU64]>,
}

impl ReadySet {
    /// The most numbers a set can hold.
    pub const MAX: usize = BITS * BITS;

    /// A set of numbers below `capacity`.
    pub fn new(capacity: usize) -> Self {
        debug_assert!(capacity <= Self::MAX);
        let words = (0..capacity.div_ceil(BITS)).map(|_| AtomicU64::new(0)).collect();
        Self { summary: AtomicU64::new(0), words }
    }

    /// Adds `index`; what the caller wrote before is seen by whoever takes it.
    pub fn add(&self, index: usize) {
        let (word, bit) = (index / BITS, 1u64 << (index % BITS));
        // Release: pairs with the acquire in `drain`, also where the bit was set already. Acquire: where the word was taken before,
        // the load below sees its mark cleared, or set again by somebody else.
        let order = if mutant("ready-stale-summary") { Ordering::Release } else { Ordering::AcqRel };
        let order = weakened("ready-add-relaxed", order);
        self.words[word].fetch_or(bit, order);
        let mark = 1u64 << word;
        // The load comes first: many wake-ups find the mark there, and write no second line. Acquire: whose mark we lean on happened
        // before us, and so before the fence by which a driver that falls asleep sees us.
        if self.summary.load(Ordering::Acquire) & mark == 0 {
            // Release: who takes the mark sees the word's bit.
            self.summary.fetch_or(mark, Ordering::Release);
        }
    }

    /// Whether there is nothing in the set; a thread that was in [`add`](Self::add) just now may see it otherwise.
    pub fn is_empty(&self) -> bool {
        // Relaxed: who must not miss anything has a fence before it.
        self.summary.load(Ordering::Relaxed) == 0
    }

    /// Takes everything, the smallest first. For one thread only.
    pub fn drain(&self, mut each: impl FnMut(usize)) {
        if self.is_empty() {
            return;
        }
        let late = mutant("ready-summary-after-words");
        // Acquire: pairs with the release in `add`.
        let taken =
            if late { self.summary.load(Ordering::Acquire) } else { self.summary.swap(0, Ordering::Acquire) };
        let mut marks = taken;
        while marks != 0 {
            let word = marks.trailing_zeros() as usize;
            marks &= marks - 1;
            // Acquire: what whoever added them wrote before is seen by us. Release: who adds behind us sees the mark cleared.
            let mut bits = self.words[word].swap(0, weakened("ready-drain-relaxed", Ordering::AcqRel));
            while bits != 0 {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                each(word * BITS + bit);
            }
        }
        if late {
            self.summary.fetch_and(!taken, Ordering::AcqRel);
        }
    }
}
