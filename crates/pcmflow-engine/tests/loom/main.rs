//! Interleavings and memory orderings, explored by loom: `cargo xtask proof --only loom`. What loom does not show is said in
//! `pcmflow-core/tests/loom/main.rs`.
//!
//! What a poll asserts would be caught by the executor, as a task's panic: polls note what they saw, and the models assert.
#![cfg(pcmflow_loom)]

#[path = "../../../pcmflow-core/tests/loom/explore.rs"]
mod explore;

mod executor;
mod ready;
mod sleep;
mod wait;

use explore::explore;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use pcmflow_engine::task::{Cx, Executor, Poll, Rest, StepClock, Task, TaskHandle};
use std::sync::atomic::Ordering;

/// What a waker brings, without an ordering of its own: what is seen of it, the wake-up carried. One each: of two that add to one
/// number loom may show the earlier sum last.
type Work = Arc<AtomicU64>;

/// A task that is over when it has seen all work.
struct Until(Vec<Work>);

impl Task for Until {
    fn poll(&mut self, _: &mut Cx<'_>) -> Poll {
        let all = self.0.iter().all(|work| work.load(Ordering::Relaxed) == 1);
        if all { Poll::Done } else { Poll::Idle }
    }
}

/// Drives `executor` on this thread, which sleeps without a bound, until `task` is over: a wake-up that is lost is a deadlock to
/// loom.
fn drive(executor: &mut Executor, task: &TaskHandle) {
    while !task.is_done() {
        if executor.run(&StepClock::default()) != Rest::No && !task.is_done() && executor.fall_asleep() {
            loom::thread::park();
            executor.wake_up();
        }
    }
    assert_eq!(executor.take_panics().1, 0);
}

/// An executor that unparks this thread.
fn executor(tasks_max: usize) -> (Executor, pcmflow_engine::task::Spawner) {
    let this = loom::thread::current();
    Executor::with_unpark(tasks_max, move || this.unpark()).unwrap()
}
