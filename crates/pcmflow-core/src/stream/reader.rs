//! The end of a stream that the other side holds.

use super::mark::Arrival;
use super::{Books, Mark};
use crate::format::{Frames, StreamFormat, StreamPosition};
use crate::ledger::{CutMark, Gap};
use crate::ring::Consumer;
use crate::sync::Arc;

/// What comes next in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// These frames can be read; `frames` is what was asked for, or less where a gap or the end stands behind them.
    Frames {
        /// Where the first of them stands.
        position: StreamPosition,
        /// How many.
        frames: Frames,
    },
    /// Frames are missing here. It was taken from the stream.
    Gap(Gap),
    /// The writer's books up to here. It was taken from the stream.
    Cut(CutMark),
    /// Fewer frames than asked for are there, and more may come.
    Pending,
    /// The writer is gone and everything was read.
    End,
}

/// The reading end: one thread.
#[derive(Debug)]
pub struct StreamReader {
    format: StreamFormat,
    capacity: Frames,
    samples: Consumer<f32>,
    marks: Consumer<Mark>,
    arrivals: Consumer<Arrival>,
    books: Arc<Books>,
    /// Where the next frame stands, lost ones counted.
    position: StreamPosition,
    /// The last arrival at or before `position`.
    arrived: Arrival,
    /// Somebody knows that the writer will write no more, though it is still there.
    ended: bool,
    /// The loss that a writer which was taken for gone has not told of.
    untold: Option<Gap>,
}

impl StreamReader {
    pub(super) fn new(
        format: StreamFormat,
        capacity: Frames,
        samples: Consumer<f32>,
        marks: Consumer<Mark>,
        arrivals: Consumer<Arrival>,
        books: Arc<Books>,
    ) -> Self {
        let position = StreamPosition::START;
        Self {
            format,
            capacity,
            samples,
            marks,
            arrivals,
            books,
            position,
            arrived: Arrival::default(),
            ended: false,
            untold: None,
        }
    }

