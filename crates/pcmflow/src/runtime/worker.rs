//! Threads that drive executors: they poll what is ready, and sleep until something is due or somebody wakes them.

use super::clock::{Clock, Stop};
use super::thread::{Granted, RealTime};
use crate::engine::Priority;
use crate::engine::event::{EventBus, EventError};
use crate::engine::task::{self, Executor, Rest, SpawnError, Spawner, Task, TaskHandle, TaskPanic};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

impl task::Clock for Clock {
    /// Not RT-safe: may make a system call.
    fn now_ns(&self) -> u64 {
        Clock::now_ns(self)
    }
}

/// What a worker is to be.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The thread's name, which debuggers and the system show.
    pub name: String,
    /// The most tasks at a time, 1 to 4096.
    pub tasks_max: usize,
    /// What its thread asks of the system, if anything. It runs without, too: [`Worker::granted`] tells.
    pub real_time: Option<RealTime>,
    /// Where its tasks publish, by a publisher of its own in its own name; none: nowhere.
    pub events: Option<EventBus>,
}

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// There can be no such executor.
    #[error("worker {name}: {error}")]
    Executor {
        /// The worker's name.
        name: String,
        /// Why.
        error: SpawnError,
    },
    /// The bus has no memory for what its tasks publish by.
    #[error("worker {name}: {error}")]
    Events {
        /// The worker's name.
        name: String,
        /// Why.
        error: EventError,
    },
    /// The system gives no thread: end others, or raise the limit.
    #[error("worker {name}: no thread can be started: {error}")]
    Thread {
        /// The worker's name.
        name: String,
        /// What the system said.
        error: std::io::Error,
    },
}

/// A thread that drives one executor. It looks again when a task is due, sleeps without a bound where none is, and ends when it is
/// told to or dropped; its tasks are dropped with it.
///
/// ```
/// use pcmflow::engine::Priority;
/// use pcmflow::engine::task::{Cx, Poll, Task};
/// use pcmflow::runtime::{Clock, Worker, WorkerConfig};
/// struct Says(std::sync::mpsc::Sender<u64>, u64);
/// impl Task for Says {
///     fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
///         self.1 += 1;
///         let _ = self.0.send(self.1);
///         if self.1 < 3 { Poll::IdleUntil(cx.now_ns() + 100_000) } else { Poll::Done }
///     }
/// }
/// let config = WorkerConfig { name: "pcmflow example".into(), tasks_max: 8, real_time: None, events: None };
/// let worker = Worker::start(config, Clock::start())?;
/// let (said, heard) = std::sync::mpsc::channel();
/// worker.spawner().spawn(Priority::Normal, Box::new(Says(said, 0)))?;
/// assert_eq!(heard.iter().collect::<Vec<_>>(), [1, 2, 3]);
/// assert_eq!(worker.stop(), (vec![], 0)); // no task panicked
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Worker {
    spawner: Spawner,
    stop: Stop,
    granted: Option<Granted>,
    panics: Panics,
    /// None once it was joined.
    thread: Option<JoinHandle<()>>,
}

/// The last panics, and how many there were.
type Panics = Arc<Mutex<(Vec<TaskPanic>, u64)>>;

/// Panics that are kept until they are asked for; further ones are counted.
const PANICS_KEPT: usize = 64;

impl Worker {
    /// Starts the thread; returns when it has asked the system for its priority.
    ///
    /// Not RT-safe: allocates, and starts a thread.
    ///
    /// # Errors
    /// [`WorkerError::Executor`] for a number of tasks that can't be; [`WorkerError::Events`] where the bus refuses,
    /// [`WorkerError::Thread`] where the system does.
    pub fn start(config: WorkerConfig, clock: Clock) -> Result<Self, WorkerError> {
        Self::begin(config, clock, false)
    }

    /// Starts a thread that ends when the first task that is brought to it is over.
    pub(super) fn start_for_one(config: WorkerConfig, clock: Clock) -> Result<Self, WorkerError> {
        Self::begin(WorkerConfig { tasks_max: 1, ..config }, clock, true)
    }

