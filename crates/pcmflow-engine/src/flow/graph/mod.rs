//! The graph of a flow: what may be connected with what, in which format, and with which delay. Pure: nothing runs here.

mod draw;
mod error;
mod joins;

pub use error::GraphError;

use crate::flow::pipeline::PipelineConfig;
use crate::transform::{Plan, Shape};
use pcmflow_core::format::Frames;
use std::collections::{BTreeMap, BTreeSet};

/// What comes out of a node.
///
/// ```
/// use pcmflow_engine::flow::Output;
/// assert_eq!(Output::default(), Output::None);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Output {
    /// Nothing: it is a sink.
    #[default]
    None,
    /// What comes in at the first input.
    Same,
    /// Chunks of this shape.
    Shape(Shape),
}

/// What goes into a node and comes out of it.
///
/// ```
/// use pcmflow_core::format::StreamFormat;
/// use pcmflow_engine::flow::{Output, Ports};
/// use pcmflow_engine::transform::Shape;
/// let source = Ports::source(Shape::new(StreamFormat::new(48_000, 2)?));
/// assert_eq!((source.inputs, Ports::sink(None).inputs, Ports::sink(None).output), (0, 1, Output::None));
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ports {
    /// How many inputs it has; each takes one pipeline.
    pub inputs: u32,
    /// What it wants at each of them; none: whatever comes.
    pub wants: Option<Shape>,
    /// Where the source changes its rate in mid-stream, what comes has the new one: only the rest is as it is wanted.
    pub follows_rate: bool,
    /// What comes out.
    pub output: Output,
    /// How long a frame stays in it, in nanoseconds.
    pub latency_ns: u64,
    /// Calls of it may wait for something outside: see [`Needs`](crate::task::Needs).
    pub may_block: bool,
    /// Each input but the first has a clock, and so a timeline, of its own: it is taken when the node
    /// [wants](crate::flow::Node::wants) it, and what becomes of it is the node's [to tell](crate::flow::Node::followed).
    pub own_clocks: bool,
}

impl Ports {
    /// A source of this shape.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn source(shape: Shape) -> Self {
        Self { output: Output::Shape(shape), ..Self::default() }
    }

    /// A sink that wants this, or whatever comes.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn sink(wants: Option<Shape>) -> Self {
        Self { inputs: 1, wants, ..Self::default() }
    }

    /// A node with one input that gives the shape that comes in.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn node(wants: Option<Shape>) -> Self {
        Self { inputs: 1, wants, output: Output::Same, ..Self::default() }
    }

    /// A node that joins so many inputs of one shape, by position: so at the source's rate, also where that changes.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn join(inputs: u32, shape: Shape) -> Self {
        let (wants, output) = (Some(shape), Output::Shape(shape));
        Self { inputs, wants, follows_rate: true, output, ..Self::default() }
    }
}

/// A pipeline as it was checked.
///
/// ```
/// use pcmflow_core::format::StreamFormat;
/// use pcmflow_engine::flow::{Graph, PipelineConfig, Ports};
/// use pcmflow_engine::transform::Shape;
/// let mut graph = Graph::default();
/// graph.add("source", Ports::source(Shape::new(StreamFormat::new(48_000, 2)?)))?;
/// graph.add("sink", Ports::sink(Some(Shape::new(StreamFormat::new(48_000, 1)?))))?;
/// let edge = graph.connect(PipelineConfig::new("source", "sink"))?;
/// assert_eq!(edge.plan.as_ref().map(ToString::to_string).as_deref(), Some("map 2 channels to 1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Edge {
    /// What was asked for.
    pub config: PipelineConfig,
    /// What comes in; none while what is before it is not connected.
    pub shape: Option<Shape>,
    /// What the receiving node is given, where that matters.
    pub wanted: Option<Shape>,
    /// Whether that is wanted at the source's rate, where it changes.
    pub follows_rate: bool,
    /// How the one becomes the other; none where nothing is to be done.
    pub plan: Option<Plan>,
}

/// Nodes and pipelines, checked with each that is added.
///
/// ```
/// use pcmflow_core::format::StreamFormat;
/// use pcmflow_engine::flow::{Graph, PipelineConfig, Ports};
/// use pcmflow_engine::transform::Shape;
/// let mut graph = Graph::default();
/// graph.add("microphone", Ports::source(Shape::new(StreamFormat::new(48_000, 2)?)))?;
/// graph.add("recogniser", Ports::sink(Some(Shape::new(StreamFormat::new(16_000, 1)?))))?;
/// graph.connect(PipelineConfig::new("microphone", "recogniser"))?;
/// assert!(graph.latency_ns("recogniser") > 10_000_000); // of the filter
/// assert!(graph.to_dot().contains("\"microphone\" -> \"recogniser\""));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Graph {
    pub(in crate::flow) nodes: BTreeMap<String, Ports>,
    /// By name.
    pub(in crate::flow) edges: BTreeMap<String, Edge>,
}

