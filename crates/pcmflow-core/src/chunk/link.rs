//! [`AudioRingBuffer`]: the queue of chunks between two threads, with the marks of the stream in band.

use super::AudioChunk;
use crate::format::Frames;
use crate::ledger::{EdgeSnapshot, Gap, LossCause, ReaderBooks, WriterBooks};
use crate::ring::{CircularBuffer, Consumer, Gauge, Producer, PushError, RingError};
use crate::stream::Mark;
use crate::sync::Arc;
use crate::sync::{AtomicU64, Ordering};

/// What travels on a link.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Packet {
    /// Samples.
    Chunk(AudioChunk),
    /// A gap or a cut, at its place between the chunks.
    Mark(Mark),
}

/// How many chunks and marks passed. Each figure is of its own instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Chunks that were taken in.
    pub pushes: u64,
    /// Chunks that were handed back because the link was full or closed.
    pub rejected: u64,
    /// Chunks that were taken out.
    pub pops: u64,
    /// Chunks that were thrown out by [`ChunkConsumer::clear`].
    pub drops: u64,
}

#[derive(Debug, Default)]
struct Shared {
    writer: WriterBooks,
    pushes: AtomicU64,
    rejected: AtomicU64,
    reader: ReaderBooks,
    pops: AtomicU64,
    drops: AtomicU64,
}

/// One more on a counter that only the caller's side stores.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// A queue of chunks for one producer and one consumer, before it is split.
///
/// Pushing onto a full queue hands the chunk back; above a threshold of use, 90 % unless told otherwise, the producer
/// can see that the consumer is falling behind before anything is refused.
///
/// ```
/// use pcmflow_core::chunk::{AudioChunk, AudioRingBuffer, ChunkMeta, Packet};
/// use pcmflow_core::format::{StreamFormat, StreamPosition};
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// use pcmflow_core::ring::PushError;
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
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AudioRingBuffer {
    ring: CircularBuffer<Packet>,
    shared: Arc<Shared>,
    threshold_percent: u8,
}

impl AudioRingBuffer {
    /// The use above which a link is pressed, unless told otherwise.
    pub const THRESHOLD_PERCENT: u8 = 90;

    /// Makes a link for at least `packets` chunks and marks: rounded up to a power of two.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`RingError`] for a capacity that is 0 or can't be had.
    pub fn with_capacity(packets: usize) -> Result<Self, RingError> {
        let ring = CircularBuffer::with_capacity(packets)?;
        Ok(Self { ring, shared: Arc::default(), threshold_percent: Self::THRESHOLD_PERCENT })
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
        LinkGauge { packets: self.ring.gauge(), shared: self.shared.clone() }
    }

    /// Splits the link into the half that pushes and the half that pops.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn split(self) -> (ChunkProducer, ChunkConsumer) {
        let (producer, consumer) = self.ring.split();
        (
            ChunkProducer {
                packets: producer,
                shared: self.shared.clone(),
                threshold_percent: self.threshold_percent,
            },
            ChunkConsumer { packets: consumer, shared: self.shared },
        )
    }
}

/// The half of a link that pushes.
#[derive(Debug)]
pub struct ChunkProducer {
    packets: Producer<Packet>,
    shared: Arc<Shared>,
    threshold_percent: u8,
}

impl ChunkProducer {
    /// Sends a chunk.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`PushError::Full`] and [`PushError::Closed`] hand the chunk back.
    pub fn push(&mut self, chunk: AudioChunk) -> Result<(), PushError<AudioChunk>> {
        let closed = self.packets.is_closed();
        match self.packets.vacant() {
            Some(slot) if !closed => {
                self.shared.writer.post_accepted(chunk.frames());
                count(&self.shared.pushes);
                slot.fill(Packet::Chunk(chunk));
                Ok(())
            }
            _ => {
                count(&self.shared.rejected);
                Err(if closed { PushError::Closed(chunk) } else { PushError::Full(chunk) })
            }
        }
    }

