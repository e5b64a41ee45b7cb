//! Joins of ways of unlike length: whoever is ahead waits for the other, and never for ever.

use super::super::*;
use super::witness::*;
use crate::Priority;
use crate::event::types::{FailureKind, FlowRecovery, PipelineFailure};
use crate::event::{BusConfig, EventBus, Received};
use crate::pressure::Strategy;
use crate::task::{Executor, StepClock};
use crate::transform::Shape;
use pcmflow_core::chunk::AudioChunk;
use pcmflow_core::format::Frames;
use std::collections::VecDeque;
use std::sync::Arc;

const TOTAL: u64 = 48_000;

fn mono() -> Shape {
    Shape::new(format(48_000, 1))
}

/// `source` → `slow` in blocks of so many frames → `join` ← `source`, which holds little.
fn unlike(bench: &mut Bench, block: u64, strategy: Strategy) -> Result<(), FlowError> {
    bench.pass("slow");
    let join = Join::new(2, mono().format, Missing::Gap);
    bench.flow.add_node("join", Ports::join(2, mono()), Box::new(join))?;
    let blocks =
        PipelineConfig { block_frames: Some(block), strategy, ..PipelineConfig::new("source", "slow") };
    bench.flow.connect(blocks)?;
    bench.flow.connect(PipelineConfig { strategy, ..PipelineConfig::new("slow", "join") })?;
    bench.flow.connect(PipelineConfig {
        strategy,
        input: 1,
        packets: 2,
        ..PipelineConfig::new("source", "join")
    })
}

#[test]
fn a_way_that_holds_back_more_than_the_other_link_holds_stalls_nobody() {
    for strategy in [Strategy::Block, Strategy::Throttle, Strategy::Buffer] {
        for two in [false, true] {
            let mut bench = if two { Bench::two() } else { Bench::new() };
            bench.source("source", Numbers::new(format(48_000, 1), 128, TOTAL));
            unlike(&mut bench, 4_096, strategy).unwrap();
            let seen = bench.witness("sink", None, 2.0);
            bench
                .flow
                .connect(PipelineConfig {
                    priority: Priority::Critical,
                    ..PipelineConfig::new("join", "sink")
                })
                .unwrap();
            bench.flow.start().unwrap();
            let books = bench.finish();
            let seen = seen.lock().unwrap();
            seen.assert_tiles(0, TOTAL);
            assert_eq!(seen.frames(None), TOTAL, "{strategy:?}");
            assert_eq!(books.unaccounted(), Frames(0));
            let settled = bench.flow.status().nodes["sink"].settled.unwrap();
            assert_eq!((settled.position.0, settled.unaccounted), (TOTAL, Frames(0)));
        }
    }
}

