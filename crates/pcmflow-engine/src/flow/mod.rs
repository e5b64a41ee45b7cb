//! Flows: sources, nodes and sinks, and the links between them.

mod adapter;
mod books;
mod cell;
mod coordinator;
mod draw;
mod graph;
mod inlet;
mod join;
mod link;
mod node;
mod outlet;
mod spec;
mod stream_inflow;
mod task;
mod wait;

pub use books::{FlowBooks, LinkBooks, NodeBooks, Passed};
pub use cell::State;
pub use coordinator::{
    DataFlowCoordinator, Executors, FlowError, FlowStatus, NodeStatus, PipelineStatus,
};
pub use graph::{Edge, Graph, GraphError, Output, Ports};
pub use join::{Join, Missing};
pub use link::LinkError;
pub use node::{Inflow, Inflowed, Node, NodeError, Out};
pub use spec::{FlowSpec, FormatSpec, NodeSpec, PipelineConfig};
pub use stream_inflow::{StreamFeed, StreamInflow};

#[cfg(all(test, not(pcmflow_loom)))]
mod tests;
