//! The end that writes.

use super::shared::Shared;
use super::{BroadcastReader, Plain};
use crate::mutant::{is, weakened};
use crate::sync::{Arc, Ordering, fence};

/// The one end of a [`BroadcastRing`](super::BroadcastRing) that writes. It never waits, and no reader can hold it up.
///
/// ```
/// use pcmflow_core::broadcast::BroadcastRing;
/// let (mut writer, reader) = BroadcastRing::<f32>::with_capacity(4)?.split();
/// drop(reader);
/// writer.write(&[0.1, 0.2]); // nobody reads, and it does not care
/// let mut late = writer.subscribe();
/// writer.write(&[0.3]);
/// assert_eq!(late.read(&mut [0.0; 4]).position, 2);
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct BroadcastWriter<T: Plain> {
    shared: Arc<Shared<T>>,
    /// Items ever written: nobody else stores the shared positions, so this copy is exact.
    written: u64,
}

impl<T: Plain> BroadcastWriter<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, written: 0 }
    }

    /// The items that can be read when the ring is full, whole frames.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        self.shared.capacity as usize
    }

    /// Items ever written: the position of the next.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self) -> u64 {
        self.written
    }

    /// Whether nobody reads now. A reader may still [`subscribe`](Self::subscribe).
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_closed(&self) -> bool {
        // Relaxed: nothing is read on the strength of it.
        self.shared.readers.0.load(Ordering::Relaxed) == 0
    }

    /// Another reader, from the next item on that is written.
    ///
    /// RT-safe: wait-free, no allocation; the reader's own thread may be any.
    pub fn subscribe(&self) -> BroadcastReader<T> {
        BroadcastReader::new(self.shared.clone(), self.written)
    }

    /// Writes `items`, all whole frames of them, over the oldest; returns how many.
    ///
    /// Of more items than the ring holds the last ones stay; the others count as written and overwritten.
    ///
    /// RT-safe: wait-free, no allocation, at most two copies.
    pub fn write(&mut self, items: &[T]) -> usize {
        let items = &items[..items.len() - items.len() % self.shared.frame];
        let end = self.written + items.len() as u64;
        let stay = items.len().min(self.capacity());
        let progress = &self.shared.progress.0;
        let late = is("broadcast-reserve-late");
        if !late {
            // Relaxed: the fence below orders it.
            progress.reserved.store(end, Ordering::Relaxed);
        }
        // Release, a fence: the reservation above comes before each word below (a release *store* would order only what
        // stands before it). The reader's half of the proof stands in `BroadcastReader::read_at`.
        if !is("broadcast-no-release-fence") {
            fence(Ordering::Release);
        }
        self.shared.store(end - stay as u64, &items[items.len() - stay..]);
        if late {
            progress.reserved.store(end, Ordering::Relaxed);
        }
        self.written = end;
        // Release: who sees the commit sees the words.
        progress.committed.store(end, weakened("broadcast-commit-relaxed", Ordering::Release));
        items.len()
    }
}

impl<T: Plain> Drop for BroadcastWriter<T> {
    /// RT-safe while a reader or gauge lives: wait-free, no allocation, no free. Dropped last, it frees the ring.
    fn drop(&mut self) {
        // Release: who sees the end sees the last commit.
        self.shared.progress.0.gone.store(true, Ordering::Release);
    }
}
