//! A node where clocks meet: inputs of several sources, each with a clock of its own, become one stream.
//!
//! Input 0 is the master: its positions and times come out. Each other input follows it:
//!
//! ```text
//! arrivals ─▶ CaptureClock ─┐
//!                           ├─▶ drift ─▶ resampling ─▶ queue ─▶ added to the master's chunk
//! master's ─▶ CaptureClock ─┘     ▲                      │
//!                                 └── how late it is ◀───┘
//! ```
//!
//! How late a follower is, is reckoned at each chunk of the master: the frames that its clock says are there by now, less those
//! that were heard. Both clocks are free of jitter, and so is that, whatever is in the queue at that moment.
//! What is wrong with it is added to the measured drift, a little at a time.
//!
//! What can't be matched is counted in [`Followed`]: silence where a follower is not there or too late, frames that are thrown out
//! when they are far too late, or the master has a gap. A follower whose clock differs by more than a thousandth is late, or
//! fills its pipeline, again and again. A full queue is not added to: the pipeline before it then does what its strategy says.
//!
//! A [`Join`](super::Join) aligns inputs of one timeline by position; here there is no common position, but time.

mod books;
mod control;
mod follower;
mod gauge;

pub use books::Followed;
pub use gauge::MeetGauge;

use super::clock::CaptureClock;
use super::graph::{Output, Ports};
use super::node::{Node, NodeError, Out};
use crate::transform::{PlanError, Shape};
use follower::{Counter, Follower};
use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{ChannelCount, FormatError, Frames, StreamFormat, StreamPosition};
use pcmflow_core::ledger::{Gap, LossCause};
use pcmflow_core::pool::Miss;

/// What comes of frames that belong together.
///
/// ```
/// use pcmflow_engine::flow::Combine;
/// assert_eq!(Combine::default(), Combine::Sum);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Combine {
    /// They are added up.
    #[default]
    Sum,
    /// Their channels stand side by side, the master's first.
    SideBySide,
}

/// How a [`Meet`] is to be.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_engine::flow::MeetConfig;
/// let config = MeetConfig::new(StreamFormat::new(48_000, 2)?);
/// assert_eq!((config.followers, config.margin), (1, Frames(1_920)));
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeetConfig {
    /// What every input is brought to.
    pub format: StreamFormat,
    /// Inputs beside the master.
    pub followers: u32,
    /// What comes out.
    pub combine: Combine,
    /// How much later than resampling takes a follower is heard: more than its longest block, and how far the blocks of both come
    /// too late or too early. At first 40 ms.
    pub margin: Frames,
}

impl MeetConfig {
    /// One follower, added to the master.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn new(format: StreamFormat) -> Self {
        let margin = Frames(u64::from(format.rate.hz()) / 25);
        Self { format, followers: 1, combine: Combine::default(), margin }
    }
}

/// Why clocks can't meet so.
///
/// ```
/// use pcmflow_core::format::StreamFormat;
/// use pcmflow_engine::flow::{Combine, Meet, MeetConfig, MeetError};
/// let config = MeetConfig::new(StreamFormat::new(48_000, 64)?);
/// let error = Meet::new(MeetConfig { combine: Combine::SideBySide, followers: 99, ..config }).unwrap_err();
/// assert!(matches!(error, MeetError::Channels { .. }), "{error}");
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeetError {
    /// Too many channels side by side.
    #[error("{streams} streams of {channels} channels side by side: {reason}; take fewer, or add them up")]
    Channels {
        /// The master and its followers.
        streams: u64,
        /// Channels of each.
        channels: ChannelCount,
        /// What is out of range.
        reason: FormatError,
    },
    /// There is no resampling of this.
    #[error(transparent)]
    Plan(PlanError),
}

/// A chunk that is not of the format that was said.
#[derive(Debug, thiserror::Error)]
#[error("input {input}: a chunk of {got:?} at position {position}; what meets here is {wanted:?}")]
struct Unfit {
    input: usize,
    position: u64,
    got: StreamFormat,
    wanted: StreamFormat,
}

