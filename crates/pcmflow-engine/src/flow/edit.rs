//! Changes of a flow that runs, as the coordinator hands them to its tasks.
//!
//! One rule: a change is made whole or, where a task has too many waiting already, refused as a whole
//! ([`Busy`](FlowError::Busy)), and then the flow is as it was. Only this side brings changes, so that the room that is found first is
//! there when all of them are handed over.

use super::coordinator::{DataFlowCoordinator, LinkEntry, NodeEntry};
use super::error::FlowError;
use super::link::LinkCell;
use super::link::inlet::Inlet;
use super::link::outlet::Outlet;
use super::pipeline::PipelineConfig;
use crate::event::types::PipelineRemoved;
use crate::pressure::Strategy;
use crate::sync::Arc;
use pcmflow_core::ring::PushError;
use std::collections::BTreeMap;

/// A change of a task that runs.
pub(super) enum Edit {
    /// One more link begins here.
    Attach(Box<Outlet>),
    /// The link ends here, once what was sent is in it.
    Detach(Arc<LinkCell>),
    Outlet(Arc<LinkCell>, OutletChange),
    /// One more input.
    Input(usize, Box<Inlet>),
    /// Call it no more; what still comes is lost.
    Remove,
}

impl Edit {
    /// The link of which it brings an end.
    fn brings(&self) -> Option<&Arc<LinkCell>> {
        match self {
            Self::Attach(outlet) => Some(&outlet.cell),
            Self::Input(_, inlet) => Some(&inlet.cell),
            _ => None,
        }
    }
}

/// Why a task was not handed a change.
pub(super) enum Refused {
    /// Too many wait already; here it is again.
    Busy(Edit),
    /// The task is over: there is nothing to be changed any more.
    Over,
}

/// A change of a link's sending end.
#[derive(Debug, Clone, Copy)]
pub(super) enum OutletChange {
    Strategy(Strategy),
    /// Sends nothing, or sends again.
    Shut(bool),
}

impl DataFlowCoordinator {
    /// Whether a node's task takes so many changes more. Only this side brings any: the room stays until they are made.
    fn has_room(&mut self, name: &str, edits: usize) -> Result<(), FlowError> {
        let Some(node) = self.nodes.get_mut(name) else { return Ok(()) };
        if node.cell.open().is_none() || node.edits.has_room(edits) {
            return Ok(());
        }
        Err(FlowError::Busy { name: name.to_owned() })
    }

    fn edit(&mut self, name: &str, edit: Edit) -> Result<(), FlowError> {
        match self.try_edit(name, edit) {
            Ok(()) | Err(Refused::Over) => Ok(()),
            Err(Refused::Busy(_)) => Err(FlowError::Busy { name: name.to_owned() }),
        }
    }

    /// Hands a change to a node's task.
    fn try_edit(&mut self, name: &str, edit: Edit) -> Result<(), Refused> {
        let Some(node) = self.nodes.get_mut(name) else { return Ok(()) };
        let Some(open) = node.cell.open() else { return Err(Refused::Over) };
        match node.edits.push(edit) {
            Ok(()) => drop(open),
            Err(PushError::Full(edit)) => return Err(Refused::Busy(edit)),
            Err(PushError::Closed(_)) => return Err(Refused::Over),
        }
        if let Some(handle) = &node.handle {
            handle.waker().wake();
        }
        Ok(())
    }

    /// Hands over what was asked for since the last start. Inputs come before what fills them, in the order in which they were asked
    /// for. A pipeline that can't begin, as a node is over meanwhile, is taken out again.
    pub(super) fn hand_over(&mut self) -> Result<(), FlowError> {
        let mut done = Ok(());
        while let Some((_, edit)) = self.pending.first() {
            let link = edit.brings().cloned();
            if let Some(link) = &link
                && let Some(over) = self.over_end(link)
            {
                if self.withdraw(link)? {
                    done = done.and(Err(over));
                }
                continue;
            }
            let (name, edit) = self.pending.remove(0);
            match self.try_edit(&name, edit) {
                Ok(()) => {}
                Err(Refused::Busy(edit)) => {
                    self.pending.insert(0, (name.clone(), edit));
                    return done.and(Err(FlowError::Busy { name }));
                }
                // In this very moment.
                Err(Refused::Over) => {
                    if let Some(link) = &link
                        && self.withdraw(link)?
                    {
                        done = done.and(Err(self.over(&name)));
                    }
                }
            }
        }
        done
    }

