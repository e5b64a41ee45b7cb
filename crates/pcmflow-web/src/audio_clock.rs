//! The audio clock beside the engine's: when, by the engine's clock, did what has just arrived arrive?
//!
//! An audio thread has no clock but the context's own time, which counts frames. It publishes how far that has come; the control side,
//! which has a clock, looks now and then. What lies between the two readings is the offset of the clocks and the delay of the look. The
//! delay is never negative, so the smallest difference of the last seconds is nearest to the offset. Two windows of a second each are
//! kept: a context that was suspended, or a clock that drifts, is followed within two.

use pcmflow::engine::task::{Clock, StepClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// How long the smallest difference counts, at least, and half of the time that it counts at most.
const WINDOW_NS: u64 = 1_000_000_000;
/// Not known yet.
const NONE: i64 = i64::MIN;
/// Times of an audio context beyond this (31 years) are no times; far below it, nanoseconds are exact enough in `f64`.
const AUDIO_MS_MAX: f64 = 1e12;

/// What the audio thread and the control side share.
#[derive(Debug)]
pub(crate) struct AudioClock {
    engine: Arc<StepClock>,
    /// The audio time up to which frames have come, in nanoseconds plus one; 0 before any. Stored by the audio thread.
    heard_ns: AtomicU64,
    /// The engine's time less the audio time. Stored by the control side.
    offset_ns: AtomicI64,
}

/// An audio time in nanoseconds, if it is one.
pub(crate) fn audio_ns(audio_ms: f64) -> Option<u64> {
    (0.0..=AUDIO_MS_MAX).contains(&audio_ms).then_some((audio_ms * 1e6) as u64)
}

impl AudioClock {
    pub(crate) fn new(engine: Arc<StepClock>) -> Self {
        Self { engine, heard_ns: AtomicU64::new(0), offset_ns: AtomicI64::new(NONE) }
    }

    /// The audio thread: frames have come up to this audio time. Returns when that is by the engine's clock.
    pub(crate) fn heard(&self, audio_ns: Option<u64>) -> u64 {
        let Some(audio_ns) = audio_ns else { return self.engine.now_ns() };
        // Release: who sees it sees the frames.
        self.heard_ns.store(audio_ns + 1, Ordering::Release);
        match self.offset_ns.load(Ordering::Relaxed) {
            // As it was set last: early, by a poll's distance.
            NONE => self.engine.now_ns(),
            offset_ns => audio_ns.saturating_add_signed(offset_ns),
        }
    }
}

/// The control side's look at the audio clock.
#[derive(Debug)]
pub(crate) struct Offset {
    seen_ns: u64,
    /// Frames that had come by the last look.
    counted: u64,
    /// The smallest differences of this window and of the one before.
    least_ns: [i64; 2],
    /// When this window began.
    since_ns: u64,
}

impl Offset {
    pub(crate) fn new(now_ns: u64) -> Self {
        Self { seen_ns: 0, counted: 0, least_ns: [i64::MAX; 2], since_ns: now_ns }
    }

    /// Compares a count of frames with that of the last look; returns whether it is another.
    pub(crate) fn count(&mut self, frames: u64) -> bool {
        std::mem::replace(&mut self.counted, frames) != frames
    }

    /// Looks; returns whether frames have come since the last look.
    pub(crate) fn look(&mut self, clock: &AudioClock, now_ns: u64) -> bool {
        let heard_ns = clock.heard_ns.load(Ordering::Acquire);
        if heard_ns == self.seen_ns {
            return false;
        }
        self.seen_ns = heard_ns;
        if now_ns.saturating_sub(self.since_ns) >= WINDOW_NS {
            self.least_ns = [i64::MAX, self.least_ns[0]];
            self.since_ns = now_ns;
        }
        // Both are far below 2^63: see `AUDIO_MS_MAX`.
        let difference_ns = now_ns as i64 - (heard_ns - 1) as i64;
        self.least_ns[0] = self.least_ns[0].min(difference_ns);
        clock.offset_ns.store(self.least_ns[0].min(self.least_ns[1]), Ordering::Relaxed);
        true
    }
}