/// Brings streams of several clocks to the first one's, and joins them.
///
/// For sources that have a clock; two files have none, and are taken frame by frame. See the module for how, and
/// [`Followed`] for what is counted. Where the master is over, nothing more comes out, and what followers still bring is lost.
///
/// ```
/// use pcmflow_core::format::StreamFormat;
/// use pcmflow_engine::flow::{Combine, Meet, MeetConfig, Node, Output};
/// use pcmflow_engine::transform::Shape;
/// let config = MeetConfig::new(StreamFormat::new(48_000, 1)?);
/// let meet = Meet::new(MeetConfig { combine: Combine::SideBySide, ..config })?;
/// let ports = meet.ports();
/// assert_eq!((ports.inputs, ports.output), (2, Output::Shape(Shape::new(StreamFormat::new(48_000, 2)?))));
/// let meet: Box<dyn Node> = Box::new(meet); // both for `DataFlowCoordinator::add_node`
/// # drop(meet);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Meet {
    config: MeetConfig,
    /// What comes out.
    format: StreamFormat,
    clock: CaptureClock,
    counter: Counter,
    followers: Vec<Follower>,
    /// To how many frames of a chunk each has nothing to add.
    silent: Vec<u64>,
    sequence: u64,
}

impl Meet {
    /// A place for so many clocks to meet.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`MeetError::Channels`] where there would be too many side by side, [`MeetError::Plan`] where a stream can't be resampled.
    pub fn new(config: MeetConfig) -> Result<Self, MeetError> {
        let MeetConfig { format, followers, combine, margin } = config;
        let (streams, channels) = (u64::from(followers) + 1, format.channels);
        let out = match combine {
            Combine::Sum => channels,
            Combine::SideBySide => {
                let count = streams.saturating_mul(channels.get() as u64);
                ChannelCount::new(u32::try_from(count).unwrap_or(u32::MAX))
                    .map_err(|reason| MeetError::Channels { streams, channels, reason })?
            }
        };
        let followers = (1..=followers as usize).map(|input| Follower::new(input, format, margin));
        let followers = followers.collect::<Result<Vec<_>, _>>().map_err(MeetError::Plan)?;
        Ok(Self {
            config,
            format: StreamFormat { channels: out, ..format },
            clock: CaptureClock::new(format.rate),
            counter: Counter::default(),
            silent: vec![0; followers.len()],
            followers,
            sequence: 0,
        })
    }

