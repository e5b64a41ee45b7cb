//! A link's state, readable from any thread.

use super::evict::ChunkSlots;
use super::link::{Packet, Shared};
use crate::ledger::Losses;
use crate::ring::Gauge;
use crate::sync::{Arc, AtomicU64, Ordering};

/// How many chunks passed. Each figure is of its own instant.
///
/// ```
/// use pcmflow_core::chunk::{AudioRingBuffer, LinkStats};
/// let link = AudioRingBuffer::with_capacity(4)?;
/// assert_eq!(link.gauge().stats(), LinkStats::default());
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Chunks that were taken in.
    pub pushes: u64,
    /// Chunks that were handed back because the link was full or closed.
    pub rejected: u64,
    /// Chunks that gave way to newer ones.
    pub evictions: u64,
    /// Chunks that were taken out.
    pub pops: u64,
    /// Chunks that were thrown out by [`ChunkConsumer::clear`](super::ChunkConsumer::clear).
    pub drops: u64,
}

/// What is looked at.
#[derive(Debug, Clone)]
pub(super) enum Gauged {
    Queue(Gauge<Packet>),
    Evicting(Arc<ChunkSlots>),
}

/// Reads a link's state from any thread, without disturbing either half.
///
/// It keeps the link, and with it the chunks that nobody took: drop it, off the audio thread, once both halves are gone.
///
/// ```
/// use pcmflow_core::chunk::AudioRingBuffer;
/// let link = AudioRingBuffer::with_capacity(3)?; // rounded up to a power of two
/// let gauge = link.gauge();
/// assert_eq!((gauge.occupancy(), gauge.capacity(), gauge.usage()), (0, 4, 0.0));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LinkGauge {
    pub(super) gauged: Gauged,
    pub(super) shared: Arc<Shared>,
}

impl LinkGauge {
    /// Chunks and marks in the link: true at some moment, or too low. Of a link that evicts, chunks only.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn occupancy(&self) -> usize {
        match &self.gauged {
            Gauged::Queue(packets) => packets.occupancy(),
            Gauged::Evicting(slots) => slots.occupancy(),
        }
    }

    /// What [`occupancy`](Self::occupancy) counts, when the link is full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        match &self.gauged {
            Gauged::Queue(packets) => packets.capacity(),
            Gauged::Evicting(slots) => slots.capacity(),
        }
    }

    /// The share of the capacity in use, 0 to 1.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn usage(&self) -> f32 {
        self.occupancy() as f32 / self.capacity() as f32
    }

    /// Frames that gave way to newer ones, or were thrown out by the consumer, by cause.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn evicted(&self) -> Losses {
        self.shared.writer.evicted() + self.shared.reader.evicted()
    }

    /// Frames that the producer gave up, by cause.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn lost(&self) -> Losses {
        self.shared.writer.lost()
    }

    /// How often a run of losses began at the producer, however long it was.
    ///
    /// ```
    /// use pcmflow_core::chunk::AudioRingBuffer;
    /// use pcmflow_core::format::Frames;
    /// use pcmflow_core::ledger::LossCause;
    /// let link = AudioRingBuffer::with_capacity(2)?;
    /// let gauge = link.gauge();
    /// let (mut producer, _consumer) = link.split();
    /// producer.give_up(Frames(64), LossCause::Overflow);
    /// producer.give_up(Frames(64), LossCause::Overflow);
    /// assert_eq!((gauge.overruns(), gauge.lost().total()), (1, Frames(128)));
    /// # Ok::<(), pcmflow_core::ring::RingError>(())
    /// ```
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn overruns(&self) -> u64 {
        self.shared.writer.overruns()
    }

    /// How many chunks passed, were refused, evicted and thrown out.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn stats(&self) -> LinkStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LinkStats {
            pushes: read(&self.shared.sent.0.pushes),
            rejected: read(&self.shared.sent.0.rejected),
            evictions: read(&self.shared.sent.0.evictions),
            pops: read(&self.shared.taken.0.pops),
            drops: read(&self.shared.taken.0.drops),
        }
    }
}
