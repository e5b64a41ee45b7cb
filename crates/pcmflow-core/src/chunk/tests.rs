//! Both kinds of link: books, marks, ends; and the one that evicts beside a naive model and on real threads.

use super::*;
use crate::format::{FormatError, Frames, StreamFormat, StreamPosition};
use crate::ledger::{CutMark, Gap, LossCause, Losses, Timeline};
use crate::pool::{BufferRecyclingPool, ClassConfig, Miss, PoolConfig};
use crate::ring::PushError;
use crate::stream::Mark;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

fn chunk(pool: &BufferRecyclingPool, sequence: u64, frames: usize) -> AudioChunk {
    let mut buffer = pool.acquire(frames, Miss::Grow).unwrap();
    let _ = buffer.resize(frames, sequence as f32);
    let (format, position) = (StreamFormat::new(48_000, 1).unwrap(), StreamPosition(sequence * 100));
    let meta = ChunkMeta { format, position, sequence, timestamp_ns: 0, complete_ns: 0 };
    AudioChunk::new(buffer.into_shared(), meta).unwrap()
}

#[test]
fn partial_frames_make_no_chunk() {
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    let mut buffer = pool.acquire(256, Miss::Grow).unwrap();
    let _ = buffer.resize(255, 0.0);
    let (format, position) = (StreamFormat::new(48_000, 2).unwrap(), StreamPosition(0));
    let meta = ChunkMeta { format, position, sequence: 0, timestamp_ns: 0, complete_ns: 0 };
    assert!(AudioChunk::new(buffer.into_shared(), meta).is_err());
}

/// A third of the frames of its source, as a resampler from 48 to 16 kHz makes it.
fn thinned(pool: &BufferRecyclingPool, sequence: u64) -> AudioChunk {
    let whole = chunk(pool, sequence, 100);
    let format = StreamFormat::new(16_000, 64).unwrap();
    let meta = ChunkMeta { format, ..*whole.meta() };
    let mut buffer = pool.acquire(64 * 33, Miss::Grow).unwrap();
    let _ = buffer.resize(64 * 33, 0.0);
    AudioChunk::spanning(buffer.into_shared(), meta, Frames(100)).unwrap()
}

#[test]
fn books_and_gaps_are_in_frames_of_the_source() {
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    let links = [AudioRingBuffer::with_capacity(4).unwrap(), AudioRingBuffer::evicting_oldest(4).unwrap()];
    for (link, evicted) in links.into_iter().zip([0, 100]) {
        let (mut producer, mut consumer) = link.split();
        for sequence in 0..5 {
            // The first kind hands the last one back.
            let _ = producer.push(thinned(&pool, sequence));
        }
        let edge = consumer.snapshot();
        assert_eq!((edge.occupancy, edge.evicted.total()), (Frames(400), Frames(evicted)));
        assert_eq!(edge.imbalance(), Frames(0));
        if let Some(Packet::Mark(Mark::Gap(gap))) = consumer.peek() {
            assert_eq!((gap.position, gap.frames), (StreamPosition(0), Frames(evicted)));
            consumer.pop();
        }
        let Some(Packet::Chunk(chunk)) = consumer.pop() else { panic!("no chunk") };
        assert_eq!((chunk.position(), chunk.end()), (StreamPosition(evicted), StreamPosition(evicted + 100)));
        assert_eq!((chunk.frames(), chunk.span()), (Frames(33), Frames(100)));
        assert_eq!(chunk.meta().format, StreamFormat::new(16_000, 64).unwrap());
        assert_eq!(chunk.duration_ns(), 2_062_500);
        let mut gaps = Vec::new();
        consumer.clear(LossCause::Shed, |gap| gaps.push(gap.frames.0));
        assert_eq!(gaps, [100, 100, 100]);
        assert_eq!(consumer.snapshot().imbalance(), Frames(0));
    }
    let meta = *thinned(&pool, 0).meta();
    let refused = AudioChunk::spanning(thinned(&pool, 0).into_buffer(), meta, Frames(1 << 32));
    assert_eq!(refused.unwrap_err(), FormatError::Span { frames: 1 << 32 });
}

