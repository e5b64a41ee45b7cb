//! A reader for async code, with no executor of its own.

use super::{Bell, Waited, look};
use crate::core::ring::Consumer;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Reads a ring from async code, under any executor.
///
/// [`ready`](Self::ready) sleeps until somebody rings the [`bell`](Self::bell): right where the producer may make system
/// calls. A producer on an audio thread may not, and rings nothing: use [`ready_polled`](Self::ready_polled) for it.
///
/// ```
/// use pcmflow::core::ring::CircularBuffer;
/// use pcmflow::runtime::{AsyncReader, Waited};
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// let (producer, consumer) = CircularBuffer::<f32>::with_capacity(256)?.split();
/// let mut reader = AsyncReader::new(consumer);
/// let mut producer = reader.bell().on(producer);
/// let mut listening = pin!(async {
///     let mut block = [0.0; 128];
///     assert_eq!(reader.ready(128).await, Waited::Ready);
///     reader.consumer().pop_slice(&mut block)
/// });
/// # let mut cx = Context::from_waker(Waker::noop());
/// # assert!(listening.as_mut().poll(&mut cx).is_pending());
/// assert_eq!(producer.push_slice(&[0.5; 128]), 128);
/// producer.ring(); // the executor polls `listening` again
/// # assert_eq!(listening.as_mut().poll(&mut cx), Poll::Ready(128));
/// # Ok::<(), pcmflow::core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct AsyncReader<T> {
    consumer: Consumer<T>,
    bell: Bell,
}

impl<T: Send> AsyncReader<T> {
    /// Waits for what `consumer` will find.
    ///
    /// Not RT-safe: allocates.
    pub fn new(consumer: Consumer<T>) -> Self {
        Self { consumer, bell: Bell::default() }
    }

    /// What wakes this reader.
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

    /// Whether `items` are there or the producer is gone; if neither, the task is woken with the next ring of the bell.
    ///
    /// Not RT-safe: locks.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>, items: usize) -> Poll<Waited> {
        if let Some(waited) = look(&mut self.consumer, items) {
            return Poll::Ready(waited);
        }
        self.bell.wait_for(cx.waker());
        look(&mut self.consumer, items).map_or(Poll::Pending, Poll::Ready)
    }

    /// Waits until `items` are there (more than the ring holds is taken for that) or the producer is gone, as told by the bell.
    /// It takes nothing: dropped half-way, it loses nothing.
    ///
    /// **Without the bell it waits for ever**, also for a producer that is gone: hand that to [`Bell::on`], or use
    /// [`ready_polled`](Self::ready_polled).
    ///
    /// Not RT-safe: as [`poll_ready`](Self::poll_ready).
    pub async fn ready(&mut self, items: usize) -> Waited {
        poll_fn(|cx| self.poll_ready(cx, items)).await
    }

    /// As [`ready`](Self::ready), with no need of a bell: looks again after each `sleep`, such as
    /// `|| tokio::time::sleep(Duration::from_millis(1))`.
    ///
    /// Not RT-safe: as [`poll_ready`](Self::poll_ready).
    pub async fn ready_polled<S: Future>(&mut self, items: usize, mut sleep: impl FnMut() -> S) -> Waited {
        loop {
            if let Some(waited) = look(&mut self.consumer, items) {
                return waited;
            }
            sleep().await;
        }
    }
}
