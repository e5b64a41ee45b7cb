//! A stream of each policy: writes of random lengths, losses of random causes, cuts; read directly or block by block.

use crate::numbers::{Random, check, fill};
use crate::tally::{Counter, Tally, wait};
use pcmflow_core::block::{BlockSize, BufferAnalyzer, Step};
use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow_core::ledger::{Balance, CutMark, Gap, LossCause, Timeline};
use pcmflow_core::stream::*;
use std::thread;

pub(crate) fn episode(random: &mut Random, tally: &Tally) {
    let format = StreamFormat::new(48_000, 1 + random.below(3) as u32).unwrap();
    let quantum = random.size(200);
    let (_, overflow) = Overflow::ALL[random.below(Overflow::ALL.len() as u64) as usize];
    let capacity = Frames(quantum as u64 * (1 + random.below(64)));
    let config = StreamConfig { format, capacity, quantum: Frames(quantum as u64), overflow };
    let (writer, reader, gauge) = stream(config).unwrap();
    let turns = random.below(1000 + 500 * capacity.0 / quantum as u64);
    let mut for_writer = random.fork();
    let patience = if random.one_in(8) { random.below(turns + 1) } else { u64::MAX };
    let mut consumer = Consumer {
        timeline: Timeline::default(),
        channels: format.channels.get() as u64,
        evicts: overflow == Overflow::EvictOldest,
        counter: tally.counter(),
    };
    let frames_in = thread::scope(|scope| {
        let writer = scope.spawn(move || produce(writer, quantum, &mut for_writer, turns, tally));
        if random.one_in(2) {
            consumer.read(reader, &gauge, random, patience);
        } else {
            consumer.read_blocks(reader, random, patience);
        }
        writer.join().unwrap()
    });
    let (timeline, edge) = (consumer.timeline, gauge.snapshot());
    assert_eq!(edge.imbalance(), Frames::ZERO, "{edge:?}");
    assert_eq!(timeline.unaccounted(), Frames::ZERO, "{timeline:?}");
    if timeline.has_ended() {
        let balance = Balance::close(frames_in, &[edge], &timeline);
        assert_eq!((balance.unaccounted, balance.in_flight), (Frames::ZERO, Frames::ZERO), "{balance:?}");
        assert_eq!(timeline.position(), StreamPosition(frames_in.0), "gaps and frames tile the timeline");
    } else {
        assert_eq!(edge.accepted + edge.lost.total(), frames_in, "{edge:?}");
    }
}

/// Writes frames that carry their numbers; returns how many there were, lost ones included.
fn produce(
    mut writer: StreamWriter,
    quantum: usize,
    random: &mut Random,
    turns: u64,
    tally: &Tally,
) -> Frames {
    let mut counter = tally.counter();
    let channels = writer.format().channels;
    let mut samples = vec![0.0; 3 * quantum * channels.get()];
    let mut frames_in = Frames::ZERO;
    for turn in 0..turns {
        if turn % 64 == 0 && !tally.goes_on() {
            break;
        }
        let offered = Frames(random.size(3 * quantum) as u64);
        let samples = &mut samples[..offered.samples(channels)];
        fill(samples, Frames(frames_in.0).samples(channels) as u64);
        let mut rest = &samples[..];
        while !rest.is_empty() {
            // The time of a write is its place, so that the reader can check what it is told of arrivals.
            let written = writer.write(rest, writer.position().0);
            let taken = written.accepted + written.dropped;
            assert_eq!((taken + written.rejected).samples(channels), rest.len());
            rest = &rest[taken.samples(channels)..];
            counter.did(u64::from(taken > Frames::ZERO));
            if written.rejected > Frames::ZERO && (writer.is_closed() || random.one_in(8)) {
                let causes = LossCause::ALL;
                let cause = causes[random.below(causes.len() as u64) as usize];
                writer.give_up(written.rejected, cause);
                break;
            }
            if !rest.is_empty() {
                wait();
            }
        }
        frames_in += offered;
        if random.one_in(32) {
            // Lost before it reached us.
            let lost = Frames(random.below(1000));
            writer.give_up(lost, LossCause::Device);
            frames_in += lost;
        }
        if random.one_in(8) {
            counter.did(u64::from(writer.cut()));
        }
        assert_eq!(writer.position(), StreamPosition(frames_in.0));
        if writer.is_closed() {
            break;
        }
    }
    frames_in
}

