//! The ring, empty, full, wrapped and closed.

use crate::guard::rt;
use pcmflow_core::ring::*;

pub(crate) fn entries() {
    items();
    slices();
    in_place();
    bulk();
    planar();
    the_other_end_is_gone();
}

fn items() {
    let ring = CircularBuffer::with_capacity(4).unwrap();
    rt("CircularBuffer::capacity", || ring.capacity());
    let gauge = ring.gauge();
    let (mut producer, mut consumer) = ring.split();
    rt("Producer::capacity", || producer.capacity());
    rt("Consumer::capacity", || consumer.capacity());
    rt("Gauge::capacity", || gauge.capacity());
    for lap in 0..3u32 {
        assert_eq!(rt("Consumer::pop", || consumer.pop()), None);
        assert_eq!(rt("Consumer::peek", || consumer.peek().copied()), None);
        for item in 0..4 {
            rt("Gauge::state", || gauge.state(2));
            assert!(rt("Producer::push", || producer.push(item)).is_ok());
        }
        assert!(!rt("Producer::has_room", || producer.has_room(1)));
        assert_eq!(rt("Producer::free", || producer.free()), 0);
        assert!(rt("Producer::vacant", || producer.vacant().is_none()));
        let refused = rt("Producer::push", || producer.push(9)).unwrap_err();
        assert_eq!(rt("PushError::into_inner", || refused.into_inner()), 9);
        assert_eq!(rt("Gauge::occupancy", || gauge.occupancy()), 4);
        rt("Gauge::state", || gauge.state(2));
        assert_eq!(rt("Consumer::available", || consumer.available()), 4);
        assert_eq!(rt("Consumer::peek", || consumer.peek().copied()), Some(0));
        assert_eq!(rt("Consumer::pop", || consumer.pop()), Some(0));
        rt("Vacant::fill", || producer.vacant().unwrap().fill(lap));
        assert_eq!(rt("Consumer::clear", || consumer.clear()), 4);
        assert_eq!(rt("Consumer::position", || consumer.position()), 5 * u64::from(lap + 1));
        assert_eq!(rt("Producer::position", || producer.position()), 5 * u64::from(lap + 1));
    }
}

fn slices() {
    let (mut producer, mut consumer) = CircularBuffer::with_capacity(8).unwrap().split();
    let mut out = [0.0f32; 8];
    // Lengths that wrap at every place.
    for len in [0, 3, 8, 5, 7, 6, 1, 9, 4] {
        let pushed = rt("Producer::push_slice", || producer.push_slice(&[0.5; 9][..len]));
        assert_eq!(rt("Consumer::pop_slice", || consumer.pop_slice(&mut out)), pushed);
    }
}

fn in_place() {
    let (mut producer, mut consumer) = CircularBuffer::<f32>::with_capacity(8).unwrap().split();
    for count in [3, 8, 5, 7] {
        let mut chunk = rt("Producer::write_chunk", || producer.write_chunk(count)).unwrap();
        rt("WriteChunk::as_mut_slices", || chunk.as_mut_slices().0.fill(1.0));
        rt("WriteChunk::commit", || chunk.commit(count));
        let chunk = rt("Consumer::read_chunk", || consumer.read_chunk(count)).unwrap();
        assert_eq!(rt("ReadChunk::as_slices", || chunk.as_slices().0[0]), 1.0);
        rt("ReadChunk::release", || chunk.release(1));
        let chunk = consumer.read_chunk(count - 1).unwrap();
        rt("ReadChunk::release_all", || chunk.release_all());
    }
    assert!(rt("Producer::write_chunk", || producer.write_chunk(9).is_err()));
    assert!(rt("Consumer::read_chunk", || consumer.read_chunk(1).is_err()));
}

fn bulk() {
    let ring = CircularBuffer::with_capacity(8).unwrap();
    let gauge = ring.gauge();
    let (mut producer, mut consumer) = ring.split();
    let mut out = [0u32; 8];
    for len in [3, 8, 5, 7] {
        assert!(rt("Producer::push_entire", || producer.push_entire(&[7; 8][..len])).is_ok());
        assert!(rt("Producer::push_entire", || producer.push_entire(&[7; 8])).is_err());
        assert!(!rt("Producer::is_drained", || producer.is_drained()));
        assert!(rt("Consumer::pop_entire", || consumer.pop_entire(&mut out[..len])).is_ok());
        assert!(rt("Consumer::pop_entire", || consumer.pop_entire(&mut out[..1])).is_err());
        assert_eq!(rt("Producer::push_iter", || producer.push_iter(0..len as u32)), len);
        rt("ReadChunk::iter", || assert_eq!(consumer.read_chunk(len).unwrap().iter().count(), len));
        let sum = rt("Consumer::pop_iter", || consumer.pop_iter(usize::MAX).sum::<u32>());
        assert_eq!(sum, (0..len as u32).sum());
        assert!(!rt("Consumer::is_finished", || consumer.is_finished()));
    }
    assert_eq!(producer.push_iter(0..2), 2);
    let mut items = consumer.pop_iter(2);
    assert_eq!(rt("PopIter::next", || items.next()), Some(0));
    rt("PopIter::drop", || drop(items));
    assert_eq!(rt("Gauge::high_water", || gauge.high_water()), 8);
    let other = rt("Gauge::clone", || gauge.clone());
    assert_eq!(other.high_water(), 8);
}

fn planar() {
    let (mut producer, mut consumer) = CircularBuffer::with_capacity(8).unwrap().split();
    let (mut left, mut right) = ([0.0f32; 3], [0.0f32; 3]);
    for _ in 0..4 {
        assert_eq!(rt("Producer::push_planar", || producer.push_planar(&[&[1.0; 3], &[2.0; 3]])), 3);
        let chunk = consumer.read_chunk(6).unwrap();
        assert_eq!(rt("ReadChunk::channel", || chunk.channel(1, 2).sum::<f32>()), 6.0);
        assert_eq!(rt("Consumer::pop_planar", || consumer.pop_planar(&mut [&mut left, &mut right])), 3);
    }
}

fn the_other_end_is_gone() {
    let (mut producer, consumer) = CircularBuffer::with_capacity(2).unwrap().split();
    assert!(!rt("Producer::is_closed", || producer.is_closed()));
    rt("Consumer::drop", || drop(consumer));
    assert!(rt("Producer::is_closed", || producer.is_closed()));
    assert_eq!(rt("Producer::push", || producer.push(1)), Err(PushError::Closed(1)));

    let ring = CircularBuffer::with_capacity(2).unwrap();
    let gauge = ring.gauge();
    let (mut producer, mut consumer) = ring.split();
    producer.push(1).unwrap();
    assert!(!rt("Consumer::is_closed", || consumer.is_closed()));
    rt("Producer::drop", || drop(producer));
    assert!(rt("Consumer::is_closed", || consumer.is_closed()));
    assert_eq!(rt("Gauge::state", || gauge.state(1)), BufferState::Draining);
    assert_eq!(rt("Consumer::pop", || consumer.pop()), Some(1));
    assert_eq!(rt("Gauge::state", || gauge.state(1)), BufferState::Closed);
}
