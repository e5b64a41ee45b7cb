//! The coordinator: makes tasks of nodes, links of pipelines, and changes both while they run.

use super::cell::{NodeCell, State};
use super::edit::Edit;
use super::error::FlowError;
use super::gone::Gone;
use super::graph::{Graph, Output, Ports};
use super::link::adapter::Adapter;
use super::link::{FOREVER, HELD_NS_MAX, LinkCell, LinkConfig, LinkNames, link};
use super::node::{Inflow, Node};
use super::pipeline::PipelineConfig;
use super::task::{NodeTask, Work};
use super::telemetry::{Observed, Telemetry};
use crate::Priority;
use crate::event::types::PipelineRegistered;
use crate::event::{Event, NameId};
use crate::metrics::MeterReader;
use crate::sync::{Arc, Ordering};
use crate::task::{Needs, Place, TaskHandle};
use pcmflow_core::pool::BufferRecyclingPool;
use pcmflow_core::ring::{CircularBuffer, Producer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::PoisonError;

/// Where back-pressure begins and ends unless told otherwise.
const PRESSURE_ON_PERCENT: u8 = 90;
const PRESSURE_OFF_PERCENT: u8 = 70;
/// Edits that may wait for a task.
const EDITS: usize = 64;

pub(super) struct LinkEntry {
    pub(super) cell: Arc<LinkCell>,
    pub(super) reader: Option<MeterReader>,
    pub(super) shut: bool,
}

pub(super) struct NodeEntry {
    pub(super) cell: Arc<NodeCell>,
    pub(super) edits: Producer<Edit>,
    pub(super) reader: Option<MeterReader>,
    /// Until it is started.
    pub(super) held: Option<Box<NodeTask>>,
    pub(super) handle: Option<TaskHandle>,
    /// What it makes comes whether there is room or not.
    live: bool,
}

/// Registers nodes and pipelines, starts them, changes them while they run, and keeps their books.
///
/// What is added waits for [`start`](Self::start). A pipeline from a node that runs begins where that node is then; one that is
/// removed ends there, and what was sent is still consumed. Names of what was removed can be used again.
///
/// ```
/// use pcmflow_core::chunk::AudioChunk;
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
/// use pcmflow_core::block::BlockSize;
/// use pcmflow_core::stream::{Overflow, StreamConfig, stream};
/// use pcmflow_engine::flow::*;
/// use pcmflow_engine::task::{Executor, Rest, StepClock};
/// use pcmflow_engine::transform::Shape;
/// struct Count;
/// impl Node for Count {
///     fn chunk(&mut self, _: usize, _: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
///         Ok(())
///     }
/// }
/// let format = StreamFormat::new(48_000, 1)?;
/// let config = StreamConfig { format, capacity: Frames(9_600), quantum: Frames(128), overflow: Overflow::DropNewest };
/// let (mut writer, reader, _) = stream(config)?;
/// let (_, source) = StreamInflow::new(reader, BlockSize::of::<256>())?;
/// let (mut executor, spawner) = Executor::new(8)?;
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut flow = DataFlowCoordinator::new(spawner, pool);
/// flow.add_source("microphone", Shape::new(format), true, Box::new(source))?;
/// flow.add_node("count", Ports::sink(None), Box::new(Count))?;
/// flow.connect(PipelineConfig::new("microphone", "count"))?;
/// flow.start()?;
/// writer.write(&[0.5; 1_000], 0);
/// drop(writer);
/// let clock = StepClock::default();
/// while let Rest::No | Rest::Until(_) = executor.run(&clock) {
///     clock.advance(100_000);
/// }
/// assert_eq!(flow.status().nodes["count"].given.delivered, Frames(1_000));
/// assert!(flow.is_over() && flow.books().unaccounted() == Frames(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DataFlowCoordinator {
    pub(super) graph: Graph,
    pool: BufferRecyclingPool,
    place: Box<dyn Place>,
    pub(super) nodes: BTreeMap<String, NodeEntry>,
    pub(super) links: BTreeMap<String, LinkEntry>,
    /// Edits of nodes that run, until the next start.
    pub(super) pending: Vec<(String, Edit)>,
    pub(super) gone: Gone,
    pub(super) observed: Option<Observed>,
    pressure_percent: (u8, u8),
}

impl DataFlowCoordinator {
    /// A coordinator without nodes: their tasks are brought to `place`, chunks are made of `pool`.
    ///
    /// Not RT-safe: allocates.
    pub fn new(place: impl Place + 'static, pool: BufferRecyclingPool) -> Self {
        Self {
            graph: Graph::default(),
            pool,
            place: Box::new(place),
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            pending: Vec::new(),
            gone: Gone::default(),
            observed: None,
            pressure_percent: (PRESSURE_ON_PERCENT, PRESSURE_OFF_PERCENT),
        }
    }

