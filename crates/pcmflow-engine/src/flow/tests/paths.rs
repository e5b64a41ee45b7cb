//! Fan-out, joins, formats, drops: every sink's view tiles the source's timeline.

use super::super::*;
use super::witness::*;
use crate::pressure::Strategy;
use crate::transform::Shape;
use pcmflow_core::chunk::AudioChunk;
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::{Gap, LossCause};

#[test]
fn a_fan_out_to_three_with_different_strategies_loses_only_where_it_may() {
    let mut bench = Bench::new();
    bench.source("source", Numbers::new(format(48_000, 2), 128, 48_000));
    let blocked = bench.witness("blocked", None, 1.0);
    let oldest = bench.witness("oldest", None, 1.0);
    let newest = bench.witness("newest", None, 1.0);
    let blocks =
        PipelineConfig { strategy: Strategy::Block, packets: 64, ..PipelineConfig::new("source", "blocked") };
    bench.flow.connect(blocks).unwrap();
    bench.connect("source", "oldest", Strategy::DropOldest);
    bench.connect("source", "newest", Strategy::DropNewest);
    bench.flow.start().unwrap();
    bench.finish();
    let (blocked, oldest, newest) = (blocked.lock().unwrap(), oldest.lock().unwrap(), newest.lock().unwrap());
    for seen in [&blocked, &oldest, &newest] {
        seen.assert_tiles(0, 48_000);
        assert!(seen.ended);
    }
    assert_eq!(blocked.frames(None), 48_000);
    // The source is polled for 16 chunks at a time, and the links that drop hold 4.
    let lost = |seen: &Seen| seen.frames(Some(LossCause::Overflow));
    assert!(lost(&oldest) > 10_000 && lost(&newest) > 10_000, "{} {}", lost(&oldest), lost(&newest));
    // What came last is there where the oldest goes, what came first where the newest does.
    assert_eq!((oldest.stretches.last().unwrap().2, newest.stretches[0].2), (None, None));
}

#[test]
fn stereo_at_48_khz_becomes_mono_at_16_khz_and_its_books_say_how() {
    let mut bench = Bench::new();
    bench.source("source", Numbers::new(format(48_000, 2), 1_000, 48_000));
    let wants = Shape::new(format(16_000, 1)).in_blocks(Frames(320));
    let seen = bench.witness("recogniser", Some(wants), 0.0);
    bench.connect("source", "recogniser", Strategy::Block);
    bench.flow.start().unwrap();
    let books = bench.finish();
    let seen = seen.lock().unwrap();
    seen.assert_tiles(0, 48_000);
    assert_eq!((seen.formats.as_slice(), seen.frames(None)), ([format(16_000, 1)].as_slice(), 48_000));
    let [conversion] = books.pipelines["source→recogniser"].conversions[..] else { panic!() };
    assert_eq!((conversion.taken, conversion.given), (Frames(48_000), Frames(16_000)));
    let settled = bench.flow.status().nodes["recogniser"].settled.unwrap();
    assert!(settled.position.0 > 40_000 && settled.unaccounted == Frames(0), "{settled:?}");
}

#[test]
fn a_format_that_changes_in_mid_stream_is_met_by_another_plan() {
    let mut bench = Bench::new();
    let later = Some((24_000, format(44_100, 1)));
    bench.source("source", Numbers { later, ..Numbers::new(format(48_000, 2), 480, 48_000) });
    let any = bench.witness("any", None, 1.0);
    let fixed = bench.witness("fixed", Some(Shape::new(format(16_000, 1))), 0.0);
    bench.connect("source", "any", Strategy::Block);
    bench.connect("source", "fixed", Strategy::Block);
    bench.flow.start().unwrap();
    let books = bench.finish();
    any.lock().unwrap().assert_tiles(0, 48_000);
    assert_eq!(any.lock().unwrap().formats, [format(48_000, 2), format(44_100, 1)]);
    let fixed = fixed.lock().unwrap();
    fixed.assert_tiles(0, 48_000);
    assert_eq!((fixed.formats.as_slice(), fixed.frames(None)), ([format(16_000, 1)].as_slice(), 48_000));
    assert_eq!(books.pipelines["source→fixed"].conversions.len(), 2);
}

