//! The receiving end of a link, with what makes of its chunks the format that the node wants.

use super::adapter::Adapter;
use super::inlet_news::InletNews;
use super::{LinkCell, TOO_LATE, UNBEGUN};
use crate::metrics::Meter;
use crate::sync::{Arc, Ordering};
use crate::task::Cx;
use pcmflow_core::chunk::{ChunkConsumer, LinkGauge, Packet};
use pcmflow_core::format::{Frames, StreamPosition};
use pcmflow_core::ledger::{CutMark, EdgeSnapshot, Gap, LossCause, Timeline};
use pcmflow_core::pool::BufferRecyclingPool;
use pcmflow_core::ring::Consumer;
use pcmflow_core::stream::Mark;
use std::collections::VecDeque;
use std::sync::PoisonError;

/// The receiving end of a ring, and what looks at it.
pub(in crate::flow) type Ring = (ChunkConsumer, LinkGauge);

/// What a look at a link came to.
#[derive(Debug)]
pub(in crate::flow) enum Taken {
    /// Something was taken, and may have made [packets](Inlet::next).
    Moved,
    /// The writer's books came; so many frames are unaccounted for before this place.
    Cut(StreamPosition, Frames),
    /// There is nothing now.
    Nothing,
    /// The other end went, and everything was taken.
    End,
}

/// Takes what comes through a link.
#[derive(Debug)]
pub(in crate::flow) struct Inlet {
    link: ChunkConsumer,
    gauge: LinkGauge,
    successors: Consumer<Ring>,
    /// The books of the rings before this one.
    past: EdgeSnapshot,
    pub(in crate::flow) adapter: Adapter,
    /// In the format that is wanted.
    ready: VecDeque<Packet>,
    /// Gaps that were heard of and that the node may not have passed yet, oldest first: should it fail, each keeps its cause.
    unpassed: VecDeque<Gap>,
    taken: Timeline,
    /// Where the last cut stood.
    pub(in crate::flow) cut: Option<StreamPosition>,
    begun: bool,
    ended: bool,
    latency_ns_max: u64,
    /// It has a clock, and so a timeline, of its own.
    pub(in crate::flow) own_clock: bool,
    news: InletNews,
    /// The other end was told that it may go on though the link is full.
    ahead: bool,
    /// Something was taken since the other end was notified.
    moved: bool,
    pub(in crate::flow) cell: Arc<LinkCell>,
    /// Dropped behind the link.
    _farewell: Farewell,
}

/// Wakes the other end when nobody takes anything any more: what it waits for will not come.
#[derive(Debug)]
struct Farewell(Arc<LinkCell>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.sender.notify();
    }
}

impl Inlet {
    pub(in crate::flow) fn new(
        (link, gauge): Ring,
        successors: Consumer<Ring>,
        latency_ns_max: u64,
        cell: Arc<LinkCell>,
    ) -> Self {
        Self {
            link,
            gauge,
            successors,
            past: EdgeSnapshot::default(),
            adapter: Adapter::default(),
            ready: VecDeque::with_capacity(8),
            unpassed: VecDeque::with_capacity(8),
            taken: Timeline::default(),
            cut: None,
            begun: false,
            ended: false,
            latency_ns_max,
            own_clock: false,
            news: InletNews::new(cell.names.pipeline),
            ahead: false,
            moved: false,
            _farewell: Farewell(cell.clone()),
            cell,
        }
    }

    /// The next packet in the format that is wanted.
    pub(in crate::flow) fn next(&mut self) -> Option<Packet> {
        self.ready.pop_front()
    }

    /// The node has passed everything before this.
    pub(in crate::flow) fn passed(&mut self, position: StreamPosition) {
        while self.unpassed.front().is_some_and(|gap| gap.end() <= position) {
            self.unpassed.pop_front();
        }
    }

    /// Gaps that the node, which is gone, has not passed.
    pub(in crate::flow) fn unpassed(&mut self) -> VecDeque<Gap> {
        std::mem::take(&mut self.unpassed)
    }

    /// The first frame that was not heard of; none before the other end was attached.
    pub(in crate::flow) fn position(&mut self) -> Option<StreamPosition> {
        self.begin().then(|| self.taken.position())
    }

    fn begin(&mut self) -> bool {
        if !self.begun {
            // Acquire: pairs with the outlet's release.
            let start = self.cell.start.load(Ordering::Acquire);
            if start < TOO_LATE {
                self.begun = true;
                self.taken = Timeline::starting_at(StreamPosition(start));
            }
        }
        self.begun
    }

    /// Takes one packet from the link.
    pub(in crate::flow) fn take(
        &mut self,
        pool: &BufferRecyclingPool,
        now_ns: u64,
        cx: &mut Cx<'_>,
    ) -> Taken {
        loop {
            let closed = self.link.is_closed();
            // The place is there before anything is sent.
            self.begin();
            let Some(packet) = self.link.pop() else {
                if !closed {
                    return Taken::Nothing;
                }
                if self.follow() {
                    continue;
                }
                if !self.ended {
                    self.ended = true;
                    for held in self.unsent() {
                        if held.cause == LossCause::Removed {
                            self.news.unsent(held, cx);
                        }
                        self.gap(held, pool);
                    }
                    self.news.ended(&self.taken, now_ns, cx);
                    let ready = &mut self.ready;
                    self.adapter.finish(pool, &mut |packet| ready.push_back(packet));
                }
                return Taken::End;
            };
            self.moved = true;
            if std::mem::take(&mut self.ahead) {
                self.cell.ahead.store(false, Ordering::Relaxed);
            }
            match packet {
                Packet::Chunk(chunk) => {
                    self.taken.deliver(chunk.position(), chunk.span());
                    let age_ns = now_ns.saturating_sub(chunk.timestamp_ns());
                    let late_ns = match self.latency_ns_max {
                        0 => 0,
                        limit_ns => age_ns.saturating_sub(limit_ns),
                    };
                    if late_ns > 0 {
                        // Only this end stores it.
                        let missed = self.cell.missed.load(Ordering::Relaxed);
                        self.cell.missed.store(missed + 1, Ordering::Relaxed);
                    }
                    self.news.expect(age_ns);
                    let (meta, span, frames) = (*chunk.meta(), chunk.span(), chunk.frames());
                    let ready = &mut self.ready;
                    self.adapter.process(chunk, pool, &mut |packet| ready.push_back(packet));
                    // Behind the work, during which what the meter touches comes from memory.
                    self.news.taken(&meta, (span, frames), now_ns, late_ns, cx);
                }
                Packet::Mark(Mark::Gap(gap)) => self.gap(gap, pool),
                Packet::Mark(Mark::Cut(cut)) => return self.settle(cut),
                // What links may carry one day.
                _ => {}
            }
            return Taken::Moved;
        }
    }

