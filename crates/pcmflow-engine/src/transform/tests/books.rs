//! Spans tile, books balance.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What goes into a chain.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Chunk(u64),
    Gap(u64),
    /// The end of a stream; another goes on at the same place.
    End,
}

/// Feeds a chain and checks what comes out against a model that knows only sizes.
struct Model {
    from: StreamFormat,
    to: StreamFormat,
    pool: BufferRecyclingPool,
    chain: Chain,
    position: u64,
    /// Where the chunks that went in end.
    fed: u64,
    taken: u64,
    emitted: u64,
    timeline: Timeline,
    /// Start of the stretch, and what was given of it.
    stretch: (u64, u64),
    /// Of the next chunk that goes in, and of the next that comes out.
    numbered: u64,
    sequence: u64,
    /// End of each chunk that went in, with its times.
    arrivals: BTreeMap<u64, (u64, u64)>,
    /// Whether a chunk ends where rounding down says; not so behind blocks of other sizes before a rate.
    exact: bool,
    /// Whether arrivals may have been merged.
    merged: bool,
}

impl Model {
    fn new(from: StreamFormat, to: Shape) -> Self {
        let plan = Plan::between(Shape::new(from), to).unwrap();
        let exact = to.block.is_none();
        let chain = plan.build().unwrap();
        assert_eq!((chain.format(), chain.latency()), (to.format, plan.latency()));
        Self {
            from,
            to: to.format,
            pool: pool(),
            chain,
            position: 0,
            fed: 0,
            taken: 0,
            emitted: 0,
            timeline: Timeline::default(),
            stretch: (0, 0),
            numbered: 0,
            sequence: 0,
            arrivals: BTreeMap::new(),
            exact,
            merged: false,
        }
    }

    fn feed(&mut self, piece: Piece) {
        let mut out = Vec::new();
        let start = self.position;
        Grown::grow(&self.pool);
        match piece {
            Piece::Chunk(frames) => {
                let samples = vec![0.25; Frames(frames).samples(self.from.channels)];
                let mut chunk = chunk(&self.pool, self.from, self.position, &samples);
                let meta = ChunkMeta { sequence: self.numbered, ..*chunk.meta() };
                self.numbered += 1;
                chunk = AudioChunk::new(chunk.into_buffer(), meta).unwrap();
                self.position = chunk.end().0;
                self.fed = self.position;
                self.taken += frames;
                if frames > 0 {
                    self.arrivals.insert(self.position, (chunk.timestamp_ns(), chunk.meta().complete_ns));
                }
                self.chain.process(chunk, &self.pool, &mut |packet| out.push(packet));
            }
            Piece::Gap(frames) => {
                let gap =
                    Gap { position: StreamPosition(start), frames: Frames(frames), cause: LossCause::Device };
                self.position += frames;
                self.chain.gap(gap, &self.pool, &mut |packet| out.push(packet));
            }
            Piece::End => self.chain.finish(&self.pool, &mut |packet| out.push(packet)),
        }
        let flushed = !matches!(piece, Piece::Chunk(_));
        for packet in &out {
            self.check(packet);
        }
        let books = self.chain.conversion();
        assert_eq!(books.imbalance(), Frames::ZERO, "{books:?}");
        assert_eq!((books.taken, books.given), (Frames(self.taken), Frames(self.emitted)));
        assert!(books.held.0 <= self.chain.latency().frames.0 + 1, "{books:?}, {:?}", self.chain.latency());
        if flushed {
            assert_eq!(books.held, Frames::ZERO);
            assert_eq!(self.timeline.position().0, self.position, "all before the gap or the end is told");
            self.stretch = (self.position, 0);
        }
        assert_eq!(self.timeline.unaccounted(), Frames::ZERO);
        assert_eq!(self.chain.lost(), Frames::ZERO);
    }

