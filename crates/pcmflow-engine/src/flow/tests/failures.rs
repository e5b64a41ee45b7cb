//! Nodes that panic, sinks that never take, graphs that can't be: an error that names the place, and the rest goes on.

use super::super::*;
use super::witness::*;
use crate::Priority;
use crate::pressure::Strategy;
use crate::task::{Clock, Executor};
use crate::transform::Shape;
use pcmflow_core::chunk::AudioChunk;
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::{Gap, LossCause};
use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};

#[test]
fn a_sink_that_panics_is_reported_and_its_siblings_go_on() {
    let mut bench = Bench::new();
    bench.source("source", Numbers::new(format(48_000, 1), 48, 48_000));
    let dead = bench.failing("dead", None, 1.0, 4_800);
    let lives = bench.witness("lives", None, 1.0);
    bench.connect("source", "dead", Strategy::Block);
    bench.connect("source", "lives", Strategy::Block);
    bench.flow.start().unwrap();
    let books = bench.finish();
    lives.lock().unwrap().assert_tiles(0, 48_000);
    assert_eq!(lives.lock().unwrap().frames(None), 48_000);
    let status = &bench.flow.status().nodes["dead"];
    assert_eq!((status.state, status.error.as_deref()), (State::Failed, Some("panicked: told to")));
    assert!(!bench.flow.status().is_healthy());
    assert!(!dead.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).ended);
    let given = books.nodes["dead"].given.unwrap();
    assert_eq!((given.delivered().0, given.lost()[LossCause::DeadModule].0), (4_800, 43_200));
}

/// Wherever a node fails: what was lost before it, by others, is lost by their cause yet.
#[test]
fn a_gap_that_a_failing_node_has_not_passed_keeps_its_cause() {
    /// Holds a chunk and what comes behind it, until the next; fails at a frame, or at the gap behind it.
    struct Holds {
        held: Vec<AudioChunk>,
        gaps: Vec<Gap>,
        fails_at: u64,
        in_gap: bool,
    }
    impl Node for Holds {
        fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
            if !self.in_gap && chunk.position().0 >= self.fails_at {
                return Err("told to".into());
            }
            self.held.drain(..).for_each(|chunk| out.chunk(chunk));
            self.gaps.drain(..).for_each(|gap| out.gap(gap));
            self.held.push(chunk);
            Ok(())
        }
        fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
            if self.in_gap && gap.position.0 >= self.fails_at {
                return Err("told to".into());
            }
            self.gaps.push(gap);
            Ok(())
        }
        fn end(&mut self, out: &mut Out<'_>) -> Result<(), NodeError> {
            self.held.drain(..).for_each(|chunk| out.chunk(chunk));
            self.gaps.drain(..).for_each(|gap| out.gap(gap));
            Ok(())
        }
    }
    for (fails_at, in_gap) in (0..2_300).step_by(37).flat_map(|at| [(at, false), (at, true)]) {
        let mut bench = Bench::new();
        // More at once than a link that drops can hold, and losses of its own.
        let bursts = Bursts { lost_between: 10, until: 2_000 };
        bench.flow.add_source("source", Shape::new(format(48_000, 1)), false, Box::new(bursts)).unwrap();
        let node = Holds { held: Vec::new(), gaps: Vec::new(), fails_at, in_gap };
        // Blocks that chunks don't fill: before a gap comes what there is of one.
        let wants = Shape::new(format(48_000, 1)).in_blocks(Frames(100));
        bench.flow.add_node("holds", Ports::node(Some(wants)), Box::new(node)).unwrap();
        let seen = bench.witness("sink", None, 1.0);
        bench.connect("source", "holds", Strategy::DropNewest);
        bench.connect("holds", "sink", Strategy::Block);
        bench.flow.start().unwrap();
        let books = bench.finish();
        let made = bench.flow.status().nodes["source"].given;
        let device = made.lost[LossCause::Device];
        let (balance, _) = books.balance(Frames(made.delivered.0), &[], "sink").unwrap();
        assert_eq!(balance.unaccounted, Frames(0), "{fails_at} {in_gap}: {balance:#?} {books:#?}");
        let seen = seen.lock().unwrap();
        assert_eq!(seen.frames(Some(LossCause::Device)), device.0, "{fails_at} {in_gap}");
        let overflow = books.pipelines["source→holds"].edge.unwrap().lost[LossCause::Overflow];
        assert_eq!(seen.frames(Some(LossCause::Overflow)), overflow.0, "{fails_at} {in_gap}");
    }
}

#[test]
fn behind_a_node_that_fails_there_are_gaps_and_the_end() {
    struct Fails;
    impl Node for Fails {
        fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
            if chunk.position().0 >= 4_800 {
                return Err("the disk is full".into());
            }
            out.chunk(chunk);
            Ok(())
        }
    }
    let mut bench = Bench::new();
    bench.source("source", Numbers::new(format(48_000, 1), 48, 48_000));
    bench.flow.add_node("disk", Ports::node(None), Box::new(Fails)).unwrap();
    let seen = bench.witness("sink", None, 1.0);
    bench.connect("source", "disk", Strategy::Block);
    bench.connect("disk", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    bench.finish();
    let seen = seen.lock().unwrap();
    seen.assert_tiles(0, 48_000);
    assert_eq!((seen.frames(Some(LossCause::DeadModule)), seen.ended), (43_200, true));
    assert_eq!(bench.flow.status().nodes["disk"].error.as_deref(), Some("the disk is full"));
}

