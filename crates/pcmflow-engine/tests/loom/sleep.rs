//! A driver that falls asleep while its tasks are woken.

use super::{Until, Work, drive, executor, explore};
use loom::thread;
use pcmflow_engine::Priority;
use std::sync::atomic::Ordering;

/// So many threads each bring one piece of work and wake the one task, while the driver looks, sleeps, and looks again.
fn wakers(count: usize) {
    let (mut executor, spawner) = executor(1);
    let work: Vec<Work> = (0..count).map(|_| Work::default()).collect();
    let task = spawner.spawn(Priority::Normal, Box::new(Until(work.clone()))).unwrap();
    let threads: Vec<_> = work
        .into_iter()
        .map(|work| {
            let waker = task.waker().clone();
            thread::spawn(move || {
                work.store(1, Ordering::Relaxed);
                waker.wake();
            })
        })
        .collect();
    drive(&mut executor, &task);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn one_waker_and_a_driver_that_falls_asleep() {
    explore("sleep, one waker", None, || wakers(1));
}

#[test]
fn two_wakers_and_a_driver_that_falls_asleep() {
    explore("sleep, two wakers of one task", 3, || wakers(2));
}

#[test]
fn a_task_that_is_removed_wakes_the_driver() {
    explore("sleep, a task is removed", None, || {
        let (mut executor, spawner) = executor(1);
        let task = spawner.spawn(Priority::Normal, Box::new(Until(vec![Work::default()]))).unwrap();
        let other = task.clone();
        let thread = thread::spawn(move || other.remove());
        drive(&mut executor, &task);
        thread.join().unwrap();
    });
}
