//! The SPSC ring.

use super::explore;
use loom::thread;
use pcmflow_core::ring::{CircularBuffer, PushError};
use std::mem::forget;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn items_cross_in_order_once_round_the_storage() {
    explore("ring, three items through two slots", None, || {
        let (mut producer, mut consumer) = CircularBuffer::<u32>::with_capacity(2).unwrap().split();
        let writer = thread::spawn(move || {
            let mut taken = 0;
            for item in 0..3 {
                // An item that finds the ring full is the writer's again; what is sent stays in order.
                match producer.push(item) {
                    Ok(()) => taken += 1,
                    Err(PushError::Full(_) | PushError::Closed(_)) => break,
                }
            }
            taken
        });
        let mut read = Vec::new();
        for _ in 0..3 {
            read.extend(consumer.pop());
        }
        let taken = writer.join().unwrap();
        read.extend(std::iter::from_fn(|| consumer.pop()));
        assert_eq!(read, (0..taken).collect::<Vec<_>>());
    });
}

#[test]
fn slices_cross_whole() {
    explore("ring, slices of two through three slots, rounded to four", None, || {
        let (mut producer, mut consumer) = CircularBuffer::<u32>::with_capacity(3).unwrap().split();
        let writer = thread::spawn(move || {
            let first = producer.push_slice(&[1, 2]);
            let second = producer.push_slice(&[3, 4, 5]);
            first + second
        });
        let (mut read, mut out) = (Vec::new(), [0; 3]);
        for _ in 0..2 {
            let count = consumer.pop_slice(&mut out);
            read.extend_from_slice(&out[..count]);
        }
        let pushed = writer.join().unwrap();
        loop {
            let count = consumer.pop_slice(&mut out);
            if count == 0 {
                break;
            }
            read.extend_from_slice(&out[..count]);
        }
        assert_eq!(read, [1, 2, 3, 4, 5][..pushed]);
    });
}

#[test]
fn chunks_in_place_cross_whole() {
    explore("ring, chunks in place", None, || {
        let (mut producer, mut consumer) = CircularBuffer::<u32>::with_capacity(2).unwrap().split();
        let writer = thread::spawn(move || {
            for lap in 0..2u32 {
                if let Ok(mut chunk) = producer.write_chunk(2) {
                    chunk.as_mut_slices().0.copy_from_slice(&[2 * lap, 2 * lap + 1]);
                    chunk.commit(2);
                }
            }
        });
        let mut next = 0;
        for _ in 0..2 {
            if let Ok(chunk) = consumer.read_chunk(1) {
                assert_eq!(chunk.as_slices().0[0], next);
                chunk.release_all();
                next += 1;
            }
        }
        writer.join().unwrap();
    });
}

#[test]
fn closed_and_empty_is_final() {
    explore("ring, the producer goes", None, || {
        let (mut producer, mut consumer) = CircularBuffer::<u32>::with_capacity(2).unwrap().split();
        let writer = thread::spawn(move || {
            producer.push(7).unwrap();
        });
        if consumer.is_closed() {
            assert_eq!(consumer.available(), 1, "closed was seen before the last item");
        }
        writer.join().unwrap();
    });
}

#[test]
fn finished_is_final() {
    explore("ring, finished after the last item only", None, || {
        let (mut producer, mut consumer) = CircularBuffer::<u32>::with_capacity(2).unwrap().split();
        let writer = thread::spawn(move || producer.push_slice(&[1, 2]));
        let finished = consumer.is_finished();
        let left = consumer.pop_iter(usize::MAX).count();
        assert!(!finished || left == 0, "finished was seen before the last items");
        assert_eq!(
            left + {
                writer.join().unwrap();
                consumer.pop_iter(usize::MAX).count()
            },
            2
        );
        assert!(consumer.is_finished());
    });
}

#[test]
fn many_at_once_cross_in_order() {
    explore("ring, by iterators through two slots", None, || {
        let (mut producer, mut consumer) = CircularBuffer::<u32>::with_capacity(2).unwrap().split();
        let writer = thread::spawn(move || {
            let mut items = 0..4;
            producer.push_iter(&mut items) + producer.push_iter(&mut items)
        });
        let mut read: Vec<u32> = consumer.pop_iter(2).collect();
        read.extend(consumer.pop_iter(1));
        let pushed = writer.join().unwrap();
        read.extend(consumer.pop_iter(usize::MAX));
        assert_eq!(read, (0..pushed as u32).collect::<Vec<_>>());
    });
}

