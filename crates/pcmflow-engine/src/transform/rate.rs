//! The step that changes the rate, fixed or following a drift. Each block of the filter comes out as a chunk.

use super::filter::{Filter, PARTS};
use super::track::Track;
use super::{Latency, ResampleError, Transform, emit_gap, gap_of};
use pcmflow_core::chunk::{AudioChunk, Packet};
use pcmflow_core::format::{Frames, SampleRate, StreamFormat};
use pcmflow_core::ledger::{Conversion, Gap, LossCause};
use pcmflow_core::pool::{BufferRecyclingPool, Miss};
use std::fmt;

pub(super) struct Rate {
    from: StreamFormat,
    to: StreamFormat,
    filter: Filter,
    track: Track,
    given: Frames,
}

impl Rate {
    pub(super) fn new(from: StreamFormat, to: SampleRate, adjustable: bool) -> Result<Self, ResampleError> {
        let filter = Filter::new(from.rate, to, from.channels, adjustable)?;
        let to = StreamFormat { rate: to, channels: from.channels };
        Ok(Self { from, to, filter, track: Track::new(from.rate, to), given: Frames::ZERO })
    }

    pub(super) fn set_drift_ppb(&mut self, ppb: i32) -> Option<i32> {
        self.filter.set_drift_ppb(ppb)
    }

    fn taken(&self) -> Frames {
        Frames(u64::try_from((self.filter.taken_parts() + PARTS / 2) / PARTS).unwrap_or(u64::MAX))
    }

    /// All that should have been given when nothing is held: over all stretches, so that their roundings do not add up.
    fn due(&self) -> Frames {
        let (from, to) = (u128::from(self.from.rate.hz()), u128::from(self.to.rate.hz()));
        let due = (u128::from(self.taken().0) * to * 2 + from) / (from * 2);
        Frames(u64::try_from(due).unwrap_or(u64::MAX))
    }

    /// Gives what is held, and forgets it.
    fn flush(&mut self, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        let due = self.due() - self.given;
        let Self { filter, track, given, to, .. } = self;
        let mut rest = due;
        let flushed = filter.flush(due.0, &mut |block| {
            let frames = Frames::in_samples(block.len(), to.channels);
            rest = rest - frames;
            *given += frames;
            give(block, rest == Frames::ZERO, track, pool, emit);
        });
        if flushed.is_err() {
            self.given += rest;
            self.track.lose(rest, true, LossCause::Corrupt, emit);
        } else if self.track.is_behind() {
            give(&[], true, &mut self.track, pool, emit);
        }
        self.track.stop();
    }
}

/// Gives a block in a buffer of the pool, if there is one.
fn give(
    block: &[f32],
    last: bool,
    track: &mut Track,
    pool: &BufferRecyclingPool,
    emit: &mut dyn FnMut(Packet),
) {
    match pool.acquire(block.len(), Miss::Grow) {
        Ok(mut buffer) => {
            // It was acquired for as many.
            let _ = buffer.extend_from_slice(block);
            track.give(buffer, last, emit);
        }
        Err(_) => track.lose(track.frames_in(block), last, LossCause::Overflow, emit),
    }
}

impl Transform for Rate {
    fn format(&self) -> StreamFormat {
        self.to
    }

    fn latency(&self) -> Latency {
        Latency::new(Frames(self.filter.held_frames_max()), self.to.rate)
    }

    fn conversion(&self) -> Conversion {
        let (from, to, taken, given) = (self.from.rate, self.to.rate, self.taken(), self.given);
        Conversion { from, to, taken, given, held: self.due() - given }
    }

    fn lost(&self) -> Frames {
        self.track.lost
    }

    fn process(&mut self, chunk: AudioChunk, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        if chunk.meta().format != self.from {
            return self.gap(gap_of(&chunk, LossCause::Corrupt), pool, emit);
        }
        if !self.track.continues_at(chunk.position()) {
            self.flush(pool, emit);
        }
        self.track.take(&chunk, self.filter.parts(chunk.frames().0));
        let Self { filter, track, given, to, .. } = self;
        let taken = filter.take(chunk.samples(), &mut |block| {
            *given += Frames::in_samples(block.len(), to.channels);
            give(block, false, track, pool, emit);
        });
        if taken.is_err() {
            self.flush(pool, emit);
        }
    }

    fn gap(&mut self, gap: Gap, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        self.flush(pool, emit);
        emit_gap(gap, emit);
    }

    fn finish(&mut self, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        self.flush(pool, emit);
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate").field("track", &self.track).field("given", &self.given).finish_non_exhaustive()
    }
}