struct Consumer<'a> {
    timeline: Timeline,
    channels: u64,
    evicts: bool,
    counter: Counter<'a>,
}

impl Consumer<'_> {
    fn read(&mut self, mut reader: StreamReader, gauge: &StreamGauge, random: &mut Random, patience: u64) {
        let mut out = vec![0.0; 700 * self.channels as usize];
        for _ in 0..patience {
            match reader.next(Frames(random.size(700) as u64)) {
                Next::Frames { position, frames } => {
                    // What is announced counts twice where it may be evicted.
                    let inside = gauge.occupancy();
                    assert!(self.evicts || inside <= gauge.capacity(), "{inside:?} in the ring");
                    let offset = Frames(random.below(frames.0));
                    self.arrival(position + offset, reader.arrived_ns(offset));
                    let wanted = Frames(1 + random.below(frames.0 + 3));
                    random.stumble();
                    let taken = match random.below(8) {
                        0 => reader.skip(wanted),
                        1..4 => {
                            let samples = (wanted.0 * self.channels) as usize;
                            let end = samples.min(out.len());
                            let taken = reader.read(&mut out[..end]);
                            self.frames(position, &out[..(taken.0 * self.channels) as usize], &[]);
                            taken
                        }
                        _ => {
                            reader.read_in_place(wanted, |first, second| self.frames(position, first, second))
                        }
                    };
                    self.deliver(position, taken);
                }
                Next::Gap(gap) => self.gap(gap),
                Next::Cut(cut) => self.cut(&cut),
                Next::Pending => wait(),
                Next::End => return self.timeline.end(),
                next => panic!("{next:?} in a stream that has none"),
            }
            assert_eq!(reader.position(), self.timeline.position());
        }
    }

    fn read_blocks(&mut self, reader: StreamReader, random: &mut Random, patience: u64) {
        let size = BlockSize::new(Frames(128 * (1 + random.below(4)))).unwrap();
        let mut analyzer = BufferAnalyzer::new(reader, size);
        for _ in 0..patience {
            match analyzer.step() {
                Step::Block(mut block) => {
                    let (position, last) = (block.position(), block.frames() - Frames(1));
                    let (oldest, newest) = block.arrived_ns();
                    self.arrival(position, oldest);
                    self.arrival(position + last, newest);
                    // A block that is dropped comes again.
                    if !random.one_in(16) {
                        let taken = block.read_in_place(|first, second| self.frames(position, first, second));
                        self.deliver(position, taken);
                    }
                }
                Step::Gap(gap) => self.gap(gap),
                Step::Cut(cut) => self.cut(&cut),
                Step::Pending => wait(),
                Step::End => return self.timeline.end(),
                step => panic!("{step:?} in a stream that has none"),
            }
        }
    }

    fn arrival(&self, position: StreamPosition, arrived: u64) {
        // A write's time is its first frame's place. Answers may be too early (few slots for many small writes), never late.
        assert!(arrived <= position.0, "the frame at {position:?} came with a write at {arrived}");
    }

    fn frames(&self, position: StreamPosition, first: &[f32], second: &[f32]) {
        let number = position.0 * self.channels;
        check(first, number);
        check(second, number + first.len() as u64);
    }

    fn deliver(&mut self, position: StreamPosition, frames: Frames) {
        self.timeline.deliver(position, frames);
        self.counter.did(1);
    }

    fn gap(&mut self, gap: Gap) {
        assert!(gap.frames > Frames::ZERO);
        self.timeline.lose(gap);
        self.counter.did(1);
    }

    fn cut(&mut self, cut: &CutMark) {
        let settled = self.timeline.settle(cut);
        assert_eq!(settled.unaccounted, Frames::ZERO, "{cut:?} against {:?}", self.timeline);
        self.counter.did(1);
    }
}
