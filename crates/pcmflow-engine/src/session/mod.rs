//! A session: a flow with everything around it that makes a program of it: inputs, modules, configuration, events, snapshots
//! and the console.
//!
//! One control thread, or the Worker of a page, owns a [`Session`] and calls [`tick`](Session::tick) some times a second. Nothing of
//! it stands in the way of audio, which the tasks of the flow move by themselves.
//!
//! Its own parts are [modules](crate::module) like any user's: `data-management` (the pool and its budget), `observability` (sampler,
//! alerts, snapshots) and `audio-input` (what feeds the flow; it starts the flow's nodes first, and itself when every other module
//! runs on which it need not wait). A module that has nodes is mostly a [`FlowModule`]: it gets the session's
//! [flow](Session::flow) when it is made, and is registered before the session is started.

mod answers;
mod input;
mod modules;
mod part;
mod tell;
#[cfg(all(test, not(pcmflow_loom)))]
mod tests;

pub use input::{Input, InputState, InputStatus};
pub use part::{FlowModule, FlowPart};

use crate::config::{Config, ConfigChange, ConfigError, ConfigErrors, ConfigStore, ConfigUsers};
use crate::event::types::{ConfigChanged, ModuleStateChanged};
use crate::event::{EventBus, EventError, Filter, NameId};
use crate::flow::{DataFlowCoordinator, FlowError, FlowMonitor, MonitorError, Telemetry};
use crate::metrics::Snapshot;
use crate::module::{Module, ModuleCx, ModuleError, ModuleRegistry, ModuleState, ModuleStatus};
use crate::task::Clock;
use modules::{AudioInput, DataManagement, Observability};
use pcmflow_core::health::HealthConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tell::Teller;

/// So often modules are asked how they are where nothing is known to have changed: each looks for itself, which takes longer than
/// the look at all meters.
const STATES_NS: u64 = 1_000_000_000;

/// A flow that the parts of a program share: each locks it for as long as it makes a change.
pub type SharedFlow = Arc<Mutex<DataFlowCoordinator>>;
type SharedMonitor = Arc<Mutex<FlowMonitor>>;
type Inputs = Arc<Mutex<BTreeMap<String, Box<dyn Input>>>>;

/// Whoever panicked while it was locked left every single change whole.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a session can't be, or can't be started.
///
/// ```
/// use pcmflow_engine::module::ModuleError;
/// use pcmflow_engine::session::SessionError;
/// let error = SessionError::from(ModuleError::Duplicate { module: "input".into() });
/// assert!(error.to_string().contains("input"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The flow can't be observed or started.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// The configuration asks for what can't be sampled.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// The bus has no memory for the session's subscription.
    #[error(transparent)]
    Events(#[from] EventError),
    /// A module failed.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// Two inputs have one name.
    #[error("input {name}: there is one of that name already; give this one another")]
    DuplicateInput {
        /// The name.
        name: String,
    },
}

/// A flow and everything around it.
///
/// ```
/// use pcmflow_core::chunk::AudioChunk;
/// use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
/// use pcmflow_engine::config::Config;
/// use pcmflow_engine::event::{BusConfig, EventBus};
/// use pcmflow_engine::flow::{DataFlowCoordinator, Node, NodeError, Out, PipelineConfig, Ports};
/// use pcmflow_engine::session::Session;
/// use pcmflow_engine::task::{Executor, StepClock};
/// use pcmflow_engine::console;
/// use std::sync::Arc;
/// struct Pass;
/// impl Node for Pass {
///     fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
///         out.chunk(chunk);
///         Ok(())
///     }
/// }
/// let (executor, spawner) = Executor::new(16)?;
/// let (bus, _task) = EventBus::new(BusConfig::default());
/// let flow = DataFlowCoordinator::new(spawner, BufferRecyclingPool::new(PoolConfig::default())?);
/// let clock = Arc::new(StepClock::default());
/// let mut session = Session::new(flow, bus, clock, Config::default())?;
/// {
///     let flow = session.flow();
///     let mut flow = flow.lock().unwrap();
///     flow.add_node("a", Ports::node(None), Box::new(Pass))?;
///     flow.add_node("b", Ports::node(None), Box::new(Pass))?;
///     flow.connect(PipelineConfig::new("a", "b"))?;
/// }
/// session.start()?;
/// assert!(session.tick(), "the first look is due at once");
/// assert_eq!(session.look().links["a→b"].capacity, 16);
/// let answer = console::answer("pipeline list", &mut session);
/// assert!(answer.to_string().contains("a→b"));
/// # drop(executor);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session {
    flow: SharedFlow,
    monitor: SharedMonitor,
    inputs: Inputs,
    modules: ModuleRegistry,
    /// What was published of them.
    states: BTreeMap<String, ModuleState>,
    /// When they are asked again.
    states_due_ns: u64,
    config: Arc<ConfigStore>,
    /// Pipelines that have the strategy of the configuration, and which of them do not have the last one yet.
    follow: BTreeSet<String>,
    behind: BTreeSet<String>,
    revision: u64,
    bus: EventBus,
    clock: Arc<dyn Clock>,
    teller: Teller,
    /// The last snapshot.
    latest: Snapshot,
    /// The module that starts what feeds the flow is registered last.
    audio_input: Option<AudioInput>,
}

