//! Chains, beside naive models.

mod books;
mod hostile;
mod passing;
mod sound;

use super::*;
use pcmflow_core::chunk::ChunkMeta;
use pcmflow_core::format::StreamPosition;
use pcmflow_core::ledger::Timeline;
use pcmflow_core::pool::{ClassConfig, Miss, PoolConfig};

/// A pool for everything that these tests make.
fn pool() -> BufferRecyclingPool {
    let class = |samples| ClassConfig { buffers_prewarm: 0, ..ClassConfig::new(samples) };
    let classes = [16, 256, 1024, 4096, 65_536, 1 << 20].map(class).to_vec();
    BufferRecyclingPool::new(PoolConfig { classes, budget_bytes: 1 << 30, ..PoolConfig::default() }).unwrap()
}

fn format(hz: u32, channels: u32) -> StreamFormat {
    StreamFormat::new(hz, channels).unwrap()
}

/// A chunk at `position` whose frames arrived 1000 ns apart.
fn chunk(pool: &BufferRecyclingPool, format: StreamFormat, position: u64, samples: &[f32]) -> AudioChunk {
    let mut buffer = pool.acquire(samples.len(), Miss::Grow).unwrap();
    assert_eq!(buffer.extend_from_slice(samples), samples.len());
    let end = position.saturating_add(Frames::in_samples(samples.len(), format.channels).0);
    let (timestamp_ns, complete_ns) = (position.saturating_mul(1_000), end.saturating_mul(1_000));
    let meta =
        ChunkMeta { format, position: StreamPosition(position), sequence: 0, timestamp_ns, complete_ns };
    AudioChunk::new(buffer.into_shared(), meta).unwrap()
}

/// A small generator for sizes: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// All that comes out of one chunk after the other, and at the end.
fn through(
    chain: &mut Chain,
    pool: &BufferRecyclingPool,
    from: StreamFormat,
    input: &[f32],
    block: usize,
) -> Vec<f32> {
    let (mut out, mut position) = (Vec::new(), 0);
    let mut emit = |packet| {
        if let Packet::Chunk(chunk) = packet {
            out.extend_from_slice(chunk.samples());
        }
    };
    for samples in input.chunks(block * from.channels.get()) {
        let chunk = chunk(pool, from, position, samples);
        position = chunk.end().0;
        Grown::grow(pool);
        chain.process(chunk, pool, &mut emit);
    }
    Grown::grow(pool);
    chain.finish(pool, &mut emit);
    out
}

/// A test's pool starts empty, so that it is small: it gets buffers before a transform may want them.
struct Grown;

impl Grown {
    fn grow(pool: &BufferRecyclingPool) {
        for (samples, buffers) in [(16, 256), (256, 256), (1024, 64), (4096, 16), (65_536, 8)] {
            pool.prewarm(samples, buffers).unwrap();
        }
    }
}
