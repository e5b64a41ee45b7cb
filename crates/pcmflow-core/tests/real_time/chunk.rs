//! Chunks and their link: empty, full, with marks, closed.

use crate::guard::rt;
use crate::pool::pool;
use pcmflow_core::chunk::*;
use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow_core::ledger::{Gap, LossCause};
use pcmflow_core::pool::{BufferRecyclingPool, BufferRef, Miss};
use pcmflow_core::stream::Mark;

const GAP: Gap = Gap { position: StreamPosition(32), frames: Frames(1), cause: LossCause::Overflow };

fn buffer(pool: &BufferRecyclingPool, samples: usize) -> BufferRef {
    let mut buffer = pool.acquire(samples, Miss::Fail).unwrap();
    let _ = buffer.resize(samples, 0.5);
    buffer.into_shared()
}

fn meta() -> ChunkMeta {
    let (format, position) = (StreamFormat::new(48_000, 2).unwrap(), StreamPosition(0));
    ChunkMeta { format, position, sequence: 0, timestamp_ns: 0, complete_ns: 0 }
}

pub(crate) fn entries() {
    let pool = pool();
    chunk(&pool);
    link(&pool);
    evicting_link(&pool);
    rt("Mark::position", || Mark::Gap(GAP).position());
}

fn chunk(pool: &BufferRecyclingPool) {
    let (odd, even) = (buffer(pool, 63), buffer(pool, 64));
    assert!(rt("AudioChunk::new", || AudioChunk::new(odd, meta())).is_err());
    let chunk = rt("AudioChunk::new", || AudioChunk::new(even, meta())).unwrap();
    rt("AudioChunk::meta", || chunk.meta());
    rt("AudioChunk::samples", || chunk.samples());
    rt("AudioChunk::buffer", || chunk.buffer());
    rt("AudioChunk::sample_rate", || chunk.sample_rate());
    rt("AudioChunk::channels", || chunk.channels());
    rt("AudioChunk::frames", || chunk.frames());
    rt("AudioChunk::span", || chunk.span());
    rt("AudioChunk::position", || chunk.position());
    rt("AudioChunk::end", || chunk.end());
    rt("AudioChunk::sequence", || chunk.sequence());
    rt("AudioChunk::timestamp_ns", || chunk.timestamp_ns());
    rt("AudioChunk::duration_ns", || chunk.duration_ns());
    let other = rt("BufferRef::clone", || chunk.clone());
    let thinned = rt("AudioChunk::into_buffer", || chunk.into_buffer());
    rt("AudioChunk::spanning", || AudioChunk::spanning(thinned, meta(), Frames(96))).unwrap();
    rt("BufferRef::drop", || drop(other));
}

fn link(pool: &BufferRecyclingPool) {
    let chunk = || AudioChunk::new(buffer(pool, 64), meta()).unwrap();
    let link = AudioRingBuffer::with_capacity(4).unwrap();
    let link = rt("AudioRingBuffer::with_threshold_percent", || link.with_threshold_percent(50));
    let gauge = link.gauge();
    let (mut producer, mut consumer) = link.split();
    rt("LinkGauge::capacity", || gauge.capacity());
    for _ in 0..3 {
        assert!(rt("ChunkConsumer::peek", || consumer.peek().is_none()));
        assert!(rt("ChunkConsumer::pop", || consumer.pop()).is_none());
        for _ in 0..3 {
            let chunk = chunk();
            rt("ChunkProducer::push", || producer.push(chunk)).unwrap();
        }
        rt("ChunkProducer::mark", || producer.mark(Mark::Gap(GAP))).unwrap();
        assert!(!rt("ChunkProducer::has_room", || producer.has_room()));
        assert!(!rt("ChunkProducer::has_room_for", || producer.has_room_for(1)));
        for _ in 0..2 {
            rt("ChunkProducer::give_up", || producer.give_up(Frames(5), LossCause::Overflow));
        }
        assert!(rt("ChunkProducer::is_pressed", || producer.is_pressed()));
        let refused = chunk();
        let refused = rt("ChunkProducer::push", || producer.push(refused)).unwrap_err();
        rt("ChunkProducer::mark", || producer.mark(Mark::Gap(GAP))).unwrap_err();
        rt("PushError::into_inner", || refused.into_inner());
        rt("LinkGauge::occupancy", || gauge.occupancy());
        rt("LinkGauge::usage", || gauge.usage());
        rt("LinkGauge::stats", || gauge.stats());
        rt("LinkGauge::lost", || gauge.lost());
        rt("ChunkConsumer::snapshot", || consumer.snapshot());
        assert!(rt("ChunkConsumer::peek", || consumer.peek().is_some()));
        // The drop of what comes out is the consumer's, too.
        assert!(rt("ChunkConsumer::pop", || consumer.pop().is_some()));
        let mut gaps = 0;
        rt("ChunkConsumer::clear", || consumer.clear(LossCause::Shed, |_| gaps += 1));
        assert_eq!(gaps, 3);
    }
    assert!(!rt("ChunkProducer::is_closed", || producer.is_closed()));
    assert!(!rt("ChunkConsumer::is_closed", || consumer.is_closed()));
    assert!(!rt("ChunkConsumer::is_finished", || consumer.is_finished()));
    drop(consumer);
    let (chunk, mark) = (chunk(), Mark::Gap(GAP));
    assert!(rt("ChunkProducer::push", || producer.push(chunk)).is_err());
    assert!(rt("ChunkProducer::mark", || producer.mark(mark)).is_err());
}

fn evicting_link(pool: &BufferRecyclingPool) {
    let chunk = |sequence| {
        let position = StreamPosition(32 * sequence);
        AudioChunk::new(buffer(pool, 64), ChunkMeta { sequence, position, ..meta() }).unwrap()
    };
    let link = AudioRingBuffer::evicting_oldest(2).unwrap();
    let gauge = link.gauge();
    let (mut producer, mut consumer) = link.split();
    for sequence in 0..9 {
        let chunk = chunk(sequence);
        rt("ChunkProducer::push", || producer.push(chunk)).unwrap();
        rt("ChunkProducer::has_room", || producer.has_room());
        rt("ChunkProducer::has_room_for", || producer.has_room_for(2));
        rt("ChunkProducer::is_pressed", || producer.is_pressed());
        rt("LinkGauge::occupancy", || gauge.occupancy());
        rt("LinkGauge::usage", || gauge.usage());
        if sequence % 3 == 2 {
            rt("ChunkProducer::mark", || producer.mark(Mark::Gap(GAP))).ok();
            assert!(rt("ChunkConsumer::peek", || consumer.peek().is_some()));
            rt("ChunkConsumer::snapshot", || consumer.snapshot());
            assert!(rt("ChunkConsumer::pop", || consumer.pop().is_some()));
        }
    }
    assert_ne!(rt("LinkGauge::evicted", || gauge.evicted()).total(), Frames::ZERO);
    assert_ne!(rt("LinkGauge::overruns", || gauge.overruns()), 0);
    rt("LinkGauge::stats", || gauge.stats());
    rt("ChunkConsumer::clear", || consumer.clear(LossCause::Shed, |_| {}));
    drop(producer);
    assert!(rt("ChunkConsumer::is_closed", || consumer.is_closed()));
    assert!(rt("ChunkConsumer::pop", || consumer.pop()).is_none());
}
