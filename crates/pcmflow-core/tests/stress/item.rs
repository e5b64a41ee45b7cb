//! What travels through a ring: plain numbers, by all calls, or items that count their drops, by those calls that don't ask
//! for `Copy`.

use crate::numbers::Random;
use crate::ring::MOST;
use pcmflow_core::ring::*;
use std::array::from_fn;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something with a number that can be pushed and popped.
pub(crate) trait Item: Send + Sized {
    /// How many ways to push are for `Copy` items only.
    const COPYING_PUSHES: u64;
    /// How many ways to pop are.
    const COPYING_POPS: u64;

    fn number(&self) -> u64;

    /// Pushes the numbers from `next` in one of the ways that are for `Copy` items only; returns how many.
    fn push_copies(producer: &mut Producer<Self>, way: u64, next: u64, random: &mut Random) -> usize;

    /// Pops in one of the ways that are for `Copy` items only.
    fn pop_copies(consumer: &mut Consumer<Self>, way: u64, random: &mut Random, expect: impl FnMut(u64));
}

/// The most channels of planar calls.
const CHANNELS: usize = 3;

impl Item for u64 {
    const COPYING_PUSHES: u64 = 4;
    const COPYING_POPS: u64 = 3;

    fn number(&self) -> u64 {
        *self
    }

    fn push_copies(producer: &mut Producer<Self>, way: u64, next: u64, random: &mut Random) -> usize {
        let items: [u64; MOST] = from_fn(|index| next + index as u64);
        let count = random.size(MOST);
        match way {
            0 => producer.push_slice(&items[..count]),
            1 => match producer.push_entire(&items[..count]) {
                Ok(()) => count,
                Err(few) => {
                    assert!(few.requested == count && few.available < count, "{few}");
                    0
                }
            },
            2 => {
                let channels = random.size(CHANNELS);
                let planes: [[u64; MOST]; CHANNELS] =
                    from_fn(|channel| from_fn(|frame| next + (frame * channels + channel) as u64));
                // The shortest says how many.
                let planes: [&[u64]; CHANNELS] = from_fn(|channel| &planes[channel][..random.size(MOST)]);
                producer.push_planar(&planes[..channels]) * channels
            }
            _ => {
                let count = count.min(producer.capacity());
                producer.write_chunk(count).map_or(0, |mut chunk| {
                    let (first, second) = chunk.as_mut_slices();
                    assert_eq!(first.len() + second.len(), count);
                    first.iter_mut().chain(second).zip(items).for_each(|(slot, item)| *slot = item);
                    random.stumble();
                    // What is not committed is written again.
                    chunk.commit(random.below(count as u64 + 1) as usize)
                })
            }
        }
    }

    fn pop_copies(consumer: &mut Consumer<Self>, way: u64, random: &mut Random, mut expect: impl FnMut(u64)) {
        let mut out = [0; MOST];
        let out = &mut out[..random.size(MOST)];
        match way {
            0 => {
                let count = consumer.pop_slice(out);
                out[..count].iter().copied().for_each(expect);
            }
            1 => match consumer.pop_entire(out) {
                Ok(()) => out.iter().copied().for_each(expect),
                Err(few) => assert!(few.requested == out.len() && few.available < out.len(), "{few}"),
            },
            _ => {
                let channels = random.size(CHANNELS);
                let mut planes = [[0; MOST]; CHANNELS];
                let mut parts = planes.each_mut().map(|plane| &mut plane[..random.size(MOST)]);
                let frames = consumer.pop_planar(&mut parts[..channels]);
                for frame in 0..frames {
                    planes[..channels].iter().for_each(|plane| expect(plane[frame]));
                }
            }
        }
    }
}

/// Items of one ring that were made and dropped. Sums tell a dropped one from its neighbour, where counts let one that was
/// dropped twice stand for one that was lost.
#[derive(Debug, Default)]
pub(crate) struct Drops {
    made: AtomicU64,
    made_sum: AtomicU64,
    dropped: AtomicU64,
    dropped_sum: AtomicU64,
}

impl Drops {
    /// Checks that each item that was made was dropped once.
    pub(crate) fn check(self) {
        let made = (self.made.into_inner(), self.made_sum.into_inner());
        let dropped = (self.dropped.into_inner(), self.dropped_sum.into_inner());
        assert_eq!(made, dropped, "each item made is dropped once: how many, and the sum of which");
    }
}

/// A number that says when it is dropped.
#[derive(Debug)]
pub(crate) struct Counted<'a> {
    number: u64,
    /// Unlike any other item's: one that is refused is made again with the same number.
    weight: u64,
    drops: &'a Drops,
}

impl<'a> Counted<'a> {
    pub(crate) fn new(number: u64, drops: &'a Drops) -> Self {
        // Relaxed, here and below: figures, read when all threads are joined.
        let weight = Random::new(drops.made.fetch_add(1, Ordering::Relaxed)).below(u64::MAX);
        drops.made_sum.fetch_add(weight, Ordering::Relaxed);
        Self { number, weight, drops }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.drops.dropped.fetch_add(1, Ordering::Relaxed);
        self.drops.dropped_sum.fetch_add(self.weight, Ordering::Relaxed);
    }
}

impl Item for Counted<'_> {
    const COPYING_PUSHES: u64 = 0;
    const COPYING_POPS: u64 = 0;

    fn number(&self) -> u64 {
        self.number
    }

    fn push_copies(_: &mut Producer<Self>, _: u64, _: u64, _: &mut Random) -> usize {
        unreachable!("it is no copy")
    }

    fn pop_copies(_: &mut Consumer<Self>, _: u64, _: &mut Random, _: impl FnMut(u64)) {
        unreachable!("it is no copy")
    }
}
