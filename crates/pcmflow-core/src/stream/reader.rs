//! The end of a stream that the other side holds.

use super::mark::Arrival;
use super::storage::Outlet;
use super::{Books, Mark};
use crate::format::{Frames, StreamFormat, StreamPosition};
use crate::ledger::{CutMark, Gap, LossCause};
use crate::ring::Consumer;
use crate::sync::Arc;

/// What comes next in a stream.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_core::stream::{stream, Next, Overflow, StreamConfig};
/// let format = StreamFormat::new(48_000, 1)?;
/// let config = StreamConfig { format, capacity: Frames(512), quantum: Frames(128), overflow: Overflow::Reject };
/// let (mut writer, mut reader, _) = stream(config)?;
/// assert!(matches!(reader.next(Frames(128)), Next::Pending));
/// writer.write(&[0.0; 128], 0);
/// assert!(matches!(reader.next(Frames(128)), Next::Frames { frames: Frames(128), .. }));
/// reader.skip(Frames(128));
/// drop(writer);
/// assert!(matches!(reader.next(Frames(128)), Next::Cut(_))); // the writer's books, closed
/// assert!(matches!(reader.next(Frames(128)), Next::End));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
/// use pcmflow_core::stream::{stream, Next, Overflow, StreamConfig};
/// let format = StreamFormat::new(48_000, 1)?;
/// let config = StreamConfig { format, capacity: Frames(512), quantum: Frames(128), overflow: Overflow::Reject };
/// let (mut writer, mut reader, _) = stream(config)?;
/// writer.write(&[0.25; 128], 0);
/// let Next::Frames { position, frames } = reader.next(Frames(128)) else { panic!() };
/// let mut samples = [0.0; 128];
/// assert_eq!((position, reader.read(&mut samples)), (StreamPosition(0), frames));
/// assert_eq!(samples, [0.25; 128]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StreamReader {
    format: StreamFormat,
    capacity: Frames,
    storage: Outlet,
    marks: Consumer<Mark>,
    books: Arc<Books>,
    /// Where the next frame stands, lost ones counted.
    position: StreamPosition,
    /// The last arrival at or before `position`.
    arrived: Arrival,
    /// Somebody knows that the writer will write no more, though it is still there.
    ended: bool,
    /// The loss that a writer which was taken for gone has not told of.
    untold: Option<Gap>,
    /// Nothing was read since the last eviction: more of it is the same overrun.
    evicting: bool,
}

