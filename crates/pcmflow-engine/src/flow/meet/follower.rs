//! One stream brought to another one's clock: its own clock, what resamples it, and a queue out of which it is heard.

use super::books::Followed;
use super::control::Observed;
use super::gauge::Shared;
use crate::flow::CaptureClock;
use crate::sync::Arc;
use crate::transform::{Chain, Plan, PlanError, Shape, Transform, Wanted};
use pcmflow_core::chunk::{AudioChunk, Packet};
use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow_core::ledger::{Gap, LossCause, Losses, Timeline};
use pcmflow_core::pool::BufferRecyclingPool;
use pcmflow_core::stream::Mark;
use std::collections::VecDeque;

/// One that is later than so many times what it should be does not catch up, but begins anew.
const LATE_TIMES_MAX: i64 = 4;

/// Counts frames of a stream as they are now, whatever rate they had at its source.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counter {
    /// Frames that came, and the frames of the source that they stood for.
    frames: u64,
    span: u64,
    /// Also those that were missing.
    pub(super) passed: StreamPosition,
}

impl Counter {
    pub(super) fn chunk(&mut self, chunk: &AudioChunk) {
        self.frames = self.frames.saturating_add(chunk.frames().0);
        self.span = self.span.saturating_add(chunk.span().0);
        self.passed += chunk.frames();
    }

    /// How many frames a gap would have been.
    pub(super) fn of(&self, gap: Frames) -> Frames {
        if self.span == 0 {
            return gap;
        }
        let (frames, span) = (u128::from(self.frames), u128::from(self.span));
        Frames(u64::try_from((u128::from(gap.0) * frames + span / 2) / span).unwrap_or(u64::MAX))
    }

    pub(super) fn gap(&mut self, gap: Frames) -> Frames {
        let frames = self.of(gap);
        self.passed += frames;
        frames
    }
}

/// What waits to be heard.
#[derive(Debug)]
enum Piece {
    /// With the frames of it that were heard.
    Chunk(AudioChunk, u64),
    Gap(u64, LossCause),
}

/// What a follower is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It was not heard yet, or is no more.
    Away,
    Heard,
    /// Its queue ran empty.
    Late,
}

/// What is thrown out of the queue instead of being heard, now or when it comes.
#[derive(Debug, Clone, Copy)]
struct Discard {
    frames: u64,
    cause: LossCause,
}

#[derive(Debug)]
pub(super) struct Follower {
    plan: Plan,
    chain: Chain,
    /// How late it is to be heard, in frames.
    lag: i64,
    clock: CaptureClock,
    counter: Counter,
    queue: VecDeque<Piece>,
    /// In the queue, gaps too.
    queued: u64,
    phase: Phase,
    discard: Discard,
    /// Of the master's last chunk.
    asked: u64,
    /// Why it has nothing to add to the first frames of that.
    silent_cause: LossCause,
    books: Followed,
    /// Of streams that came to this input before.
    past: Vec<Followed>,
    gauge: Arc<Shared>,
    /// Something came of the stream that `books` are of.
    begun: bool,
    /// Tests switch it off.
    pub(super) correct: bool,
}

impl Follower {
    /// One for an input, which is heard `margin` later than resampling takes.
    pub(super) fn new(input: usize, format: StreamFormat, margin: Frames) -> Result<Self, PlanError> {
        let wanted = Wanted { adjustable: true, ..format.into() };
        let plan = Plan::between(Shape::new(format), wanted)?;
        let chain = plan.build()?;
        let lag = i64::try_from((chain.latency().frames + margin).0).unwrap_or(i64::MAX);
        let books = blank(input, &chain);
        Ok(Self {
            plan,
            chain,
            lag,
            clock: CaptureClock::new(format.rate),
            counter: Counter::default(),
            queue: VecDeque::with_capacity(64),
            queued: 0,
            phase: Phase::Away,
            discard: Discard { frames: 0, cause: LossCause::Deadline },
            asked: 0,
            silent_cause: LossCause::Removed,
            books,
            past: Vec::new(),
            begun: false,
            gauge: Arc::default(),
            correct: true,
        })
    }

    pub(super) fn gauge(&self) -> Arc<Shared> {
        self.gauge.clone()
    }

    pub(super) fn lag(&self) -> Frames {
        Frames(self.lag.unsigned_abs())
    }

