//! `CircularBuffer`: every way to push against every way to pop, both ends dropped at random.

use crate::numbers::Random;
use crate::tally::{Tally, wait};
use pcmflow_core::ring::*;
use std::thread;

/// The most items that move at once.
const MOST: usize = 128;

pub(crate) fn episode(random: &mut Random, tally: &Tally) {
    let ring = CircularBuffer::with_capacity(random.size(700)).unwrap();
    let gauge = ring.gauge();
    let (producer, consumer) = ring.split();
    // Small rings take a switch of threads for every few items.
    let turns = random.below(1000 + 1000 * gauge.capacity() as u64);
    let mut for_producer = random.fork();
    // Some consumers go before the producer does.
    let patience = if random.one_in(8) { random.below(turns + 1) } else { u64::MAX };
    let (sent, read) = thread::scope(|scope| {
        let producer = scope.spawn(move || produce(producer, &mut for_producer, turns, tally));
        let read = consume(consumer, &gauge, random, patience, tally);
        (producer.join().unwrap(), read)
    });
    assert_eq!(gauge.occupancy() as u64, sent - read, "what is left is what was not read");
    assert!(patience != u64::MAX || sent == read, "{sent} items were sent, {read} came");
    let state = if sent == read { BufferState::Closed } else { BufferState::Draining };
    assert_eq!(gauge.state(1), state);
}

/// Pushes the numbers from 0; returns how many.
fn produce(mut producer: Producer<u64>, random: &mut Random, turns: u64, tally: &Tally) -> u64 {
    let mut counter = tally.counter();
    let mut next = 0;
    let mut items = [0; MOST];
    for turn in 0..turns {
        if turn % 1024 == 0 && !tally.goes_on() {
            break;
        }
        let moved = match random.below(4) {
            0 => match producer.push(next) {
                Ok(()) => 1,
                Err(PushError::Full(item) | PushError::Closed(item)) => {
                    assert_eq!(item, next, "what is refused comes back");
                    0
                }
            },
            1 => producer.vacant().map_or(0, |slot| {
                slot.fill(next);
                1
            }),
            2 => {
                let items = &mut items[..random.size(MOST)];
                items.iter_mut().zip(next..).for_each(|(item, number)| *item = number);
                producer.push_slice(items)
            }
            _ => {
                let count = random.size(MOST).min(producer.capacity());
                producer.write_chunk(count).map_or(0, |mut chunk| {
                    let (first, second) = chunk.as_mut_slices();
                    assert_eq!(first.len() + second.len(), count);
                    first.iter_mut().chain(second).zip(next..).for_each(|(item, number)| *item = number);
                    random.stumble();
                    // What is not committed is written again.
                    chunk.commit(random.below(count as u64 + 1) as usize)
                })
            }
        };
        next += moved as u64;
        assert_eq!(producer.position(), next);
        counter.did(u64::from(moved > 0));
        if producer.is_closed() {
            break;
        }
        if moved == 0 {
            wait();
        }
    }
    next
}

/// Reads numbers from 0 until the producer is gone and nothing is left, or patience is; returns how many.
fn consume(
    mut consumer: Consumer<u64>,
    gauge: &Gauge<u64>,
    random: &mut Random,
    patience: u64,
    tally: &Tally,
) -> u64 {
    let mut counter = tally.counter();
    let mut next = 0;
    let mut out = [0; MOST];
    for _ in 0..patience {
        let closed = consumer.is_closed();
        let before = next;
        let mut expect = |item: u64| {
            assert_eq!(item, next, "lost, doubled, stale or out of order");
            next += 1;
        };
        match random.below(64) {
            0..16 => consumer.pop().into_iter().for_each(expect),
            16..32 => {
                if let Some(seen) = consumer.peek().copied() {
                    random.stumble();
                    assert_eq!(consumer.pop(), Some(seen));
                    expect(seen);
                }
            }
            32..48 => {
                let count = consumer.pop_slice(&mut out[..random.size(MOST)]);
                out[..count].iter().copied().for_each(expect);
            }
            48..63 => {
                let count = consumer.available().min(random.size(MOST));
                let chunk = consumer.read_chunk(count).unwrap();
                let (first, second) = chunk.as_slices();
                let kept = random.below(count as u64 + 1) as usize;
                random.stumble();
                first.iter().chain(second).take(kept).copied().for_each(expect);
                assert_eq!(chunk.release(kept), kept);
            }
            _ => {
                assert!(gauge.occupancy() <= gauge.capacity());
                if random.one_in(64) {
                    next += consumer.clear() as u64;
                }
            }
        }
        assert_eq!(consumer.position(), next);
        if next > before {
            counter.did(1);
        } else if consumer.available() == 0 {
            if closed {
                break;
            }
            wait();
        }
    }
    next
}
