//! The threads of a whole program: one for what is critical, some that are shared, and one for each task that may block.

use super::clock::Clock;
use super::thread::{Granted, RealTime};
use super::worker::{Worker, WorkerConfig, WorkerError, Workers};
use crate::engine::Priority;
use crate::engine::event::{BusConfig, EventBus};
use crate::engine::task::{Needs, Place, SpawnError, Task, TaskHandle, TaskPanic};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the end waits for a thread whose task may block: what hangs for longer is left behind.
const PATIENCE: Duration = Duration::from_millis(500);

/// Which threads there are to be.
#[derive(Debug, Clone)]
pub struct ThreadsConfig {
    /// What the threads' names begin with.
    pub name: String,
    /// The threads that share what is neither critical nor may block, at least one.
    pub shared: usize,
    /// The most tasks that one thread has at a time, 1 to 4096.
    pub tasks_max: usize,
    /// What the threads for critical tasks ask of the system, if anything: the one that they share, and that of each which may block.
    /// They run without, too: [`Threads::granted`] tells. Other threads never ask.
    pub real_time: Option<RealTime>,
    /// How the bus is made.
    pub bus: BusConfig,
}

impl Default for ThreadsConfig {
    /// Two shared threads, 1024 tasks for each, and critical ones that ask for nothing.
    fn default() -> Self {
        let name = "pcmflow".to_owned();
        Self { name, shared: 2, tasks_max: 1024, real_time: None, bus: BusConfig::default() }
    }
}

/// Where a program's tasks run: critical ones on a thread of their own, which also carries the events; the others in turn on some that
/// are shared; each that may block on a thread for it alone, which ends with it, and which asks for the same scheduling as the critical
/// thread where that task is critical. What it is given as is a handle: clones share the threads, which end when the last of them
/// is dropped, or with [`stop`](Self::stop).
///
/// ```
/// use pcmflow::engine::task::{Cx, Needs, Place, Poll, Task};
/// use pcmflow::runtime::{Clock, Threads, ThreadsConfig};
/// /// Says on which thread it is.
/// struct Says(std::sync::mpsc::Sender<String>);
/// impl Task for Says {
///     fn poll(&mut self, _: &mut Cx<'_>) -> Poll {
///         let _ = self.0.send(std::thread::current().name().unwrap_or_default().to_owned());
///         Poll::Done
///     }
/// }
/// let threads = Threads::start(ThreadsConfig { shared: 1, ..ThreadsConfig::default() }, Clock::start())?;
/// let (said, heard) = std::sync::mpsc::channel();
/// threads.place(Needs::default(), Box::new(Says(said.clone())))?;
/// assert_eq!(heard.recv()?, "pcmflow shared 0");
/// threads.place(Needs { may_block: true, ..Needs::default() }, Box::new(Says(said)))?;
/// assert_eq!(heard.recv()?, "pcmflow alone 0");
/// assert_eq!(threads.stop(), []); // no task panicked
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Threads(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: ThreadsConfig,
    clock: Clock,
    bus: EventBus,
    /// Of the thread that critical tasks share.
    granted: Option<Granted>,
    /// None once they were stopped. Locked when a task is placed, and by who asks.
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    critical: Worker,
    shared: Workers,
    /// One for each task that may block, until it is seen to be over.
    alone: Vec<Worker>,
    /// How many there were.
    blocking: usize,
    /// Of threads that are over.
    panics: Vec<TaskPanic>,
}

impl Threads {
    /// Starts the critical thread and the shared ones.
    ///
    /// Not RT-safe: allocates, and starts threads.
    ///
    /// # Errors
    /// As [`Worker::start`]; those that were started are stopped.
    pub fn start(config: ThreadsConfig, clock: Clock) -> Result<Self, WorkerError> {
        let (bus, bus_task) = EventBus::new(config.bus);
        let worker = |role: &str, real_time| WorkerConfig {
            name: format!("{} {role}", config.name),
            tasks_max: config.tasks_max,
            real_time,
            events: Some(bus.clone()),
        };
        let critical = worker("critical", config.real_time);
        let name = critical.name.clone();
        let critical = Worker::start(critical, clock)?;
        let spawned = critical.spawner().spawn(Priority::Critical, Box::new(bus_task));
        spawned.map_err(|error| WorkerError::Executor { name, error })?;
        let shared = Workers::start(config.shared, &worker("shared", None), clock)?;
        let granted = critical.granted();
        let running = Running { critical, shared, alone: Vec::new(), blocking: 0, panics: Vec::new() };
        Ok(Self(Arc::new(Shared { config, clock, bus, granted, running: Mutex::new(Some(running)) })))
    }