    fn check(&mut self, packet: &Packet) {
        let chunk = match packet {
            Packet::Chunk(chunk) => chunk,
            Packet::Mark(Mark::Gap(gap)) => return self.timeline.lose(*gap),
            other => panic!("{other:?}"),
        };
        assert_eq!((chunk.meta().format, chunk.sequence()), (self.to, self.sequence));
        self.sequence += 1;
        self.timeline.deliver(chunk.position(), chunk.span());
        self.emitted += chunk.frames().0;
        self.stretch.1 += chunk.frames().0;
        let (from, to) = (u64::from(self.from.rate.hz()), u64::from(self.to.rate.hz()));
        let end = self.stretch.0 + self.stretch.1 * from / to;
        if self.exact {
            assert!(
                chunk.end().0 == end || chunk.end().0 == self.fed,
                "{} is neither {end} nor the end",
                chunk.end().0
            );
        }
        assert!(chunk.end().0.abs_diff(end) <= from / to + 2, "{} is not near {end}", chunk.end().0);
        // The times are those of the chunks in which its first and its last frame came.
        let first = self.arrivals.range(chunk.position().0 + 1..).next().map(|(_, &times)| times);
        let last = self.arrivals.range(chunk.end().0..).next().map(|(_, &times)| times);
        if let (Some((timestamp_ns, _)), Some((_, complete_ns))) = (first, last)
            && chunk.span() > Frames::ZERO
        {
            if self.merged {
                assert!(chunk.timestamp_ns() <= timestamp_ns && chunk.meta().complete_ns >= complete_ns);
            } else {
                assert_eq!((chunk.timestamp_ns(), chunk.meta().complete_ns), (timestamp_ns, complete_ns));
            }
        }
    }
}

const RATES: [(u32, u32); 6] = [
    (44_100, 48_000),
    (48_000, 16_000),
    (48_000, 44_100),
    (16_000, 48_000),
    (44_101, 16_000),
    (48_000, 48_000),
];

#[test]
fn a_million_frames_drift_nowhere() {
    for (index, (from, to)) in RATES.into_iter().take(3).enumerate() {
        for block in [None, Some(Frames(480))] {
            let shape = Shape { format: format(to, 1), block };
            let mut model = Model::new(format(from, 2), shape);
            model.merged = true;
            let mut random = Random(index as u64 + 0x5eed);
            while model.taken < 1_000_000 {
                model.feed(match random.below(40) {
                    0 => Piece::Gap(random.below(5_000)),
                    1 => Piece::Chunk(random.below(20)),
                    _ => Piece::Chunk(random.below(3_000)),
                });
            }
            model.feed(Piece::End);
            let (from, to) = (u64::from(from), u64::from(to));
            assert_eq!(model.emitted, (model.taken * to * 2 + from) / (2 * from));
        }
    }
}

#[test]
fn a_stretch_too_short_for_a_frame_is_told_by_an_empty_chunk() {
    let mut model = Model::new(format(48_000, 1), Shape::new(format(16_000, 1)).in_blocks(Frames(64)));
    for _ in 0..10 {
        model.feed(Piece::Chunk(1));
        model.feed(Piece::Gap(3));
    }
    assert_eq!((model.emitted, model.taken), (3, 10));
    assert_eq!(model.timeline.delivered(), Frames(10));
}

#[test]
fn a_jump_without_a_gap_breaks_what_is_held_and_stays_a_hole() {
    for to in [Shape::new(format(16_000, 1)), Shape::new(format(48_000, 1)).in_blocks(Frames(1_000))] {
        let pool = pool();
        Grown::grow(&pool);
        let from = format(48_000, 1);
        let mut chain = Plan::between(Shape::new(from), to).unwrap().build().unwrap();
        let mut timeline = Timeline::default();
        let mut emit = |packet| {
            if let Packet::Chunk(chunk) = packet {
                timeline.deliver(chunk.position(), chunk.span());
            }
        };
        chain.process(chunk(&pool, from, 0, &[0.5; 700]), &pool, &mut emit);
        chain.process(chunk(&pool, from, 1_000, &[0.5; 700]), &pool, &mut emit);
        chain.finish(&pool, &mut emit);
        assert_eq!((timeline.unaccounted(), timeline.delivered()), (Frames(300), Frames(1_400)));
        assert_eq!(chain.conversion().imbalance(), Frames::ZERO);
    }
}

