//! Behind a source that can't wait no listener holds up the others, and what one of them loses is counted there alone.

use super::super::*;
use super::witness::*;
use crate::Priority;
use crate::pressure::Strategy;
use crate::task::{Clock, Rest};
use crate::transform::Shape;
use pcmflow_core::chunk::AudioChunk;
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::Gap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

const MS: u64 = 1_000_000;
const BLOCK: u64 = 480;
const TOTAL: u64 = 200 * BLOCK;

fn mono() -> Shape {
    Shape::new(format(48_000, 1))
}

/// With a source that gives a block each 10 ms for two seconds.
fn live() -> Bench {
    live_on(Bench::two())
}

fn live_on(mut bench: Bench) -> Bench {
    let numbers = Numbers { every_ns: 10 * MS, ..Numbers::new(mono().format, BLOCK, TOTAL) };
    bench.flow.add_source("source", mono(), true, Box::new(numbers)).unwrap();
    bench
}

impl Bench {
    /// A pipeline of what the first executor runs.
    fn connect_urgent(&mut self, from: &str, to: &str, input: u32, strategy: Strategy) {
        let priority = Priority::Critical;
        let config =
            PipelineConfig { strategy, priority, input, packets: 4, ..PipelineConfig::new(from, to) };
        self.flow.connect(config).unwrap();
    }

    /// The second executor stands meanwhile.
    fn run_first_for(&mut self, ns: u64) {
        let until_ns = self.clock.now_ns() + ns;
        while self.clock.now_ns() < until_ns {
            while self.executor.run(&self.clock) == Rest::No {}
            self.clock.advance(MS);
        }
    }

    /// Two sinks behind `from`, `stuck` by such a pipeline, which takes nothing for the first second: the other one gets everything,
    /// and none of it late.
    fn assert_stuck_alone(&mut self, from: &str, strategy: Strategy) {
        let (stuck, other) = (self.witness("stuck", None, 0.0), self.witness("other", None, 0.0));
        self.connect_urgent(from, "other", 0, Strategy::Adaptive);
        self.connect(from, "stuck", strategy);
        self.flow.start().unwrap();
        self.run_first_for(1_000 * MS);
        let soon = other.lock().unwrap().frames(None);
        assert!(soon >= 97 * BLOCK, "{strategy} from {from} holds up the other one at {soon}");
        let books = self.finish();
        let (stuck, other) = (stuck.lock().unwrap(), other.lock().unwrap());
        assert_eq!(other.stretches, [(0, TOTAL, None)], "{strategy} from {from}");
        stuck.assert_tiles(0, TOTAL);
        let lost = TOTAL - stuck.frames(None);
        assert!((80 * BLOCK..=97 * BLOCK).contains(&lost), "{strategy} from {from}: {lost}");
        for (name, link) in &books.pipelines {
            let here = link.edge.map_or(Frames(0), |edge| edge.lost.total() + edge.evicted.total());
            let expected = if name.ends_with("→stuck") { lost } else { 0 };
            assert_eq!(here, Frames(expected), "{strategy}: {name}");
        }
    }
}

#[test]
fn a_stuck_listener_loses_alone_whatever_is_done_about_its_pipeline() {
    for (_, strategy) in Strategy::ALL {
        live().assert_stuck_alone("source", strategy);
    }
}

#[test]
fn so_it_does_behind_a_node_and_behind_a_join() {
    for (_, strategy) in Strategy::ALL {
        let mut bench = live();
        bench.pass("middle");
        bench.connect_urgent("source", "middle", 0, Strategy::Block);
        bench.assert_stuck_alone("middle", strategy);

        let mut bench = live();
        let join = Join::new(2, mono().format, Missing::Gap);
        bench.flow.add_node("join", Ports::join(2, mono()), Box::new(join)).unwrap();
        for input in 0..2 {
            bench.connect_urgent("source", "join", input, strategy);
        }
        bench.assert_stuck_alone("join", strategy);
    }
}

/// How far behind the first chunk that it got any other came, by the clock.
#[derive(Default)]
struct Lateness {
    first_ns: Option<i64>,
    most_ns: i64,
}

