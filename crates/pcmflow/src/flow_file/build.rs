//! From a plan to a flow that can be started: inputs and nodes are made, outputs created.

use super::kinds::{GAPS, MISSING, PACES};
use super::{Feed, FlowFile, FlowFileErrors, FlowNode, FlowOutput, FlowOutputs, FlowPlan, Role};
use crate::core::block::{BlockSize, BlockSizeError};
use crate::core::format::{ByteOrder, SampleEncoding, SampleFormat, SampleRate};
use crate::core::stream::Overflow;
use crate::engine::config::AudioConfig;
use crate::engine::flow::{FlowError, Join, Missing as MissingInput, Node, NodeError, Out};
use crate::engine::session::{Session, SessionError};
use crate::engine::transform::Shape;
use crate::io::{NoneSink, RawSink, Sink, SinkError, WavFormat, WavSink};
use crate::nodes::{
    GainError, GainNode, LevelLines, LevelNode, Lines, Missing, PitchLines, PitchNode, PitchPace, SinkNode,
};
use crate::pitch::{PitchConfig, PitchError};
use crate::runtime::{Clock, Input, InputConfig, InputError, Pacing};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::PoisonError;

/// Why a flow that fits together can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An output can't be emptied, or not begun: see there.
    #[error("node {node}: {reason}")]
    Output {
        /// The node.
        node: String,
        /// Why.
        reason: SinkError,
    },
    /// What comes has no pitch that could be tracked.
    #[error("node {node}: {reason}")]
    Pitch {
        /// The node.
        node: String,
        /// Why.
        reason: PitchError,
    },
    /// There is no such gain.
    #[error("node {node}: {reason}")]
    Gain {
        /// The node.
        node: String,
        /// Why.
        reason: GainError,
    },
    /// An input's blocks can't be such.
    #[error("node {node}: {reason}")]
    Block {
        /// The node.
        node: String,
        /// Why.
        reason: BlockSizeError,
    },
    /// An input can't be made.
    #[error("node {node}: {reason}")]
    Input {
        /// The node.
        node: String,
        /// Why.
        reason: InputError,
    },
    /// The flow refuses it.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// The session refuses it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The pool can't hold what the flow needs: see there.
    #[error(transparent)]
    Buffers(#[from] FlowFileErrors),
    /// The plan is of another file.
    #[error("node {node}: the plan knows nothing of it; plan the file again")]
    Unplanned {
        /// The node.
        node: String,
    },
}

/// Passes on what comes; the pipeline before it changes its shape.
struct Pass;

impl Node for Pass {
    fn chunk(
        &mut self,
        _: usize,
        chunk: crate::core::chunk::AudioChunk,
        out: &mut Out<'_>,
    ) -> Result<(), NodeError> {
        out.chunk(chunk);
        Ok(())
    }
}

/// What a node is made with.
struct Made {
    /// What comes to it.
    shape: Shape,
    /// Whose frames positions count.
    source_rate: SampleRate,
    /// Whether that source keeps time.
    live: bool,
}

impl FlowPlan {
    /// Makes the inputs and the nodes of `file`, of which this is the plan, and brings them into `session`, which is to be driven
    /// by `clock`; the pool makes the buffers that it needs at once, and its `outputs` are emptied, first. Returns the inputs, by name.
    ///
    /// Not RT-safe: allocates, and makes system calls.
    ///
    /// # Errors
    /// [`BuildError`] for the first that can't be had.
    pub fn build(
        mut self,
        file: &FlowFile,
        mut outputs: FlowOutputs,
        session: &mut Session,
        clock: Clock,
    ) -> Result<BTreeMap<String, Feed>, BuildError> {
        let rates: BTreeMap<String, SampleRate> =
            self.sources.iter().map(|(name, source)| (name.clone(), source.format().rate)).collect();
        let (config, flow) = (session.config(), session.flow());
        let pool = flow.lock().unwrap_or_else(PoisonError::into_inner).pool().clone();
        // Before the outputs: what can't be made costs nobody a file.
        self.reserve_buffers(file, &config.audio, &pool)?;
        let feeds = self.inputs(file, session, clock)?;
        for (node, output) in &mut outputs {
            output.empty().map_err(|reason| BuildError::Output { node: node.clone(), reason })?;
        }
        let mut flow = flow.lock().unwrap_or_else(PoisonError::into_inner);
        for node in file.nodes.iter().filter(|node| node.kind.role != Role::Source) {
            let unplanned = || BuildError::Unplanned { node: node.name.clone() };
            let origin = self.origins.get(&node.name).ok_or_else(unplanned)?;
            let made = Made {
                shape: *self.shapes.get(&node.name).ok_or_else(unplanned)?,
                source_rate: *rates.get(origin).ok_or_else(unplanned)?,
                live: file.nodes.iter().any(|node| node.name == *origin && node.is_live()),
            };
            let ports = self.graph.nodes().find(|(name, _)| *name == node.name).map(|(_, ports)| *ports);
            let built = node.build(&made, outputs.remove(&node.name))?;
            flow.add_node(&node.name, ports.ok_or_else(unplanned)?, built)?;
        }
        for pipeline in &file.pipelines {
            flow.connect(pipeline.config.clone())?;
            if pipeline.follows_strategy {
                session.follow_strategy(pipeline.config.name());
            }
        }
        drop(flow);
        Ok(feeds)
    }

