//! The steps of a plan, one after the other.

use super::block::Block;
use super::map::Map;
use super::rate::Rate;
use super::{Latency, Transform, emit_gap, gap_of};
use pcmflow_core::chunk::{AudioChunk, Packet};
use pcmflow_core::format::{Frames, StreamFormat};
use pcmflow_core::ledger::{Conversion, Gap, LossCause};
use pcmflow_core::pool::BufferRecyclingPool;
use pcmflow_core::stream::Mark;

/// One step. All are in memory of their own, so that a chain is small.
#[derive(Debug)]
pub(super) enum Step {
    Map(Box<Map>),
    Rate(Box<Rate>),
    Block(Box<Block>),
}

impl Step {
    fn transform(&self) -> &dyn Transform {
        match self {
            Self::Map(map) => map.as_ref(),
            Self::Rate(rate) => rate.as_ref(),
            Self::Block(block) => block.as_ref(),
        }
    }

    fn transform_mut(&mut self) -> &mut dyn Transform {
        match self {
            Self::Map(map) => map.as_mut(),
            Self::Rate(rate) => rate.as_mut(),
            Self::Block(block) => block.as_mut(),
        }
    }
}

/// What a [`Plan`](super::Plan) builds: the transform from one shape to another. Without steps, chunks pass as they are.
///
/// ```
/// use pcmflow_core::chunk::{AudioChunk, ChunkMeta, Packet};
/// use pcmflow_core::format::{StreamFormat, StreamPosition};
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// use pcmflow_engine::transform::{Plan, Shape, Transform};
/// let shape = Shape::new(StreamFormat::new(48_000, 2)?).in_blocks(128.into());
/// let mut chain = Plan::between(shape, shape)?.build()?;
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut buffer = pool.acquire(256, Miss::Fail)?;
/// buffer.resize(256, 0.5);
/// let (position, sequence, timestamp_ns, complete_ns) = (StreamPosition(0), 0, 0, 0);
/// let meta = ChunkMeta { format: shape.format, position, sequence, timestamp_ns, complete_ns };
/// let chunk = AudioChunk::new(buffer.into_shared(), meta)?;
/// let id = chunk.buffer().id();
/// chain.process(chunk, &pool, &mut |packet| {
///     assert!(matches!(packet, Packet::Chunk(chunk) if chunk.buffer().id() == id));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Chain {
    from: StreamFormat,
    /// A rate step at most; behind it all have its rate.
    steps: Vec<Step>,
    latency: Latency,
    /// Frames that passed where there are no steps.
    passed: Frames,
}

impl Chain {
    pub(super) fn new(from: StreamFormat, steps: Vec<Step>, latency: Latency) -> Self {
        Self { from, steps, latency, passed: Frames::ZERO }
    }

    /// From the next block on, takes the clock of what comes in to be faster than that of what goes out by `ppb`
    /// billionths (slower, where negative), as measured (by a [`Meet`](crate::flow::Meet)); at most a thousandth. Returns what it is set to; `None` where the plan
    /// is not [adjustable](super::Wanted::adjustable).
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn set_drift_ppb(&mut self, ppb: i32) -> Option<i32> {
        self.steps.iter_mut().find_map(|step| match step {
            Step::Rate(rate) => rate.set_drift_ppb(ppb),
            Step::Map(_) | Step::Block(_) => None,
        })
    }

    /// The steps from the one that changes the rate on, or all.
    fn counted(&self) -> &[Step] {
        let rate = self.steps.iter().position(|step| matches!(step, Step::Rate(_)));
        self.steps.get(rate.unwrap_or(0)..).unwrap_or(&[])
    }
}

/// Hands a packet to the first step, what that gives to the second, and so on.
fn run(steps: &mut [Step], packet: Packet, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
    let Some((step, rest)) = steps.split_first_mut() else { return emit(packet) };
    match packet {
        Packet::Chunk(chunk) => {
            step.transform_mut().process(chunk, pool, &mut |packet| run(rest, packet, pool, emit));
        }
        Packet::Mark(Mark::Gap(gap)) => {
            step.transform_mut().gap(gap, pool, &mut |packet| run(rest, packet, pool, emit));
        }
        other => run(rest, other, pool, emit),
    }
}

impl Transform for Chain {
    fn format(&self) -> StreamFormat {
        self.steps.last().map_or(self.from, |step| step.transform().format())
    }

    fn latency(&self) -> Latency {
        self.latency
    }

    /// What is in front of the step that changes the rate holds nothing, so that the books begin with that step: frames that
    /// were lost before it were not taken.
    fn conversion(&self) -> Conversion {
        let counted = self.counted();
        let (Some(first), Some((last, before))) = (counted.first(), counted.split_last()) else {
            let (from, frames) = (self.from.rate, self.passed);
            return Conversion { from, to: from, taken: frames, given: frames, held: Frames::ZERO };
        };
        let (first, last) = (first.transform().conversion(), last.transform().conversion());
        let sum = |frames: fn(&dyn Transform) -> Frames, steps: &[Step]| {
            steps.iter().fold(Frames::ZERO, |sum, step| sum + frames(step.transform()))
        };
        Conversion {
            from: first.from,
            to: last.to,
            taken: first.taken,
            given: last.given + sum(|step| step.lost(), before),
            held: sum(|step| step.conversion().held, counted),
        }
    }

    fn lost(&self) -> Frames {
        let to = u128::from(self.format().rate.hz());
        self.steps.iter().fold(Frames::ZERO, |sum, step| {
            let (lost, at) = (step.transform().lost(), u128::from(step.transform().format().rate.hz()));
            sum + Frames(u64::try_from(u128::from(lost.0) * to / at).unwrap_or(u64::MAX))
        })
    }

    fn process(&mut self, chunk: AudioChunk, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        if chunk.meta().format != self.from {
            return self.gap(gap_of(&chunk, LossCause::Corrupt), pool, emit);
        }
        if self.steps.is_empty() {
            self.passed += chunk.frames();
        }
        run(&mut self.steps, Packet::Chunk(chunk), pool, emit);
    }

    fn gap(&mut self, gap: Gap, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        match self.steps.is_empty() {
            true => emit_gap(gap, emit),
            false => run(&mut self.steps, Packet::Mark(Mark::Gap(gap)), pool, emit),
        }
    }

    fn finish(&mut self, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        for first in 0..self.steps.len() {
            if let Some((step, rest)) = self.steps.get_mut(first..).and_then(|steps| steps.split_first_mut())
            {
                step.transform_mut().finish(pool, &mut |packet| run(rest, packet, pool, emit));
            }
        }
    }
}
