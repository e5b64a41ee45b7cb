//! That the books can fail: a missing posting, a node that swallows or doubles frames.

use super::super::*;
use super::witness::*;
use crate::pressure::Strategy;
use pcmflow_core::chunk::AudioChunk;
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::{EdgeSnapshot, Gap, LossCause, Losses, Timeline};

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
        let node = |taken_to| NodeBooks { given: Some(given), taken_to, followed: Vec::new() };
        let link =
            LinkBooks { sent: Some(given), taken: Some(given), edge: Some(edge), ..LinkBooks::default() };
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
