//! The end of a stream that the audio thread holds.

use super::mark::Arrival;
use super::storage::Inlet;
use super::{Books, Mark, Overflow, StreamConfig};
use crate::format::{Frames, StreamFormat, StreamPosition};
use crate::ledger::{CutMark, Gap, LossCause};
use crate::ring::Producer;
use crate::sync::Arc;

/// Marks kept free for the last gap and the last cut, so that the end of a stream always finds room.
pub(super) const RESERVED_MARKS: usize = 2;

/// What became of a write. The three add up to the frames that were offered.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_core::stream::{stream, Overflow, StreamConfig, Written};
/// let format = StreamFormat::new(48_000, 1)?;
/// let config = StreamConfig { format, capacity: Frames(128), quantum: Frames(128), overflow: Overflow::DropNewest };
/// let (mut writer, _reader, _) = stream(config)?;
/// let expected = Written { accepted: Frames(128), dropped: Frames(128), rejected: Frames(0) };
/// assert_eq!(writer.write(&[0.0; 256], 0), expected);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Whoever does not look at it is warned:
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// fn callback(writer: &mut pcmflow_core::stream::StreamWriter) {
///     writer.write(&[0.0; 128], 0);
/// }
/// ```
#[must_use = "frames that were rejected are the caller's still: offer them again, or give them up"]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Frames that are in the ring now, from the start of the write.
    pub accepted: Frames,
    /// Frames that were lost and posted ([`Overflow::DropNewest`]; with [`Overflow::EvictOldest`] only where the store of
    /// marks is full).
    pub dropped: Frames,
    /// Frames, the last of the write, that are the caller's still ([`Overflow::Reject`], or the reader is gone): offer them
    /// again, or [`give_up`](StreamWriter::give_up).
    pub rejected: Frames,
}

/// The writing end: one thread, usually the audio callback. Drop it before the reader: the last of the two frees the rings.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
/// use pcmflow_core::ledger::LossCause;
/// use pcmflow_core::stream::{stream, Overflow, StreamConfig};
/// let format = StreamFormat::new(48_000, 1)?;
/// let config = StreamConfig { format, capacity: Frames(128), quantum: Frames(128), overflow: Overflow::Reject };
/// let (mut writer, _reader, gauge) = stream(config)?;
/// writer.write(&[0.0; 128], 0);
/// let refused = writer.write(&[0.0; 128], 0).rejected;
/// writer.give_up(refused, LossCause::Overflow); // lost, and counted
/// assert_eq!((writer.position(), gauge.snapshot().lost.total()), (StreamPosition(256), Frames(128)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StreamWriter {
    config: StreamConfig,
    /// Whole frames that the storage holds.
    capacity: Frames,
    storage: Inlet,
    marks: Producer<Mark>,
    books: Arc<Books>,
    /// Where the next frame stands, lost ones counted.
    position: StreamPosition,
    /// A loss whose mark is not sent yet: it grows until a frame is accepted behind it.
    pending: Option<Gap>,
    /// Nothing was accepted since the last loss: more of it is the same overrun.
    losing: bool,
}

impl StreamWriter {
    pub(super) fn new(
        config: StreamConfig,
        capacity: Frames,
        storage: Inlet,
        marks: Producer<Mark>,
        books: Arc<Books>,
    ) -> Self {
        let position = StreamPosition::START;
        Self { config, capacity, storage, marks, books, position, pending: None, losing: false }
    }

