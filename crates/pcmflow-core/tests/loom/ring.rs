//! The SPSC ring.

use super::explore;
use loom::thread;
use pcmflow_core::ring::{CircularBuffer, PushError};

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
