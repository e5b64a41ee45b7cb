//! Flow files: a flow in writing, checked as a whole, drawn or run.
//!
//! A file lists nodes, each of a [`Kind`] with its parameters, and the pipelines between them. What kinds there are, and what each
//! wants to know, stands in one table, [`KINDS`]; checks, suggestions, drawings, runs and the list in the documentation come from
//! it. The guide is [Flow files](crate::flow_files).
//!
//! [`FlowFile::parse`] tells all that is wrong in the text, each with its line and what is possible. [`FlowFile::plan`] opens
//! the inputs, works out which format goes where, and tells all that does not fit. [`FlowFile::outputs`] opens the outputs, and leaves them
//! as they are. Nothing is written before all of that. [`FlowPlan::build`] then makes the inputs, empties the outputs, makes the nodes, and brings
//! them into a [`Session`](crate::engine::session::Session).
//!
//! A file may come from anybody: its size, nodes and pipelines are bounded ([`FlowFile::BYTES_MAX`]), and the memory and time that
//! reading it takes with them. What it names, it reads and overwrites: run only what you would run as a program.

mod buffers;
mod build;
mod claims;
mod error;
mod feed;
mod kind;
mod kinds;
mod output;
mod parameter;
mod parse;
mod plan;
mod values;

pub use build::BuildError;
pub use error::{FlowFileError, FlowFileErrors, OpenError, Wrong};
pub use feed::Feed;
pub use kind::{Kind, Role};
pub use kinds::KINDS;
pub use output::{FlowOutput, FlowOutputs, OpenedOutput};
pub use parameter::{Accepts, Parameter, Unsaid};
pub use parse::{FlowFile, FlowNode, FlowPipeline};
pub use plan::{FlowPlan, Opened};
pub use values::Values;

#[cfg(test)]
mod tests;
