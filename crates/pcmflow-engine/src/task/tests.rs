//! Tasks, executors and wakers: each promise by itself. Against naive models: `tests/model.rs`; with threads: `tests/threads.rs`.
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod model;
mod threads;

use super::*;
use crate::Priority;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A task made of a closure.
struct Does<F>(F);

impl<F: FnMut(&mut Cx<'_>) -> Poll + Send> Task for Does<F> {
    fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
        (self.0)(cx)
    }
}

fn does(poll: impl FnMut(&mut Cx<'_>) -> Poll + Send + 'static) -> Box<dyn Task> {
    Box::new(Does(poll))
}

fn executor() -> (Executor, Spawner, StepClock) {
    let (executor, spawner) = Executor::new(128).unwrap();
    (executor, spawner, StepClock::default())
}

/// What tasks said, in order.
type Log = Arc<Mutex<Vec<usize>>>;

/// Says `name` and is ready again, for ever.
fn greedy(log: &Log, name: usize) -> Box<dyn Task> {
    let log = log.clone();
    does(move |_| {
        log.lock().unwrap().push(name);
        Poll::Again
    })
}

#[test]
fn sizes_are_checked() {
    for tasks_max in [0, Executor::TASKS_MAX + 1] {
        let error = Executor::new(tasks_max).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("an executor for {tasks_max} tasks can't be made: 1 to 4096 are possible")
        );
    }
    let (mut executor, spawner) = Executor::new(Executor::TASKS_MAX).unwrap();
    for _ in 0..Executor::TASKS_MAX {
        spawner.spawn(Priority::Normal, does(|_| Poll::Done)).unwrap();
    }
    assert!(matches!(spawner.spawn(Priority::Normal, does(|_| Poll::Done)), Err(SpawnError::Full { .. })));
    while executor.run(&StepClock::default()) == Rest::No {}
    assert_eq!((executor.tasks(), executor.polls(Priority::Normal)), (0, 4096));
    assert!(spawner.spawn(Priority::Normal, does(|_| Poll::Done)).is_ok());
}

#[test]
fn the_more_urgent_come_first_and_equals_take_turns() {
    let (mut executor, spawner, clock) = executor();
    let log = Log::default();
    for (name, priority) in
        [Priority::Normal, Priority::High, Priority::Critical, Priority::High].into_iter().enumerate()
    {
        let (log, mut polls) = (log.clone(), 0);
        let task = does(move |_| {
            log.lock().unwrap().push(name);
            polls += 1;
            if polls < 3 { Poll::Again } else { Poll::Done }
        });
        spawner.spawn(priority, task).unwrap();
    }
    assert_eq!(executor.run(&clock), Rest::UntilWoken);
    assert_eq!(*log.lock().unwrap(), [2, 2, 2, 1, 3, 1, 3, 1, 3, 0, 0, 0]);
}

#[test]
fn nobody_starves() {
    let (mut executor, spawner, clock) = executor();
    let log = Log::default();
    // Two of each: all of them must get on.
    for name in 0..6 {
        spawner.spawn(Priority::ALL[name / 2], greedy(&log, name)).unwrap();
    }
    for _ in 0..10 {
        assert_eq!(executor.run(&clock), Rest::No);
    }
    let log = log.lock().unwrap();
    for (priority, names) in [[0, 1], [2, 3], [4, 5]].into_iter().enumerate() {
        let polls: Vec<usize> = (0..log.len()).filter(|&poll| names.contains(&log[poll])).collect();
        let between = polls.windows(2).map(|pair| pair[1] - pair[0] - 1).max().unwrap();
        let most = [2, 33, 33][priority];
        assert!(polls[0] <= most && between <= most, "priority {priority}: {between} polls went past");
        assert!(names.iter().all(|name| log.iter().filter(|said| *said == name).count() >= 35));
    }
    // Strict otherwise.
    assert!(executor.polls(Priority::Critical) * 34 >= log.len() as u64 * 32 - 34);
}

#[test]
fn a_wake_during_the_poll_is_not_lost_and_many_wakes_are_one_poll() {
    let (mut executor, spawner, clock) = executor();
    let polls = Arc::new(AtomicU64::new(0));
    let counted = polls.clone();
    let task = does(move |cx| {
        if counted.fetch_add(1, Ordering::Relaxed) == 0 {
            cx.waker().wake();
        }
        Poll::Idle
    });
    let handle = spawner.spawn(Priority::High, task).unwrap();
    executor.run(&clock);
    assert_eq!(polls.load(Ordering::Relaxed), 2);
    for _ in 0..10 {
        handle.waker().wake();
    }
    executor.run(&clock);
    assert_eq!(polls.load(Ordering::Relaxed), 3);
}

