//! From nodes and pipelines to a graph in which everything fits: opens the inputs, and nothing else.

use super::{FlowFile, FlowFileError, FlowFileErrors, FlowNode, OpenError, Role, Wrong};
use crate::core::format::{Frames, SampleEncoding, StreamFormat};
use crate::engine::config::AudioConfig;
use crate::engine::flow::{Graph, Output, Ports};
use crate::engine::transform::Shape;
use crate::io::{RawFormat, Source, SynthSpec, open_file, open_reader};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::IsTerminal;
use std::path::Path;

/// An open input, or why it is not.
pub type Opened = Result<Box<dyn Source>, OpenError>;

/// A flow that fits together, with its inputs open.
pub struct FlowPlan {
    /// Formats, plans and delays.
    pub graph: Graph,
    /// The open inputs, by the name of their node.
    pub sources: BTreeMap<String, Box<dyn Source>>,
    /// What comes to each node's first input; not of sources.
    pub shapes: BTreeMap<String, Shape>,
    /// From which source each node's first input comes: positions count that one's frames.
    pub origins: BTreeMap<String, String>,
}

impl fmt::Debug for FlowPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowPlan")
            .field("graph", &self.graph)
            .field("shapes", &self.shapes)
            .finish_non_exhaustive()
    }
}

impl FlowNode {
    /// Opens the input that this node is; its path is seen from `folder`.
    ///
    /// Not RT-safe: makes system calls, and waits for the first bytes of standard input.
    ///
    /// # Errors
    /// [`OpenError`] where that fails.
    pub fn open(&self, folder: &Path) -> Opened {
        let text = |key| self.values.text(key).unwrap_or_default();
        match self.kind.name {
            "file" => Ok(Box::new(open_file(folder.join(text("path")))?)),
            "stdin" => {
                let stdin = std::io::stdin();
                if stdin.is_terminal() {
                    return Err(OpenError::Terminal);
                }
                Ok(Box::new(open_reader(stdin, "standard input", self.raw())?))
            }
            "synth" => Ok(Box::new(text("signal").parse::<SynthSpec>()?.source()?)),
            kind => Err(OpenError::Refused(format!("{kind} is no source"))),
        }
    }

    /// Frames of the chunks that this source gives.
    pub(super) fn block(&self, audio: &AudioConfig) -> Frames {
        Frames(self.values.whole("block_frames").unwrap_or(audio.block_frames))
    }

    /// Raw PCM, where it is declared.
    fn raw(&self) -> Option<RawFormat> {
        let encoding = self.values.word("encoding", &SampleEncoding::ALL)?;
        let format = StreamFormat::new(self.values.small("rate_hz")?, self.values.small("channels")?).ok()?;
        Some(RawFormat { encoding, format })
    }
}

impl FlowFile {
    /// Opens the inputs by `open`, which is [`FlowNode::open`] unless there is a reason for another, and works out the graph;
    /// paths are seen from `folder`, and sources that don't say how long their blocks are have those of `audio`. Outputs are not
    /// touched.
    ///
    /// Not RT-safe: allocates, and makes system calls.
    ///
    /// # Errors
    /// [`FlowFileErrors`] with all that does not fit, and all that can't be opened. Nothing is opened where names or connections
    /// are wrong already.
    pub fn plan(
        &self,
        folder: &Path,
        audio: &AudioConfig,
        open: &mut dyn FnMut(&FlowNode, &Path) -> Opened,
    ) -> Result<FlowPlan, FlowFileErrors> {
        let errors = self.connections(folder);
        if !errors.is_empty() {
            return Err(FlowFileErrors::of(errors));
        }
        let mut errors = Vec::new();
        let (mut sources, mut ports) = (BTreeMap::new(), BTreeMap::new());
        for node in self.nodes.iter().filter(|node| node.kind.role == Role::Source) {
            match open(node, folder) {
                Ok(source) => {
                    let shape = Shape::new(source.format()).in_blocks(node.block(audio));
                    ports.insert(node.name.as_str(), Ports::source(shape));
                    sources.insert(node.name.clone(), source);
                }
                Err(reason) => {
                    errors
                        .push(FlowFileError::new(node.line, Wrong::Open { node: node.name.clone(), reason }));
                }
            }
        }
        if !errors.is_empty() {
            return Err(FlowFileErrors::of(errors));
        }
        let mut graph = Graph::default();
        let (mut shapes, mut origins) = (BTreeMap::new(), BTreeMap::new());
        for node in self.in_order() {
            let input = self.into(&node.name, 0).and_then(|pipeline| {
                let from = ports.get(pipeline.config.from.as_str())?;
                let given = match from.output {
                    Output::Shape(shape) => shape,
                    _ => *shapes.get(&pipeline.config.from)?,
                };
                let format = pipeline.config.format.and_then(|format| format.format().ok());
                let block = pipeline.config.block_frames.map(Frames);
                Some(Shape { format: format.unwrap_or(given.format), block }.after(given))
            });
            let before =
                self.into(&node.name, 0).and_then(|pipeline| origins.get(&pipeline.config.from).cloned());
            origins.insert(node.name.clone(), before.unwrap_or_else(|| node.name.clone()));
            let own = match ports.get(node.name.as_str()) {
                Some(own) => *own,
                None => (node.kind.ports)(&node.values, input),
            };
            ports.insert(node.name.as_str(), own);
            if let Some(shape) =
                own.wants.map_or(input, |wants| Some(input.map_or(wants, |input| wants.after(input))))
            {
                shapes.insert(node.name.clone(), shape);
            }
            if let Err(error) = graph.add(&node.name, own) {
                errors.push(FlowFileError::new(node.line, error));
            }
        }
        for pipeline in &self.pipelines {
            if let Err(error) = graph.connect(pipeline.config.clone()) {
                errors.push(FlowFileError::new(pipeline.line, error));
            }
        }
        match errors.is_empty() {
            true => Ok(FlowPlan { graph, sources, shapes, origins }),
            false => Err(FlowFileErrors::of(errors)),
        }
    }

