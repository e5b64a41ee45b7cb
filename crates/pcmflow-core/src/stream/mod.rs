//! A ring of frames that keeps books: what stands between an audio callback and the code that thinks.
//!
//! [`stream`] makes a [`StreamWriter`] for the audio thread and a [`StreamReader`] for the other side. On top of
//! [`CircularBuffer`] they add what a bare ring of samples lacks:
//!
//! - **whole frames** of one [`StreamFormat`], interleaved;
//! - **positions**: each frame has its place on the source's timeline, lost ones included;
//! - **losses**: what a full ring does not take is the caller's again, or is lost *and counted* ([`Overflow`]);
//!   the reader meets each [`Gap`](crate::ledger::Gap) exactly where it happened;
//! - **books** ([`WriterBooks`], [`ReaderBooks`]) and, on request,
//!   [`CutMark`](crate::ledger::CutMark)s that prove them while frames move;
//! - **arrival times**, so that latency is measured and not guessed.
//!
//! Frames, marks and arrival times travel in three rings of fixed size. Drops are whole writes, or whole quanta of a write
//! that is larger than one, so that the store of marks can't be exhausted by drops of whole quanta; should tiny writes
//! exhaust it all the same, the writer takes no more frames until a slot is free, and loses count of none.

mod mark;
mod reader;
mod writer;

pub use mark::Mark;
pub use reader::{Next, StreamReader};
pub use writer::{StreamWriter, Written};

use crate::format::{Frames, StreamFormat};
use crate::ledger::{EdgeSnapshot, ReaderBooks, WriterBooks};
use crate::ring::{BufferState, CircularBuffer, Gauge, RingError};
use crate::sync::Arc;
use core::fmt;
use core::str::FromStr;

/// What becomes of frames that a full ring does not take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// They stay with the caller, who offers them again or gives them up with a cause.
    #[default]
    Reject,
    /// They are lost, and posted as [`LossCause::Overflow`](crate::ledger::LossCause::Overflow).
    DropNewest,
}

impl Overflow {
    /// Every policy with its name.
    pub const ALL: &'static [(&'static str, Overflow)] =
        &[("reject", Self::Reject), ("drop-newest", Self::DropNewest)];
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reject => "reject",
            Self::DropNewest => "drop-newest",
        })
    }
}

impl FromStr for Overflow {
    type Err = StreamError;
    fn from_str(text: &str) -> Result<Self, StreamError> {
        Self::ALL
            .iter()
            .find_map(|(name, policy)| (*name == text).then_some(*policy))
            .ok_or(StreamError::UnknownOverflow)
    }
}

/// Why a stream could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A ring could not be made.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The quantum is empty or does not fit into the ring.
    #[error(
        "a quantum of {quantum} frames does not fit a ring of {capacity}; 1 to {capacity} frames are allowed"
    )]
    Quantum {
        /// The refused quantum.
        quantum: Frames,
        /// The capacity that was asked for.
        capacity: Frames,
    },
    /// The text names no overflow policy.
    #[error("no such overflow policy; one of reject, drop-newest")]
    UnknownOverflow,
}

/// How a stream is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamConfig {
    /// What the samples are.
    pub format: StreamFormat,
    /// How many frames the ring holds at least.
    pub capacity: Frames,
    /// The frames of one write of the source, usually 128: what is dropped is dropped in these.
    pub quantum: Frames,
    /// What becomes of frames that a full ring does not take.
    pub overflow: Overflow,
}

/// Makes a stream: the end for the audio thread, the end for the other side, and a gauge for everybody else.
///
/// Not RT-safe: allocates.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
/// use pcmflow_core::stream::{stream, Next, Overflow, StreamConfig};
/// let (mut writer, mut reader, gauge) = stream(StreamConfig {
///     format: StreamFormat::new(48_000, 1)?,
///     capacity: Frames(256),
///     quantum: Frames(128),
///     overflow: Overflow::DropNewest,
/// })?;
/// for n in 0..3 {
///     writer.write(&[n as f32; 128], n); // the third finds a full ring
/// }
/// let Next::Frames { position, frames } = reader.next(Frames(256)) else { panic!() };
/// assert_eq!((position, frames), (StreamPosition(0), Frames(256)));
/// reader.skip(frames);
/// writer.write(&[3.0; 128], 3);
/// let Next::Gap(gap) = reader.next(Frames(256)) else { panic!() };
/// assert_eq!((gap.position, gap.frames), (StreamPosition(256), Frames(128)));
/// assert_eq!(gauge.snapshot().imbalance(), Frames(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`StreamError::Quantum`] for a quantum that is empty or larger than the ring, [`StreamError::Ring`] for a ring
/// that can't be made.
pub fn stream(config: StreamConfig) -> Result<(StreamWriter, StreamReader, StreamGauge), StreamError> {
    let StreamConfig { format, capacity, quantum, .. } = config;
    if quantum == Frames::ZERO || quantum > capacity {
        return Err(StreamError::Quantum { quantum, capacity });
    }
    let samples = CircularBuffer::with_capacity(capacity.samples(format.channels))?;
    // As many whole frames as the storage holds, which was rounded up.
    let capacity = Frames::in_samples(samples.capacity(), format.channels);
    let quanta = (capacity.0 / quantum.0) as usize + 1;
    // A gap and a cut at each quantum, and `RESERVED_MARKS` for the end.
    let marks = CircularBuffer::with_capacity(2 * quanta + writer::RESERVED_MARKS)?;
    let arrivals = CircularBuffer::with_capacity(2 * quanta)?;
    let books = Arc::new(Books::default());
    let gauge = StreamGauge { samples: samples.gauge(), books: books.clone(), format, capacity };
    let (samples_in, samples_out) = samples.split();
    let (marks_in, marks_out) = marks.split();
    let (arrivals_in, arrivals_out) = arrivals.split();
    Ok((
        StreamWriter::new(config, capacity, samples_in, marks_in, arrivals_in, books.clone()),
        StreamReader::new(format, capacity, samples_out, marks_out, arrivals_out, books),
        gauge,
    ))
}

/// The books of both ends.
#[derive(Debug, Default)]
struct Books {
    writer: WriterBooks,
    reader: ReaderBooks,
    untold: mark::Untold,
}

/// Reads a stream's state and books from any thread, without disturbing either end.
#[derive(Debug, Clone)]
pub struct StreamGauge {
    samples: Gauge<f32>,
    books: Arc<Books>,
    format: StreamFormat,
    capacity: Frames,
}

impl StreamGauge {
    /// The frames that the ring holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> Frames {
        self.capacity
    }

    /// Frames in the ring, measured: exact when both ends rest, otherwise true at some moment or too low.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn occupancy(&self) -> Frames {
        Frames::in_samples(self.samples.occupancy(), self.format.channels)
    }

    /// What the ring is doing, where its reader waits for `ready` frames at a time.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn state(&self, ready: Frames) -> BufferState {
        // Storage is rounded up to a power of two: with 3 channels it may never be full to the last sample.
        if self.occupancy() >= self.capacity && self.samples.state(1) != BufferState::Draining {
            return BufferState::Overflowed;
        }
        self.samples.state(ready.samples(self.format.channels))
    }

    /// Both ends' books beside what is measured inside.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn snapshot(&self) -> EdgeSnapshot {
        EdgeSnapshot {
            accepted: self.books.writer.accepted(),
            popped: self.books.reader.popped(),
            evicted: self.books.reader.evicted(),
            occupancy: self.occupancy(),
            lost: self.books.writer.lost(),
            overruns: self.books.writer.overruns(),
        }
    }
}

#[cfg(test)]
mod tests;
