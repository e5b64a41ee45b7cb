//! How a flow is built, and why it may not be.

use super::inject::Inject;
use crate::core::block::{BlockSize, BufferConstants};
use crate::core::format::{Frames, SampleRate};
use crate::core::health::HealthError;
use crate::core::histogram::LatencyHistogram;
use crate::core::pool::PoolConfigError;
use crate::core::ring::RingError;
use crate::core::stream::{Overflow, StreamError};

/// Who sets the pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// As fast as the consumer can: a full ring makes the source wait, and nothing is lost.
    Fast,
    /// By the clock, at the stream's own rate, as a device would: a full ring loses.
    RealTime,
    /// By the arrival of the data (standard input, a device): a full ring loses. What is there ahead of time is taken a
    /// little faster than time at the most.
    Live,
}

/// How a flow is built.
#[derive(Debug, Clone, Copy)]
pub struct FlowConfig {
    /// The frames that the consumer gets at a time.
    pub block: BlockSize,
    /// Who sets the pace.
    pub pacing: Pacing,
    /// What a live flow does when it is full; a fast one waits. With [`Overflow::EvictOldest`] ring and link let the oldest
    /// frames go, so that the consumer hears the freshest; otherwise the ring loses, and the link waits.
    pub overflow: Overflow,
    /// Trouble on purpose.
    pub inject: Option<Inject>,
}

impl FlowConfig {
    /// The blocks that the ring between source and gathering holds at least.
    const RING_BLOCKS: u64 = 8;
    /// The time that it holds at least: it must bridge the longest wait for a processor, which on a busy machine without
    /// real-time scheduling is many tens of milliseconds.
    const RING_NS: u64 = 200_000_000;
    /// The chunks and marks that the link holds: enough to keep a fast consumer busy. What waits is better kept in the
    /// ring, where its loss is counted at the source.
    pub(super) const LINK_PACKETS: usize = 8;

    /// The frames that the ring holds.
    pub(super) fn ring_frames(&self, rate: SampleRate) -> Frames {
        Frames(self.block.frames().0 * Self::RING_BLOCKS).max(rate.ns_to_frames(Self::RING_NS))
    }

    /// How old a block's oldest frame may be when its result leaves: 30 ms with production's blocks and smaller ones, 50 ms
    /// with larger ones. A source that runs ahead of time has no deadline.
    pub(super) fn deadline_ns(&self) -> u64 {
        match self.pacing {
            Pacing::Fast => LatencyHistogram::LIMIT_NS,
            _ if self.block <= BufferConstants::PRODUCTION => 30_000_000,
            _ => 50_000_000,
        }
    }
}

/// Why a flow could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// The ring could not be made.
    #[error("the stream's ring: {0}")]
    Stream(#[from] StreamError),
    /// The link could not be made.
    #[error("the link: {0}")]
    Link(#[from] RingError),
    /// The pool could not be made.
    #[error("the pool: {0}")]
    Pool(#[from] PoolConfigError),
    /// The health monitor could not be made.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// The system gave no thread.
    #[error("can't start a thread: {0}")]
    Thread(#[from] std::io::Error),
}