#[test]
fn books_counts_and_pressure() {
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    let link = AudioRingBuffer::with_capacity(4).unwrap().with_threshold_percent(50);
    let gauge = link.gauge();
    let (mut producer, mut consumer) = link.split();
    let gap = Gap { position: StreamPosition(150), frames: Frames(50), cause: LossCause::Overflow };
    producer.push(chunk(&pool, 0, 100)).unwrap();
    producer.push(chunk(&pool, 1, 50)).unwrap();
    assert!(!producer.is_pressed());
    producer.mark(Mark::Gap(gap)).unwrap();
    assert!(producer.is_pressed() && producer.has_room());
    producer.push(chunk(&pool, 2, 100)).unwrap();
    assert!(matches!(producer.push(chunk(&pool, 3, 100)), Err(PushError::Full(c)) if c.sequence() == 3));
    assert!(matches!(producer.mark(Mark::Gap(gap)), Err(PushError::Full(_))));
    assert_eq!((gauge.occupancy(), gauge.capacity(), gauge.usage()), (4, 4, 1.0));

    assert!(matches!(consumer.pop(), Some(Packet::Chunk(c)) if c.sequence() == 0));
    let edge = consumer.snapshot();
    assert_eq!((edge.accepted, edge.popped, edge.occupancy), (Frames(250), Frames(100), Frames(150)));
    assert_eq!(edge.imbalance(), Frames(0));

    let mut gaps = Vec::new();
    consumer.clear(LossCause::Shed, |gap| gaps.push((gap.position.0, gap.frames.0, gap.cause)));
    let expected = [(100, 50, LossCause::Shed), (150, 50, LossCause::Overflow), (200, 100, LossCause::Shed)];
    assert_eq!(gaps, expected);
    let edge = consumer.snapshot();
    assert_eq!((edge.evicted[LossCause::Shed], edge.imbalance()), (Frames(150), Frames(0)));
    assert_eq!(gauge.stats(), LinkStats { pushes: 3, rejected: 1, evictions: 0, pops: 1, drops: 2 });

    drop(consumer);
    assert!(producer.is_closed());
    assert!(matches!(producer.push(chunk(&pool, 4, 1)), Err(PushError::Closed(_))));
    assert!(matches!(producer.mark(Mark::Gap(gap)), Err(PushError::Closed(_))));
}

#[test]
fn cuts_behind_what_was_cleared_settle() {
    for link in [AudioRingBuffer::with_capacity(4).unwrap(), AudioRingBuffer::evicting_oldest(4).unwrap()] {
        let pool = pool_of(8);
        let (mut producer, mut consumer) = link.split();
        let mut timeline = Timeline::default();
        producer.push(stamped(&pool, 0, 0, 100)).unwrap();
        consumer.clear(LossCause::Shed, |gap| timeline.lose(gap));
        producer.push(stamped(&pool, 1, 100, 50)).unwrap();
        let books = CutMark { position: StreamPosition(150), accepted: Frames(150), lost: Losses::default() };
        producer.mark(Mark::Cut(books)).unwrap();
        let Some(Packet::Chunk(chunk)) = consumer.pop() else { panic!() };
        timeline.deliver(chunk.position(), chunk.frames());
        for _ in 0..2 {
            let Some(Packet::Mark(Mark::Cut(cut))) = consumer.peek() else { panic!() };
            assert_eq!(timeline.settle(cut).unaccounted, Frames(0), "as it is looked at");
        }
        let Some(Packet::Mark(Mark::Cut(cut))) = consumer.pop() else { panic!() };
        assert_eq!(timeline.settle(&cut).unaccounted, Frames(0), "as it is taken");
    }
}

