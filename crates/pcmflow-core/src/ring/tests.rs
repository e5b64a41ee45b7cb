use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc as StdArc;
use std::vec;
use std::vec::Vec;

#[test]
fn capacities_are_checked_and_rounded_up() {
    assert_eq!(CircularBuffer::<f32>::with_capacity(0).unwrap_err(), RingError::Empty);
    assert!(matches!(
        CircularBuffer::<f32>::with_capacity(usize::MAX).unwrap_err(),
        RingError::TooLarge { items: usize::MAX, bytes_each: 4 }
    ));
    assert!(matches!(CircularBuffer::<f32>::with_capacity(1 << 62).unwrap_err(), RingError::TooLarge { .. }));
    for (asked, got) in [(1, 1), (2, 2), (3, 4), (1000, 1024), (8192, 8192)] {
        assert_eq!(CircularBuffer::<f32>::with_capacity(asked).unwrap().capacity(), got);
    }
}

#[test]
fn a_full_ring_hands_the_item_back_and_a_dropped_half_closes_it() {
    let (mut producer, mut consumer) = CircularBuffer::with_capacity(1).unwrap().split();
    assert_eq!(producer.push(7), Ok(()));
    assert_eq!(producer.push(8), Err(PushError::Full(8)));
    assert!(!consumer.is_closed());
    drop(producer);
    assert!(consumer.is_closed());
    assert_eq!(consumer.pop(), Some(7), "what was written before the end is still read");
    assert_eq!(consumer.pop(), None);

    let (mut producer, consumer) = CircularBuffer::with_capacity(1).unwrap().split();
    drop(consumer);
    assert_eq!(producer.push(9), Err(PushError::Closed(9)));
}

#[test]
fn every_item_is_dropped_exactly_once() {
    let token = StdArc::new(());
    let (mut producer, mut consumer) = CircularBuffer::with_capacity(8).unwrap().split();
    for _ in 0..8 {
        producer.push(token.clone()).unwrap();
    }
    drop(consumer.pop());
    assert_eq!(consumer.read_chunk(3).unwrap().release(2), 2);
    assert_eq!(StdArc::strong_count(&token), 1 + 5);
    assert_eq!(consumer.clear(), 5);
    producer.push(token.clone()).unwrap();
    drop((producer, consumer));
    assert_eq!(StdArc::strong_count(&token), 1, "items left in the ring are dropped with it");
}

#[test]
fn the_gauge_names_each_state() {
    let ring = CircularBuffer::with_capacity(4).unwrap();
    let gauge = ring.gauge();
    let (mut producer, mut consumer) = ring.split();
    assert_eq!(gauge.state(2), BufferState::Empty);
    producer.push(1).unwrap();
    assert_eq!(gauge.state(2), BufferState::Filling);
    producer.push(2).unwrap();
    assert_eq!(gauge.state(2), BufferState::Ready);
    producer.push_slice(&[3, 4]);
    assert_eq!((gauge.state(2), gauge.occupancy()), (BufferState::Overflowed, 4));
    drop(producer);
    assert_eq!(gauge.state(2), BufferState::Draining);
    consumer.clear();
    assert_eq!(gauge.state(2), BufferState::Closed);
}

#[test]
fn an_uncommitted_chunk_writes_nothing_and_an_unreleased_one_takes_nothing() {
    let (mut producer, mut consumer) = CircularBuffer::<u32>::with_capacity(4).unwrap().split();
    producer.write_chunk(3).unwrap().as_mut_slices().0.fill(9);
    assert_eq!(consumer.available(), 0);
    let mut chunk = producer.write_chunk(3).unwrap();
    chunk.as_mut_slices().0.copy_from_slice(&[1, 2, 3]);
    assert_eq!(chunk.commit(2), 2);
    assert_eq!(consumer.read_chunk(2).unwrap().as_slices().0, [1, 2]);
    assert_eq!(consumer.available(), 2);
    assert_eq!(consumer.read_chunk(3).unwrap_err(), TooFew { requested: 3, available: 2 });
    assert_eq!(producer.write_chunk(3).unwrap_err(), TooFew { requested: 3, available: 2 });
}

