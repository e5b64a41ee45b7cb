//! Why a flow could not be changed.

use super::cell::State;
use super::graph::GraphError;
use super::link::LinkError;
use crate::event::EventError;
use crate::task::SpawnError;
use crate::transform::PlanError;
use pcmflow_core::ring::RingError;

/// Why a flow could not be changed.
///
/// ```
/// use pcmflow_engine::flow::{FlowError, State};
/// let error = FlowError::Over { name: "disk".into(), state: State::Failed };
/// assert_eq!(
///     error.to_string(),
///     "node disk is Failed, nothing can be connected to it any more; add another node"
/// );
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// It can't be so: see there.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A link could not be made.
    #[error("pipeline {pipeline}: {reason}")]
    Link {
        /// The pipeline.
        pipeline: String,
        /// Why.
        reason: LinkError,
    },
    /// What changes the format could not be made.
    #[error("pipeline {pipeline}: {reason}")]
    Plan {
        /// The pipeline.
        pipeline: String,
        /// Why.
        reason: PlanError,
    },
    /// Memory for edits could not be had.
    #[error("node {name}: {reason}")]
    Memory {
        /// The node.
        name: String,
        /// Why.
        reason: RingError,
    },
    /// The bus has no memory for what the flow publishes by.
    #[error("what the flow publishes by: {0}")]
    Events(#[from] EventError),
    /// A task could not be brought to its executor.
    #[error("node {name}: {reason}")]
    Spawn {
        /// The node.
        name: String,
        /// Why.
        reason: SpawnError,
    },
    /// The node is over, failed or removed: give a new one a name of its own.
    #[error("node {name} is {state:?}, nothing can be connected to it any more; add another node")]
    Over {
        /// The node.
        name: String,
        /// What became of it.
        state: State,
    },
    /// The node's task has not made the changes before this one: it hangs, or nobody drives its executor. Nothing is changed.
    #[error("node {name} has too many changes waiting; is its executor driven?")]
    Busy {
        /// The node.
        name: String,
    },
}
