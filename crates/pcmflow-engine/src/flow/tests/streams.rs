//! A source over rings that a callback fills: losses there, cuts from there, and a device that comes back with another format.

use super::super::*;
use super::witness::*;
use crate::pressure::Strategy;
use crate::transform::Shape;
use pcmflow_core::block::BlockSize;
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::LossCause;
use pcmflow_core::stream::{Overflow, StreamConfig, StreamReader, StreamWriter, stream};

fn ring(hz: u32, channels: u32) -> (StreamWriter, StreamReader) {
    let (capacity, quantum, overflow) = (Frames(1_024), Frames(128), Overflow::DropNewest);
    let (writer, reader, _) =
        stream(StreamConfig { format: format(hz, channels), capacity, quantum, overflow }).unwrap();
    (writer, reader)
}

fn write(writer: &mut StreamWriter, from: u64, frames: u64, now_ns: u64) {
    let channels = writer.format().channels.get();
    let samples: Vec<f32> = (from..from + frames).flat_map(|frame| vec![stamp(frame); channels]).collect();
    let _ = writer.write(&samples, now_ns);
}

#[test]
fn a_device_that_goes_and_comes_back_with_another_format_leaves_one_gap() {
    let mut bench = Bench::new();
    let (mut writer, reader) = ring(48_000, 2);
    let (mut feed, source) = StreamInflow::new(reader, BlockSize::of::<128>()).unwrap();
    let shape = Shape::new(format(48_000, 2));
    bench.flow.add_source("device", shape, true, Box::new(source)).unwrap();
    let any = bench.witness("any", None, 1.0);
    let fixed = bench.witness("fixed", Some(Shape::new(format(16_000, 1))), 0.0);
    bench.connect("device", "any", Strategy::Block);
    bench.connect("device", "fixed", Strategy::Block);
    bench.flow.start().unwrap();
    let mut at = 0;
    for quantum in 1..=100u64 {
        write(&mut writer, at, 128, quantum * 2_666_667);
        at += 128;
        bench.run_until(quantum * 2_666_667);
        if quantum % 10 == 0 {
            writer.cut();
        }
    }
    // The driver stands: the ring overflows, where it is counted.
    for quantum in 0..20 {
        write(&mut writer, at + 128 * quantum, 128, 300_000_000);
    }
    at += 128 * 20;
    bench.run_until(310_000_000);
    let settled = bench.flow.status().nodes["any"].settled.unwrap();
    assert!(settled.position.0 > 12_000 && settled.unaccounted.0 == 0, "{settled:?}");
    drop(writer);
    bench.run_until(400_000_000);
    assert_eq!(bench.flow.status().nodes["device"].state, State::Running);
    let (mut writer, reader) = ring(44_100, 1);
    feed.bring(reader).unwrap();
    // Whoever looks now, and whoever looks late, finds the same.
    bench.run_until(401_000_000);
    assert_eq!(bench.flow.status().nodes["device"].given.position, at);
    // 300 ms to 402 ms, at 48 kHz.
    let resumed = at + 4_896;
    for quantum in 0..8 {
        write(&mut writer, resumed + 128 * quantum, 128, 402_000_000);
    }
    writer.cut();
    bench.clock.set(450_000_000);
    bench.run_until(451_000_000);
    drop((writer, feed));
    bench.finish();
    let end = resumed + 8 * 128;
    for seen in [any, fixed] {
        let seen = seen.lock().unwrap();
        seen.assert_tiles(0, end);
        assert_eq!(seen.frames(Some(LossCause::Device)), resumed - at);
        assert_eq!(seen.frames(Some(LossCause::Overflow)), 20 * 128 - 1_024);
        assert!(seen.ended);
    }
    let settled = bench.flow.status().nodes["fixed"].settled.unwrap();
    assert_eq!((settled.position.0, settled.unaccounted), (end, Frames(0)));
}