impl Graph {
    /// Adds a node.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`GraphError::DuplicateNode`], [`GraphError::Name`].
    pub fn add(&mut self, name: &str, ports: Ports) -> Result<(), GraphError> {
        if name.is_empty() || name.contains(['→', '#', '"', '\n', '\r']) {
            return Err(GraphError::Name { name: name.to_owned() });
        }
        if self.nodes.contains_key(name) {
            return Err(GraphError::DuplicateNode { name: name.to_owned() });
        }
        self.nodes.insert(name.to_owned(), ports);
        Ok(())
    }

    /// Adds a pipeline.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// Any other [`GraphError`]; nothing is changed then.
    pub fn connect(&mut self, config: PipelineConfig) -> Result<&Edge, GraphError> {
        let pipeline = config.name();
        let from = *self.known(&pipeline, &config.from)?;
        let to = *self.known(&pipeline, &config.to)?;
        if from.output == Output::None {
            return Err(GraphError::NoOutput { pipeline, name: config.from });
        }
        let (name, input) = (config.to.clone(), config.input);
        if input >= to.inputs {
            return Err(GraphError::NoInput { pipeline, name, inputs: to.inputs, input });
        }
        if let Some(by) =
            self.edges.values().find(|edge| edge.config.to == name && edge.config.input == input)
        {
            let by = by.config.from.clone();
            return Err(GraphError::TwoWriters { pipeline, name, input, by });
        }
        // Input 1 of `mix` and the first input of a node that is called `mix.1`.
        if let Some(other) = self.edges.get(&pipeline) {
            let PipelineConfig { from, to, input, .. } = other.config.clone();
            return Err(GraphError::DuplicatePipeline { pipeline, name, from, to, input });
        }
        if !(2..=PipelineConfig::PACKETS_MAX).contains(&config.packets) {
            return Err(GraphError::Packets { pipeline, packets: config.packets });
        }
        if let Some(path) = self.path(&config.to, &config.from) {
            let path = format!("{} → {}", config.from, path.join(" → "));
            return Err(GraphError::Cycle { pipeline, path });
        }
        let shape = self.output_of(&config.from);
        let edge = Self::edge(config, shape, to)?;
        let mut before = vec![(pipeline.clone(), self.edges.insert(pipeline.clone(), edge))];
        // Nodes that give what comes in: their formats are known only now.
        let resolved = self.resolve(&name, &mut before).and_then(|()| self.check_joins(&name));
        if let Err(error) = resolved {
            for (name, edge) in before.into_iter().rev() {
                match edge {
                    Some(edge) => self.edges.insert(name, edge),
                    None => self.edges.remove(&name),
                };
            }
            return Err(error);
        }
        self.edges.get(&pipeline).ok_or(GraphError::NoPipeline { name: pipeline, known: String::new() })
    }

    fn edge(config: PipelineConfig, shape: Option<Shape>, to: Ports) -> Result<Edge, GraphError> {
        let pipeline = config.name();
        let format = match config.format {
            Some(spec) => Some(
                spec.format()
                    .map_err(|reason| GraphError::NoFormat { pipeline: pipeline.clone(), reason })?,
            ),
            None => None,
        };
        let format = format.or(to.wants.map(|wants| wants.format)).or(shape.map(|shape| shape.format));
        let block = config.block_frames.map(Frames).or(to.wants.and_then(|wants| wants.block));
        let asked = config.format.is_some() || to.wants.is_some() || block.is_some();
        let wanted = format.filter(|_| asked).map(|format| Shape { format, block });
        let plan = match (shape, wanted) {
            (Some(from), Some(wanted)) => Some(
                Plan::between(from, wanted)
                    .map_err(|reason| GraphError::Format { pipeline: pipeline.clone(), reason })?,
            ),
            _ => None,
        };
        // A node that is fed in a shape that it does not take.
        if let (Some(wants), Some(wanted)) = (to.wants, wanted)
            && wants.format != wanted.format
        {
            let from = Shape::new(wanted.format);
            Plan::between(from, wants).map_err(|reason| GraphError::Format { pipeline, reason })?;
        }
        Ok(Edge { config, shape, wanted, follows_rate: to.follows_rate, plan })
    }

