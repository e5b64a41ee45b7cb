//! The step that maps channels: each frame by itself, no memory.

use super::{Latency, Transform, emit_gap, gap_of};
use pcmflow_core::chunk::{AudioChunk, ChunkMeta, Packet};
use pcmflow_core::format::{ChannelMap, Frames, SampleRate, StreamFormat};
use pcmflow_core::ledger::{Conversion, Gap, LossCause};
use pcmflow_core::pool::{BufferRecyclingPool, Miss};

#[derive(Debug)]
pub(super) struct Map {
    rate: SampleRate,
    map: ChannelMap,
    taken: Frames,
    given: Frames,
    lost: Frames,
}

impl Map {
    pub(super) fn new(rate: SampleRate, map: ChannelMap) -> Self {
        Self { rate, map, taken: Frames::ZERO, given: Frames::ZERO, lost: Frames::ZERO }
    }

    fn mapped(&self, chunk: &AudioChunk, pool: &BufferRecyclingPool) -> Result<AudioChunk, LossCause> {
        if chunk.meta().format != (StreamFormat { rate: self.rate, channels: self.map.from() }) {
            return Err(LossCause::Corrupt);
        }
        let samples = chunk.frames().samples(self.map.to());
        let mut buffer = pool.acquire(samples, Miss::Grow).map_err(|_| LossCause::Overflow)?;
        // It was acquired for as many.
        let _ = buffer.resize(samples, 0.0);
        self.map.map(chunk.samples(), &mut buffer);
        let meta = ChunkMeta { format: self.format(), ..*chunk.meta() };
        AudioChunk::spanning(buffer.into_shared(), meta, chunk.span()).map_err(|_| LossCause::Corrupt)
    }
}

impl Transform for Map {
    fn format(&self) -> StreamFormat {
        StreamFormat { rate: self.rate, channels: self.map.to() }
    }

    fn latency(&self) -> Latency {
        Latency::default()
    }

    fn conversion(&self) -> Conversion {
        let Self { rate, taken, given, .. } = *self;
        Conversion { from: rate, to: rate, taken, given, held: Frames::ZERO }
    }

    fn lost(&self) -> Frames {
        self.lost
    }

    fn process(&mut self, chunk: AudioChunk, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        match self.mapped(&chunk, pool) {
            Ok(mapped) => {
                self.taken += chunk.frames();
                self.given += mapped.frames();
                emit(Packet::Chunk(mapped));
            }
            Err(cause) => {
                if cause == LossCause::Overflow {
                    self.taken += chunk.frames();
                    self.given += chunk.frames();
                    self.lost += chunk.frames();
                }
                emit_gap(gap_of(&chunk, cause), emit);
            }
        }
    }

    fn gap(&mut self, gap: Gap, _: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        emit_gap(gap, emit);
    }

    fn finish(&mut self, _: &BufferRecyclingPool, _: &mut dyn FnMut(Packet)) {}
}