    fn begin(config: WorkerConfig, clock: Clock, one: bool) -> Result<Self, WorkerError> {
        let WorkerConfig { name, tasks_max, real_time, events } = config;
        // Known before the thread first sleeps, which is before anybody wants to wake it.
        let sleeper = Arc::new(OnceLock::<Thread>::new());
        let woken = sleeper.clone();
        let unpark = move || {
            if let Some(thread) = woken.get() {
                thread.unpark();
            }
        };
        let (mut executor, spawner) = Executor::with_unpark(tasks_max, unpark)
            .map_err(|error| WorkerError::Executor { name: name.clone(), error })?;
        if let Some(bus) = events {
            let publisher = bus.publisher(bus.names().id(&name));
            let publisher = publisher.map_err(|error| WorkerError::Events { name: name.clone(), error })?;
            executor.publish_by(publisher);
        }
        let (stop, panics) = (Stop::new(), Panics::default());
        let (asked, told) = (stop.clone(), panics.clone());
        let (grant, granted) = channel();
        let run = move || {
            let _ = sleeper.set(thread::current());
            let raised = real_time.map(RealTime::raise);
            let _ = grant.send(raised.as_ref().map(|guard| guard.granted()));
            drive(executor, clock, &asked, &told, one);
        };
        let thread = thread::Builder::new().name(name.clone()).spawn(run);
        let thread = thread.map_err(|error| WorkerError::Thread { name, error })?;
        let granted = granted.recv().ok().flatten();
        Ok(Self { spawner, stop, granted, panics, thread: Some(thread) })
    }

    /// Brings tasks to this worker.
    ///
    /// Not RT-safe: a control thread's.
    pub fn spawner(&self) -> &Spawner {
        &self.spawner
    }

    /// What the system granted to the thread; none where nothing was asked for.
    ///
    /// Not RT-safe: a control thread's.
    pub fn granted(&self) -> Option<Granted> {
        self.granted
    }

    /// Tasks that panicked since this was asked last, and how many ever did.
    ///
    /// Not RT-safe: locks.
    pub fn take_panics(&self) -> (Vec<TaskPanic>, u64) {
        let mut panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut panics.0), panics.1)
    }

    /// Ends the thread once the polls that it is at are over, some hundred at the most; returns the panics that nobody took.
    ///
    /// Not RT-safe: waits for the thread.
    pub fn stop(mut self) -> (Vec<TaskPanic>, u64) {
        self.ask();
        self.join();
        self.take_panics()
    }

    /// Whether its thread is over.
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Lets go of the thread, which may hang for good.
    pub(super) fn leave(mut self) {
        self.ask();
        self.thread = None;
    }

    pub(super) fn ask(&self) {
        self.stop.ask();
        if let Some(thread) = &self.thread {
            // Remembered where it does not sleep yet.
            thread.thread().unpark();
        }
    }

    fn join(&mut self) {
        // A worker that a task of its own drops can't wait for itself: it ends when that poll is over.
        if let Some(thread) =
            self.thread.take().filter(|thread| thread.thread().id() != thread::current().id())
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Worker {
    /// Not RT-safe: waits for the thread.
    fn drop(&mut self) {
        self.ask();
        self.join();
    }
}

/// A thread sleeps so long at least, unless it is woken: what is due meanwhile is done together, instead of with a sleep of its own for
/// each, which costs more than a block does. Threads without real-time scheduling are let sleep that much longer anyway, by
/// Linux's timer slack.
const NAP_NS: u64 = 50_000;

/// A worker that was called soon after it fell asleep waits so long for the next call before it sleeps, which is about what sleeping and
/// being woken cost: two that hand each other chunk after chunk would spend more time with that than with chunks. One that is
/// called now and then sleeps at once.
const PATIENCE_NS: u64 = 20_000;

/// A sleep that was shorter than this, of which waking up is the longer part, was not worth it.
const SHORT_NS: u64 = 100_000;

/// Waits a moment; returns whether somebody called meanwhile.
fn is_called_soon(executor: &Executor, clock: Clock) -> bool {
    let until_ns = clock.now_ns() + PATIENCE_NS;
    loop {
        for _ in 0..32 {
            if executor.is_called() {
                return true;
            }
            std::hint::spin_loop();
        }
        if clock.now_ns() >= until_ns {
            return false;
        }
    }
}

/// With `one`, ends when the only task is over.
fn drive(mut executor: Executor, clock: Clock, stop: &Stop, panics: &Panics, one: bool) {
    let mut known = 0;
    let several = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    let mut expects_a_call = false;
    while !stop.is_asked() {
        let rest = executor.run(&clock);
        let (new, total) = executor.take_panics();
        if total != known {
            known = total;
            let mut panics = panics.lock().unwrap_or_else(PoisonError::into_inner);
            let room = PANICS_KEPT.saturating_sub(panics.0.len());
            panics.0.extend(new.into_iter().take(room));
            panics.1 = total;
        }
        if one && executor.tasks() == 0 && Priority::ALL.iter().any(|priority| executor.polls(*priority) > 0)
        {
            return;
        }
        if rest == Rest::No || (expects_a_call && is_called_soon(&executor, clock)) || !executor.fall_asleep()
        {
            continue;
        }
        let asleep_ns = clock.now_ns();
        match rest {
            Rest::Until(due_ns) => {
                let left_ns = due_ns.saturating_sub(clock.now_ns());
                if left_ns > 0 {
                    thread::park_timeout(Duration::from_nanos(left_ns.max(NAP_NS)));
                }
            }
            Rest::No | Rest::UntilWoken => thread::park(),
        }
        executor.wake_up();
        expects_a_call =
            several && executor.is_called() && clock.now_ns().saturating_sub(asleep_ns) < SHORT_NS;
    }
}

/// Several workers that share the tasks which are brought to them: each task stays where it came to.
///
/// ```
/// use pcmflow::runtime::{Clock, WorkerConfig, Workers};
/// let config = WorkerConfig { name: "pcmflow shared".into(), tasks_max: 64, real_time: None, events: None };
/// let workers = Workers::start(2, &config, Clock::start())?;
/// assert_eq!(workers.iter().count(), 2);
/// workers.stop();
/// # Ok::<(), pcmflow::runtime::WorkerError>(())
/// ```
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    /// How many tasks were brought: the next one's worker is this modulo their number.
    brought: AtomicUsize,
}