#[test]
fn a_cut_inside_what_was_cleared_settles() {
    for link in [AudioRingBuffer::with_capacity(4).unwrap(), AudioRingBuffer::evicting_oldest(4).unwrap()] {
        let pool = pool_of(8);
        let (mut producer, mut consumer) = link.split();
        let mut timeline = Timeline::default();
        producer.push(stamped(&pool, 0, 0, 100)).unwrap();
        consumer.clear(LossCause::Shed, |gap| timeline.lose(gap));
        let books = CutMark { position: StreamPosition(60), accepted: Frames(60), lost: Losses::default() };
        producer.mark(Mark::Cut(books)).unwrap();
        let Some(Packet::Mark(Mark::Cut(cut))) = consumer.pop() else { panic!() };
        let settled = timeline.settle(&cut);
        assert_eq!((settled.position, settled.unaccounted), (StreamPosition(100), Frames(0)));
    }
}

#[test]
fn a_gone_producer_leaves_what_it_sent() {
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    let (mut producer, mut consumer) = AudioRingBuffer::with_capacity(2).unwrap().split();
    producer.push(chunk(&pool, 0, 100)).unwrap();
    drop(producer);
    assert!(consumer.is_closed());
    assert!(matches!(consumer.pop(), Some(Packet::Chunk(_))));
    assert!(consumer.pop().is_none());
}

/// A pool of `buffers` buffers of 100 samples, and not one more.
fn pool_of(buffers: usize) -> BufferRecyclingPool {
    let class = ClassConfig { samples: 100, buffers_max: buffers, buffers_prewarm: buffers };
    BufferRecyclingPool::new(PoolConfig { classes: vec![class], ..PoolConfig::default() }).unwrap()
}

fn in_use(pool: &BufferRecyclingPool) -> usize {
    pool.metrics().states().in_use
}

/// A chunk whose samples are the numbers of its frames.
fn stamped(pool: &BufferRecyclingPool, sequence: u64, position: u64, frames: u64) -> AudioChunk {
    let mut buffer = pool.acquire(frames as usize, Miss::Fail).unwrap();
    let _ = buffer.extend_with(frames as usize, |i| (position + i as u64) as f32);
    let (format, position) = (StreamFormat::new(44_100, 1).unwrap(), StreamPosition(position));
    let meta =
        ChunkMeta { format, position, sequence, timestamp_ns: sequence + 1, complete_ns: sequence + 2 };
    AudioChunk::new(buffer.into_shared(), meta).unwrap()
}

fn assert_stamped(chunk: &AudioChunk) {
    let whole = (chunk.position().0..chunk.end().0).zip(chunk.samples()).all(|(n, &s)| n as f32 == s);
    assert!(whole && chunk.sample_rate().hz() == 44_100, "{chunk:?}");
    let meta = chunk.meta();
    assert_eq!((meta.timestamp_ns, meta.complete_ns), (meta.sequence + 1, meta.sequence + 2));
}

#[test]
fn the_oldest_gives_way_and_leaves_a_gap() {
    let pool = pool_of(4);
    let link = AudioRingBuffer::evicting_oldest(2).unwrap();
    let gauge = link.gauge();
    let (mut producer, mut consumer) = link.split();
    for n in 0..5 {
        producer.push(stamped(&pool, n, n * 100, 100)).unwrap();
        assert_eq!(producer.is_pressed(), n > 0);
    }
    assert_eq!((gauge.occupancy(), gauge.capacity()), (2, 2));
    assert_eq!(gauge.evicted()[LossCause::Overflow], Frames(300));
    let edge = consumer.snapshot();
    assert_eq!((edge.accepted, edge.occupancy, edge.overruns), (Frames(500), Frames(200), 1));
    assert_eq!(edge.imbalance(), Frames(0));
    let gap = Gap { position: StreamPosition(0), frames: Frames(300), cause: LossCause::Overflow };
    assert!(matches!(consumer.pop(), Some(Packet::Mark(Mark::Gap(told))) if told == gap));
    // What the consumer looks at is safe: the next one goes instead.
    assert!(matches!(consumer.peek(), Some(Packet::Chunk(c)) if c.sequence() == 3));
    producer.push(stamped(&pool, 5, 500, 100)).unwrap();
    producer.push(stamped(&pool, 6, 600, 100)).unwrap();
    assert_eq!(consumer.snapshot().imbalance(), Frames(0));
    assert!(matches!(consumer.pop(), Some(Packet::Chunk(c)) if c.sequence() == 3));
    let gap = Gap { position: StreamPosition(400), frames: Frames(100), cause: LossCause::Overflow };
    assert!(matches!(consumer.pop(), Some(Packet::Mark(Mark::Gap(told))) if told == gap));
    assert!(matches!(consumer.pop(), Some(Packet::Chunk(c)) if c.sequence() == 5));
    assert_eq!(gauge.stats(), LinkStats { pushes: 7, rejected: 0, evictions: 4, pops: 2, drops: 0 });
    assert_eq!(consumer.snapshot().overruns, 2);
}

