//! A source over the ring that somebody else's callback fills: a device's, a browser's.
//!
//! The callback may wake nobody, so this looks by itself, every quarter of a block, at least every millisecond. When the
//! stream ends, another may follow, of another format: positions go on, with a gap of the time that passed in between.

use super::node::{Inflow, Inflowed, NodeError, Out};
use pcmflow_core::block::{BlockSize, BufferAnalyzer, Step};
use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{Frames, SampleRate, StreamPosition};
use pcmflow_core::ledger::{CutMark, Gap, LossCause, Timeline};
use pcmflow_core::pool::Miss;
use pcmflow_core::ring::{CircularBuffer, Consumer, Producer, PushError, RingError};
use pcmflow_core::stream::StreamReader;

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
pub struct StreamFeed(Producer<StreamReader>);

impl StreamFeed {
    /// Brings the stream that follows.
    ///
    /// Not RT-safe: a refused reader may free its ring.
    ///
    /// # Errors
    /// Hands it back where several wait already, or the source is gone.
    pub fn bring(&mut self, reader: StreamReader) -> Result<(), Box<StreamReader>> {
        self.0.push(reader).map_err(|refused| match refused {
            PushError::Full(reader) | PushError::Closed(reader) => Box::new(reader),
        })
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
    readers: Consumer<StreamReader>,
    /// What the stream's own positions are behind.
    offset: Frames,
    /// What came of this stream.
    ring: Timeline,
    sequence: u64,
    /// When the last frame arrived, and at what rate; none before the first.
    last: Option<(u64, SampleRate)>,
}

impl StreamInflow {
    /// A source that cuts `reader`'s stream into blocks.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`RingError`] where memory can't be had.
    pub fn new(reader: StreamReader, block: BlockSize) -> Result<(StreamFeed, Self), RingError> {
        let (feed, readers) = CircularBuffer::with_capacity(READERS)?.split();
        let analyzer = Some(BufferAnalyzer::new(reader, block));
        let (offset, ring) = (Frames::ZERO, Timeline::default());
        Ok((StreamFeed(feed), Self { block, analyzer, readers, offset, ring, sequence: 0, last: None }))
    }

    /// Goes on with the next stream, if it is there.
    fn follow(&mut self, out: &mut Out<'_>) -> Inflowed {
        let closed = self.readers.is_closed();
        let Some(reader) = self.readers.pop() else {
            return if closed { Inflowed::End } else { Inflowed::Until(out.now_ns() + LOOK_NS_MAX) };
        };
        if let Some((last_ns, rate)) = self.last {
            // Nobody counted what was missed: as many frames as the time stands for.
            let frames = rate.ns_to_frames(out.now_ns().saturating_sub(last_ns));
            out.gap(Gap { position: out.position(), frames, cause: LossCause::Device });
        }
        self.offset = out.position() - StreamPosition::START;
        self.ring = Timeline::default();
        self.analyzer = Some(BufferAnalyzer::new(reader, self.block));
        Inflowed::More
    }

    fn settle(&self, cut: &CutMark) -> Frames {
        self.ring.settle(cut).unaccounted
    }
}

impl Inflow for StreamInflow {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let Some(analyzer) = &mut self.analyzer else { return Ok(self.follow(out)) };
        let format = analyzer.format();
        match analyzer.step() {
            Step::Block(mut block) => {
                // No buffer within the budget: the block stays in the ring, and what the ring then loses it counts.
                let Ok(mut buffer) = out.pool().acquire(block.samples(), Miss::Grow) else {
                    return Ok(Inflowed::Until(out.now_ns() + LOOK_NS_MIN));
                };
                let (timestamp_ns, complete_ns) = block.arrived_ns();
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
                let meta = ChunkMeta { format, position, sequence, timestamp_ns, complete_ns };
                out.chunk(AudioChunk::new(buffer.into_shared(), meta)?);
            }
            Step::Gap(gap) => {
                self.ring.lose(gap);
                out.gap(Gap { position: gap.position + self.offset, ..gap });
            }
            Step::Cut(cut) => out.cut(self.settle(&cut)),
            Step::Pending => {
                let quarter_ns = format.rate.frames_to_ns(self.block.frames()) / 4;
                return Ok(Inflowed::Until(out.now_ns() + quarter_ns.clamp(LOOK_NS_MIN, LOOK_NS_MAX)));
            }
            Step::End => self.analyzer = None,
            // What other streams may bring one day.
            _ => {}
        }
        Ok(Inflowed::More)
    }
}