    /// Sends a mark, at its place between the chunks.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`PushError::Full`] and [`PushError::Closed`] hand the mark back.
    pub fn mark(&mut self, mark: Mark) -> Result<(), PushError<Mark>> {
        let closed = self.packets.is_closed();
        match self.packets.vacant() {
            Some(slot) if !closed => {
                slot.fill(Packet::Mark(mark));
                Ok(())
            }
            _ => Err(if closed { PushError::Closed(mark) } else { PushError::Full(mark) }),
        }
    }

    /// Whether a packet can be sent now. Once true it stays true until one is sent.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn has_room(&mut self) -> bool {
        self.packets.has_room(1)
    }

    /// Whether the use is above the threshold: the consumer is falling behind.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_pressed(&mut self) -> bool {
        let used = self.packets.capacity() - self.packets.free();
        used * 100 > self.packets.capacity() * usize::from(self.threshold_percent)
    }

    /// Whether the consumer was dropped.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_closed(&self) -> bool {
        self.packets.is_closed()
    }
}

/// The half of a link that pops.
#[derive(Debug)]
pub struct ChunkConsumer {
    packets: Consumer<Packet>,
    shared: Arc<Shared>,
}

impl ChunkConsumer {
    /// Looks at the next packet without taking it: what is to be taken only once it was dealt with.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn peek(&mut self) -> Option<&Packet> {
        self.packets.peek()
    }

    /// Takes the next packet; none when the link is empty.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn pop(&mut self) -> Option<Packet> {
        let packet = self.packets.pop()?;
        if let Packet::Chunk(chunk) = &packet {
            self.shared.reader.post_popped(chunk.frames());
            count(&self.shared.pops);
        }
        Some(packet)
    }

    /// Whether the producer was dropped. What it sent before can still be taken, so [`pop`](Self::pop) *after* this to
    /// know that no more will come.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_closed(&self) -> bool {
        self.packets.is_closed()
    }

    /// Throws out what is there now, posted under `cause`, and tells `on_gap` of every gap that this leaves, and of those
    /// that were in the link. Cuts are thrown out too.
    ///
    /// RT-safe when `on_gap` is: wait-free in the packets thrown out, no allocation, no free (buffers go to their pool).
    pub fn clear(&mut self, cause: LossCause, mut on_gap: impl FnMut(Gap)) {
        for _ in 0..self.packets.available() {
            match self.packets.pop() {
                Some(Packet::Chunk(chunk)) => {
                    self.shared.reader.post_evicted(chunk.frames(), cause);
                    count(&self.shared.drops);
                    on_gap(Gap { position: chunk.position(), frames: chunk.frames(), cause });
                }
                Some(Packet::Mark(Mark::Gap(gap))) => on_gap(gap),
                Some(Packet::Mark(Mark::Cut(_))) | None => {}
            }
        }
    }

    /// Both ends' books beside the frames inside, which are measured by looking at every chunk. Exact when the producer
    /// rests.
    ///
    /// RT-safe: wait-free in the packets inside, no allocation.
    pub fn snapshot(&mut self) -> EdgeSnapshot {
        let inside = self.packets.available();
        let mut occupancy = Frames::ZERO;
        if let Ok(packets) = self.packets.read_chunk(inside) {
            let (first, second) = packets.as_slices();
            for packet in first.iter().chain(second) {
                if let Packet::Chunk(chunk) = packet {
                    occupancy += chunk.frames();
                }
            }
        }
        EdgeSnapshot {
            accepted: self.shared.writer.accepted(),
            popped: self.shared.reader.popped(),
            evicted: self.shared.reader.evicted(),
            occupancy,
            lost: self.shared.writer.lost(),
            overruns: self.shared.writer.overruns(),
        }
    }
}

/// Reads a link's state from any thread, without disturbing either half.
#[derive(Debug, Clone)]
pub struct LinkGauge {
    packets: Gauge<Packet>,
    shared: Arc<Shared>,
}

