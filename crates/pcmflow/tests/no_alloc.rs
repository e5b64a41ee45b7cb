//! The steady state of a flow calls no allocator: the way of a frame from the source through ring, analyser, pool, link and
//! consumer into the tracker, on one thread, under an allocator that counts. What only threads and sinks do is not here.

#![cfg_attr(pcmflow_rtsan, feature(sanitize))]
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

use guard::{calls, nonblocking, rt};
use pcmflow::core::block::{BlockSize, BufferAnalyzer, Step};
use pcmflow::core::chunk::{
    AudioChunk, AudioRingBuffer, ChunkConsumer, ChunkMeta, ChunkProducer, LinkGauge, Packet,
};
use pcmflow::core::format::{Frames, Interleaved};
use pcmflow::core::health::{BufferHealthMonitor, HealthConfig, HealthRecorder};
use pcmflow::core::ledger::{Balance, LossCause, Timeline};
use pcmflow::core::pool::{BufferRecyclingPool, ClassConfig, Miss, PoolConfig};
use pcmflow::core::pressure::BackpressureDetector;
use pcmflow::core::ring::CircularBuffer;
use pcmflow::core::stream::{Mark, Overflow, StreamConfig, StreamGauge, StreamWriter, stream};
use pcmflow::io::synth::SynthSource;
use pcmflow::io::{Source, SynthSpec};
use pcmflow::pitch::{PitchConfig, PitchTracker};
use pcmflow::runtime::thread::{FlushDenormals, RealTime, callback_guard, flush_denormals};
use pcmflow::runtime::{BlockingReader, Stop};
use std::time::Duration;

#[path = "../../pcmflow-core/tests/guard/mod.rs"]
mod guard;

const BLOCK: u64 = 1024;
const CHANNELS: usize = 2;
/// A write of the source: more than one quantum, and no whole number of them.
const WRITE: usize = 300;

/// All parts of a flow, driven by hand.
struct Parts {
    source: SynthSource,
    samples: Vec<f32>,
    writer: StreamWriter,
    ring: StreamGauge,
    pressure: BackpressureDetector,
    analyzer: BufferAnalyzer,
    pool: BufferRecyclingPool,
    link: LinkGauge,
    chunks_in: ChunkProducer,
    chunks_out: ChunkConsumer,
    timeline: Timeline,
    health: HealthRecorder,
    monitor: BufferHealthMonitor,
    tracker: PitchTracker,
    sequence: u64,
    frames_in: Frames,
    estimates: u64,
    gaps: u64,
    cuts: u64,
    now_ns: u64,
}

impl Parts {
    fn new(overflow: Overflow) -> Self {
        let spec: SynthSpec = "sine:220,seconds=endless,channels=2".parse().unwrap();
        let source = spec.source().unwrap();
        let format = source.format();
        let capacity = Frames(4 * BLOCK);
        let (writer, reader, ring) =
            stream(StreamConfig { format, capacity, quantum: Frames(128), overflow }).unwrap();
        let evicting = overflow == Overflow::EvictOldest;
        let link =
            if evicting { AudioRingBuffer::evicting_oldest(4) } else { AudioRingBuffer::with_capacity(4) };
        let link = link.unwrap();
        let gauge = link.gauge();
        let (chunks_in, chunks_out) = link.split();
        // Too few for a link that waits; as many as one that evicts can hold, with one in hand and one to be filled.
        let buffers = if evicting { 6 } else { 3 };
        let class = ClassConfig {
            samples: BLOCK as usize * CHANNELS,
            buffers_max: buffers,
            buffers_prewarm: buffers,
        };
        let (health, monitor) = BufferHealthMonitor::new(HealthConfig::default(), 0).unwrap();
        Self {
            source,
            samples: vec![0.0; WRITE * CHANNELS],
            writer,
            ring,
            pressure: BackpressureDetector::default(),
            analyzer: BufferAnalyzer::new(reader, BlockSize::of::<BLOCK>()),
            pool: BufferRecyclingPool::new(PoolConfig { classes: vec![class], ..PoolConfig::default() })
                .unwrap(),
            link: gauge,
            chunks_in,
            chunks_out,
            timeline: Timeline::default(),
            health,
            monitor,
            tracker: PitchTracker::new(PitchConfig::new(format.rate)).unwrap(),
            sequence: 0,
            frames_in: Frames::ZERO,
            estimates: 0,
            cuts: 0,
            gaps: 0,
            now_ns: 0,
        }
    }

