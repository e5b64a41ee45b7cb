//! Which tasks are ready: a bit each, and a summary so that a look costs what is ready, not what there is.

use crate::sync::{AtomicU64, Ordering};

const BITS: usize = 64;

/// A set of up to 4096 small numbers that many threads add to and one takes from.
///
/// A bit of `summary` says that the word may have bits; it is set after the word's bit and cleared before the word is taken, so
/// that a bit without its summary can be seen only by who set it, a moment later.
#[derive(Debug)]
pub(super) struct ReadySet {
    summary: AtomicU64,
    words: Box<[AtomicU64]>,
}

impl ReadySet {
    /// The most numbers a set can hold.
    pub(super) const MAX: usize = BITS * BITS;

    pub(super) fn new(capacity: usize) -> Self {
        debug_assert!(capacity <= Self::MAX);
        let words = (0..capacity.div_ceil(BITS)).map(|_| AtomicU64::new(0)).collect();
        Self { summary: AtomicU64::new(0), words }
    }

    /// Adds `index`; what the caller wrote before is seen by whoever takes it.
    pub(super) fn add(&self, index: usize) {
        let (word, bit) = (index / BITS, 1u64 << (index % BITS));
        // Release: pairs with the acquire in `take_word`.
        if self.words[word].fetch_or(bit, Ordering::Release) & bit == 0 {
            // Release: who sees the summary sees the word's bit. Where the bit was there already, whoever set it sets the summary, or
            // the taker has it in hand.
            self.summary.fetch_or(1 << word, Ordering::Release);
        }
    }

    /// Whether there may be anything in the set.
    pub(super) fn is_empty(&self) -> bool {
        self.summary.load(Ordering::Acquire) == 0
    }

    /// Takes one number, the first at or after `from`, going round; none when the set is empty. For the one taker only.
    pub(super) fn take(&self, from: usize) -> Option<usize> {
        let mut summary = self.summary.load(Ordering::Acquire);
        let (start_word, start_bit) = (from / BITS, from % BITS);
        // The words from `start_word` on, then those before it, then the low bits of `start_word` itself.
        while summary != 0 {
            let at_or_after = summary & (u64::MAX << start_word.min(BITS - 1));
            for (candidates, low_bits_too) in [(at_or_after, false), (summary, true)] {
                let mut candidates = candidates;
                while candidates != 0 {
                    let word = candidates.trailing_zeros() as usize;
                    candidates &= candidates - 1;
                    let mask =
                        if word == start_word && !low_bits_too { u64::MAX << start_bit } else { u64::MAX };
                    if let Some(index) = self.take_from(word, mask) {
                        return Some(index);
                    }
                }
            }
            // Nothing in any word that had its bit: the summary was cleared where a word was empty; look again.
            summary = self.summary.load(Ordering::Acquire);
        }
        None
    }

    fn take_from(&self, word: usize, mask: u64) -> Option<usize> {
        let bits = &self.words[word];
        let there = bits.load(Ordering::Relaxed);
        if there == 0 {
            // Cleared before the word is looked at again: a bit that comes now sets it again, behind us.
            self.summary.fetch_and(!(1 << word), Ordering::AcqRel);
            if bits.load(Ordering::Acquire) != 0 {
                self.summary.fetch_or(1 << word, Ordering::Release);
            }
            return None;
        }
        let chosen = there & mask;
        if chosen == 0 {
            return None;
        }
        let index = chosen.trailing_zeros() as usize;
        // Acquire: what whoever added it wrote before is seen by the poll that follows.
        let before = bits.fetch_and(!(1 << index), Ordering::AcqRel);
        debug_assert_ne!(before & (1 << index), 0, "only one takes");
        if before & !(1 << index) == 0 {
            self.summary.fetch_and(!(1 << word), Ordering::AcqRel);
            // As above.
            if bits.load(Ordering::Acquire) != 0 {
                self.summary.fetch_or(1 << word, Ordering::Release);
            }
        }
        Some(word * BITS + index)
    }
}