    /// Makes the inputs, and brings them into the session.
    fn inputs(
        &mut self,
        file: &FlowFile,
        session: &mut Session,
        clock: Clock,
    ) -> Result<BTreeMap<String, Feed>, BuildError> {
        let (config, flow) = (session.config(), session.flow());
        let mut feeds = BTreeMap::new();
        for node in file.nodes.iter().filter(|node| node.kind.role == Role::Source) {
            let unplanned = || BuildError::Unplanned { node: node.name.clone() };
            let source = self.sources.remove(&node.name).ok_or_else(unplanned)?;
            let settings = node.input(&config.audio)?;
            let reason = |reason| BuildError::Input { node: node.name.clone(), reason };
            let (input, inflow) = Input::new(&node.name, source, settings, clock).map_err(reason)?;
            let shape = Shape::new(input.format()).in_blocks(node.block(&config.audio));
            let mut flow = flow.lock().unwrap_or_else(PoisonError::into_inner);
            flow.add_source(&node.name, shape, input.is_live(), Box::new(inflow))?;
            drop(flow);
            let feed = Feed::new(input);
            session.add_input(&node.name, Box::new(feed.clone()))?;
            feeds.insert(node.name.clone(), feed);
        }
        Ok(feeds)
    }
}

impl FlowNode {
    /// How it is read, if it is a source.
    fn input(&self, audio: &AudioConfig) -> Result<InputConfig, BuildError> {
        let paces = [Pacing::Fast, Pacing::RealTime, Pacing::Live];
        let pacing = PACES.iter().zip(paces).find(|(name, _)| self.values.text("pace") == Some(name));
        let block = BlockSize::new(self.block(audio))
            .map_err(|reason| BuildError::Block { node: self.name.clone(), reason })?;
        Ok(InputConfig {
            block,
            pacing: pacing.map_or(Pacing::Fast, |(_, pacing)| pacing),
            overflow: self.values.word("overflow", Overflow::ALL).unwrap_or(audio.overflow),
            ring_ms: audio.ring_ms,
        })
    }

    fn build(&self, made: &Made, output: Option<FlowOutput>) -> Result<Box<dyn Node>, BuildError> {
        let (node, format) = (|| self.name.clone(), made.shape.format);
        let failed = |reason| BuildError::Output { node: node(), reason };
        let output = || output.ok_or_else(|| BuildError::Unplanned { node: node() });
        let gaps = match self.values.text("gaps") {
            Some(gaps) if gaps == GAPS[1] => Missing::Cut,
            _ => Missing::Silence,
        };
        let sink =
            |sink: Box<dyn Sink>| -> Box<dyn Node> { Box::new(SinkNode::new(sink, made.source_rate, gaps)) };
        Ok(match self.kind.name {
            "gain" => {
                let gain = GainNode::new(self.values.number("db").unwrap_or(0.0) as f32);
                Box::new(gain.map_err(|reason| BuildError::Gain { node: node(), reason })?)
            }
            "join" => {
                let missing: MissingInput = self.values.word("missing", &MISSING).unwrap_or_default();
                Box::new(Join::new(self.values.small("inputs").unwrap_or(2), format, missing))
            }
            "pitch" => {
                let (mut output, place) = output()?.lines();
                let lines = match self.values.text("form") {
                    Some("csv") => {
                        let header = output.write_all(Lines::PITCH_CSV_HEADER.as_bytes());
                        header.map_err(|error| failed(SinkError::write(&place, error)))?;
                        Lines::csv(&self.name, output, &place, made.live)
                    }
                    _ => Lines::json(&self.name, output, &place, made.live),
                };
                let pace = if made.live { PitchPace::Live } else { PitchPace::Fast };
                let (config, lines) = (PitchConfig::new(format.rate), PitchLines::new(lines));
                let pitch = PitchNode::new(config, made.source_rate, pace, lines);
                Box::new(pitch.map_err(|reason| BuildError::Pitch { node: node(), reason })?)
            }
            "level" => {
                let (output, place) = output()?.lines();
                let lines = Lines::json(&self.name, output, &place, made.live);
                Box::new(LevelNode::new(LevelLines::new(lines, made.source_rate)))
            }
            "wav" => {
                let wav = self.values.word("format", &WavFormat::ALL).unwrap_or_default();
                let mut output = output()?;
                // Its path is no `-`.
                let file = output.take_file().ok_or_else(|| BuildError::Unplanned { node: node() })?;
                sink(Box::new(WavSink::new(file, output.name(), wav, format).map_err(failed)?))
            }
            "raw" => {
                let encoding = self.values.word("encoding", &SampleEncoding::ALL);
                // What the table of kinds has where nothing was said.
                let s16le = SampleEncoding { format: SampleFormat::S16, order: ByteOrder::Little };
                let mut output = output()?;
                // What is encoded at a time is as long as a buffer would be.
                let writer = output.samples();
                sink(Box::new(RawSink::new(writer, output.name(), encoding.unwrap_or(s16le), format)))
            }
            "discard" => sink(Box::new(NoneSink::new(format))),
            _ => Box::new(Pass),
        })
    }
}
