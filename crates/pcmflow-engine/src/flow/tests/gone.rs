//! What was taken out, and what went by itself: its books stay, bounded, and every frame has a place in them.

use super::super::*;
use super::witness::*;
use crate::event::BusSnapshot;
use crate::metrics::{Sampler, Snapshot};
use crate::pressure::Strategy;
use crate::task::{Clock, Executor};
use crate::transform::Shape;
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::LossCause;
use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
use std::collections::BTreeMap;

#[test]
fn a_flow_that_is_changed_for_days_keeps_its_books_and_no_more() {
    let mut bench = Bench::new();
    bench.source("source", Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, u64::MAX) });
    let stays = bench.witness("stays", None, 0.0);
    bench.connect("source", "stays", Strategy::Block);
    bench.flow.start().unwrap();
    const CYCLES: u64 = 10_000;
    let mut taken = 0;
    for cycle in 0..CYCLES {
        let now_ns = Clock::now_ns(&bench.clock);
        bench.witness("guest", None, 0.0);
        bench.connect("source", "guest", [Strategy::Block, Strategy::DropOldest][cycle as usize % 2]);
        bench.flow.start().unwrap();
        bench.run_until(now_ns + 2_000_000);
        if cycle % 3 == 0 {
            bench.flow.disconnect("source→guest").unwrap();
            bench.run_until(now_ns + 2_500_000);
        }
        taken += bench.flow.status().nodes["guest"].given.delivered.0;
        bench.flow.remove("guest").unwrap();
        let books = bench.flow.books();
        assert!(
            books.nodes.len() + books.pipelines.len() < 200,
            "{} {}",
            books.nodes.len(),
            books.pipelines.len()
        );
    }
    bench.flow.stop().unwrap();
    let books = bench.finish();
    assert_eq!(books.unaccounted(), Frames(0), "{:?}", books.folded);
    let named = books.pipelines.keys().filter(|name| name.contains('#')).count() as u64;
    assert_eq!(books.folded.pipelines + named, CYCLES);
    assert_eq!(
        books.folded.nodes + books.nodes.keys().filter(|name| name.contains('#')).count() as u64,
        CYCLES
    );
    assert!(books.nodes.contains_key(&format!("guest#{}", CYCLES - 1)), "the latest has a name");
    let kept = books.pipelines.iter().filter(|(name, _)| name.contains('#'));
    let kept: Frames = kept.fold(Frames(0), |sum, (_, books)| sum + books.taken.unwrap().delivered());
    assert_eq!((books.folded.taken + kept).0, taken);
    let given = bench.flow.status().nodes["source"].given.position;
    stays.lock().unwrap().assert_tiles(0, given);
}

/// What is told of the flow, where its source made so many frames.
fn look(bench: &mut Bench, made: u64) -> Snapshot {
    let mut monitor = FlowMonitor::new(Sampler::INTERVAL_NS, Vec::new(), 0).unwrap();
    let made = BTreeMap::from([("source".to_owned(), Frames(made))]);
    let now_ns = Clock::now_ns(&bench.clock);
    monitor.sample(now_ns, &mut bench.flow, &made, BusSnapshot::default())
}

/// On two executors: the source on one, what comes behind it on the other.
fn split(strategy: Strategy, source: Box<dyn Inflow>) -> (Bench, Executor) {
    let mut bench = Bench::new();
    let (driven, critical) = Executor::new(8).unwrap();
    let (other, shared) = Executor::new(8).unwrap();
    bench.executor = driven;
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    bench.flow = DataFlowCoordinator::new(Two { critical, shared }, pool);
    bench.flow.add_source("source", Shape::new(format(48_000, 1)), false, source).unwrap();
    let _ = bench.witness("urgent", None, 1.0);
    let urgent =
        PipelineConfig { priority: crate::Priority::Critical, ..PipelineConfig::new("source", "urgent") };
    bench.flow.connect(PipelineConfig { strategy: Strategy::Block, ..urgent }).unwrap();
    bench.pass("middle");
    bench.connect("source", "middle", strategy);
    (bench, other)
}

fn run_both(bench: &mut Bench, other: &mut Executor, until_ns: u64) {
    let mut now_ns = Clock::now_ns(&bench.clock);
    while now_ns < until_ns {
        now_ns += 1_000_000;
        bench.run_until(now_ns);
        for _ in 0..8 {
            other.run(&bench.clock);
        }
    }
}

