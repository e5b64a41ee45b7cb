//! The half of a link that pops.

use super::link::{Outlet, Packet, Shared, count};
use crate::format::{Frames, StreamPosition};
use crate::ledger::{CutMark, EdgeSnapshot, Gap, LossCause};
use crate::stream::Mark;
use crate::sync::Arc;

/// The half of a link that pops.
///
/// ```
/// use pcmflow_core::chunk::AudioRingBuffer;
/// use pcmflow_core::format::Frames;
/// let (producer, mut consumer) = AudioRingBuffer::with_capacity(4)?.split();
/// assert!(!consumer.is_finished());
/// drop(producer);
/// assert!(consumer.is_finished() && consumer.pop().is_none());
/// assert_eq!(consumer.snapshot().imbalance(), Frames(0));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct ChunkConsumer {
    outlet: Outlet,
    shared: Arc<Shared>,
    /// The cut that was looked at last, as it is to be understood here.
    cut: Option<Packet>,
    /// The end of the last chunk that was cleared.
    cleared_to: StreamPosition,
}

impl ChunkConsumer {
    pub(super) fn new(outlet: Outlet, shared: Arc<Shared>) -> Self {
        Self { outlet, shared, cut: None, cleared_to: StreamPosition::START }
    }

    /// Looks at the next packet without taking it: what is to be taken only once it was dealt with. It can't be evicted any
    /// more.
    ///
    /// RT-safe: wait-free, no allocation. In a link that evicts lock-free: what keeps it busy are pushes, at most one try
    /// for each that begins meanwhile.
    pub fn peek(&mut self) -> Option<&Packet> {
        let Some(Packet::Mark(Mark::Cut(cut))) = self.outlet.peek() else { return self.outlet.peek() };
        let cut = Self::amended(*cut, &self.shared, self.cleared_to);
        Some(self.cut.insert(Packet::Mark(Mark::Cut(cut))))
    }

    /// A cut behind what was cleared: the writer does not know that it never came through.
    ///
    /// A cut may stand inside the last chunk that was cleared, and be sent too late to be cleared with it. All of that chunk
    /// was put in and is lost: the cut is understood to stand behind it.
    fn amended(mut cut: CutMark, shared: &Shared, cleared_to: StreamPosition) -> CutMark {
        let inside = cleared_to - cut.position;
        cut.position += inside;
        cut.accepted += inside;
        for (cause, frames) in shared.reader.evicted().iter() {
            cut = cut.after_eviction(frames, cause);
        }
        cut
    }

    /// Takes the next packet; none when the link is empty.
    ///
    /// RT-safe: as [`peek`](Self::peek).
    pub fn pop(&mut self) -> Option<Packet> {
        let mut packet = self.outlet.pop()?;
        match &mut packet {
            Packet::Chunk(chunk) => {
                self.shared.reader.post_popped(chunk.span());
                count(&self.shared.taken.0.pops);
                // Its lines lie in the other core's cache; they come while this one is dealt with.
                if let Outlet::Queue(packets) = &self.outlet
                    && let Some(Packet::Chunk(next)) = packets.peek_seen()
                {
                    next.buffer().prefetch_to_read();
                }
            }
            Packet::Mark(Mark::Cut(cut)) => *cut = Self::amended(*cut, &self.shared, self.cleared_to),
            Packet::Mark(Mark::Gap(_)) => {}
        }
        Some(packet)
    }

    /// Whether the producer was dropped and all that it sent was taken: no more will come. Once true it stays true.
    ///
    /// RT-safe: as [`peek`](Self::peek).
    pub fn is_finished(&mut self) -> bool {
        // In this order: nothing is sent after the end, so what is not there then never comes.
        self.is_closed() && self.outlet.peek().is_none()
    }

    /// Whether the producer was dropped. What it sent before can still be taken: [`is_finished`](Self::is_finished) says
    /// that no more will come.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_closed(&self) -> bool {
        match &self.outlet {
            Outlet::Queue(packets) => packets.is_closed(),
            Outlet::Evicting(packets) => packets.is_closed(),
        }
    }

    /// Throws out what is there now, posted under `cause`, and tells `on_gap` of every gap that this leaves, and of those
    /// that were in the link. Cuts are thrown out too; later ones count what was thrown out as lost. Where the producer goes
    /// on meanwhile, some of what it sends may be thrown out with the rest.
    ///
    /// RT-safe when `on_gap` is: wait-free in the packets thrown out (lock-free where the link evicts), no allocation, no
    /// free (buffers go to their pool).
    pub fn clear(&mut self, cause: LossCause, mut on_gap: impl FnMut(Gap)) {
        let packets_max = match &mut self.outlet {
            Outlet::Queue(packets) => packets.available(),
            Outlet::Evicting(packets) => packets.packets_max(),
        };
        for _ in 0..packets_max {
            match self.outlet.pop() {
                Some(Packet::Chunk(chunk)) => {
                    self.shared.reader.post_evicted(chunk.span(), cause);
                    count(&self.shared.taken.0.drops);
                    self.cleared_to = chunk.end();
                    on_gap(Gap { position: chunk.position(), frames: chunk.span(), cause });
                }
                Some(Packet::Mark(Mark::Gap(gap))) => on_gap(gap),
                Some(Packet::Mark(Mark::Cut(_))) => {}
                None => return,
            }
        }
    }

    /// Both ends' books beside the frames inside, which are measured by looking at every chunk. Exact when the producer
    /// rests.
    ///
    /// RT-safe: wait-free in the capacity, no allocation.
    pub fn snapshot(&mut self) -> EdgeSnapshot {
        let occupancy = match &mut self.outlet {
            Outlet::Queue(packets) => {
                let inside = packets.available();
                let mut occupancy = Frames::ZERO;
                if let Ok(packets) = packets.read_chunk(inside) {
                    let (first, second) = packets.as_slices();
                    for packet in first.iter().chain(second) {
                        if let Packet::Chunk(chunk) = packet {
                            occupancy += chunk.span();
                        }
                    }
                }
                occupancy
            }
            Outlet::Evicting(packets) => packets.frames(),
        };
        EdgeSnapshot {
            accepted: self.shared.writer.accepted(),
            popped: self.shared.reader.popped(),
            evicted: self.shared.writer.evicted() + self.shared.reader.evicted(),
            occupancy,
            lost: self.shared.writer.lost(),
            overruns: self.shared.writer.overruns(),
        }
    }
}
