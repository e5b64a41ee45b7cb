//! Any sink of samples, in a flow.

use crate::core::chunk::AudioChunk;
use crate::core::format::{Frames, SampleRate, StreamPosition};
use crate::core::ledger::Gap;
use crate::engine::flow::{Node, NodeError, Out};
use crate::io::Sink;

/// What stands in the output where frames are missing.
///
/// ```
/// use pcmflow::nodes::Missing;
/// assert_eq!(Missing::default(), Missing::Silence);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missing {
    /// Silence of the same length: times stay true.
    #[default]
    Silence,
    /// Nothing: the output is shorter.
    Cut,
}

/// How much silence is written at a time.
const SILENCE_FRAMES: u64 = 1024;

/// Writes chunks into a [`Sink`]. It must be given the sink's format: a pipeline converts to it.
///
/// ```
/// use pcmflow::core::format::StreamFormat;
/// use pcmflow::engine::flow::{Node, Ports};
/// use pcmflow::engine::transform::Shape;
/// use pcmflow::io::NoneSink;
/// use pcmflow::nodes::{Missing, SinkNode};
/// let format = StreamFormat::new(16_000, 1)?;
/// let sink = SinkNode::new(Box::new(NoneSink::new(format)), StreamFormat::new(48_000, 2)?.rate, Missing::Silence);
/// let ports = Ports { may_block: true, ..Ports::sink(Some(Shape::new(sink.format()))) };
/// assert_eq!(ports.wants, Some(Shape::new(format)));
/// let _: Box<dyn Node> = Box::new(sink); // both for `DataFlowCoordinator::add_node`
/// # Ok::<(), pcmflow::core::format::FormatError>(())
/// ```
pub struct SinkNode {
    /// None once it is finished.
    sink: Option<Box<dyn Sink>>,
    format: crate::core::format::StreamFormat,
    /// Whose frames positions count.
    source_rate: SampleRate,
    missing: Missing,
    /// Where the stream began.
    start: Option<StreamPosition>,
    written: Frames,
    /// So much silence as is written at a time.
    silence: Vec<f32>,
}

/// A chunk that the sink can't take.
#[derive(Debug, thiserror::Error)]
#[error("a chunk of {got:?} can't be written, the output takes {wanted:?}; give its pipeline that format")]
struct Unfit {
    got: crate::core::format::StreamFormat,
    wanted: crate::core::format::StreamFormat,
}

/// The sink took another number of frames than it was given.
#[derive(Debug, thiserror::Error)]
#[error("{given} frames were written, and the output holds {taken}; please report this")]
struct Miscounted {
    given: Frames,
    taken: Frames,
}

impl SinkNode {
    /// Writes into `sink` what comes of a source at `source_rate`.
    ///
    /// Not RT-safe: allocates.
    pub fn new(sink: Box<dyn Sink>, source_rate: SampleRate, missing: Missing) -> Self {
        let format = sink.format();
        let silence = vec![0.0; Frames(SILENCE_FRAMES).samples(format.channels)];
        let (start, written) = (None, Frames::ZERO);
        Self { sink: Some(sink), format, source_rate, missing, start, written, silence }
    }

    /// What it takes.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn format(&self) -> crate::core::format::StreamFormat {
        self.format
    }

    fn write(&mut self, samples: &[f32]) -> Result<(), NodeError> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        sink.write(samples)?;
        self.written += Frames::in_samples(samples.len(), self.format.channels);
        Ok(())
    }

    /// Where the output should be when the source is at `position`.
    fn due(&self, position: StreamPosition) -> Frames {
        let passed = position - self.start.unwrap_or(position);
        let (from, to) = (u128::from(self.source_rate.hz()), u128::from(self.format.rate.hz()));
        Frames(u64::try_from((u128::from(passed.0) * to + from / 2) / from).unwrap_or(u64::MAX))
    }
}

impl Node for SinkNode {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        if chunk.meta().format != self.format {
            return Err(Box::new(Unfit { got: chunk.meta().format, wanted: self.format }));
        }
        self.start.get_or_insert(chunk.position());
        self.write(chunk.samples())
    }

    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.start.get_or_insert(gap.position);
        if self.missing == Missing::Cut {
            return Ok(());
        }
        // By where the output should be, not by the gap's length: so that roundings do not add up.
        let silence = std::mem::take(&mut self.silence);
        let mut rest = self.due(gap.end()) - self.written;
        let mut written = Ok(());
        while rest > Frames::ZERO && written.is_ok() {
            let now = rest.min(Frames(SILENCE_FRAMES));
            written = self.write(silence.get(..now.samples(self.format.channels)).unwrap_or_default());
            rest = rest - now;
        }
        self.silence = silence;
        written
    }

    fn end(&mut self, _: &mut Out<'_>) -> Result<(), NodeError> {
        let Some(sink) = self.sink.take() else { return Ok(()) };
        let (given, taken) = (self.written, sink.finish()?);
        if given != taken {
            return Err(Box::new(Miscounted { given, taken }));
        }
        Ok(())
    }
}

impl std::fmt::Debug for SinkNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SinkNode")
            .field("format", &self.format)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
