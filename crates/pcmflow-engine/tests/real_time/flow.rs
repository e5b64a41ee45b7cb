//! Flows: what a node is handed, and a whole flow in its steady state.

use crate::guard::{calls, rt};
use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow_core::health::HealthConfig;
use pcmflow_core::pool::{BufferRecyclingPool, ClassConfig, Miss, PoolConfig};
use pcmflow_engine::Priority;
use pcmflow_engine::event::{BusConfig, EventBus};
use pcmflow_engine::flow::*;
use pcmflow_engine::pressure::Strategy;
use pcmflow_engine::session::InputState;
use pcmflow_engine::task::{Executor, Rest, StepClock};
use pcmflow_engine::transform::Shape;
use std::sync::Arc;

/// A chunk of 128 frames a millisecond, and a cut with each tenth.
struct Steady(u64, StreamFormat);

impl Inflow for Steady {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let now_ns = out.now_ns();
        rt("Out::waker", || out.waker());
        if now_ns < self.0 * 1_000_000 {
            return Ok(Inflowed::Until(self.0 * 1_000_000));
        }
        let position = rt("Out::position", || out.position());
        assert!(rt("Out::began_ns", || out.began_ns()) <= out.now_ns());
        let mut buffer = rt("Out::pool", || out.pool()).acquire(256, Miss::Fail)?;
        let _ = buffer.resize(256, 0.25);
        let meta = ChunkMeta {
            format: self.1,
            position,
            sequence: self.0,
            timestamp_ns: now_ns,
            complete_ns: now_ns,
        };
        out.chunk(AudioChunk::new(buffer.into_shared(), meta)?);
        self.0 += 1;
        if self.0.is_multiple_of(10) {
            out.cut(Frames(0));
        }
        Ok(Inflowed::More)
    }
}

/// Passes on, or swallows where it is a sink.
struct Pass;

impl Node for Pass {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        assert!(out.position() >= StreamPosition(0));
        out.chunk(chunk);
        Ok(())
    }
}

fn flow() -> (Executor, StepClock, DataFlowCoordinator) {
    let format = StreamFormat::new(48_000, 2).unwrap();
    let classes = vec![ClassConfig { samples: 1_024, buffers_max: 256, buffers_prewarm: 256 }];
    let pool = BufferRecyclingPool::new(PoolConfig { classes, ..PoolConfig::default() }).unwrap();
    let (executor, spawner) = Executor::new(16).unwrap();
    // Everything that watches is on.
    let (bus, task) = EventBus::new(BusConfig::default());
    spawner.spawn(Priority::Critical, Box::new(task)).unwrap();
    let mut executor = executor;
    executor.publish_by(bus.publisher(bus.names().id("worker")).unwrap());
    let mut flow = DataFlowCoordinator::new(spawner, pool);
    let meters = Some(HealthConfig::default());
    flow.observe(Telemetry { bus, clock: Arc::new(StepClock::default()), meters }).unwrap();
    flow.add_source("source", Shape::new(format), true, Box::new(Steady(0, format))).unwrap();
    flow.add_node("pass", Ports::node(None), Box::new(Pass)).unwrap();
    flow.connect(PipelineConfig::new("source", "pass")).unwrap();
    let join = Join::new(2, format, Missing::Gap);
    flow.add_node("join", Ports::join(2, Shape::new(format)), Box::new(join)).unwrap();
    flow.connect(PipelineConfig::new("source", "join")).unwrap();
    flow.connect(PipelineConfig { input: 1, ..PipelineConfig::new("pass", "join") }).unwrap();
    let mono = Shape::new(StreamFormat::new(16_000, 1).unwrap());
    for (name, from, strategy, wants) in [
        ("blocked", "join", Strategy::Block, None),
        ("oldest", "pass", Strategy::DropOldest, None),
        ("newest", "pass", Strategy::DropNewest, None),
        ("buffered", "pass", Strategy::Buffer, None),
        ("recogniser", "pass", Strategy::Adaptive, Some(mono)),
    ] {
        flow.add_node(name, Ports::sink(wants), Box::new(Pass)).unwrap();
        flow.connect(PipelineConfig { strategy, ..PipelineConfig::new(from, name) }).unwrap();
    }
    flow.start().unwrap();
    (executor, StepClock::default(), flow)
}

fn run(executor: &mut Executor, clock: &StepClock, until_ns: u64) {
    loop {
        match executor.run(clock) {
            Rest::No => {}
            Rest::Until(due_ns) if due_ns <= until_ns => clock.set(due_ns),
            _ => return,
        }
    }
}

pub(crate) fn entries() {
    assert_eq!(rt("State::name", || State::Running.name()), "running");
    assert_eq!(rt("InputState::name", || InputState::Running.name()), "running");
    clocks();
    let (mut executor, clock, _flow) = flow();
    run(&mut executor, &clock, 5_000_000);
}

/// Not claimed of what runs tasks, since nodes may do anything; but links, fan-out, join and transforms call no allocator.
#[test]
fn a_flow_in_its_steady_state_calls_no_allocator() {
    let (mut executor, clock, mut flow) = flow();
    run(&mut executor, &clock, 1_000_000_000);
    let before = flow.status().nodes["recogniser"].given.delivered;
    assert_eq!(calls(|| run(&mut executor, &clock, 2_000_000_000)), 0);
    let readings = flow.readings(2_000_000_000);
    assert_eq!(readings["pass→recogniser"].health.latency.count(), readings["pass"].health.latency.count());
    assert!(readings["pass"].busy_ns == 0 && readings["recogniser"].health.frames > 120_000);
    let delivered = flow.status().nodes["recogniser"].given.delivered - before;
    assert!(delivered > Frames(120_000), "{delivered}");
}

fn clocks() {
    let format = StreamFormat::new(48_000, 1).unwrap();
    let mut clock = rt("CaptureClock::new", || CaptureClock::new(format.rate));
    for block in 1..=2_000_u64 {
        rt("CaptureClock::observe", || clock.observe(StreamPosition(block * 480), block * 10_001_000));
    }
    assert_eq!(rt("CaptureClock::drift_ppb", || clock.drift_ppb()), Some(-99_990));
    assert_eq!(rt("CaptureClock::time_ns", || clock.time_ns(StreamPosition(480))), Some(10_001_000));
    assert!(rt("CaptureClock::position", || clock.position(10_001_000)).is_some());
    rt("CaptureClock::interrupt", || clock.interrupt());
    let config = rt("MeetConfig::new", || MeetConfig::new(format));
    let gauge = Meet::new(config).unwrap().gauge(1).unwrap();
    assert_eq!(rt("MeetGauge::drift_ppb", || gauge.drift_ppb()), None);
    assert_eq!(rt("MeetGauge::lag_frames", || gauge.lag_frames()), None);
}