#[test]
fn what_waits_for_a_way_that_gives_nothing_is_bounded() {
    let mut bench = Bench::new();
    // Nobody drives what is not critical.
    let (driven, critical) = Executor::new(8).unwrap();
    let (mut rests, shared) = Executor::new(8).unwrap();
    bench.executor = driven;
    let pool = bench.flow.pool().clone();
    bench.flow = DataFlowCoordinator::new(Two { critical, shared }, pool);
    bench.source("source", Numbers::new(format(48_000, 1), 128, 100 * TOTAL));
    unlike(&mut bench, 128, Strategy::Block).unwrap();
    bench.flow.disconnect("source→join.1").unwrap();
    let urgent =
        PipelineConfig { priority: Priority::Critical, packets: 2, ..PipelineConfig::new("source", "join") };
    bench.flow.connect(PipelineConfig { input: 1, strategy: Strategy::Block, ..urgent }).unwrap();
    // What comes before the join is held up, and does not hold up what is beside it.
    bench.flow.disconnect("source→slow").unwrap();
    let long = PipelineConfig {
        packets: 65_536,
        strategy: Strategy::Block,
        ..PipelineConfig::new("source", "slow")
    };
    bench.flow.connect(long).unwrap();
    let seen = bench.witness("sink", None, 2.0);
    bench.connect("join", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_until(u64::MAX);
    let given = bench.flow.status().nodes["source"].given.position;
    // One second, and what the link holds.
    assert!((TOTAL..TOTAL + 4 * 128).contains(&given), "{given}");
    while !bench.flow.is_over() {
        rests.run(&bench.clock);
        bench.run_until(u64::MAX);
    }
    bench.finish();
    let seen = seen.lock().unwrap();
    seen.assert_tiles(0, 100 * TOTAL);
    assert_eq!(seen.frames(None), 100 * TOTAL);
}

/// Gives what comes two seconds later.
#[derive(Default)]
struct Holds(VecDeque<AudioChunk>);

impl Node for Holds {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.0.push_back(chunk);
        if self.0.len() > 200 {
            self.0.drain(..1).for_each(|chunk| out.chunk(chunk));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.0.drain(..).for_each(|chunk| out.chunk(chunk));
        Ok(())
    }
}

#[test]
fn a_way_that_is_too_long_for_the_other_is_refused_with_the_packets_that_it_needs() {
    let mut bench = Bench::new();
    let shape = mono().in_blocks(Frames(480));
    let source = Numbers::new(format(48_000, 1), 480, 10 * TOTAL);
    bench.flow.add_source("source", shape, false, Box::new(source)).unwrap();
    let ports = Ports { latency_ns: 2_000_000_000, ..Ports::node(None) };
    bench.flow.add_node("holds", ports, Box::new(Holds::default())).unwrap();
    let join = Join::new(2, mono().format, Missing::Gap);
    bench.flow.add_node("join", Ports::join(2, mono()), Box::new(join)).unwrap();
    bench.connect("source", "holds", Strategy::Block);
    bench.connect("holds", "join", Strategy::Block);
    let short = PipelineConfig {
        strategy: Strategy::Block,
        input: 1,
        packets: 2,
        ..PipelineConfig::new("source", "join")
    };
    let refused = bench.flow.connect(short.clone()).unwrap_err().to_string();
    assert!(refused.starts_with("pipeline source→join.1: it is 2000 ms ahead of holds→join"), "{refused}");
    assert!(refused.contains("needs 201 packets and has 2"), "{refused}");
    assert_eq!(bench.flow.graph().edges().count(), 2, "nothing is changed by that");
    bench.flow.connect(PipelineConfig { packets: 201, ..short }).unwrap();
    let seen = bench.witness("sink", None, 2.0);
    bench.connect("join", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    bench.finish();
    assert_eq!(seen.lock().unwrap().frames(None), 10 * TOTAL);
}

#[test]
fn a_way_that_holds_back_more_than_it_says_stalls_the_join_and_that_is_told() {
    let (bus, task) = EventBus::new(BusConfig::default());
    let (mut executor, spawner) = Executor::new(16).unwrap();
    spawner.spawn(Priority::Critical, Box::new(task)).unwrap();
    executor.publish_by(bus.publisher(bus.names().id("worker")).unwrap());
    let mut bench = Bench::new();
    let pool = bench.flow.pool().clone();
    (bench.executor, bench.flow) = (executor, DataFlowCoordinator::new(spawner, pool));
    let clock = Arc::new(StepClock::default());
    bench.flow.observe(Telemetry { bus: bus.clone(), clock, meters: None }).unwrap();
    let mut failures = bus.subscribe::<PipelineFailure>(16).unwrap();
    let mut recovered = bus.subscribe::<FlowRecovery>(16).unwrap();
    bench.source("source", Numbers { every_ns: 10_000_000, ..Numbers::new(mono().format, 480, 10 * TOTAL) });
    // Two seconds, of which its ports say nothing.
    bench.flow.add_node("holds", Ports::node(None), Box::new(Holds::default())).unwrap();
    let join = Join::new(2, mono().format, Missing::Gap);
    bench.flow.add_node("join", Ports::join(2, mono()), Box::new(join)).unwrap();
    let seen = bench.witness("sink", None, 0.0);
    bench.connect("source", "holds", Strategy::Block);
    bench.connect("holds", "join", Strategy::Block);
    let short = PipelineConfig { input: 1, packets: 2, ..PipelineConfig::new("source", "join") };
    bench.flow.connect(PipelineConfig { strategy: Strategy::Block, ..short }).unwrap();
    bench.connect("join", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_until(900_000_000);
    assert!(bench.flow.status().pipelines.values().all(|pipeline| !pipeline.stalled));
    bench.run_until(5_000_000_000);
    assert_eq!(seen.lock().unwrap().frames(None), 0);
    let status = bench.flow.status();
    let stalled: Vec<_> =
        status.pipelines.iter().filter(|(_, of)| of.stalled).map(|(name, _)| name).collect();
    assert_eq!(stalled, ["source→join.1"]);
    let name = |name| bus.names().id(name);
    let Some(Received::Event(told)) = failures.receive() else { panic!("it was not told") };
    assert_eq!((told.event.pipeline, told.event.module), (name("source→join.1"), name("join")));
    assert_eq!(told.event.kind, FailureKind::Stalled);
    assert!(failures.receive().is_none() && recovered.receive().is_none(), "told once");
    // Without that way it goes on.
    bench.flow.disconnect("holds→join").unwrap();
    bench.run_until(20_000_000_000);
    bench.run_until(20_100_000_000);
    let Some(Received::Event(told)) = recovered.receive() else { panic!("its end was not told") };
    assert_eq!(told.event.pipeline, name("source→join.1"));
    assert!(bench.flow.is_over() && bench.flow.status().pipelines.values().all(|pipeline| !pipeline.stalled));
    assert!(seen.lock().unwrap().frames(None) > 9 * TOTAL);
}

#[test]
fn a_longer_way_that_is_connected_later_is_refused_too() {
    let mut graph = Graph::default();
    graph.add("source", Ports::source(mono())).unwrap();
    graph.add("slow", Ports { latency_ns: 3_000_000_000, ..Ports::node(None) }).unwrap();
    for name in ["join", "more"] {
        graph.add(name, Ports::join(2, mono())).unwrap();
    }
    graph.connect(PipelineConfig::new("slow", "join")).unwrap();
    graph.connect(PipelineConfig { input: 1, ..PipelineConfig::new("source", "join") }).unwrap_err();
    graph.disconnect("slow→join").unwrap();
    graph.connect(PipelineConfig { input: 1, ..PipelineConfig::new("source", "join") }).unwrap();
    graph.connect(PipelineConfig::new("join", "more")).unwrap();
    graph.connect(PipelineConfig { input: 1, ..PipelineConfig::new("source", "more") }).unwrap();
    graph.connect(PipelineConfig::new("source", "slow")).unwrap();
    let error = graph.connect(PipelineConfig::new("slow", "join")).unwrap_err();
    assert!(matches!(&error, GraphError::Ahead { pipeline, .. } if pipeline == "source→join.1"), "{error}");
    assert_eq!(graph.edges().count(), 4);
}

/// Packets can't be raised for ever.
#[test]
fn a_way_that_no_pipeline_could_wait_for_is_refused_with_another_way_out() {
    for (block, says) in [
        (
            None,
            "more than a pipeline can hold: give what fills it longer blocks, and declare them, or shorten",
        ),
        (Some(2), "raise packets, or shorten"),
    ] {
        let mut graph = Graph::default();
        let shape = Shape { block: block.map(Frames), ..mono() };
        graph.add("source", Ports::source(shape)).unwrap();
        graph.add("slow", Ports { latency_ns: 2_000_000_000, ..Ports::node(None) }).unwrap();
        graph.add("join", Ports::join(2, mono())).unwrap();
        graph.connect(PipelineConfig::new("source", "slow")).unwrap();
        graph.connect(PipelineConfig::new("slow", "join")).unwrap();
        let short = PipelineConfig { input: 1, ..PipelineConfig::new("source", "join") };
        let error = graph.connect(short).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn another_rate_than_the_sources_is_refused_at_a_join() {
    let mut bench = Bench::new();
    bench.source("slower", Numbers::new(format(44_100, 1), 128, TOTAL));
    let join = Join::new(2, mono().format, Missing::Gap);
    bench.flow.add_node("join", Ports::join(2, mono()), Box::new(join)).unwrap();
    let refused = bench.flow.connect(PipelineConfig::new("slower", "join")).unwrap_err().to_string();
    assert!(refused.starts_with("pipeline slower→join: join joins inputs at 48000 Hz"), "{refused}");
    assert!(refused.contains("44100 Hz of the source"), "{refused}");
    // The pipeline changes the rate, or one before it.
    bench.source("source", Numbers::new(format(48_000, 1), 128, TOTAL));
    let thin = FormatSpec { rate_hz: 16_000, channels: 1 };
    let refused =
        bench.flow.connect(PipelineConfig { format: Some(thin), ..PipelineConfig::new("source", "join") });
    assert!(
        matches!(refused, Err(FlowError::Graph(GraphError::Rate { wanted_hz: 16_000, .. }))),
        "{refused:?}"
    );
    bench.pass("thin");
    let low = Shape::new(format(16_000, 1));
    bench
        .flow
        .add_node("low", Ports::join(2, low), Box::new(Join::new(2, low.format, Missing::Gap)))
        .unwrap();
    bench.flow.connect(PipelineConfig::new("thin", "low")).unwrap();
    let refused =
        bench.flow.connect(PipelineConfig { format: Some(thin), ..PipelineConfig::new("source", "thin") });
    assert!(
        matches!(refused, Err(FlowError::Graph(GraphError::Rate { source_hz: 48_000, .. }))),
        "{refused:?}"
    );
    assert!(bench.flow.graph().edges().all(|(name, edge)| name == "thin→low" && edge.shape.is_none()));
    bench.connect("source", "join", Strategy::Block);
}
