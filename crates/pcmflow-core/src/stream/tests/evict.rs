//! Where the oldest is evicted.

use super::*;
use crate::ledger::Gap;

/// Writes `frames` frames from `offered` on, each sample stamped with its frame's number.
fn write_stamps(writer: &mut StreamWriter, offered: u64, frames: u64) -> Written {
    let channels = Frames(1).samples(writer.format().channels);
    let stamps: Vec<f32> = (offered..offered + frames).flat_map(|f| vec![f as f32; channels]).collect();
    writer.write(&stamps, offered)
}

fn gap(position: u64, frames: u64, cause: LossCause) -> Next {
    Next::Gap(Gap { position: StreamPosition(position), frames: Frames(frames), cause })
}

#[test]
fn the_writer_takes_everything_and_the_reader_meets_what_it_lost() {
    let (mut writer, mut reader, gauge) = stream(config(1, 8, 4, Overflow::EvictOldest)).unwrap();
    assert_eq!(write_stamps(&mut writer, 0, 8).accepted, Frames(8));
    assert_eq!(gauge.state(Frames(4)), BufferState::Overflowed, "the next write evicts");
    assert_eq!(write_stamps(&mut writer, 8, 4).accepted, Frames(4));
    let before = gauge.snapshot();
    assert_eq!((before.occupancy, before.evicted.total(), before.overruns), (Frames(8), Frames(4), 0));
    assert_eq!(before.imbalance(), Frames(0), "what the reader does not know of yet is evicted already");
    assert_eq!(reader.next(Frames(4)), gap(0, 4, LossCause::Overflow));
    let told = gauge.snapshot();
    assert_eq!((told.occupancy, told.evicted.total(), told.overruns), (Frames(8), Frames(4), 1));
    assert_eq!(reader.next(Frames(4)), Next::Frames { position: StreamPosition(4), frames: Frames(4) });
    // Announced frames stay, whatever is written.
    let _ = write_stamps(&mut writer, 12, 16);
    let announced = gauge.snapshot();
    assert_eq!((announced.occupancy, announced.evicted.total()), (Frames(4 + 8), Frames(4 + 12)));
    assert_eq!(announced.imbalance(), Frames(0));
    let mut out = [0.0; 4];
    assert_eq!(reader.read(&mut out), Frames(4));
    assert_eq!(out, [4.0, 5.0, 6.0, 7.0]);
    assert_eq!(reader.next(Frames(8)), gap(8, 12, LossCause::Overflow));
    assert_eq!(gauge.snapshot().overruns, 2, "frames came between the two");
    assert_eq!(reader.next(Frames(8)), Next::Frames { position: StreamPosition(20), frames: Frames(8) });
    reader.skip(Frames(8));
    assert_eq!(gauge.snapshot().imbalance(), Frames(0));
    assert_eq!(gauge.state(Frames(4)), BufferState::Empty);
}

#[test]
fn marks_inside_what_was_evicted_are_met_in_their_places() {
    let (mut writer, mut reader, gauge) = stream(config(2, 8, 4, Overflow::EvictOldest)).unwrap();
    let _ = write_stamps(&mut writer, 0, 3);
    assert!(writer.cut());
    let _ = write_stamps(&mut writer, 3, 2);
    writer.give_up(Frames(10), LossCause::Device);
    let _ = write_stamps(&mut writer, 15, 4);
    writer.cut();
    let _ = write_stamps(&mut writer, 19, 8);
    let mut timeline = Timeline::default();
    let mut met = Vec::new();
    for _ in 0..6 {
        let next = reader.next(Frames(8));
        match next {
            Next::Gap(gap) => timeline.lose(gap),
            Next::Cut(cut) => {
                assert_eq!(timeline.settle(&cut).unaccounted, Frames(0), "{cut:?}");
                met.push((next, cut.accepted));
                continue;
            }
            _ => {}
        }
        met.push((next, Frames(0)));
    }
    let met: Vec<Next> = met
        .into_iter()
        .map(
            |(next, _)| {
                if let Next::Cut(cut) = next { gap(cut.position.0, 0, LossCause::Shed) } else { next }
            },
        )
        .collect();
    let expected = [
        gap(0, 3, LossCause::Overflow),
        gap(3, 0, LossCause::Shed), // the first cut
        gap(3, 2, LossCause::Overflow),
        gap(5, 10, LossCause::Device),
        gap(15, 4, LossCause::Overflow),
        gap(19, 0, LossCause::Shed), // the second
    ];
    assert_eq!(met, expected);
    assert_eq!(reader.next(Frames(8)), Next::Frames { position: StreamPosition(19), frames: Frames(8) });
    let edge = gauge.snapshot();
    assert_eq!((edge.overruns, edge.imbalance()), (2, Frames(0)), "the device's, and one run of evictions");
    assert_eq!(edge.evicted.total() + edge.lost.total(), timeline.lost().total());
}

