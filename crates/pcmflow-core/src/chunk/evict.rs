//! A link that evicts: chunks in [`Slots`], marks beside them in a ring of their own, so that no mark is ever evicted.
//!
//! Each mark says how many chunks were sent before it, and comes out behind them. What was evicted is seen twice: the
//! producer drops the chunk, and the consumer finds a number missing and tells where the frames are missing, from the end
//! of what came before to the place of what comes next. Gaps and cuts in between keep their places.

use super::audio::{CHUNK_WORDS, span_in_words};
use super::slots::{Slots, SlotsIn, SlotsOut, slots};
use super::{AudioChunk, Packet};
use crate::format::{Frames, StreamPosition};
use crate::ledger::{Gap, LossCause};
use crate::mutant;
use crate::ring::{CircularBuffer, Consumer, Producer, PushError, RingError};
use crate::stream::Mark;
use crate::sync::{Arc, AtomicU64, Ordering};

/// Slots of chunks.
pub(super) type ChunkSlots = Slots<AudioChunk, CHUNK_WORDS>;

/// Places for marks, for each place of a chunk. A mark can't be thrown out: when all places are taken, the producer is told
/// that there is no room.
const MARKS_PER_CHUNK: usize = 4;

/// What an eviction is posted under.
pub(super) const CAUSE: LossCause = LossCause::Overflow;

/// A mark at its place between the chunks.
#[derive(Debug, Clone, Copy)]
struct Placed {
    mark: Mark,
    /// Chunks that were sent before it.
    after: u64,
}

/// Makes both ends, for at least `chunks` chunks.
pub(super) fn evicting(chunks: usize) -> Result<(EvictingProducer, EvictingConsumer), RingError> {
    let (chunks_in, chunks_out) = slots(chunks)?;
    let marks = CircularBuffer::with_capacity(chunks.saturating_mul(MARKS_PER_CHUNK))?;
    let (marks_in, marks_out) = marks.split();
    let start = Arc::new(Start::default());
    Ok((
        EvictingProducer { chunks: chunks_in, marks: marks_in, start: start.clone(), started: false },
        EvictingConsumer {
            chunks: chunks_out,
            marks: marks_out,
            hand: None,
            front: None,
            start,
            position: None,
            missing: false,
            evicted: Frames::ZERO,
        },
    ))
}

/// Where the first chunk or gap stood that was sent: a link may begin in mid-stream, and what was before it was never in it.
/// Stored before that is published, so whoever met any packet but a cut sees it.
#[derive(Debug, Default)]
struct Start(AtomicU64);

/// The end that sends.
#[derive(Debug)]
pub(super) struct EvictingProducer {
    chunks: SlotsIn<AudioChunk, CHUNK_WORDS>,
    marks: Producer<Placed>,
    start: Arc<Start>,
    started: bool,
}

impl EvictingProducer {
    pub(super) fn slots(&self) -> &Arc<ChunkSlots> {
        self.chunks.shared()
    }

    /// Sends a chunk; returns the one that had to go for it.
    pub(super) fn push(&mut self, chunk: AudioChunk) -> Option<AudioChunk> {
        self.start(chunk.position());
        self.chunks.put(chunk)
    }

    /// Sends a mark, behind all chunks that were sent.
    pub(super) fn mark(&mut self, mark: Mark) -> Result<(), PushError<Mark>> {
        if let Mark::Gap(gap) = mark {
            self.start(gap.position);
        }
        self.marks.push(Placed { mark, after: self.chunks.written() }).map_err(|refused| match refused {
            PushError::Full(placed) => PushError::Full(placed.mark),
            PushError::Closed(placed) => PushError::Closed(placed.mark),
        })
    }

    fn start(&mut self, position: StreamPosition) {
        if !self.started {
            self.started = true;
            // Relaxed: the packet's own release publishes it.
            self.start.0.store(position.0, Ordering::Relaxed);
        }
    }

    pub(super) fn has_room(&mut self) -> bool {
        self.has_room_for(1)
    }

    pub(super) fn has_room_for(&mut self, packets: usize) -> bool {
        self.marks.has_room(packets)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.marks.is_closed()
    }
}