impl Workers {
    /// Starts `count` workers, at least one, each as `config` says and by one clock.
    ///
    /// Not RT-safe: allocates, and starts threads.
    ///
    /// # Errors
    /// As [`Worker::start`]; those that were started are stopped.
    pub fn start(count: usize, config: &WorkerConfig, clock: Clock) -> Result<Self, WorkerError> {
        let name = |n| format!("{} {n}", config.name);
        let workers =
            (0..count.max(1)).map(|n| Worker::start(WorkerConfig { name: name(n), ..config.clone() }, clock));
        Ok(Self { workers: workers.collect::<Result<_, _>>()?, brought: AtomicUsize::new(0) })
    }

    /// Brings a task to the worker whose turn it is, or else to the next one that has a place for it.
    ///
    /// Not RT-safe: locks, and may allocate.
    ///
    /// # Errors
    /// [`SpawnError::Full`] where none has a place left; the task is dropped.
    pub fn spawn(&self, priority: Priority, mut task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        // Relaxed: a number to choose by.
        let turn = self.brought.fetch_add(1, Ordering::Relaxed);
        let (before, from) = self.workers.split_at(turn % self.workers.len());
        // What the one says whose turn it was: there is one at least.
        let mut refused = None;
        for worker in from.iter().chain(before) {
            match worker.spawner.try_spawn(priority, task) {
                Ok(handle) => return Ok(handle),
                Err((error, back)) => {
                    refused = refused.or(Some(error));
                    task = back;
                }
            }
        }
        Err(refused.unwrap_or(SpawnError::Gone))
    }

    /// The workers, each to be asked for its grant and its panics.
    ///
    /// Not RT-safe: a control thread's.
    pub fn iter(&self) -> std::slice::Iter<'_, Worker> {
        self.workers.iter()
    }

    /// Ends all of them; returns the panics that nobody took, worker by worker.
    ///
    /// Not RT-safe: waits for the threads.
    pub fn stop(self) -> Vec<(Vec<TaskPanic>, u64)> {
        // All are asked before the first is waited for.
        self.workers.iter().for_each(Worker::ask);
        self.workers.into_iter().map(Worker::stop).collect()
    }
}

impl<'a> IntoIterator for &'a Workers {
    type Item = &'a Worker;
    type IntoIter = std::slice::Iter<'a, Worker>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