impl Session {
    /// A session around a flow to which nothing was added yet; `clock` is the one that drives its tasks, `bus` the one by whose
    /// publishers their executors publish.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`SessionError`] for what can't be had.
    pub fn new(
        mut flow: DataFlowCoordinator,
        bus: EventBus,
        clock: Arc<dyn Clock>,
        config: Config,
    ) -> Result<Self, SessionError> {
        let now_ns = clock.now_ns();
        let meters = HealthConfig {
            latency_limit_ns: config.flow.latency_ms_max * 1_000_000,
            ..HealthConfig::default()
        };
        flow.observe(Telemetry { bus: bus.clone(), clock: clock.clone(), meters: Some(meters) })?;
        flow.set_pressure(config.flow.pressure_on_percent, config.flow.pressure_off_percent);
        let (interval_ns, rules) = modules::settings(&config);
        let flow = Arc::new(Mutex::new(flow));
        let monitor = Arc::new(Mutex::new(FlowMonitor::new(interval_ns, rules, now_ns)?));
        let inputs = Inputs::default();
        let events = usize::try_from(config.events.subscriber_events).unwrap_or(1 << 16);
        let teller = Teller::new(bus.subscribe_to(Filter::default(), events)?);
        let mut modules = ModuleRegistry::default();
        let percent_max = config.alerts.memory_percent_on;
        modules.register(Box::new(DataManagement { flow: flow.clone(), percent_max }))?;
        modules.register(Box::new(Observability { monitor: monitor.clone() }))?;
        let audio_input = Some(AudioInput { flow: flow.clone(), inputs: inputs.clone() });
        Ok(Self {
            flow,
            monitor,
            inputs,
            modules,
            states: BTreeMap::new(),
            states_due_ns: 0,
            config: Arc::new(ConfigStore::new(config)),
            follow: BTreeSet::new(),
            behind: BTreeSet::new(),
            revision: 0,
            bus,
            clock,
            teller,
            latest: Snapshot::default(),
            audio_input,
        })
    }

    /// The flow.
    ///
    /// Not RT-safe: what it returns locks.
    pub fn flow(&self) -> SharedFlow {
        self.flow.clone()
    }

    /// The bus.
    ///
    /// Not RT-safe: for the control side.
    pub fn bus(&self) -> &EventBus {
        &self.bus
    }

    /// The configuration in force.
    ///
    /// Not RT-safe: for the control side.
    pub fn config(&self) -> Arc<Config> {
        self.config.current()
    }

    /// Changes keys of the configuration, given as pairs of `section.key` and a value as a flag would have it: all or none, with
    /// everybody's agreement.
    ///
    /// Not RT-safe: modules may do anything.
    ///
    /// # Errors
    /// As [`ConfigStore::change`].
    pub fn change(&mut self, patch: &[(&str, &str)]) -> Result<ConfigChange, ConfigErrors> {
        let store = self.config.clone();
        store.change(patch, self)
    }

    /// Takes in what feeds the source of this name. It is started with the session, or at once if that runs.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`SessionError::DuplicateInput`].
    pub fn add_input(&mut self, name: &str, input: Box<dyn Input>) -> Result<(), SessionError> {
        let mut inputs = locked(&self.inputs);
        if inputs.contains_key(name) {
            return Err(SessionError::DuplicateInput { name: name.to_owned() });
        }
        inputs.insert(name.to_owned(), input);
        Ok(())
    }

    /// This pipeline has the strategy that the configuration says (`flow.strategy`), and gets another one when that is changed while the
    /// flow runs.
    ///
    /// Not RT-safe: allocates.
    pub fn follow_strategy(&mut self, pipeline: String) {
        self.follow.insert(pipeline);
    }

    /// Gives the pipelines that are behind the configuration's strategy. One that has too many changes waiting gets it later.
    fn follow(&mut self) {
        let (strategy, mut flow) = (self.config.current().flow.strategy, locked(&self.flow));
        self.behind.retain(|name| matches!(flow.set_strategy(name, strategy), Err(FlowError::Busy { .. })));
    }