    /// Its books, of all streams.
    pub(super) fn books(&self) -> impl Iterator<Item = Followed> + '_ {
        let mut now = self.books;
        now.conversion = self.chain.conversion();
        // No buffer for them: the gap that tells of it is in the queue, as silence.
        now.dropped[LossCause::Overflow] += self.chain.lost();
        now.queued = self.queue.iter().fold(Frames::ZERO, |queued, piece| match piece {
            Piece::Chunk(chunk, heard) => queued + (chunk.frames() - Frames(*heard)),
            Piece::Gap(..) => queued,
        });
        self.past.iter().copied().chain([now])
    }

    /// A stream begins at this place, unless it goes on; another may have been there before.
    fn begin(&mut self, position: StreamPosition) -> Result<(), PlanError> {
        if self.has_ended() {
            self.throw(u64::MAX, LossCause::Removed);
            let before = self.books().last();
            self.past.extend(before);
            self.chain = self.plan.build()?;
            self.clock = CaptureClock::new(self.chain.format().rate);
            (self.counter, self.books) = (Counter::default(), blank(self.books.input, &self.chain));
            (self.begun, self.phase) = (false, Phase::Away);
        }
        if !self.begun {
            self.begun = true;
            self.books.taken = Timeline::starting_at(position);
        }
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.books.taken_to.is_some()
    }

    pub(super) fn chunk(&mut self, chunk: AudioChunk, pool: &BufferRecyclingPool) -> Result<(), PlanError> {
        self.begin(chunk.position())?;
        self.counter.chunk(&chunk);
        self.clock.observe(self.counter.passed, chunk.meta().complete_ns);
        self.through(pool, |chain, pool, emit| chain.process(chunk, pool, emit));
        Ok(())
    }

    pub(super) fn gap(&mut self, gap: Gap, pool: &BufferRecyclingPool) -> Result<(), PlanError> {
        self.begin(gap.position)?;
        self.counter.gap(gap.frames);
        // How long it lasted may be a guess.
        self.clock.interrupt();
        self.through(pool, |chain, pool, emit| chain.gap(gap, pool, emit));
        Ok(())
    }

    /// The stream is over, at this place.
    pub(super) fn ended(&mut self, at: StreamPosition, pool: &BufferRecyclingPool) {
        self.through(pool, |chain, pool, emit| chain.finish(pool, emit));
        self.books.taken_to = Some(at);
    }

    /// The master is over: nothing will be heard any more.
    pub(super) fn close(&mut self) {
        self.discard = Discard { frames: u64::MAX, cause: LossCause::Removed };
        self.throw_out();
    }

    /// Nothing will come any more.
    pub(super) fn finish(&mut self, pool: &BufferRecyclingPool) {
        self.through(pool, |chain, pool, emit| chain.finish(pool, emit));
        self.close();
    }

    /// Puts what the chain gives into the queue.
    fn through(
        &mut self,
        pool: &BufferRecyclingPool,
        work: impl FnOnce(&mut Chain, &BufferRecyclingPool, &mut dyn FnMut(Packet)),
    ) {
        let Self { chain, counter, queue, queued, books, .. } = self;
        work(chain, pool, &mut |packet| match packet {
            Packet::Chunk(chunk) => {
                books.taken.deliver(chunk.position(), chunk.span());
                *queued += chunk.frames().0;
                queue.push_back(Piece::Chunk(chunk, 0));
            }
            Packet::Mark(Mark::Gap(gap)) => {
                books.taken.lose(gap);
                let frames = counter.of(gap.frames).0;
                *queued += frames;
                queue.push_back(Piece::Gap(frames, gap.cause));
            }
            _ => {}
        });
        self.throw_out();
    }

    fn throw_out(&mut self) {
        let Discard { frames, cause } = self.discard;
        if frames > 0 {
            let thrown = self.throw(frames, cause);
            if frames < u64::MAX {
                self.discard.frames -= thrown;
            }
        }
    }

    /// Throws so many frames out of the queue, or all; returns how many.
    fn throw(&mut self, frames: u64, cause: LossCause) -> u64 {
        let mut dropped = Frames::ZERO;
        let thrown = self.pass(frames, |_, frames, there| {
            if there.is_ok() {
                dropped += Frames(frames);
            }
        });
        self.books.dropped[cause] += dropped;
        thrown
    }

    /// Takes so many frames out of the queue, or all: `what` is given the place, the number, and the samples of each piece, or why
    /// there are none. Returns how many there were.
    fn pass(&mut self, frames: u64, mut what: impl FnMut(u64, u64, Result<&[f32], LossCause>)) -> u64 {
        let mut at = 0;
        while at < frames
            && let Some(piece) = self.queue.front_mut()
        {
            let rest = match piece {
                Piece::Chunk(chunk, heard) => {
                    let passed = (chunk.frames().0 - *heard).min(frames - at);
                    let channels = chunk.channels();
                    let from = Frames(*heard).samples(channels);
                    let samples = chunk.samples().get(from..from + Frames(passed).samples(channels));
                    what(at, passed, Ok(samples.unwrap_or_default()));
                    *heard += passed;
                    at += passed;
                    chunk.frames().0 - *heard
                }
                Piece::Gap(left, cause) => {
                    let passed = (*left).min(frames - at);
                    what(at, passed, Err(*cause));
                    *left -= passed;
                    at += passed;
                    *left
                }
            };
            if rest == 0 {
                self.queue.pop_front();
            }
        }
        self.queued -= at;
        at
    }

    /// Whether more should come now. It is not asked for while the queue is long: what then happens is the pipeline's to say.
    pub(super) fn wants(&self) -> bool {
        let waiting = self.queued.saturating_add(self.chain.conversion().held.0);
        let most = self.lag().0.saturating_mul(2).saturating_add(self.asked);
        waiting < most.saturating_add(self.discard.frames)
    }

    /// How late it would be heard now: what arrived by `now_ns` and was not heard.
    fn lag_at(&self, now_ns: u64) -> i64 {
        let clamped = |frames: i128| frames.clamp(-(1 << 62), 1 << 62) as i64;
        // What is on its way, or arrived since, by its own clock.
        let coming = self
            .clock
            .position(now_ns)
            .map_or(0, |position| clamped(i128::from(position.0) - i128::from(self.counter.passed.0)));
        let inside = i128::from(self.queued) + i128::from(self.chain.conversion().held.0);
        coming + clamped(inside - i128::from(self.discard.frames))
    }

    /// Prepares for `frames` of the master, the last of which arrived at `now_ns`: returns to how many of them, from the first,
    /// there will be nothing to add.
    pub(super) fn prepare(&mut self, frames: u64, master_ppb: Option<i32>, now_ns: u64) -> u64 {
        self.asked = frames;
        self.silent_cause = self.absence();
        let asked = i64::try_from(frames).unwrap_or(i64::MAX >> 2);
        let before = self.lag_at(now_ns);
        // When these are heard.
        let late = before.saturating_sub(asked).saturating_sub(self.lag);
        let heard = self.phase == Phase::Heard;
        let follower_ppb = self.clock.drift_ppb().filter(|_| self.correct);
        let (late_frames, rate) = (if heard { late } else { 0 }, self.chain.format().rate);
        let drift = Observed { master_ppb, follower_ppb, late_frames, rate }.drift_ppb();
        if let Some(ppb) = drift.and_then(|ppb| self.chain.set_drift_ppb(ppb)) {
            self.gauge.set_drift_ppb(ppb);
        }
        self.gauge.set_lag(heard.then(|| before.saturating_sub(asked)));
        if heard || self.has_ended() {
            if late > self.lag.saturating_mul(LATE_TIMES_MAX) && !self.has_ended() {
                self.discard(late);
            }
            if self.queued > 0 {
                self.phase = Phase::Heard;
            }
            return if self.phase == Phase::Heard { 0 } else { frames };
        }
        let due = late.saturating_add(asked);
        if due <= 0 {
            return frames;
        }
        let play = due.min(asked);
        self.discard(due - play);
        let play = play.unsigned_abs();
        if self.queued < play || self.discard.frames > 0 {
            return frames;
        }
        self.phase = Phase::Heard;
        frames - play
    }

    /// Throws out so many more frames: they come too late.
    fn discard(&mut self, frames: i64) {
        if self.discard.frames < u64::MAX {
            self.discard.frames = self.discard.frames.saturating_add(frames.unsigned_abs());
            self.throw_out();
        }
    }

    /// Why there is nothing to add.
    fn absence(&self) -> LossCause {
        match self.phase {
            Phase::Away => LossCause::Removed,
            Phase::Heard | Phase::Late => LossCause::Deadline,
        }
    }

    /// Gives what is to be added to `frames` of the master behind the first `silent` of them, by place.
    pub(super) fn play(&mut self, frames: u64, silent: u64, mut give: impl FnMut(u64, &[f32])) {
        let (mut heard, mut silence) = (Frames::ZERO, Losses::default());
        silence[self.silent_cause] += Frames(silent);
        let wanted = frames.saturating_sub(silent);
        let there = self.pass(wanted, |at, frames, there| match there {
            Ok(samples) => {
                give(silent + at, samples);
                heard += Frames(frames);
            }
            Err(cause) => silence[cause] += Frames(frames),
        });
        self.short(wanted, there);
        silence[self.absence()] += Frames(wanted - there);
        self.books.asked += Frames(frames);
        self.books.heard += heard;
        self.books.silence = self.books.silence + silence;
    }

    /// The master has nothing for so many frames: time passes all the same.
    pub(super) fn skip(&mut self, frames: u64, cause: LossCause) {
        if self.phase == Phase::Heard {
            let there = self.throw(frames, cause);
            self.short(frames, there);
        }
    }

    fn short(&mut self, wanted: u64, there: u64) {
        if there < wanted {
            self.phase = if self.has_ended() { Phase::Away } else { Phase::Late };
        }
    }
}

/// Books with nothing in them.
fn blank(input: usize, chain: &Chain) -> Followed {
    Followed {
        input,
        taken: Timeline::default(),
        taken_to: None,
        conversion: chain.conversion(),
        heard: Frames::ZERO,
        queued: Frames::ZERO,
        dropped: Losses::default(),
        silence: Losses::default(),
        asked: Frames::ZERO,
    }
}