/// A pool that has nothing left: everything is told as lost, and the books know it.
#[test]
fn without_buffers_frames_are_lost_with_a_gap_and_posted() {
    let shapes = [
        (format(48_000, 2), Shape::new(format(48_000, 1))),
        (format(48_000, 1), Shape::new(format(16_000, 1))),
        (format(48_000, 1), Shape::new(format(48_000, 1)).in_blocks(Frames(300))),
        (format(44_100, 1), Shape::new(format(48_000, 2)).in_blocks(Frames(128))),
        (format(48_000, 6), Shape::new(format(44_100, 2)).in_blocks(Frames(700))),
    ];
    for (from, to) in shapes {
        let samples = pool();
        let class = ClassConfig { samples: 4096, buffers_max: 8, buffers_prewarm: 8 };
        let scarce =
            BufferRecyclingPool::new(PoolConfig { classes: vec![class], ..PoolConfig::default() }).unwrap();
        let mut chain = Plan::between(Shape::new(from), to).unwrap().build().unwrap();
        let (mut timeline, mut kept, mut gaps, mut random) = (Timeline::default(), Vec::new(), 0, Random(9));
        let mut given = Frames::ZERO;
        let mut position = 0;
        for round in 0..400 {
            let frames = random.below(500) as usize;
            let chunk = chunk(&samples, from, position, &vec![0.5; frames * from.channels.get()]);
            position = chunk.end().0;
            // Whoever keeps buffers lets them go only now and then.
            if round % 50 == 49 {
                kept.clear();
            }
            let mut emit = |packet| match packet {
                Packet::Chunk(chunk) => {
                    timeline.deliver(chunk.position(), chunk.span());
                    given += chunk.frames();
                    kept.push(chunk);
                }
                Packet::Mark(Mark::Gap(gap)) => {
                    gaps += 1;
                    assert_eq!(gap.cause, LossCause::Overflow);
                    timeline.lose(gap);
                }
                other => panic!("{other:?}"),
            };
            chain.process(chunk, &scarce, &mut emit);
            if round == 399 {
                chain.finish(&scarce, &mut emit);
            }
            let books = chain.conversion();
            assert_eq!(books.imbalance(), Frames::ZERO, "{to} in round {round}: {books:?}");
            assert!(timeline.unaccounted() == Frames::ZERO, "{to}");
        }
        assert!(gaps > 10 && chain.lost() > Frames::ZERO, "{to}");
        assert_eq!((timeline.position().0, chain.conversion().held), (position, Frames::ZERO));
        if from.channels == to.format.channels {
            assert_eq!(chain.conversion().given, given + chain.lost(), "{to}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn spans_tile_and_books_balance(
        rates in proptest::sample::select(&RATES[..]),
        channels in (1u32..=3, 1u32..=2),
        block in proptest::option::of(32u64..2_000),
        pieces in proptest::collection::vec(prop_oneof![
            8 => (64u64..2_500).prop_map(Piece::Chunk),
            1 => (1u64..900).prop_map(Piece::Gap),
            1 => Just(Piece::End),
        ], 1..40),
    ) {
        let shape = Shape { format: format(rates.1, channels.1), block: block.map(Frames) };
        let mut model = Model::new(format(rates.0, channels.0), shape);
        // Behind a rate, the block's times are those of the filter's chunks, each of which may span several arrivals.
        model.merged = block.is_some() || rates.0 != rates.1;
        pieces.into_iter().for_each(|piece| model.feed(piece));
        model.feed(Piece::End);
    }
}