    /// The pipeline to an input of a node.
    fn into(&self, node: &str, input: u32) -> Option<&super::FlowPipeline> {
        self.pipelines.iter().find(|pipeline| pipeline.config.to == node && pipeline.config.input == input)
    }

    /// What is wrong with names and connections, whatever the formats are.
    fn connections(&self, folder: &Path) -> Vec<FlowFileError> {
        let mut errors = Vec::new();
        // Formats are no matter here: everything takes and gives whatever comes.
        let mut graph = Graph::default();
        for node in &self.nodes {
            let own = match node.kind.role {
                Role::Source => Ports { output: Output::Same, ..Ports::default() },
                _ => (node.kind.ports)(&node.values, None),
            };
            if let Err(error) = graph.add(&node.name, own) {
                errors.push(FlowFileError::new(node.line, error));
            }
        }
        for pipeline in &self.pipelines {
            if let Err(error) = graph.connect(pipeline.config.clone()) {
                errors.push(FlowFileError::new(pipeline.line, error));
            }
        }
        // A pipeline that is wrong leaves its ends open: that is told once.
        if errors.is_empty() {
            let fed: BTreeSet<(&str, u32)> = self
                .pipelines
                .iter()
                .map(|pipeline| (pipeline.config.to.as_str(), pipeline.config.input))
                .collect();
            let heard: BTreeSet<&str> =
                self.pipelines.iter().map(|pipeline| pipeline.config.from.as_str()).collect();
            for node in &self.nodes {
                let own = graph.nodes().find(|(name, _)| *name == node.name).map(|(_, ports)| *ports);
                let own = own.unwrap_or_default();
                let (name, kind) = (|| node.name.clone(), node.kind.name);
                for input in (0..own.inputs).filter(|input| !fed.contains(&(node.name.as_str(), *input))) {
                    errors.push(FlowFileError::new(node.line, Wrong::Unfed { node: name(), kind, input }));
                }
                if own.inputs > 1 && !own.own_clocks {
                    errors.extend(self.clocks(node));
                }
                if own.output != Output::None && !heard.contains(node.name.as_str()) {
                    errors.push(FlowFileError::new(node.line, Wrong::Unheard { node: name(), kind }));
                }
            }
        }
        errors.extend(self.clashes(folder));
        errors
    }

    /// What a node joins by position must be of one clock. Sources in real time have this machine's, each live one has its own, and
    /// those that can wait have none.
    fn clocks(&self, join: &FlowNode) -> Option<FlowFileError> {
        let (mut before, mut next) = (BTreeSet::from([join.name.as_str()]), vec![join.name.as_str()]);
        while let Some(name) = next.pop() {
            let into = self.pipelines.iter().filter(|pipeline| pipeline.config.to == name);
            next.extend(
                into.map(|pipeline| pipeline.config.from.as_str()).filter(|from| before.insert(from)),
            );
        }
        let timed = self.nodes.iter().filter(|node| before.contains(node.name.as_str()) && node.is_live());
        let (live, paced): (Vec<_>, Vec<_>) =
            timed.partition(|node| node.values.text("pace") == Some("live"));
        let one = live.first()?;
        let other = live.get(1).or(paced.first())?;
        let (node, kind) = (join.name.clone(), join.kind.name);
        let wrong = Wrong::Clocks { node, kind, one: one.name.clone(), other: other.name.clone() };
        Some(FlowFileError::new(join.line, wrong))
    }

    /// The nodes, each behind what it is fed by. There is no cycle.
    fn in_order(&self) -> Vec<&FlowNode> {
        let mut waiting: Vec<&FlowNode> = self.nodes.iter().collect();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let ready = |node: &&FlowNode| {
                let mut into = self.pipelines.iter().filter(|pipeline| pipeline.config.to == node.name);
                into.all(|pipeline| done.contains(pipeline.config.from.as_str()))
            };
            let Some(next) = waiting.iter().position(ready) else { break };
            let node = waiting.remove(next);
            done.insert(&node.name);
            order.push(node);
        }
        order
    }
}
