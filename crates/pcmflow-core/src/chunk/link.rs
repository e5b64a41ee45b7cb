//! [`AudioRingBuffer`]: the queue of chunks between two threads, with the marks of the stream in band.

use super::evict::{EvictingConsumer, EvictingProducer, evicting};
use super::gauge::Gauged;
use super::{AudioChunk, ChunkConsumer, ChunkProducer, LinkGauge};
use crate::ledger::{ReaderBooks, WriterBooks};
use crate::ring::{CircularBuffer, Consumer, Padded, Producer, RingError};
use crate::stream::Mark;
use crate::sync::{Arc, AtomicU64, Ordering};

/// What travels on a link.
///
/// ```
/// use pcmflow_core::chunk::{AudioRingBuffer, Packet};
/// use pcmflow_core::format::{Frames, StreamPosition};
/// use pcmflow_core::ledger::{Gap, LossCause};
/// use pcmflow_core::stream::Mark;
/// let (mut producer, mut consumer) = AudioRingBuffer::with_capacity(4)?.split();
/// let gap = Gap { position: StreamPosition(0), frames: Frames(128), cause: LossCause::Device };
/// producer.mark(Mark::Gap(gap)).unwrap();
/// assert!(matches!(consumer.pop(), Some(Packet::Mark(Mark::Gap(told))) if told == gap));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Packet {
    /// Samples.
    Chunk(AudioChunk),
    /// A gap or a cut, at its place between the chunks.
    Mark(Mark),
}

/// The books and counts of both ends. What one end stores with each chunk lies on no line that the other stores: a line
/// that both store crosses between the cores twice a chunk, which costs more than all the rest of the link.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) writer: WriterBooks,
    pub(super) sent: Padded<Sent>,
    pub(super) reader: ReaderBooks,
    pub(super) taken: Padded<Taken>,
}

/// Chunks, as the half that pushes counts them.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) pushes: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) evictions: AtomicU64,
}

/// Chunks, as the half that pops counts them.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) pops: AtomicU64,
    pub(super) drops: AtomicU64,
}

/// One more on a counter that only the caller's side stores.
pub(super) fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// What packets are sent into.
#[derive(Debug)]
pub(super) enum Inlet {
    /// One queue, which says when it is full.
    Queue(Producer<Packet>),
    Evicting(EvictingProducer),
}

/// What packets are taken from.
#[expect(clippy::large_enum_variant, reason = "there is one a link; a box would be one more miss a packet")]
#[derive(Debug)]
pub(super) enum Outlet {
    Queue(Consumer<Packet>),
    Evicting(EvictingConsumer),
}