#[test]
fn a_link_that_begins_in_mid_stream_tells_of_nothing_before() {
    let pool = pool_of(2);
    let gap =
        |position, frames, cause| Gap { position: StreamPosition(position), frames: Frames(frames), cause };
    let device = gap(10_000, 50, LossCause::Device);
    let cut = CutMark { position: StreamPosition(9_990), accepted: Frames(9_990), lost: Losses::default() };
    for first in [None, Some(Mark::Gap(device)), Some(Mark::Cut(cut))] {
        let (mut producer, mut consumer) = AudioRingBuffer::evicting_oldest(1).unwrap().split();
        let mut at = 10_000;
        let mut expected = vec![];
        match first {
            Some(Mark::Gap(_)) => {
                at += 50;
                expected.push(device);
            }
            Some(Mark::Cut(_)) | None => {}
        }
        expected.push(gap(at, 100, LossCause::Overflow));
        if let Some(mark) = first {
            producer.mark(mark).unwrap();
        }
        producer.push(stamped(&pool, 0, at, 100)).unwrap();
        producer.push(stamped(&pool, 1, at + 100, 100)).unwrap();
        let mut timeline = Timeline::starting_at(StreamPosition(10_000));
        let mut told = vec![];
        while let Some(packet) = consumer.pop() {
            match packet {
                Packet::Chunk(chunk) => timeline.deliver(chunk.position(), chunk.span()),
                Packet::Mark(Mark::Gap(gap)) => {
                    timeline.lose(gap);
                    told.push(gap);
                }
                Packet::Mark(Mark::Cut(_)) => {}
            }
        }
        assert_eq!(told, expected, "{first:?}");
        assert_eq!((timeline.delivered(), timeline.unaccounted()), (Frames(100), Frames(0)));
        assert_eq!(timeline.position(), StreamPosition(at + 200));
    }
}

#[test]
fn a_hole_that_no_eviction_made_stays_a_hole() {
    let pool = pool_of(2);
    let (mut producer, mut consumer) = AudioRingBuffer::evicting_oldest(2).unwrap().split();
    producer.push(stamped(&pool, 0, 0, 100)).unwrap();
    producer.push(stamped(&pool, 1, 200, 100)).unwrap();
    assert!(matches!(consumer.pop(), Some(Packet::Chunk(_))));
    assert!(matches!(consumer.pop(), Some(Packet::Chunk(c)) if c.sequence() == 1));
}

#[test]
fn marks_are_never_evicted_and_can_be_handed_back() {
    let pool = pool_of(4);
    let (mut producer, mut consumer) = AudioRingBuffer::evicting_oldest(1).unwrap().split();
    let gap = |position| {
        let (position, cause) = (StreamPosition(position), LossCause::Device);
        Mark::Gap(Gap { position, frames: Frames(10), cause })
    };
    for n in 0..4 {
        producer.push(stamped(&pool, n, n * 110, 100)).unwrap();
        assert!(producer.has_room());
        producer.mark(gap(n * 110 + 100)).unwrap();
    }
    assert!(!producer.has_room());
    assert_eq!(producer.mark(gap(440)), Err(PushError::Full(gap(440))));
    let mut told = Vec::new();
    while let Some(packet) = consumer.pop() {
        told.push(match packet {
            Packet::Chunk(chunk) => (chunk.position().0, chunk.frames().0, None),
            Packet::Mark(Mark::Gap(gap)) => (gap.position.0, gap.frames.0, Some(gap.cause)),
            Packet::Mark(mark) => panic!("{mark:?}"),
        });
    }
    let (evicted, device) = (Some(LossCause::Overflow), Some(LossCause::Device));
    let expected = [
        (0, 100, evicted),
        (100, 10, device),
        (110, 100, evicted),
        (210, 10, device),
        (220, 100, evicted),
        (320, 10, device),
        (330, 100, None),
        (430, 10, device),
    ];
    assert_eq!(told, expected);
}

