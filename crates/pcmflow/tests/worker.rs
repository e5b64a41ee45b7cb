//! Workers: threads that drive tasks, sleep, are woken, and end.
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

use pcmflow::engine::Priority;
use pcmflow::engine::task::{Cx, Poll, SpawnError, Task, TaskHandle, Waker};
use pcmflow::runtime::thread::RealTime;
use pcmflow::runtime::{Clock, Worker, WorkerConfig, WorkerError, Workers};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

fn config(name: &str) -> WorkerConfig {
    WorkerConfig { name: name.into(), tasks_max: 16, real_time: None, events: None }
}

fn worker(name: &str) -> Worker {
    Worker::start(config(name), Clock::start()).unwrap()
}

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

/// Waits for `what`, at the longest for two minutes: not a bound on anything but on a test that hangs.
fn at_last(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(120), "{what} never came");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// One end of a game of tokens: sends one for each that it may, and wakes the other end for each.
struct End {
    sent: Arc<AtomicU64>,
    came: Arc<AtomicU64>,
    /// Tokens that it may be ahead of the other.
    ahead: u64,
    last: u64,
    other: Arc<OnceLock<Waker>>,
}

impl Task for End {
    fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
        // Relaxed: what the wake-up carries is all there is.
        let came = self.came.load(Ordering::Relaxed);
        let mut sent = self.sent.load(Ordering::Relaxed);
        while sent < self.last && sent < came + self.ahead {
            if !cx.spend() {
                return Poll::Again;
            }
            sent += 1;
            self.sent.store(sent, Ordering::Relaxed);
            if let Some(other) = self.other.get() {
                other.wake();
            }
        }
        if sent == self.last && came == self.last { Poll::Done } else { Poll::Idle }
    }
}

/// So many tokens each way, between two workers that have nothing else to do.
fn exchange(tokens: u64, ahead: u64) {
    let workers = Workers::start(2, &config("exchange"), Clock::start()).unwrap();
    let counts: [Arc<AtomicU64>; 2] = Default::default();
    let wakers: [Arc<OnceLock<Waker>>; 2] = Default::default();
    let ends: Vec<TaskHandle> = [(0, ahead), (1, 0)]
        .map(|(end, ahead)| {
            let (sent, came) = (counts[end].clone(), counts[1 - end].clone());
            let other = wakers[1 - end].clone();
            let end = End { sent, came, ahead, last: tokens, other };
            workers.spawn(Priority::High, Box::new(end)).unwrap()
        })
        .into();
    for (waker, end) in wakers.iter().zip(&ends) {
        waker.set(end.waker().clone()).unwrap();
    }
    // Who was polled before it knew the other begins now.
    ends.iter().for_each(|end| end.waker().wake());
    at_last("the last token", || ends.iter().all(TaskHandle::is_done));
    assert_eq!(workers.stop(), [(vec![], 0), (vec![], 0)]);
    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == tokens));
}

#[test]
fn a_million_wakes_between_two_workers_are_answered() {
    exchange(500_000, 64);
}

#[test]
fn wakes_that_find_the_other_asleep_are_answered() {
    exchange(5_000, 1);
}

#[test]
fn due_times_come_in_order_and_not_early() {
    let worker = worker("due times");
    let (said, heard) = channel();
    for (name, wait_ns) in [(3, 30_000_000), (1, 1_000_000), (2, 15_000_000)] {
        let (said, mut due_ns) = (said.clone(), None);
        let task = does(move |cx| {
            let due_ns = *due_ns.get_or_insert(cx.now_ns() + wait_ns);
            if cx.now_ns() < due_ns {
                return Poll::IdleUntil(due_ns);
            }
            said.send(name).unwrap();
            Poll::Done
        });
        worker.spawner().spawn(Priority::Critical, task).unwrap();
    }
    drop(said);
    assert_eq!(heard.iter().collect::<Vec<_>>(), [1, 2, 3]);
    worker.stop();
}

