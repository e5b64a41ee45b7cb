//! Where what comes out of a transform with a memory stands on the source's timeline.

use super::emit_gap;
use super::filter::PARTS;
use super::stamps::{Stamp, Stamps};
use pcmflow_core::chunk::{AudioChunk, ChunkMeta, Packet};
use pcmflow_core::format::{Frames, SampleRate, StreamFormat, StreamPosition};
use pcmflow_core::ledger::{Gap, LossCause};
use pcmflow_core::pool::PooledBuffer;

/// Follows a stretch without gaps: what was taken stands for the timeline from `start` to `end`, what was given of that
/// reaches to `reached`. What lies between is what is held: so many frames, times what a frame stands for on average in
/// this stretch. Where each stands for one frame of the source, chunks end at `start + ⌊given · from / to⌋` exactly.
#[derive(Debug)]
pub(super) struct Track {
    from: SampleRate,
    to: StreamFormat,
    /// Whether a stretch was begun.
    running: bool,
    start: StreamPosition,
    end: StreamPosition,
    /// `start ≤ reached ≤ end`.
    reached: StreamPosition,
    /// Of this stretch; taken in [`PARTS`] of a frame.
    taken_parts: u128,
    given: u64,
    stamps: Stamps,
    /// Number of the next chunk.
    sequence: u64,
    /// Frames for which there was no buffer, of all stretches.
    pub(super) lost: Frames,
}

impl Track {
    pub(super) fn new(from: SampleRate, to: StreamFormat) -> Self {
        Self {
            from,
            to,
            running: false,
            start: StreamPosition(0),
            end: StreamPosition(0),
            reached: StreamPosition(0),
            taken_parts: 0,
            given: 0,
            stamps: Stamps::default(),
            sequence: 0,
            lost: Frames::ZERO,
        }
    }

    /// Whether a chunk at `position` goes on where the last one ended.
    pub(super) fn continues_at(&self, position: StreamPosition) -> bool {
        !self.running || position == self.end
    }

    /// How many whole frames such a block is.
    pub(super) fn frames_in(&self, block: &[f32]) -> Frames {
        Frames::in_samples(block.len(), self.to.channels)
    }

    /// Whether there are frames of the source that nothing that was given stands for.
    pub(super) fn is_behind(&self) -> bool {
        self.running && self.reached < self.end
    }

    /// Enters a chunk, of so many parts, that goes on where the last one ended or begins a stretch.
    pub(super) fn take(&mut self, chunk: &AudioChunk, parts: u128) {
        if !self.running {
            self.running = true;
            (self.start, self.end, self.reached) = (chunk.position(), chunk.position(), chunk.position());
            (self.taken_parts, self.given) = (0, 0);
            self.stamps.clear();
        }
        self.end = chunk.end();
        self.taken_parts += parts;
        let ChunkMeta { timestamp_ns, complete_ns, .. } = *chunk.meta();
        self.stamps.push(Stamp { end: self.end, timestamp_ns, complete_ns });
    }

    /// Ends the stretch, of which everything was given.
    pub(super) fn stop(&mut self) {
        self.running = false;
    }

    /// How many frames of the source are not reached when all that was given is: `None` where that is beyond reckoning.
    fn behind(&self) -> Option<Frames> {
        let (from, to) = (u128::from(self.from.hz()), u128::from(self.to.rate.hz()));
        let due = self.taken_parts.checked_mul(to)?;
        let held = due.saturating_sub((u128::from(self.given) * from).checked_mul(PARTS)?);
        let behind =
            u128::from((self.end - self.start).0).checked_mul(held)?.checked_add(due)?.checked_sub(1)?;
        Some(Frames(u64::try_from(behind.checked_div(due)?).unwrap_or(u64::MAX)))
    }

    /// Enters that `frames` are given; returns the stretch of the timeline that they stand for.
    fn advance(&mut self, frames: Frames, last: bool) -> (StreamPosition, Frames) {
        self.given = self.given.saturating_add(frames.0);
        let position = self.reached;
        let end = match self.behind() {
            Some(behind) if !last => StreamPosition(self.end.0.saturating_sub(behind.0)),
            _ => self.end,
        };
        self.reached = end.max(position);
        (position, self.reached - position)
    }

    fn meta(&mut self, position: StreamPosition, span: Frames) -> ChunkMeta {
        let (timestamp_ns, complete_ns) = self.stamps.between(position, position + span);
        let sequence = self.sequence;
        self.sequence += 1;
        ChunkMeta { format: self.to, position, sequence, timestamp_ns, complete_ns }
    }

    /// Gives a buffer; with `last`, it stands for everything that was taken and not given.
    pub(super) fn give(&mut self, buffer: PooledBuffer, last: bool, emit: &mut dyn FnMut(Packet)) {
        let frames = Frames::in_samples(buffer.len(), self.to.channels);
        let (position, span) = self.advance(frames, last);
        let meta = self.meta(position, span);
        match AudioChunk::spanning(buffer.into_shared(), meta, span) {
            Ok(chunk) => emit(Packet::Chunk(chunk)),
            Err(_) => {
                self.lost += frames;
                emit_gap(Gap { position, frames: span, cause: LossCause::Corrupt }, emit);
            }
        }
    }

    /// Gives a chunk that was just taken, as it is.
    pub(super) fn pass(&mut self, chunk: AudioChunk, emit: &mut dyn FnMut(Packet)) {
        let (position, span) = self.advance(chunk.frames(), true);
        let meta = ChunkMeta { sequence: self.sequence, ..*chunk.meta() };
        // By its end, which saturates where no stream ever gets.
        debug_assert_eq!((position, position + span), (chunk.position(), chunk.end()));
        self.sequence += 1;
        if let Ok(chunk) = AudioChunk::spanning(chunk.into_buffer(), meta, span) {
            emit(Packet::Chunk(chunk));
        }
    }

    /// Gives nothing in the place of `frames` for which there is no buffer, and says so.
    pub(super) fn lose(
        &mut self,
        frames: Frames,
        last: bool,
        cause: LossCause,
        emit: &mut dyn FnMut(Packet),
    ) {
        self.lost += frames;
        self.sequence += 1;
        let (position, span) = self.advance(frames, last);
        emit_gap(Gap { position, frames: span, cause }, emit);
    }
}
