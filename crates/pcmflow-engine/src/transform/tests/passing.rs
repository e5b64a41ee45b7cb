//! What needs nothing done passes in its own buffer; blocks hold what they should.

use super::*;
use proptest::prelude::*;

#[test]
fn what_is_as_wanted_is_not_copied() {
    let (pool, stereo) = (pool(), format(48_000, 2));
    let shape = Shape::new(stereo).in_blocks(Frames(128));
    let plans = [
        Plan::between(shape, shape).unwrap(),
        Plan::between(shape, stereo).unwrap(),
        // The source did not say what it makes: it happens to fit.
        Plan::between(Shape::new(stereo), shape).unwrap(),
    ];
    for plan in plans {
        let mut chain = plan.build().unwrap();
        for n in 0..10 {
            let chunk = chunk(&pool, stereo, n * 128, &[0.5; 256]);
            let (id, meta, before) = (chunk.buffer().id(), *chunk.meta(), pool.metrics());
            let mut passed = 0;
            chain.process(chunk, &pool, &mut |packet| match packet {
                Packet::Chunk(chunk) => {
                    passed += 1;
                    assert_eq!(chunk.buffer().id(), id);
                    assert_eq!(*chunk.meta(), ChunkMeta { sequence: chunk.sequence(), ..meta });
                }
                other => panic!("{other:?}"),
            });
            let after = pool.metrics();
            assert_eq!((passed, after.copies(), after.acquisitions()), (1, 0, before.acquisitions()));
        }
        assert_eq!(chain.conversion().imbalance(), Frames::ZERO);
        assert_eq!((chain.conversion().given, chain.latency()), (Frames(1_280), plan.latency()));
    }
}

#[test]
fn a_block_that_fits_behind_a_part_of_one_is_copied_into_its_place() {
    let (pool, mono) = (pool(), format(48_000, 1));
    Grown::grow(&pool);
    let mut chain =
        Plan::between(Shape::new(mono), Shape::new(mono).in_blocks(Frames(4))).unwrap().build().unwrap();
    let mut out = Vec::new();
    let mut emit = |packet| match packet {
        Packet::Chunk(chunk) => out.push(chunk.samples().to_vec()),
        Packet::Mark(_) => out.push(vec![]),
        other => panic!("{other:?}"),
    };
    chain.process(chunk(&pool, mono, 0, &[1.0]), &pool, &mut emit);
    chain.process(chunk(&pool, mono, 1, &[2.0, 3.0, 4.0, 5.0]), &pool, &mut emit);
    let gap = Gap { position: StreamPosition(5), frames: Frames(5), cause: LossCause::Shed };
    chain.gap(gap, &pool, &mut emit);
    chain.process(chunk(&pool, mono, 10, &[6.0, 7.0]), &pool, &mut emit);
    chain.finish(&pool, &mut emit);
    assert_eq!(out, [vec![1.0, 2.0, 3.0, 4.0], vec![5.0], vec![], vec![6.0, 7.0]]);
}

#[test]
fn a_chunk_of_another_format_is_told_as_corrupt() {
    let (pool, mono) = (pool(), format(48_000, 1));
    Grown::grow(&pool);
    for to in [Shape::new(mono), Shape::new(format(16_000, 2)), Shape::new(mono).in_blocks(Frames(99))] {
        let mut chain = Plan::between(Shape::new(mono), to).unwrap().build().unwrap();
        let mut timeline = Timeline::default();
        for n in 0..6 {
            let format = if n == 3 { format(44_100, 1) } else { mono };
            chain.process(chunk(&pool, format, n * 100, &[0.5; 100]), &pool, &mut |packet| match packet {
                Packet::Chunk(chunk) => timeline.deliver(chunk.position(), chunk.span()),
                Packet::Mark(Mark::Gap(gap)) => timeline.lose(gap),
                other => panic!("{other:?}"),
            });
        }
        chain.finish(&pool, &mut |packet| {
            if let Packet::Chunk(chunk) = packet {
                timeline.deliver(chunk.position(), chunk.span());
            }
        });
        assert_eq!((timeline.unaccounted(), timeline.position()), (Frames::ZERO, StreamPosition(600)));
        assert_eq!(timeline.lost()[LossCause::Corrupt], Frames(100));
        assert_eq!(chain.conversion().imbalance(), Frames::ZERO);
    }
}

proptest! {
    /// Whatever the sizes, the samples are the same, in blocks of the size that was wanted.
    #[test]
    fn blocks_are_cut_as_by_hand(sizes in proptest::collection::vec(0usize..300, 0..20), block in 1usize..400) {
        let (pool, stereo) = (pool(), format(48_000, 2));
        let to = Shape::new(stereo).in_blocks(Frames(block as u64));
        let mut chain = Plan::between(Shape::new(stereo), to).unwrap().build().unwrap();
        let input: Vec<f32> = (0..2 * sizes.iter().sum::<usize>()).map(|n| n as f32).collect();
        let (mut out, mut at) = (Vec::new(), 0);
        let mut emit = |packet| if let Packet::Chunk(chunk) = packet { out.push(chunk.samples().to_vec()) };
        for size in sizes {
            let chunk = chunk(&pool, stereo, at as u64, &input[2 * at..2 * (at + size)]);
            at += size;
            Grown::grow(&pool);
            chain.process(chunk, &pool, &mut emit);
        }
        chain.finish(&pool, &mut emit);
        let naive: Vec<Vec<f32>> = input.chunks(2 * block).map(<[f32]>::to_vec).collect();
        prop_assert_eq!(out, naive);
    }
}