    /// Takes in a module; it is started with the session, before what feeds the flow unless it depends on that (`audio-input`).
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`SessionError::Module`] where there is one of that name.
    pub fn register(&mut self, module: Box<dyn Module>) -> Result<(), SessionError> {
        Ok(self.modules.register(module)?)
    }

    fn cx(&self) -> ModuleCx {
        ModuleCx::new(self.config.current(), self.clock.now_ns())
    }

    /// Starts every module, and with `audio-input` the flow and what feeds it.
    ///
    /// Not RT-safe: modules may do anything.
    ///
    /// # Errors
    /// [`SessionError::Module`] for the first that fails; those that were started are stopped.
    pub fn start(&mut self) -> Result<(), SessionError> {
        if let Some(audio_input) = self.audio_input.take() {
            self.modules.register(Box::new(audio_input))?;
        }
        let cx = self.cx();
        let started = self.modules.init(&cx).and_then(|()| self.modules.start(&cx));
        self.publish_states();
        Ok(started?)
    }

    /// Stops every module: what feeds the flow ends, and what is under way is still delivered ([`is_over`](Self::is_over)).
    ///
    /// Not RT-safe: modules may do anything.
    pub fn stop(&mut self) -> Vec<ModuleError> {
        let cx = self.cx();
        let failed = self.modules.stop(&cx);
        self.publish_states();
        failed
    }

    /// Whether every task of the flow is over.
    ///
    /// Not RT-safe: locks.
    pub fn is_over(&self) -> bool {
        locked(&self.flow).is_over()
    }

    /// How the modules are.
    ///
    /// Not RT-safe: asks each of them.
    pub fn modules(&mut self) -> Vec<ModuleStatus> {
        self.modules.status()
    }

    /// How what feeds the flow is, by name.
    ///
    /// Not RT-safe: asks each of them.
    pub fn inputs(&self) -> BTreeMap<String, InputStatus> {
        locked(&self.inputs).iter().map(|(name, input)| (name.clone(), input.status())).collect()
    }

    /// When the next look is due, in nanoseconds of the clock.
    ///
    /// Not RT-safe: locks.
    pub fn due_ns(&self) -> u64 {
        locked(&self.monitor).due_ns()
    }

    /// Looks for trouble, if that is due; returns whether it was. Alerts are raised and cleared by it, and figures are made only
    /// where [somebody asks](Self::look): that costs many times as much. Modules are asked how they are once a second.
    ///
    /// Not RT-safe: allocates, and locks.
    pub fn tick(&mut self) -> bool {
        let now_ns = self.clock.now_ns();
        if now_ns < self.due_ns() {
            return false;
        }
        if !self.behind.is_empty() {
            self.follow();
        }
        if self.config.current().console.debug {
            // How full each buffer is, is about to be told.
            self.look();
            return true;
        }
        locked(&self.monitor).watch(now_ns, &mut locked(&self.flow));
        if now_ns >= self.states_due_ns {
            self.publish_states();
        }
        true
    }

    /// Looks at everything now.
    ///
    /// Not RT-safe: allocates, and locks.
    pub fn look(&mut self) -> &Snapshot {
        let inputs = self.inputs();
        let made = inputs.iter().map(|(name, status)| (name.clone(), status.frames_in)).collect();
        let now_ns = self.clock.now_ns();
        self.latest =
            locked(&self.monitor).sample(now_ns, &mut locked(&self.flow), &made, self.bus.snapshot());
        self.publish_states();
        &self.latest
    }

    /// What was known at the last look.
    ///
    /// Not RT-safe: for the control side.
    pub fn snapshot(&self) -> &Snapshot {
        &self.latest
    }

    /// Lines for whoever watches, since this was asked last: events where `console.events` is on, and buffers whose state changed
    /// where `console.debug` is.
    ///
    /// Not RT-safe: allocates.
    pub fn tell(&mut self) -> Vec<String> {
        let config = self.config.current();
        self.teller.tell(&config.console, &self.latest, self.bus.names())
    }

    fn publish_states(&mut self) {
        self.states_due_ns = self.clock.now_ns().saturating_add(STATES_NS);
        for ModuleStatus { name, state, .. } in self.modules.status() {
            let from = self.states.insert(name.clone(), state).unwrap_or(ModuleState::Registered);
            if from != state {
                let mut flow = locked(&self.flow);
                let module = flow.id(&name);
                flow.publish(module, &ModuleStateChanged { module, from, to: state });
            }
        }
    }
}

/// Everybody who works by the configuration.
impl ConfigUsers for Session {
    fn validate(&mut self, candidate: &Config) -> Vec<ConfigError> {
        self.modules.validate(candidate)
    }

    fn changed(&mut self, change: &ConfigChange) {
        self.revision += 1;
        if change.keys.contains(&"flow.strategy") {
            self.behind.clone_from(&self.follow);
            self.follow();
        }
        let mut flow = locked(&self.flow);
        let keys = change.keys.len() as u32;
        flow.publish(NameId::NONE, &ConfigChanged { revision: self.revision, keys });
        drop(flow);
        self.modules.changed(change);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("revision", &self.revision).finish_non_exhaustive()
    }
}
