//! That the books can fail: a missing posting, a node that swallows or doubles frames.

use super::super::*;
use super::witness::*;
use crate::event::BusSnapshot;
use crate::metrics::Sampler;
use crate::pressure::Strategy;
use crate::transform::Shape;
use pcmflow_core::chunk::AudioChunk;
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::{EdgeSnapshot, Gap, LossCause, Losses, Timeline};
use std::collections::BTreeMap;

/// Does something wrong with the tenth chunk.
struct Wrong(u32, fn(AudioChunk, &mut Out<'_>));

impl Node for Wrong {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.0 += 1;
        if self.0 == 10 {
            self.1(chunk, out)
        } else {
            out.chunk(chunk)
        }
        Ok(())
    }
}

#[test]
fn a_node_that_swallows_or_doubles_frames_is_found_live_and_in_the_end() {
    let wrong: [fn(AudioChunk, &mut Out<'_>); 2] = [
        |_, _| {},
        |chunk, out| {
            out.chunk(chunk.clone());
            out.chunk(chunk);
        },
    ];
    for wrong in wrong {
        let mut bench = Bench::new();
        bench.source("source", Numbers::new(format(48_000, 1), 48, 4_800));
        bench.flow.add_node("wrong", Ports::node(None), Box::new(Wrong(0, wrong))).unwrap();
        bench.witness("sink", None, 1.0);
        bench.connect("source", "wrong", Strategy::Block);
        bench.connect("wrong", "sink", Strategy::Block);
        bench.flow.start().unwrap();
        bench.run_until(u64::MAX);
        assert_eq!(bench.flow.books().nodes["wrong"].unaccounted(), Frames(48));
        assert_eq!(bench.flow.books().unaccounted(), Frames(48));
        let settled = bench.flow.status().nodes["sink"].settled.unwrap();
        assert!(settled.unaccounted >= Frames(48), "{settled:?}");
        assert!(!bench.flow.status().is_healthy());
    }
}

#[test]
fn each_missing_posting_of_a_link_shows() {
    let gap = Gap { position: 60u64.into_position(), frames: Frames(40), cause: LossCause::Overflow };
    let mut timeline = Timeline::default();
    timeline.deliver(0u64.into_position(), Frames(60));
    timeline.lose(gap);
    let mut lost = Losses::default();
    lost[LossCause::Overflow] = Frames(40);
    let mut taken = timeline;
    taken.end();
    let edge = EdgeSnapshot {
        accepted: Frames(60),
        popped: Frames(60),
        evicted: Losses::default(),
        occupancy: Frames(0),
        lost,
        overruns: 1,
    };
    let books = |edge, sent, taken| {
        LinkBooks { sent: Some(sent), taken: Some(taken), edge: Some(edge), ..LinkBooks::default() }
            .unaccounted()
    };
    assert_eq!(books(edge, timeline, taken), Frames(0));
    let passed_on = EdgeSnapshot { lost: Losses::default(), ..edge };
    assert_eq!(books(passed_on, timeline, taken), Frames(0), "lost before this link");
    assert_eq!(books(EdgeSnapshot { accepted: Frames(50), ..edge }, timeline, taken), Frames(10));
    assert_eq!(books(EdgeSnapshot { popped: Frames(50), ..edge }, timeline, taken), Frames(10));
    let mut evicted = Losses::default();
    evicted[LossCause::Overflow] = Frames(7);
    assert_eq!(books(EdgeSnapshot { evicted, ..edge }, timeline, taken), Frames(7));
    let mut untold = Timeline::default();
    untold.deliver(0u64.into_position(), Frames(60));
    untold.end();
    assert_eq!(books(edge, timeline, untold), Frames(40), "a gap that was never told");
    assert_eq!(books(edge, timeline, Timeline::starting_at(10u64.into_position())), Frames(60));
}

#[test]
fn a_loss_that_a_source_tells_and_no_ring_posted_is_unaccounted_for() {
    let books = |cause| {
        let mut given = Timeline::default();
        given.deliver(0u64.into_position(), Frames(100));
        given.lose(Gap { position: 100u64.into_position(), frames: Frames(40), cause });
        given.end();
        let edge = EdgeSnapshot { accepted: Frames(100), popped: Frames(100), ..EdgeSnapshot::default() };
        let node = |taken_to| NodeBooks { given: Some(given), taken_to, ..NodeBooks::default() };
        let link =
            LinkBooks { sent: Some(given), taken: Some(given), edge: Some(edge), ..LinkBooks::default() };
        let link = LinkBooks { from: "source".into(), to: "sink".into(), ..link };
        let nodes = [("source".into(), node(None)), ("sink".into(), node(Some(140)))].into();
        let pipelines = [("source→sink".into(), link)].into();
        let books = FlowBooks { nodes, pipelines, ..FlowBooks::default() };
        assert_eq!(books.unaccounted(), Frames(0));
        books
    };
    let ring = EdgeSnapshot { accepted: Frames(100), popped: Frames(100), ..EdgeSnapshot::default() };
    let balance = |cause, made, rings: &[EdgeSnapshot]| {
        let (balance, _) = books(cause).balance(Frames(made), rings, "sink").unwrap();
        (balance.frames_in.0, balance.dropped.total().0, balance.unaccounted.0)
    };
    assert_eq!(balance(LossCause::Overflow, 100, &[ring]), (100, 0, 40));
    let mut posted = ring;
    posted.lost[LossCause::Overflow] = Frames(40);
    assert_eq!(balance(LossCause::Overflow, 140, &[posted]), (140, 40, 0));
    assert_eq!(balance(LossCause::Overflow, 100, &[posted]), (100, 40, 40), "more than was made");
    // Nobody made what a device missed.
    assert_eq!(balance(LossCause::Device, 100, &[ring]), (140, 40, 0));
    // A source without a ring posts its own losses.
    assert_eq!(balance(LossCause::Overflow, 140, &[]), (140, 40, 0));
    assert_eq!(balance(LossCause::Overflow, 100, &[]), (100, 40, 40));
}

trait IntoPosition {
    fn into_position(self) -> pcmflow_core::format::StreamPosition;
}

impl IntoPosition for u64 {
    fn into_position(self) -> pcmflow_core::format::StreamPosition {
        pcmflow_core::format::StreamPosition(self)
    }
}

/// `source` → `wrong`, which does that with its tenth chunk → `join` ← `source`, → `sink`.
fn joined(wrong: Option<fn(AudioChunk, &mut Out<'_>)>, behind: bool) -> FlowBooks {
    let mut bench = Bench::new();
    let mono = format(48_000, 1);
    bench.source("source", Numbers::new(mono, 48, 4_800));
    let wrong = wrong.unwrap_or(|chunk, out| out.chunk(chunk));
    bench.flow.add_node("wrong", Ports::node(None), Box::new(Wrong(0, wrong))).unwrap();
    let join = Join::new(2, mono, Missing::Silence);
    bench.flow.add_node("join", Ports::join(2, Shape::new(mono)), Box::new(join)).unwrap();
    bench.witness("sink", None, 0.0);
    if behind {
        bench.connect("source", "join", Strategy::Block);
        bench.connect("join", "wrong", Strategy::Block);
        bench.connect("wrong", "sink", Strategy::Block);
    } else {
        bench.connect("source", "wrong", Strategy::Block);
        bench.connect("wrong", "join", Strategy::Block);
        bench.connect("join", "sink", Strategy::Block);
    }
    let second =
        PipelineConfig { input: 1, strategy: Strategy::Block, ..PipelineConfig::new("source", "join") };
    bench.flow.connect(second).unwrap();
    bench.flow.start().unwrap();
    bench.run_until(u64::MAX);
    bench.flow.books()
}

#[test]
fn a_hole_before_or_behind_a_join_is_found_at_its_sink() {
    let fed = |made| move |name: &str| (name == "source").then(|| (Frames(made), Vec::new()));
    for behind in [false, true] {
        let books = joined(None, behind);
        assert_eq!(books.unaccounted(), Frames(0), "{books:#?}");
        assert!(books.balance(Frames(4_800), &[], "sink").is_none(), "there are two ways");
        let balance = books.sink_balance("sink", fed(4_800)).unwrap();
        assert_eq!(
            (balance.frames_in, balance.delivered, balance.unaccounted),
            (Frames(4_800), Frames(4_800), Frames(0))
        );
        assert_eq!(books.sources("sink").into_iter().collect::<Vec<_>>(), ["source"]);
        // What was made for the source and never came out of it.
        assert_eq!(books.sink_balance("sink", fed(4_896)).unwrap().unaccounted, Frames(96));
        let swallows = joined(Some(|_, _| {}), behind);
        assert_eq!(swallows.sink_balance("sink", fed(4_800)).unwrap().unaccounted, Frames(48));
        let doubles: fn(AudioChunk, &mut Out<'_>) = |chunk, out| {
            out.chunk(chunk.clone());
            out.chunk(chunk);
        };
        assert_eq!(
            joined(Some(doubles), behind).sink_balance("sink", fed(4_800)).unwrap().unaccounted,
            Frames(48)
        );
    }
}

/// Which of two sources is the longer, and at which input it is, is all the same.
#[test]
fn sources_of_unlike_length_balance_where_they_are_joined() {
    for (missing, delivered) in [(Missing::Gap, 2_400), (Missing::Silence, 4_800)] {
        for lengths in [[2_400, 4_800], [4_800, 2_400]] {
            let mut bench = Bench::new();
            let mono = format(48_000, 1);
            let join = Join::new(2, mono, missing);
            bench.flow.add_node("join", Ports::join(2, Shape::new(mono)), Box::new(join)).unwrap();
            bench.witness("sink", None, 0.0);
            bench.connect("join", "sink", Strategy::Block);
            for (input, (name, frames)) in (0..).zip(["first", "second"].into_iter().zip(lengths)) {
                bench.source(name, Numbers::new(mono, 48, frames));
                let into =
                    PipelineConfig { input, strategy: Strategy::Block, ..PipelineConfig::new(name, "join") };
                bench.flow.connect(into).unwrap();
            }
            bench.flow.start().unwrap();
            let books = bench.finish();
            let fed = |name: &str| Some((Frames(lengths[usize::from(name == "second")]), Vec::new()));
            let balance = books.sink_balance("sink", fed).unwrap();
            assert_eq!((balance.frames_in, balance.delivered), (Frames(4_800), Frames(delivered)));
            assert_eq!(
                (balance.dropped[LossCause::Removed].0, balance.unaccounted.0),
                (4_800 - delivered, 0)
            );
            // Either of them may have made more than it gave.
            for longer in ["first", "second"] {
                let fed = |name: &str| {
                    fed(name).map(|(made, rings)| (made + Frames(u64::from(name == longer)), rings))
                };
                assert_eq!(books.sink_balance("sink", fed).unwrap().unaccounted, Frames(1), "{longer}");
            }
            let mut monitor = FlowMonitor::new(Sampler::INTERVAL_NS, Vec::new(), 0).unwrap();
            let told = monitor.sample(1, &mut bench.flow, &BTreeMap::new(), BusSnapshot::default());
            let told = &told.pipelines["sink"].ledger;
            assert_eq!((told.frames_in, told.delivered, told.unaccounted), (4_800, delivered, 0), "{told:?}");
        }
    }
}

/// Where a pipeline ends and a node begins nobody counts but the two.
#[test]
fn each_disagreement_between_a_pipeline_and_its_nodes_shows() {
    let books = joined(None, false);
    type Change = fn(&mut FlowBooks);
    let changes: [(&str, Change); 4] = [
        ("the source's last chunk was not sent to one of two", |books| {
            let link = books.pipelines.get_mut("source→join.1").unwrap();
            let mut less = Timeline::default();
            less.deliver(0u64.into_position(), Frames(4_752));
            link.sent = Some(less);
            less.end();
            link.taken = Some(less);
            let edge = link.edge.as_mut().unwrap();
            (edge.accepted, edge.popped) = (Frames(4_752), Frames(4_752));
        }),
        ("the join did not take one input's last chunk", |books| {
            books.nodes.get_mut("join").unwrap().taken_to = Some(4_752);
            let mut less = Timeline::default();
            less.deliver(0u64.into_position(), Frames(4_752));
            less.end();
            books.nodes.get_mut("join").unwrap().given = Some(less);
        }),
        ("the source lost a chunk that one pipeline has", |books| {
            let mut other = Timeline::default();
            other.deliver(0u64.into_position(), Frames(4_752));
            let position = 4_752u64.into_position();
            other.lose(Gap { position, frames: Frames(48), cause: LossCause::Device });
            other.end();
            books.nodes.get_mut("source").unwrap().given = Some(other);
        }),
        ("a join gives what no input had", |books| {
            let mut more = Timeline::default();
            more.deliver(0u64.into_position(), Frames(4_848));
            more.end();
            let join = books.nodes.get_mut("join").unwrap();
            (join.given, join.taken_to) = (Some(more), Some(4_848));
        }),
    ];
    for (what, change) in changes {
        let mut changed = books.clone();
        change(&mut changed);
        assert_eq!(changed.unaccounted(), Frames(48), "{what}");
        let fed = |_: &str| Some((Frames(4_800), Vec::new()));
        assert!(changed.sink_balance("sink", fed).unwrap().unaccounted >= Frames(48), "{what}");
    }
}