#[test]
fn both_ends_of_an_evicting_link_may_go_first() {
    let pool = pool_of(4);
    let (mut producer, mut consumer) = AudioRingBuffer::evicting_oldest(2).unwrap().split();
    producer.push(stamped(&pool, 0, 0, 100)).unwrap();
    producer.push(stamped(&pool, 1, 100, 100)).unwrap();
    assert!(consumer.peek().is_some());
    drop(consumer);
    assert_eq!(in_use(&pool), 1, "the chunk in hand went with its consumer");
    assert!(producer.is_closed());
    assert!(
        matches!(producer.push(stamped(&pool, 2, 200, 100)), Err(PushError::Closed(c)) if c.sequence() == 2)
    );
    drop(producer);
    assert_eq!(in_use(&pool), 0, "the last end drops what is left");

    let (mut producer, mut consumer) = AudioRingBuffer::evicting_oldest(2).unwrap().split();
    producer.push(stamped(&pool, 0, 0, 100)).unwrap();
    drop(producer);
    assert!(consumer.is_closed());
    assert!(matches!(consumer.pop(), Some(Packet::Chunk(_))));
    assert!(consumer.pop().is_none());
}

/// What the naive model knows of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Inside,
    Evicted,
    Delivered,
    Lost(LossCause),
}

/// An evicting link, and beside it a list of the chunks that should be inside and the fate of each frame.
struct Modelled {
    pool: BufferRecyclingPool,
    producer: ChunkProducer,
    consumer: ChunkConsumer,
    capacity: usize,
    /// First frames and lengths.
    slots: VecDeque<(u64, u64)>,
    /// The consumer holds a chunk.
    hand: bool,
    /// The consumer has said what comes next.
    front: bool,
    fates: Vec<Fate>,
    told: Vec<Fate>,
    timeline: Timeline,
    upstream: Losses,
    accepted: u64,
    sequence: u64,
    cuts_sent: u64,
    cuts_met: u64,
    /// Where the last cut stands.
    cut_at: u64,
    cleared: bool,
}

impl Modelled {
    fn new(capacity: usize) -> Self {
        let (producer, consumer) = AudioRingBuffer::evicting_oldest(capacity).unwrap().split();
        let capacity = capacity.next_power_of_two();
        Self {
            pool: pool_of(capacity + 2),
            producer,
            consumer,
            capacity,
            slots: VecDeque::new(),
            hand: false,
            front: false,
            fates: Vec::new(),
            told: Vec::new(),
            timeline: Timeline::default(),
            upstream: Losses::default(),
            accepted: 0,
            sequence: 0,
            cuts_sent: 0,
            cuts_met: 0,
            cut_at: 0,
            cleared: false,
        }
    }

    fn push(&mut self, frames: u64) {
        let position = self.fates.len() as u64;
        if self.slots.len() == self.capacity {
            let (first, count) = self.slots.pop_front().unwrap();
            self.fates[first as usize..(first + count) as usize].fill(Fate::Evicted);
        }
        self.slots.push_back((position, frames));
        self.fates.extend((0..frames).map(|_| Fate::Inside));
        self.accepted += frames;
        // A pool of just so many buffers: an evicted chunk that kept its buffer would make this fail.
        let chunk = stamped(&self.pool, self.sequence, position, frames);
        self.sequence += 1;
        self.producer.push(chunk).unwrap();
    }

