//! The thread that consumes: pops chunks, keeps the timeline, calls the [`Consumer`].

use super::clock::{Clock, Stop};
use super::inject::Injected;
use super::live::Live;
use super::park::{Turn, Waker};
use crate::core::chunk::{AudioChunk, ChunkConsumer, Packet};
use crate::core::format::{Frames, SampleRate, StreamPosition};
use crate::core::health::HealthRecorder;
use crate::core::ledger::{Gap, LossCause, Timeline};
use crate::core::stream::Mark;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a consumer failed with.
pub type ConsumerError = Box<dyn std::error::Error + Send + Sync>;

/// What wants the stream: called on a thread of its own, which it may block.
pub trait Consumer: Send + 'static {
    /// Takes the next chunk. When it returns, the chunk counts as delivered.
    ///
    /// A consumer may keep clones of chunks. Each keeps its buffer from being used again; when the pool's budget (50 MiB) is
    /// in the consumer's hands, the flow waits until one is dropped and the next chunk is taken.
    ///
    /// Not RT-safe: called on a thread of its own, which it may block.
    ///
    /// # Errors
    /// Whatever keeps it from going on; the flow then ends, and this chunk and those behind it count as lost
    /// ([`LossCause::DeadModule`]).
    fn chunk(&mut self, chunk: &AudioChunk, cx: &ChunkCx) -> Result<(), ConsumerError>;

    /// Learns that frames are missing at this place of the stream, once for each run of losses with one cause: when
    /// the frame behind it arrives, or at the end.
    ///
    /// Not RT-safe: as [`chunk`](Self::chunk).
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    fn gap(&mut self, gap: Gap) -> Result<(), ConsumerError> {
        let _ = gap;
        Ok(())
    }

    /// The stream is over, and every chunk was seen.
    ///
    /// Not RT-safe: as [`chunk`](Self::chunk).
    ///
    /// # Errors
    /// Whatever keeps it from finishing.
    fn end(&mut self) -> Result<(), ConsumerError> {
        Ok(())
    }
}

/// The circumstances in which a chunk is consumed.
#[derive(Debug, Clone, Copy)]
pub struct ChunkCx {
    clock: Clock,
    /// When the consumer took the chunk.
    taken_ns: u64,
    /// The source keeps real time: waiting counts.
    live: bool,
    /// Of the source, whose frames positions count.
    rate: SampleRate,
}

impl ChunkCx {
    /// How late something is that is known now for the frame at `position`: the time from that frame's own moment until
    /// the chunk was complete (gathering), and from then until now (transport, waiting, computing).
    ///
    /// Where the source runs as fast as it can, arrival times say nothing about the stream's own time, and only the
    /// computing since this chunk was taken is added to the gathering.
    ///
    /// Not RT-safe: may make a system call.
    pub fn delay_ns(&self, chunk: &AudioChunk, position: StreamPosition) -> u64 {
        let gathering = self.rate.frames_to_ns(chunk.end() - position);
        let since = if self.live { chunk.meta().complete_ns } else { self.taken_ns };
        gathering + self.clock.now_ns().saturating_sub(since)
    }
}

/// How many gaps are kept with their positions; further ones are counted.
const GAPS_KEPT: usize = 65_536;

/// What the consumer's thread leaves behind.
#[derive(Debug)]
pub(super) struct Consumed<C> {
    pub(super) consumer: C,
    pub(super) timeline: Timeline,
    /// Kept open until the gather task rests, so that what it still sends is measured here.
    pub(super) link: ChunkConsumer,
    pub(super) gaps: Vec<Gap>,
    pub(super) gaps_total: u64,
    pub(super) error: Option<ConsumerError>,
}

/// The consumer's task.
pub(super) struct ConsumeTask<C> {
    pub(super) consumer: C,
    pub(super) link: ChunkConsumer,
    pub(super) live: Arc<Live>,
    pub(super) clock: Clock,
    pub(super) stop: Stop,
    pub(super) real_time: bool,
    /// Of the source, whose frames positions count.
    pub(super) rate: SampleRate,
    /// How old a block's oldest frame may be when its result leaves, where the source keeps real time.
    pub(super) deadline_ns: u64,
    pub(super) injected: Injected,
    pub(super) health: HealthRecorder,
    /// The gather task, which may wait for room in the link or for a buffer.
    pub(super) upstream: Waker,
    pub(super) timeline: Timeline,
    /// A gap that may still grow.
    pub(super) untold: Option<Gap>,
    pub(super) gaps: Vec<Gap>,
    pub(super) gaps_total: u64,
    pub(super) error: Option<ConsumerError>,
}