impl StreamReader {
    pub(super) fn new(
        format: StreamFormat,
        capacity: Frames,
        storage: Outlet,
        marks: Consumer<Mark>,
        books: Arc<Books>,
    ) -> Self {
        let position = StreamPosition::START;
        Self {
            format,
            capacity,
            storage,
            marks,
            books,
            position,
            arrived: Arrival::default(),
            ended: false,
            untold: None,
            evicting: false,
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
    /// Frames are only announced, one at least: [`read`](Self::read) or [`skip`](Self::skip) them; until then they stay, and
    /// come again. Marks are taken. With [`Overflow::EvictOldest`](super::Overflow::EvictOldest) announced frames were copied
    /// out of the writer's reach, and frames that the writer was faster to overwrite are a [`Gap`] by
    /// [`LossCause::Overflow`] where they stood.
    ///
    /// RT-safe: wait-free in the marks that wait, no allocation; where the oldest is evicted, a copy of what is wanted.
    pub fn next(&mut self, wanted: Frames) -> Next {
        let channels = self.format.channels;
        let wanted = wanted.min(self.capacity).max(Frames(1));
        let position = self.position;
        // The order matters. "Gone" before frames: nothing comes after the end. Frames before marks: a mark among the frames
        // that we know of, evicted ones too, was sent before the frames behind it, so it is seen too.
        let ended = self.storage.is_closed() || self.ended;
        let ahead = self.storage.gather(wanted.samples(channels));
        if let Some(mark) = self.due_mark() {
            return mark;
        }
        if ahead.evicted > 0 {
            return self.pass_evicted(Frames(ahead.evicted / channels.get() as u64));
        }
        let gap = self.first_mark(|mark| matches!(mark, Mark::Gap(gap) if gap.end() > position));
        // Its mark may have been sent after we looked for a due one.
        if gap.is_some_and(|gap| gap <= position)
            && let Some(mark) = self.due_mark()
        {
            return mark;
        }
        let there = Frames::in_samples(ahead.samples, channels);
        // Frames before a gap that was told just now may have come after we looked for frames: they are met next time.
        let whole = gap.map_or(wanted, |gap| wanted.min(gap - position));
        match there.min(whole) {
            frames if frames == whole => Next::Frames { position, frames },
            Frames(0) if ended => {
                let untold = self.untold.take().and_then(|gap| self.beyond(gap));
                untold.map_or(Next::End, |gap| self.pass_gap(gap))
            }
            frames if ended || ahead.broken => Next::Frames { position, frames },
            _ => Next::Pending,
        }
    }

    /// Tells of `evicted` frames at the position, up to the next mark among them: no cut may be met later than it stands, as it
    /// counts what was evicted before it.
    fn pass_evicted(&mut self, evicted: Frames) -> Next {
        let position = self.position;
        let until = self.first_mark(|mark| mark.position() > position);
        let frames = until.map_or(evicted, |until| evicted.min(until - position));
        self.storage.pass_evicted(frames.0 * self.format.channels.get() as u64);
        self.books.reader.post_evicted(frames, LossCause::Overflow);
        if !self.evicting {
            self.books.reader.post_overrun();
            self.evicting = true;
        }
        self.pass_gap(Gap { position, frames, cause: LossCause::Overflow })
    }

    /// Takes the next mark when its position is reached. A cut may stand inside a block, and is met behind it.
    fn due_mark(&mut self) -> Option<Next> {
        while let Some(mark) = self.marks.peek().copied()
            && mark.position() <= self.position
        {
            self.marks.pop();
            match mark {
                Mark::Gap(gap) => {
                    if let Some(gap) = self.beyond(gap) {
                        return Some(self.pass_gap(gap));
                    }
                }
                Mark::Cut(mut cut) => {
                    // The writer does not know what it overwrote unread: what it took in, less that, is what came through.
                    for (cause, frames) in self.books.reader.evicted().iter() {
                        cut = cut.after_eviction(frames, cause);
                    }
                    return Some(Next::Cut(cut));
                }
            }
        }
        None
    }

    /// What of a gap is not told yet. A writer that was taken for gone may come back to tell of its last loss itself, before or
    /// after it was told from its books.
    fn beyond(&self, gap: Gap) -> Option<Gap> {
        let position = gap.position.max(self.position);
        Some(Gap { position, frames: gap.end() - position, ..gap }).filter(|gap| gap.frames > Frames::ZERO)
    }

    fn pass_gap(&mut self, gap: Gap) -> Next {
        self.position += gap.frames;
        Next::Gap(gap)
    }

    /// Where the first mark of a kind stands.
    fn first_mark(&mut self, of_the_kind: impl Fn(&Mark) -> bool) -> Option<StreamPosition> {
        let count = self.marks.available();
        let chunk = self.marks.read_chunk(count).ok()?;
        let (first, second) = chunk.as_slices();
        first.iter().chain(second).find(|mark| of_the_kind(mark)).map(Mark::position)
    }

    /// When the frame at `position + offset` arrived, in the writer's nanoseconds: the time of the write that brought it,
    /// or of an earlier one. Only for frames that [`next`](Self::next) announced.
    ///
    /// RT-safe: wait-free in the writes between, no allocation.
    pub fn arrived_ns(&mut self, offset: Frames) -> u64 {
        let target = self.position + offset;
        self.storage.arrival(self.position, target, &mut self.arrived).at_ns
    }

    /// Reads frames that [`next`](Self::next) announced into `out`, as many whole ones as fit; returns how many.
    ///
    /// RT-safe: wait-free in the marks that wait, no allocation, at most two copies.
    pub fn read(&mut self, out: &mut [f32]) -> Frames {
        let channels = self.format.channels;
        let frames = self.announced(Frames::in_samples(out.len(), channels));
        self.storage.read(&mut out[..frames.samples(channels)]);
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
        self.storage.read_in_place(frames.samples(self.format.channels), take);
        self.passed(frames);
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
        let readable = Frames::in_samples(self.storage.readable(), self.format.channels);
        let position = self.position;
        let gap = self.first_mark(|mark| matches!(mark, Mark::Gap(gap) if gap.end() > position));
        let until_gap = gap.map_or(readable, |gap| gap - self.position);
        frames.min(readable).min(until_gap)
    }

    fn passed(&mut self, frames: Frames) {
        self.books.reader.post_popped(frames);
        self.position += frames;
        self.evicting &= frames == Frames::ZERO;
    }
}
