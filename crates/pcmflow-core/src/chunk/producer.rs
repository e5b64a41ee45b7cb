//! The half of a link that pushes.

use super::evict;
use super::link::{Inlet, Packet, count};
use super::{AudioChunk, LinkGauge};
use crate::format::Frames;
use crate::ledger::LossCause;
use crate::ring::PushError;
use crate::stream::Mark;

/// The half of a link that pushes.
///
/// ```
/// use pcmflow_core::chunk::AudioRingBuffer;
/// let (mut producer, consumer) = AudioRingBuffer::with_capacity(4)?.split();
/// assert!(producer.has_room() && !producer.is_pressed());
/// drop(consumer);
/// assert!(producer.is_closed());
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct ChunkProducer {
    pub(super) inlet: Inlet,
    pub(super) gauge: LinkGauge,
    pub(super) threshold_percent: u8,
    /// The last chunk that was sent made another one go, or was given up: more of it is the same overrun.
    pub(super) losing: bool,
}

impl ChunkProducer {
    /// Sends a chunk. Where the link evicts, the oldest one may go for it; its buffer returns to its pool.
    ///
    /// Positions go up from chunk to chunk. Where they don't, or skip frames without a [`Mark::Gap`], what is lost there can't be
    /// told from its place, and the books say *unaccounted*.
    ///
    /// RT-safe: wait-free, no allocation, no free; lock-free where a chunk gives way that is the very last buffer of a pool whose
    /// handles are gone.
    ///
    /// # Errors
    /// [`PushError::Full`] and [`PushError::Closed`] hand the chunk back; a link that evicts is never full of chunks.
    pub fn push(&mut self, chunk: AudioChunk) -> Result<(), PushError<AudioChunk>> {
        let shared = &*self.gauge.shared;
        // Posted before the chunk is visible, so that a reader's books never run ahead of the writer's.
        let accept = |chunk: &AudioChunk| {
            shared.writer.post_accepted(chunk.span());
            count(&shared.sent.0.pushes);
        };
        if self.is_closed() {
            count(&shared.sent.0.rejected);
            return Err(PushError::Closed(chunk));
        }
        match &mut self.inlet {
            Inlet::Queue(packets) => match packets.vacant() {
                Some(slot) => {
                    accept(&chunk);
                    self.losing = false;
                    slot.fill(Packet::Chunk(chunk));
                }
                None => {
                    count(&shared.sent.0.rejected);
                    return Err(PushError::Full(chunk));
                }
            },
            Inlet::Evicting(packets) => {
                accept(&chunk);
                let evicted = packets.push(chunk);
                if evicted.is_some() && !self.losing {
                    shared.writer.post_overrun();
                }
                self.losing = evicted.is_some();
                if let Some(oldest) = evicted {
                    shared.writer.post_evicted(oldest.span(), evict::CAUSE);
                    count(&shared.sent.0.evictions);
                }
            }
        }
        Ok(())
    }

    /// Sends a mark, at its place between the chunks.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`PushError::Full`] and [`PushError::Closed`] hand the mark back.
    pub fn mark(&mut self, mark: Mark) -> Result<(), PushError<Mark>> {
        match &mut self.inlet {
            Inlet::Queue(packets) if packets.is_closed() => Err(PushError::Closed(mark)),
            Inlet::Queue(packets) => {
                packets.vacant().ok_or(PushError::Full(mark))?.fill(Packet::Mark(mark));
                Ok(())
            }
            Inlet::Evicting(packets) => packets.mark(mark),
        }
    }

    /// Whether a packet of either kind can be sent now. Once true it stays true until one is sent, or the consumer goes.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn has_room(&mut self) -> bool {
        match &mut self.inlet {
            Inlet::Queue(packets) => packets.has_room(1),
            Inlet::Evicting(packets) => packets.has_room(),
        }
    }

    /// As [`has_room`](Self::has_room), for so many packets of either kind.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn has_room_for(&mut self, packets: usize) -> bool {
        match &mut self.inlet {
            Inlet::Queue(queue) => queue.has_room(packets),
            Inlet::Evicting(evicting) => evicting.has_room_for(packets),
        }
    }

    /// Posts frames that the link would not take and that are not offered again: lost, with their cause. The consumer is to
    /// be told in their place, by a [`Mark::Gap`]. Until a chunk is sent again, more of it is the same overrun.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn give_up(&mut self, frames: Frames, cause: LossCause) {
        if !self.losing {
            self.gauge.shared.writer.post_overrun();
        }
        self.losing = true;
        self.gauge.shared.writer.post_lost(frames, cause);
    }

    /// Whether the use is above the threshold: the consumer is falling behind.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_pressed(&mut self) -> bool {
        self.gauge.occupancy() * 100 > self.gauge.capacity() * usize::from(self.threshold_percent)
    }

    /// Whether the consumer was dropped.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_closed(&self) -> bool {
        match &self.inlet {
            Inlet::Queue(packets) => packets.is_closed(),
            Inlet::Evicting(packets) => packets.is_closed(),
        }
    }
}