impl Node for Arc<Mutex<Lateness>> {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        let behind_ns = out.now_ns() as i64 - (chunk.position().0 * 10 * MS / BLOCK) as i64;
        let mut lateness = self.lock().unwrap();
        let first_ns = *lateness.first_ns.get_or_insert(behind_ns);
        lateness.most_ns = lateness.most_ns.max(behind_ns - first_ns);
        Ok(())
    }
}

/// However often one that is less urgent stands, and whatever is done about its pipeline.
#[test]
fn what_is_urgent_never_waits_for_what_is_not() {
    for (_, strategy) in Strategy::ALL {
        let mut bench = live();
        let urgent: Arc<Mutex<Lateness>> = Arc::default();
        bench.flow.add_node("urgent", Ports::sink(None), Box::new(urgent.clone())).unwrap();
        let usual = bench.witness("usual", None, 0.0);
        bench.connect_urgent("source", "urgent", 0, Strategy::Adaptive);
        bench.connect("source", "usual", strategy);
        bench.flow.start().unwrap();
        for _ in 0..10 {
            bench.run_first_for(100 * MS);
            bench.run_until(bench.clock.now_ns() + 50 * MS);
        }
        bench.finish();
        usual.lock().unwrap().assert_tiles(0, TOTAL);
        assert!(
            urgent.lock().unwrap().most_ns <= 2 * MS as i64,
            "{strategy}: {}",
            urgent.lock().unwrap().most_ns
        );
    }
}

/// A strategy that is changed while there is back-pressure ends nothing, and hides nothing.
#[test]
fn back_pressure_goes_on_under_another_strategy_and_ends_with_its_cause() {
    // Those that go on in the same ring.
    for strategy in [Strategy::Block, Strategy::Throttle, Strategy::DropNewest] {
        let mut bench = live();
        let (stuck, _other) = (bench.witness("stuck", None, 0.0), bench.witness("other", None, 0.0));
        bench.connect_urgent("source", "other", 0, Strategy::Adaptive);
        bench.connect("source", "stuck", Strategy::Block);
        bench.flow.start().unwrap();
        bench.run_first_for(400 * MS);
        bench.flow.set_strategy("source→stuck", strategy).unwrap();
        bench.run_first_for(400 * MS);
        let pressure = bench.flow.status().pipelines["source→stuck"].pressure;
        assert!(pressure.active && pressure.episodes == 1, "{strategy}: {pressure:?}");
        bench.run_until(bench.clock.now_ns() + 100 * MS);
        let pressure = bench.flow.status().pipelines["source→stuck"].pressure;
        assert!(!pressure.active && pressure.episodes == 1, "{strategy}: {pressure:?}");
        assert!(pressure.total_ns >= 700 * MS, "{strategy}: {pressure:?}");
        bench.finish();
        stuck.lock().unwrap().assert_tiles(0, TOTAL);
    }
}