/// What a single thread may do to a ring.
#[derive(Debug, Clone)]
enum Step {
    Push,
    Pop,
    Peek,
    PushSlice(usize),
    PopSlice(usize),
    WriteChunk(usize, usize),
    ReadChunk(usize, usize),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Push),
        4 => Just(Step::Pop),
        2 => Just(Step::Peek),
        4 => (0usize..20).prop_map(Step::PushSlice),
        4 => (0usize..20).prop_map(Step::PopSlice),
        4 => (0usize..20, 0usize..24).prop_map(|(n, c)| Step::WriteChunk(n, c)),
        4 => (0usize..20, 0usize..24).prop_map(|(n, c)| Step::ReadChunk(n, c)),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    /// Every way of writing and reading agrees with a `VecDeque` of bounded length.
    #[test]
    fn agrees_with_a_naive_queue(capacity in 1usize..18, steps in proptest::collection::vec(step(), 0..200)) {
        let ring = CircularBuffer::<u32>::with_capacity(capacity).unwrap();
        let (capacity, gauge) = (ring.capacity(), ring.gauge());
        let (mut producer, mut consumer) = ring.split();
        let mut model: VecDeque<u32> = VecDeque::new();
        let mut next = 0u32;
        for step in steps {
            let free = capacity - model.len();
            match step {
                Step::Push => {
                    prop_assert_eq!(producer.push(next).is_ok(), free > 0);
                    if free > 0 { model.push_back(next); }
                    next += 1;
                }
                Step::Pop => prop_assert_eq!(consumer.pop(), model.pop_front()),
                Step::Peek => prop_assert_eq!(consumer.peek(), model.front()),
                Step::PushSlice(n) => {
                    let items: Vec<u32> = (next..).take(n).collect();
                    let taken = producer.push_slice(&items);
                    prop_assert_eq!(taken, n.min(free));
                    model.extend(&items[..taken]);
                    next += n as u32;
                }
                Step::PopSlice(n) => {
                    let mut out = vec![u32::MAX; n];
                    let got = consumer.pop_slice(&mut out);
                    let expected: Vec<u32> = model.drain(..n.min(model.len())).collect();
                    prop_assert_eq!(&out[..got], &expected[..]);
                }
                Step::WriteChunk(n, commit) => match producer.write_chunk(n) {
                    Ok(mut chunk) => {
                        let (first, second) = chunk.as_mut_slices();
                        prop_assert_eq!(first.len() + second.len(), n);
                        for (slot, item) in first.iter_mut().chain(second).zip(next..) { *slot = item; }
                        let done = chunk.commit(commit);
                        prop_assert_eq!(done, commit.min(n));
                        model.extend((next..).take(done));
                        next += n as u32;
                    }
                    Err(few) => prop_assert_eq!(few, TooFew { requested: n, available: free }),
                },
                Step::ReadChunk(n, release) => match consumer.read_chunk(n) {
                    Ok(chunk) => {
                        let (first, second) = chunk.as_slices();
                        prop_assert!(first.iter().chain(second).eq(model.iter().take(n)));
                        let done = chunk.release(release);
                        prop_assert_eq!(done, release.min(n));
                        model.drain(..done);
                    }
                    Err(few) => prop_assert_eq!(few, TooFew { requested: n, available: model.len() }),
                },
                Step::Clear => { prop_assert_eq!(consumer.clear(), model.len()); model.clear(); }
            }
            prop_assert_eq!(gauge.occupancy(), model.len());
            prop_assert_eq!((producer.position() - consumer.position()) as usize, model.len());
            prop_assert_eq!(producer.free(), capacity - model.len());
            prop_assert_eq!(consumer.available(), model.len());
        }
    }
}

/// Two threads, random block sizes, many laps: each item arrives once and in order.
#[test]
fn two_threads_move_a_running_sequence() {
    let (mut producer, mut consumer) = CircularBuffer::<u64>::with_capacity(256).unwrap().split();
    const ITEMS: u64 = 400_000;
    let writer = std::thread::spawn(move || {
        let (mut next, mut seed) = (0u64, 1u64);
        while next < ITEMS {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let items: Vec<u64> = (next..ITEMS).take((seed >> 56) as usize).collect();
            let taken = producer.push_slice(&items);
            if taken == 0 {
                std::thread::yield_now();
            }
            next += taken as u64;
        }
    });
    let (mut expected, mut out) = (0u64, [0u64; 97]);
    loop {
        let closed = consumer.is_closed();
        let got = consumer.pop_slice(&mut out);
        for item in &out[..got] {
            assert_eq!(*item, expected);
            expected += 1;
        }
        if got == 0 {
            if closed {
                break;
            }
            std::thread::yield_now();
        }
    }
    writer.join().unwrap();
    assert_eq!(expected, ITEMS);
}
