//! Where tasks run, and what becomes of threads whose tasks hang, end or panic.
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

use pcmflow::engine::Priority;
use pcmflow::engine::event::Received;
use pcmflow::engine::event::types::TaskPanicked;
use pcmflow::engine::task::{Cx, Needs, Place, Poll, SpawnError, Task};
use pcmflow::runtime::thread::{Granted, RealTime, Scheduling, scheduling};
use pcmflow::runtime::{Clock, Threads, ThreadsConfig};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

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

fn threads(config: ThreadsConfig) -> Threads {
    Threads::start(config, Clock::start()).unwrap()
}

const BLOCKS: Needs = Needs { priority: Priority::Normal, may_block: true };

/// Where a task with these needs runs.
fn place_of(threads: &Threads, needs: Needs) -> String {
    let (said, heard) = channel();
    let task = does(move |_| {
        said.send(std::thread::current().name().unwrap().to_owned()).unwrap();
        Poll::Done
    });
    threads.place(needs, task).unwrap();
    heard.recv().unwrap()
}

fn at_last(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn tasks_run_by_what_they_need() {
    let threads = threads(ThreadsConfig { name: "t".into(), ..ThreadsConfig::default() });
    let needs = |priority| Needs { priority, may_block: false };
    assert_eq!(place_of(&threads, needs(Priority::Critical)), "t critical");
    let shared = [Priority::High, Priority::Normal].map(|priority| place_of(&threads, needs(priority)));
    assert_eq!(shared, ["t shared 0", "t shared 1"]);
    let alone = Needs { priority: Priority::Critical, may_block: true };
    assert_eq!([place_of(&threads, alone), place_of(&threads, BLOCKS)], ["t alone 0", "t alone 1"]);
    // By a clone too; when it was stopped, nowhere.
    let clone = threads.clone();
    assert_eq!((threads.stop(), threads.granted()), (vec![], None));
    assert!(matches!(clone.place(BLOCKS, does(|_| Poll::Done)), Err(SpawnError::Gone)));
    assert!(matches!(clone.place(Needs::default(), does(|_| Poll::Done)), Err(SpawnError::Gone)));
}

/// Whoever has no right to it sees them all alike; what there is then is seen by the grant.
#[test]
fn what_is_critical_is_scheduled_as_was_granted_and_nothing_else_is() {
    let real_time = Some(RealTime::every(Duration::from_millis(1)));
    let threads = threads(ThreadsConfig { real_time, ..ThreadsConfig::default() });
    let granted = threads.granted().unwrap();
    println!("{granted}");
    let of = |priority, may_block| {
        let (said, heard) = channel();
        let task = does(move |_| {
            said.send(scheduling()).unwrap();
            Poll::Done
        });
        threads.place(Needs { priority, may_block }, task).unwrap();
        heard.recv().unwrap()
    };
    let critical = of(Priority::Critical, false);
    assert_eq!(of(Priority::Critical, true), critical);
    assert_eq!(threads.granted(), Some(granted));
    if let Granted::Fifo { priority, .. } = granted {
        assert_eq!(critical, Scheduling::Fifo { priority });
    }
    for (priority, may_block) in
        [(Priority::High, true), (Priority::High, false), (Priority::Normal, true), (Priority::Normal, false)]
    {
        assert_eq!(of(priority, may_block), scheduling(), "{priority} {may_block}");
    }
}

#[test]
fn a_task_that_hangs_holds_up_no_other_and_not_the_end() {
    let threads = threads(ThreadsConfig { shared: 1, ..ThreadsConfig::default() });
    let (release, hang): (Sender<()>, Receiver<()>) = channel();
    let (begun, begins) = channel();
    let handle = threads.place(
        BLOCKS,
        does(move |_| {
            begun.send(()).unwrap();
            let _ = hang.recv();
            Poll::Done
        }),
    );
    begins.recv().unwrap();
    assert_eq!(place_of(&threads, BLOCKS), "pcmflow alone 1");
    assert_eq!(place_of(&threads, Needs::default()), "pcmflow shared 0");
    assert_eq!(threads.stop(), []);
    let handle = handle.unwrap();
    assert!(!handle.is_done(), "it was left behind");
    drop(release);
    at_last("its end", || handle.is_done());
}

/// A thread of its own ends with its task: the task's place in the process is free again.
#[cfg(target_os = "linux")]
#[test]
fn a_thread_ends_with_its_task() {
    let threads = threads(ThreadsConfig { name: "own".into(), shared: 1, ..ThreadsConfig::default() });
    let mine = || {
        let names = std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with("own alone")).count()
    };
    let (release, wait): (Sender<()>, Receiver<()>) = channel();
    threads
        .place(
            BLOCKS,
            does(move |_| {
                let _ = wait.recv();
                Poll::Done
            }),
        )
        .unwrap();
    at_last("the thread", || mine() == 1);
    drop(release);
    at_last("its end", || mine() == 0);
}

#[test]
fn panics_are_told_as_events_and_kept_whatever_thread_they_were_on() {
    let threads = threads(ThreadsConfig::default());
    let mut told = threads.bus().subscribe::<TaskPanicked>(16).unwrap();
    let bug = || does(|_| panic!("a bug"));
    let placed = [BLOCKS, Needs::default(), Needs { priority: Priority::Critical, may_block: false }]
        .map(|needs| threads.place(needs, bug()).unwrap());
    let mut events = 0;
    at_last("three events", || {
        events += usize::from(matches!(told.receive(), Some(Received::Event(_))));
        events == 3
    });
    assert!(placed.iter().all(pcmflow::engine::task::TaskHandle::has_panicked));
    let mut kept = Vec::new();
    at_last("three panics", || {
        kept.extend(threads.take_panics());
        kept.len() == 3
    });
    assert!(kept.iter().all(|panic| panic.message == "a bug"));
    assert_eq!(threads.stop(), []);
}