/// The end that receives.
#[derive(Debug)]
pub(super) struct EvictingConsumer {
    chunks: SlotsOut<AudioChunk, CHUNK_WORDS>,
    marks: Consumer<Placed>,
    /// A chunk that was taken from its slot, and its number: it can't be evicted any more, and waits for what lies before it.
    hand: Option<(u64, AudioChunk)>,
    /// What comes next.
    front: Option<Packet>,
    start: Arc<Start>,
    /// The first frame that no packet told of yet; none before the first of them.
    position: Option<StreamPosition>,
    /// Chunks from `position` on were evicted.
    missing: bool,
    /// Frames that were told to be evicted.
    evicted: Frames,
}

impl EvictingConsumer {
    pub(super) fn peek(&mut self) -> Option<&Packet> {
        if self.front.is_none() {
            self.front = self.advance();
        }
        self.front.as_ref()
    }

    pub(super) fn pop(&mut self) -> Option<Packet> {
        self.peek()?;
        let packet = self.front.take();
        if let Some(Packet::Chunk(_)) = packet {
            self.chunks.pass();
        }
        packet
    }

    pub(super) fn is_closed(&self) -> bool {
        self.marks.is_closed()
    }

    fn advance(&mut self) -> Option<Packet> {
        // The chunk first: the marks that were sent before it are seen then.
        if self.hand.is_none() && !mutant::is("link-marks-before-chunk") {
            self.take();
        }
        let due = self.hand.as_ref().map_or(self.chunks.next(), |(number, _)| *number);
        if let Some(Placed { mark, .. }) = self.marks.peek().filter(|placed| placed.after <= due).copied() {
            if let Some(gap) = self.gap_before(mark.position()) {
                return Some(gap);
            }
            self.marks.pop();
            return Some(Packet::Mark(match mark {
                Mark::Gap(gap) => {
                    self.position = Some(self.position().max(gap.end()));
                    mark
                }
                // The writer's books know nothing of what this link evicted.
                Mark::Cut(cut) => Mark::Cut(cut.after_eviction(self.evicted, CAUSE)),
            }));
        }
        if self.hand.is_none() && mutant::is("link-marks-before-chunk") {
            self.take();
        }
        let place = self.hand.as_ref()?.1.position();
        if let Some(gap) = self.gap_before(place) {
            return Some(gap);
        }
        let (_, chunk) = self.hand.take()?;
        (self.position, self.missing) = (Some(chunk.end()), false);
        Some(Packet::Chunk(chunk))
    }

    /// Takes the oldest chunk in hand.
    fn take(&mut self) {
        let next = self.chunks.next();
        self.hand = self.chunks.take();
        let taken = u64::from(self.hand.is_some());
        self.missing |= self.chunks.next() - next > taken;
    }

    /// The first frame that no packet told of yet. To be asked once a chunk or a gap was met, or missed.
    fn position(&self) -> StreamPosition {
        self.position.unwrap_or_else(|| StreamPosition(self.start.0.load(Ordering::Relaxed)))
    }

    /// What was evicted before `place` and is not told yet.
    fn gap_before(&mut self, place: StreamPosition) -> Option<Packet> {
        if !self.missing {
            return None;
        }
        let position = self.position();
        let gap = Gap { position, frames: place - position, cause: CAUSE };
        if gap.frames == Frames::ZERO {
            return None;
        }
        self.position = Some(place);
        self.evicted += gap.frames;
        Some(Packet::Mark(Mark::Gap(gap)))
    }

    /// No more packets than this come of what is there now: slots and marks, what is in hand and in front, and before each of
    /// them a stretch that was evicted.
    pub(super) fn packets_max(&mut self) -> usize {
        2 * (self.chunks.shared().occupancy() + self.marks.available() + 2)
    }

    /// Frames in the slots, in hand and in front, measured.
    pub(super) fn frames(&self) -> Frames {
        let held = |chunk: Option<&AudioChunk>| chunk.map_or(Frames::ZERO, AudioChunk::span);
        let front = match &self.front {
            Some(Packet::Chunk(chunk)) => Some(chunk),
            _ => None,
        };
        let inside =
            self.chunks.shared().words().map(span_in_words).fold(Frames::ZERO, |sum, frames| sum + frames);
        inside + held(self.hand.as_ref().map(|(_, chunk)| chunk)) + held(front)
    }
}
