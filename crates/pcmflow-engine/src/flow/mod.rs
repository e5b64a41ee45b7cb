//! Flows: sources, nodes and sinks, and the links between them.

mod adapter;
mod books;
mod cell;
mod inlet;
mod link;
mod node;
mod outlet;
mod task;
mod wait;

pub use books::{FlowBooks, LinkBooks, NodeBooks, Passed};
pub use cell::State;
pub use link::LinkError;
pub use node::{Inflow, Inflowed, Node, NodeError, Out};