    /// Works out the formats behind `name`; keeps what was `before`.
    fn resolve(&mut self, name: &str, before: &mut Vec<(String, Option<Edge>)>) -> Result<(), GraphError> {
        let shape = self.output_of(name);
        let behind: Vec<String> = self
            .edges
            .iter()
            .filter(|(_, edge)| edge.config.from == name)
            .map(|(name, _)| name.clone())
            .collect();
        for pipeline in behind {
            let Some(edge) = self.edges.get(&pipeline) else { continue };
            if edge.shape == shape {
                continue;
            }
            let config = edge.config.clone();
            let Some(to) = self.nodes.get(&config.to).copied() else { continue };
            let next = config.to.clone();
            let edge = Self::edge(config, shape, to)?;
            before.push((pipeline.clone(), self.edges.insert(pipeline, edge)));
            self.resolve(&next, before)?;
        }
        Ok(())
    }

    /// What comes out of a node, as far as it is known.
    fn output_of(&self, name: &str) -> Option<Shape> {
        match self.nodes.get(name)?.output {
            Output::None => None,
            Output::Shape(shape) => Some(shape),
            Output::Same => {
                let into =
                    self.edges.values().find(|edge| edge.config.to == name && edge.config.input == 0)?;
                match (into.wanted, into.shape) {
                    (Some(wanted), Some(shape)) => Some(wanted.after(shape)),
                    (wanted, shape) => wanted.or(shape),
                }
            }
        }
    }

    fn known(&self, pipeline: &str, name: &str) -> Result<&Ports, GraphError> {
        self.nodes.get(name).ok_or_else(|| GraphError::UnknownNode {
            pipeline: pipeline.to_owned(),
            name: name.to_owned(),
            known: self.names(),
        })
    }

    fn names(&self) -> String {
        self.nodes.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// A way from one node to another, both included.
    fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut stack = vec![vec![from.to_owned()]];
        let mut seen = BTreeSet::from([from.to_owned()]);
        while let Some(path) = stack.pop() {
            let last = path.last()?;
            if last == to {
                return Some(path);
            }
            for edge in self.edges.values().filter(|edge| edge.config.from == *last) {
                if seen.insert(edge.config.to.clone()) {
                    let mut longer = path.clone();
                    longer.push(edge.config.to.clone());
                    stack.push(longer);
                }
            }
        }
        None
    }

    /// Takes a pipeline out.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`GraphError::NoPipeline`].
    pub fn disconnect(&mut self, name: &str) -> Result<Edge, GraphError> {
        self.edges.remove(name).ok_or_else(|| self.no_pipeline(name))
    }

    pub(in crate::flow) fn no_pipeline(&self, name: &str) -> GraphError {
        let known = self.edges.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        GraphError::NoPipeline { name: name.to_owned(), known }
    }

    /// Takes a node out, and the pipelines that begin or end there.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`GraphError::NoNode`].
    pub fn remove(&mut self, name: &str) -> Result<Vec<Edge>, GraphError> {
        if self.nodes.remove(name).is_none() {
            return Err(GraphError::NoNode { name: name.to_owned(), known: self.names() });
        }
        let gone: Vec<String> = (self.edges.iter())
            .filter(|(_, edge)| edge.config.from == name || edge.config.to == name)
            .map(|(name, _)| name.clone())
            .collect();
        Ok(gone.iter().filter_map(|name| self.edges.remove(name)).collect())
    }

    /// The delay from the farthest source to the end of a node: the sum of what is declared on the way. What waits in links is
    /// not in it.
    ///
    /// Not RT-safe: allocates.
    pub fn latency_ns(&self, name: &str) -> u64 {
        self.latency_to(name, &mut BTreeMap::new())
    }

    pub(in crate::flow) fn latency_to<'a>(
        &'a self,
        name: &'a str,
        known: &mut BTreeMap<&'a str, u64>,
    ) -> u64 {
        if let Some(latency_ns) = known.get(name) {
            return *latency_ns;
        }
        let Some(ports) = self.nodes.get(name) else { return 0 };
        let mut before_ns = 0;
        for edge in self.edges.values().filter(|edge| edge.config.to == name) {
            let planned_ns = edge.plan.as_ref().map_or(0, |plan| plan.latency().ns);
            before_ns = before_ns.max(self.latency_to(&edge.config.from, known).saturating_add(planned_ns));
        }
        let latency_ns = before_ns.saturating_add(ports.latency_ns);
        known.insert(name, latency_ns);
        latency_ns
    }

    /// The pipelines, by name.
    ///
    /// Not RT-safe: meant for the control side.
    pub fn edges(&self) -> impl Iterator<Item = (&str, &Edge)> {
        self.edges.iter().map(|(name, edge)| (name.as_str(), edge))
    }

    /// The nodes, by name.
    ///
    /// Not RT-safe: meant for the control side.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &Ports)> {
        self.nodes.iter().map(|(name, ports)| (name.as_str(), ports))
    }
}
