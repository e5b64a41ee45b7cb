//! An end that reads.

use super::Plain;
use super::shared::Shared;
use crate::mutant::is;
use crate::sync::{Arc, Ordering, fence};

/// What a read brought: `lost` items that were overwritten before they could be read, then `count` items.
///
/// ```
/// use pcmflow_core::broadcast::BroadcastRing;
/// let (mut writer, mut reader) = BroadcastRing::<f32>::with_capacity(4)?.split();
/// writer.write(&[0.0; 7]);
/// let read = reader.read(&mut [0.0; 2]);
/// assert_eq!((read.lost_from(), read.lost), (0, 3));
/// assert_eq!((read.position, read.count, read.end()), (3, 2, 5));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[must_use = "it alone says how many items of `out` were read, and how many were lost before them"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The position of the first item read: of the first that is not lost.
    pub position: u64,
    /// How many items were read.
    pub count: usize,
    /// How many items were overwritten unread, just before `position`.
    pub lost: u64,
}

impl Read {
    /// The position behind the last item read.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn end(&self) -> u64 {
        self.position + self.count as u64
    }

    /// The position of the first item lost, where some are.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn lost_from(&self) -> u64 {
        self.position - self.lost
    }
}

/// An end of a [`BroadcastRing`](super::BroadcastRing) that reads, independent of all others. It may go to any thread.
///
/// ```
/// use pcmflow_core::broadcast::BroadcastRing;
/// let (mut writer, mut meter) = BroadcastRing::with_capacity(8)?.split();
/// writer.write(&[0.0f32, 0.1, 0.2]);
/// let mut recorder = meter.subscribe(); // from here on
/// writer.write(&[0.3]);
/// let mut out = [0.0; 8];
/// assert_eq!(meter.read(&mut out).count, 4);
/// assert_eq!(recorder.read(&mut out).count, 1);
/// assert_eq!(out[0], 0.3);
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct BroadcastReader<T: Plain> {
    shared: Arc<Shared<T>>,
    /// The next item. Invariant: at most what was committed, and a whole number of frames.
    position: u64,
}

impl<T: Plain> BroadcastReader<T> {
    pub(super) fn new(shared: Arc<Shared<T>>, position: u64) -> Self {
        // Relaxed: a count, nothing is read on the strength of it.
        shared.readers.0.fetch_add(1, Ordering::Relaxed);
        Self { shared, position }
    }

    /// Another reader, from the newest on: it meets what is written from now on.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn subscribe(&self) -> BroadcastReader<T> {
        Self::new(self.shared.clone(), self.committed())
    }

    /// Another reader, from the oldest item on that is still there.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn subscribe_from_oldest(&self) -> BroadcastReader<T> {
        let committed = self.committed();
        Self::new(self.shared.clone(), self.oldest().min(committed))
    }

    /// The items that can be read when the ring is full, whole frames.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        self.shared.capacity as usize
    }

    /// The position of the next item: everything before it was read, or reported lost.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How far the writer is ahead, items that are lost already included.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn lag(&self) -> u64 {
        self.committed() - self.position
    }

    /// Items that could be read now. More may come before the read, and some of them may be overwritten.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn available(&self) -> usize {
        let committed = self.committed();
        (committed - self.position.max(self.oldest()).min(committed)) as usize
    }

    /// Whether the writer was dropped. What it wrote before can still be read: [`is_finished`](Self::is_finished) says that
    /// no more will come.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_closed(&self) -> bool {
        // Acquire: after it, the last commit is seen.
        self.shared.progress.0.gone.load(Ordering::Acquire)
    }

    /// Whether the writer was dropped and all that it wrote was read, or reported lost: no more will come. Once true it
    /// stays true.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_finished(&self) -> bool {
        // In this order: nothing is written after the end, so what is not there then never comes.
        self.is_closed() && self.lag() == 0
    }

    fn committed(&self) -> u64 {
        // Acquire: pairs with the writer's release; the words are seen as written, or newer.
        self.shared.progress.0.committed.load(Ordering::Acquire)
    }

    fn oldest(&self) -> u64 {
        // Relaxed: by itself a hint; `read_at` orders it where it counts.
        self.shared.oldest(self.shared.progress.0.reserved.load(Ordering::Relaxed))
    }

    /// Reads as many items as there are, whole frames, into `out` from its start; says how many, and how many were
    /// overwritten before them.
    ///
    /// One pass, whatever the writer does: a read that was overtaken on its way reports the items lost, those that it could
    /// save behind them, and returns. It may bring a loss and nothing else; what `out` holds beyond `count` then means
    /// nothing.
    ///
    /// Where `out` is shorter than one frame nothing is ever read: only losses are told.
    ///
    /// RT-safe: wait-free, no allocation, at most three copies.
    pub fn read(&mut self, out: &mut [T]) -> Read {
        let read = self.read_at(self.position, out);
        self.position = read.end();
        read
    }

    /// Goes to the newest: what was not read is left behind. Returns how many items that are, lost ones included.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn skip_to_newest(&mut self) -> u64 {
        let skipped = self.lag();
        self.position += skipped;
        skipped
    }

    /// Takes everything before `position`, which a [`read_at`](Self::read_at) has reached.
    pub(crate) fn pass(&mut self, position: u64) {
        self.position = position;
    }

    /// [`read`](Self::read) from `position` on, which is between this reader's and what was committed; nothing is taken.
    ///
    /// # Why what it returns is right
    /// Let `p` be a position among the items returned, and `w` the store of its word by the write of `p`.
    /// - *Not too old.* `p < committed`, and that load acquired a release store that stands behind `w`: the load of the word
    ///   sees `w` or a later store (coherence). Later stores for items of the same lap put `p` back in unchanged.
    /// - *Not too new.* Say the load saw a store for `p + capacity` or later (the storage may hold a little more than whole
    ///   frames, which only delays that). The writer stored `reserved > p + capacity`, then its release fence, then that word;
    ///   we loaded the word, then our acquire fence: the fences synchronise, so the load of `reserved` behind ours sees that
    ///   value or a later one, for which `oldest > p`. But everything below `oldest` is reported lost.
    /// - *Not torn.* An item lies in one word, and words are stored and loaded whole.
    pub(crate) fn read_at(&self, position: u64, out: &mut [T]) -> Read {
        let committed = self.committed();
        // A hint saves the copy of what is lost for sure. Never beyond `committed`: what came with those items (a mark in
        // another ring) may not be seen yet.
        let seen_oldest = self.oldest();
        let start = position.max(seen_oldest.min(committed));
        let there = (committed - start).min(out.len() as u64) as usize;
        let count = there - there % self.shared.frame;
        self.shared.load(start, &mut out[..count]);
        if !is("broadcast-no-acquire-fence") {
            fence(Ordering::Acquire);
        }
        let oldest = if is("broadcast-no-recheck") { seen_oldest } else { self.oldest() };
        let oldest = if is("broadcast-lost-beyond-commit") { oldest } else { oldest.min(committed) };
        let first = start.max(oldest);
        let damaged = ((first - start) as usize).min(count);
        if damaged > 0 {
            out.copy_within(damaged..count, 0);
        }
        Read { position: first, count: count - damaged, lost: first - position }
    }
}

impl<T: Plain> Drop for BroadcastReader<T> {
    /// RT-safe while the writer, another reader or a gauge lives: wait-free, no allocation, no free. Dropped last, it frees the ring.
    fn drop(&mut self) {
        // Relaxed: the writer reads nothing on the strength of it.
        self.shared.readers.0.fetch_sub(1, Ordering::Relaxed);
    }
}
