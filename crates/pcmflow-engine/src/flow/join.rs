//! A node that joins several inputs of one timeline into one: added up, frame by frame.

use super::node::{Node, NodeError, Out};
use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{ChannelCount, Frames, StreamFormat, StreamPosition};
use pcmflow_core::ledger::{Gap, LossCause};
use pcmflow_core::pool::Miss;
use std::collections::VecDeque;

/// What a join makes of frames that one of its inputs lacks.
///
/// ```
/// use pcmflow_engine::flow::Missing;
/// assert_eq!(Missing::default(), Missing::Gap);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missing {
    /// They are missing in what comes out.
    #[default]
    Gap,
    /// The others go on; only where all inputs lack them is there a gap.
    Silence,
}

/// What an input said of a stretch of the timeline.
#[derive(Debug)]
enum Piece {
    Chunk(AudioChunk),
    Gap(Gap),
}

impl Piece {
    fn position(&self) -> StreamPosition {
        match self {
            Self::Chunk(chunk) => chunk.position(),
            Self::Gap(gap) => gap.position,
        }
    }

    fn end(&self) -> StreamPosition {
        match self {
            Self::Chunk(chunk) => chunk.end(),
            Self::Gap(gap) => gap.end(),
        }
    }
}

#[derive(Debug, Default)]
struct Input {
    pieces: VecDeque<Piece>,
    heard: bool,
    ended: bool,
    /// What is behind the last piece.
    end: StreamPosition,
}

/// Adds its inputs up, aligned by position. All must have the same channels, at the source's rate: where the source changes that
/// in mid-stream, so does what comes out. Where inputs differ in rate there is a gap ([`LossCause::Corrupt`]).
///
/// A stretch comes out when every input that was heard of has told of it. An input that begins in mid-stream counts from where
/// it begins; one that is over lacks what follows ([`LossCause::Removed`]).
///
/// ```
/// use pcmflow_core::format::StreamFormat;
/// use pcmflow_engine::flow::{Join, Missing, Node, Ports};
/// use pcmflow_engine::transform::Shape;
/// let format = StreamFormat::new(48_000, 2)?;
/// let join: Box<dyn Node> = Box::new(Join::new(2, format, Missing::Silence));
/// let ports = Ports::join(2, Shape::new(format)); // both for `DataFlowCoordinator::add_node`
/// assert_eq!((ports.inputs, ports.wants), (2, Some(Shape::new(format))));
/// # drop(join);
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug)]
pub struct Join {
    inputs: Vec<Input>,
    channels: ChannelCount,
    missing: Missing,
    sequence: u64,
}

/// A chunk that a join can't take.
#[derive(Debug, thiserror::Error)]
#[error(
    "a chunk of {got:?} at position {position} can't be joined: what is joined has {wanted} channels, at the source's rate"
)]
struct Unfit {
    position: u64,
    got: StreamFormat,
    wanted: ChannelCount,
}

impl Join {
    /// A join of so many inputs, with the channels of `format`.
    ///
    /// Not RT-safe: allocates.
    pub fn new(inputs: u32, format: StreamFormat, missing: Missing) -> Self {
        let inputs = (0..inputs).map(|_| Input::default()).collect();
        Self { inputs, channels: format.channels, missing, sequence: 0 }
    }

    fn piece(&mut self, input: usize, piece: Piece, out: &mut Out<'_>) {
        let arrived = piece.position();
        if let Some(input) = self.inputs.get_mut(input) {
            (input.heard, input.end) = (true, piece.end());
            input.pieces.push_back(piece);
        }
        self.advance(arrived, out);
    }

    /// Gives what every input has told of. The input that is furthest behind is served first, so one that was not heard of yet
    /// has nothing before `arrived`.
    fn advance(&mut self, arrived: StreamPosition, out: &mut Out<'_>) {
        let known = |input: &Input| if input.heard { input.end } else { arrived };
        let end = self.inputs.iter().filter(|input| !input.ended).map(known).min();
        let end = end.unwrap_or_else(|| self.inputs.iter().map(|input| input.end).max().unwrap_or_default());
        let mut at = out.position();
        while at < end {
            let mut until = end;
            let (mut lacks, mut has, mut differ) = (None, None, false);
            for input in &mut self.inputs {
                while input.pieces.front().is_some_and(|piece| piece.end() <= at) {
                    input.pieces.pop_front();
                }
                match input.pieces.front() {
                    Some(piece) if piece.position() > at => until = until.min(piece.position()),
                    Some(piece) => {
                        until = until.min(piece.end());
                        match piece {
                            Piece::Chunk(chunk) => {
                                let format = chunk.meta().format;
                                differ |= *has.get_or_insert(format) != format;
                            }
                            Piece::Gap(gap) => lacks = lacks.or(Some(gap.cause)),
                        }
                    }
                    None if input.heard => lacks = lacks.or(Some(LossCause::Removed)),
                    None => {}
                }
            }
            let frames = until - at;
            let whole = lacks.is_none() || self.missing == Missing::Silence;
            match has {
                Some(format) if whole && !differ => self.mix(at, frames, format, out),
                _ => {
                    let cause = lacks.unwrap_or(if differ { LossCause::Corrupt } else { LossCause::Removed });
                    out.gap(Gap { position: at, frames, cause });
                }
            }
            at = until;
        }
    }

    /// Gives the sum of what is there.
    fn mix(&mut self, at: StreamPosition, frames: Frames, format: StreamFormat, out: &mut Out<'_>) {
        let samples = frames.samples(self.channels);
        let sequence = self.sequence;
        self.sequence += 1;
        let mut meta = ChunkMeta { format, position: at, sequence, timestamp_ns: u64::MAX, complete_ns: 0 };
        let mixed = out.pool().acquire(samples, Miss::Grow).ok().and_then(|mut buffer| {
            // Growing gives what was asked for at least: all fit.
            let _ = buffer.resize(samples, 0.0);
            for input in &self.inputs {
                let Some(Piece::Chunk(chunk)) = input.pieces.front().filter(|piece| piece.position() <= at)
                else {
                    continue;
                };
                meta.timestamp_ns = meta.timestamp_ns.min(chunk.timestamp_ns());
                meta.complete_ns = meta.complete_ns.max(chunk.meta().complete_ns);
                let from = (at - chunk.position()).samples(self.channels);
                let there = chunk.samples().get(from..from + samples).unwrap_or_default();
                for (sum, sample) in buffer.iter_mut().zip(there) {
                    *sum += sample;
                }
            }
            AudioChunk::new(buffer.into_shared(), meta).ok()
        });
        if let Some(chunk) = mixed {
            return out.chunk(chunk);
        }
        out.gap(Gap { position: at, frames, cause: LossCause::Overflow });
    }
}

impl Node for Join {
    fn chunk(&mut self, input: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        if chunk.channels() != self.channels || chunk.span() != chunk.frames() {
            let (position, got, wanted) = (chunk.position().0, chunk.meta().format, self.channels);
            return Err(Box::new(Unfit { position, got, wanted }));
        }
        self.piece(input, Piece::Chunk(chunk), out);
        Ok(())
    }

    fn gap(&mut self, input: usize, gap: Gap, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.piece(input, Piece::Gap(gap), out);
        Ok(())
    }

    fn ended(&mut self, input: usize, at: StreamPosition, out: &mut Out<'_>) -> Result<(), NodeError> {
        if let Some(input) = self.inputs.get_mut(input) {
            (input.ended, input.end) = (true, input.end.max(at));
        }
        self.advance(at, out);
        Ok(())
    }
}
