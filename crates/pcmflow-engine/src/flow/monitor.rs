//! The one who looks: reads every meter of a flow at intervals, and makes of it a snapshot and alerts.

use super::coordinator::DataFlowCoordinator;
use super::graph::{Edge, Output};
use super::status::{FlowStatus, NodeStatus};
use crate::event::types::{AlertCleared, AlertRaised};
use crate::event::{BusSnapshot, NameId};
use crate::metrics::{
    AlertEdge, Alerts, FlowSnapshot, IntervalError, LedgerSnapshot, LinkSnapshot, MeterReader, NodeSnapshot,
    PipelineSnapshot, Reading, Readings, Rule, RuleError, Sampler, Snapshot,
};
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::LossCause;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

/// Samples a flow.
///
/// A pipeline of a snapshot is the whole way to one sink, and has its name; its links are those of the first inputs, from the
/// source on. Its books are of what that sink got.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
/// use pcmflow_engine::event::BusSnapshot;
/// use pcmflow_engine::flow::{DataFlowCoordinator, FlowMonitor};
/// use pcmflow_engine::metrics::{Rule, Sampler};
/// use pcmflow_engine::task::Executor;
/// use std::collections::BTreeMap;
/// let (_executor, spawner) = Executor::new(16)?;
/// let mut flow = DataFlowCoordinator::new(spawner, BufferRecyclingPool::new(PoolConfig::default())?);
/// let mut monitor = FlowMonitor::new(Sampler::INTERVAL_NS, Rule::defaults(), 0)?;
/// let snapshot = monitor.sample(monitor.due_ns(), &mut flow, &BTreeMap::new(), BusSnapshot::default());
/// assert!(snapshot.pools.contains_key("main") && snapshot.links.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FlowMonitor {
    sampler: Sampler,
    pub(super) alerts: Alerts,
    started_ns: u64,
}

