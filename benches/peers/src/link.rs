//! pcmflow's link as a queue of numbers: each travels as a real chunk, with its metadata and both ends' books. And the peers
//! with the same chunks, so that what the link adds to a bare queue of them can be told.
//!
//! What is measured is the link. So each chunk is a bitwise copy of one whose buffer stays held, and is forgotten on
//! the other side: neither the pool nor the reference count is touched, which X5c measures.

use crate::queues::Queue;
use pcmflow_core::chunk::{AudioChunk, AudioRingBuffer, ChunkConsumer, ChunkMeta, ChunkProducer, Packet};
use pcmflow_core::format::{StreamFormat, StreamPosition};
use pcmflow_core::pool::{BufferRecyclingPool, BufferRef, Miss, PoolConfig};
use pcmflow_core::ring::PushError;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, forget};
use std::ptr;
use std::sync::Arc;

/// Samples of the chunk.
const SAMPLES: usize = 256;

/// pcmflow's link of chunks.
pub(crate) struct Link;

/// Makes chunks that all show one buffer.
pub(crate) struct Maker {
    buffer: Arc<BufferRef>,
    format: StreamFormat,
}

impl Maker {
    fn new() -> Self {
        let pool = BufferRecyclingPool::new(PoolConfig::default()).expect("memory for one pool");
        let mut buffer = pool.acquire(SAMPLES, Miss::Fail).expect("a new pool has buffers");
        let _ = buffer.resize(SAMPLES, 0.25);
        let format = StreamFormat::new(48_000, 1).expect("a usual format");
        Self { buffer: Arc::new(buffer.into_shared()), format }
    }

    #[inline(always)]
    fn chunk(&self, number: u64) -> ManuallyDrop<AudioChunk> {
        let meta = ChunkMeta {
            format: self.format,
            position: StreamPosition(number * SAMPLES as u64),
            sequence: number,
            timestamp_ns: number,
            complete_ns: number,
        };
        // SAFETY: no copy is ever dropped, so the reference that both ends hold stays the one that is counted, and it outlives
        // every copy.
        let buffer = unsafe { ptr::read(&*self.buffer) };
        match AudioChunk::new(buffer, meta) {
            Ok(chunk) => ManuallyDrop::new(chunk),
            Err(_) => unreachable!("one channel: every buffer holds whole frames"),
        }
    }
}

/// The number of a chunk, whose metadata must fit together.
#[inline(always)]
fn number(chunk: &AudioChunk) -> u64 {
    assert!(chunk.position().0 == chunk.sequence() * SAMPLES as u64, "metadata was torn");
    chunk.sequence()
}

/// The end that sends.
pub(crate) struct Sender {
    link: ChunkProducer,
    maker: Maker,
}

/// The end that receives. It keeps the buffer too: chunks may be underway when the sender is gone.
pub(crate) struct Receiver {
    link: ChunkConsumer,
    _buffer: Arc<BufferRef>,
}

impl Queue<u64> for Link {
    type Sender = Sender;
    type Receiver = Receiver;
    fn split(capacity: usize) -> (Sender, Receiver) {
        let maker = Maker::new();
        let (link, consumer) = AudioRingBuffer::with_capacity(capacity).expect("memory for one link").split();
        let receiver = Receiver { link: consumer, _buffer: maker.buffer.clone() };
        (Sender { link, maker }, receiver)
    }
    fn push(sender: &mut Sender, number: u64) -> bool {
        if !sender.link.has_room() {
            return false;
        }
        match sender.link.push(ManuallyDrop::into_inner(sender.maker.chunk(number))) {
            Ok(()) => true,
            Err(PushError::Full(chunk) | PushError::Closed(chunk)) => {
                forget(chunk);
                false
            }
        }
    }
    fn pop(receiver: &mut Receiver) -> Option<u64> {
        let packet = ManuallyDrop::new(receiver.link.pop()?);
        match &*packet {
            Packet::Chunk(chunk) => Some(number(chunk)),
            _ => unreachable!("only chunks are sent"),
        }
    }
}

/// Another queue that carries the same chunks, without books.
pub(crate) struct Carried<Q>(PhantomData<Q>);

impl<Q: Queue<ManuallyDrop<AudioChunk>>> Queue<u64> for Carried<Q> {
    type Sender = (Q::Sender, Maker);
    type Receiver = (Q::Receiver, Arc<BufferRef>);
    fn split(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let maker = Maker::new();
        let (sender, receiver) = Q::split(capacity);
        let buffer = maker.buffer.clone();
        ((sender, maker), (receiver, buffer))
    }
    fn push((sender, maker): &mut Self::Sender, number: u64) -> bool {
        Q::push(sender, maker.chunk(number))
    }
    fn pop((receiver, _): &mut Self::Receiver) -> Option<u64> {
        Q::pop(receiver).map(|chunk| number(&chunk))
    }
}
