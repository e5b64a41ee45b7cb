use super::*;
use crate::format::StreamPosition;
use crate::ledger::{LossCause, Losses, Timeline};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

mod evict;

fn config(channels: u32, capacity: u64, quantum: u64, overflow: Overflow) -> StreamConfig {
    let format = StreamFormat::new(48_000, channels).unwrap();
    StreamConfig { format, capacity: Frames(capacity), quantum: Frames(quantum), overflow }
}

#[test]
fn an_empty_stream_is_refused_as_such() {
    let format = StreamFormat::new(48_000, 1).unwrap();
    for (quantum, needed) in [(0, 1), (128, 128)] {
        let overflow = Overflow::Reject;
        let config = StreamConfig { format, capacity: Frames(0), quantum: Frames(quantum), overflow };
        let error = stream(config).unwrap_err();
        assert_eq!(error, StreamError::Empty { quantum: Frames(needed) });
        assert!(std::format!("{error}").contains(&std::format!("here {needed} frames")), "{error}");
    }
}

#[test]
fn a_quantum_must_fit() {
    for (capacity, quantum) in [(128, 0), (128, 129)] {
        let refused = stream(config(1, capacity, quantum, Overflow::Reject)).map(|_| ()).unwrap_err();
        assert_eq!(refused, StreamError::Quantum { quantum: Frames(quantum), capacity: Frames(capacity) });
    }
}

#[test]
fn overflow_policies_have_names() {
    for (name, policy) in Overflow::ALL.iter().copied() {
        assert_eq!(name.parse(), Ok(policy));
        assert_eq!(std::format!("{policy}"), name);
    }
    assert_eq!("evict".parse::<Overflow>(), Err(StreamError::UnknownOverflow));
}

#[test]
fn absurd_losses_saturate() {
    let (mut writer, _reader, gauge) = stream(config(1, 256, 128, Overflow::Reject)).unwrap();
    // A driver that reports an xrun of −48 frames.
    writer.give_up(Frames(-48i64 as u64), LossCause::Device);
    writer.give_up(Frames(128), LossCause::Device);
    let _ = writer.write(&[0.0; 128], 0);
    writer.cut();
    assert_eq!(gauge.snapshot().lost[LossCause::Device], Frames(u64::MAX));
}

#[test]
fn reject_hands_the_rest_back_and_posts_nothing_until_it_is_given_up() {
    let (mut writer, mut reader, gauge) = stream(config(2, 256, 128, Overflow::Reject)).unwrap();
    let written = writer.write(&vec![0.5; 2 * 300], 0);
    assert_eq!((written.accepted, written.dropped, written.rejected), (Frames(256), Frames(0), Frames(44)));
    assert_eq!(gauge.state(Frames(128)), BufferState::Overflowed);
    assert_eq!(gauge.snapshot().lost.total(), Frames(0));
    writer.give_up(Frames(40), LossCause::Deadline);
    assert_eq!(writer.position(), StreamPosition(296));
    assert_eq!(reader.next(Frames(512)), Next::Frames { position: StreamPosition(0), frames: Frames(256) });
    reader.skip(Frames(256));
    assert_eq!(
        reader.next(Frames(1)),
        Next::Pending,
        "the gap is told when a frame follows it, or at the end"
    );
    drop(writer);
    let Next::Gap(gap) = reader.next(Frames(1)) else { panic!("no gap") };
    assert_eq!((gap.position, gap.frames, gap.cause), (StreamPosition(256), Frames(40), LossCause::Deadline));
    assert!(matches!(reader.next(Frames(1)), Next::Cut(cut) if cut.position == StreamPosition(296)));
    assert_eq!(reader.next(Frames(1)), Next::End);
}

#[test]
fn one_overrun_however_long_and_a_cut_does_not_make_it_two() {
    let (mut writer, mut reader, gauge) = stream(config(1, 128, 128, Overflow::DropNewest)).unwrap();
    for n in 0..3 {
        let _ = writer.write(&[0.0; 128], 0);
        assert!(writer.cut() || n == 2, "there is room for two cuts");
    }
    assert_eq!((gauge.snapshot().overruns, gauge.snapshot().lost.total()), (1, Frames(256)));
    reader.next(Frames(128));
    reader.skip(Frames(128));
    let _ = writer.write(&[0.0; 256], 0);
    assert_eq!(gauge.snapshot().overruns, 2);
}

#[test]
fn arrival_times_are_those_of_the_write_that_brought_the_frame() {
    let (mut writer, mut reader, _) = stream(config(1, 1024, 128, Overflow::Reject)).unwrap();
    for n in 0..8 {
        let _ = writer.write(&[0.0; 128], 1000 + n);
    }
    reader.next(Frames(300));
    assert_eq!((reader.arrived_ns(Frames(0)), reader.arrived_ns(Frames(299))), (1000, 1002));
    reader.skip(Frames(300));
    assert_eq!(
        (reader.arrived_ns(Frames(0)), reader.arrived_ns(Frames(83)), reader.arrived_ns(Frames(84))),
        (1002, 1002, 1003)
    );
}