/// Why nobody can look like that.
///
/// ```
/// use pcmflow_engine::flow::{FlowMonitor, MonitorError};
/// assert!(matches!(FlowMonitor::new(0, vec![], 0), Err(MonitorError::Interval(_))));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The interval is out of its range.
    #[error(transparent)]
    Interval(#[from] IntervalError),
    /// The rules can't be.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

impl FlowMonitor {
    /// Looks at such intervals, and raises alerts by these rules.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`MonitorError`] for an interval or a rule that can't be.
    pub fn new(interval_ns: u64, rules: Vec<Rule>, now_ns: u64) -> Result<Self, MonitorError> {
        Ok(Self { sampler: Sampler::new(interval_ns)?, alerts: Alerts::new(rules)?, started_ns: now_ns })
    }

    /// Another interval and other rules from now on; what was sampled is kept. Where the rules are others, alerts begin anew.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// As [`new`](Self::new); nothing is changed then.
    pub fn configure(&mut self, interval_ns: u64, rules: Vec<Rule>) -> Result<(), MonitorError> {
        let alerts = (self.alerts.rules() != rules).then(|| Alerts::new(rules)).transpose()?;
        self.sampler.set_interval(interval_ns)?;
        if let Some(alerts) = alerts {
            self.alerts = alerts;
        }
        Ok(())
    }

    /// When the next look is due.
    ///
    /// Not RT-safe: meant for the control side.
    pub fn due_ns(&self) -> u64 {
        self.sampler.due_ns()
    }

    /// Figures are counted from the last look on.
    ///
    /// Not RT-safe: allocates.
    pub fn reset(&mut self) {
        self.sampler.reset();
    }

    /// How many alerts there are now.
    ///
    /// Not RT-safe: meant for the control side.
    pub fn alerts(&self) -> usize {
        self.alerts.active().count()
    }

    /// Looks at everything, and publishes what alerts were raised and cleared. `made` is what whatever feeds the sources has made, by
    /// its own count and by the source's name; `events` is what the bus knows of itself.
    ///
    /// Not RT-safe: allocates, and locks.
    pub fn sample(
        &mut self,
        now_ns: u64,
        flow: &mut DataFlowCoordinator,
        made: &BTreeMap<String, Frames>,
        events: BusSnapshot,
    ) -> Snapshot {
        let pools = [("main".to_owned(), flow.pool().metrics())].into();
        let sample = self.sampler.sample(now_ns, Readings { flows: flow.readings(now_ns), pools });
        let mut snapshot = Snapshot {
            at_ns: now_ns,
            uptime_ns: now_ns.saturating_sub(self.started_ns),
            pools: sample.pools,
            events,
            ..Snapshot::default()
        };
        fill(&mut snapshot, flow, made, sample.flows);
        self.judge(&snapshot, flow);
        snapshot.alerts = self.alerts.active().cloned().collect();
        snapshot
    }

    /// Looks for trouble, and publishes what alerts were raised and cleared: the same ones as if a [sample](Self::sample) were taken. It
    /// costs so little that it can be done all the time: figures are made only of what is not
    /// [calm](crate::metrics::MeterReader::is_calm).
    ///
    /// Where nobody samples, the window of 1 s begins up to a second early, as meters are then read but once a second.
    ///
    /// Not RT-safe: allocates, and locks.
    pub fn watch(&mut self, now_ns: u64, flow: &mut DataFlowCoordinator) {
        if self.sampler.wants_flows(now_ns) {
            self.sampler.keep(now_ns, flow.read_meters(now_ns), |_, _, _| ());
        }
        let pools = self.sampler.pools(now_ns, [("main".to_owned(), flow.pool().metrics())].into());
        let mut snapshot = Snapshot { at_ns: now_ns, pools, ..Snapshot::default() };
        flow.prepare_readers(now_ns);
        let (below_ppm, known) = (self.alerts.calm_below_ppm(), self.alerts.subjects());
        let mut lately = |name: &str, uneasy: bool, reader: &mut Option<MeterReader>| {
            let is_calm = reader.as_mut().is_none_or(|reader| reader.is_calm(below_ppm, now_ns));
            if is_calm && !uneasy && below_ppm > 0 && !known.contains(name) {
                return None;
            }
            let reading = reader.as_mut().map(|reader| reader.read(now_ns));
            Some(reading.map(|reading| self.sampler.lately(now_ns, name, reading)).unwrap_or_default())
        };
        for (name, node) in &mut flow.nodes {
            let settled_unaccounted = node.cell.settled().map_or(0, |settled| settled.unaccounted.0);
            let Some(lately) = lately(name, settled_unaccounted > 0, &mut node.reader) else { continue };
            if flow.graph.nodes.get(name).is_some_and(|ports| ports.output == Output::None) {
                let ledger = LedgerSnapshot { settled_unaccounted, ..LedgerSnapshot::default() };
                let way = PipelineSnapshot { flow: lately.clone(), ledger, ..PipelineSnapshot::default() };
                snapshot.pipelines.insert(name.clone(), way);
            }
            snapshot.nodes.insert(name.clone(), NodeSnapshot { flow: lately, ..NodeSnapshot::default() });
        }
        for (name, link) in &mut flow.links {
            let (pressure, _) = *link.cell.pressure.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(flow) = lately(name, pressure.active, &mut link.reader) else { continue };
            snapshot.links.insert(name.clone(), LinkSnapshot { pressure, flow, ..LinkSnapshot::default() });
        }
        self.judge(&snapshot, flow);
    }

    fn judge(&mut self, snapshot: &Snapshot, flow: &mut DataFlowCoordinator) {
        for edge in self.alerts.observe(snapshot.at_ns, snapshot) {
            tell(flow, edge);
        }
    }
}

fn tell(flow: &mut DataFlowCoordinator, edge: AlertEdge) {
    match edge {
        AlertEdge::Raised(raised) => {
            let (alert, subject) = (flow.id(&raised.rule), flow.id(&raised.subject));
            flow.publish(
                NameId::NONE,
                &AlertRaised { alert, subject, value: raised.value, limit: raised.limit },
            );
        }
        AlertEdge::Cleared { alert: cleared, at_ns, .. } => {
            let (alert, subject) = (flow.id(&cleared.rule), flow.id(&cleared.subject));
            let duration_ns = at_ns.saturating_sub(cleared.since_ns);
            flow.publish(NameId::NONE, &AlertCleared { alert, subject, value: cleared.value, duration_ns });
        }
    }
}

/// Nodes, links and ways as they are.
fn fill(
    snapshot: &mut Snapshot,
    flow: &DataFlowCoordinator,
    made: &BTreeMap<String, Frames>,
    mut flows: BTreeMap<String, FlowSnapshot>,
) {
    let (status, graph) = (flow.status(), flow.graph());
    let first: FirstInputs<'_> = (graph.edges.iter())
        .filter(|(_, edge)| edge.config.input == 0)
        .map(|(name, edge)| (edge.config.to.as_str(), (name.as_str(), edge)))
        .collect();
    let mut figures = |name: &str| flows.remove(name).unwrap_or_default();
    for (name, node) in &status.nodes {
        let sink = graph.nodes.get(name).is_some_and(|ports| ports.output == Output::None);
        let snapshot_of = NodeSnapshot {
            state: node.state.name().to_owned(),
            error: node.error.clone(),
            flow: figures(name),
        };
        if sink {
            let way = way(name, node, &first, made, flow, &status);
            snapshot.ledger.add(&way.ledger);
            let flow = snapshot_of.flow.clone();
            snapshot.pipelines.insert(name.clone(), PipelineSnapshot { flow, ..way });
        }
        snapshot.nodes.insert(name.clone(), snapshot_of);
    }
    for (name, link) in &status.pipelines {
        let Some(edge) = graph.edges.get(name) else { continue };
        let link = LinkSnapshot {
            from: edge.config.from.clone(),
            to: edge.config.to.clone(),
            fill: link.fill as u64,
            capacity: link.capacity as u64,
            strategy: link.strategy,
            pressure: link.pressure,
            lost: link.lost,
            flow: figures(name),
        };
        snapshot.links.insert(name.clone(), link);
    }
}

/// What leads to each node's first input: the pipeline's name, and the pipeline.
type FirstInputs<'a> = BTreeMap<&'a str, (&'a str, &'a Edge)>;

/// The way to a sink, and its books.
fn way(
    sink: &str,
    node: &NodeStatus,
    first: &FirstInputs<'_>,
    made: &BTreeMap<String, Frames>,
    flow: &DataFlowCoordinator,
    status: &FlowStatus,
) -> PipelineSnapshot {
    let mut way = PipelineSnapshot { state: node.state.name().to_owned(), ..PipelineSnapshot::default() };
    let given = |name: &str| flow.nodes.get(name).and_then(|node| node.cell.books().given);
    let (mut at, at_rest) = (sink, given(sink).is_some());
    let went_early = |name: &str| given(name).is_some_and(|given| !given.has_ended());
    let mut cut_off = went_early(sink);
    // The graph has no cycles.
    while let Some((name, edge)) = first.get(at) {
        way.links.insert(0, (*name).to_owned());
        way.priority =
            if way.links.len() == 1 { edge.config.priority } else { way.priority.min(edge.config.priority) };
        at = &edge.config.from;
        cut_off |= went_early(at);
    }
    let made = farthest(sink, flow, |source| {
        let reached = status.nodes.get(source).map_or(0, |node| node.given.position);
        made.get(source).map_or(reached, |made| made.0.max(reached))
    });
    let given = node.given;
    let mut dropped = given.lost;
    if at_rest && cut_off {
        // Somebody on the way went before the stream was over: what it did not come to reaches nobody any more.
        dropped[LossCause::Removed] += Frames(made.saturating_sub(given.position.max(given.start)));
    }
    let (frames_in, explained) =
        (made.saturating_sub(given.start), given.delivered.0.saturating_add(dropped.total().0));
    let settled_unaccounted = node.settled.map_or(0, |settled| settled.unaccounted.0);
    let found = given.unaccounted.0.max(settled_unaccounted);
    way.ledger = LedgerSnapshot {
        frames_in,
        delivered: given.delivered.0,
        dropped,
        in_flight: if at_rest { 0 } else { frames_in.saturating_sub(explained) },
        unaccounted: if at_rest && at != sink { found.max(frames_in.abs_diff(explained)) } else { found },
        settled_position: node.settled.map(|settled| settled.position.0),
        settled_unaccounted,
    };
    way
}

/// How far the sources go whose frames a sink's positions count: where several are joined, the longest of them.
fn farthest(sink: &str, flow: &DataFlowCoordinator, made: impl Fn(&str) -> u64) -> u64 {
    let (mut seen, mut next, mut farthest) = (BTreeSet::from([sink]), vec![sink], 0);
    while let Some(at) = next.pop() {
        let own_clocks = flow.graph.nodes.get(at).is_some_and(|ports| ports.own_clocks);
        let into = flow.graph.edges.values().map(|edge| &edge.config);
        let mut into = into.filter(|into| into.to == at && !(own_clocks && into.input > 0)).peekable();
        if into.peek().is_none() {
            farthest = farthest.max(made(at));
        }
        next.extend(into.map(|into| into.from.as_str()).filter(|from| seen.insert(from)));
    }
    farthest
}

impl DataFlowCoordinator {
    /// What the meters have counted, by the names of nodes and pipelines.
    ///
    /// Not RT-safe: allocates.
    pub fn readings(&mut self, now_ns: u64) -> BTreeMap<String, Reading> {
        self.read_meters(now_ns).map(|(name, reading)| (name.clone(), reading)).collect()
    }

    /// Tells the readers of links what their meters can't know.
    fn prepare_readers(&mut self, now_ns: u64) {
        self.explain_overdue(now_ns);
        for link in self.links.values_mut() {
            if let Some(reader) = &mut link.reader {
                reader.link_lost(link.cell.lost().total(), link.cell.overruns());
            }
        }
    }

    /// What the meters have counted, nodes' first.
    fn read_meters(&mut self, now_ns: u64) -> impl Iterator<Item = (&String, Reading)> {
        self.prepare_readers(now_ns);
        let nodes = self.nodes.iter_mut().map(|(name, node)| (name, &mut node.reader));
        let links = self.links.iter_mut().map(|(name, link)| (name, &mut link.reader));
        nodes.chain(links).filter_map(move |(name, reader)| Some((name, reader.as_mut()?.read(now_ns))))
    }
}
