//! What happened in a flow, for whoever publishes or prints it: told by tasks through rings, and named by the coordinator.

use super::link::LinkCell;
use crate::pressure::{Change, Edge};
use crate::sync::Arc;
use core::fmt;

/// Something that happened in a flow.
///
/// ```
/// use pcmflow_engine::flow::FlowReport;
/// let report = FlowReport::Failed { node: "disk".into(), error: "it is full".into() };
/// assert_eq!(report.to_string(), "node disk failed: it is full");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlowReport {
    /// Back-pressure began or ended.
    Pressure {
        /// Where.
        pipeline: String,
        /// Which of the two, when, for how long, and who was slow.
        edge: Edge,
    },
    /// Something else is done about back-pressure from now on.
    Strategy {
        /// Where.
        pipeline: String,
        /// What, when and why.
        change: Change,
    },
    /// A node failed or panicked.
    Failed {
        /// Which.
        node: String,
        /// What it said.
        error: String,
    },
    /// So much happened at a node that it could not all be told.
    Untold {
        /// Where.
        node: String,
        /// How many reports are missing here.
        reports: u64,
    },
}

impl fmt::Display for FlowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pressure { pipeline, edge } => {
                write!(f, "pipeline {pipeline}: back-pressure {:?}, {:?}", edge.edge, edge.slow)
            }
            Self::Strategy { pipeline, change } => {
                let (from, to) = (change.from.name(), change.to.name());
                write!(f, "pipeline {pipeline}: {to} instead of {from}, {:?}", change.reason)
            }
            Self::Failed { node, error } => write!(f, "node {node} failed: {error}"),
            Self::Untold { node, reports } => write!(f, "node {node}: {reports} reports did not fit"),
        }
    }
}

/// What a task tells.
#[derive(Debug)]
pub(super) enum Told {
    Pressure(Arc<LinkCell>, Edge),
    Strategy(Arc<LinkCell>, Change),
    Failed,
}