#[test]
fn a_join_adds_up_what_belongs_together_and_tells_what_is_missing() {
    /// Loses each third chunk on purpose.
    struct Holes(u64);
    impl Node for Holes {
        fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
            self.0 += 1;
            if self.0.is_multiple_of(3) {
                let (position, frames) = (chunk.position(), chunk.span());
                out.gap(Gap { position, frames, cause: LossCause::Shed });
            } else {
                out.chunk(chunk);
            }
            Ok(())
        }
    }
    for missing in [Missing::Gap, Missing::Silence] {
        let mut bench = Bench::new();
        let stereo = format(48_000, 2);
        bench.source("source", Numbers::new(stereo, 128, 12_800));
        bench.pass("whole");
        bench.flow.add_node("holes", Ports::node(None), Box::new(Holes(0))).unwrap();
        let join = Join::new(2, stereo, missing);
        bench.flow.add_node("join", Ports::join(2, Shape::new(stereo)), Box::new(join)).unwrap();
        let seen = bench.witness("sum", None, if missing == Missing::Gap { 2.0 } else { 0.0 });
        bench.connect("source", "whole", Strategy::Block);
        bench.connect("source", "holes", Strategy::Block);
        bench.connect("whole", "join", Strategy::Block);
        bench.flow.connect(PipelineConfig { input: 1, ..PipelineConfig::new("holes", "join") }).unwrap();
        bench.connect("join", "sum", Strategy::Block);
        bench.flow.start().unwrap();
        bench.finish();
        let seen = seen.lock().unwrap();
        seen.assert_tiles(0, 12_800);
        let shed = if missing == Missing::Gap { 33 * 128 } else { 0 };
        assert_eq!(seen.frames(Some(LossCause::Shed)), shed);
    }
}

#[test]
fn a_join_waits_for_the_longer_way() {
    let mut bench = Bench::new();
    let mono = format(48_000, 1);
    bench.source("source", Numbers::new(mono, 64, 6_400));
    let join = Join::new(2, mono, Missing::Gap);
    bench.flow.add_node("join", Ports::join(2, Shape::new(mono)), Box::new(join)).unwrap();
    let seen = bench.witness("sum", None, 2.0);
    // Tasks are polled in the order of their names: these, each too early.
    let way = ["z", "y", "x"];
    way.into_iter().for_each(|name| bench.pass(name));
    bench.connect("z", "y", Strategy::Block);
    bench.connect("y", "x", Strategy::Block);
    bench.connect("x", "join", Strategy::Block);
    bench.connect("source", "z", Strategy::Block);
    bench.flow.connect(PipelineConfig { input: 1, ..PipelineConfig::new("source", "join") }).unwrap();
    bench.connect("join", "sum", Strategy::Block);
    bench.flow.start().unwrap();
    bench.finish();
    // Twice what each frame is, from the first on.
    seen.lock().unwrap().assert_tiles(0, 6_400);
}

#[test]
fn chunks_that_are_taken_too_late_are_counted() {
    /// Gives one chunk a millisecond, which arrived `0` milliseconds ago, `1`, `2` and so on.
    struct Older(u64);
    impl Inflow for Older {
        fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
            self.0 += 1;
            let (at, now_ns) = (out.position().0, 50_000_000);
            if self.0 > 10 {
                return Ok(Inflowed::End);
            }
            let arrived_ns = now_ns - (self.0 - 1) * 1_000_000;
            out.chunk(chunk(out.pool(), format(48_000, 1), at, 48, arrived_ns).ok_or("no buffer")?);
            Ok(Inflowed::More)
        }
    }
    let mut bench = Bench::new();
    bench.clock.set(50_000_000);
    bench.flow.add_source("source", Shape::new(format(48_000, 1)), false, Box::new(Older(0))).unwrap();
    bench.witness("sink", None, 1.0);
    bench
        .flow
        .connect(PipelineConfig { latency_ms_max: 5, ..PipelineConfig::new("source", "sink") })
        .unwrap();
    bench.flow.start().unwrap();
    bench.finish();
    // Those that were 6, 7, 8 and 9 ms old.
    assert_eq!(bench.flow.status().pipelines["source→sink"].missed, 4);
}

#[test]
fn a_thousand_pipelines_run_in_one_executor() {
    let mut bench = Bench::new();
    let mut sinks = Vec::new();
    for n in 0..1_000 {
        let (source, sink) = (format!("source{n}"), format!("sink{n}"));
        bench.source(&source, Numbers { every_ns: 2_666_666, ..Numbers::new(format(48_000, 2), 128, 1_280) });
        sinks.push(bench.witness(&sink, None, 1.0));
        bench.connect(&source, &sink, Strategy::Block);
    }
    bench.flow.start().unwrap();
    bench.finish();
    for seen in sinks {
        seen.lock().unwrap().assert_tiles(0, 1_280);
    }
}
