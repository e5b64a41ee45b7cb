//! Streams: three rings and the order between them.

use super::explore;
use loom::thread;
use pcmflow_core::format::{Frames, StreamFormat};
use pcmflow_core::ledger::{LossCause, Timeline};
use pcmflow_core::stream::{Next, Overflow, StreamConfig, StreamReader, stream};

/// Takes what comes next, and enters it; false when nothing does.
fn meet(reader: &mut StreamReader, timeline: &mut Timeline) -> bool {
    match reader.next(Frames(2)) {
        Next::Frames { position, frames } => {
            let mut out = [-1.0; 2];
            assert_eq!(reader.read(&mut out[..frames.0 as usize]), frames);
            for (n, sample) in out[..frames.0 as usize].iter().enumerate() {
                assert_eq!(*sample as u64, position.0 + n as u64);
            }
            timeline.deliver(position, frames);
        }
        Next::Gap(gap) => timeline.lose(gap),
        Next::Cut(cut) => assert_eq!(timeline.settle(&cut).unaccounted, Frames(0), "{cut:?}"),
        _ => return false,
    }
    true
}

#[test]
fn frames_evictions_gaps_and_cuts_tile_the_timeline() {
    explore("stream, evicting, a gap and a cut among five frames through two places", 2, || {
        let config = StreamConfig {
            format: StreamFormat::new(48_000, 1).unwrap(),
            capacity: Frames(2),
            quantum: Frames(2),
            overflow: Overflow::EvictOldest,
        };
        let (mut writer, mut reader, gauge) = stream(config).unwrap();
        let thread = thread::spawn(move || {
            let _ = writer.write(&[0.0, 1.0], 0);
            writer.give_up(Frames(1), LossCause::Device);
            let _ = writer.write(&[3.0], 1);
            writer.cut();
            let _ = writer.write(&[4.0, 5.0], 2);
        });
        let mut timeline = Timeline::default();
        for _ in 0..2 {
            meet(&mut reader, &mut timeline);
        }
        thread.join().unwrap();
        while meet(&mut reader, &mut timeline) {}
        assert_eq!((timeline.position().0, timeline.unaccounted()), (6, Frames(0)));
        let edge = gauge.snapshot();
        assert_eq!((edge.imbalance(), edge.occupancy), (Frames(0), Frames(0)));
    });
}

/// A source that hung in a read and was given up returns from it: its writer tells of its last loss, as the reader does.
#[test]
fn a_writer_that_was_taken_for_gone_comes_back() {
    for overflow in [Overflow::DropNewest, Overflow::EvictOldest] {
        explore("stream, its writer taken for gone and dropped", None, move || {
            let config = StreamConfig {
                format: StreamFormat::new(48_000, 1).unwrap(),
                capacity: Frames(1),
                quantum: Frames(1),
                overflow,
            };
            let (mut writer, mut reader, gauge) = stream(config).unwrap();
            let _ = writer.write(&[0.0], 0);
            writer.give_up(Frames(1), LossCause::Device);
            let thread = thread::spawn(move || drop(writer));
            reader.end();
            let mut timeline = Timeline::default();
            while meet(&mut reader, &mut timeline) {}
            thread.join().unwrap();
            // What came behind the end was told already.
            while meet(&mut reader, &mut timeline) {}
            assert_eq!((timeline.position().0, timeline.unaccounted()), (2, Frames(0)));
            assert_eq!(gauge.snapshot().imbalance(), Frames(0));
        });
    }
}
