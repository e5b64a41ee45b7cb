//! Changes that come when a node's task is just ending, or has ended: nothing that they bring is left where nobody looks.

use super::super::*;
use super::witness::*;
use crate::pressure::Strategy;
use crate::task::{Executor, Rest, StepClock};
use crate::transform::Shape;
use pcmflow_core::chunk::AudioChunk;
use pcmflow_core::format::Frames;
use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

type Flow = Arc<OnceLock<Mutex<DataFlowCoordinator>>>;

/// Connects these two.
fn connect(flow: &Flow, from: &str, to: &str, input: u32) {
    let mut flow = flow.get().unwrap().lock().unwrap();
    let config =
        PipelineConfig { strategy: Strategy::Block, input, packets: 4, ..PipelineConfig::new(from, to) };
    flow.connect(config).unwrap();
    flow.start().unwrap();
}

/// Connects something to itself at the end: by then its task has taken its last edit.
struct Late(Flow, bool);

impl Node for Late {
    fn chunk(&mut self, _: usize, _: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        Ok(())
    }

    fn end(&mut self, _: &mut Out<'_>) -> Result<(), NodeError> {
        if !self.1 {
            connect(&self.0, "long", "late", 1);
        }
        Ok(())
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if self.1 {
            connect(&self.0, "long", "late", 1);
        }
    }
}

/// A source that gets another outlet with its last poll.
struct LateSource(Flow, Numbers);

impl Inflow for LateSource {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let polled = self.1.poll(out)?;
        if polled == Inflowed::End {
            connect(&self.0, "late", "join", 1);
        }
        Ok(polled)
    }
}

/// A sink that swallows.
struct Ends;

impl Node for Ends {
    fn chunk(&mut self, _: usize, _: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        Ok(())
    }
}

fn mono() -> Shape {
    Shape::new(format(48_000, 1))
}

fn flow() -> (Executor, DataFlowCoordinator) {
    let (executor, spawner) = Executor::new(16).unwrap();
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    (executor, DataFlowCoordinator::new(spawner, pool))
}

fn witness(flow: &mut DataFlowCoordinator, name: &str, times: f32) -> Arc<Mutex<Seen>> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let witness = Witness { seen: seen.clone(), times, panics_at: u64::MAX };
    flow.add_node(name, Ports::sink(None), Box::new(witness)).unwrap();
    seen
}

/// Runs until nothing happens any more; everything is over then.
fn finish(mut executor: Executor, flow: &Flow) {
    let clock = StepClock::default();
    for _ in 0..100_000 {
        match executor.run(&clock) {
            Rest::No => {}
            Rest::Until(due_ns) => clock.set(due_ns),
            Rest::UntilWoken => break,
        }
    }
    let flow = flow.get().unwrap().lock().unwrap();
    assert!(flow.is_over(), "{:#?}", flow.status());
    assert_eq!(flow.books().unaccounted(), Frames(0));
    assert!(flow.books().pipelines.values().all(|link| link.sent.is_some() && link.taken.is_some()));
}

#[test]
fn an_input_that_comes_when_its_sink_has_looked_for_the_last_time_holds_up_nobody() {
    for when_dropped in [false, true] {
        let shared = Flow::default();
        let (executor, mut flow) = flow();
        let long = Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 9_600) };
        flow.add_source("long", mono(), false, Box::new(long)).unwrap();
        flow.add_source("short", mono(), false, Box::new(Numbers::new(format(48_000, 1), 48, 480))).unwrap();
        let late = Late(shared.clone(), when_dropped);
        flow.add_node("late", Ports { inputs: 2, ..Ports::sink(None) }, Box::new(late)).unwrap();
        let seen = witness(&mut flow, "beside", 1.0);
        flow.connect(PipelineConfig { strategy: Strategy::Block, ..PipelineConfig::new("long", "beside") })
            .unwrap();
        flow.connect(PipelineConfig::new("short", "late")).unwrap();
        flow.start().unwrap();
        shared.set(Mutex::new(flow)).unwrap();
        finish(executor, &shared);
        seen.lock().unwrap().assert_tiles(0, 9_600);
        assert_eq!(seen.lock().unwrap().frames(None), 9_600);
    }
}