    /// The bus by which all tasks publish.
    ///
    /// Not RT-safe: a control thread's.
    pub fn bus(&self) -> &EventBus {
        &self.0.bus
    }

    /// The clock of all threads.
    ///
    /// Not RT-safe: a control thread's.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// What the system granted to the threads for critical tasks: to one that got no real-time scheduling, if there is such, else to
    /// the one that they share. None where nothing was asked for.
    ///
    /// Not RT-safe: locks.
    pub fn granted(&self) -> Option<Granted> {
        let running = self.0.running();
        let alone = running.iter().flat_map(|running| &running.alone).filter_map(Worker::granted);
        let all = self.0.granted.into_iter().chain(alone);
        all.into_iter().find(|granted| !granted.is_real_time()).or(self.0.granted)
    }

    /// Tasks that panicked since this was asked last. A flow's nodes don't: they fail by themselves.
    ///
    /// Not RT-safe: locks.
    pub fn take_panics(&self) -> Vec<TaskPanic> {
        let mut running = self.0.running();
        let Some(running) = &mut *running else { return Vec::new() };
        let mut panics = std::mem::take(&mut running.panics);
        let workers = running.alone.iter().chain(&running.shared).chain([&running.critical]);
        workers.for_each(|worker| panics.extend(worker.take_panics().0));
        panics
    }

    /// Ends all threads, with their tasks; returns the panics that nobody took. A thread whose task hangs in a call that may block
    /// is left behind after half a second.
    ///
    /// Not RT-safe: waits for the threads.
    pub fn stop(&self) -> Vec<TaskPanic> {
        let running = self.0.running().take();
        running.map(Running::stop).unwrap_or_default()
    }
}

impl Shared {
    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.running().take().map(Running::stop);
    }
}

impl Running {
    /// Brings a task to a thread of its own.
    fn place_alone(
        &mut self,
        at: &Shared,
        needs: Needs,
        task: Box<dyn Task>,
    ) -> Result<TaskHandle, SpawnError> {
        for over in self.alone.extract_if(.., |worker| worker.is_over()) {
            self.panics.extend(over.stop().0);
        }
        let name = format!("{} alone {}", at.config.name, self.blocking);
        // What is in bulk must hold up nobody.
        let real_time = at.config.real_time.filter(|_| needs.priority == Priority::Critical);
        let events = Some(at.bus.clone());
        let config = WorkerConfig { name, tasks_max: 1, real_time, events };
        let worker = Worker::start_for_one(config, at.clock)
            .map_err(|error| SpawnError::NoDriver { reason: error.to_string() })?;
        let handle = worker.spawner().spawn(needs.priority, task)?;
        self.blocking += 1;
        self.alone.push(worker);
        Ok(handle)
    }

    fn stop(self) -> Vec<TaskPanic> {
        let Self { critical, shared, alone, mut panics, .. } = self;
        alone.iter().for_each(Worker::ask);
        panics.extend(shared.stop().into_iter().flat_map(|(panics, _)| panics));
        let start = Instant::now();
        for worker in alone {
            while !worker.is_over() && start.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            if worker.is_over() {
                panics.extend(worker.stop().0);
            } else {
                worker.leave();
            }
        }
        // Last: it carries what the others had to say.
        panics.extend(critical.stop().0);
        panics
    }
}

impl Place for Threads {
    fn place(&self, needs: Needs, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        let mut running = self.0.running();
        let Some(running) = &mut *running else { return Err(SpawnError::Gone) };
        match needs {
            Needs { may_block: true, .. } => running.place_alone(&self.0, needs, task),
            Needs { priority: Priority::Critical, .. } => {
                running.critical.spawner().spawn(needs.priority, task)
            }
            Needs { priority, .. } => running.shared.spawn(priority, task),
        }
    }
}
