//! A source over the ring that somebody else's callback fills: a device's, a browser's.
//!
//! The callback may wake nobody, so this looks by itself, every quarter of a block, at least every millisecond; or it is woken, where
//! whoever writes may do that. When the
//! stream ends, another may follow, of another format: positions go on, with a gap of the time that passed from the last frame's
//! arrival to the first one's.

use super::link::wait::Wait;
use super::node::{Inflow, Inflowed, NodeError, Out};
use crate::sync::{Arc, AtomicU64, Ordering};
use crate::task::Unpark;
use pcmflow_core::block::{BlockSize, BufferAnalyzer, Step};
use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{Frames, SampleRate, StreamPosition};
use pcmflow_core::ledger::{CutMark, Gap, LossCause, Timeline};
use pcmflow_core::pool::{AcquireError, Miss};
use pcmflow_core::ring::{CircularBuffer, Consumer, Producer, RingError};
use pcmflow_core::stream::StreamReader;
use std::fmt;

const LOOK_NS_MIN: u64 = 100_000;
const LOOK_NS_MAX: u64 = 1_000_000;
/// Streams that may wait behind the one that is read.
const READERS: usize = 4;

/// Hands a [`StreamInflow`] its streams. When it is dropped, the last stream's end is the source's.
///
/// ```
/// use pcmflow_core::block::BlockSize;
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_core::stream::{Overflow, StreamConfig, stream};
/// use pcmflow_engine::flow::StreamInflow;
/// let (capacity, quantum, overflow) = (Frames(9_600), Frames(128), Overflow::DropNewest);
/// let config = |hz| Ok::<_, pcmflow_core::format::FormatError>(StreamConfig {
///     format: StreamFormat::new(hz, 2)?, capacity, quantum, overflow,
/// });
/// let (_, reader, _) = stream(config(48_000)?)?;
/// let (mut feed, source) = StreamInflow::new(reader, BlockSize::of::<256>())?;
/// // The device came back at another rate.
/// let (_, reader, _) = stream(config(44_100)?)?;
/// assert!(feed.bring(reader).is_ok());
/// # drop(source);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StreamFeed {
    /// None once it is dropped.
    readers: Option<Producer<StreamReader>>,
    call: Arc<Call>,
}

/// What the side that feeds a source shares with it.
#[derive(Debug, Default)]
struct Call {
    source: Wait,
    /// Streams that were brought behind the first.
    brought: AtomicU64,
    /// So many streams, from the first on, are over, though some writer never closed one.
    abandoned: AtomicU64,
}

impl StreamFeed {
    /// Brings the stream that follows.
    ///
    /// Not RT-safe: a refused reader may free its ring.
    ///
    /// # Errors
    /// Hands it back where several wait already, or the source is gone.
    pub fn bring(&mut self, reader: StreamReader) -> Result<(), Box<StreamReader>> {
        let Some(readers) = &mut self.readers else { return Err(Box::new(reader)) };
        // Only this side brings any: the room stays.
        if readers.is_closed() || !readers.has_room(1) {
            return Err(Box::new(reader));
        }
        // Relaxed: for the side that brings. Counted before it can be seen: whoever reads it may at once ask to give it up. Never taken
        // back: who gives up a stream meanwhile means this one. Where the source goes in this very moment, nobody looks any more.
        self.call.brought.fetch_add(1, Ordering::Relaxed);
        readers.push(reader).map_err(|refused| Box::new(refused.into_inner()))?;
        self.call.source.notify();
        Ok(())
    }

    /// What wakes a source that does not look by itself ([`StreamInflow::woken`]).
    ///
    /// Not RT-safe: allocates.
    pub fn caller(&self) -> StreamCaller {
        StreamCaller(self.call.clone())
    }
}

/// Wakes a source that does not look by itself.
///
/// ```
/// # use pcmflow_core::block::BlockSize;
/// # use pcmflow_core::format::{Frames, StreamFormat};
/// # use pcmflow_core::stream::{Overflow, StreamConfig, stream};
/// use pcmflow_engine::flow::StreamInflow;
/// # let format = StreamFormat::new(48_000, 2)?;
/// # let config = StreamConfig { format, capacity: Frames(9_600), quantum: Frames(128), overflow: Overflow::Reject };
/// # let (mut writer, reader, _) = stream(config)?;
/// let (feed, source) = StreamInflow::woken(reader, BlockSize::of::<256>(), || {})?;
/// let caller = feed.caller();
/// assert_eq!(writer.write(&[0.0; 512], 0).accepted, Frames(256));
/// caller.wake(); // somebody may wait for a block
/// # drop(source);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamCaller(Arc<Call>);