    fn gap(&mut self, frames: u64) {
        let gap = Gap {
            position: StreamPosition(self.fates.len() as u64),
            frames: Frames(frames),
            cause: LossCause::Device,
        };
        if self.producer.mark(Mark::Gap(gap)).is_ok() {
            self.fates.extend((0..frames).map(|_| Fate::Lost(gap.cause)));
            self.upstream[gap.cause] += gap.frames;
        }
    }

    /// A cut that stands `back` frames inside what was sent, as cuts of a stream do.
    fn cut(&mut self, back: u64) {
        let end = self.fates.len() as u64;
        let inside = self.slots.back().filter(|(first, count)| first + count == end).map_or(0, |last| last.1);
        // Never before the last one, as in a stream.
        let back = back.min(inside).min(end - self.cut_at);
        self.cut_at = end - back;
        let (position, lost) = (StreamPosition(end - back), self.upstream);
        let cut = CutMark { position, accepted: Frames(self.accepted - back), lost };
        self.cuts_sent += u64::from(self.producer.mark(Mark::Cut(cut)).is_ok());
    }

    fn tell(&mut self, position: StreamPosition, frames: Frames, fate: Fate) {
        assert_eq!(position.0, self.told.len() as u64, "out of place: {fate:?}");
        self.told.extend((0..frames.0).map(|_| fate));
    }

    fn peek(&mut self) {
        self.look();
        self.front = self.consumer.peek().is_some();
    }

    /// The consumer looks at the slots when it has nothing to show, and holds what it takes.
    fn look(&mut self) {
        if self.front || self.hand || self.slots.is_empty() {
            return;
        }
        let (first, count) = self.slots.pop_front().unwrap();
        self.fates[first as usize..(first + count) as usize].fill(Fate::Delivered);
        self.hand = true;
    }

    fn pop(&mut self) -> bool {
        self.look();
        self.front = false;
        match self.consumer.pop() {
            Some(Packet::Chunk(chunk)) => {
                assert_stamped(&chunk);
                self.tell(chunk.position(), chunk.frames(), Fate::Delivered);
                self.timeline.deliver(chunk.position(), chunk.frames());
                assert!(core::mem::take(&mut self.hand), "a chunk from nowhere");
            }
            Some(Packet::Mark(Mark::Gap(gap))) => {
                let evicted = gap.cause == LossCause::Overflow;
                let fate = if evicted { Fate::Evicted } else { Fate::Lost(gap.cause) };
                self.tell(gap.position, gap.frames, fate);
                self.timeline.lose(gap);
            }
            Some(Packet::Mark(Mark::Cut(cut))) => {
                let unaccounted = self.timeline.settle(&cut).unaccounted;
                assert_eq!(unaccounted, Frames(0), "{cut:?} {:?}", self.timeline);
                self.cuts_met += 1;
            }
            None => return false,
        }
        true
    }

    fn clear(&mut self) {
        (self.cleared, self.front) = (true, false);
        let (mut gaps, cause) = (Vec::new(), LossCause::Shed);
        self.consumer.clear(cause, |gap| gaps.push(gap));
        for (first, count) in core::mem::take(&mut self.slots) {
            self.fates[first as usize..(first + count) as usize].fill(Fate::Lost(cause));
        }
        for gap in gaps {
            let fate = match gap.cause {
                LossCause::Overflow => Fate::Evicted,
                cause => Fate::Lost(cause),
            };
            if gap.cause == cause && self.hand {
                // What was in hand counted as delivered.
                self.hand = false;
                self.fates[gap.position.0 as usize..gap.end().0 as usize].fill(fate);
            }
            self.tell(gap.position, gap.frames, fate);
            self.timeline.lose(gap);
        }
        assert!(self.consumer.pop().is_none());
    }
}