#[test]
fn a_source_that_panics_ends_its_stream() {
    struct Bad(u32);
    impl Inflow for Bad {
        fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
            self.0 += 1;
            assert!(self.0 < 5, "no more");
            let at = out.position().0;
            out.chunk(chunk(out.pool(), format(48_000, 1), at, 48, 0).unwrap());
            Ok(Inflowed::More)
        }
    }
    let mut bench = Bench::new();
    bench.flow.add_source("bad", Shape::new(format(48_000, 1)), false, Box::new(Bad(0))).unwrap();
    let seen = bench.witness("sink", None, 1.0);
    bench.connect("bad", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    bench.finish();
    seen.lock().unwrap().assert_tiles(0, 4 * 48);
    assert!(seen.lock().unwrap().ended);
    assert_eq!(bench.flow.status().nodes["bad"].error.as_deref(), Some("panicked: no more"));
}

#[test]
fn a_sink_that_never_reads_holds_up_only_what_may_wait_for_it() {
    for (strategy, goes_on) in [
        (Strategy::DropOldest, true),
        (Strategy::DropNewest, true),
        (Strategy::Adaptive, false),
        (Strategy::Buffer, false),
        (Strategy::Throttle, false),
        (Strategy::Block, false),
    ] {
        let mut bench = Bench::new();
        // What is critical is driven; the executor of the rest is not.
        let (driven, critical) = Executor::new(4).unwrap();
        let (mut rests, shared) = Executor::new(4).unwrap();
        bench.executor = driven;
        let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
        bench.flow = DataFlowCoordinator::new(Two { critical, shared }, pool);
        bench
            .source("source", Numbers { every_ns: 1_000_000, ..Numbers::new(format(48_000, 1), 48, 48_000) });
        let (reads, never) = (bench.witness("reads", None, 1.0), bench.witness("never", None, 1.0));
        let critical =
            PipelineConfig { priority: Priority::Critical, ..PipelineConfig::new("source", "reads") };
        bench.flow.connect(critical).unwrap();
        bench.connect("source", "never", strategy);
        bench.flow.start().unwrap();
        bench.run_until(3_000_000_000);
        assert_eq!(reads.lock().unwrap().ended, goes_on, "{strategy:?}");
        let status = bench.flow.status();
        assert!(status.pipelines["source→never"].pressure.active, "{strategy:?}");
        assert_eq!(status.pipelines["source→never"].pressure.episodes, 1, "{strategy:?}");
        while !bench.flow.is_over() {
            rests.run(&bench.clock);
            let now_ns = Clock::now_ns(&bench.clock);
            bench.run_until(now_ns + 100_000_000);
        }
        bench.finish();
        for seen in [reads, never] {
            seen.lock().unwrap().assert_tiles(0, 48_000);
        }
    }
}

#[test]
fn what_can_not_be_names_the_place() {
    let mut bench = Bench::new();
    bench.source("source", Numbers::new(format(48_000, 6), 48, 48));
    bench.pass("a");
    bench.pass("b");
    bench.witness("quad", Some(Shape::new(format(48_000, 4))), 0.0);
    bench.connect("a", "b", Strategy::Block);
    let mut refused =
        |from: &str, to: &str| bench.flow.connect(PipelineConfig::new(from, to)).unwrap_err().to_string();
    assert_eq!(refused("b", "a"), "pipeline b→a would make a cycle: b → a → b");
    assert_eq!(refused("a", "a"), "pipeline a→a would make a cycle: a → a");
    assert_eq!(refused("c", "a"), "pipeline c→a: there is no node c; there are: a, b, quad, source");
    assert_eq!(refused("quad", "a"), "pipeline quad→a: quad is a sink, nothing comes out of it");
    assert_eq!(refused("a", "source"), "pipeline a→source: source has 0 inputs, from 0; there is no input 0");
    let text = refused("source", "b");
    assert_eq!(text, "pipeline source→b: input 0 of b is fed by a already; remove that first, or use a join");
    let text = refused("source", "quad");
    assert!(
        text.contains("source→quad") && text.contains("6 channels") && text.contains("4 channels"),
        "{text}"
    );
    // Where the format is known only later, it is refused then; and nothing is changed by that.
    bench.connect("b", "quad", Strategy::Block);
    let text = bench.flow.connect(PipelineConfig::new("source", "a")).unwrap_err().to_string();
    assert!(text.contains("b→quad") && text.contains("6 channels"), "{text}");
    assert_eq!(bench.flow.graph().edges().count(), 2);
    assert!(matches!(
        bench.flow.add_node("a", Ports::sink(None), Box::new(Pass)),
        Err(FlowError::Graph(GraphError::DuplicateNode { .. }))
    ));
    assert!(bench.flow.disconnect("x→y").unwrap_err().to_string().starts_with("there is no pipeline x→y"));
}
