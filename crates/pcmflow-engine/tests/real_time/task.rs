//! Tasks and their executor; priorities.

use crate::guard::{calls, rt};
use pcmflow_engine::Priority;
use pcmflow_engine::task::*;

/// Does what it is told, over and over.
struct Cycle(Vec<Poll>, usize);

impl Task for Cycle {
    fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
        self.1 += 1;
        match self.0[self.1 % self.0.len()] {
            Poll::IdleUntil(ns) => Poll::IdleUntil(cx.now_ns() + ns),
            poll => poll,
        }
    }
}

pub(crate) fn entries() {
    assert_eq!(rt("Priority::index", || Priority::High.index()), 1);
    assert_eq!(rt("Priority::name", || Priority::High.name()), "high");
    let clock = StepClock::default();
    rt("StepClock::set", || clock.set(5));
    rt("StepClock::advance", || clock.advance(5));
    let (mut executor, spawner) = Executor::new(2).unwrap();
    let task = spawner.spawn(Priority::Normal, Box::new(Cycle(vec![Poll::Done], 0))).unwrap();
    let cx = rt("Cx::new", || Cx::new(&clock, task.waker(), 1));
    let mut cx = rt("Cx::publishing", || cx.publishing(None));
    assert_eq!(rt("Cx::budget", || cx.budget()), 1);
    for left in [true, false] {
        assert_eq!(rt("Cx::spend", || cx.spend()), left);
    }
    assert!(rt("Cx::waker", || cx.waker()).will_wake(task.waker()));
    assert!(rt("Waker::will_wake", || task.waker().will_wake(task.waker())));
    assert!(rt("TaskHandle::waker", || task.waker()).will_wake(task.waker()));
    assert_eq!(rt("TaskHandle::index", || task.index()), 0);
    for done in [false, true] {
        assert_eq!(rt("TaskHandle::is_done", || task.is_done()), done);
        assert!(!rt("TaskHandle::has_panicked", || task.has_panicked()));
        assert_eq!(rt("Spawner::polling", || spawner.polling()), None);
        executor.run(&clock);
    }
}

/// Not claimed of `run`, since tasks may do anything; but what the executor itself does calls no allocator.
#[test]
fn polls_wakes_and_due_times_call_no_allocator() {
    let clock = StepClock::default();
    let (mut executor, spawner) = Executor::new(500).unwrap();
    let tasks: Vec<TaskHandle> = (0..500)
        .map(|n| {
            // Woken early again and again, each with another due time, far off: nothing of that is kept.
            let turns = vec![Poll::IdleUntil(1_000_000_000 - n), Poll::Again, Poll::Idle, Poll::IdleUntil(n)];
            spawner.spawn(Priority::ALL[n as usize % 3], Box::new(Cycle(turns, n as usize))).unwrap()
        })
        .collect();
    while executor.run(&clock) == Rest::No {}
    let polls =
        |executor: &Executor| Priority::ALL.map(|priority| executor.polls(priority)).iter().sum::<u64>();
    let before = polls(&executor);
    let calls = calls(|| {
        for round in 0..200 {
            tasks.iter().skip(round % 3).step_by(3).for_each(|task| task.waker().wake());
            while executor.run(&clock) == Rest::No {}
            assert!(executor.fall_asleep());
            clock.advance(100);
            executor.wake_up();
        }
    });
    assert!(polls(&executor) - before > 40_000);
    assert_eq!(calls, 0);
}
