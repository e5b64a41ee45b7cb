//! Chunks of a pool fanned out to several consumers by clone: links that fill, gaps and cuts in band, look-ups by name,
//! consumers that keep, copy and throw out; the pool grows and gives back meanwhile.

use crate::numbers::{Random, check, fill};
use crate::pool::{Working, any_miss, at_rest, control, small_pool};
use crate::tally::{Tally, join, wait};
use pcmflow_core::chunk::*;
use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow_core::ledger::{CutMark, Gap, LossCause, Losses, Timeline};
use pcmflow_core::pool::*;
use pcmflow_core::ring::{CircularBuffer, Consumer, Producer};
use pcmflow_core::stream::Mark;
use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::thread;

/// What a name stands for: the number of its first sample, and how many there are.
type Named = (BufferId, u64, usize);

pub(crate) fn episode(random: &mut Random, tally: &Tally) {
    let pool = small_pool(random);
    let format = StreamFormat::new(48_000, 1 + random.below(2) as u32).unwrap();
    let links: Vec<_> = (0..1 + random.below(3))
        .map(|_| {
            let packets = random.size(32);
            let evicts = random.one_in(2);
            let make = if evicts { AudioRingBuffer::evicting_oldest } else { AudioRingBuffer::with_capacity };
            make(packets).unwrap().split()
        })
        .collect();
    let (names_in, names_out) = CircularBuffer::with_capacity(random.size(64)).unwrap().split();
    let (producers, consumers): (Vec<_>, Vec<_>) = links.into_iter().unzip();
    let turns = random.below(20_000);
    let working = AtomicU64::new(2 + consumers.len() as u64);
    let ends: Vec<(Timeline, Frames)> = thread::scope(|scope| {
        let (pool, working) = (&pool, &working);
        let random_of = [random.fork(), random.fork()];
        let [mut for_source, mut for_names] = random_of;
        let source = scope.spawn(move || {
            let _working = Working(working);
            produce(pool, format, producers, names_in, &mut for_source, turns, tally)
        });
        let names = scope.spawn(move || {
            let _working = Working(working);
            look_up(pool, names_out, &mut for_names, tally);
        });
        let consumers: Vec<_> = consumers
            .into_iter()
            .map(|consumer| {
                let mut random = random.fork();
                scope.spawn(move || {
                    let _working = Working(working);
                    consume(consumer, &mut random, tally)
                })
            })
            .collect();
        control(pool, working, random, tally);
        join(vec![names]);
        let end = join(vec![source])[0];
        join(consumers).into_iter().map(|timeline| (timeline, end)).collect()
    });
    for (timeline, end) in ends {
        assert_eq!(timeline.unaccounted(), Frames::ZERO, "{timeline:?}");
        assert_eq!(timeline.delivered() + timeline.lost().total(), end, "{timeline:?}");
    }
    at_rest(&pool);
}

/// One consumer as the source sees it.
struct Branch {
    link: ChunkProducer,
    /// What it was not sent, and was not told of yet.
    untold: Option<Gap>,
    /// The books of what went into the link, and of what its marks told.
    accepted: Frames,
    lost: Losses,
}

impl Branch {
    /// Sends the mark of what was lost; false when there is no room for it.
    fn tell(&mut self) -> bool {
        let Some(gap) = self.untold else { return true };
        let told = self.link.mark(Mark::Gap(gap)).is_ok();
        if told {
            self.lost[gap.cause] += gap.frames;
            self.untold = None;
        }
        told
    }

    /// Sends a cut, behind the mark of what was lost; false when there is no room for it.
    fn cut(&mut self) -> bool {
        // Told first: the books count it, as the mark stands before the cut.
        if !self.tell() {
            return false;
        }
        let position = StreamPosition((self.accepted + self.lost.total()).0);
        let cut = CutMark { position, accepted: self.accepted, lost: self.lost };
        self.link.mark(Mark::Cut(cut)).is_ok()
    }

    /// Sends a chunk, or notes that it was lost; true when it went.
    fn send(&mut self, mut chunk: AudioChunk, random: &mut Random) -> bool {
        loop {
            if self.tell() {
                let frames = chunk.frames();
                match self.link.push(chunk) {
                    Ok(()) => {
                        self.accepted += frames;
                        return true;
                    }
                    Err(refused) => chunk = refused.into_inner(),
                }
            }
            if random.one_in(4) {
                let gap = self.untold.get_or_insert(Gap {
                    position: chunk.position(),
                    frames: Frames::ZERO,
                    cause: LossCause::Overflow,
                });
                gap.frames += chunk.frames();
                return false;
            }
            wait();
        }
    }
}