    /// What the source's thread does.
    fn produce(&mut self) {
        let frames = self.source.read(&mut self.samples).unwrap();
        self.now_ns += 6_000_000;
        self.frames_in += frames;
        let written = self.writer.write(&self.samples[..frames.0 as usize * CHANNELS], self.now_ns);
        self.pressure.observe(self.ring.occupancy().0, self.ring.capacity().0, self.now_ns);
        self.writer.give_up(written.rejected, LossCause::Overflow);
        self.writer.cut();
    }

    /// What the gathering thread does; stops where the link or the pool has no room.
    fn gather(&mut self) {
        let format = self.analyzer.format();
        while self.chunks_in.has_room() {
            match self.analyzer.step() {
                Step::Block(mut block) => {
                    let Ok(mut buffer) = self.pool.acquire(block.samples(), Miss::NextClassUp) else {
                        return;
                    };
                    let (timestamp_ns, complete_ns) = block.arrived_ns();
                    let position = block.position();
                    block.read_in_place(|first, second| {
                        let _ = buffer.extend_from_slice(first);
                        let _ = buffer.extend_from_slice(second);
                    });
                    let meta =
                        ChunkMeta { format, position, sequence: self.sequence, timestamp_ns, complete_ns };
                    self.sequence += 1;
                    let chunk = AudioChunk::new(buffer.into_shared(), meta).unwrap();
                    assert!(self.chunks_in.push(chunk).is_ok());
                }
                Step::Gap(gap) => assert!(self.chunks_in.mark(Mark::Gap(gap)).is_ok()),
                Step::Cut(cut) => assert!(self.chunks_in.mark(Mark::Cut(cut)).is_ok()),
                Step::Pending | Step::End => return,
                step => panic!("{step:?} in a stream that has none"),
            }
        }
    }

    /// What the consumer's thread does with one packet; false when there was none.
    fn consume(&mut self) -> bool {
        match self.chunks_out.peek() {
            Some(Packet::Chunk(chunk)) => {
                let block = Interleaved::new(chunk.samples(), chunk.channels()).unwrap();
                self.estimates += u64::from(self.tracker.block(chunk.position(), block).is_some());
                self.health.block(chunk.frames().0, self.now_ns - chunk.timestamp_ns());
                self.timeline.deliver(chunk.position(), chunk.frames());
            }
            Some(Packet::Mark(Mark::Gap(gap))) => {
                self.timeline.lose(*gap);
                self.gaps += 1;
                self.health.frames_dropped(gap.frames.0);
                self.health.overrun();
            }
            Some(Packet::Mark(Mark::Cut(cut))) => {
                assert_eq!(self.timeline.settle(cut).unaccounted, Frames::ZERO);
                self.cuts += 1;
            }
            None => return false,
            Some(packet) => panic!("{packet:?} in a stream that has none"),
        }
        drop(self.chunks_out.pop());
        true
    }

    /// Rounds in which the consumer now keeps up and now falls so far behind that ring, link and pool are all exhausted.
    fn rounds(&mut self, rounds: usize) {
        for round in 0..rounds {
            self.produce();
            self.gather();
            if round / 40 % 2 == 0 {
                while self.consume() {
                    self.gather();
                }
            }
        }
    }
}

#[test]
fn the_guard_trips() {
    assert_eq!(calls(|| drop(std::hint::black_box(Box::new(1)))), 2);
    assert_ne!(calls(|| drop(Parts::new(Overflow::Reject))), 0);
    // The same path as below, with one careless consumer in it.
    let mut parts = Parts::new(Overflow::Reject);
    let mut copies = 0;
    let work = calls(|| {
        for _ in 0..20 {
            parts.produce();
            parts.gather();
            if let Some(Packet::Chunk(chunk)) = parts.chunks_out.peek() {
                std::hint::black_box(chunk.samples().to_vec());
                copies += 1;
            }
            parts.consume();
        }
    });
    assert_eq!((work, copies > 0), (2 * copies, true), "each vector is made and freed");
}