impl LinkGauge {
    /// Chunks and marks in the link: true at some moment, or too low.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn occupancy(&self) -> usize {
        self.packets.occupancy()
    }

    /// Chunks and marks that the link holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        self.packets.capacity()
    }

    /// The share of the capacity in use, 0 to 1.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn usage(&self) -> f32 {
        self.occupancy() as f32 / self.capacity() as f32
    }

    /// How many chunks passed, were refused and thrown out.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn stats(&self) -> LinkStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LinkStats {
            pushes: read(&self.shared.pushes),
            rejected: read(&self.shared.rejected),
            pops: read(&self.shared.pops),
            drops: read(&self.shared.drops),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::ChunkMeta;
    use crate::format::{StreamFormat, StreamPosition};
    use crate::pool::{BufferRecyclingPool, Miss, PoolConfig};
    use std::vec::Vec;

    fn chunk(pool: &BufferRecyclingPool, sequence: u64, frames: usize) -> AudioChunk {
        let mut buffer = pool.acquire(frames, Miss::Grow).unwrap();
        buffer.resize(frames, sequence as f32);
        let (format, position) = (StreamFormat::new(48_000, 1).unwrap(), StreamPosition(sequence * 100));
        let meta = ChunkMeta { format, position, sequence, timestamp_ns: 0, complete_ns: 0 };
        AudioChunk::new(buffer.into_shared(), meta).unwrap()
    }

    #[test]
    fn partial_frames_make_no_chunk() {
        let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
        let mut buffer = pool.acquire(256, Miss::Grow).unwrap();
        buffer.resize(255, 0.0);
        let (format, position) = (StreamFormat::new(48_000, 2).unwrap(), StreamPosition(0));
        let meta = ChunkMeta { format, position, sequence: 0, timestamp_ns: 0, complete_ns: 0 };
        assert!(AudioChunk::new(buffer.into_shared(), meta).is_err());
    }

    #[test]
    fn books_counts_and_pressure() {
        let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
        let link = AudioRingBuffer::with_capacity(4).unwrap().with_threshold_percent(50);
        let gauge = link.gauge();
        let (mut producer, mut consumer) = link.split();
        let gap = Gap { position: StreamPosition(150), frames: Frames(50), cause: LossCause::Overflow };
        producer.push(chunk(&pool, 0, 100)).unwrap();
        producer.push(chunk(&pool, 1, 50)).unwrap();
        assert!(!producer.is_pressed());
        producer.mark(Mark::Gap(gap)).unwrap();
        assert!(producer.is_pressed() && producer.has_room());
        producer.push(chunk(&pool, 2, 100)).unwrap();
        assert!(matches!(producer.push(chunk(&pool, 3, 100)), Err(PushError::Full(c)) if c.sequence() == 3));
        assert!(matches!(producer.mark(Mark::Gap(gap)), Err(PushError::Full(_))));
        assert_eq!((gauge.occupancy(), gauge.capacity(), gauge.usage()), (4, 4, 1.0));

        assert!(matches!(consumer.pop(), Some(Packet::Chunk(c)) if c.sequence() == 0));
        let edge = consumer.snapshot();
        assert_eq!((edge.accepted, edge.popped, edge.occupancy), (Frames(250), Frames(100), Frames(150)));
        assert_eq!(edge.imbalance(), Frames(0));

        let mut gaps = Vec::new();
        consumer.clear(LossCause::Shed, |gap| gaps.push((gap.position.0, gap.frames.0, gap.cause)));
        let expected =
            [(100, 50, LossCause::Shed), (150, 50, LossCause::Overflow), (200, 100, LossCause::Shed)];
        assert_eq!(gaps, expected);
        let edge = consumer.snapshot();
        assert_eq!((edge.evicted[LossCause::Shed], edge.imbalance()), (Frames(150), Frames(0)));
        assert_eq!(gauge.stats(), LinkStats { pushes: 3, rejected: 1, pops: 1, drops: 2 });

        drop(consumer);
        assert!(producer.is_closed());
        assert!(matches!(producer.push(chunk(&pool, 4, 1)), Err(PushError::Closed(_))));
        assert!(matches!(producer.mark(Mark::Gap(gap)), Err(PushError::Closed(_))));
    }

    #[test]
    fn a_gone_producer_leaves_what_it_sent() {
        let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
        let (mut producer, mut consumer) = AudioRingBuffer::with_capacity(2).unwrap().split();
        producer.push(chunk(&pool, 0, 100)).unwrap();
        drop(producer);
        assert!(consumer.is_closed());
        assert!(matches!(consumer.pop(), Some(Packet::Chunk(_))));
        assert!(consumer.pop().is_none());
    }
}