    fn over(&self, name: &str) -> FlowError {
        let state = self.nodes.get(name).map(|node| node.cell.state()).unwrap_or_default();
        FlowError::Over { name: name.to_owned(), state }
    }

    /// A node that is to get an end of this link, and is over.
    fn over_end(&self, link: &Arc<LinkCell>) -> Option<FlowError> {
        let ends =
            self.pending.iter().filter(|(_, edit)| edit.brings().is_some_and(|of| Arc::ptr_eq(of, link)));
        let is_over = |name: &str| self.nodes.get(name).is_some_and(|node| node.cell.open().is_none());
        ends.map(|(name, _)| name).find(|name| is_over(name)).map(|name| self.over(name))
    }

    /// Takes a pipeline out that did not begin; returns whether it was not taken out before, with a node.
    fn withdraw(&mut self, link: &Arc<LinkCell>) -> Result<bool, FlowError> {
        let mut links = self.links.iter();
        let name = links.find(|(_, entry)| Arc::ptr_eq(&entry.cell, link)).map(|(name, _)| name.clone());
        if let Some(name) = &name
            && let Some(edge) = self.graph.edges.get(name)
        {
            let config = edge.config.clone();
            self.graph.disconnect(name)?;
            self.detach(name, &config)?;
            self.tell_patience();
        }
        self.pending.retain(|(_, edit)| edit.brings().is_none_or(|of| !Arc::ptr_eq(of, link)));
        Ok(name.is_some())
    }

    /// Takes a pipeline out: what was sent is still taken at its other end, then that input is over.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`FlowError::Graph`] where there is none; [`FlowError::Busy`], and nothing is changed.
    pub fn disconnect(&mut self, name: &str) -> Result<(), FlowError> {
        let Some(edge) = self.graph.edges.get(name) else { return Err(self.graph.no_pipeline(name).into()) };
        let config = edge.config.clone();
        if self.sender(name, &config.from).is_none() {
            self.has_room(&config.from, 1)?;
        }
        self.graph.disconnect(name)?;
        self.tell_patience();
        self.detach(name, &config)
    }

    /// The sending end of a pipeline, where its node's task does not have it yet.
    fn sender(&mut self, pipeline: &str, from: &str) -> Option<&mut Outlet> {
        let cell = &self.links.get(pipeline)?.cell;
        let task = self.nodes.get_mut(from).and_then(|node| node.held.as_mut());
        let held = task.into_iter().flat_map(|task| task.outlets.iter_mut());
        let pending = self.pending.iter_mut().filter_map(|(_, edit)| match edit {
            Edit::Attach(outlet) => Some(&mut **outlet),
            _ => None,
        });
        held.chain(pending).find(|outlet| Arc::ptr_eq(&outlet.cell, cell))
    }

    fn detach(&mut self, name: &str, config: &PipelineConfig) -> Result<(), FlowError> {
        let is_sent = self.sender(name, &config.from).is_none();
        let Some(LinkEntry { cell, .. }) = self.links.remove(name) else { return Ok(()) };
        self.take_leave(name, cell.clone());
        self.pending.retain(|(_, edit)| edit.brings().is_none_or(|link| !Arc::ptr_eq(link, &cell)));
        if let Some(task) = self.nodes.get_mut(&config.to).and_then(|node| node.held.as_mut()) {
            task.inlets.retain(|(_, inlet)| !Arc::ptr_eq(&inlet.cell, &cell));
        }
        if let Some(task) = self.nodes.get_mut(&config.from).and_then(|node| node.held.as_mut()) {
            task.outlets.retain(|outlet| !Arc::ptr_eq(&outlet.cell, &cell));
        }
        if is_sent { self.edit(&config.from, Edit::Detach(cell)) } else { Ok(()) }
    }

    /// A pipeline was taken out.
    fn take_leave(&mut self, name: &str, cell: Arc<LinkCell>) {
        let (pipeline, frames_lost) = (cell.names.pipeline, cell.lost().total());
        self.publish(pipeline, &PipelineRemoved { pipeline, frames_lost });
        self.gone.link(name, cell);
    }

