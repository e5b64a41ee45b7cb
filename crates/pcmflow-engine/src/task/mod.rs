//! Tasks: the engine's units of work, and who polls them.
//!
//! A [`Task`] does a bounded piece of work when it is polled, and says what it waits for. Each is owned by one
//! [`Executor`], which polls the ready ones by [priority](crate::Priority): always the most urgent first, but one of the lower
//! ones after every [`STARVATION_LIMIT`](Executor::STARVATION_LIMIT) polls that went past it. An executor is driven by
//! whoever has a processor to give: a thread, a browser's Worker, a test with a virtual clock. It never sleeps by itself.
//!
//! # Waking and parking
//!
//! A task's state is one bit, *ready*. [`Waker::wake`] sets it; the executor clears it *before* it polls, so that a wake
//! during the poll is not lost: the bit is set again, and the task is polled again. Work is made visible before the wake.
//!
//! The executor's driver, before it sleeps, raises the flag *asleep*, and looks for ready tasks once more; a waker, having set
//! its bit, looks at the flag. Both look after a sequentially consistent fence, so that at least one sees the other
//! (Dekker's pattern): either the driver finds the bit, or the waker finds the flag, and [`Unpark`]s it. An audio callback must
//! not wake: whom it feeds polls by time ([`Poll::IdleUntil`]).

mod cx;
mod executor;
mod pending;
mod place;
#[cfg(not(pcmflow_loom))]
mod ready;
/// For the model checker, with threads of its own.
#[cfg(pcmflow_loom)]
pub mod ready;
mod spawn;
mod timers;
mod waker;

pub use cx::{Clock, Cx, StepClock};
pub use executor::{Executor, Rest, TaskPanic};
pub use place::{Needs, Place};
pub use spawn::{SpawnError, Spawner, TaskHandle};
pub use waker::{Unpark, Waker};

#[cfg(all(test, not(pcmflow_loom)))]
mod tests;

/// A unit of work with an owner of its own.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::task::{Cx, Executor, Poll, Rest, StepClock, Task};
/// /// Counts to three, a millisecond at a time.
/// struct Count(std::sync::mpsc::Sender<u64>, u64);
/// impl Task for Count {
///     fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
///         self.1 += 1;
///         let _ = self.0.send(cx.now_ns());
///         if self.1 < 3 { Poll::IdleUntil(cx.now_ns() + 1_000_000) } else { Poll::Done }
///     }
/// }
/// let clock = StepClock::default();
/// let (mut executor, spawner) = Executor::new(16)?;
/// let (said, heard) = std::sync::mpsc::channel();
/// spawner.spawn(Priority::Normal, Box::new(Count(said, 0)))?;
/// while let Rest::Until(due_ns) = executor.run(&clock) {
///     clock.set(due_ns);
/// }
/// assert_eq!(heard.into_iter().collect::<Vec<_>>(), [0, 1_000_000, 2_000_000]);
/// # Ok::<(), pcmflow_engine::task::SpawnError>(())
/// ```
pub trait Task: Send {
    /// Does a bounded piece of work: some [`Cx::budget`] chunks, events or the like.
    ///
    /// Not RT-safe: what it may do is the task's to say; called on the executor's thread.
    fn poll(&mut self, cx: &mut Cx<'_>) -> Poll;
}

/// What a poll came to.
///
/// ```
/// use pcmflow_engine::task::Poll;
/// /// Of a task that looks at an audio ring, whose producer wakes nobody, every 100 µs while audio runs.
/// fn look(frames: usize, audio_runs: bool, now_ns: u64) -> Poll {
///     match (frames, audio_runs) {
///         (0, true) => Poll::IdleUntil(now_ns + 100_000),
///         (0, false) => Poll::Idle,
///         _ => Poll::Again,
///     }
/// }
/// assert_eq!(look(0, true, 7), Poll::IdleUntil(100_007));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// There is more to do at once; others come first.
    Again,
    /// Nothing can be done until somebody wakes the task.
    Idle,
    /// Nothing can be done until this time, in nanoseconds of the clock, or until somebody wakes the task.
    IdleUntil(u64),
    /// The task is over, and is dropped.
    Done,
}