#[test]
fn arrival_times_outlive_evictions() {
    let (mut writer, mut reader, _) = stream(config(1, 64, 16, Overflow::EvictOldest)).unwrap();
    for n in 0..1000u64 {
        let _ = writer.write(&[0.0; 16], 5000 + n);
    }
    assert!(matches!(reader.next(Frames(64)), Next::Gap(gap) if gap.frames == Frames(1000 * 16 - 64)));
    assert!(matches!(reader.next(Frames(64)), Next::Frames { frames: Frames(64), .. }));
    let times = |reader: &mut StreamReader| [0, 15, 16, 63].map(|n| reader.arrived_ns(Frames(n)) - 5000);
    assert_eq!(times(&mut reader), [996, 996, 997, 999]);
    // Single frames overrun the store of times: those that are left are right, the others are an earlier write's.
    for n in 1000..1020u64 {
        let _ = writer.write(&[0.0; 1], 5000 + n);
    }
    let late = times(&mut reader);
    assert!(late.is_sorted() && late[3] <= 999, "{late:?}");
    reader.skip(Frames(64));
    assert!(matches!(reader.next(Frames(20)), Next::Frames { frames: Frames(20), .. }));
    assert_eq!(reader.arrived_ns(Frames(19)), 6019);
}

#[test]
fn a_reader_that_stands_still_leaves_losses_to_the_writer_when_marks_run_out() {
    let (mut writer, mut reader, gauge) = stream(config(1, 16, 16, Overflow::EvictOldest)).unwrap();
    let mut sent = 0;
    let mut dropped = Frames(0);
    for _ in 0..40 {
        let written = write_stamps(&mut writer, sent, 3);
        assert_eq!(written.rejected, Frames(0));
        dropped += written.dropped;
        writer.give_up(Frames(2), LossCause::Device);
        sent += 5;
    }
    assert!(dropped > Frames(0), "the marks did not run out");
    let edge = gauge.snapshot();
    assert_eq!((edge.imbalance(), edge.lost.total()), (Frames(0), dropped + Frames(80)));
    drop(writer);
    let mut timeline = Timeline::default();
    drain(&mut reader, &mut timeline, 16);
    assert_eq!((timeline.position(), timeline.unaccounted()), (StreamPosition(sent), Frames(0)));
    assert_eq!(told(&gauge), timeline.lost());
}

#[test]
fn without_a_reader_frames_are_the_callers() {
    let (mut writer, reader, _) = stream(config(1, 16, 16, Overflow::EvictOldest)).unwrap();
    drop(reader);
    assert!(writer.is_closed() && !writer.has_room(Frames(1)));
    assert_eq!(write_stamps(&mut writer, 0, 20).rejected, Frames(20));
}

#[test]
fn an_end_that_somebody_knows_of_is_met_behind_the_last_eviction() {
    let (mut writer, mut reader, _) = stream(config(1, 16, 16, Overflow::EvictOldest)).unwrap();
    let _ = write_stamps(&mut writer, 0, 26);
    writer.give_up(Frames(5), LossCause::Device);
    reader.end();
    assert_eq!(reader.next(Frames(16)), gap(0, 10, LossCause::Overflow));
    assert_eq!(reader.next(Frames(10)), Next::Frames { position: StreamPosition(10), frames: Frames(10) });
    reader.skip(Frames(10));
    assert_eq!(reader.next(Frames(10)), Next::Frames { position: StreamPosition(20), frames: Frames(6) });
    reader.skip(Frames(10));
    assert_eq!(reader.next(Frames(10)), gap(26, 5, LossCause::Device));
    assert_eq!(reader.next(Frames(10)), Next::End);
}

