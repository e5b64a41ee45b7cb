//! Flows: what a node is handed, and a whole flow in its steady state.

use crate::guard::{calls, nonblocking, rt};
use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow_core::health::HealthConfig;
use pcmflow_core::pool::{BufferRecyclingPool, ClassConfig, Miss, PoolConfig};
use pcmflow_engine::Priority;
use pcmflow_engine::event::{BusConfig, BusSnapshot, EventBus};
use pcmflow_engine::flow::*;
use pcmflow_engine::metrics::Rule;
use pcmflow_engine::pressure::Strategy;
use pcmflow_engine::session::InputState;
use pcmflow_engine::task::{Clock, Executor, Rest, StepClock};
use pcmflow_engine::transform::Shape;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A chunk of 128 frames a millisecond, and a cut with each tenth.
struct Steady(u64, StreamFormat);

impl Inflow for Steady {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let now_ns = out.now_ns();
        rt("Out::waker", || out.waker());
        if self.0 == 0 {
            rt("Out::rest", || out.rest());
        }
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

/// So long a recogniser takes for a chunk.
const WORKS_NS: u64 = 20_000;

/// Works for a while: the clock goes on by it.
struct Works(Arc<StepClock>);

impl Node for Works {
    fn chunk(&mut self, _: usize, _: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.0.advance(WORKS_NS);
        Ok(())
    }
}

fn flow() -> (Executor, Arc<StepClock>, DataFlowCoordinator) {
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
    let clock = Arc::new(StepClock::default());
    flow.observe(Telemetry { bus, clock: clock.clone(), meters }).unwrap();
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
        let node: Box<dyn Node> =
            if name == "recogniser" { Box::new(Works(clock.clone())) } else { Box::new(Pass) };
        flow.add_node(name, Ports::sink(wants), node).unwrap();
        flow.connect(PipelineConfig { strategy, ..PipelineConfig::new(from, name) }).unwrap();
    }
    flow.start().unwrap();
    (executor, clock, flow)
}

/// Polls what there is to poll until then, and looks for trouble ten times a second; returns how often the polls called the allocator.
fn run(
    (executor, clock, flow, monitor): (&mut Executor, &StepClock, &mut DataFlowCoordinator, &mut FlowMonitor),
    until_ns: u64,
    poll: impl Fn(&mut Executor, &StepClock) -> Rest,
) -> usize {
    let mut called = 0;
    loop {
        let mut rest = Rest::No;
        called += calls(|| rest = poll(executor, clock));
        match rest {
            Rest::No => {}
            Rest::Until(due_ns) if due_ns <= until_ns => clock.set(due_ns),
            _ => return called,
        }
        if clock.now_ns() >= monitor.due_ns() {
            monitor.watch(clock.now_ns(), flow);
        }
    }
}

pub(crate) fn entries() {
    assert_eq!(rt("State::name", || State::Running.name()), "running");
    assert_eq!(rt("InputState::name", || InputState::Running.name()), "running");
    clocks();
    steady();
}

/// Not claimed of what runs tasks, since nodes may do anything, and since who wakes a driver that sleeps makes a system call. But while
/// nobody sleeps, fan-out, join, transforms, meters, events and the executor itself call no allocator, and nothing else of the
/// system either: all of it stands where RealtimeSanitizer watches.
fn steady() {
    let (mut executor, clock, mut flow) = flow();
    let mut monitor = FlowMonitor::new(100_000_000, Rule::defaults(), 0).unwrap();
    let mut until = |flow: &mut _, until_ns, poll: fn(&mut Executor, &StepClock) -> Rest| {
        run((&mut executor, &clock, flow, &mut monitor), until_ns, poll)
    };
    // The first alert comes after a second: the bus's task takes memory for what it never handed on before.
    until(&mut flow, 1_500_000_000, |executor, clock| executor.run(clock));
    let before = flow.status().nodes["recogniser"].given.delivered;
    let called = until(&mut flow, 2_500_000_000, |executor, clock| nonblocking(|| executor.run(clock)));
    assert_eq!(called, 0);
    let told = monitor.sample(2_500_000_000, &mut flow, &BTreeMap::new(), BusSnapshot::default());
    assert!(told.alerts.iter().all(|alert| alert.rule != "starvation"), "{:?}", told.alerts);
    let readings = flow.readings(2_500_000_000);
    assert_eq!(readings["pass→recogniser"].health.latency.count(), readings["pass"].health.latency.count());
    let recogniser = &readings["recogniser"];
    assert!(readings["pass"].busy_ns == 0 && recogniser.health.frames > 120_000);
    // The time that the recogniser takes is its own, and all of it.
    assert_eq!(recogniser.busy_ns, WORKS_NS * recogniser.health.latency.count());
    let delivered = flow.status().nodes["recogniser"].given.delivered - before;
    assert!(delivered > Frames(120_000), "{delivered}");
}

#[test]
fn a_flow_in_its_steady_state_calls_no_allocator() {
    steady();
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
