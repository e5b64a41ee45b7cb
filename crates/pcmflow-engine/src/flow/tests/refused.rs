//! Changes that can't be made now, and nodes that nobody polls: what is refused leaves everything as it was.

use super::super::*;
use super::witness::*;
use crate::Priority;
use crate::pressure::Strategy;
use crate::task::{Executor, Needs, Place, SpawnError, Spawner, StepClock, Task, TaskHandle};
use crate::transform::Shape;
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::LossCause;
use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
use std::sync::{Arc, Mutex};

/// As many changes as a node's task may leave undone.
const EDITS: usize = 64;

fn is_busy(outcome: Result<(), FlowError>, node: &str) -> bool {
    matches!(outcome, Err(FlowError::Busy { name }) if name == node)
}

#[test]
fn a_change_that_is_refused_changes_nothing() {
    let mut bench = Bench::new();
    bench.source("source", Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 9_600) });
    bench.pass("middle");
    let seen = bench.witness("sink", None, 1.0);
    let twice = Join::new(2, format(48_000, 1), Missing::Gap);
    bench.flow.add_node("twice", Ports::join(2, Shape::new(format(48_000, 1))), Box::new(twice)).unwrap();
    bench.connect("source", "middle", Strategy::Block);
    bench.connect("middle", "sink", Strategy::Block);
    bench.connect("source", "twice", Strategy::Block);
    let second =
        PipelineConfig { input: 1, strategy: Strategy::Block, ..PipelineConfig::new("source", "twice") };
    bench.flow.connect(second).unwrap();
    bench.flow.start().unwrap();
    bench.run_until(10_000_000);
    // Nobody drives the source: each place for what it is to do is taken.
    for turn in 1..=EDITS {
        bench.flow.shut("source→middle", turn % 2 == 1).unwrap();
    }
    let (graph, status) = (format!("{:?}", bench.flow.graph()), bench.flow.status());
    assert!(!status.pipelines["source→middle"].shut);
    assert!(is_busy(bench.flow.shut("source→middle", true), "source"));
    assert!(is_busy(bench.flow.set_strategy("source→middle", Strategy::DropNewest), "source"));
    assert!(is_busy(bench.flow.disconnect("source→middle"), "source"));
    assert!(is_busy(bench.flow.remove("middle"), "source"));
    assert!(is_busy(bench.flow.remove("source"), "source"));
    assert!(is_busy(bench.flow.stop(), "source"));
    assert_eq!(format!("{:?}", bench.flow.graph()), graph);
    assert_eq!(bench.flow.status(), status);
    // One place is not enough for two pipelines.
    bench.run_until(20_000_000);
    for _ in 0..EDITS - 1 {
        bench.flow.shut("source→middle", false).unwrap();
    }
    assert!(is_busy(bench.flow.remove("twice"), "source"));
    assert_eq!(bench.flow.status().nodes["twice"].state, State::Running);
    bench.run_until(30_000_000);
    bench.flow.remove("twice").unwrap();
    let books = bench.finish();
    assert_eq!(books.unaccounted(), Frames(0));
    let seen = seen.lock().unwrap();
    seen.assert_tiles(0, 9_600);
    assert_eq!(seen.frames(None), 9_600, "what was refused did nothing");
}

#[test]
fn a_pipeline_that_is_not_started_yet_can_be_changed() {
    let mut bench = Bench::new();
    bench.source("source", Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 9_600) });
    let first = bench.witness("first", None, 1.0);
    bench.connect("source", "first", Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_until(10_000_000);
    let shut = bench.witness("shut", None, 1.0);
    bench.connect("source", "shut", Strategy::Block);
    bench.flow.shut("source→shut", true).unwrap();
    // Another of the same name must not get what was meant for this one.
    bench.pass("relay");
    bench.flow.start().unwrap();
    let behind = bench.witness("behind", None, 1.0);
    bench.connect("relay", "behind", Strategy::Block);
    bench.flow.remove("relay").unwrap();
    bench.pass("relay");
    bench.connect("source", "relay", Strategy::Block);
    bench.flow.start().unwrap();
    bench.finish();
    first.lock().unwrap().assert_tiles(0, 9_600);
    let shut = shut.lock().unwrap();
    assert_eq!((shut.frames(None), shut.frames(Some(LossCause::Shed)) > 9_000), (0, true));
    let behind = behind.lock().unwrap();
    assert!(behind.ended && behind.stretches.is_empty(), "{behind:?}");
}

/// Has no place for what may block, and lets the others work a while before it says so.
struct NoPlace {
    spawner: Spawner,
    executor: Arc<Mutex<Executor>>,
    clock: Arc<StepClock>,
}

impl Place for NoPlace {
    fn place(&self, needs: Needs, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        if !needs.may_block {
            return self.spawner.spawn(Priority::Normal, task);
        }
        for _ in 0..4 {
            self.executor.lock().unwrap().run(&*self.clock);
        }
        Err(SpawnError::NoDriver { reason: "no more threads".into() })
    }
}

#[test]
fn a_node_without_a_place_is_failed_and_the_others_go_on() {
    let (executor, spawner) = Executor::new(16).unwrap();
    let (executor, clock) = (Arc::new(Mutex::new(executor)), Arc::new(StepClock::default()));
    let place = NoPlace { spawner, executor: executor.clone(), clock: clock.clone() };
    let mut bench = Bench::new();
    bench.flow = DataFlowCoordinator::new(place, BufferRecyclingPool::new(PoolConfig::default()).unwrap());
    bench.source("a source", Numbers::new(format(48_000, 1), 48, 4_800));
    let lives = bench.witness("lives", None, 1.0);
    let blocks = Ports { may_block: true, ..Ports::node(None) };
    bench.flow.add_node("disk", blocks, Box::new(Pass)).unwrap();
    let behind = bench.witness("later", None, 1.0);
    bench.connect("a source", "lives", Strategy::Block);
    bench.connect("a source", "disk", Strategy::Block);
    bench.connect("disk", "later", Strategy::Block);
    let error = bench.flow.start().unwrap_err();
    assert!(matches!(&error, FlowError::Spawn { name, .. } if name == "disk"), "{error}");
    let status = bench.flow.status();
    assert_eq!(status.nodes["disk"].state, State::Failed);
    assert!(status.nodes["disk"].error.as_deref().is_some_and(|error| error.contains("no more threads")));
    // Nothing else is to be done.
    bench.flow.start().unwrap();
    for _ in 0..100 {
        executor.lock().unwrap().run(&*clock);
        clock.advance(1_000_000);
    }
    assert!(bench.flow.is_over(), "{:#?}", bench.flow.status());
    lives.lock().unwrap().assert_tiles(0, 4_800);
    assert_eq!(lives.lock().unwrap().frames(None), 4_800);
    assert!(behind.lock().unwrap().ended);
    let books = bench.flow.books();
    assert_eq!(books.unaccounted(), Frames(0), "{books:#?}");
}