#[test]
fn what_a_writer_gives_up_is_told_with_its_cause() {
    let mut bench = Bench::new();
    let (mut writer, reader) = ring(48_000, 1);
    let (_, source) = StreamInflow::new(reader, BlockSize::of::<128>()).unwrap();
    bench.flow.add_source("device", Shape::new(format(48_000, 1)), true, Box::new(source)).unwrap();
    let seen = bench.witness("sink", None, 1.0);
    bench.connect("device", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    write(&mut writer, 0, 500, 0);
    writer.give_up(Frames(12), LossCause::Corrupt);
    write(&mut writer, 512, 300, 5);
    drop(writer);
    bench.finish();
    let seen = seen.lock().unwrap();
    seen.assert_tiles(0, 812);
    assert_eq!(seen.stretches[1], (500, 512, Some(LossCause::Corrupt)));
}

/// Nothing of the first stream arrived, so that nothing says when it was: the next one stands behind what it lost.
#[test]
fn a_stream_behind_one_that_only_lost_stands_behind_what_that_lost() {
    let mut bench = Bench::new();
    let (mut writer, reader) = ring(48_000, 1);
    let (mut feed, source) = StreamInflow::new(reader, BlockSize::of::<128>()).unwrap();
    bench.flow.add_source("device", Shape::new(format(48_000, 1)), true, Box::new(source)).unwrap();
    let seen = bench.witness("sink", None, 1.0);
    bench.connect("device", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    writer.give_up(Frames(500), LossCause::Device);
    drop(writer);
    bench.run_until(10_000_000);
    let (mut writer, reader) = ring(48_000, 1);
    feed.bring(reader).unwrap();
    write(&mut writer, 500, 256, 11_000_000);
    drop((writer, feed));
    bench.finish();
    let seen = seen.lock().unwrap();
    seen.assert_tiles(0, 756);
    assert_eq!(seen.stretches[0], (0, 500, Some(LossCause::Device)));
}

#[test]
fn a_writer_that_is_given_up_takes_no_later_stream_with_it() {
    let mut bench = Bench::new();
    let (mut hangs, reader) = ring(48_000, 1);
    let (mut feed, source) = StreamInflow::woken(reader, BlockSize::of::<128>(), || {}).unwrap();
    bench.flow.add_source("device", Shape::new(format(48_000, 1)), true, Box::new(source)).unwrap();
    let seen = bench.witness("sink", None, 1.0);
    bench.connect("device", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    let caller = feed.caller();
    write(&mut hangs, 0, 100, 0);
    caller.wake();
    bench.run_until(1_000);
    caller.abandon();
    // Its read returned, and it closes the stream by itself, before the source came to look.
    drop(hangs);
    let (mut writer, reader) = ring(48_000, 1);
    feed.bring(reader).unwrap();
    bench.run_until(2_000);
    assert_eq!(bench.flow.status().nodes["sink"].given.delivered, Frames(100));
    let resumed = bench.flow.status().nodes["device"].given.position;
    for quantum in 0..4 {
        write(&mut writer, resumed + 128 * quantum, 128, 2_000);
        caller.wake();
        bench.run_until(3_000 + quantum);
    }
    assert_eq!(bench.flow.status().nodes["sink"].given.delivered, Frames(100 + 4 * 128));
    // Now this one hangs: what it wrote is still delivered, and then the stream is over.
    write(&mut writer, resumed + 512, 60, 4_000);
    caller.abandon();
    drop(feed);
    bench.finish();
    let seen = seen.lock().unwrap();
    seen.assert_tiles(0, resumed + 572);
    drop(writer);
}

#[test]
fn a_stream_that_is_refused_does_not_count_as_brought() {
    let mut bench = Bench::new();
    let (writer, reader) = ring(48_000, 1);
    let (mut feed, source) = StreamInflow::new(reader, BlockSize::of::<128>()).unwrap();
    bench.flow.add_source("device", Shape::new(format(48_000, 1)), true, Box::new(source)).unwrap();
    let seen = bench.witness("sink", None, 0.0);
    bench.connect("device", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    let mut last = None;
    while let (next, reader) = ring(48_000, 1)
        && feed.bring(reader).is_ok()
    {
        last = Some(next);
    }
    // The last that was taken hangs; the one after it does not.
    feed.caller().abandon();
    drop(writer);
    bench.run_until(100_000_000);
    let (mut writer, reader) = ring(48_000, 1);
    feed.bring(reader).unwrap();
    bench.run_until(200_000_000);
    write(&mut writer, 0, 128, 200_000_000);
    bench.run_until(300_000_000);
    assert_eq!(bench.flow.status().nodes["sink"].given.delivered, Frames(128));
    write(&mut writer, 128, 128, 300_000_000);
    drop((writer, feed, last));
    bench.finish();
    assert_eq!(seen.lock().unwrap().frames(None), 256);
}

#[test]
fn who_gives_a_stream_up_while_another_is_refused_does_not_mean_the_next_one() {
    let (_writer, reader) = ring(48_000, 1);
    let (mut feed, _source) = StreamInflow::new(reader, BlockSize::of::<128>()).unwrap();
    let mut refused = loop {
        if let Err(reader) = feed.bring(ring(48_000, 1).1) {
            break reader;
        }
    };
    let caller = feed.caller();
    let last = format!("{:?}", caller);
    caller.abandon();
    let given_up = format!("{caller:?}");
    assert_ne!(last, given_up);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            for _ in 0..20_000 {
                caller.abandon();
                let seen = format!("{caller:?}");
                assert_eq!(seen, given_up);
            }
        });
        while !other.is_finished() {
            refused = feed.bring(*refused).unwrap_err();
        }
    });
}

#[test]
fn what_is_before_a_source_that_fails_is_lost_with_it() {
    let mut bench = Bench::new();
    let (capacity, quantum, overflow) = (Frames(16_384), Frames(128), Overflow::DropNewest);
    let config = StreamConfig { format: format(48_000, 2), capacity, quantum, overflow };
    let (mut writer, reader, gauge) = stream(config).unwrap();
    // No class of the pool holds such blocks, so that the second one is never made.
    let (_feed, source) = StreamInflow::new(reader, BlockSize::of::<4_096>()).unwrap();
    bench.flow.add_source("device", Shape::new(format(48_000, 2)), true, Box::new(source)).unwrap();
    let seen = bench.witness("sink", None, 1.0);
    bench.connect("device", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    // A block before a gap is short enough.
    write(&mut writer, 0, 128, 0);
    writer.give_up(Frames(72), LossCause::Overflow);
    write(&mut writer, 200, 8_000, 0);
    let books = bench.finish();
    assert_eq!(bench.flow.status().nodes["device"].state, State::Failed);
    // The reader is gone: nobody can be told.
    let late = writer.write(&[0.0; 2 * 128], 0);
    writer.give_up(late.rejected, LossCause::DeadModule);
    drop(writer);
    let balance = books
        .sink_balance("sink", |_| Some((Frames(128 + 72 + 8_000 + 128), vec![gauge.snapshot()])))
        .unwrap();
    assert_eq!(
        (balance.delivered, balance.in_flight, balance.unaccounted),
        (Frames(128), Frames(0), Frames(0)),
        "{balance:?}"
    );
    let dropped = (balance.dropped[LossCause::Overflow], balance.dropped[LossCause::DeadModule]);
    assert_eq!(dropped, (Frames(72), Frames(8_128)));
    assert!(seen.lock().unwrap().ended);
}
