//! `CircularBuffer`: every way to push against every way to pop, iterators that are leaked half-way, both ends dropped at
//! random.

use crate::item::{Counted, Drops, Item};
use crate::numbers::Random;
use crate::tally::{Tally, wait};
use pcmflow_core::ring::*;
use std::mem::forget;
use std::thread;

/// The most items that move at once.
pub(crate) const MOST: usize = 128;

pub(crate) fn episode(random: &mut Random, tally: &Tally) {
    if random.one_in(2) {
        life(|number| number, random, tally);
    } else {
        let drops = Drops::default();
        life(|number| Counted::new(number, &drops), random, tally);
        drops.check();
    }
}

/// The life of a ring, until its storage is freed.
fn life<T: Item>(make: impl Fn(u64) -> T + Send, random: &mut Random, tally: &Tally) {
    let ring = CircularBuffer::with_capacity(random.size(700)).unwrap();
    let gauge = ring.gauge();
    let (producer, consumer) = ring.split();
    // Small rings take a switch of threads for every few items. Short lives, so that short runs have many ends of both kinds.
    let turns = random.below(200 + 20 * gauge.capacity() as u64);
    let mut for_producer = random.fork();
    // Half of the consumers may go before the producer does.
    let patience = if random.one_in(2) { random.below(turns + 1) } else { u64::MAX };
    let (sent, read) = thread::scope(|scope| {
        let producer = scope.spawn(move || produce(producer, make, &mut for_producer, turns, tally));
        let read = consume(consumer, &gauge, random, patience, tally);
        (producer.join().unwrap(), read)
    });
    assert_eq!(gauge.occupancy() as u64, sent - read, "what is left is what was not read");
    assert!(patience != u64::MAX || sent == read, "{sent} items were sent, {read} came");
    let state = if sent == read { BufferState::Closed } else { BufferState::Draining };
    assert_eq!(gauge.state(1), state);
}

/// Pushes the numbers from 0; returns how many.
fn produce<T: Item>(
    mut producer: Producer<T>,
    make: impl Fn(u64) -> T,
    random: &mut Random,
    turns: u64,
    tally: &Tally,
) -> u64 {
    let mut counter = tally.counter();
    let mut next = 0;
    for turn in 0..turns {
        if turn % 1024 == 0 && !tally.goes_on() {
            break;
        }
        let moved = match random.below(3 + T::COPYING_PUSHES) {
            0 => match producer.push(make(next)) {
                Ok(()) => 1,
                Err(PushError::Full(item) | PushError::Closed(item)) => {
                    assert_eq!(item.number(), next, "what is refused comes back");
                    0
                }
            },
            1 => producer.vacant().map_or(0, |slot| {
                slot.fill(make(next));
                1
            }),
            2 => {
                let mut made = 0;
                let most = random.size(MOST) as u64;
                let mut items = (next..next + most).map(|number| {
                    made += 1;
                    random.stumble();
                    make(number)
                });
                let moved = producer.push_iter(&mut items);
                assert_eq!(moved, made, "an item without room was taken from the iterator");
                moved
            }
            way => T::push_copies(&mut producer, way - 3, next, random),
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
fn consume<T: Item>(
    mut consumer: Consumer<T>,
    gauge: &Gauge<T>,
    random: &mut Random,
    patience: u64,
    tally: &Tally,
) -> u64 {
    let mut counter = tally.counter();
    let mut next = 0;
    for _ in 0..patience {
        let closed = consumer.is_closed();
        let before = next;
        let mut expect = |number: u64| {
            assert_eq!(number, next, "lost, doubled, stale or out of order");
            next += 1;
        };
        match random.below(4 + T::COPYING_POPS) {
            0 => consumer.pop().iter().for_each(|item| expect(item.number())),
            1 => {
                if let Some(seen) = consumer.peek().map(T::number) {
                    random.stumble();
                    assert_eq!(consumer.pop().as_ref().map(T::number), Some(seen));
                    expect(seen);
                }
            }
            2 => {
                let count = consumer.available().min(random.size(MOST));
                let chunk = consumer.read_chunk(count).unwrap();
                let kept = random.below(count as u64 + 1) as usize;
                random.stumble();
                chunk.iter().take(kept).for_each(|item| expect(item.number()));
                assert_eq!(chunk.release(kept), kept);
            }
            3 => {
                let mut items = consumer.pop_iter(random.size(MOST));
                let taken = random.below(items.len() as u64 + 1) as usize;
                items.by_ref().take(taken).for_each(|item| {
                    random.stumble();
                    expect(item.number());
                });
                // What a leaked one took is taken; the rest stays, and the slots are given back by a later call.
                if random.one_in(4) {
                    forget(items);
                }
            }
            way => T::pop_copies(&mut consumer, way - 4, random, expect),
        }
        if random.one_in(64) {
            assert!(gauge.occupancy() <= gauge.capacity());
            if random.one_in(64) {
                next += consumer.clear() as u64;
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
    // The last that is taken is often taken by an iterator that is leaked.
    if random.one_in(2) {
        let mut items = consumer.pop_iter(MOST);
        let taken = random.size(MOST);
        for item in items.by_ref().take(taken) {
            assert_eq!(item.number(), next, "lost, doubled, stale or out of order");
            next += 1;
        }
        forget(items);
    }
    next
}
