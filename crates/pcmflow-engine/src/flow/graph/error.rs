//! Why a flow can't be as it was asked for.

use crate::flow::pipeline::PipelineConfig;
use crate::transform::PlanError;
use pcmflow_core::format::FormatError;

/// Why a flow can't be as it was asked for. Each names the place.
///
/// ```
/// use pcmflow_engine::flow::{Graph, PipelineConfig, Ports};
/// let mut graph = Graph::default();
/// graph.add("meter", Ports::sink(None))?;
/// let error = graph.connect(PipelineConfig::new("mikrophone", "meter")).unwrap_err();
/// assert_eq!(error.to_string(), "pipeline mikrophone→meter: there is no node mikrophone; there are: meter");
/// # Ok::<(), pcmflow_engine::flow::GraphError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Two nodes have one name.
    #[error("node {name}: there is one of that name already; give this one another")]
    DuplicateNode {
        /// The name.
        name: String,
    },
    /// A name that can't be one.
    #[error("node {name:?}: a name is not empty and has none of these: → # \" line breaks")]
    Name {
        /// The refused name.
        name: String,
    },
    /// There is no such node.
    #[error("pipeline {pipeline}: there is no node {name}; there are: {known}")]
    UnknownNode {
        /// The pipeline that names it.
        pipeline: String,
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// There is no such node to do something with.
    #[error("there is no node {name}; there are: {known}")]
    NoNode {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// There is no such pipeline.
    #[error("there is no pipeline {name}; there are: {known}")]
    NoPipeline {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The sending node is a sink.
    #[error("pipeline {pipeline}: {name} is a sink, nothing comes out of it")]
    NoOutput {
        /// The pipeline.
        pipeline: String,
        /// The sink.
        name: String,
    },
    /// The receiving node has no such input.
    #[error("pipeline {pipeline}: {name} has {inputs} inputs, from 0; there is no input {input}")]
    NoInput {
        /// The pipeline.
        pipeline: String,
        /// The receiving node.
        name: String,
        /// How many it has.
        inputs: u32,
        /// What was asked for.
        input: u32,
    },
    /// Another pipeline goes to that input.
    #[error(
        "pipeline {pipeline}: input {input} of {name} is fed by {by} already; remove that first, or use a join"
    )]
    TwoWriters {
        /// The pipeline.
        pipeline: String,
        /// The receiving node.
        name: String,
        /// The input.
        input: u32,
        /// What feeds it.
        by: String,
    },
    /// Another pipeline has that name already: one to a further input of a node, or one to a node that is called so.
    #[error(
        "pipeline {pipeline}: the one from {from} to input {input} of {to} is called so already; give node {to} or node {name} another \
         name"
    )]
    DuplicatePipeline {
        /// The name of both.
        pipeline: String,
        /// The node that this one goes to.
        name: String,
        /// Where the other one comes from.
        from: String,
        /// The node that it goes to.
        to: String,
        /// The input.
        input: u32,
    },
    /// Frames would go round and round.
    #[error("pipeline {pipeline} would make a cycle: {path}")]
    Cycle {
        /// The pipeline.
        pipeline: String,
        /// The nodes on the way round.
        path: String,
    },
    /// The format does not fit, and nothing makes it fit.
    #[error("pipeline {pipeline}: {reason}")]
    Format {
        /// The pipeline.
        pipeline: String,
        /// Both formats, and why.
        reason: PlanError,
    },
    /// A format that can't be one.
    #[error("pipeline {pipeline}: format: {reason}")]
    NoFormat {
        /// The pipeline.
        pipeline: String,
        /// The number that is out of range.
        reason: FormatError,
    },
    /// A number is out of range.
    #[error("pipeline {pipeline}: packets is {packets}, allowed are 2 to {}", PipelineConfig::PACKETS_MAX)]
    Packets {
        /// The pipeline.
        pipeline: String,
        /// The refused number.
        packets: u32,
    },
    /// What is joined by position is not at the source's rate.
    #[error(
        "pipeline {pipeline}: {name} joins inputs at {wanted_hz} Hz by their positions, which count {source_hz} Hz of the source, and \
         {got_hz} Hz would come; join before the rate is changed, in the source's"
    )]
    Rate {
        /// The pipeline.
        pipeline: String,
        /// The node that joins.
        name: String,
        /// The rate that it was declared with.
        wanted_hz: u32,
        /// The rate of the source.
        source_hz: u32,
        /// The rate of what comes.
        got_hz: u32,
    },
    /// One way to a join is so much shorter than another that it can't hold what comes meanwhile.
    #[error(
        "pipeline {pipeline}: it is {ahead_ms} ms ahead of {behind}, which is joined with it, and can't hold so much: it needs \
         {needs} packets and has {packets}; {}, or shorten the other way",
        if *needs <= PipelineConfig::PACKETS_MAX.into() {
            "raise packets"
        } else {
            "that is more than a pipeline can hold: give what fills it longer blocks, and declare them"
        }
    )]
    Ahead {
        /// The pipeline on the shorter way.
        pipeline: String,
        /// The pipeline on the longer way.
        behind: String,
        /// By how much, in milliseconds.
        ahead_ms: u64,
        /// Packets that it would have to hold.
        needs: u64,
        /// Packets that it holds.
        packets: u32,
    },
}