#[test]
fn all_or_nothing_crosses_whole() {
    explore("ring, blocks of two through two slots, all or nothing", None, || {
        let (mut producer, mut consumer) = CircularBuffer::<u32>::with_capacity(2).unwrap().split();
        let writer = thread::spawn(move || {
            let first = producer.push_entire(&[0, 1]).is_ok();
            let second = producer.push_entire(&[2, 3]).is_ok();
            assert!(first, "an empty ring takes a block that fits");
            if second { 2 } else { 1 }
        });
        let (mut read, mut out) = (Vec::new(), [0; 2]);
        for _ in 0..2 {
            match consumer.pop_entire(&mut out) {
                Ok(()) => read.extend(out),
                Err(few) => assert_eq!(few.available, 0, "half a block was seen"),
            }
        }
        let blocks = writer.join().unwrap();
        while consumer.pop_entire(&mut out).is_ok() {
            read.extend(out);
        }
        assert_eq!(read, (0..2 * blocks).collect::<Vec<u32>>());
    });
}

#[test]
fn high_water_is_never_too_high_and_at_least_half() {
    explore("ring, high-water mark", None, || {
        let ring = CircularBuffer::<u32>::with_capacity(4).unwrap();
        let gauge = ring.gauge();
        let (mut producer, mut consumer) = ring.split();
        // At least two are inside at once, whatever the consumer does: it takes one.
        let writer = thread::spawn(move || producer.push_slice(&[1]) + producer.push_slice(&[2, 3]));
        let popped = consumer.pop_iter(1).count();
        let live = gauge.high_water();
        assert!(live <= 3, "more than was ever written");
        writer.join().unwrap();
        consumer.clear();
        let after = gauge.high_water();
        assert!((3 - popped..=3).contains(&after) && after >= live, "{after} of 3, {popped} taken early");
    });
}

#[test]
fn planes_cross_frame_by_frame() {
    explore("ring, two channels through four slots, one frame across the storage's end", None, || {
        let (mut producer, mut consumer) = CircularBuffer::<u32>::with_capacity(4).unwrap().split();
        assert!(producer.push(0).is_ok() && consumer.pop().is_some());
        let writer = thread::spawn(move || {
            let first = producer.push_planar(&[&[0, 2], &[1, 3]]);
            first + producer.push_planar(&[&[4], &[5]])
        });
        let (mut read, mut left, mut right) = (Vec::new(), [0; 2], [0; 2]);
        let mut pop = || {
            let frames = consumer.pop_planar(&mut [&mut left, &mut right]);
            read.extend(left.iter().zip(&right).take(frames).flat_map(|(left, right)| [*left, *right]));
        };
        pop();
        pop();
        let frames = writer.join().unwrap();
        pop();
        assert!((2..=3).contains(&frames), "an empty ring of four takes two frames");
        assert_eq!(read, (0..2 * frames as u32).collect::<Vec<_>>());
    });
}

/// A number that says when it is dropped.
struct Counted {
    number: u32,
    drops: &'static [AtomicU32; 4],
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops[self.number as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_a_leaked_iterator_took_is_dropped_once() {
    explore("ring, an iterator leaked half-way, and the consumer gone", None, || {
        // Not loom's: figures. Leaked, so that an item that is dropped twice does no harm but count.
        let drops: &[AtomicU32; 4] = Box::leak(Box::default());
        let (mut producer, mut consumer) = CircularBuffer::with_capacity(2).unwrap().split();
        let writer = thread::spawn(move || {
            let mut items = (0..4).map(|number| Counted { number, drops });
            producer.push_iter(&mut items) + producer.push_iter(&mut items)
        });
        let mut read = Vec::new();
        let mut some = consumer.pop_iter(2);
        read.extend(some.next());
        forget(some);
        // Gives the leaked one's slot back with its own, where there is another item.
        read.extend(consumer.pop());
        let mut some = consumer.pop_iter(1);
        read.extend(some.next());
        forget(some);
        drop(consumer);
        let sent = writer.join().unwrap();
        let numbers: Vec<u32> = read.iter().map(|item| item.number).collect();
        assert_eq!(numbers, (0..numbers.len() as u32).collect::<Vec<_>>(), "an item came twice, or not");
        assert!(numbers.len() <= sent && (2..=4).contains(&sent));
        drop(read);
        let dropped = drops.each_ref().map(|drops| drops.load(Ordering::Relaxed));
        assert_eq!(dropped, std::array::from_fn(|number| u32::from(number < sent)), "each is dropped once");
    });
}
