//! The steady state of a flow calls no allocator: the way of a frame from the source through ring, analyser, pool, link and
//! node into the tracker, as a flow's tasks carry it, with meters and events on, under an allocator that counts. Two executors are
//! driven by hand, so that one can fall behind the other. What only threads and sinks do is not here.

#![cfg_attr(pcmflow_rtsan, feature(sanitize))]
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

use guard::{calls, nonblocking, rt};
use pcmflow::core::block::BlockSize;
use pcmflow::core::chunk::AudioChunk;
use pcmflow::core::format::Frames;
use pcmflow::core::health::HealthConfig;
use pcmflow::core::ledger::{Gap, LossCause};
use pcmflow::core::pool::{BufferRecyclingPool, ClassConfig, PoolConfig};
use pcmflow::core::pressure::BackpressureDetector;
use pcmflow::core::ring::CircularBuffer;
use pcmflow::core::stream::{Overflow, StreamConfig, StreamGauge, StreamWriter, stream};
use pcmflow::engine::event::{BusConfig, EventBus, NameId};
use pcmflow::engine::flow::{
    DataFlowCoordinator, Node, NodeError, Out, PipelineConfig, Ports, StreamFeed, StreamInflow, Telemetry,
};
use pcmflow::engine::pressure::Strategy;
use pcmflow::engine::task::{Executor, Needs, Place, SpawnError, Spawner, StepClock, Task, TaskHandle};
use pcmflow::engine::transform::Shape;
use pcmflow::io::synth::SynthSource;
use pcmflow::io::{Source, SynthSpec};
use pcmflow::nodes::{Levels, Listener, PitchNode, PitchPace, Pitched};
use pcmflow::pitch::PitchConfig;
use pcmflow::runtime::thread::{FlushDenormals, RealTime, callback_guard, flush_denormals};
use pcmflow::runtime::{BlockingReader, Stop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[path = "../../pcmflow-core/tests/guard/mod.rs"]
mod guard;

const BLOCK: u64 = 1024;
const CHANNELS: usize = 2;
/// A write of the source: more than one quantum, and no whole number of them.
const WRITE: usize = 300;

/// The source's task on one executor, the sink's on the other.
struct Two(Spawner, Spawner);

impl Place for Two {
    fn place(&self, needs: Needs, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        if needs.may_block { self.1.place(needs, task) } else { self.0.place(needs, task) }
    }
}

/// Counts what is heard.
#[derive(Clone, Default)]
struct Counts {
    estimates: Arc<AtomicU64>,
    gaps: Arc<AtomicU64>,
}

impl Listener<Pitched> for Counts {
    fn heard(&mut self, _: Pitched) -> Result<(), NodeError> {
        self.estimates.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    fn gap(&mut self, _: Gap) -> Result<(), NodeError> {
        self.gaps.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A careless one around it.
struct Careless<N>(N);

impl<N: Node> Node for Careless<N> {
    fn chunk(&mut self, input: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        std::hint::black_box(chunk.samples().to_vec());
        self.0.chunk(input, chunk, out)
    }
}

/// All parts of a flow, driven by hand.
struct Parts {
    source: SynthSource,
    samples: Vec<f32>,
    writer: Option<StreamWriter>,
    ring: StreamGauge,
    feed: Option<StreamFeed>,
    pressure: BackpressureDetector,
    flow: DataFlowCoordinator,
    executors: [Executor; 2],
    clock: Arc<StepClock>,
    counts: Counts,
    frames_in: Frames,
}

impl Parts {
    fn new(overflow: Overflow, careless: bool) -> Self {
        let spec: SynthSpec = "sine:220,seconds=endless,channels=2".parse().unwrap();
        let source = spec.source().unwrap();
        let format = source.format();
        let capacity = Frames(4 * BLOCK);
        let (writer, reader, ring) =
            stream(StreamConfig { format, capacity, quantum: Frames(128), overflow }).unwrap();
        let (feed, inflow) = StreamInflow::new(reader, BlockSize::of::<BLOCK>()).unwrap();
        let evicting = overflow == Overflow::EvictOldest;
        // Too few for a link that waits; as many as one that evicts can hold, with one in hand, one that is kept and one to be
        // filled.
        let buffers = if evicting { 7 } else { 4 };
        let class = ClassConfig {
            samples: BLOCK as usize * CHANNELS,
            buffers_max: buffers,
            buffers_prewarm: buffers,
        };
        let pool =
            BufferRecyclingPool::new(PoolConfig { classes: vec![class], ..PoolConfig::default() }).unwrap();
        let (bus, _) = EventBus::new(BusConfig::default());
        let executor = || {
            let (mut executor, spawner) = Executor::new(4).unwrap();
            executor.publish_by(bus.publisher(NameId::NONE).unwrap());
            (executor, spawner)
        };
        let ((first, one), (second, other)) = (executor(), executor());
        let clock = Arc::new(StepClock::default());
        let mut flow = DataFlowCoordinator::new(Two(one, other), pool);
        let meters = Some(HealthConfig::default());
        flow.observe(Telemetry { bus: bus.clone(), clock: clock.clone(), meters }).unwrap();
        let counts = Counts::default();
        let pitch =
            PitchNode::new(PitchConfig::new(format.rate), format.rate, PitchPace::Live, counts.clone());
        let pitch = pitch.unwrap();
        let node: Box<dyn Node> = if careless { Box::new(Careless(pitch)) } else { Box::new(pitch) };
        flow.add_source("tone", Shape::new(format), true, Box::new(inflow)).unwrap();
        flow.add_node("pitch", Ports { may_block: true, ..Ports::sink(None) }, node).unwrap();
        let strategy = if evicting { Strategy::DropOldest } else { Strategy::Block };
        flow.connect(PipelineConfig { packets: 4, strategy, ..PipelineConfig::new("tone", "pitch") })
            .unwrap();
        flow.start().unwrap();
        Self {
            source,
            samples: vec![0.0; WRITE * CHANNELS],
            writer: Some(writer),
            ring,
            feed: Some(feed),
            pressure: BackpressureDetector::default(),
            flow,
            executors: [first, second],
            clock,
            counts,
            frames_in: Frames::ZERO,
        }
    }

    /// What the source's thread does.
    fn produce(&mut self) {
        let frames = self.source.read(&mut self.samples).unwrap();
        self.clock.advance(6_000_000);
        self.frames_in += frames;
        let Some(writer) = &mut self.writer else { return };
        let now_ns = pcmflow::engine::task::Clock::now_ns(&*self.clock);
        let written = writer.write(&self.samples[..frames.0 as usize * CHANNELS], now_ns);
        self.pressure.observe(self.ring.occupancy().0, self.ring.capacity().0, now_ns);
        writer.give_up(written.rejected, LossCause::Overflow);
        writer.cut();
    }

    /// What so many of the executors' threads do.
    fn work(&mut self, executors: usize) {
        for _ in 0..4 {
            for executor in &mut self.executors[..executors] {
                let _ = executor.run(&*self.clock);
            }
            self.clock.advance(200_000);
        }
    }

    /// Rounds in which the sink now keeps up, now falls so far behind that link and pool are exhausted, and now nobody works at
    /// all, so that the ring is.
    fn rounds(&mut self, rounds: usize) {
        for round in 0..rounds {
            self.produce();
            self.work([2, 1, 0][round / 40 % 3]);
        }
    }
}

#[test]
fn the_guard_trips() {
    assert_eq!(calls(|| drop(std::hint::black_box(Box::new(1)))), 2);
    assert_ne!(calls(|| drop(Parts::new(Overflow::Reject, false))), 0);
    // The same path as below, with one careless node in it.
    let mut parts = Parts::new(Overflow::Reject, true);
    parts.rounds(8);
    let before = parts.counts.estimates.load(Ordering::Relaxed);
    let work = calls(|| parts.rounds(20));
    let copies = parts.counts.estimates.load(Ordering::Relaxed) - before;
    assert_eq!((work as u64, copies > 0), (2 * copies, true), "each vector is made and freed");
}

#[test]
fn the_steady_state_never_calls_the_allocator() {
    for (_, overflow) in Overflow::ALL.iter().copied() {
        let mut parts = Parts::new(overflow, false);
        // The tasks are polled for the first time.
        parts.rounds(1);
        let work = calls(|| nonblocking(|| parts.rounds(2000)));
        assert_eq!(work, 0, "{overflow}");
        // Readers of figures too.
        let read = calls(|| {
            std::hint::black_box(parts.ring.snapshot());
        });
        assert_eq!(read, 0, "{overflow}");
        parts.work(2);
        // It was no idle path: blocks, gaps and cuts, and the books balance.
        let (estimates, gaps) = (&parts.counts.estimates, &parts.counts.gaps);
        let (estimates, gaps) = (estimates.load(Ordering::Relaxed), gaps.load(Ordering::Relaxed));
        assert!(estimates > 200 && gaps > 10, "{estimates} estimates, {gaps} gaps");
        let settled = parts.flow.status().nodes["pitch"].settled.unwrap();
        assert!(settled.position.0 > 500_000 && settled.unaccounted == Frames::ZERO, "{settled:?}");
        drop((parts.writer.take(), parts.feed.take()));
        while !parts.flow.is_over() {
            parts.work(2);
        }
        let books = parts.flow.books();
        let (balance, edges) = books.balance(parts.frames_in, &[parts.ring.snapshot()], "pitch").unwrap();
        assert_eq!((balance.unaccounted, books.unaccounted()), (Frames::ZERO, Frames::ZERO), "{balance:?}");
        let link = books.pipelines["tone→pitch"].edge.unwrap();
        let evicted = [edges[0], link].iter().all(|edge| edge.evicted[LossCause::Overflow] > Frames::ZERO);
        assert_eq!(
            evicted,
            overflow == Overflow::EvictOldest,
            "ring and link both evict, or none does: {edges:?}"
        );
        assert_eq!(Some(balance.dropped), books.nodes["pitch"].given.map(|given| given.lost()));
        let read = parts.flow.readings(u64::MAX / 8).remove("pitch").unwrap();
        assert!(read.health.latency.p99_ns() > 0);
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
    let levels = rt("Levels::of", || Levels::of(&[0.5; 64]));
    assert_eq!(rt("Levels::decibels", || Levels::decibels(levels.peak)), Some(-6.0));
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
