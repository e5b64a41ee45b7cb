//! What is known of a flow: how each part does, and the books of what is over.

use super::books::{FlowBooks, Passed};
use super::cell::{NodeCell, State};
use super::coordinator::{DataFlowCoordinator, LinkEntry};
use super::gone::link_books;
use crate::pressure::Strategy;
use crate::sync::Ordering;
use pcmflow_core::ledger::{Losses, Settled};
use pcmflow_core::pressure::PressureStats;
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// How a node does.
///
/// ```
/// use pcmflow_core::format::StreamFormat;
/// use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
/// use pcmflow_engine::flow::*;
/// use pcmflow_engine::task::Executor;
/// use pcmflow_engine::transform::Shape;
/// let (_executor, spawner) = Executor::new(16)?;
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut flow = DataFlowCoordinator::new(spawner, pool);
/// let mono = StreamFormat::new(48_000, 1)?;
/// for name in ["first", "second"] {
///     let join = Box::new(Join::new(2, mono, Missing::Gap));
///     flow.add_node(name, Ports::join(2, Shape::new(mono)), join)?;
/// }
/// let status = flow.status();
/// assert_eq!((status.nodes["first"].state, status.nodes["first"].settled), (State::Waiting, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// What it is doing.
    pub state: State,
    /// What it failed with.
    pub error: Option<String>,
    /// What it gave; a sink: what it consumed.
    pub given: Passed,
    /// Of a sink: the place up to which all books agreed, or by how much they did not.
    pub settled: Option<Settled>,
}

/// How a pipeline does.
///
/// ```
/// use pcmflow_core::format::StreamFormat;
/// use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
/// use pcmflow_engine::flow::*;
/// use pcmflow_engine::task::Executor;
/// use pcmflow_engine::transform::Shape;
/// let (_executor, spawner) = Executor::new(16)?;
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut flow = DataFlowCoordinator::new(spawner, pool);
/// let mono = StreamFormat::new(48_000, 1)?;
/// for name in ["first", "second"] {
///     let join = Box::new(Join::new(2, mono, Missing::Gap));
///     flow.add_node(name, Ports::join(2, Shape::new(mono)), join)?;
/// }
/// flow.connect(PipelineConfig::new("first", "second"))?;
/// let status = flow.status();
/// assert_eq!((status.pipelines["first→second"].fill, status.pipelines["first→second"].capacity), (0, 16));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineStatus {
    /// What was taken from it.
    pub taken: Passed,
    /// Chunks and marks in it.
    pub fill: usize,
    /// As many as it holds.
    pub capacity: usize,
    /// Whether, how often and how long it was nearly full; as of the last edge.
    pub pressure: PressureStats,
    /// What is done about that.
    pub strategy: Strategy,
    /// It is [shut](DataFlowCoordinator::shut).
    pub shut: bool,
    /// It is full, and its end waits for another input, which is behind by more than may wait here: a node on that way holds back more
    /// than its [`latency_ns`](super::Ports::latency_ns) says, or stands. The node that fills this pipeline waits, and with it
    /// everything that is behind that. More [`packets`](super::PipelineConfig::packets) help, or the true latency.
    pub stalled: bool,
    /// Chunks that were taken later than its [`latency_ms_max`](super::PipelineConfig::latency_ms_max).
    pub missed: u64,
    /// Frames that it lost, by cause: given up because it was full, or evicted.
    pub lost: Losses,
}

/// How a flow does.
///
/// ```
/// use pcmflow_engine::flow::FlowStatus;
/// assert!(FlowStatus::default().is_healthy());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowStatus {
    /// Its nodes, by name.
    pub nodes: BTreeMap<String, NodeStatus>,
    /// Its pipelines, by name.
    pub pipelines: BTreeMap<String, PipelineStatus>,
}

impl FlowStatus {
    /// Whether no node failed and nothing is unaccounted for.
    ///
    /// Not RT-safe: meant for the control side.
    pub fn is_healthy(&self) -> bool {
        self.nodes.values().all(|node| {
            node.state != State::Failed
                && node.given.unaccounted.0 == 0
                && node.settled.is_none_or(|settled| settled.unaccounted.0 == 0)
        })
    }
}

impl DataFlowCoordinator {
    /// How everything does now. Each figure is of its own instant; only `settled` is a claim about all frames before a place.
    ///
    /// Not RT-safe: allocates, and locks.
    pub fn status(&self) -> FlowStatus {
        let node = |cell: &NodeCell| NodeStatus {
            state: cell.state(),
            error: cell.error(),
            given: cell.given.read(),
            settled: cell.settled(),
        };
        let pipeline = |entry: &LinkEntry| {
            let cell = &entry.cell;
            let (fill, capacity) = cell.fill();
            let (pressure, strategy) = *cell.pressure.lock().unwrap_or_else(PoisonError::into_inner);
            PipelineStatus {
                taken: cell.taken.read(),
                fill,
                capacity,
                pressure,
                strategy,
                shut: entry.shut,
                stalled: cell.stalled.load(Ordering::Relaxed),
                missed: cell.missed.load(Ordering::Relaxed),
                lost: cell.lost(),
            }
        };
        FlowStatus {
            nodes: self.nodes.iter().map(|(name, entry)| (name.clone(), node(&entry.cell))).collect(),
            pipelines: self.links.iter().map(|(name, entry)| (name.clone(), pipeline(entry))).collect(),
        }
    }

    /// What a node failed with, if it did.
    pub(crate) fn failure(&self, name: &str) -> Option<String> {
        let cell = &self.nodes.get(name)?.cell;
        (cell.state() == State::Failed).then(|| cell.error().unwrap_or_else(|| "it failed".to_owned()))
    }

    /// The books of everything that is over; of what still runs, that they are not closed. What was removed has `#` and a number
    /// behind its name; of that, only the latest are kept by name ([`FlowBooks::folded`]).
    ///
    /// Not RT-safe: allocates, and locks.
    pub fn books(&self) -> FlowBooks {
        let mut books = FlowBooks::default();
        books.nodes.extend(self.nodes.iter().map(|(name, node)| (name.clone(), node.cell.books())));
        let links = self.links.iter().map(|(name, entry)| (name.clone(), link_books(&entry.cell)));
        books.pipelines.extend(links);
        self.gone.tell(&mut books);
        books
    }
}