    /// What the samples are.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn format(&self) -> StreamFormat {
        self.format
    }

    /// Frames that the ring holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> Frames {
        self.capacity
    }

    /// Where the next frame stands.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self) -> StreamPosition {
        self.position
    }

    /// Takes what is there for the last: the writer is known to write no more, though it was not dropped (its thread hangs in
    /// a device or a pipe). A loss that it has not told of yet is met behind the last frame.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn end(&mut self) {
        if !self.ended {
            self.ended = true;
            self.untold = self.books.untold.read();
        }
    }

    /// What comes next, where `wanted` frames are of use at a time (more than the ring holds is taken for that).
    ///
    /// Frames are only announced, one at least: [`read`](Self::read) or [`skip`](Self::skip) them. Marks are taken.
    ///
    /// RT-safe: wait-free in the marks that wait, no allocation.
    pub fn next(&mut self, wanted: Frames) -> Next {
        let wanted = wanted.min(self.capacity).max(Frames(1));
        let position = self.position;
        // The order matters. "Gone" before frames: nothing comes after the end. Frames before marks: the mark of a gap
        // among the frames that we count was sent before the frames behind it, so it is seen too.
        let ended = self.samples.is_closed() || self.ended;
        let available = self.available();
        if let Some(mark) = self.due_mark() {
            return mark;
        }
        let Some(gap) = self.first_gap() else {
            return match available {
                frames if frames >= wanted => Next::Frames { position, frames: wanted },
                Frames(0) if ended => self.untold.take().map_or(Next::End, |gap| self.pass_gap(gap)),
                frames if ended => Next::Frames { position, frames },
                _ => Next::Pending,
            };
        };
        // Its mark may have been sent after we looked for a due one.
        if gap <= position
            && let Some(mark) = self.due_mark()
        {
            return mark;
        }
        // All frames before the gap were published before its mark: they are there.
        Next::Frames { position, frames: (gap - position).min(wanted) }
    }

    /// Frames to read, asked of the writer afresh.
    fn available(&mut self) -> Frames {
        Frames::in_samples(self.samples.available(), self.format.channels)
    }

    /// Takes the next mark when its position is reached. A cut may stand inside a block, and is met behind it.
    fn due_mark(&mut self) -> Option<Next> {
        let mark = *self.marks.peek().filter(|mark| mark.position() <= self.position)?;
        self.marks.pop();
        Some(match mark {
            Mark::Gap(gap) => self.pass_gap(gap),
            Mark::Cut(cut) => Next::Cut(cut),
        })
    }

    fn pass_gap(&mut self, gap: Gap) -> Next {
        self.position += gap.frames;
        Next::Gap(gap)
    }

    /// Where the first gap ahead begins.
    fn first_gap(&mut self) -> Option<StreamPosition> {
        let count = self.marks.available();
        let chunk = self.marks.read_chunk(count).ok()?;
        let (first, second) = chunk.as_slices();
        first.iter().chain(second).find(|mark| matches!(mark, Mark::Gap(_))).map(Mark::position)
    }

    /// When the frame at `position + offset` arrived, in the writer's nanoseconds: the time of the write that brought it,
    /// or of an earlier one. Only for frames that [`next`](Self::next) announced.
    ///
    /// RT-safe: wait-free in the writes between, no allocation.
    pub fn arrived_ns(&mut self, offset: Frames) -> u64 {
        let target = self.position + offset;
        let mut arrived = self.arrived;
        let available = self.arrivals.available();
        let Ok(chunk) = self.arrivals.read_chunk(available) else { return arrived.at_ns };
        let (first, second) = chunk.as_slices();
        let mut passed = 0;
        for arrival in first.iter().chain(second) {
            if arrival.position > target {
                break;
            }
            arrived = *arrival;
            // What lies at or before the next frame is never asked for again but as `arrived`.
            if arrival.position <= self.position {
                self.arrived = *arrival;
                passed += 1;
            }
        }
        chunk.release(passed);
        arrived.at_ns
    }

    /// Reads frames that [`next`](Self::next) announced into `out`, as many whole ones as fit; returns how many.
    ///
    /// RT-safe: wait-free in the marks that wait, no allocation, at most two copies.
    pub fn read(&mut self, out: &mut [f32]) -> Frames {
        let channels = self.format.channels;
        let frames = self.announced(Frames::in_samples(out.len(), channels));
        let taken = self.samples.pop_slice(&mut out[..frames.samples(channels)]);
        debug_assert_eq!(taken, frames.samples(channels));
        self.passed(frames);
        frames
    }

    /// Hands up to `frames` announced frames to `take`, in place, as at most two slices, and takes them from the ring;
    /// returns how many.
    ///
    /// A frame of several channels may lie across both slices.
    ///
    /// RT-safe when `take` is: wait-free in the marks that wait, no allocation.
    pub fn read_in_place(&mut self, frames: Frames, take: impl FnOnce(&[f32], &[f32])) -> Frames {
        let frames = self.announced(frames);
        if let Ok(chunk) = self.samples.read_chunk(frames.samples(self.format.channels)) {
            let (first, second) = chunk.as_slices();
            take(first, second);
            chunk.release_all();
            self.passed(frames);
        }
        frames
    }

    /// Takes up to `frames` announced frames from the ring unread; returns how many.
    ///
    /// RT-safe: wait-free in the marks that wait, no allocation.
    pub fn skip(&mut self, frames: Frames) -> Frames {
        self.read_in_place(frames, |_, _| {})
    }

    /// As many of `frames` as can be read before the next gap.
    fn announced(&mut self, frames: Frames) -> Frames {
        let available = self.available();
        let until_gap = self.first_gap().map_or(available, |gap| gap - self.position);
        frames.min(available).min(until_gap)
    }

    fn passed(&mut self, frames: Frames) {
        self.books.reader.post_popped(frames);
        self.position += frames;
    }
}