#[test]
fn the_clock_is_asked_once_a_poll() {
    #[derive(Debug, Default)]
    struct Counting(AtomicU64);
    impl Clock for Counting {
        fn now_ns(&self) -> u64 {
            self.0.fetch_add(1, Ordering::Relaxed)
        }
    }
    let (mut executor, spawner, _) = executor();
    let clock = Counting::default();
    spawner.spawn(Priority::Normal, greedy(&Log::default(), 0)).unwrap();
    assert_eq!(executor.run(&clock), Rest::No);
    assert_eq!(clock.0.load(Ordering::Relaxed), executor.polls(Priority::Normal));
}

#[test]
fn a_due_time_holds_until_the_next_poll() {
    let (mut executor, spawner, clock) = executor();
    let log = Log::default();
    let (said, mut polls) = (log.clone(), 0);
    let handle = spawner
        .spawn(
            Priority::Normal,
            does(move |cx| {
                said.lock().unwrap().push(cx.now_ns() as usize);
                polls += 1;
                [
                    Poll::IdleUntil(100),
                    Poll::IdleUntil(50),
                    Poll::Idle,
                    Poll::IdleUntil(u64::MAX),
                    Poll::IdleUntil(7),
                ][polls - 1]
            }),
        )
        .unwrap();
    assert_eq!(executor.run(&clock), Rest::Until(100));
    clock.set(10);
    handle.waker().wake();
    assert_eq!(executor.run(&clock), Rest::Until(50), "the earlier wish is gone");
    clock.set(50);
    assert_eq!(executor.run(&clock), Rest::UntilWoken, "neither 50 nor 100 is left");
    clock.set(200);
    assert_eq!(executor.run(&clock), Rest::UntilWoken);
    handle.waker().wake();
    assert_eq!(executor.run(&clock), Rest::UntilWoken, "the end of time is never");
    assert_eq!(*log.lock().unwrap(), [0, 10, 50, 200]);
    handle.remove();
    assert_eq!(executor.run(&clock), Rest::UntilWoken);
}

#[test]
fn removing_takes_effect_before_the_next_poll() {
    let (mut executor, spawner, clock) = executor();
    let log = Log::default();
    // Before it came in; twice, and by a clone.
    let handle = spawner.spawn(Priority::Normal, greedy(&log, 0)).unwrap();
    handle.remove();
    handle.clone().remove();
    assert_eq!(executor.run(&clock), Rest::UntilWoken);
    assert!(handle.is_done() && !handle.has_panicked() && log.lock().unwrap().is_empty());
    // Of a task that is over, and another in its place: nothing happens to that.
    let other = spawner.spawn(Priority::Normal, does(|_| Poll::IdleUntil(5))).unwrap();
    assert_eq!(other.index(), handle.index());
    executor.run(&clock);
    for _ in 0..1000 {
        handle.remove();
    }
    assert_eq!(executor.run(&clock), Rest::Until(5));
    assert!(!other.is_done());
    other.remove();
    assert_eq!(executor.run(&clock), Rest::UntilWoken, "its due time is gone with it");
    assert!(other.is_done());
    // From within its own poll.
    let own = Arc::new(Mutex::new(None::<TaskHandle>));
    let (mine, said) = (own.clone(), log.clone());
    let task = does(move |_| {
        said.lock().unwrap().push(9);
        mine.lock().unwrap().as_ref().unwrap().remove();
        Poll::Again
    });
    *own.lock().unwrap() = Some(spawner.spawn(Priority::Normal, task).unwrap());
    assert_eq!(executor.run(&clock), Rest::UntilWoken);
    assert_eq!((executor.tasks(), &log.lock().unwrap()[..]), (0, &[9][..]));
}

#[test]
fn an_old_waker_is_a_poll_too_many_at_the_priority_of_who_lives_there() {
    let (mut executor, spawner, clock) = executor();
    let old = spawner.spawn(Priority::Critical, does(|_| Poll::Done)).unwrap().waker().clone();
    old.wake();
    executor.run(&clock);
    old.wake();
    assert_eq!(executor.run(&clock), Rest::UntilWoken);
    let new = spawner.spawn(Priority::Normal, does(|_| Poll::Idle)).unwrap();
    assert!(old.will_wake(new.waker()));
    old.wake();
    executor.run(&clock);
    old.wake();
    executor.run(&clock);
    assert_eq!((executor.polls(Priority::Critical), executor.polls(Priority::Normal)), (1, 2));
}

#[test]
fn tasks_bring_tasks() {
    let (mut executor, spawner) = Executor::new(2).unwrap();
    let (bring, mut left) = (spawner.clone(), 100);
    let task = does(move |_| {
        // The other place is free again each time.
        bring.spawn(Priority::Critical, does(|_| Poll::Done)).unwrap();
        left -= 1;
        if left == 0 { Poll::Done } else { Poll::Again }
    });
    spawner.spawn(Priority::Normal, task).unwrap();
    assert_eq!(executor.run(&StepClock::default()), Rest::UntilWoken);
    assert_eq!((executor.polls(Priority::Critical), executor.polls(Priority::Normal)), (100, 100));
}

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any(self.0.to_owned());
    }
}

