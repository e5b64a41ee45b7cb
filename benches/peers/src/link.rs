//! pcmflow's link as a queue of numbers: each travels as a real chunk, with its metadata and both ends' books.
//!
//! What is measured is the link. So each chunk is a bitwise copy of one whose buffer stays held, and is forgotten on
//! the other side: neither the pool nor the reference count is touched, which X5c measures.

use crate::queues::Queue;
use pcmflow_core::chunk::{AudioChunk, AudioRingBuffer, ChunkConsumer, ChunkMeta, ChunkProducer, Packet};
use pcmflow_core::format::{StreamFormat, StreamPosition};
use pcmflow_core::pool::{BufferRecyclingPool, BufferRef, Miss, PoolConfig};
use pcmflow_core::ring::PushError;
use std::mem::forget;
use std::ptr;
use std::sync::Arc;

/// Samples of the chunk.
const SAMPLES: usize = 256;

/// pcmflow's link of chunks.
pub(crate) struct Link;

/// The end that sends, and the buffer that all its chunks show.
pub(crate) struct Sender {
    link: ChunkProducer,
    buffer: Arc<BufferRef>,
    format: StreamFormat,
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
        let pool = BufferRecyclingPool::new(PoolConfig::default()).expect("memory for one pool");
        let mut buffer = pool.acquire(SAMPLES, Miss::Fail).expect("a new pool has buffers");
        buffer.resize(SAMPLES, 0.25);
        let buffer = Arc::new(buffer.into_shared());
        let format = StreamFormat::new(48_000, 1).expect("a usual format");
        let (producer, consumer) =
            AudioRingBuffer::with_capacity(capacity).expect("memory for one link").split();
        (
            Sender { link: producer, buffer: buffer.clone(), format },
            Receiver { link: consumer, _buffer: buffer },
        )
    }
    fn push(sender: &mut Sender, number: u64) -> bool {
        if !sender.link.has_room() {
            return false;
        }
        let meta = ChunkMeta {
            format: sender.format,
            position: StreamPosition(number * SAMPLES as u64),
            sequence: number,
            timestamp_ns: number,
            complete_ns: number,
        };
        // SAFETY: the copy is forgotten where it ends (below, and in `pop`), so the reference that both ends hold stays
        // the one that is counted, and it outlives every copy.
        let buffer = unsafe { ptr::read(&*sender.buffer) };
        let chunk = match AudioChunk::new(buffer, meta) {
            Ok(chunk) => chunk,
            Err(_) => unreachable!("one channel: every buffer holds whole frames"),
        };
        match sender.link.push(chunk) {
            Ok(()) => true,
            Err(PushError::Full(chunk) | PushError::Closed(chunk)) => {
                forget(chunk);
                false
            }
        }
    }
    fn pop(receiver: &mut Receiver) -> Option<u64> {
        let packet = receiver.link.pop()?;
        let number = match &packet {
            Packet::Chunk(chunk) => {
                assert!(chunk.position().0 == chunk.sequence() * SAMPLES as u64, "metadata was torn");
                chunk.sequence()
            }
            _ => unreachable!("only chunks are sent"),
        };
        forget(packet);
        Some(number)
    }
}