#[test]
fn tiny_writes_that_exhaust_the_marks_lose_no_count() {
    let (mut writer, mut reader, gauge) = stream(config(1, 64, 64, Overflow::DropNewest)).unwrap();
    let mut timeline = Timeline::default();
    let mut sent = 0u64;
    for round in 0..200 {
        // Loss, acceptance, loss …: one gap per accepted frame, far more than the store of marks is meant for.
        sent += 1;
        let _ = writer.write(&[0.0], 0);
        writer.give_up(Frames(1), if round % 2 == 0 { LossCause::Shed } else { LossCause::Device });
        sent += 1;
    }
    assert_eq!(writer.position(), StreamPosition(sent));
    drop(writer);
    drain(&mut reader, &mut timeline, 64);
    assert_eq!(timeline.position(), StreamPosition(sent));
    assert_eq!(timeline.unaccounted(), Frames(0));
    assert_eq!(timeline.lost(), gauge.snapshot().lost);
}

#[test]
fn many_cuts_inside_a_block_leave_room_for_gaps() {
    let (mut writer, mut reader, _) = stream(config(1, 512, 128, Overflow::DropNewest)).unwrap();
    for _ in 0..30 {
        let _ = writer.write(&[0.0], 0);
        writer.cut();
    }
    writer.give_up(Frames(1), LossCause::Device);
    assert_eq!(writer.write(&[0.0; 128], 0).accepted, Frames(128));
    assert!(matches!(reader.next(Frames(512)), Next::Frames { .. }), "the gap ends the block");
}

#[test]
fn a_writer_taken_for_gone_leaves_its_last_loss_to_the_reader() {
    let (mut writer, mut reader, gauge) = stream(config(1, 128, 128, Overflow::DropNewest)).unwrap();
    let _ = writer.write(&[0.0; 128], 0);
    let _ = writer.write(&[0.0; 256], 0);
    let mut timeline = Timeline::default();
    drain(&mut reader, &mut timeline, 128);
    assert_eq!(timeline.lost().total(), Frames(0), "not told yet");
    reader.end();
    drain(&mut reader, &mut timeline, 128);
    assert_eq!(timeline.lost(), gauge.snapshot().lost);
    assert_eq!((timeline.position(), timeline.unaccounted()), (StreamPosition(384), Frames(0)));
    assert_eq!(reader.next(Frames(128)), Next::End);
}

#[test]
fn a_writer_taken_for_gone_that_comes_back_tells_its_last_loss_once() {
    for overflow in [Overflow::DropNewest, Overflow::EvictOldest] {
        // Dropped before or after the reader has told of the loss from the books.
        for told_first in [false, true] {
            let (mut writer, mut reader, gauge) = stream(config(1, 128, 128, overflow)).unwrap();
            let _ = writer.write(&[0.0; 128], 0);
            writer.give_up(Frames(100), LossCause::Device);
            let mut timeline = Timeline::default();
            reader.end();
            let mut writer = Some(writer);
            if told_first {
                drain(&mut reader, &mut timeline, 128);
                assert_eq!(timeline.position(), StreamPosition(228), "{overflow}");
            }
            writer.take();
            drain(&mut reader, &mut timeline, 128);
            assert_eq!(
                (timeline.position(), timeline.unaccounted()),
                (StreamPosition(228), Frames(0)),
                "{overflow}"
            );
            assert_eq!(timeline.lost(), gauge.snapshot().lost, "{overflow}");
        }
    }
}

/// What was lost in the edge, by its books: given up by the writer, or evicted.
fn told(gauge: &StreamGauge) -> Losses {
    let edge = gauge.snapshot();
    let mut losses = edge.lost;
    for (cause, frames) in edge.evicted.iter() {
        losses[cause] += frames;
    }
    losses
}

/// Reads to the end (or to where nothing is there yet), entering everything; checks every cut on the way.
fn drain(reader: &mut StreamReader, timeline: &mut Timeline, wanted: u64) -> Vec<f32> {
    let mut out = Vec::new();
    loop {
        match reader.next(Frames(wanted)) {
            Next::Frames { position, frames } => {
                assert!(frames > Frames::ZERO, "no frame was announced");
                let mut samples = vec![0.0; frames.samples(reader.format().channels)];
                assert_eq!(reader.read(&mut samples), frames);
                out.extend(samples);
                timeline.deliver(position, frames);
            }
            Next::Gap(gap) => timeline.lose(gap),
            Next::Cut(cut) => assert_eq!(timeline.settle(&cut).unaccounted, Frames(0)),
            Next::Pending | Next::End => return out,
        }
    }
}