#[test]
fn an_input_that_comes_at_any_moment_of_its_sinks_end_holds_up_nobody() {
    for round in 0..300 {
        let (mut executor, mut flow) = flow();
        for (name, frames) in [("short", 480), ("long", 48_000)] {
            let source = Numbers::new(format(48_000, 1), 48, frames);
            flow.add_source(name, mono(), false, Box::new(source)).unwrap();
        }
        for (name, inputs) in [("late", 2), ("beside", 1)] {
            flow.add_node(name, Ports { inputs, ..Ports::sink(None) }, Box::new(Ends)).unwrap();
        }
        let block = |from, to, input| PipelineConfig {
            strategy: Strategy::Block,
            input,
            packets: 4,
            ..PipelineConfig::new(from, to)
        };
        flow.connect(block("short", "late", 0)).unwrap();
        flow.connect(block("long", "beside", 0)).unwrap();
        flow.start().unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let clock = StepClock::default();
                while !over.load(Ordering::Relaxed) {
                    executor.run(&clock);
                }
            });
            // At another moment each time.
            for _ in 0..round % 50 * 40 {
                std::hint::spin_loop();
            }
            let connected = flow.connect(block("long", "late", 1)).and_then(|()| flow.start());
            assert!(matches!(connected, Ok(()) | Err(FlowError::Over { .. })), "{connected:?}");
            // Far more turns than it takes.
            let is_over = (0..2_000_000).any(|_| {
                std::thread::yield_now();
                flow.is_over()
            });
            over.store(true, Ordering::Relaxed);
            assert!(is_over, "round {round}: {:#?}", flow.status());
        });
        let books = flow.books();
        for (name, link) in &books.pipelines {
            assert_eq!(link.unaccounted(), Frames(0), "{name}: {link:#?}");
            assert!(link.sent.is_some() && link.taken.is_some(), "{name}: {link:#?}");
        }
    }
}

#[test]
fn a_pipeline_from_a_source_that_was_polled_for_the_last_time_ends_at_once() {
    let shared = Flow::default();
    let (executor, mut flow) = flow();
    let source = LateSource(shared.clone(), Numbers::new(format(48_000, 1), 48, 480));
    flow.add_source("late", mono(), false, Box::new(source)).unwrap();
    let long = Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 9_600) };
    flow.add_source("long", mono(), false, Box::new(long)).unwrap();
    let join = Join::new(2, mono().format, Missing::Gap);
    flow.add_node("join", Ports::join(2, mono()), Box::new(join)).unwrap();
    let seen = witness(&mut flow, "sink", 0.0);
    flow.connect(PipelineConfig { strategy: Strategy::Block, ..PipelineConfig::new("long", "join") })
        .unwrap();
    flow.connect(PipelineConfig { strategy: Strategy::Block, ..PipelineConfig::new("join", "sink") })
        .unwrap();
    flow.start().unwrap();
    shared.set(Mutex::new(flow)).unwrap();
    finish(executor, &shared);
    seen.lock().unwrap().assert_tiles(0, 9_600);
}

#[test]
fn a_pipeline_to_a_node_that_ended_before_the_start_is_refused_and_taken_out() {
    let mut bench = Bench::new();
    let paced = || Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 9_600) };
    bench.source("a", paced());
    bench.source("b", paced());
    bench.source("over", Numbers::new(format(48_000, 1), 48, 48));
    let (_sink, beside) = (bench.witness("s", None, 1.0), bench.witness("beside", None, 1.0));
    let (more, _) = (bench.witness("more", None, 1.0), bench.witness("other", None, 1.0));
    bench.connect("a", "s", Strategy::Block);
    bench.connect("b", "beside", Strategy::Block);
    bench.connect("a", "more", Strategy::Block);
    bench.connect("over", "other", Strategy::Block);
    bench.flow.start().unwrap();
    bench.executor.run(&bench.clock);
    let ended = |outcome: Result<(), FlowError>, node: &str| matches!(outcome, Err(FlowError::Over { name, state: State::Ended }) if name == node);
    bench.flow.disconnect("a→s").unwrap();
    bench.connect("b", "s", Strategy::Block);
    bench.run_until(10_000_000);
    assert_eq!(bench.flow.status().nodes["s"].state, State::Ended);
    // What comes behind it is done all the same.
    bench.pass("relay");
    bench.connect("b", "relay", Strategy::Block);
    let behind = bench.witness("behind", None, 1.0);
    bench.connect("relay", "behind", Strategy::Block);
    assert!(ended(bench.flow.start(), "s"));
    assert!(!bench.flow.status().pipelines.contains_key("b→s"));
    assert!(bench.flow.graph().edges().all(|(name, _)| name != "b→s"));
    bench.flow.start().unwrap();
    bench.finish();
    for seen in [beside, more] {
        seen.lock().unwrap().assert_tiles(0, 9_600);
        assert_eq!(seen.lock().unwrap().frames(None), 9_600);
    }
    let behind = behind.lock().unwrap();
    behind.assert_tiles(behind.stretches[0].0, 9_600);
}

