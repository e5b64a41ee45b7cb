//! A ring of frames that keeps books: what stands between an audio callback and the code that thinks.
//!
//! [`stream`] makes a [`StreamWriter`] for the audio thread and a [`StreamReader`] for the other side. On top of
//! [`CircularBuffer`], or on a [`BroadcastRing`](crate::broadcast::BroadcastRing) where the oldest is evicted, they add
//! what a bare ring of samples lacks:
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
//!
//! # Evicting the oldest
//! With [`Overflow::EvictOldest`] the writer always has room, and never learns what it overwrote unread. The reader does: it
//! copies frames out before it announces them, so that what is announced stays, and meets what was overwritten as gaps by
//! [`LossCause::Overflow`], in order with the gaps and cuts that the writer sent. It posts them as *evicted*, and each
//! run of them, up to the next frame that is read, as one overrun. Until the reader gets there, a
//! [snapshot](StreamGauge::snapshot) measures what was overwritten, so that `accepted = popped + evicted + occupancy`
//! holds at rest however far behind the reader is. Gap and cut marks are not evicted: a writer that loses frames by other
//! causes while the reader stands still may find their store full, and then gives up what it is offered, as above.

mod mark;
mod reader;
mod staging;
mod storage;
mod writer;

pub use mark::Mark;
pub use reader::{Next, StreamReader};
pub use writer::{StreamWriter, Written};

use crate::format::{Frames, StreamFormat};
use crate::ledger::{EdgeSnapshot, LossCause, ReaderBooks, WriterBooks};
use crate::ring::{BufferState, CircularBuffer, RingError};
use crate::sync::Arc;
use core::fmt;
use core::str::FromStr;
use storage::Level;

/// What becomes of frames that a full ring does not take.
///
/// ```
/// use pcmflow_core::stream::Overflow;
/// assert_eq!("drop-newest".parse(), Ok(Overflow::DropNewest));
/// assert_eq!(Overflow::default().to_string(), "reject");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// They stay with the caller, who offers them again or gives them up with a cause.
    #[default]
    Reject,
    /// They are lost, and posted as [`LossCause::Overflow`].
    DropNewest,
    /// They overwrite the oldest: the writer takes everything, and a reader that was too slow meets what it lost as gaps by
    /// [`LossCause::Overflow`], which it posts as evicted.
    EvictOldest,
}

impl Overflow {
    /// Every policy with its name.
    pub const ALL: &'static [(&'static str, Overflow)] =
        &[("reject", Self::Reject), ("drop-newest", Self::DropNewest), ("evict-oldest", Self::EvictOldest)];
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reject => "reject",
            Self::DropNewest => "drop-newest",
            Self::EvictOldest => "evict-oldest",
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
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_core::stream::{stream, Overflow, StreamConfig, StreamError};
/// let format = StreamFormat::new(48_000, 1)?;
/// let config = StreamConfig { format, capacity: Frames(64), quantum: Frames(128), overflow: Overflow::Reject };
/// let error = StreamError::Quantum { quantum: Frames(128), capacity: Frames(64) };
/// assert_eq!(stream(config).unwrap_err(), error);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A ring could not be made.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The capacity is empty: ask for a quantum at least.
    #[error("a stream of 0 frames can hold nothing; ask for a quantum at least, here {quantum} frames")]
    Empty {
        /// The quantum that was asked for.
        quantum: Frames,
    },
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
    #[error("no such overflow policy; one of reject, drop-newest, evict-oldest")]
    UnknownOverflow,
}