#[test]
fn a_worker_stops_while_it_is_busy_and_while_it_sleeps() {
    for poll in [Poll::Again, Poll::Idle, Poll::IdleUntil(u64::MAX - 1)] {
        let worker = worker("stop");
        let (said, heard) = channel();
        let held = Arc::new(());
        let inside = held.clone();
        let task = does(move |_| {
            let _ = (said.send(()), &inside);
            poll
        });
        let handle = worker.spawner().spawn(Priority::Normal, task).unwrap();
        heard.recv().unwrap();
        let spawner = worker.spawner().clone();
        worker.stop();
        assert!(handle.is_done() && Arc::strong_count(&held) == 1, "its tasks went with it");
        assert!(matches!(spawner.spawn(Priority::Normal, does(|_| Poll::Done)), Err(SpawnError::Gone)));
        handle.waker().wake();
    }
    // Dropped instead of stopped, at once.
    drop(worker("drop"));
}

#[test]
fn a_worker_that_its_own_task_drops_ends() {
    let worker = Arc::new(std::sync::Mutex::new(None));
    let mine = worker.clone();
    let mut own = worker.lock().unwrap();
    let started = self::worker("own");
    let task = does(move |_| {
        drop(mine.lock().unwrap().take());
        Poll::Idle
    });
    let handle = started.spawner().spawn(Priority::Normal, task).unwrap();
    *own = Some(started);
    drop(own);
    at_last("the end", || handle.is_done());
}

#[test]
fn panics_are_told_and_the_others_go_on() {
    let worker = worker("panics");
    let (said, heard) = channel();
    let bug = worker.spawner().spawn(Priority::Critical, does(|_| panic!("a bug"))).unwrap();
    let task = does(move |_| {
        said.send(()).unwrap();
        Poll::Idle
    });
    let other = worker.spawner().spawn(Priority::Normal, task).unwrap();
    heard.recv().unwrap();
    at_last("the panic", || bug.has_panicked());
    other.waker().wake();
    heard.recv().unwrap();
    let mut told = Vec::new();
    at_last("word of it", || {
        told.extend(worker.take_panics().0);
        !told.is_empty()
    });
    assert_eq!((told[0].index, told[0].message.as_str()), (bug.index(), "a bug"));
    assert_eq!(worker.stop(), (vec![], 1));
}

#[test]
fn what_was_granted_is_known_and_what_cannot_be_is_an_error() {
    assert_eq!(worker("plain").granted(), None);
    let real_time = Some(RealTime::every(Duration::from_millis(1)));
    let raised = Worker::start(WorkerConfig { real_time, ..config("raised") }, Clock::start()).unwrap();
    println!("{}", raised.granted().unwrap());
    let error = Worker::start(WorkerConfig { tasks_max: 0, ..config("none") }, Clock::start()).unwrap_err();
    assert!(matches!(error, WorkerError::Executor { .. }) && error.to_string().starts_with("worker none: "));
}

#[test]
fn a_task_for_which_its_worker_has_no_place_comes_to_another() {
    struct Idle;
    impl Task for Idle {
        fn poll(&mut self, _: &mut Cx<'_>) -> Poll {
            Poll::Idle
        }
    }
    let two = WorkerConfig { tasks_max: 2, ..config("places") };
    let workers = Workers::start(2, &two, Clock::start()).unwrap();
    // The first has no place left, and its turn is next.
    for _ in 0..2 {
        let first = workers.iter().next().unwrap();
        first.spawner().spawn(Priority::Normal, Box::new(Idle)).unwrap();
    }
    for _ in 0..2 {
        workers.spawn(Priority::Normal, Box::new(Idle)).unwrap();
    }
    let full = workers.spawn(Priority::Normal, Box::new(Idle)).unwrap_err();
    assert!(matches!(full, SpawnError::Full { tasks_max: 2 }), "{full}");
    workers.stop();
}
