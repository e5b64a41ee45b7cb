//! Extreme samples, sizes and positions: no panic, and nothing stays broken.

use super::*;
use proptest::prelude::*;

const ODD: [f32; 8] =
    [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, f32::MAX, f32::MIN_POSITIVE / 2.0, -0.0];

fn shapes(hz: u32, channels: u32) -> [Shape; 4] {
    [
        Shape::new(format(hz, channels)),
        Shape::new(format(16_000, channels)).in_blocks(Frames(320)),
        Shape::new(format(44_100, 1)),
        Shape::new(format(hz, 64)).in_blocks(Frames(1)),
    ]
}

#[test]
fn odd_samples_poison_nothing_for_long() {
    let pool = pool();
    for channels in [1, 2, 64] {
        let from = format(48_000, channels);
        for to in shapes(48_000, channels) {
            let mut chain = Plan::between(Shape::new(from), to).unwrap().build().unwrap();
            let odd: Vec<f32> = (0..5_000 * channels as usize).map(|n| ODD[n % ODD.len()]).collect();
            through(&mut chain, &pool, from, &odd, 500);
            // In the same stretch, too: long after the odd ones, everything is as it was.
            let quiet = vec![0.25; 30_000 * channels as usize];
            let out = through(&mut chain, &pool, from, &[odd, quiet].concat(), 500);
            let late = &out[out.len() / 2..out.len() - out.len() / 8];
            let near = |sample: &f32| (sample - 0.25).abs() < 1e-2 || (channels < 64 && *sample == 0.0);
            assert!(late.iter().all(near), "{channels} channels to {to}");
        }
    }
}

#[test]
fn nothing_at_all_is_nothing() {
    let pool = pool();
    for to in shapes(48_000, 2) {
        let mut chain = Plan::between(Shape::new(format(48_000, 2)), to).unwrap().build().unwrap();
        let mut emitted = 0;
        chain.finish(&pool, &mut |_| emitted += 1);
        chain.gap(
            Gap { position: StreamPosition(0), frames: Frames(0), cause: LossCause::Shed },
            &pool,
            &mut |_| emitted += 1,
        );
        assert_eq!((emitted, chain.conversion().imbalance()), (0, Frames::ZERO));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn absurd_positions_and_spans_do_not_panic(
        pieces in proptest::collection::vec((any::<u64>(), 0usize..600, any::<u32>(), 0u8..6), 1..20), which in 0usize..4,
    ) {
        let (pool, from) = (pool(), format(48_000, 2));
        let mut chain = Plan::between(Shape::new(from), shapes(48_000, 2)[which]).unwrap().build().unwrap();
        let mut next = 0;
        for (position, frames, span, kind) in pieces {
            let position = match kind { 0 => position, 1 => u64::MAX - position % 1_000, _ => next };
            Grown::grow(&pool);
            let plain = chunk(&pool, from, position, &vec![0.5; 2 * frames]);
            let span = if kind < 4 { plain.span() } else { Frames(u64::from(span)) };
            let meta = *plain.meta();
            let chunk = AudioChunk::spanning(plain.into_buffer(), meta, span).unwrap();
            next = chunk.end().0;
            let mut reached = 0;
            chain.process(chunk, &pool, &mut |packet| if let Packet::Chunk(chunk) = packet {
                reached = chunk.end().0;
                let _ = reached;
            });
            if kind == 3 {
                let gap = Gap { position: StreamPosition(next), frames: Frames(position), cause: LossCause::Device };
                next = gap.end().0;
                chain.gap(gap, &pool, &mut |_| {});
            }
            prop_assert_eq!(chain.conversion().imbalance(), Frames::ZERO);
        }
        chain.finish(&pool, &mut |_| {});
        prop_assert_eq!(chain.conversion().held, Frames::ZERO);
    }
}
