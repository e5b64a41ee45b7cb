//! The executor's own list of one priority's tasks that are to be polled: theirs in turn.

use super::ready::BITS;

/// A set of up to 4096 small numbers, taken in turn: the first behind the one that was taken last, going round.
#[derive(Debug)]
pub(super) struct Pending {
    /// A bit for each word that has bits.
    summary: u64,
    words: Box<[u64]>,
    /// Where the search goes on.
    next: usize,
}

impl Pending {
    pub(super) fn new(capacity: usize) -> Self {
        Self { summary: 0, words: vec![0; capacity.div_ceil(BITS)].into(), next: 0 }
    }

    pub(super) fn add(&mut self, index: usize) {
        self.words[index / BITS] |= 1 << (index % BITS);
        self.summary |= 1 << (index / BITS);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.summary == 0
    }

    pub(super) fn take(&mut self) -> Option<usize> {
        if self.summary == 0 {
            return None;
        }
        let (word, bit) = (self.next / BITS, self.next % BITS);
        let mut bits = self.words[word] & (u64::MAX << bit);
        let mut found = word;
        if bits == 0 {
            // Two shifts: 64 at once are none.
            let behind = self.summary & (u64::MAX << word << 1);
            let words = if behind == 0 { self.summary } else { behind };
            found = words.trailing_zeros() as usize;
            bits = self.words[found];
        }
        let index = found * BITS + bits.trailing_zeros() as usize;
        self.words[found] &= !(1 << (index % BITS));
        if self.words[found] == 0 {
            self.summary &= !(1 << found);
        }
        self.next = (index + 1) % (self.words.len() * BITS);
        Some(index)
    }
}