    /// Publishes what happens, and measures what is added from now on.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`FlowError::Events`] where the bus has no memory for a publisher.
    pub fn observe(&mut self, telemetry: Telemetry) -> Result<(), FlowError> {
        self.observed = Some(Observed::new(telemetry)?);
        Ok(())
    }

    /// Of the fill of pipelines that are made from now on: back-pressure begins at `on_percent` (by default 90), and ends at
    /// `off_percent` (by default 70), which must be below that; else making one fails.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn set_pressure(&mut self, on_percent: u8, off_percent: u8) {
        self.pressure_percent = (on_percent, off_percent);
    }

    /// What chunks are made of.
    ///
    /// Not RT-safe: meant for the control side.
    pub fn pool(&self) -> &BufferRecyclingPool {
        &self.pool
    }

    /// What is connected with what.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Adds a source; `live` where its frames come whether there is room or not.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`FlowError::Graph`] for its name, [`FlowError::Memory`].
    pub fn add_source(
        &mut self,
        name: &str,
        shape: crate::transform::Shape,
        live: bool,
        source: Box<dyn Inflow>,
    ) -> Result<(), FlowError> {
        self.add(name, Ports::source(shape), live, Work::Source(source))
    }

    /// Adds a node, or a sink where nothing comes out by its ports.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// As [`add_source`](Self::add_source).
    pub fn add_node(&mut self, name: &str, ports: Ports, node: Box<dyn Node>) -> Result<(), FlowError> {
        let sink = ports.output == Output::None;
        self.add(name, ports, false, if sink { Work::Sink(node) } else { Work::Node(node) })
    }

    fn add(&mut self, name: &str, ports: Ports, live: bool, work: Work) -> Result<(), FlowError> {
        let memory = |reason| FlowError::Memory { name: name.to_owned(), reason };
        let (edits, edits_out) = CircularBuffer::with_capacity(EDITS).map_err(memory)?.split();
        self.graph.add(name, ports)?;
        let (meter, reader) = self.observed.as_ref().and_then(|observed| observed.meter(0)).unzip();
        let cell = Arc::new(NodeCell::new(self.id(name)));
        let mut task = Box::new(NodeTask::new(work, edits_out, self.pool.clone(), cell.clone()));
        task.meter = meter;
        let entry = NodeEntry { cell, edits, reader, held: Some(task), handle: None, live };
        self.nodes.insert(name.to_owned(), entry);
        Ok(())
    }

    /// What a name is in events.
    pub(crate) fn id(&self, name: &str) -> NameId {
        self.observed.as_ref().map_or(NameId::NONE, |observed| observed.id(name))
    }

    /// Adds a pipeline. Between nodes that run it begins with the next [`start`](Self::start), which says so where one of them is over
    /// by then. A node that is about to end meanwhile ends: the pipeline is then as any whose node is over.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`FlowError::Graph`] where it can't be, [`FlowError::Over`] where one of its nodes is over, [`FlowError::Link`] and
    /// [`FlowError::Plan`] where memory can't be had.
    pub fn connect(&mut self, config: PipelineConfig) -> Result<(), FlowError> {
        for name in [&config.from, &config.to] {
            if let Some(node) = self.nodes.get(name)
                && !matches!(node.cell.state(), State::Waiting | State::Running)
            {
                return Err(FlowError::Over { name: name.clone(), state: node.cell.state() });
            }
        }
        let pipeline = config.name();
        let aligns = |ports: &Ports| ports.inputs > 1 && !ports.own_clocks;
        let live = self.nodes.get(&config.from).is_some_and(|node| node.live)
            && !self.graph.nodes.get(&config.to).is_some_and(aligns);
        let link_config = LinkConfig {
            packets: config.packets as usize,
            strategy: config.strategy,
            latency_ns_max: u64::from(config.latency_ms_max) * 1_000_000,
            live,
            pressure_percent: self.pressure_percent,
        };
        let names =
            LinkNames { pipeline: self.id(&pipeline), from: self.id(&config.from), to: self.id(&config.to) };
        let priority = config.priority;
        let edge = self.graph.connect(config)?;
        let (from, to, input) =
            (edge.config.from.clone(), edge.config.to.clone(), edge.config.input as usize);
        let made = Adapter::new(edge)
            .map_err(|reason| FlowError::Plan { pipeline: pipeline.clone(), reason })
            .and_then(|adapter| {
                let ends = link(names, link_config)
                    .map_err(|reason| FlowError::Link { pipeline: pipeline.clone(), reason })?;
                Ok((adapter, ends))
            });
        let (adapter, (outlet, mut inlet, cell)) = match made {
            Ok(made) => made,
            Err(error) => {
                self.graph.disconnect(&pipeline)?;
                return Err(error);
            }
        };
        inlet.adapter = adapter;
        inlet.own_clock = input > 0 && self.graph.nodes.get(&to).is_some_and(|ports| ports.own_clocks);
        let mut books = cell.books.lock().unwrap_or_else(PoisonError::into_inner);
        (books.from, books.to, books.own_clock) = (from.clone(), to.clone(), inlet.own_clock);
        drop(books);
        let (meter, reader) =
            self.observed.as_ref().and_then(|observed| observed.meter(link_config.latency_ns_max)).unzip();
        if let Some(meter) = meter {
            inlet.measure(meter);
        }
        match self.nodes.get_mut(&to).and_then(|node| node.held.as_mut()) {
            Some(task) => task.inlets.push((input, inlet)),
            None => self.pending.push((to, Edit::Input(input, Box::new(inlet)))),
        }
        match self.nodes.get_mut(&from).and_then(|node| node.held.as_mut()) {
            Some(task) => task.outlets.push(outlet),
            None => self.pending.push((from, Edit::Attach(Box::new(outlet)))),
        }
        let LinkNames { pipeline: id, from, to } = names;
        self.publish(id, &PipelineRegistered { pipeline: id, from, to, priority });
        if let Some(before) = self.links.insert(pipeline.clone(), LinkEntry { cell, reader, shut: false }) {
            self.gone.link(&pipeline, before.cell);
        }
        self.tell_patience();
        Ok(())
    }

    /// Tells each link how long it may hold up the others that begin where it does, if a source that can't wait is before that, be it far
    /// before. What can wait behind such a place does: that fills the link that begins there.
    pub(super) fn tell_patience(&self) {
        let sources = self.nodes.iter().filter(|(_, node)| node.live);
        let mut live: BTreeSet<&str> = sources.map(|(name, _)| name.as_str()).collect();
        loop {
            let before = live.len();
            for edge in self.graph.edges.values() {
                if live.contains(edge.config.from.as_str()) {
                    live.insert(&edge.config.to);
                }
            }
            if live.len() == before {
                break;
            }
        }
        // How many begin at each node, and the most urgent of them.
        let mut ways: BTreeMap<&str, (usize, Priority)> = BTreeMap::new();
        for edge in self.graph.edges.values() {
            let (ways, most_urgent) = ways.entry(&edge.config.from).or_default();
            (*ways, *most_urgent) = (*ways + 1, edge.config.priority.min(*most_urgent));
        }
        for (name, link) in &self.links {
            let Some(config) = self.graph.edges.get(name).map(|edge| &edge.config) else { continue };
            let is_live = live.contains(config.from.as_str());
            let patience_ns = match ways.get(config.from.as_str()) {
                Some((2.., most_urgent)) if is_live && *most_urgent < config.priority => 0,
                Some((2.., _)) if is_live => HELD_NS_MAX,
                _ => FOREVER,
            };
            // Relaxed: it makes nothing else visible.
            link.cell.patience_ns.store(patience_ns, Ordering::Relaxed);
        }
    }

    pub(crate) fn publish<E: Event>(&mut self, source: NameId, event: &E) {
        if let Some(observed) = &mut self.observed {
            observed.publish(source, event);
        }
    }

    /// Starts what was added since the last start.
    ///
    /// Not RT-safe: allocates, and wakes executors.
    ///
    /// # Errors
    /// [`FlowError::Spawn`] for the first node that has no place: it is [failed](State::Failed), and the others are started.
    /// [`FlowError::Over`] where a node that ran when a pipeline was [connected](Self::connect) to it is over by now: that pipeline
    /// is taken out again, and everything else is done. [`FlowError::Busy`]: what is not done then is tried again with the next
    /// call. The first of several is told.
    pub fn start(&mut self) -> Result<(), FlowError> {
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        let mut started = Ok(());
        for name in names {
            let may_block = self.graph.nodes.get(&name).is_some_and(|ports| ports.may_block);
            let needs = Needs { priority: self.priority(&name), may_block };
            let Some(node) = self.nodes.get_mut(&name) else { continue };
            let Some(task) = node.held.take() else { continue };
            match self.place.place(needs, task) {
                Ok(handle) => node.handle = Some(handle),
                Err(reason) => {
                    node.cell.fail(reason.to_string());
                    started = started.and(Err(FlowError::Spawn { name, reason }));
                }
            }
        }
        let handed_over = self.hand_over();
        started.and(handed_over)
    }

    /// The most urgent of what begins or ends at a node.
    fn priority(&self, name: &str) -> Priority {
        let touching =
            self.graph.edges.values().filter(|edge| edge.config.from == name || edge.config.to == name);
        touching.map(|edge| edge.config.priority).min().unwrap_or_default()
    }

    /// Whether every task that was started is over, also those of nodes that were removed.
    ///
    /// Not RT-safe: locks.
    pub fn is_over(&self) -> bool {
        let mut started = self.nodes.values().filter(|node| node.held.is_none());
        started.all(|node| node.cell.books().given.is_some()) && self.gone.are_over()
    }
}

impl fmt::Debug for DataFlowCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataFlowCoordinator").field("graph", &self.graph).finish_non_exhaustive()
    }
}