#[test]
fn panics_end_their_task_and_nobody_elses() {
    let (mut executor, spawner, clock) = executor();
    let plain = spawner.spawn(Priority::Normal, does(|_| panic!("a bug"))).unwrap();
    let bomb = Bomb("in drop");
    let dropped = does(move |_| {
        let _held = &bomb;
        Poll::Done
    });
    let dropped = spawner.spawn(Priority::Normal, dropped).unwrap();
    let nested = does(|_| std::panic::panic_any(Bomb("never heard")));
    let nested = spawner.spawn(Priority::Normal, nested).unwrap();
    let lives = spawner.spawn(Priority::Normal, does(|_| Poll::Idle)).unwrap();
    assert_eq!(executor.run(&clock), Rest::UntilWoken);
    assert!(plain.has_panicked() && dropped.has_panicked() && nested.has_panicked() && !lives.is_done());
    let (panics, total) = executor.take_panics();
    let told: Vec<_> = panics.iter().map(|panic| (panic.index, panic.message.as_str())).collect();
    assert_eq!((told, total), (vec![(0, "a bug"), (1, "in drop"), (2, "a panic without a message")], 3));
    assert_eq!((executor.take_panics(), executor.tasks()), ((Vec::new(), 3), 1));
}

#[test]
fn an_executor_that_goes_drops_what_it_has_and_what_is_on_its_way() {
    /// Says that it was dropped, and brings another, in vain.
    struct Tells(Log, Spawner);
    impl Drop for Tells {
        fn drop(&mut self) {
            let refused = self.1.spawn(Priority::Normal, does(|_| Poll::Idle));
            assert!(matches!(refused, Err(SpawnError::Gone)));
            self.0.lock().unwrap().push(1);
        }
    }
    let (mut executor, spawner, clock) = executor();
    let log = Log::default();
    let tells = || {
        let tells = Tells(log.clone(), spawner.clone());
        does(move |_| {
            let _held = &tells;
            Poll::Idle
        })
    };
    let inside = spawner.spawn(Priority::Normal, tells()).unwrap();
    executor.run(&clock);
    let coming = spawner.spawn(Priority::Normal, tells()).unwrap();
    assert!(executor.tasks() == 1 && log.lock().unwrap().is_empty());
    drop(executor);
    assert!(inside.is_done() && coming.is_done() && !inside.has_panicked());
    assert_eq!(*log.lock().unwrap(), [1, 1]);
    inside.waker().wake();
    coming.remove();
    // A task that is refused is dropped outside the lock: this would hang.
    assert!(matches!(spawner.spawn(Priority::Normal, tells()), Err(SpawnError::Gone)));
    assert_eq!(Arc::strong_count(&log), 1);
}

#[test]
fn a_hanging_task_can_be_seen() {
    let (mut executor, spawner, clock) = executor();
    assert_eq!(spawner.polling(), None);
    let (seen, look) = (Log::default(), spawner.clone());
    let said = seen.clone();
    clock.set(42);
    spawner.spawn(Priority::Normal, does(|_| Poll::Idle)).unwrap();
    let task = does(move |_| {
        let (index, since_ns) = look.polling().unwrap();
        said.lock().unwrap().extend([index, since_ns as usize]);
        Poll::Done
    });
    spawner.spawn(Priority::Normal, task).unwrap();
    executor.run(&clock);
    assert_eq!((&seen.lock().unwrap()[..], spawner.polling()), (&[1, 42][..], None));
}

#[test]
fn who_falls_asleep_is_woken_once() {
    let unparked = Arc::new(AtomicU64::new(0));
    let counted = unparked.clone();
    let (mut executor, spawner) = Executor::with_unpark(4, move || {
        counted.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    let clock = StepClock::default();
    let handle = spawner.spawn(Priority::Normal, does(|_| Poll::Idle)).unwrap();
    assert!(!executor.fall_asleep(), "a task is on its way");
    assert_eq!(executor.run(&clock), Rest::UntilWoken);
    handle.waker().wake();
    assert!(!executor.fall_asleep(), "a task was woken");
    assert_eq!((executor.run(&clock), unparked.load(Ordering::Relaxed)), (Rest::UntilWoken, 0));
    assert!(executor.fall_asleep());
    handle.waker().wake();
    handle.waker().wake();
    spawner.spawn(Priority::Normal, greedy(&Log::default(), 0)).unwrap();
    assert_eq!(unparked.load(Ordering::Relaxed), 1);
    executor.wake_up();
    assert_eq!(executor.run(&clock), Rest::No);
    assert!(!executor.fall_asleep(), "a task wants to be polled again");
}