    fn gap(&mut self, gap: Gap, pool: &BufferRecyclingPool) {
        self.taken.lose(gap);
        match self.unpassed.back_mut() {
            // Positions of its own clock say nothing of what the node has passed.
            _ if self.own_clock => {}
            Some(last) if last.end() == gap.position && last.cause == gap.cause => last.frames += gap.frames,
            _ => self.unpassed.push_back(gap),
        }
        let ready = &mut self.ready;
        self.adapter.gap(gap, pool, &mut |packet| ready.push_back(packet));
        let lost = self.past.lost + self.past.evicted + self.gauge.lost() + self.gauge.evicted();
        self.news.lost(gap, lost.total());
    }

    /// What the other end, which is gone, could not send any more.
    fn unsent(&self) -> Vec<Gap> {
        std::mem::take(&mut *self.cell.unsent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn settle(&mut self, mut cut: CutMark) -> Taken {
        // The sending end knows nothing of what the rings before this one evicted.
        for (cause, frames) in self.past.evicted.iter() {
            cut = cut.after_eviction(frames, cause);
        }
        self.cut = Some(cut.position);
        Taken::Cut(cut.position, self.taken.settle(&cut).unaccounted)
    }

    /// Goes on with the next ring, if the other end did.
    fn follow(&mut self) -> bool {
        let Some(next) = self.successors.pop() else { return false };
        self.past = self.edge();
        (self.link, self.gauge) = next;
        let mut rings = self.cell.rings();
        rings.past = self.past;
        rings.gauges.pop_front();
        true
    }

    /// The books of all rings so far.
    fn edge(&mut self) -> EdgeSnapshot {
        self.past + self.link.snapshot()
    }

    /// Throws out what is there, under `cause`; returns whether the other end went and nothing will come any more.
    pub(in crate::flow) fn drain(&mut self, cause: LossCause, mut on_gap: impl FnMut(Gap)) -> bool {
        self.ready.clear();
        self.news.rest();
        loop {
            let closed = self.link.is_closed();
            self.begin();
            let (taken, moved) = (&mut self.taken, &mut self.moved);
            self.link.clear(cause, |gap| {
                *moved = true;
                taken.lose(gap);
                on_gap(gap);
            });
            if !closed {
                return false;
            }
            if !self.follow() {
                self.ended = true;
                for held in self.unsent() {
                    self.taken.lose(held);
                    on_gap(held);
                }
                return true;
            }
        }
    }

    /// Counts from now on by this.
    pub(in crate::flow) fn measure(&mut self, meter: Meter) {
        self.news.meter = Some(meter);
    }

    /// A poll begins: so many chunks wait.
    pub(in crate::flow) fn look(&mut self) {
        if let Some(meter) = &mut self.news.meter {
            meter.depth(self.gauge.occupancy() as u64);
        }
    }

    /// Another input is behind this one and has nothing: where this link is full, the other end may go on all the same, a while.
    pub(in crate::flow) fn let_ahead(&mut self, ahead: bool) {
        if ahead && !self.ahead && self.gauge.occupancy() >= self.gauge.capacity() {
            self.ahead = true;
            // Relaxed: the wake-up carries it.
            self.cell.ahead.store(true, Ordering::Relaxed);
            self.cell.sender.notify();
        }
    }

    /// The task is about to wait, and looks once more after this: whoever sends something wakes it.
    pub(in crate::flow) fn arm(&self) {
        self.cell.receiver.arm();
    }

    /// Wakes the other end if it waits for room, and publishes what was taken; where this end `comes_again` only once half of the
    /// link is free.
    pub(in crate::flow) fn notify(&mut self, comes_again: bool) {
        if comes_again && 2 * self.gauge.occupancy() > self.gauge.capacity() {
            return;
        }
        if std::mem::take(&mut self.moved) {
            self.cell.taken.publish(&self.taken);
            self.cell.sender.notify();
        }
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.adapter.close();
        // One of both ends is first: either this one learns where the link begins, or it never does. Acquire: as in `begin`.
        let _ = self.cell.start.compare_exchange(UNBEGUN, TOO_LATE, Ordering::Acquire, Ordering::Acquire);
        self.begin();
        let cell = self.cell.clone();
        let mut books = cell.books.lock().unwrap_or_else(PoisonError::into_inner);
        // It goes before its stream is over: what is there yet is lost with it.
        if !self.ended {
            self.drain(LossCause::Removed, |_| {});
        }
        cell.taken.publish(&self.taken);
        if self.ended {
            self.taken.end();
        }
        books.taken = Some(self.taken);
        books.edge = Some(self.edge());
        books.conversions.append(&mut self.adapter.conversions);
    }
}