    /// What the samples are.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn format(&self) -> StreamFormat {
        self.config.format
    }

    /// Where the next frame will stand.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self) -> StreamPosition {
        self.position
    }

    /// Whether the reader was dropped: nothing that is written will be read.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_closed(&self) -> bool {
        self.storage.is_closed()
    }

    /// Whether a write of `frames`, a quantum at most, would be accepted now. Once true it stays true until the next
    /// write, unless the reader goes.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn has_room(&mut self, frames: Frames) -> bool {
        !self.is_closed()
            && self.storage.has_room(frames.samples(self.config.format.channels))
            && (self.pending.is_none() || self.marks.has_room(RESERVED_MARKS + 1))
    }

    /// Frames that the ring holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> Frames {
        self.capacity
    }

    /// Writes `interleaved`, a whole number of frames that arrived at `now_ns`, quantum by quantum: each goes in
    /// whole or not at all.
    ///
    /// Samples beyond the last whole frame are no frame: they are dropped and nobody counts them, so that the next write
    /// begins with a new frame. That is the caller's mistake, and an assertion in debug builds.
    ///
    /// RT-safe: wait-free in the frames written, no allocation.
    pub fn write(&mut self, interleaved: &[f32], now_ns: u64) -> Written {
        let channels = self.config.format.channels;
        let total = Frames::in_samples(interleaved.len(), channels);
        debug_assert_eq!(interleaved.len(), total.samples(channels), "a write ends in the midst of a frame");
        let mut written = Written::default();
        let mut rest = interleaved.get(..total.samples(channels)).unwrap_or_default();
        while !rest.is_empty() {
            let (quantum, after) = rest.split_at(rest.len().min(self.config.quantum.samples(channels)));
            let frames = Frames::in_samples(quantum.len(), channels);
            if self.accept(quantum, frames, now_ns) {
                written.accepted += frames;
            } else if self.config.overflow == Overflow::Reject || self.is_closed() {
                written.rejected = total - written.accepted - written.dropped;
                break;
            } else {
                self.give_up(frames, LossCause::Overflow);
                written.dropped += frames;
            }
            rest = after;
        }
        written
    }

    /// Takes one quantum whole, or not at all.
    fn accept(&mut self, quantum: &[f32], frames: Frames, now_ns: u64) -> bool {
        if !self.has_room(frames) || !self.send_pending(RESERVED_MARKS) {
            return false;
        }
        self.losing = false;
        self.storage.arrive(Arrival { position: self.position, at_ns: now_ns });
        // Posted before the frames are visible, so that a reader's books never run ahead of the writer's.
        self.books.writer.post_accepted(frames);
        self.storage.push(quantum);
        self.position += frames;
        true
    }

    /// Posts `frames` that will not be written, from the current position on: the stream goes on behind them.
    ///
    /// For frames that [`write`](Self::write) handed back, and for losses before the ring (a device's).
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn give_up(&mut self, frames: Frames, cause: LossCause) {
        if frames == Frames::ZERO {
            return;
        }
        let grows = self.pending.is_some_and(|gap| gap.cause == cause);
        if !grows && !self.send_pending(RESERVED_MARKS) {
            // The store of marks is full, which drops of whole quanta can't bring about. Two causes in one gap: the frames
            // stay counted and placed, under the cause that came first.
            return self.extend(frames);
        }
        if !self.losing {
            self.books.writer.post_overrun();
            self.losing = true;
        }
        if !grows {
            self.pending = Some(Gap { position: self.position, frames: Frames::ZERO, cause });
        }
        self.extend(frames);
    }

    fn extend(&mut self, frames: Frames) {
        if let Some(gap) = &mut self.pending {
            gap.frames += frames;
            self.books.writer.post_lost(frames, gap.cause);
            self.position += frames;
        }
        self.books.untold.note(self.pending);
    }

    /// Sends the mark of a loss, if there is one, when more than `reserve` slots are free. False when there was no room.
    fn send_pending(&mut self, reserve: usize) -> bool {
        let Some(gap) = self.pending else { return true };
        if self.marks.free() <= reserve || self.marks.push(Mark::Gap(gap)).is_err() {
            return false;
        }
        self.pending = None;
        self.books.untold.note(None);
        true
    }

    /// Sends the writer's books along with the stream, to be compared with the reader's when they get there.
    /// False when the store of marks has no room: ask again later.
    ///
    /// Cuts take half of the store at most. They don't break blocks, so a reader may wait for more frames behind many of
    /// them; the other half keeps room for gaps, without which no frame could follow a loss.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn cut(&mut self) -> bool {
        self.send_cut(self.marks.capacity() / 2)
    }

    fn send_cut(&mut self, reserve: usize) -> bool {
        if !self.send_pending(reserve) || self.marks.free() <= reserve {
            return false;
        }
        let books = &self.books.writer;
        let cut = CutMark { position: self.position, accepted: books.accepted(), lost: books.lost() };
        self.marks.push(Mark::Cut(cut)).is_ok()
    }
}

impl Drop for StreamWriter {
    /// The end of the stream: the last gap and a last cut go out through the marks kept free for them.
    ///
    /// RT-safe while the reader lives: wait-free, no allocation, no free. Dropped after the reader, it frees the rings.
    fn drop(&mut self) {
        self.send_pending(0);
        self.send_cut(0);
    }
}
