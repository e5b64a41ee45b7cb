//! How an input is built, and why it may not be.

use crate::core::block::{BlockSize, BufferConstants};
use crate::core::format::{Frames, SampleRate};
use crate::core::histogram::LatencyHistogram;
use crate::core::ring::RingError;
use crate::core::stream::{Overflow, StreamError};
use crate::io::SourceError;

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

/// How an input is built.
///
/// ```
/// use pcmflow::runtime::{InputConfig, Pacing};
/// assert_eq!(InputConfig::default().pacing, Pacing::Live);
/// assert_eq!(InputConfig::default().deadline_ns(), 30_000_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputConfig {
    /// The frames that come into the flow at a time.
    pub block: BlockSize,
    /// Who sets the pace.
    pub pacing: Pacing,
    /// What a full ring does where the source can't wait. A fast source waits, whatever this says.
    pub overflow: Overflow,
    /// The time that the ring between source and flow bridges, beyond the block that is being gathered: it must outlast the longest
    /// wait for a processor, which on a busy machine without real-time scheduling is many tens of milliseconds.
    pub ring_ms: u64,
}

impl Default for InputConfig {
    /// Production's blocks, at the pace of the data, a ring of 200 ms; what that does not take when full is handed back and counted.
    fn default() -> Self {
        Self {
            block: BufferConstants::PRODUCTION,
            pacing: Pacing::Live,
            overflow: Overflow::Reject,
            ring_ms: 200,
        }
    }
}

impl InputConfig {
    /// The most memory of one input's ring: 200 ms of 64 channels at 768 kHz take 39 MB.
    pub const RING_BYTES_MAX: u64 = 256 << 20;

    /// The frames that the ring holds at least.
    pub(super) fn ring_frames(&self, rate: SampleRate) -> Frames {
        self.block.frames()
            + rate.ns_to_frames(self.ring_ms.saturating_mul(1_000_000)).max(self.block.frames())
    }

    /// What the ring does when it is full.
    pub(super) fn ring_overflow(&self) -> Overflow {
        if self.pacing == Pacing::Fast { Overflow::Reject } else { self.overflow }
    }

    /// How old a block's oldest frame may be when its result leaves: 30 ms with production's blocks and smaller ones, 50 ms
    /// with larger ones. A source that runs ahead of time has no deadline.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn deadline_ns(&self) -> u64 {
        match self.pacing {
            Pacing::Fast => LatencyHistogram::LIMIT_NS,
            _ if self.block <= BufferConstants::PRODUCTION => 30_000_000,
            _ => 50_000_000,
        }
    }
}

/// Why an input could not be made or started, or why it is over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The ring could not be made.
    #[error("the stream's ring: {0}")]
    Stream(#[from] StreamError),
    /// The ring would take more than any sound needs: [`InputConfig::RING_BYTES_MAX`].
    #[error(
        "a ring of {ring_ms} ms takes {bytes} bytes at {rate_hz} Hz with {channels} channels, and may take {max}: ask for a shorter one",
        max = InputConfig::RING_BYTES_MAX
    )]
    RingTooLong {
        /// What was asked for.
        ring_ms: u64,
        /// The source's rate.
        rate_hz: u32,
        /// The source's channels.
        channels: usize,
        /// What that would take.
        bytes: u64,
    },
    /// What hands its streams to the flow could not be made.
    #[error("the stream's hand-over: {0}")]
    Feed(#[from] RingError),
    /// The system gave no thread.
    #[error("can't start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The source could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The source panicked.
    #[error("the source panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// It is at work: stop it first.
    #[error("input {name} is at work; stop it first")]
    Running {
        /// The input's name.
        name: String,
    },
    /// A read of the source has not returned: try again when it has.
    #[error("input {name} hangs in a read; it can be started when that returns")]
    Hangs {
        /// The input's name.
        name: String,
    },
    /// The source is at its end, or the flow takes no more of it: make another input.
    #[error("input {name} is over; make another one")]
    Over {
        /// The input's name.
        name: String,
    },
}