#[test]
fn what_was_on_its_way_to_a_task_that_is_dropped_is_lost_with_a_cause() {
    for strategy in [Strategy::Block, Strategy::Buffer, Strategy::DropOldest, Strategy::DropNewest] {
        let source = Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 9_600) };
        let (mut bench, mut other) = split(strategy, Box::new(source));
        let seen = bench.witness("sink", None, 1.0);
        bench.connect("middle", "sink", strategy);
        bench.flow.start().unwrap();
        run_both(&mut bench, &mut other, 50_000_000);
        // It stands a while, and then whoever drives it goes.
        bench.run_until(53_000_000);
        drop(other);
        let passed = bench.flow.status().nodes["sink"].given;
        assert!((50 * 48..52 * 48).contains(&passed.delivered.0), "{strategy:?}: {passed:?}");
        assert_eq!(bench.flow.status().nodes["middle"].state, State::Removed);
        bench.run_until(u64::MAX);
        assert!(bench.flow.is_over());
        let books = bench.flow.books();
        assert_eq!(books.unaccounted(), Frames(0), "{strategy:?}: {books:#?}");
        let middle = books.nodes["middle"].given.unwrap();
        assert!(middle.lost()[LossCause::Removed] > Frames(0), "{strategy:?}: {middle:?}");
        assert_eq!(seen.lock().unwrap().frames(None), passed.delivered.0);
        let told = look(&mut bench, 9_600).pipelines["sink"].ledger.clone();
        assert_eq!(
            (told.frames_in, told.unaccounted, told.in_flight),
            (9_600, 0, 0),
            "{strategy:?}: {told:?}"
        );
        assert_eq!(
            told.delivered + told.dropped[LossCause::Removed].0 + told.dropped[LossCause::Overflow].0,
            9_600
        );
        assert!(books.balance(Frames(9_600), &[], "sink").is_none(), "it was not over");
    }
}

#[test]
fn what_was_sent_to_a_task_that_never_heard_of_the_link_is_lost_with_a_cause() {
    let source = Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 9_600) };
    let (mut bench, mut other) = split(Strategy::DropNewest, Box::new(source));
    let _ = bench.witness("sink", None, 1.0);
    bench.connect("middle", "sink", Strategy::DropNewest);
    bench.flow.start().unwrap();
    run_both(&mut bench, &mut other, 10_000_000);
    bench.flow.disconnect("source→middle").unwrap();
    bench.connect("source", "middle", Strategy::DropNewest);
    bench.flow.start().unwrap();
    bench.run_until(20_000_000);
    let link = &bench.flow.status().pipelines["source→middle"];
    assert_eq!(link.fill, 4, "the source fills it: {link:#?}");
    drop(other);
    bench.run_until(u64::MAX);
    let books = bench.flow.books();
    assert_eq!(books.unaccounted(), Frames(0), "{books:#?}");
    let taken = books.pipelines["source→middle"].taken.unwrap();
    assert!(taken.lost()[LossCause::Removed] >= Frames(4 * 48), "{taken:?}");
}

#[test]
fn what_a_dropped_task_could_not_send_any_more_is_told_to_who_is_behind_it() {
    // Here it is what sends that goes, with all that waits for room.
    let (mut bench, mut other) =
        split(Strategy::Block, Box::new(Bursts { lost_between: 0, until: u64::MAX }));
    let seen = bench.witness("sink", None, 1.0);
    bench.connect("middle", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_until(100_000_000);
    let given = bench.flow.status().nodes["source"].given.position;
    let (none, _) = Executor::new(1).unwrap();
    drop(std::mem::replace(&mut bench.executor, none));
    for _ in 0..100 {
        other.run(&bench.clock);
    }
    assert_eq!(bench.flow.status().nodes["sink"].state, State::Ended);
    let books = bench.flow.books();
    assert_eq!(books.unaccounted(), Frames(0), "{books:#?}");
    let seen = seen.lock().unwrap();
    seen.assert_tiles(0, given);
    let unsent = books.pipelines["source→middle"].unsent;
    assert_eq!(unsent.0, seen.frames(Some(LossCause::Removed)));
    assert_eq!(unsent.0, given - 4 * 48);
}