#[test]
fn a_pipeline_from_a_source_that_ended_before_the_start_gives_its_join_no_input() {
    let mut bench = Bench::new();
    bench.source("long", Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 9_600) });
    bench.source("short", Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 480) });
    let join = Join::new(2, mono().format, Missing::Gap);
    bench.flow.add_node("join", Ports::join(2, mono()), Box::new(join)).unwrap();
    let (seen, first) = (bench.witness("sink", None, 1.0), bench.witness("first", None, 1.0));
    bench.connect("short", "first", Strategy::Block);
    bench.connect("long", "join", Strategy::Block);
    bench.connect("join", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_until(1_000_000);
    bench.flow.connect(PipelineConfig { input: 1, ..PipelineConfig::new("short", "join") }).unwrap();
    bench.run_until(20_000_000);
    let over = bench.flow.start().unwrap_err();
    assert!(matches!(&over, FlowError::Over { name, state: State::Ended } if name == "short"), "{over}");
    assert_eq!((bench.flow.graph().edges().count(), bench.flow.status().pipelines.len()), (3, 3));
    // The input is free again.
    bench.flow.connect(PipelineConfig { input: 1, ..PipelineConfig::new("long", "join") }).unwrap();
    bench.flow.disconnect("long→join.1").unwrap();
    bench.finish();
    let seen = seen.lock().unwrap();
    assert!(first.lock().unwrap().ended && seen.ended);
    assert_eq!(seen.frames(None), 9_600);
}

#[test]
fn a_pipeline_whose_source_was_removed_before_the_start_is_not_refused_for_its_sink() {
    let mut bench = Bench::new();
    bench.source("long", Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 9_600) });
    bench.pass("relay");
    let join = Join::new(2, mono().format, Missing::Gap);
    bench.flow.add_node("join", Ports::join(2, mono()), Box::new(join)).unwrap();
    bench.connect("long", "relay", Strategy::Block);
    bench.source("short", Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 480) });
    bench.connect("short", "join", Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_until(1_000_000);
    bench.flow.connect(PipelineConfig { input: 1, ..PipelineConfig::new("relay", "join") }).unwrap();
    bench.run_until(20_000_000);
    assert_eq!(bench.flow.status().nodes["join"].state, State::Ended);
    bench.flow.remove("relay").unwrap();
    bench.flow.start().unwrap();
    bench.finish();
}

/// Who drains a link for the last time does not see the ring that comes behind it just then.
#[test]
fn an_outlet_that_goes_on_in_a_ring_that_nobody_came_for_is_closed() {
    let config = super::super::link::LinkConfig {
        packets: 4,
        strategy: Strategy::Block,
        live: false,
        latency_ns_max: 0,
        pressure_percent: (90, 70),
    };
    let names = super::super::link::LinkNames::default();
    let (_, _, cell) = super::super::link::link(names, config).unwrap();
    let (producer, consumer) = super::super::link::ring(4, false).unwrap().split();
    let gauge = super::super::link::ring(4, false).unwrap().gauge();
    let (successors_in, successors) = pcmflow_core::ring::CircularBuffer::with_capacity(4).unwrap().split();
    let controller = super::super::link::controller(config).unwrap();
    let mut outlet = super::super::link::outlet::Outlet::new(
        config,
        producer,
        gauge,
        false,
        successors_in,
        controller,
        cell,
    )
    .unwrap();
    outlet.change(super::super::edit::OutletChange::Strategy(Strategy::DropOldest));
    outlet.observe(1);
    assert!(outlet.is_open());
    // The other ring is in there.
    drop((consumer, successors));
    assert!(!outlet.is_open());
}

#[test]
fn what_may_wait_before_a_link_takes_little_memory_ahead() {
    use crate::flow::link::outlet::queue;
    assert!(queue(16).unwrap().capacity() >= 64, "usual links allocate nothing later");
    let long = queue(PipelineConfig::PACKETS_MAX as usize).unwrap();
    assert!(long.capacity() <= 256, "{}", long.capacity());
    assert!(queue(usize::MAX).is_ok());
}