proptest! {
    /// Which frames arrive and which are evicted is what a list of all frames says: a reader that has met everything
    /// holds what it asked for, and of what is written then the last of one capacity stay.
    #[test]
    fn exactly_the_oldest_are_evicted(
        channels in 1u32..4,
        capacity in 8u64..40,
        quantum in 1u64..9,
        steps in proptest::collection::vec((0u8..8, 0u64..60), 1..80),
    ) {
        const ARRIVED: u8 = 1;
        const EVICTED: u8 = 2;
        const LOST: u8 = 3;
        let (mut writer, mut reader, gauge) =
            stream(config(channels, capacity, quantum, Overflow::EvictOldest)).unwrap();
        let capacity = gauge.capacity().0 as usize;
        let (mut expected, mut fate) = (Vec::new(), Vec::new());
        // Positions that were accepted since the reader met everything.
        let mut since: Vec<usize> = Vec::new();
        let meet = |reader: &mut StreamReader, wanted: u64, fate: &mut Vec<u8>| loop {
            assert_eq!(reader.position(), StreamPosition(fate.len() as u64));
            match reader.next(Frames(wanted)) {
                Next::Frames { position, frames } => {
                    let mut samples = vec![0.0; frames.samples(reader.format().channels)];
                    assert_eq!(reader.read(&mut samples), frames);
                    for (n, frame) in samples.chunks(channels as usize).enumerate() {
                        assert!(frame.iter().all(|sample| *sample as u64 == position.0 + n as u64));
                        fate.push(ARRIVED);
                    }
                }
                Next::Gap(gap) => {
                    let lost = if gap.cause == LossCause::Overflow { EVICTED } else { LOST };
                    fate.resize(fate.len() + gap.frames.0 as usize, lost);
                }
                Next::Cut(_) => {}
                Next::Pending | Next::End => break,
            }
        };
        let model = |since: &mut Vec<usize>, expected: &mut Vec<u8>| {
            for position in &since[..since.len().saturating_sub(capacity)] {
                expected[*position] = EVICTED;
            }
            since.clear();
        };
        for (kind, n) in steps {
            match kind {
                0..4 => {
                    let first = expected.len();
                    let written = write_stamps(&mut writer, first as u64, n);
                    // Where the marks ran out the rest of the write is lost at once, by the cause of the gap that could
                    // not be sent.
                    since.extend(first..first + written.accepted.0 as usize);
                    expected.resize(first + written.accepted.0 as usize, ARRIVED);
                    expected.resize(first + n as usize, LOST);
                }
                4 => {
                    writer.give_up(Frames(n), LossCause::Device);
                    expected.resize(expected.len() + n as usize, LOST);
                }
                5 => { writer.cut(); }
                _ => {
                    meet(&mut reader, n, &mut fate);
                    model(&mut since, &mut expected);
                }
            }
            prop_assert_eq!(gauge.snapshot().imbalance(), Frames(0));
        }
        drop(writer);
        meet(&mut reader, 16, &mut fate);
        model(&mut since, &mut expected);
        prop_assert_eq!(reader.next(Frames(1)), Next::End);
        prop_assert_eq!(fate, expected);
        prop_assert_eq!(gauge.snapshot().occupancy, Frames(0));
    }
}

/// A writer that does not wait, losses of another cause and cuts between, and a reader that is too slow.
#[test]
fn two_threads_with_a_slow_reader_tile_the_timeline() {
    for (channels, quantum) in [(1, 128), (2, 37), (3, 61)] {
        const FRAMES: u64 = 1 << 20;
        let (mut writer, mut reader, gauge) =
            stream(config(channels, 500, quantum, Overflow::EvictOldest)).unwrap();
        let thread = std::thread::spawn(move || {
            let mut block = vec![0.0; (quantum * u64::from(channels)) as usize];
            let (mut position, mut round) = (0u64, 0u64);
            while position < FRAMES {
                for (n, frame) in block.chunks_mut(channels as usize).enumerate() {
                    frame.fill((position + n as u64) as f32);
                }
                let _ = writer.write(&block, position);
                position += quantum;
                round += 1;
                if round.is_multiple_of(19) {
                    writer.give_up(Frames(round % 40), LossCause::Device);
                    position += round % 40;
                }
                if round.is_multiple_of(23) {
                    writer.cut();
                }
                if round.is_multiple_of(5) {
                    std::thread::yield_now();
                }
            }
            position
        });
        let mut timeline = Timeline::default();
        let (mut stamps_seen, mut cuts, mut rounds) = (0u64, 0, 0u64);
        loop {
            match reader.next(Frames(100 + rounds % 300)) {
                Next::Frames { position, frames } => {
                    reader.read_in_place(frames, |first, second| {
                        let samples = first.iter().chain(second);
                        for (n, sample) in samples.enumerate() {
                            assert_eq!(*sample as u64, position.0 + n as u64 / u64::from(channels));
                        }
                        stamps_seen += frames.0;
                    });
                    timeline.deliver(position, frames);
                }
                Next::Gap(gap) => timeline.lose(gap),
                Next::Cut(cut) => {
                    assert_eq!(timeline.settle(&cut).unaccounted, Frames(0), "{cut:?}");
                    cuts += 1;
                }
                Next::Pending => std::thread::yield_now(),
                Next::End => break,
            }
            rounds += 1;
            if rounds.is_multiple_of(200) {
                std::thread::sleep(std::time::Duration::from_micros(300));
            }
        }
        let end = thread.join().unwrap();
        let edge = gauge.snapshot();
        assert_eq!((edge.imbalance(), edge.occupancy), (Frames(0), Frames(0)));
        assert_eq!((timeline.position(), timeline.unaccounted()), (StreamPosition(end), Frames(0)));
        assert_eq!(told(&gauge), timeline.lost());
        assert!(edge.evicted.total() > Frames(0) && edge.overruns > 0 && cuts > 1, "nothing was evicted");
        assert_eq!(Frames(stamps_seen) + timeline.lost().total(), Frames(end));
    }
}