impl Outlet {
    pub(super) fn peek(&mut self) -> Option<&Packet> {
        match self {
            Self::Queue(packets) => packets.peek(),
            Self::Evicting(packets) => packets.peek(),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Packet> {
        match self {
            Self::Queue(packets) => packets.pop(),
            Self::Evicting(packets) => packets.pop(),
        }
    }
}

/// A queue of chunks for one producer and one consumer, before it is split.
///
/// What becomes of a chunk that finds the queue full is chosen here: it is handed back
/// ([`with_capacity`](Self::with_capacity)), or the oldest chunk gives way to it
/// ([`evicting_oldest`](Self::evicting_oldest)). Above a threshold of use, 90 % unless told otherwise, the producer can see
/// that the consumer is falling behind before either happens.
///
/// ```
/// use pcmflow_core::chunk::{AudioChunk, AudioRingBuffer, ChunkMeta, Packet};
/// use pcmflow_core::format::{StreamFormat, StreamPosition};
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// use pcmflow_core::ring::PushError;
/// use pcmflow_core::stream::Mark;
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let chunk = |sequence| {
///     let mut buffer = pool.acquire(256, Miss::Grow).unwrap();
///     buffer.resize(256, 0.5);
///     let (format, position) = (StreamFormat::new(48_000, 1).unwrap(), StreamPosition(256 * sequence));
///     let meta = ChunkMeta { format, position, sequence, timestamp_ns: 0, complete_ns: 0 };
///     AudioChunk::new(buffer.into_shared(), meta).unwrap()
/// };
/// let (mut producer, mut consumer) = AudioRingBuffer::with_capacity(2)?.split();
/// assert!(producer.push(chunk(0)).is_ok() && !producer.is_pressed());
/// assert!(producer.push(chunk(1)).is_ok() && producer.is_pressed());
/// let Err(PushError::Full(refused)) = producer.push(chunk(2)) else { panic!() };
/// assert_eq!(refused.sequence(), 2);
/// assert!(matches!(consumer.pop(), Some(Packet::Chunk(first)) if first.sequence() == 0));
///
/// let (mut producer, mut consumer) = AudioRingBuffer::evicting_oldest(2)?.split();
/// for sequence in 0..3 {
///     assert!(producer.push(chunk(sequence)).is_ok());
/// }
/// let Some(Packet::Mark(Mark::Gap(gap))) = consumer.pop() else { panic!() };
/// assert_eq!((gap.position.0, gap.frames.0), (0, 256));
/// assert!(matches!(consumer.pop(), Some(Packet::Chunk(second)) if second.sequence() == 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AudioRingBuffer {
    inlet: Inlet,
    outlet: Outlet,
    gauge: LinkGauge,
    threshold_percent: u8,
}

impl AudioRingBuffer {
    /// The use above which a link is pressed, unless told otherwise.
    pub const THRESHOLD_PERCENT: u8 = 90;

    /// Makes a link for at least `packets` chunks and marks, rounded up to a power of two. When it is full, what is sent is
    /// handed back.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`RingError`] for a capacity that is 0 or can't be had.
    pub fn with_capacity(packets: usize) -> Result<Self, RingError> {
        let ring = CircularBuffer::with_capacity(packets)?;
        let gauged = Gauged::Queue(ring.gauge());
        let (producer, consumer) = ring.split();
        Ok(Self::new(Inlet::Queue(producer), Outlet::Queue(consumer), gauged))
    }

    /// Makes a link for at least `chunks` chunks, rounded up to a power of two, and for some marks beside them. When it is
    /// full of chunks, the oldest gives way to the one that is sent, posted as
    /// [`LossCause::Overflow`](crate::ledger::LossCause::Overflow); its consumer meets the gap in its place. Marks are never
    /// evicted: only they can be handed back.
    ///
    /// The gap is derived from positions, which go up from packet to packet. What was evicted before a chunk that stands no
    /// further than what came already is told in no gap: both ends still count it as evicted, so that
    /// [`snapshot`](super::ChunkConsumer::snapshot) balances, but cuts and a timeline behind it say *unaccounted*.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// As [`with_capacity`](Self::with_capacity).
    pub fn evicting_oldest(chunks: usize) -> Result<Self, RingError> {
        let (producer, consumer) = evicting(chunks)?;
        let gauged = Gauged::Evicting(producer.slots().clone());
        Ok(Self::new(Inlet::Evicting(producer), Outlet::Evicting(consumer), gauged))
    }

    fn new(inlet: Inlet, outlet: Outlet, gauged: Gauged) -> Self {
        let gauge = LinkGauge { gauged, shared: Arc::new(Shared::default()) };
        Self { inlet, outlet, gauge, threshold_percent: Self::THRESHOLD_PERCENT }
    }

    /// Sets the use, in percent of the capacity, above which the link is pressed; 100 at most.
    ///
    /// RT-safe: wait-free, no allocation.
    #[must_use]
    pub fn with_threshold_percent(mut self, percent: u8) -> Self {
        self.threshold_percent = percent.min(100);
        self
    }

    /// A reader of its state for any thread.
    ///
    /// Not RT-safe: what it returns may be the last to free the storage.
    pub fn gauge(&self) -> LinkGauge {
        self.gauge.clone()
    }

    /// Splits the link into the half that pushes and the half that pops.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn split(self) -> (ChunkProducer, ChunkConsumer) {
        let Self { inlet, outlet, gauge, threshold_percent } = self;
        let shared = gauge.shared.clone();
        (ChunkProducer { inlet, gauge, threshold_percent, losing: false }, ChunkConsumer::new(outlet, shared))
    }
}