impl StreamCaller {
    /// Frames were written, or the stream was closed.
    ///
    /// Not RT-safe: makes a system call where the source's driver sleeps.
    pub fn wake(&self) {
        self.0.source.notify();
    }

    /// Whoever writes the stream that was brought last hangs for good, and will never close it: it is over, for the source.
    ///
    /// Not RT-safe: as [`wake`](Self::wake).
    pub fn abandon(&self) {
        // Release: what was written before is seen.
        self.0.abandoned.store(self.0.brought.load(Ordering::Relaxed) + 1, Ordering::Release);
        self.0.source.notify();
    }
}

impl Drop for StreamFeed {
    fn drop(&mut self) {
        // No stream will follow. Closed first: the source that is woken must see it.
        self.readers = None;
        self.call.source.notify();
    }
}

/// Wakes whoever writes.
struct Room(Box<dyn Unpark>);

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Room")
    }
}

/// A source over streams that are filled elsewhere.
///
/// ```
/// use pcmflow_core::block::BlockSize;
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_core::stream::{Overflow, StreamConfig, stream};
/// use pcmflow_engine::flow::StreamInflow;
/// let format = StreamFormat::new(48_000, 2)?;
/// let config = StreamConfig { format, capacity: Frames(9_600), quantum: Frames(128), overflow: Overflow::DropNewest };
/// let (writer, reader, _) = stream(config)?; // the writer goes to the callback
/// let (feed, source) = StreamInflow::new(reader, BlockSize::of::<256>())?;
/// drop(feed); // no other stream will follow
/// assert!(!writer.is_closed()); // the source is there
/// drop(source);
/// assert!(writer.is_closed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StreamInflow {
    block: BlockSize,
    analyzer: Option<BufferAnalyzer>,
    /// How many streams came before the one that is read.
    streams: u64,
    readers: Consumer<StreamReader>,
    call: Arc<Call>,
    /// Where whoever writes wakes this: what wakes it in turn, when there is room again.
    room: Option<Room>,
    registered: bool,
    /// None: by the block.
    look_ns: Option<u64>,
    /// What the stream's own positions are behind.
    offset: Frames,
    /// What came of this stream.
    ring: Timeline,
    sequence: u64,
    /// When the last frame of this stream arrived, and at what rate; none before the first.
    last: Option<(u64, SampleRate)>,
    /// The same of the streams before, until this one's first frame is there.
    before: Option<(u64, SampleRate)>,
}

/// Nobody counted what was missed between two streams: as many frames as the time from the last arrival to `arrived_ns` stands for.
/// Returns what the new stream's positions are behind.
fn bridge(before: &mut Option<(u64, SampleRate)>, arrived_ns: u64, out: &mut Out<'_>) -> Option<Frames> {
    let (last_ns, rate) = before.take()?;
    let frames = rate.ns_to_frames(arrived_ns.saturating_sub(last_ns));
    out.gap(Gap { position: out.position(), frames, cause: LossCause::Device });
    Some(out.position() - StreamPosition::START)
}

impl StreamInflow {
    /// A source that cuts `reader`'s stream into blocks.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`RingError`] where memory can't be had.
    pub fn new(reader: StreamReader, block: BlockSize) -> Result<(StreamFeed, Self), RingError> {
        Self::made(reader, block, None)
    }

    /// A source for whoever writes by a thread that may make system calls: it does not look by itself, but is woken
    /// ([`StreamFeed::caller`]), and calls `room` when it has taken something.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`RingError`] where memory can't be had.
    pub fn woken(
        reader: StreamReader,
        block: BlockSize,
        room: impl Unpark + 'static,
    ) -> Result<(StreamFeed, Self), RingError> {
        Self::made(reader, block, Some(Room(Box::new(room))))
    }

    fn made(
        reader: StreamReader,
        block: BlockSize,
        room: Option<Room>,
    ) -> Result<(StreamFeed, Self), RingError> {
        let (feed, readers) = CircularBuffer::with_capacity(READERS)?.split();
        let call = Arc::new(Call::default());
        let source = Self {
            block,
            analyzer: Some(BufferAnalyzer::new(reader, block)),
            streams: 0,
            readers,
            call: call.clone(),
            room,
            registered: false,
            look_ns: None,
            offset: Frames::ZERO,
            ring: Timeline::default(),
            sequence: 0,
            last: None,
            before: None,
        };
        Ok((StreamFeed { readers: Some(feed), call }, source))
    }

