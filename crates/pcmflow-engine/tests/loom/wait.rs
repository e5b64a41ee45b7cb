//! Two tasks at the ends of a link, each on a thread of its own, which wait for each other.

use super::{Work, drive, executor, explore};
use loom::sync::Arc;
use loom::thread;
use pcmflow_engine::Priority;
use pcmflow_engine::flow::wait::Wait;
use pcmflow_engine::task::{Cx, Poll, Task};
use std::sync::atomic::Ordering;

/// Takes what comes, as a link's receiving end does: it looks, says that it is about to wait, looks once more, and is idle.
struct Taker {
    wait: Arc<Wait>,
    came: Vec<Work>,
    registered: bool,
}

impl Taker {
    fn has_all(&self) -> bool {
        self.came.iter().all(|work| work.load(Ordering::Acquire) == 1)
    }
}

impl Task for Taker {
    fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
        if !std::mem::replace(&mut self.registered, true) {
            self.wait.register(cx.waker());
        }
        if self.has_all() {
            return Poll::Done;
        }
        self.wait.arm();
        if self.has_all() { Poll::Done } else { Poll::Idle }
    }
}

/// Another thread brings so much, one after the other, and tells of each.
fn brings(count: usize) {
    let (mut executor, spawner) = executor(1);
    let wait = Arc::new(Wait::default());
    let came: Vec<Work> = (0..count).map(|_| Work::default()).collect();
    let taker = Taker { wait: wait.clone(), came: came.clone(), registered: false };
    let task = spawner.spawn(Priority::Normal, Box::new(taker)).unwrap();
    let thread = thread::spawn(move || {
        for work in came {
            // As a ring publishes what was pushed.
            work.store(1, Ordering::Release);
            wait.notify();
        }
    });
    drive(&mut executor, &task);
    thread.join().unwrap();
}

#[test]
fn what_is_sent_while_the_receiver_falls_idle_is_taken() {
    explore("wait, one packet", None, || brings(1));
}

#[test]
fn what_is_sent_to_a_receiver_that_was_just_woken_is_taken() {
    explore("wait, two packets", 3, || brings(2));
}
