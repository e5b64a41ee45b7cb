//! The thread that plays the part of the audio callback: reads the source, keeps its time, writes the ring.

use super::clock::{Clock, Stop};
use super::config::Pacing;
use super::live::{Live, ReadState};
use super::park::{Parker, Turn, Waker};
use crate::core::format::{Frames, StreamPosition};
use crate::core::ledger::LossCause;
use crate::core::pressure::{BackpressureDetector, PressureStats};
use crate::core::stream::{StreamGauge, StreamWriter};
use crate::io::{Damage, Source, SourceError};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How far a live source may run ahead of time: what comes at its own pace is never held up, even if its clock runs fast,
/// and a file that somebody pipes in is not poured into a full ring.
///
/// The generic cell rate algorithm (ITU-T I.371) with time as its currency.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    /// When the next quantum would be due if all had come at the highest rate that is allowed for long.
    next_ns: u64,
}

impl Allowance {
    /// Ahead of time by so much at the most: what devices and pipes deliver at once.
    const BURST_NS: u64 = 100_000_000;
    /// In the long run, a source may be faster than time by a twentieth.
    const FASTER: u64 = 20;

    /// When a quantum that lasts `lasts_ns` and is there now may be passed on.
    fn due_ns(&mut self, now_ns: u64, lasts_ns: u64) -> u64 {
        let expected_ns = self.next_ns.max(now_ns);
        self.next_ns = expected_ns + lasts_ns - lasts_ns / (Self::FASTER + 1);
        expected_ns.saturating_sub(Self::BURST_NS)
    }
}

/// What the source's thread leaves behind.
#[derive(Debug, Default)]
pub(super) struct SourceEnd {
    pub(super) pressure: PressureStats,
    pub(super) damage: Option<Damage>,
    pub(super) error: Option<SourceError>,
}

/// The source's task.
pub(super) struct SourceTask {
    pub(super) source: Box<dyn Source>,
    pub(super) writer: StreamWriter,
    pub(super) pacing: Pacing,
    pub(super) quantum: Frames,
    /// Frames between two cut marks.
    pub(super) cut_every: Frames,
    pub(super) clock: Clock,
    pub(super) stop: Stop,
    pub(super) live: Arc<Live>,
    pub(super) parker: Parker,
    pub(super) downstream: Waker,
    /// How far a live source may run ahead of time.
    pub(super) allowance: Allowance,
    /// Watches how full the ring is.
    pub(super) ring: StreamGauge,
    pub(super) pressure: BackpressureDetector,
}

impl SourceTask {
    pub(super) fn run(mut self) -> SourceEnd {
        let channels = self.writer.format().channels;
        let mut samples = vec![0.0; Frames(self.quantum.0 * 8).samples(channels)];
        let epoch_ns = self.clock.now_ns();
        let mut error = None;
        let mut cut_at = StreamPosition::START + self.cut_every;
        while !self.stop.is_asked() && !self.writer.is_closed() {
            let state = &self.live.read_state;
            if !state.step(ReadState::FREE, ReadState::READING) {
                break;
            }
            let read = self.source.read(&mut samples);
            if !self.live.read_state.step(ReadState::READING, ReadState::FREE) {
                // Given up while we read: what came is not part of the flow any more.
                return SourceEnd::default();
            }
            let frames = match read {
                Ok(Frames::ZERO) => break,
                Ok(frames) => frames,
                Err(failed) => {
                    error = Some(failed);
                    break;
                }
            };
            let arrived = &samples[..frames.samples(channels)];
            for quantum in arrived.chunks(self.quantum.samples(channels)) {
                self.offer(quantum, epoch_ns);
                // A full store of marks has no room for a cut: the next quantum asks again.
                if self.writer.position() >= cut_at && self.writer.cut() {
                    cut_at += self.cut_every;
                }
                self.downstream.wake();
            }
        }
        drop(self.writer);
        self.downstream.wake();
        let pressure = self.pressure.stats(self.clock.now_ns());
        SourceEnd { pressure, damage: self.source.damage().cloned(), error }
    }

    /// Writes one quantum when its time has come; when the flow is to end, as soon as there is room. What the source made before
    /// the wish to stop is delivered, or counted as lost where the source can't wait.
    fn offer(&mut self, quantum: &[f32], epoch_ns: u64) {
        let format = self.writer.format();
        let frames = Frames::in_samples(quantum.len(), format.channels);
        match self.pacing {
            // A device hands a quantum over when its last frame was sampled.
            Pacing::RealTime => {
                let heard = self.writer.position() + frames - StreamPosition::START;
                self.clock.sleep_until(epoch_ns + format.rate.frames_to_ns(heard), &self.stop);
            }
            // What arrives in time is passed on at once; a pipe that is filled faster is read only a little faster than time.
            Pacing::Live => {
                let due_ns = self.allowance.due_ns(self.clock.now_ns(), format.rate.frames_to_ns(frames));
                self.clock.sleep_until(due_ns, &self.stop);
            }
            // Also when it is to stop: the consumer still takes all that waits, so room will come, or the ring is closed.
            Pacing::Fast => self.parker.drive(|| {
                if self.writer.has_room(frames) || self.writer.is_closed() { Turn::Done } else { Turn::Idle }
            }),
        }
        self.live.frames_in.fetch_add(frames.0, Ordering::Relaxed);
        let now_ns = self.clock.now_ns();
        let written = self.writer.write(quantum, now_ns);
        self.pressure.observe(self.ring.occupancy().0, self.ring.capacity().0, now_ns);
        // Nobody can ask a live source to wait: what a full ring handed back is gone, and the source says so.
        let cause = match () {
            () if self.writer.is_closed() => LossCause::DeadModule,
            () if self.stop.is_asked() => LossCause::Removed,
            () => LossCause::Overflow,
        };
        self.writer.give_up(written.rejected, cause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTUM_NS: u64 = 2_666_666;

    #[test]
    fn a_source_in_time_is_never_held_up() {
        let mut allowance = Allowance::default();
        // A clock that runs 4 % fast, and one delivery of 30 quanta at once.
        for quantum in 0..100_000u64 {
            let now_ns = quantum * QUANTUM_NS * 96 / 100;
            assert!(allowance.due_ns(now_ns, QUANTUM_NS) <= now_ns, "quantum {quantum}");
        }
        let now_ns = 100_000 * QUANTUM_NS;
        for _ in 0..30 {
            assert!(allowance.due_ns(now_ns, QUANTUM_NS) <= now_ns);
        }
    }

    #[test]
    fn a_file_that_is_poured_in_is_read_a_little_faster_than_time() {
        let mut allowance = Allowance::default();
        let mut now_ns = 0;
        for _ in 0..10_000 {
            now_ns = allowance.due_ns(now_ns, QUANTUM_NS).max(now_ns);
        }
        let stream_ns = 10_000 * QUANTUM_NS - Allowance::BURST_NS;
        let speed = stream_ns as f64 / now_ns as f64;
        assert!((1.04..=1.06).contains(&speed), "{speed}");
    }
}
