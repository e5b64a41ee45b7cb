//! The step that cuts a stream into blocks of one size. What comes in that size already passes in its own buffer; only the
//! last block before a gap or the end may be shorter.

use super::filter::PARTS;
use super::track::Track;
use super::{Latency, Transform, emit_gap, gap_of};
use pcmflow_core::chunk::{AudioChunk, Packet};
use pcmflow_core::format::{Frames, StreamFormat};
use pcmflow_core::ledger::{Conversion, Gap, LossCause};
use pcmflow_core::pool::{BufferRecyclingPool, Miss, PooledBuffer};

#[derive(Debug)]
pub(super) struct Block {
    format: StreamFormat,
    frames: Frames,
    latency: Latency,
    /// The block that is being filled: neither empty nor full.
    held: Option<PooledBuffer>,
    track: Track,
    taken: Frames,
    given: Frames,
}

impl Block {
    /// Blocks of `frames`, at least one, of what comes in chunks of `of` or any.
    pub(super) fn new(format: StreamFormat, frames: Frames, of: Option<Frames>) -> Self {
        Self {
            format,
            frames,
            latency: Self::latency_of(format, frames, of),
            held: None,
            track: Track::new(format.rate, format),
            taken: Frames::ZERO,
            given: Frames::ZERO,
        }
    }

    /// All that may wait for the rest of its block: less than a block, in steps of what both sizes are multiples of.
    pub(super) fn latency_of(format: StreamFormat, frames: Frames, of: Option<Frames>) -> Latency {
        let step = of.map_or(1, |of| super::filter::gcd(of.0, frames.0).max(1));
        Latency::new(Frames(frames.0.saturating_sub(step)), format.rate)
    }

    fn give(&mut self, buffer: PooledBuffer, last: bool, emit: &mut dyn FnMut(Packet)) {
        self.given += Frames::in_samples(buffer.len(), self.format.channels);
        self.track.give(buffer, last, emit);
    }

    fn flush(&mut self, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        match self.held.take() {
            Some(buffer) => self.give(buffer, true, emit),
            // Frames of the source that came to none.
            None if self.track.is_behind() => match pool.acquire(0, Miss::Grow) {
                Ok(buffer) => self.give(buffer, true, emit),
                Err(_) => self.track.lose(Frames::ZERO, true, LossCause::Overflow, emit),
            },
            None => {}
        }
        self.track.stop();
    }
}

impl Transform for Block {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn latency(&self) -> Latency {
        self.latency
    }

    fn conversion(&self) -> Conversion {
        let (from, to, taken, given) = (self.format.rate, self.format.rate, self.taken, self.given);
        let held = self.held.as_ref().map_or(0, |buffer| buffer.len());
        Conversion { from, to, taken, given, held: Frames::in_samples(held, self.format.channels) }
    }

    fn lost(&self) -> Frames {
        self.track.lost
    }

    fn process(&mut self, chunk: AudioChunk, pool: &BufferRecyclingPool, emit: &mut dyn FnMut(Packet)) {
        if chunk.meta().format != self.format {
            return self.gap(gap_of(&chunk, LossCause::Corrupt), pool, emit);
        }
        if !self.track.continues_at(chunk.position()) {
            self.flush(pool, emit);
        }
        let untouched = self.held.is_none() && !self.track.is_behind();
        self.track.take(&chunk, u128::from(chunk.frames().0) * PARTS);
        self.taken += chunk.frames();
        if untouched && chunk.frames() == self.frames {
            self.given += chunk.frames();
            return self.track.pass(chunk, emit);
        }
        let size = self.frames.samples(self.format.channels);
        let mut rest = chunk.samples();
        while !rest.is_empty() {
            let held = self.held.take().map_or_else(|| pool.acquire(size, Miss::Grow), Ok);
            let Ok(mut buffer) = held else {
                let (none, later) = rest.split_at(rest.len().min(size));
                let frames = Frames::in_samples(none.len(), self.format.channels);
                self.given += frames;
                self.track.lose(frames, false, LossCause::Overflow, emit);
                rest = later;
                continue;
            };
            let room = (size - buffer.len()).min(rest.len());
            let taken = buffer.extend_from_slice(&rest[..room]);
            rest = &rest[taken..];
            match buffer.len() == size {
                true => self.give(buffer, false, emit),
                false => self.held = Some(buffer),
            }
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