impl<C: Consumer> ConsumeTask<C> {
    pub(super) fn turn(&mut self) -> Turn {
        match self.packet() {
            Ok(turn) => turn,
            Err(error) => {
                self.error = Some(error);
                self.abandon();
                Turn::Done
            }
        }
    }

    fn packet(&mut self) -> Result<Turn, ConsumerError> {
        let closed = self.link.is_closed();
        match self.link.peek() {
            Some(Packet::Chunk(_)) if self.untold.is_some() => {
                self.tell()?;
                return Ok(Turn::Worked);
            }
            Some(Packet::Chunk(chunk)) => {
                self.injected.before(chunk.end().secs(self.rate), &self.clock, &self.stop);
                let (clock, live, rate) = (self.clock, self.real_time, self.rate);
                let cx = ChunkCx { clock, taken_ns: clock.now_ns(), live, rate };
                self.consumer.chunk(chunk, &cx)?;
                let (position, span, oldest_ns) = (chunk.position(), chunk.span(), chunk.timestamp_ns());
                let latency_ns = self.clock.now_ns().saturating_sub(oldest_ns);
                self.health.block(span.0, latency_ns);
                if self.real_time && latency_ns > self.deadline_ns {
                    self.health.deadline_missed();
                }
                self.timeline.deliver(position, span);
                self.live.delivered.store(self.timeline.delivered().0, Ordering::Relaxed);
            }
            Some(Packet::Mark(Mark::Gap(gap))) => {
                let gap = *gap;
                self.enter(gap)?;
            }
            Some(Packet::Mark(Mark::Cut(cut))) => {
                let settled = self.timeline.settle(cut);
                self.live.settle(settled);
            }
            None if closed => {
                self.tell()?;
                self.timeline.end();
                self.consumer.end()?;
                return Ok(Turn::Done);
            }
            None => return Ok(Turn::Idle),
            // What other links may carry one day.
            Some(_) => {}
        }
        // Popped after it was consumed: what the consumer failed on is still in the link, and is booked there.
        drop(self.link.pop());
        self.upstream.wake();
        Ok(Turn::Worked)
    }

    /// Books a gap, and joins it to the one before where it goes on: a cut mark may have split one loss in two.
    fn enter(&mut self, gap: Gap) -> Result<(), ConsumerError> {
        self.timeline.lose(gap);
        self.health.frames_dropped(gap.frames.0);
        match &mut self.untold {
            Some(before) if before.end() == gap.position && before.cause == gap.cause => {
                before.frames += gap.frames
            }
            _ => {
                let told = self.tell();
                self.untold = Some(gap);
                told?;
            }
        }
        Ok(())
    }

    /// Tells the consumer of the gap that is over.
    fn tell(&mut self) -> Result<(), ConsumerError> {
        let Some(gap) = self.untold.take() else { return Ok(()) };
        self.gaps_total += 1;
        self.health.overrun();
        if self.gaps.len() < GAPS_KEPT {
            self.gaps.push(gap);
        }
        self.consumer.gap(gap)
    }

    /// The consumer is dead: what waits for it is lost, and told to nobody.
    fn abandon(&mut self) {
        self.live.consumer_failed.store(true, Ordering::Release);
        let mut gaps = Vec::new();
        self.link.clear(LossCause::DeadModule, |gap| gaps.push(gap));
        for gap in gaps {
            // A gap on which the consumer failed is booked already.
            if gap.position >= self.timeline.position() && gap.frames > Frames::ZERO {
                let _ = self.enter(gap);
            }
        }
        let _ = self.tell();
    }

    pub(super) fn finish(self) -> Consumed<C> {
        Consumed {
            link: self.link,
            consumer: self.consumer,
            timeline: self.timeline,
            gaps: self.gaps,
            gaps_total: self.gaps_total,
            error: self.error,
        }
    }
}
