//! A reader that blocks its thread.

use super::{Bell, Waited, look};
use crate::core::ring::Consumer;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// The shortest nap.
pub(super) const NAP_MIN: Duration = Duration::from_micros(10);

/// Reads a ring and sleeps while it has too little: for a thread that is not an audio thread.
///
/// It looks again after `nap` at the latest, so that a producer on an audio thread, which wakes nobody, is heard; a producer that
/// may make system calls wakes it sooner with the [`bell`](Self::bell).
///
/// ```
/// use pcmflow::core::ring::CircularBuffer;
/// use pcmflow::runtime::{BlockingReader, Waited};
/// use std::time::Duration;
/// let (mut producer, consumer) = CircularBuffer::<f32>::with_capacity(1024)?.split();
/// let mut reader = BlockingReader::new(consumer, Duration::from_micros(500));
/// let callback = std::thread::spawn(move || {
///     for _ in 0..4 {
///         assert_eq!(producer.push_slice(&[0.5; 128]), 128);
///     }
/// });
/// let mut block = [0.0; 512];
/// assert_eq!(reader.read(&mut block, Duration::from_secs(10)), 512);
/// assert_eq!(reader.wait(1, Duration::from_secs(10)), Waited::Closed(0));
/// # callback.join().unwrap();
/// # Ok::<(), pcmflow::core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct BlockingReader<T> {
    consumer: Consumer<T>,
    bell: Bell,
    /// At least `NAP_MIN`.
    pub(super) nap: Duration,
}

impl<T: Send> BlockingReader<T> {
    /// Waits for what `consumer` will find, and looks again every `nap`, or every 10 µs where that is less: without a nap it
    /// would keep a processor busy.
    ///
    /// Not RT-safe: allocates.
    pub fn new(consumer: Consumer<T>, nap: Duration) -> Self {
        Self { consumer, bell: Bell::default(), nap: nap.max(NAP_MIN) }
    }

    /// What wakes this reader before its nap is over.
    ///
    /// Not RT-safe: what it returns may be the last to free memory.
    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// The ring's half, for reading what is there in any of its ways.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn consumer(&mut self) -> &mut Consumer<T> {
        &mut self.consumer
    }

    /// Gives the ring's half back.
    ///
    /// Not RT-safe: may free memory.
    pub fn into_inner(self) -> Consumer<T> {
        self.consumer
    }

    /// Waits until `items` are there (more than the ring holds is taken for that), the producer is gone or `timeout` is over.
    /// It takes nothing.
    ///
    /// Not RT-safe: blocks.
    pub fn wait(&mut self, items: usize, timeout: Duration) -> Waited {
        if let Some(waited) = look(&mut self.consumer, items) {
            return waited;
        }
        let start = Instant::now();
        let waker = Waker::from(Arc::new(Parked(std::thread::current())));
        loop {
            self.bell.wait_for(&waker);
            if let Some(waited) = look(&mut self.consumer, items) {
                return waited;
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Waited::TimedOut(self.consumer.available());
            }
            std::thread::park_timeout(self.nap.min(left));
        }
    }

    /// Fills `out`, waiting for what is missing until the producer is gone or `timeout` is over; returns how many items were
    /// read.
    ///
    /// Not RT-safe: blocks.
    pub fn read(&mut self, out: &mut [T], timeout: Duration) -> usize
    where
        T: Copy,
    {
        let start = Instant::now();
        let mut read = 0;
        while read < out.len() {
            // A part at a time, lest the ring be full while we wait for more than it holds.
            let part = (out.len() - read).min(self.consumer.capacity().div_ceil(2));
            let waited = self.wait(part, timeout.saturating_sub(start.elapsed()));
            read += self.consumer.pop_slice(&mut out[read..]);
            if waited != Waited::Ready {
                break;
            }
        }
        read
    }
}

/// Wakes a parked thread.
pub(super) struct Parked(pub(super) Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