/// How a stream is made.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_core::stream::{stream, Overflow, StreamConfig};
/// let config = StreamConfig {
///     format: StreamFormat::new(48_000, 2)?,
///     capacity: Frames(9_600), // 200 ms: what the reader may be late at the most
///     quantum: Frames(128),
///     overflow: Overflow::DropNewest,
/// };
/// let (_, _, gauge) = stream(config)?;
/// assert!(gauge.capacity() >= Frames(9_600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamConfig {
    /// What the samples are.
    pub format: StreamFormat,
    /// How many frames the ring holds at least.
    pub capacity: Frames,
    /// The frames of one write of the source, usually 128: what is dropped is dropped in these.
    ///
    /// Each quantum that the ring holds has room for two marks and two arrival times, 200 to 400 bytes, so that small quanta cost
    /// memory: 8192 mono frames are 32 KiB of samples, and the rest is 24 KiB with quanta of 128 frames and 3 MiB with quanta of
    /// one ([`StreamGauge::storage_bytes`]).
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
/// [`StreamError::Empty`] for no capacity, [`StreamError::Quantum`] for a quantum that is empty or larger than the ring, [`StreamError::Ring`] for a ring
/// that can't be made.
pub fn stream(config: StreamConfig) -> Result<(StreamWriter, StreamReader, StreamGauge), StreamError> {
    let StreamConfig { format, capacity, quantum, .. } = config;
    if capacity == Frames::ZERO {
        return Err(StreamError::Empty { quantum: quantum.max(Frames(1)) });
    }
    if quantum == Frames::ZERO || quantum > capacity {
        return Err(StreamError::Quantum { quantum, capacity });
    }
    let (inlet, outlet, level) = storage::storage(&config)?;
    // As many whole frames as the storage holds, which was rounded up.
    let capacity = Frames::in_samples(inlet.capacity(), format.channels);
    // A gap and a cut at each quantum, and `RESERVED_MARKS` for the end.
    let marks = 2 * config.quanta(inlet.capacity()) + writer::RESERVED_MARKS;
    let (marks_in, marks_out) = CircularBuffer::with_capacity(marks)?.split();
    let books = Arc::new(Books::default());
    let storage_bytes = inlet.storage_bytes() + marks_in.capacity() * size_of::<Mark>();
    let gauge = StreamGauge { level, books: books.clone(), format, capacity, storage_bytes };
    Ok((
        StreamWriter::new(config, capacity, inlet, marks_in, books.clone()),
        StreamReader::new(format, capacity, outlet, marks_out, books),
        gauge,
    ))
}

impl StreamConfig {
    /// Quanta that storage of `samples` samples holds, and one that is being written.
    fn quanta(&self, samples: usize) -> usize {
        (Frames::in_samples(samples, self.format.channels).0 / self.quantum.0) as usize + 1
    }
}

/// The books of both ends.
#[derive(Debug, Default)]
struct Books {
    writer: WriterBooks,
    reader: ReaderBooks,
    untold: mark::Untold,
}

/// Reads a stream's state and books from any thread, without disturbing either end.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_core::stream::{stream, Overflow, StreamConfig};
/// let format = StreamFormat::new(48_000, 1)?;
/// let config = StreamConfig { format, capacity: Frames(512), quantum: Frames(128), overflow: Overflow::Reject };
/// let (mut writer, _reader, gauge) = stream(config)?;
/// writer.write(&[0.0; 128], 0);
/// assert_eq!((gauge.occupancy(), gauge.snapshot().accepted), (Frames(128), Frames(128)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamGauge {
    level: Level,
    books: Arc<Books>,
    format: StreamFormat,
    capacity: Frames,
    /// Of samples, marks and arrival times, at both ends.
    storage_bytes: usize,
}

impl StreamGauge {
    /// The frames that the ring holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> Frames {
        self.capacity
    }

    /// Bytes of storage of the whole stream, both ends: samples, marks and arrival times.
    ///
    /// Marks and arrival times are per quantum (see [`StreamConfig::quantum`]): with quanta of 128 frames they are little
    /// beside the samples, with quanta of a few frames most of it.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn storage_bytes(&self) -> usize {
        self.storage_bytes
    }

    /// Frames in the ring, measured: exact when both ends rest, otherwise true at some moment or too low.
    ///
    /// With [`Overflow::EvictOldest`] frames that were announced to the reader and not read yet are counted too, though they
    /// have left the ring: up to twice the capacity. While frames move the figure is then about right.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn occupancy(&self) -> Frames {
        self.frames(self.level.measure().0)
    }

    fn frames(&self, samples: u64) -> Frames {
        Frames(samples / self.format.channels.get() as u64)
    }

    /// What the ring is doing, where its reader waits for `ready` frames at a time.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn state(&self, ready: Frames) -> BufferState {
        let samples = |frames: Frames| frames.samples(self.format.channels);
        self.level.state(samples(ready), samples(self.capacity))
    }

    /// Both ends' books beside what is measured inside.
    ///
    /// With [`Overflow::EvictOldest`] frames that were overwritten and that the reader has not come to yet are evicted
    /// here, and in its own books when it tells of them; their overrun is counted then.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn snapshot(&self) -> EdgeSnapshot {
        let Books { writer, reader, .. } = &*self.books;
        let (inside, untold) = self.level.measure();
        let mut evicted = reader.evicted();
        evicted[LossCause::Overflow] += self.frames(untold);
        EdgeSnapshot {
            accepted: writer.accepted(),
            popped: reader.popped(),
            evicted,
            occupancy: self.frames(inside),
            lost: writer.lost(),
            overruns: writer.overruns() + reader.overruns(),
        }
    }
}

#[cfg(test)]
mod tests;
