use super::*;
use crate::core::ring::{CircularBuffer, Producer};
use std::pin::pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(10);

fn reader(capacity: usize, nap: Duration) -> (Producer<u32>, BlockingReader<u32>) {
    let (producer, consumer) = CircularBuffer::with_capacity(capacity).unwrap().split();
    (producer, BlockingReader::new(consumer, nap))
}

/// Runs `future` on this thread; it must be woken within `LONG`.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(blocking::Parked(thread::current())));
    let (mut future, start) = (pin!(future), Instant::now());
    loop {
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(start.elapsed() < LONG, "nobody woke the task");
        if let Poll::Ready(output) = polled {
            return output;
        }
        thread::park_timeout(LONG);
    }
}

/// With naps that never end, each item is heard by the bell alone: one lost ring and the test fails.
#[test]
fn no_ring_of_the_bell_is_lost() {
    const ITEMS: u32 = 200_000;
    let (mut out, mut reader) = reader(1, LONG);
    let (back, mut heard) = CircularBuffer::<u32>::with_capacity(1).unwrap().split();
    let mut back = back;
    let bell = reader.bell();
    let writer = thread::spawn(move || {
        for item in 0..ITEMS {
            out.push(item).unwrap();
            bell.ring();
            while heard.pop() != Some(item) {
                thread::yield_now();
            }
        }
        drop(out);
        bell.ring();
    });
    for item in 0..ITEMS {
        let start = Instant::now();
        assert_eq!(reader.wait(1, 2 * LONG), Waited::Ready, "item {item}");
        assert!(start.elapsed() < LONG, "item {item} was found by looking, not by the bell");
        assert_eq!(reader.consumer().pop(), Some(item));
        back.push(item).unwrap();
    }
    assert_eq!(reader.wait(1, LONG), Waited::Closed(0));
    writer.join().unwrap();
}

/// As a task that an executor has cancelled: the waker is its last owner, and its end rings the bell, as that of a producer should.
#[test]
fn a_waker_that_rings_when_it_goes_may_be_replaced() {
    struct Ringing(Bell);
    impl std::task::Wake for Ringing {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Ringing {
        fn drop(&mut self) {
            self.0.ring();
        }
    }
    let (replaced, is_replaced) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let (_producer, reader) = reader(1, LONG);
        let mut reader = AsyncReader::new(reader.into_inner());
        let waker = Waker::from(Arc::new(Ringing(reader.bell())));
        assert!(reader.poll_ready(&mut Context::from_waker(&waker), 1).is_pending());
        drop(waker);
        assert!(reader.poll_ready(&mut Context::from_waker(Waker::noop()), 1).is_pending());
        replaced.send(()).unwrap();
    });
    is_replaced.recv_timeout(LONG).expect("the bell's lock was held while the old waker went");
}

#[test]
fn a_task_hears_each_ring_too() {
    const ITEMS: u32 = 200_000;
    let (mut out, consumer) = CircularBuffer::<u32>::with_capacity(4).unwrap().split();
    let mut reader = AsyncReader::new(consumer);
    let bell = reader.bell();
    let writer = thread::spawn(move || {
        for item in 0..ITEMS {
            while out.push(item).is_err() {
                thread::yield_now();
            }
            bell.ring();
        }
        drop(out);
        bell.ring();
    });
    let mut expected = 0;
    while block_on(reader.ready(1)) == Waited::Ready {
        for item in reader.consumer().pop_iter(usize::MAX) {
            assert_eq!(item, expected);
            expected += 1;
        }
    }
    assert_eq!(expected, ITEMS);
    writer.join().unwrap();
}

#[test]
fn a_producer_that_rings_no_bell_is_heard_after_a_nap() {
    let (mut producer, mut reader) = reader(1024, Duration::from_micros(500));
    let callback = thread::spawn(move || {
        for quantum in 0..100 {
            thread::sleep(Duration::from_micros(200));
            assert_eq!(producer.push_slice(&[quantum; 10]), 10);
        }
    });
    let mut out = [u32::MAX; 1100];
    assert_eq!(reader.read(&mut out, LONG), 1000, "all of it, and the end");
    assert!(out[..1000].iter().enumerate().all(|(at, item)| *item == at as u32 / 10));
    callback.join().unwrap();
}

#[test]
fn more_than_the_ring_holds_is_read_piece_by_piece() {
    let (mut producer, mut reader) = reader(8, Duration::from_micros(100));
    let writer = thread::spawn(move || {
        let mut item = 0;
        while item < 100 {
            item += producer.push_iter(item..100) as u32;
            thread::yield_now();
        }
        producer
    });
    let mut out = [0; 100];
    assert_eq!(reader.read(&mut out, LONG), 100);
    assert!(out.iter().copied().eq(0..100));
    let mut producer = writer.join().unwrap();
    let _ = producer.push_slice(&[0; 8]);
    assert_eq!(reader.wait(9, LONG), Waited::Ready, "a full ring is all that can be waited for");
}

#[test]
fn time_runs_out_with_what_is_there() {
    let (mut producer, mut reader) = reader(8, LONG);
    producer.push(7).unwrap();
    let start = Instant::now();
    assert_eq!(reader.wait(2, Duration::from_millis(20)), Waited::TimedOut(1));
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert_eq!(reader.wait(2, Duration::ZERO), Waited::TimedOut(1));
    let mut out = [0; 4];
    assert_eq!(reader.read(&mut out, Duration::from_millis(1)), 1, "what is there is not kept back");
    drop(producer);
    assert_eq!(reader.wait(1, LONG), Waited::Closed(0));
}

#[test]
fn polling_needs_no_bell_and_dropping_half_way_loses_nothing() {
    let (mut producer, consumer) = CircularBuffer::<u32>::with_capacity(4).unwrap().split();
    let mut reader = AsyncReader::new(consumer);
    let mut naps = 0;
    let waited = block_on(reader.ready_polled(2, || {
        naps += 1;
        producer.push(naps).unwrap();
        std::future::ready(())
    }));
    assert_eq!((waited, naps), (Waited::Ready, 2));
    {
        let mut given_up = pin!(reader.ready(3));
        assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(reader.consumer().available(), 2);
    drop(producer);
    assert_eq!(block_on(reader.ready(3)), Waited::Closed(2));
}

/// Whoever forgets the bell at the end, or panics before it: the reader must not wait for ever.
#[test]
fn a_producer_that_goes_rings_the_bell_that_hangs_on_it() {
    for panics in [false, true] {
        let (producer, consumer) = CircularBuffer::<u32>::with_capacity(4).unwrap().split();
        let mut reader = AsyncReader::new(consumer);
        let mut producer = reader.bell().on(producer);
        let writer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            producer.push(1).unwrap();
            assert!(!panics, "as a source that fails does");
        });
        assert_eq!(block_on(reader.ready(2)), Waited::Closed(1));
        assert_eq!(writer.join().is_err(), panics);
    }
}

#[test]
fn nothing_is_always_there_and_a_nap_is_never_none() {
    let (producer, mut reader) = reader(4, Duration::ZERO);
    assert_eq!(reader.nap, blocking::NAP_MIN);
    assert_eq!(reader.wait(0, Duration::ZERO), Waited::Ready);
    drop(producer);
    assert_eq!(reader.wait(0, Duration::ZERO), Waited::Ready);
}