proptest! {
    /// Frames stamped with their number; whatever is written, lost, cut and read, what arrives and the gaps tile the
    /// timeline, by the stamps and not by our counters.
    #[test]
    fn stamped_frames_and_gaps_tile_the_timeline(
        channels in 1u32..4,
        capacity in 8u64..80,
        quantum in 1u64..9,
        policy in 0..Overflow::ALL.len(),
        steps in proptest::collection::vec((0u8..8, 0u64..40), 1..80),
    ) {
        let overflow = Overflow::ALL[policy].1;
        let (mut writer, mut reader, gauge) = stream(config(channels, capacity, quantum, overflow)).unwrap();
        // What became of each frame, by its stamp: 1 arrived, 2 in a gap.
        let mut fate: Vec<u8> = Vec::new();
        let mut timeline = Timeline::default();
        let mut offered = 0u64;
        let mut settle = |reader: &mut StreamReader, wanted: u64, fate: &mut Vec<u8>| {
            loop {
                match reader.next(Frames(wanted)) {
                    Next::Frames { position, frames } => {
                        assert!(frames > Frames::ZERO, "no frame was announced");
                        let mut samples = vec![0.0; frames.samples(reader.format().channels)];
                        reader.read(&mut samples);
                        for (index, frame) in samples.chunks(channels as usize).enumerate() {
                            for sample in frame { assert_eq!(*sample as u64, position.0 + index as u64); }
                            fate[frame[0] as usize] += 1;
                        }
                        timeline.deliver(position, frames);
                    }
                    Next::Gap(gap) => {
                        for slot in &mut fate[gap.position.0 as usize..gap.end().0 as usize] { *slot += 2; }
                        timeline.lose(gap);
                    }
                    Next::Cut(cut) => assert_eq!(timeline.settle(&cut).unaccounted, Frames(0)),
                    Next::Pending | Next::End => break,
                }
            }
        };
        for (kind, n) in steps {
            match kind {
                0..4 => {
                    let stamps: Vec<f32> = (offered..offered + n).flat_map(|f| vec![f as f32; channels as usize]).collect();
                    fate.resize((offered + n) as usize, 0);
                    let written = writer.write(&stamps, 0);
                    prop_assert_eq!(written.accepted + written.dropped + written.rejected, Frames(n));
                    prop_assert!(overflow == Overflow::Reject || written.rejected == Frames(0));
                    writer.give_up(written.rejected, LossCause::Overflow);
                    offered += n;
                }
                4 => {
                    fate.resize((offered + n) as usize, 0);
                    writer.give_up(Frames(n), LossCause::Device);
                    offered += n;
                }
                5 => { writer.cut(); }
                _ => settle(&mut reader, n, &mut fate),
            }
            prop_assert_eq!(writer.position(), StreamPosition(offered));
            prop_assert_eq!(gauge.snapshot().imbalance(), Frames(0));
        }
        drop(writer);
        settle(&mut reader, 16, &mut fate);
        prop_assert_eq!(reader.next(Frames(1)), Next::End);
        prop_assert!(fate.iter().all(|f| *f == 1 || *f == 2), "each frame arrived once or lies in one gap: {:?}", fate);
        prop_assert_eq!(timeline.lost(), told(&gauge));
        prop_assert_eq!(timeline.position(), StreamPosition(offered));
    }
}

/// The same on two threads, where order of visibility matters.
#[test]
fn two_threads_tile_the_timeline() {
    let (mut writer, mut reader, gauge) = stream(config(1, 512, 128, Overflow::DropNewest)).unwrap();
    const FRAMES: u64 = 1 << 21;
    let thread = std::thread::spawn(move || {
        let mut position = 0u64;
        while position < FRAMES {
            let stamps: [f32; 128] = core::array::from_fn(|n| (position + n as u64) as f32);
            let _ = writer.write(&stamps, position);
            position += 128;
            if position.is_multiple_of(128 * 50) {
                writer.cut();
            }
            if position.is_multiple_of(128 * 7) {
                std::thread::yield_now();
            }
        }
    });
    let mut timeline = Timeline::default();
    let mut stamps_seen = 0u64;
    loop {
        match reader.next(Frames(256)) {
            Next::Frames { position, frames } => {
                assert!(frames > Frames::ZERO, "no frame was announced");
                reader.read_in_place(frames, |first, second| {
                    for (n, sample) in first.iter().chain(second).enumerate() {
                        assert_eq!(*sample as u64, position.0 + n as u64);
                        stamps_seen += 1;
                    }
                });
                timeline.deliver(position, frames);
            }
            Next::Gap(gap) => timeline.lose(gap),
            Next::Cut(cut) => assert_eq!(timeline.settle(&cut).unaccounted, Frames(0)),
            Next::Pending => std::thread::yield_now(),
            Next::End => break,
        }
    }
    thread.join().unwrap();
    let edge = gauge.snapshot();
    assert_eq!(edge.imbalance(), Frames(0));
    assert_eq!(timeline.position(), StreamPosition(FRAMES));
    assert_eq!(timeline.unaccounted(), Frames(0));
    assert_eq!(timeline.lost(), edge.lost);
    assert_eq!(Frames(stamps_seen) + edge.lost.total(), Frames(FRAMES));
}
