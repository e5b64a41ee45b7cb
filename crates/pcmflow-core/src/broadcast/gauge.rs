//! What any thread may know of a broadcast ring.

use super::Plain;
use super::shared::Shared;
use crate::sync::{Arc, Ordering};

/// Looks at a [`BroadcastRing`](super::BroadcastRing) from any thread, without disturbing an end. It keeps the storage alive.
///
/// ```
/// use pcmflow_core::broadcast::BroadcastRing;
/// let ring = BroadcastRing::with_capacity(4)?;
/// let gauge = ring.gauge();
/// let (mut writer, reader) = ring.split();
/// writer.write(&[1.0f32, 2.0, 3.0, 4.0, 5.0]);
/// assert_eq!((gauge.written(), gauge.occupancy_from(0), gauge.readers()), (5, 4, 1));
/// drop((writer, reader));
/// assert!(gauge.is_closed() && gauge.readers() == 0);
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct BroadcastGauge<T: Plain> {
    shared: Arc<Shared<T>>,
}

impl<T: Plain> Clone for BroadcastGauge<T> {
    /// RT-safe: wait-free, no allocation. (Dropping a gauge is not: it may be the last to free the storage.)
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T: Plain> BroadcastGauge<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// The items that can be read when the ring is full, whole frames.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        self.shared.capacity as usize
    }

    /// Items ever written.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn written(&self) -> u64 {
        // Acquire: whoever goes by it sees what was there when it was stored.
        self.shared.progress.0.committed.load(Ordering::Acquire)
    }

    /// Items that wait for a reader that is at `position`: exact while writer and reader rest.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn occupancy_from(&self, position: u64) -> usize {
        self.written().saturating_sub(position).min(self.shared.capacity) as usize
    }

    /// How many readers there are.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn readers(&self) -> usize {
        // Relaxed: nothing is read on the strength of it.
        self.shared.readers.0.load(Ordering::Relaxed)
    }

    /// Whether the writer was dropped.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_closed(&self) -> bool {
        // Acquire: after it, the last commit is seen.
        self.shared.progress.0.gone.load(Ordering::Acquire)
    }
}