#[test]
fn the_steady_state_never_calls_the_allocator() {
    for (_, overflow) in Overflow::ALL.iter().copied() {
        let mut parts = Parts::new(overflow);
        let work = calls(|| nonblocking(|| parts.rounds(2000)));
        assert_eq!(work, 0, "{overflow}");
        // Readers of figures too.
        let read = calls(|| {
            std::hint::black_box((parts.ring.snapshot(), parts.link.occupancy()));
        });
        assert_eq!(read, 0, "{overflow}");
        // It was no idle path: blocks, gaps and cuts, and the books balance.
        assert!(parts.estimates > 200 && parts.cuts > 100 && parts.gaps > 10, "{:?}", parts.timeline);
        parts.writer.cut();
        loop {
            parts.gather();
            if !parts.consume() {
                break;
            }
        }
        let edges = [parts.ring.snapshot(), parts.chunks_out.snapshot()];
        let balance = Balance::close(parts.frames_in, &edges, &parts.timeline);
        assert_eq!(balance.unaccounted, Frames::ZERO, "{balance:?}");
        let evicted = edges.iter().all(|edge| edge.evicted[LossCause::Overflow] > Frames::ZERO);
        assert_eq!(
            evicted,
            overflow == Overflow::EvictOldest,
            "ring and link both evict, or none does: {edges:?}"
        );
        assert_eq!(balance.dropped, parts.timeline.lost());
        let snapshot = parts.monitor.snapshot(parts.now_ns);
        assert!(snapshot.total.latency.p99_ns() > 0);
    }
}

#[test]
fn what_a_callback_may_ask_of_the_runtime_calls_no_allocator() {
    let stop = Stop::new();
    assert!(!rt("Stop::is_asked", || stop.is_asked()));
    rt("Stop::ask", || stop.ask());
    assert!(stop.is_asked());
    let raised = rt("RealTime::every", || RealTime::every(Duration::from_millis(3))).raise();
    let granted = rt("RealTimeGuard::granted", || raised.granted());
    let _ = rt("Granted::is_real_time", || granted.is_real_time());
    let (mut producer, consumer) = CircularBuffer::with_capacity(2).unwrap().split();
    producer.push(7).unwrap();
    let mut reader = BlockingReader::new(consumer, Duration::from_millis(1));
    assert_eq!(rt("BlockingReader::consumer", || reader.consumer().pop()), Some(7));
    #[cfg(feature = "async")]
    {
        let mut reader = pcmflow::runtime::AsyncReader::new(reader.into_inner());
        assert_eq!(rt("AsyncReader::consumer", || reader.consumer().pop()), None);
    }
}

#[test]
fn a_guarded_callback_calls_no_allocator_and_frees_no_payload() {
    let (mut guard, mut watch) = callback_guard();
    let mut samples = [1e-40; 128];
    for _ in 0..1000 {
        // SAFETY: nothing is computed but what is flushed.
        let flush = rt("FlushDenormals::new", || unsafe { FlushDenormals::new() });
        rt("CallbackGuard::run", || guard.run(|| rt("flush_denormals", || flush_denormals(&mut samples))));
        assert_eq!(rt("FlushDenormals::is_active", || flush.is_active()), FlushDenormals::SUPPORTED);
        drop(flush);
    }
    assert_eq!(samples, [0.0; 128]);
    // The panic itself allocates; that is said. What comes after it doesn't, and what it left is freed by the watch.
    assert!(guard.run(|| std::panic::resume_unwind(Box::new([0_u8; 100]))).is_none());
    assert!((0..1000).all(|_| rt("CallbackGuard::run", || guard.run(|| ()).is_none())));
    assert!(rt("CallbackWatch::is_dead", || watch.is_dead()));
    assert_eq!(rt("CallbackWatch::panics", || watch.panics()), 1);
    let caught = watch.revive().unwrap();
    assert_eq!(rt("Caught::message", || caught.message().len()), "(no message)".len());
    let payload = rt("Caught::into_payload", || caught.into_payload());
    assert_eq!(calls(|| drop(payload)), 1);
    assert_eq!(calls(|| assert!(guard.run(|| ()).is_some())), 0);
}
