//! Executors driven by threads that really sleep: a wake-up that is lost hangs, and is found by its deadline.

use super::*;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

#[derive(Debug)]
struct Wall(Instant);

impl Clock for Wall {
    fn now_ns(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// A thread that drives an executor, and sleeps without a bound where no task has a due time.
struct Driver {
    spawner: Spawner,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Driver {
    fn start() -> Self {
        let (send, receive) = std::sync::mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let thread = thread::spawn(move || {
            let this = thread::current();
            let (mut executor, spawner) = Executor::with_unpark(128, move || this.unpark()).unwrap();
            send.send(spawner).unwrap();
            let (clock, mut slept) = (Wall(Instant::now()), 0);
            while !asked.load(Ordering::Relaxed) {
                let rest = executor.run(&clock);
                if rest == Rest::No || !executor.fall_asleep() {
                    continue;
                }
                slept += 1;
                match rest {
                    Rest::Until(due_ns) => {
                        thread::park_timeout(Duration::from_nanos(due_ns.saturating_sub(clock.now_ns())))
                    }
                    _ => thread::park(),
                }
                executor.wake_up();
            }
            assert_eq!(executor.take_panics(), (Vec::new(), 0));
            slept
        });
        Self { spawner: receive.recv().unwrap(), stop, thread }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().unwrap()
    }
}

/// Waits for `what`, at the longest for a minute.
fn within_a_minute(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} was lost");
        thread::yield_now();
    }
}

#[test]
fn every_wake_is_answered() {
    const WAKES: u64 = 20_000;
    let driver = Driver::start();
    // Relaxed: what the wake-up carries is all there is.
    let asked: Arc<[AtomicU64; 3]> = Arc::default();
    let answered: Arc<[AtomicU64; 3]> = Arc::default();
    let tasks: Vec<TaskHandle> = (0..100)
        .map(|place| {
            let (asked, answered) = (asked.clone(), answered.clone());
            // The first and the last answer, in different words; the others are in the way.
            let watched: &'static [usize] = match place {
                0 => &[0, 1],
                99 => &[2],
                _ => &[],
            };
            let task = does(move |_| {
                for &n in watched {
                    answered[n].store(asked[n].load(Ordering::Relaxed), Ordering::Relaxed);
                }
                Poll::Idle
            });
            driver.spawner.spawn(Priority::ALL[place % 3], task).unwrap()
        })
        .collect();
    thread::scope(|scope| {
        // Two wake one task, and one another.
        for (n, place) in [(0, 0), (1, 0), (2, 99)] {
            let (tasks, asked, answered) = (&tasks, &asked, &answered);
            scope.spawn(move || {
                for wake in 1..=WAKES {
                    asked[n].store(wake, Ordering::Relaxed);
                    tasks[place].waker().wake();
                    within_a_minute("a wake-up", || answered[n].load(Ordering::Relaxed) >= wake);
                    if wake % 16 == 0 {
                        // Long enough that the driver mostly sleeps.
                        thread::sleep(Duration::from_micros(20));
                    }
                }
            });
        }
    });
    assert!(driver.stop() > 0, "it never slept");
}

#[test]
fn tasks_come_and_go_from_several_threads() {
    let driver = Driver::start();
    let ended = Arc::new(AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for n in 0..3_000 {
                    let ended = ended.clone();
                    let task = does(move |_| {
                        ended.fetch_add(1, Ordering::Relaxed);
                        if n % 3 == 0 { Poll::Idle } else { Poll::Done }
                    });
                    let handle = driver.spawner.spawn(Priority::ALL[n % 3], task).unwrap();
                    if n % 3 == 0 {
                        handle.remove();
                    }
                    within_a_minute("a task", || handle.is_done());
                }
            });
        }
    });
    assert!(ended.load(Ordering::Relaxed) >= 6_000);
    driver.stop();
}

#[test]
fn due_times_wake_by_themselves() {
    let driver = Driver::start();
    let mut left = 50;
    let task = does(move |cx| {
        left -= 1;
        if left == 0 { Poll::Done } else { Poll::IdleUntil(cx.now_ns() + 200_000) }
    });
    let handle = driver.spawner.spawn(Priority::Critical, task).unwrap();
    within_a_minute("a due time", || handle.is_done());
    driver.stop();
}
