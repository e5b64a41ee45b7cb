//! Transforms: rates, channel maps, block sizes, and the sample formats at the edges.
//!
//! Inside, samples are interleaved `f32` in chunks. What a consumer wants otherwise is planned when it is registered:
//! [`Plan::between`] says which steps it takes, what they cost and delay, or why it can't be done; nothing is found out when
//! data flows. [`Plan::build`] makes the [`Chain`] of them, a [`Transform`]: chunks and gaps in, chunks and gaps out.
//! Outside, samples are bytes, in any encoding and either layout: [`FrameBytes`], with [`Dither`] where bits are lost.
//!
//! What every transform keeps:
//!
//! - **Positions stay the source's.** Chunks that come out stand for spans that tile the source's timeline: each of its frames
//!   is in one chunk or in one gap. How many frames a chunk holds is rounded; where it ends is reckoned anew each time from
//!   all that came in, so that rounding never adds up.
//! - **Nothing is lost silently.** Where the pool has no buffer, a gap ([`LossCause::Overflow`]) comes out instead of the chunk,
//!   and where a chunk does not have the format that was planned, one with [`LossCause::Corrupt`]. [`Transform::conversion`]
//!   balances always.
//! - **A gap breaks what has a memory.** What was held comes out before it, and filters begin again after it, as from silence.
//!   So does a chunk that does not begin where the last one ended.
//! - **Handles, not copies.** A chunk that needs nothing done to it passes as it is, in its buffer.
//! - **No allocation** but when a chain is built: chunks are filled in buffers of the pool.
//!
//! Where two clocks meet, the rate follows a measured drift: [`Wanted::adjustable`], [`Chain::set_drift_ppb`], and
//! [`Meet`](crate::flow::Meet), which measures it.
//!
//! A chunk may come out empty: what it stands for, at the end or before a gap, was too short to make a frame.

mod block;
mod bytes;
mod chain;
mod dither;
mod filter;
mod map;
mod plan;
mod rate;
mod resample;
mod stamps;
mod track;

pub use bytes::FrameBytes;
pub use chain::Chain;
pub use dither::Dither;
pub use plan::{BufferNeed, Cost, Plan, PlanError, Shape, Wanted};
pub use resample::{ResampleError, Resampler};

use pcmflow_core::chunk::{AudioChunk, Packet};
use pcmflow_core::format::{Frames, SampleRate, StreamFormat};
use pcmflow_core::ledger::{Conversion, Gap, LossCause};
use pcmflow_core::pool::BufferRecyclingPool;
use pcmflow_core::stream::Mark;
use std::fmt;

#[cfg(test)]
mod tests;

/// What a transform adds to the delay of a stream, at most.
///
/// ```
/// use pcmflow_core::format::{Frames, SampleRate};
/// use pcmflow_engine::transform::Latency;
/// let block = Latency::new(Frames(480), SampleRate::HZ_48000);
/// assert_eq!((block.frames, block.ns), (Frames(480), 10_000_000));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// In frames of what comes out.
    pub frames: Frames,
    /// In nanoseconds.
    pub ns: u64,
}

impl Latency {
    /// A delay of `frames` at `rate`.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn new(frames: Frames, rate: SampleRate) -> Self {
        Self { frames, ns: rate.frames_to_ns(frames) }
    }
}

/// Something that takes the chunks and gaps of a stream and gives chunks and gaps of another form.
///
/// Owned and called by one thread. Packets come out in the order of the timeline, through `emit`, during the call.
///
/// ```
/// use pcmflow_core::chunk::{AudioChunk, ChunkMeta, Packet};
/// use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// use pcmflow_engine::transform::{Plan, Shape, Transform};
/// let from = Shape::new(StreamFormat::new(48_000, 2)?);
/// let mut chain = Plan::between(from, StreamFormat::new(16_000, 1)?)?.build()?;
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut buffer = pool.acquire(3_000, Miss::Fail)?;
/// buffer.resize(3_000, 0.5);
/// let (position, sequence, timestamp_ns, complete_ns) = (StreamPosition(0), 0, 0, 0);
/// let meta = ChunkMeta { format: from.format, position, sequence, timestamp_ns, complete_ns };
/// let (mut frames, mut stand_for) = (Frames(0), Frames(0));
/// let mut emit = |packet| if let Packet::Chunk(chunk) = packet {
///     frames += chunk.frames();
///     stand_for += chunk.span();
/// };
/// chain.process(AudioChunk::new(buffer.into_shared(), meta)?, &pool, &mut emit);
/// chain.finish(&pool, &mut emit);
/// assert_eq!((frames, stand_for), (Frames(500), Frames(1_500)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Transform: Send + fmt::Debug {
    /// What comes out.
    ///
    /// RT-safe: wait-free, no allocation.
    fn format(&self) -> StreamFormat;

    /// The most that it holds back.
    ///
    /// RT-safe: wait-free, no allocation.
    fn latency(&self) -> Latency;

    /// Its books since it was made, over all gaps: `taken` explains `given` and `held`, to the frame. Frames that were
    /// made, but [lost](Self::lost), count as given. Where clocks drift, what was taken is told in frames of the clock that is
    /// right.
    ///
    /// RT-safe: wait-free, no allocation.
    fn conversion(&self) -> Conversion;

    /// Frames, as they would have come out, for which there was no buffer: each came out as part of a gap.
    ///
    /// RT-safe: wait-free, no allocation.
    fn lost(&self) -> Frames;

    /// Takes a chunk, and gives what it completes.
    ///
    /// RT-safe: lock-free (as [`BufferRecyclingPool::acquire`]), no allocation; in time proportional to the chunk. As far as
    /// `emit` is.
    fn process(&mut self, chunk: AudioChunk, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet));

    /// Takes a gap: gives what was held, short as it may be, then the gap, and begins again.
    ///
    /// RT-safe: as [`process`](Self::process).
    fn gap(&mut self, gap: Gap, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet));

    /// Ends the stream: gives what was held. Another stream may follow; books and numbers of chunks go on.
    ///
    /// RT-safe: as [`process`](Self::process).
    fn finish(&mut self, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet));
}

/// The gap that a chunk leaves which can't be used.
fn gap_of(chunk: &AudioChunk, cause: LossCause) -> Gap {
    Gap { position: chunk.position(), frames: chunk.span(), cause }
}

/// Emits a gap, if it is one.
fn emit_gap(gap: Gap, emit: &mut dyn FnMut(Packet)) {
    if gap.frames > Frames::ZERO {
        emit(Packet::Mark(Mark::Gap(gap)));
    }
}
