//! Tasks that come, are woken while they are polled, and end.

use super::{Until, Work, drive, executor, explore};
use loom::thread;
use pcmflow_engine::Priority;
use pcmflow_engine::task::{Cx, Executor, Poll, SpawnError, StepClock, Task};
use std::sync::atomic::Ordering;

#[test]
fn a_wake_during_the_poll_is_answered_by_another() {
    explore("executor, a wake-up during the poll", None, || {
        let (mut executor, spawner) = Executor::new(1).unwrap();
        let work = Work::default();
        let task = spawner.spawn(Priority::Normal, Box::new(Until(vec![work.clone()]))).unwrap();
        let waker = task.waker().clone();
        let thread = thread::spawn(move || {
            work.store(1, Ordering::Relaxed);
            waker.wake();
        });
        executor.run(&StepClock::default());
        thread.join().unwrap();
        executor.run(&StepClock::default());
        assert!(task.is_done(), "the wake-up was lost");
    });
}

#[test]
fn a_task_comes_in_by_its_first_wake() {
    explore("executor, a task is brought while the driver falls asleep", None, || {
        let (mut executor, spawner) = executor(2);
        let work = Work::default();
        let task = spawner.spawn(Priority::Normal, Box::new(Until(vec![work.clone()]))).unwrap();
        let waker = task.waker().clone();
        /// Brings the first one its work.
        struct Brings(Work, pcmflow_engine::task::Waker);
        impl Task for Brings {
            fn poll(&mut self, _: &mut Cx<'_>) -> Poll {
                self.0.store(1, Ordering::Relaxed);
                self.1.wake();
                Poll::Done
            }
        }
        let thread = thread::spawn(move || {
            spawner.spawn(Priority::High, Box::new(Brings(work, waker))).unwrap();
        });
        drive(&mut executor, &task);
        thread.join().unwrap();
    });
}

#[test]
fn who_sees_the_end_sees_what_was_done() {
    struct Writes(Work);
    impl Task for Writes {
        fn poll(&mut self, _: &mut Cx<'_>) -> Poll {
            self.0.store(7, Ordering::Relaxed);
            Poll::Done
        }
    }
    explore("executor, the end of a task, and its place given again", None, || {
        let (mut executor, spawner) = Executor::new(1).unwrap();
        let written = Work::default();
        let task = spawner.spawn(Priority::Normal, Box::new(Writes(written.clone()))).unwrap();
        let thread = thread::spawn(move || {
            let done = task.is_done();
            assert!(!done || written.load(Ordering::Relaxed) == 7);
            // Its place is free by then, perhaps before.
            let again = spawner.spawn(Priority::Normal, Box::new(Until(Vec::new())));
            assert!(again.is_ok() || !done);
            again.ok()
        });
        executor.run(&StepClock::default());
        let again = thread.join().unwrap();
        executor.run(&StepClock::default());
        assert!(again.is_none_or(|task| task.is_done()));
        assert_eq!(executor.take_panics().1, 0);
    });
}

#[test]
fn a_task_that_comes_when_the_executor_goes_is_refused_or_ended() {
    explore("executor, a task is brought to one that goes", None, || {
        let (executor, spawner) = Executor::new(1).unwrap();
        let thread =
            thread::spawn(move || spawner.spawn(Priority::Normal, Box::new(Until(vec![Work::default()]))));
        drop(executor);
        match thread.join().unwrap() {
            Ok(task) => assert!(task.is_done(), "the task was left in the inbox"),
            Err(error) => assert!(matches!(error, SpawnError::Gone)),
        }
    });
}
