//! Pipelines and nodes that come and go, and strategies that change, while the flow runs.

use super::super::*;
use super::witness::*;
use crate::pressure::Strategy;
use pcmflow_core::ledger::LossCause;

fn paced() -> Numbers {
    Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 48_000) }
}

#[test]
fn a_branch_that_is_added_begins_where_the_source_is_and_one_that_is_removed_ends_there() {
    let mut bench = Bench::new();
    bench.source("source", paced());
    let first = bench.witness("first", None, 1.0);
    bench.connect("source", "first", Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_until(100_000_000);
    bench.pass("middle");
    let second = bench.witness("second", None, 1.0);
    bench.connect("middle", "second", Strategy::DropOldest);
    bench.connect("source", "middle", Strategy::DropNewest);
    bench.flow.start().unwrap();
    bench.run_until(200_000_000);
    let settled = bench.flow.status().nodes["second"].settled.unwrap();
    assert!(settled.position.0 > 8_000 && settled.unaccounted.0 == 0, "{settled:?}");
    bench.flow.disconnect("source→first").unwrap();
    bench.run_until(300_000_000);
    assert_eq!(bench.flow.status().nodes["first"].state, State::Ended);
    bench.finish();
    let (first, second) = (first.lock().unwrap(), second.lock().unwrap());
    let (start, end) = (second.stretches[0].0, first.stretches.last().unwrap().1);
    assert!((4_800..4_950).contains(&start) && (9_600..9_750).contains(&end), "{start} {end}");
    first.assert_tiles(0, end);
    second.assert_tiles(start, 48_000);
    assert!(first.ended && second.ended);
}

#[test]
fn the_strategy_changes_back_and_forth_and_no_frame_is_lost_from_the_books() {
    let mut bench = Bench::new();
    bench.source("source", Numbers::new(format(48_000, 1), 48, 480_000));
    let seen = bench.witness("sink", None, 1.0);
    bench.connect("source", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    for turn in 0..40 {
        for _ in 0..3 {
            bench.executor.run(&bench.clock);
        }
        let all = [
            Strategy::DropOldest,
            Strategy::Block,
            Strategy::DropNewest,
            Strategy::Buffer,
            Strategy::Adaptive,
        ];
        bench.flow.set_strategy("source→sink", all[turn % all.len()]).unwrap();
    }
    bench.finish();
    let seen = seen.lock().unwrap();
    seen.assert_tiles(0, 480_000);
    assert!(seen.frames(Some(LossCause::Overflow)) > 0 && seen.frames(None) > 0);
}

#[test]
fn a_node_that_is_removed_lets_what_waits_for_it_go_and_says_so() {
    let mut bench = Bench::new();
    bench.source("source", paced());
    bench.pass("middle");
    let (behind, beside) = (bench.witness("behind", None, 1.0), bench.witness("beside", None, 1.0));
    bench.connect("source", "middle", Strategy::Block);
    bench.connect("middle", "behind", Strategy::Block);
    bench.connect("source", "beside", Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_until(100_500_000);
    bench.flow.remove("middle").unwrap();
    bench.run_until(200_000_000);
    // Its name is free again.
    bench.pass("middle");
    let again = bench.witness("again", None, 1.0);
    bench.connect("middle", "again", Strategy::Block);
    bench.connect("source", "middle", Strategy::Block);
    bench.flow.start().unwrap();
    bench.finish();
    beside.lock().unwrap().assert_tiles(0, 48_000);
    let behind = behind.lock().unwrap();
    let end = behind.stretches.last().unwrap().1;
    assert!((4_800..4_950).contains(&end) && behind.ended, "{end}");
    behind.assert_tiles(0, end);
    let again = again.lock().unwrap();
    again.assert_tiles(again.stretches[0].0, 48_000);
}

#[test]
fn a_flow_that_is_stopped_delivers_what_its_sources_gave() {
    let mut bench = Bench::new();
    bench.source("source", paced());
    let seen = bench.witness("sink", None, 1.0);
    bench.connect("source", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_until(100_000_000);
    assert!(!bench.flow.is_over());
    bench.flow.stop().unwrap();
    bench.finish();
    let seen = seen.lock().unwrap();
    let given = bench.flow.status().nodes["source"].given;
    seen.assert_tiles(0, given.position);
    assert!(seen.ended && given.position >= 4_800);
}

#[test]
fn what_was_never_started_can_be_changed() {
    let mut bench = Bench::new();
    bench.source("source", paced());
    bench.pass("middle");
    let seen = bench.witness("sink", None, 1.0);
    bench.connect("source", "middle", Strategy::Block);
    bench.connect("middle", "sink", Strategy::Block);
    bench.flow.remove("middle").unwrap();
    bench.connect("source", "sink", Strategy::DropNewest);
    bench.flow.set_strategy("source→sink", Strategy::Block).unwrap();
    bench.flow.start().unwrap();
    bench.finish();
    seen.lock().unwrap().assert_tiles(0, 48_000);
}
