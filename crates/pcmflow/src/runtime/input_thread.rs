//! The thread that plays the part of the audio callback: reads the source, keeps its time, writes the ring.

use super::allowance::Allowance;
use super::clock::{Clock, Stop};
use super::config::{InputError, Pacing};
use super::park::Parker;
use super::read_state::ReadState;
use crate::core::block::BufferConstants;
use crate::core::format::{Frames, StreamPosition};
use crate::core::ledger::LossCause;
use crate::core::pressure::{BackpressureDetector, PressureStats};
use crate::core::stream::{StreamGauge, StreamWriter};
use crate::engine::flow::{StreamCaller, StreamFeed};
use crate::io::{Damage, Source};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an input's threads share with their owner.
#[derive(Debug)]
pub(super) struct Shared {
    /// Frames that the source made, by its own count.
    pub(super) frames_in: AtomicU64,
    /// Where a source that may wait does so for room.
    pub(super) parker: Parker,
    /// None when no other stream will follow.
    feed: Mutex<Option<StreamFeed>>,
    pub(super) caller: StreamCaller,
    /// Locked by the thread when there is news, and by who looks.
    told: Mutex<Told>,
}

/// What an input's threads tell.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) pressure: PressureStats,
    pub(super) damage: Option<Damage>,
    pub(super) error: Option<Arc<InputError>>,
}

impl Shared {
    pub(super) fn new(feed: StreamFeed, parker: Parker) -> Self {
        let caller = feed.caller();
        let (frames_in, told) = (AtomicU64::new(0), Mutex::default());
        Self { frames_in, parker, feed: Mutex::new(Some(feed)), caller, told }
    }

    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn feed(&self) -> MutexGuard<'_, Option<StreamFeed>> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How one stream is to end, and whether it may be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    pub(super) stop: Stop,
    pub(super) read: Arc<ReadState>,
}

/// One stream of an input, on its thread.
pub(super) struct Streaming {
    pub(super) source: Box<dyn Source>,
    pub(super) writer: StreamWriter,
    pub(super) ring: StreamGauge,
    pub(super) pacing: Pacing,
    pub(super) clock: Clock,
    pub(super) run: Run,
    pub(super) shared: Arc<Shared>,
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It was asked to, or nobody reads the ring any more.
    Stopped,
    /// Given up in a read: the owner said so to the flow.
    Abandoned,
    /// The source is at its end, or broke.
    Over,
}

impl Streaming {
    /// Carries the stream to its end; returns the source, unless that panicked.
    pub(super) fn run(self) -> Option<Box<dyn Source>> {
        let Self { mut source, mut writer, ring, pacing, clock, run, shared } = self;
        let mut pace = Pace {
            pacing,
            clock,
            run: run.clone(),
            shared: shared.clone(),
            ring,
            epoch_ns: clock.now_ns(),
            allowance: Allowance::default(),
            pressure: BackpressureDetector::default(),
        };
        let streamed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            stream(&mut *source, &mut writer, &run, &mut pace)
        }));
        let (end, error, source) = match streamed {
            Ok(Ok(end)) => (end, None, Some(source)),
            Ok(Err(error)) => (End::Over, Some(error), Some(source)),
            Err(panic) => (End::Over, Some(InputError::Panicked { message: message(panic) }), None),
        };
        let mut told = shared.told();
        told.pressure = pace.pressure.stats(clock.now_ns());
        told.damage = source.as_ref().and_then(|source| source.damage().cloned());
        told.error = error.map(Arc::new);
        drop(told);
        drop(writer);
        if end == End::Over {
            // Behind the writer: what the flow then sees is the end.
            *shared.feed() = None;
        }
        if end != End::Abandoned {
            shared.caller.wake();
        }
        source
    }
}

/// What a panic says.
fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(no message)").to_owned()
}

fn stream(
    source: &mut dyn Source,
    writer: &mut StreamWriter,
    run: &Run,
    pace: &mut Pace,
) -> Result<End, InputError> {
    let channels = writer.format().channels;
    let quantum = BufferConstants::QUANTUM;
    let mut samples = vec![0.0; Frames(quantum.0 * 8).samples(channels)];
    // Cut marks come every quarter of a second.
    let cut_every = Frames(u64::from(writer.format().rate.hz()) / 4);
    let mut cut_at = StreamPosition::START + cut_every;
    while !run.stop.is_asked() && !writer.is_closed() && run.read.step(ReadState::FREE, ReadState::READING) {
        let read = source.read(&mut samples);
        if !run.read.step(ReadState::READING, ReadState::FREE) {
            // Given up while we read: what came is not part of the flow any more.
            return Ok(End::Abandoned);
        }
        let frames = read?;
        if frames == Frames::ZERO {
            return Ok(End::Over);
        }
        let arrived = samples.get(..frames.samples(channels)).unwrap_or_default();
        for quantum in arrived.chunks(quantum.samples(channels)) {
            pace.offer(writer, quantum);
            // A full store of marks has no room for a cut: the next quantum asks again.
            if writer.position() >= cut_at && writer.cut() {
                cut_at += cut_every;
            }
            pace.shared.caller.wake();
        }
    }
    Ok(End::Stopped)
}

/// Writes each quantum when its time has come.
struct Pace {
    pacing: Pacing,
    clock: Clock,
    run: Run,
    shared: Arc<Shared>,
    /// What the ring holds.
    ring: StreamGauge,
    /// When the stream began.
    epoch_ns: u64,
    /// How far a live source may run ahead of time.
    allowance: Allowance,
    /// Watches how full the ring is.
    pressure: BackpressureDetector,
}

impl Pace {
    /// Writes one quantum when its time has come; when the stream is to end, as soon as there is room. What the source made before
    /// the wish to stop is delivered, or counted as lost where the source can't wait.
    fn offer(&mut self, writer: &mut StreamWriter, quantum: &[f32]) {
        let format = writer.format();
        let frames = Frames::in_samples(quantum.len(), format.channels);
        match self.pacing {
            // A device hands a quantum over when its last frame was sampled.
            Pacing::RealTime => {
                let heard = writer.position() + frames - StreamPosition::START;
                self.clock.sleep_until(self.epoch_ns + format.rate.frames_to_ns(heard), &self.run.stop);
            }
            // What arrives in time is passed on at once; a pipe that is filled faster is read only a little faster than time.
            Pacing::Live => {
                let due_ns = self.allowance.due_ns(self.clock.now_ns(), format.rate.frames_to_ns(frames));
                self.clock.sleep_until(due_ns, &self.run.stop);
            }
            // Also when it is to stop: the flow still takes all that waits, so room will come, or the ring is closed.
            Pacing::Fast => self.shared.parker.wait(|| writer.has_room(frames) || writer.is_closed()),
        }
        self.shared.frames_in.fetch_add(frames.0, Ordering::Relaxed);
        let now_ns = self.clock.now_ns();
        let written = writer.write(quantum, now_ns);
        if self.pressure.observe(self.ring.occupancy().0, self.ring.capacity().0, now_ns).is_some() {
            self.shared.told().pressure = self.pressure.stats(now_ns);
        }
        // Nobody can ask a live source to wait: what a full ring handed back is gone, and the source says so.
        let cause = match () {
            () if writer.is_closed() => LossCause::DeadModule,
            () if self.run.stop.is_asked() => LossCause::Removed,
            () => LossCause::Overflow,
        };
        writer.give_up(written.rejected, cause);
    }
}