/// Returns the frames of the whole stream.
fn produce(
    pool: &BufferRecyclingPool,
    format: StreamFormat,
    links: Vec<ChunkProducer>,
    mut names: Producer<Named>,
    random: &mut Random,
    turns: u64,
    tally: &Tally,
) -> Frames {
    let mut counter = tally.counter();
    let channels = format.channels.get();
    let branch = |link| Branch { link, untold: None, accepted: Frames::ZERO, lost: Losses::default() };
    let mut branches: Vec<Branch> = links.into_iter().map(branch).collect();
    let mut position = StreamPosition::START;
    for sequence in 0..turns {
        if sequence % 64 == 0 && !tally.goes_on() {
            break;
        }
        let samples = random.size(256 / channels) * channels;
        let mut buffer = loop {
            match pool.acquire(samples, any_miss(random)) {
                Ok(buffer) => break buffer,
                Err(_) => wait(),
            }
        };
        let _ = buffer.resize(samples, 0.0);
        let first = position.0 * channels as u64;
        fill(&mut buffer, first);
        let meta = ChunkMeta { format, position, sequence, timestamp_ns: sequence, complete_ns: sequence };
        let chunk = AudioChunk::new(buffer.into_shared(), meta).unwrap();
        let _ = names.push((chunk.buffer().id(), first, samples));
        position += chunk.frames();
        counter.did(1);
        for branch in &mut branches {
            // A clone, and a push where it went.
            counter.did(1 + u64::from(branch.send(chunk.clone(), random)));
            if random.one_in(8) {
                counter.did(u64::from(branch.cut()));
            }
        }
    }
    for branch in &mut branches {
        // The last packet is a cut: all that the link carried is settled, unless it is thrown out.
        while !branch.cut() {
            wait();
        }
    }
    Frames(position.0)
}

/// Looks names up, old ones too: each leads to its own samples or to nothing.
fn look_up(pool: &BufferRecyclingPool, mut names: Consumer<Named>, random: &mut Random, tally: &Tally) {
    let mut counter = tally.counter();
    let mut known: VecDeque<Named> = VecDeque::new();
    loop {
        let closed = names.is_closed();
        match names.pop() {
            Some(name) => known.push_back(name),
            None if closed => break,
            None => wait(),
        }
        if known.len() > 64 {
            known.pop_front();
        }
        if known.is_empty() {
            continue;
        }
        let (id, first, len) = known[random.below(known.len() as u64) as usize];
        if let Some(found) = pool.upgrade(id) {
            random.stumble();
            assert_eq!(found.len(), len, "a name led to another life");
            check(&found, first);
            counter.did(1);
        }
    }
}

fn consume(mut link: ChunkConsumer, random: &mut Random, tally: &Tally) -> Timeline {
    let mut counter = tally.counter();
    let mut timeline = Timeline::default();
    let mut sequence = 0;
    let mut kept: VecDeque<AudioChunk> = VecDeque::new();
    loop {
        let closed = link.is_closed();
        if random.one_in(2048) {
            link.clear(LossCause::Shed, |gap| timeline.lose(gap));
        }
        match link.pop() {
            Some(Packet::Chunk(chunk)) => {
                assert!(chunk.sequence() >= sequence, "out of order");
                sequence = chunk.sequence() + 1;
                checked(&chunk);
                timeline.deliver(chunk.position(), chunk.frames());
                counter.did(1);
                match random.below(8) {
                    0..3 => kept.push_back(chunk),
                    3 => overwrite(chunk, random),
                    4 => {
                        if let Ok(unique) = chunk.into_buffer().try_unique() {
                            counter.did(1);
                            drop(unique);
                        }
                    }
                    _ => drop(chunk),
                }
            }
            Some(Packet::Mark(Mark::Gap(gap))) => {
                timeline.lose(gap);
                counter.did(1);
            }
            Some(Packet::Mark(Mark::Cut(cut))) => {
                let settled = timeline.settle(&cut);
                assert_eq!(settled.unaccounted, Frames::ZERO, "{cut:?} {timeline:?}");
                counter.did(1);
            }
            Some(packet) => panic!("{packet:?} was never sent"),
            None if closed => break,
            None => wait(),
        }
        // What was kept is still what it was.
        while kept.len() as u64 > random.below(16) {
            kept.pop_front().iter().for_each(checked);
            counter.did(1);
        }
    }
    let books = link.snapshot();
    assert_eq!(books.imbalance(), Frames::ZERO, "{books:?}");
    assert_eq!(books.popped, timeline.delivered(), "{books:?}");
    assert_eq!(timeline.unaccounted(), Frames::ZERO, "{timeline:?}");
    timeline
}

fn checked(chunk: &AudioChunk) {
    check(chunk.samples(), chunk.position().0 * chunk.channels().get() as u64);
}

/// Writes into a chunk of one's own: the other consumers see nothing of it.
fn overwrite(chunk: AudioChunk, random: &mut Random) {
    let first = chunk.position().0 * chunk.channels().get() as u64;
    let mut buffer = chunk.into_buffer();
    if let Ok(samples) = buffer.make_mut(any_miss(random)) {
        check(samples, first);
        fill(samples, u64::MAX / 2);
        random.stumble();
        check(samples, u64::MAX / 2);
    }
}