    /// What goes in and comes out.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn ports(&self) -> Ports {
        let lag = self.followers.iter().map(Follower::lag).max().unwrap_or(Frames::ZERO);
        Ports {
            inputs: self.config.followers.saturating_add(1),
            wants: Some(Shape::new(self.config.format)),
            output: Output::Shape(Shape::new(self.format)),
            latency_ns: self.format.rate.frames_to_ns(lag),
            own_clocks: true,
            ..Ports::default()
        }
    }

    /// How the stream at this input follows; `None` for the master, and where there is no such input.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn gauge(&self, input: usize) -> Option<MeetGauge> {
        self.followers.get(input.checked_sub(1)?).map(|follower| MeetGauge(follower.gauge()))
    }

    /// One that measures, and does nothing about it.
    #[cfg(test)]
    pub(super) fn uncorrected(mut self) -> Self {
        self.followers.iter_mut().for_each(|follower| follower.correct = false);
        self
    }

    fn follower(&mut self, input: usize) -> Option<&mut Follower> {
        self.followers.get_mut(input.checked_sub(1)?)
    }

    /// Gives a chunk of the master, with what belongs to it.
    fn master(&mut self, chunk: AudioChunk, out: &mut Out<'_>) {
        self.counter.chunk(&chunk);
        self.clock.observe(self.counter.passed, chunk.meta().complete_ns);
        let (frames, ppb) = (chunk.frames().0, self.clock.drift_ppb());
        let now_ns = self.clock.time_ns(self.counter.passed).unwrap_or(chunk.meta().complete_ns);
        for (follower, silent) in self.followers.iter_mut().zip(&mut self.silent) {
            *silent = follower.prepare(frames, ppb, now_ns);
        }
        let meta = ChunkMeta { format: self.format, sequence: self.sequence, ..*chunk.meta() };
        self.sequence += 1;
        let (position, span) = (chunk.position(), chunk.span());
        let alone = self.format == self.config.format && self.silent.iter().all(|silent| *silent == frames);
        let given = if alone {
            for follower in &mut self.followers {
                follower.play(frames, frames, |_, _| {});
            }
            AudioChunk::spanning(chunk.into_buffer(), meta, span)
        } else {
            let (channels, each) = (self.format.channels.get(), chunk.channels().get());
            let samples = Frames(frames).samples(self.format.channels);
            let Ok(mut buffer) = out.pool().acquire(samples, Miss::Grow) else {
                self.followers.iter_mut().for_each(|follower| follower.skip(frames, LossCause::Overflow));
                return out.gap(Gap { position, frames: span, cause: LossCause::Overflow });
            };
            // It was acquired for as many: all fit.
            let _ = buffer.resize(samples, 0.0);
            let side = self.config.combine == Combine::SideBySide;
            let mut add = |stream: usize, at: u64, added: &[f32]| {
                let first = if side { stream * each } else { 0 };
                let from = Frames(at).samples(self.format.channels);
                let there = buffer.get_mut(from..).unwrap_or_default().chunks_exact_mut(channels);
                for (frame, added) in there.zip(added.chunks_exact(each)) {
                    for (sum, sample) in frame.iter_mut().skip(first).zip(added) {
                        *sum += sample;
                    }
                }
            };
            add(0, 0, chunk.samples());
            for (stream, (follower, silent)) in (1..).zip(self.followers.iter_mut().zip(&self.silent)) {
                follower.play(frames, *silent, |at, samples| add(stream, at, samples));
            }
            AudioChunk::spanning(buffer.into_shared(), meta, span)
        };
        match given {
            Ok(chunk) => out.chunk(chunk),
            Err(_) => out.gap(Gap { position, frames: span, cause: LossCause::Corrupt }),
        }
    }
}

impl Node for Meet {
    fn chunk(&mut self, input: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        let (got, wanted) = (chunk.meta().format, self.config.format);
        if got != wanted {
            return Err(Box::new(Unfit { input, position: chunk.position().0, got, wanted }));
        }
        match self.follower(input) {
            Some(follower) => follower.chunk(chunk, out.pool())?,
            None => self.master(chunk, out),
        }
        Ok(())
    }

    fn gap(&mut self, input: usize, gap: Gap, out: &mut Out<'_>) -> Result<(), NodeError> {
        if let Some(follower) = self.follower(input) {
            return Ok(follower.gap(gap, out.pool())?);
        }
        let frames = self.counter.gap(gap.frames).0;
        // How long it lasted may be a guess.
        self.clock.interrupt();
        self.followers.iter_mut().for_each(|follower| follower.skip(frames, gap.cause));
        out.gap(gap);
        Ok(())
    }

    fn ended(&mut self, input: usize, at: StreamPosition, out: &mut Out<'_>) -> Result<(), NodeError> {
        match self.follower(input) {
            Some(follower) => follower.ended(at, out.pool()),
            None => self.followers.iter_mut().for_each(Follower::close),
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.followers.iter_mut().for_each(|follower| follower.finish(out.pool()));
        Ok(())
    }

    fn wants(&self, input: usize) -> bool {
        input.checked_sub(1).and_then(|at| self.followers.get(at)).is_none_or(Follower::wants)
    }

    fn followed(&self) -> Vec<Followed> {
        self.followers.iter().flat_map(Follower::books).collect()
    }
}