proptest! {
    #[test]
    fn an_evicting_link_agrees_with_a_list(
        capacity in 1usize..6,
        steps in proptest::collection::vec((0u8..16, 1u64..40), 0..120),
    ) {
        let mut link = Modelled::new(capacity);
        for (step, size) in steps {
            match step {
                0..=5 => link.push(size),
                6 => link.gap(size),
                7 => link.cut(size),
                8..=12 => { link.pop(); }
                13 | 14 => link.peek(),
                _ => link.clear(),
            }
            let edge = link.consumer.snapshot();
            prop_assert_eq!(edge.imbalance(), Frames(0));
            let evicted = link.fates.iter().filter(|fate| **fate == Fate::Evicted).count() as u64;
            prop_assert_eq!(edge.evicted[LossCause::Overflow], Frames(evicted));
            prop_assert_eq!(in_use(&link.pool), link.slots.len() + usize::from(link.hand));
        }
        while link.pop() {}
        prop_assert_eq!(&link.told, &link.fates);
        prop_assert_eq!(link.timeline.unaccounted(), Frames(0));
        prop_assert!(link.cleared || link.cuts_met == link.cuts_sent);
        prop_assert_eq!(in_use(&link.pool), 0);
    }
}

#[test]
fn the_producer_never_waits_and_each_chunk_is_delivered_or_in_a_gap() {
    const CHUNKS: u64 = 60_000;
    const FRAMES: u64 = 8;
    for capacity in [1, 2, 8] {
        // One chunk is being filled, one is in the consumer's hand: a link that kept more would starve the writer.
        let pool = pool_of(capacity + 2);
        let (mut producer, mut consumer) = AudioRingBuffer::evicting_oldest(capacity).unwrap().split();
        let makers = pool.clone();
        // Before there is anybody to take them: some are evicted for sure.
        for n in 0..32 {
            producer.push(stamped(&pool, n, n * FRAMES, FRAMES)).unwrap();
        }
        let writer = std::thread::spawn(move || {
            let mut cuts = 0;
            for n in 32..CHUNKS {
                producer.push(stamped(&makers, n, n * FRAMES, FRAMES)).unwrap();
                if n % 64 == 0 {
                    let accepted = Frames((n + 1) * FRAMES);
                    let position = StreamPosition::START + accepted;
                    let cut = CutMark { position, accepted, lost: Losses::default() };
                    cuts += u64::from(producer.mark(Mark::Cut(cut)).is_ok());
                }
                // Now at the consumer's pace or so, now as fast as it can.
                if n / 64 % 2 == 0 {
                    std::thread::yield_now();
                }
            }
            cuts
        });
        let (mut timeline, mut chunks, mut cuts) = (Timeline::default(), 0u64, 0);
        loop {
            let closed = consumer.is_closed();
            match consumer.peek() {
                Some(Packet::Chunk(chunk)) => {
                    assert_stamped(chunk);
                    timeline.deliver(chunk.position(), chunk.frames());
                    chunks += 1;
                    if chunks % 32 == 0 {
                        std::thread::yield_now();
                    }
                }
                Some(Packet::Mark(Mark::Gap(gap))) => timeline.lose(*gap),
                Some(Packet::Mark(Mark::Cut(cut))) => {
                    assert_eq!(timeline.settle(cut).unaccounted, Frames(0), "{cut:?} {timeline:?}");
                    cuts += 1;
                }
                None if closed => break,
                None => {
                    std::hint::spin_loop();
                    continue;
                }
            }
            drop(consumer.pop());
        }
        assert_eq!(cuts, writer.join().unwrap(), "cuts are never lost");
        let edge = consumer.snapshot();
        assert_eq!((edge.accepted, edge.imbalance()), (Frames(CHUNKS * FRAMES), Frames(0)));
        assert_eq!(timeline.unaccounted(), Frames(0));
        assert_eq!(timeline.position(), StreamPosition(CHUNKS * FRAMES));
        assert_eq!((timeline.delivered(), timeline.lost()), (edge.popped, edge.evicted));
        assert_eq!(in_use(&pool), 0);
        assert!(edge.popped > Frames(0) && edge.evicted.total() > Frames(0), "{edge:?}");
    }
}