    /// Looks so often, in nanoseconds, instead of every quarter of a block: where every tenth of a millisecond counts.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn looking_every(mut self, look_ns: u64) -> Self {
        self.look_ns = Some(look_ns);
        self
    }

    /// There is nothing now.
    fn wait(&self, out: &Out<'_>, look_ns: u64) -> Inflowed {
        match self.room {
            None => Inflowed::Until(out.now_ns() + look_ns),
            Some(_) => Inflowed::Woken,
        }
    }

    /// Goes on with the next stream, if it is there.
    fn follow(&mut self, out: &mut Out<'_>) -> Inflowed {
        let closed = self.readers.is_closed();
        let Some(reader) = self.readers.pop() else {
            out.rest();
            return if closed { Inflowed::End } else { self.wait(out, LOOK_NS_MAX) };
        };
        self.before = self.last.take().or(self.before);
        self.offset = out.position() - StreamPosition::START;
        self.ring = Timeline::default();
        self.streams += 1;
        self.analyzer = Some(BufferAnalyzer::new(reader, self.block));
        Inflowed::More
    }

    fn settle(&self, cut: &CutMark) -> Frames {
        self.ring.settle(cut).unaccounted
    }
}

impl Inflow for StreamInflow {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        if !std::mem::replace(&mut self.registered, true) {
            self.call.source.register(out.waker());
        }
        if self.room.is_some() {
            // Before the look: whoever writes after it wakes us.
            self.call.source.arm();
        }
        // Before the look, too: what was written before is in the ring.
        let abandoned = self.call.abandoned.load(Ordering::Acquire) > self.streams;
        let Some(analyzer) = &mut self.analyzer else { return Ok(self.follow(out)) };
        let format = analyzer.format();
        match analyzer.step() {
            Step::Block(mut block) => {
                // No buffer within the budget: the block stays in the ring, and what the ring then loses it counts.
                let mut buffer = match out.pool().acquire(block.samples(), Miss::Grow) {
                    Ok(buffer) => buffer,
                    // There will never be one.
                    Err(error @ AcquireError::TooLarge { .. }) => return Err(Box::new(error)),
                    Err(_) => return Ok(Inflowed::Until(out.now_ns() + LOOK_NS_MIN)),
                };
                let (timestamp_ns, complete_ns) = block.arrived_ns();
                if let Some(offset) = bridge(&mut self.before, timestamp_ns, out) {
                    self.offset = offset;
                }
                self.ring.deliver(block.position(), block.frames());
                let position = block.position() + self.offset;
                block.read_in_place(|first, second| {
                    // The buffer is as large as was asked for at least: all fit.
                    let _ = buffer.extend_from_slice(first);
                    let _ = buffer.extend_from_slice(second);
                });
                let sequence = self.sequence;
                self.sequence += 1;
                self.last = Some((complete_ns, format.rate));
                if let Some(room) = &self.room {
                    room.0.unpark();
                }
                let meta = ChunkMeta { format, position, sequence, timestamp_ns, complete_ns };
                out.chunk(AudioChunk::new(buffer.into_shared(), meta)?);
            }
            Step::Gap(gap) => {
                // Lost before any frame arrived: nothing says when.
                if let Some(offset) = bridge(&mut self.before, out.now_ns(), out) {
                    self.offset = offset;
                }
                self.ring.lose(gap);
                out.gap(Gap { position: gap.position + self.offset, ..gap });
            }
            Step::Cut(cut) => out.cut(self.settle(&cut)),
            // Nobody will close it.
            Step::Pending if abandoned => analyzer.end(),
            Step::Pending => {
                let quarter_ns = format.rate.frames_to_ns(self.block.frames()) / 4;
                let usual_ns = quarter_ns.clamp(LOOK_NS_MIN, LOOK_NS_MAX);
                return Ok(self.wait(out, self.look_ns.unwrap_or(usual_ns)));
            }
            Step::End => self.analyzer = None,
            // What other streams may bring one day.
            _ => {}
        }
        Ok(Inflowed::More)
    }
}