    /// Takes a node out, with the pipelines that begin or end there. What waits for it is lost, posted as
    /// [`LossCause::Removed`](pcmflow_core::ledger::LossCause::Removed), and told to whoever is behind it.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`FlowError::Graph`] where there is none; [`FlowError::Busy`], and nothing is changed.
    pub fn remove(&mut self, name: &str) -> Result<(), FlowError> {
        let mut needs = BTreeMap::from([(name.to_owned(), 1)]);
        let into: Vec<_> = (self.graph.edges.iter())
            .filter(|(_, edge)| edge.config.to == name)
            .map(|(pipeline, edge)| (pipeline.clone(), edge.config.from.clone()))
            .collect();
        for (pipeline, from) in into {
            if self.sender(&pipeline, &from).is_none() {
                *needs.entry(from).or_default() += 1;
            }
        }
        needs.iter().try_for_each(|(name, edits)| self.has_room(name, *edits))?;
        let edges = self.graph.remove(name)?;
        self.tell_patience();
        // First, so that nothing more is given to it than what is lost.
        self.edit(name, Edit::Remove)?;
        for edge in &edges {
            if edge.config.to == name {
                self.detach(&edge.config.name(), &edge.config)?;
            } else if let Some(LinkEntry { cell, .. }) = self.links.remove(&edge.config.name()) {
                self.take_leave(&edge.config.name(), cell);
            }
        }
        // What was not brought to it yet is not for another one of that name.
        self.pending.retain(|(to, _)| to != name);
        if let Some(node) = self.nodes.remove(name) {
            let NodeEntry { cell, held, .. } = node;
            drop(held);
            self.gone.node(name, cell);
        }
        Ok(())
    }

    /// Changes what is done when a pipeline is full.
    ///
    /// Not RT-safe: wakes an executor.
    ///
    /// # Errors
    /// [`FlowError::Graph`] where there is none; [`FlowError::Busy`], and nothing is changed.
    pub fn set_strategy(&mut self, pipeline: &str, strategy: Strategy) -> Result<(), FlowError> {
        self.change(pipeline, OutletChange::Strategy(strategy))?;
        if let Some(edge) = self.graph.edges.get_mut(pipeline) {
            edge.config.strategy = strategy;
        }
        Ok(())
    }

    /// Shuts a pipeline, or opens it again. Meanwhile what would go through it is given up on purpose
    /// ([`LossCause::Shed`](pcmflow_core::ledger::LossCause::Shed)). Its end is told at once, gap by gap, so that a join goes on without
    /// it.
    ///
    /// Not RT-safe: wakes an executor.
    ///
    /// # Errors
    /// [`FlowError::Graph`] where there is none; [`FlowError::Busy`], and nothing is changed.
    pub fn shut(&mut self, pipeline: &str, shut: bool) -> Result<(), FlowError> {
        self.change(pipeline, OutletChange::Shut(shut))?;
        if let Some(entry) = self.links.get_mut(pipeline) {
            entry.shut = shut;
        }
        Ok(())
    }

    /// Changes the sending end of a pipeline.
    fn change(&mut self, pipeline: &str, change: OutletChange) -> Result<(), FlowError> {
        let (Some(edge), Some(entry)) = (self.graph.edges.get(pipeline), self.links.get(pipeline)) else {
            return Err(self.graph.no_pipeline(pipeline).into());
        };
        let (from, cell) = (edge.config.from.clone(), entry.cell.clone());
        match self.sender(pipeline, &from) {
            Some(outlet) => {
                outlet.change(change);
                Ok(())
            }
            None => self.edit(&from, Edit::Outlet(cell, change)),
        }
    }

    /// Asks every source to end: what it gave is still consumed, then the flow [is over](Self::is_over).
    ///
    /// Not RT-safe: wakes executors.
    ///
    /// # Errors
    /// [`FlowError::Busy`], and none is asked.
    pub fn stop(&mut self) -> Result<(), FlowError> {
        let sources: Vec<String> = self
            .graph
            .nodes
            .iter()
            .filter(|(_, ports)| ports.inputs == 0)
            .map(|(name, _)| name.clone())
            .collect();
        sources.iter().try_for_each(|name| self.has_room(name, 1))?;
        sources.iter().try_for_each(|name| self.edit(name, Edit::Remove))
    }
}