/// What is connected to a live source later is behind it, too.
#[test]
fn a_node_that_is_brought_behind_a_live_source_holds_up_nobody_either() {
    let mut bench = live();
    bench.pass("middle");
    let (stuck, other) = (bench.witness("stuck", None, 0.0), bench.witness("other", None, 0.0));
    bench.connect("middle", "stuck", Strategy::Block);
    bench.connect_urgent("middle", "other", 0, Strategy::Block);
    bench.connect_urgent("source", "middle", 0, Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_first_for(1_000 * MS);
    assert!(other.lock().unwrap().frames(None) >= 97 * BLOCK);
    bench.finish();
    stuck.lock().unwrap().assert_tiles(0, TOTAL);
    assert_eq!(other.lock().unwrap().stretches, [(0, TOTAL, None)]);
}

/// Where no ways part nobody is held up: a listener that is stuck holds up its own way alone, up to where that begins.
#[test]
fn a_way_of_its_own_waits_up_to_where_it_parts() {
    let mut bench = live();
    bench.pass("middle");
    let (stuck, other) = (bench.witness("stuck", None, 0.0), bench.witness("other", None, 0.0));
    bench.connect_urgent("source", "middle", 0, Strategy::Block);
    bench.connect("middle", "stuck", Strategy::Block);
    bench.connect_urgent("source", "other", 0, Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_first_for(1_000 * MS);
    assert!(other.lock().unwrap().frames(None) >= 97 * BLOCK);
    let books = bench.finish();
    let lost = |link: &str| books.pipelines[link].edge.map(|edge| edge.lost.total());
    assert_eq!(lost("middle→stuck"), Some(Frames(0)));
    assert_eq!(lost("source→middle"), Some(Frames(TOTAL - stuck.lock().unwrap().frames(None))));
    assert!(lost("source→middle") > Some(Frames(0)));
    stuck.lock().unwrap().assert_tiles(0, TOTAL);
    assert_eq!(other.lock().unwrap().stretches, [(0, TOTAL, None)]);
}

/// A source that can wait does, and nobody loses anything.
#[test]
fn behind_a_source_that_can_wait_everybody_waits() {
    let mut bench = Bench::two();
    bench.source("source", Numbers { every_ns: 10 * MS, ..Numbers::new(mono().format, BLOCK, TOTAL) });
    let (slow, other) = (bench.witness("slow", None, 0.0), bench.witness("other", None, 0.0));
    bench.connect_urgent("source", "other", 0, Strategy::Block);
    bench.connect("source", "slow", Strategy::Block);
    bench.flow.start().unwrap();
    bench.run_first_for(1_000 * MS);
    assert!(other.lock().unwrap().frames(None) <= 5 * BLOCK);
    bench.finish();
    for seen in [slow, other] {
        assert_eq!(seen.lock().unwrap().stretches, [(0, TOTAL, None)]);
    }
}

/// Makes 16 chunks of each.
struct Splits;

impl Node for Splits {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        let (format, frames) = (chunk.meta().format, chunk.frames().0 / 16);
        for _ in 0..16 {
            let part =
                super::witness::chunk(out.pool(), format, out.position().0, frames, chunk.timestamp_ns());
            out.chunk(part.ok_or("no buffer")?);
        }
        Ok(())
    }
}

/// What a node makes of one input may be more than the pipeline behind it holds: that is no reason to lose it.
#[test]
fn what_is_made_of_one_input_is_taken_whole_behind_a_live_source() {
    for strategy in [Strategy::Throttle, Strategy::Buffer, Strategy::Block, Strategy::Adaptive] {
        let mut bench = live();
        bench.flow.add_node("splits", Ports::node(None), Box::new(Splits)).unwrap();
        let seen = bench.witness("sink", None, 1.0);
        bench.connect("source", "splits", Strategy::Block);
        bench.connect("splits", "sink", strategy);
        bench.witness("other", None, 1.0);
        bench.connect("splits", "other", Strategy::DropOldest);
        bench.flow.start().unwrap();
        bench.finish();
        assert_eq!(seen.lock().unwrap().stretches, [(0, TOTAL, None)], "{strategy}");
    }
}

/// Holds half a second back.
#[derive(Default)]
struct Delays(VecDeque<AudioChunk>);

impl Node for Delays {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.0.push_back(chunk);
        if self.0.len() > 50
            && let Some(chunk) = self.0.pop_front()
        {
            out.chunk(chunk);
        }
        Ok(())
    }

    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        Err(format!("a gap at {}", gap.position.0).into())
    }

    fn end(&mut self, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.0.drain(..).for_each(|chunk| out.chunk(chunk));
        Ok(())
    }
}

/// What is ahead at a join waits for the other input: nobody is stuck there.
#[test]
fn the_shorter_way_to_a_join_is_not_thrown_out_for_being_ahead() {
    for strategy in [Strategy::Throttle, Strategy::Buffer, Strategy::Block, Strategy::Adaptive] {
        let mut bench = live_on(Bench::new());
        let delays = Ports { latency_ns: 500 * MS, ..Ports::node(None) };
        bench.flow.add_node("delays", delays, Box::new(Delays::default())).unwrap();
        let join = Join::new(2, mono().format, Missing::Gap);
        bench.flow.add_node("join", Ports::join(2, mono()), Box::new(join)).unwrap();
        let seen: Arc<Mutex<Seen>> = bench.witness("sink", None, 2.0);
        bench.connect("source", "delays", strategy);
        bench.connect("delays", "join", strategy);
        bench.connect_urgent("source", "join", 1, strategy);
        bench.connect("join", "sink", strategy);
        bench.flow.start().unwrap();
        bench.finish();
        assert_eq!(seen.lock().unwrap().stretches, [(0, TOTAL, None)], "{strategy}");
    }
}
