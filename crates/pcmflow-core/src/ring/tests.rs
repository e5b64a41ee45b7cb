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

/// Whatever the item is: `?` passes a refused push on.
#[test]
fn a_refused_push_is_an_error_that_says_what_helps() {
    struct Mute;
    fn feed(count: usize, closed: bool) -> Result<(), std::boxed::Box<dyn core::error::Error>> {
        let (mut producer, consumer) = CircularBuffer::with_capacity(1)?.split();
        let consumer = Some(consumer).filter(|_| !closed);
        for _ in 0..count {
            producer.push(Mute)?;
        }
        drop(consumer);
        Ok(())
    }
    assert!(feed(1, false).is_ok());
    let (full, closed) = (feed(2, false).unwrap_err(), feed(1, true).unwrap_err());
    assert!(std::format!("{full}").contains("full; offer the item again"), "{full}");
    assert!(std::format!("{closed}").contains("consumer was dropped"), "{closed}");
    assert_eq!(std::format!("{full:?} {closed:?}"), "Full(..) Closed(..)");
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
    assert!(!producer.is_drained());
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
    let _ = producer.push_slice(&[3, 4]);
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

#[test]
fn the_high_water_mark_stays_when_the_water_falls() {
    let ring = CircularBuffer::<u32>::with_capacity(8).unwrap();
    let gauge = ring.gauge();
    let (mut producer, mut consumer) = ring.split();
    let _ = producer.push_slice(&[0; 5]);
    assert_eq!(gauge.high_water(), 5, "what nobody has asked for yet is measured too");
    assert_eq!((consumer.pop_slice(&mut [0; 8]), gauge.high_water()), (5, 5));
    let _ = producer.push_slice(&[0; 3]);
    assert_eq!((consumer.clear(), gauge.high_water()), (3, 5));
    assert_eq!((producer.push_slice(&[0; 9]), gauge.high_water()), (8, 8), "a ring that refuses was full");
}

#[test]
fn the_end_is_seen_from_both_sides() {
    let (mut producer, mut consumer) = CircularBuffer::<u32>::with_capacity(4).unwrap().split();
    assert!(producer.is_drained() && !consumer.is_finished());
    let _ = producer.push_slice(&[1, 2]);
    assert!(!producer.is_drained());
    assert_eq!(consumer.pop(), Some(1));
    assert!(!producer.is_drained());
    assert_eq!(consumer.pop(), Some(2));
    assert!(producer.is_drained() && !producer.is_closed());
    let _ = producer.push_slice(&[3]);
    drop(producer);
    assert!(consumer.is_closed() && !consumer.is_finished());
    assert_eq!(consumer.pop(), Some(3));
    assert!(consumer.is_finished());
}

#[test]
fn a_panic_in_an_iterator_loses_and_doubles_nothing() {
    let token = StdArc::new(());
    let (mut producer, mut consumer) = CircularBuffer::with_capacity(4).unwrap().split();
    let mut given = 0;
    let items = std::iter::repeat_with(|| {
        given += 1;
        assert!(given < 3, "the third item can't be made");
        token.clone()
    });
    let fails = std::panic::AssertUnwindSafe(|| producer.push_iter(items));
    assert!(std::panic::catch_unwind(fails).is_err());
    assert_eq!((consumer.available(), StdArc::strong_count(&token)), (2, 3), "what was given is in the ring");

    let mut leaked = consumer.pop_iter(2);
    drop(leaked.next());
    std::mem::forget(leaked);
    assert_eq!(StdArc::strong_count(&token), 2);
    assert_eq!(consumer.pop_iter(9).count(), 1, "an item taken before a leak is not given again");
    assert!(producer.is_drained(), "slots of a leaked iterator come back with the next read");
    drop((producer, consumer));
    assert_eq!(StdArc::strong_count(&token), 1);
}

#[test]
fn slots_of_a_leaked_iterator_come_back_though_nothing_is_left() {
    let (mut producer, mut consumer) = CircularBuffer::with_capacity(1).unwrap().split();
    producer.push(1).unwrap();
    let mut leaked = consumer.pop_iter(1);
    leaked.next();
    std::mem::forget(leaked);
    assert!(!producer.has_room(1) && consumer.pop().is_none() && producer.has_room(1));
}

#[test]
fn what_a_leaked_iterator_gave_is_dropped_once() {
    for consumer_first in [true, false] {
        let token = StdArc::new(());
        let (mut producer, mut consumer) = CircularBuffer::with_capacity(4).unwrap().split();
        assert_eq!(producer.push_iter(std::iter::repeat_n(token.clone(), 3)), 3);
        let mut leaked = consumer.pop_iter(2);
        let taken = leaked.next();
        std::mem::forget(leaked);
        // Nothing is read in between that would say so to the storage.
        if consumer_first {
            drop(consumer);
            drop(producer);
        } else {
            drop(producer);
            drop(consumer);
        }
        assert_eq!(StdArc::strong_count(&token), 2, "the one that was taken, and ours");
        drop(taken);
    }
}

/// What a single thread may do to a ring.
#[derive(Debug, Clone)]
enum Step {
    Push,
    Pop,
    Peek,
    PushSlice(usize),
    PopSlice(usize),
    PushEntire(usize),
    PopEntire(usize),
    PushIter(usize),
    PopIter(usize, usize),
    PushPlanar(usize, usize),
    PopPlanar(usize, usize),
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
        2 => (0usize..20).prop_map(Step::PushEntire),
        2 => (0usize..20).prop_map(Step::PopEntire),
        2 => (0usize..20).prop_map(Step::PushIter),
        2 => (0usize..20, 0usize..24).prop_map(|(n, t)| Step::PopIter(n, t)),
        2 => (0usize..5, 0usize..8).prop_map(|(c, f)| Step::PushPlanar(c, f)),
        2 => (0usize..5, 0usize..8).prop_map(|(c, f)| Step::PopPlanar(c, f)),
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
        let (mut next, mut most) = (0u32, 0);
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
                Step::PushEntire(n) => {
                    let items: Vec<u32> = (next..).take(n).collect();
                    let fits = n <= free;
                    let few = TooFew { requested: n, available: free };
                    prop_assert_eq!(producer.push_entire(&items), if fits { Ok(()) } else { Err(few) });
                    if fits { model.extend(&items); }
                    next += n as u32;
                }
                Step::PopEntire(n) => {
                    let mut out = vec![u32::MAX; n];
                    match consumer.pop_entire(&mut out) {
                        Ok(()) => prop_assert_eq!(out, model.drain(..n).collect::<Vec<_>>()),
                        Err(few) => {
                            prop_assert_eq!(few, TooFew { requested: n, available: model.len() });
                            prop_assert!(n > model.len() && out.iter().all(|item| *item == u32::MAX));
                        }
                    }
                }
                Step::PushIter(n) => {
                    // Without a known length, as the bound then is the ring's alone.
                    let mut items = (next..).take_while(|item| *item < next + n as u32);
                    let taken = producer.push_iter(&mut items);
                    prop_assert_eq!(taken, n.min(free));
                    prop_assert_eq!(items.count(), n - taken, "an item without room was taken");
                    model.extend((next..).take(taken));
                    next += n as u32;
                }
                Step::PopIter(n, take) => {
                    let mut items = consumer.pop_iter(n);
                    prop_assert_eq!(items.len(), n.min(model.len()));
                    let got: Vec<u32> = items.by_ref().take(take).collect();
                    drop(items);
                    prop_assert_eq!(&got, &model.drain(..n.min(take).min(model.len())).collect::<Vec<_>>());
                }
                Step::PushPlanar(channels, frames) => {
                    let plane = |c: usize| (0..frames).map(|f| next + (f * channels + c) as u32).collect();
                    let planes: Vec<Vec<u32>> = (0..channels).map(plane).collect();
                    let views: Vec<&[u32]> = planes.iter().map(Vec::as_slice).collect();
                    let taken = producer.push_planar(&views);
                    prop_assert_eq!(taken, frames.min(free.checked_div(channels).unwrap_or(0)));
                    model.extend((next..).take(taken * channels));
                    next += (frames * channels) as u32;
                }
                Step::PopPlanar(channels, frames) => {
                    let mut planes = vec![vec![u32::MAX; frames]; channels];
                    let mut views: Vec<&mut [u32]> = planes.iter_mut().map(Vec::as_mut_slice).collect();
                    let got = consumer.pop_planar(&mut views);
                    prop_assert_eq!(got, frames.min(model.len().checked_div(channels).unwrap_or(0)));
                    for f in 0..got {
                        for plane in &planes { prop_assert_eq!(Some(plane[f]), model.pop_front()); }
                    }
                    prop_assert!(planes.iter().all(|plane| plane[got..].iter().all(|item| *item == u32::MAX)));
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
                        prop_assert!(chunk.iter().eq(model.iter().take(n)));
                        let third = |c: usize| model.iter().take(n).skip(c).step_by(3);
                        prop_assert!((0..3).all(|c| chunk.channel(c, 3).eq(third(c))));
                        prop_assert_eq!(chunk.channel(3, 3).count(), 0);
                        let done = chunk.release(release);
                        prop_assert_eq!(done, release.min(n));
                        model.drain(..done);
                    }
                    Err(few) => prop_assert_eq!(few, TooFew { requested: n, available: model.len() }),
                },
                Step::Clear => { prop_assert_eq!(consumer.clear(), model.len()); model.clear(); }
            }
            most = most.max(model.len());
            prop_assert!((most.div_ceil(2)..=most).contains(&gauge.high_water()), "{} of {most}", gauge.high_water());
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

// ThreadSanitizer keeps a shadow of what is touched, which is found page by page, too.
#[cfg(all(target_os = "linux", not(miri), not(pcmflow_tsan)))]
#[test]
fn the_first_lap_waits_for_no_page() {
    // Pages that the system had to find for this thread.
    let faults = || -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // The name of the thread, in brackets, may hold blanks.
        stat.rsplit(')').next().unwrap().split_whitespace().nth(7).unwrap().parse().unwrap()
    };
    // 16 MiB: fresh from the system, whatever was freed before.
    let (mut producer, _consumer) = CircularBuffer::<u64>::with_capacity(1 << 21).unwrap().split();
    let block = [1; 512];
    faults();
    let before = faults();
    while producer.push_slice(&block) > 0 {}
    let during = faults() - before;
    // 4096 pages of 4 KiB; large ones are fewer, and are 8.
    assert!(during < 4, "the first lap waited for {during} pages");
}
