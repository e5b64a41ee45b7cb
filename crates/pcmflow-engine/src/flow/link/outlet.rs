//! The sending end of a link, with what is done when the link is full.

use super::inlet::Ring;
use super::losing::Losing;
use super::{FOREVER, LinkCell, LinkConfig, LinkError, UNBEGUN, ring};
use crate::flow::edit::OutletChange;
use crate::pressure::{
    BackpressureController, Change, Decision, Edge, Observation, Producer as Kind, Strategy,
};
use crate::sync::{Arc, Ordering};
use pcmflow_core::chunk::{AudioChunk, ChunkProducer, LinkGauge, Packet};
use pcmflow_core::format::{Frames, StreamPosition};
use pcmflow_core::ledger::{CutMark, Gap, LossCause, Timeline};
use pcmflow_core::ring::{Producer, RingError};
use pcmflow_core::stream::Mark;
use std::collections::VecDeque;
use std::sync::PoisonError;

/// For so long pops are counted before they make a rate.
const RATE_WINDOW_NS: u64 = 10_000_000;

/// So much of the stream may wait before a link that is full, where another input of a join is behind it and has nothing. What
/// declared delays need beyond that is [refused](crate::flow::GraphError::Ahead).
pub(in crate::flow) const AHEAD_NS_MAX: u64 = 1_000_000_000;

/// So many packets at the most have their place in the queue before a link from the start: what one input makes, and what a link of
/// usual length buffers. Longer queues grow when they are needed.
const QUEUE_MAX: usize = 256;

/// A queue before a link of so many packets.
pub(in crate::flow) fn queue(packets: usize) -> Result<VecDeque<Packet>, LinkError> {
    let wanted = packets.saturating_mul(4).min(QUEUE_MAX);
    let mut queue = VecDeque::new();
    let memory = |_| RingError::OutOfMemory { bytes: wanted * size_of::<Packet>() };
    queue.try_reserve_exact(wanted).map_err(memory)?;
    Ok(queue)
}

/// Whether a link holds up its node, as another input of a join is behind it by more than may wait.
pub(in crate::flow) enum Stall {
    Began,
    Ended { lasted_ns: u64 },
}

/// Sends what a node gives. Whatever is sent is taken: into the link, into a queue before it (what one input made can be more
/// than there is room for), or given up. Whether the node should be given more input is asked before.
#[derive(Debug)]
pub(in crate::flow) struct Outlet {
    config: LinkConfig,
    /// None when the other end went.
    link: Option<ChunkProducer>,
    gauge: LinkGauge,
    evicting: bool,
    /// What waits for room; where the strategy drops, only gaps that are not told yet.
    queue: VecDeque<Packet>,
    /// What was sent or given up, in frames of the source.
    sent: Timeline,
    successors: Producer<Ring>,
    controller: BackpressureController,
    decision: Decision,
    /// How often the link was popped when the window began, and when that was.
    window: (u64, u64),
    consumer_per_s: u64,
    /// How long the last chunk lasts, and for how many frames of the source it stands.
    chunk_ns: u64,
    chunk_frames: u64,
    paused_until_ns: u64,
    /// Since when it holds up its node though it must not for long; until there is no back-pressure any more.
    held_since_ns: Option<u64>,
    /// That was long enough: what the node makes of its next input is given up where it finds no room.
    gives_up: bool,
    /// Shut: what comes is given up on purpose.
    shut: bool,
    /// It was full, with as much waiting as may, since that was looked at last.
    held_up: bool,
    /// Since when that is so.
    stalled_since_ns: Option<u64>,
    losing: Losing,
    /// Something was sent since the other end was notified.
    moved: bool,
    pub(in crate::flow) cell: Arc<LinkCell>,
}

impl Outlet {
    pub(in crate::flow) fn new(
        config: LinkConfig,
        link: ChunkProducer,
        gauge: LinkGauge,
        evicting: bool,
        successors: Producer<Ring>,
        controller: BackpressureController,
        cell: Arc<LinkCell>,
    ) -> Result<Self, LinkError> {
        let capacity = gauge.capacity() as u64;
        let strategy = config.strategy.first();
        Ok(Self {
            config,
            link: Some(link),
            gauge,
            evicting,
            // What one input makes, and what is buffered, mostly fits: then nothing is allocated while the flow runs.
            queue: queue(config.packets)?,
            sent: Timeline::default(),
            successors,
            controller,
            decision: Decision { strategy, throttle_ns: 0, buffer_limit: capacity },
            window: (0, 0),
            consumer_per_s: 0,
            chunk_ns: 0,
            chunk_frames: 0,
            paused_until_ns: 0,
            held_since_ns: None,
            gives_up: false,
            shut: false,
            held_up: false,
            stalled_since_ns: None,
            losing: Losing::default(),
            moved: false,
            cell,
        })
    }

    /// Begins at this place of the timeline; before anything is sent.
    pub(in crate::flow) fn begin(&mut self, position: StreamPosition) {
        // Release: who sees the place sees nothing sent before it. Relaxed: nothing is read on the strength of it.
        let start = &self.cell.start;
        if start.compare_exchange(UNBEGUN, position.0, Ordering::Release, Ordering::Relaxed).is_err() {
            // The other end went, and says in its books that it never began.
            self.link = None;
            return;
        }
        self.sent = Timeline::starting_at(position);
        self.losing.replace(position);
        // A join waits to know it, and may hold up those who would send something.
        self.moved = true;
    }

    /// Whether the other end is there.
    pub(in crate::flow) fn is_open(&mut self) -> bool {
        // Who went just before it would have come to this ring never closed it: the ring is where that end would have looked for it.
        if self.successors.is_closed() || self.link.as_ref().is_some_and(ChunkProducer::is_closed) {
            self.link = None;
        }
        self.link.is_some()
    }

    /// Whether everything that was sent is in the link.
    pub(in crate::flow) fn is_flushed(&self) -> bool {
        self.queue.is_empty() || self.link.is_none()
    }

    /// Whether what is done about a full link depends on how long it is full.
    pub(in crate::flow) fn is_adaptive(&self) -> bool {
        self.config.strategy == Strategy::Adaptive
    }

    /// How long it may hold up its node, if not [`FOREVER`].
    fn patience_ns(&self) -> Option<u64> {
        // Relaxed: nothing is read on the strength of it.
        Some(self.cell.patience_ns.load(Ordering::Relaxed)).filter(|patience_ns| *patience_ns != FOREVER)
    }

    /// Whether what can't be sent is given up.
    fn drops(&self) -> bool {
        let gives_up = self.shut || self.gives_up;
        gives_up || matches!(self.decision.strategy, Strategy::DropOldest | Strategy::DropNewest)
    }

    /// Whether the node may be given more to do, as far as this link is concerned; otherwise until when to wait, which is 0 for
    /// until there is room.
    pub(in crate::flow) fn is_ready(&mut self, now_ns: u64) -> Result<(), u64> {
        // Relaxed: the wake-up carried it.
        let ahead = self.cell.ahead.load(Ordering::Relaxed);
        self.gives_up = false;
        if ahead && self.waits_ns() < AHEAD_NS_MAX {
            self.held_since_ns = None;
            return Ok(());
        }
        let patience_ns = self.patience_ns();
        let Some(link) = &mut self.link else { return Ok(()) };
        let ready = match self.decision.strategy {
            _ if self.shut => true,
            Strategy::DropOldest | Strategy::DropNewest => true,
            Strategy::Throttle if now_ns < self.paused_until_ns && patience_ns.is_none() => {
                return Err(self.paused_until_ns);
            }
            Strategy::Throttle | Strategy::Block => self.queue.is_empty() && link.has_room(),
            Strategy::Buffer | Strategy::Adaptive => {
                let beyond = self.decision.buffer_limit.saturating_sub(self.gauge.capacity() as u64);
                (self.queue.is_empty() && link.has_room()) || (self.queue.len() as u64) < beyond
            }
        };
        if ready {
            return Ok(());
        }
        if let Some(patience_ns) = patience_ns {
            let since_ns = *self.held_since_ns.get_or_insert(now_ns);
            self.gives_up = self.was_held(now_ns);
            return if self.gives_up { Ok(()) } else { Err(since_ns.saturating_add(patience_ns)) };
        }
        self.held_up |= ahead;
        Err(0)
    }

    /// Whether it held up its node for as long as it may.
    fn was_held(&self, now_ns: u64) -> bool {
        let (since_ns, patience_ns) = (self.held_since_ns, self.patience_ns());
        since_ns
            .zip(patience_ns)
            .is_some_and(|(since_ns, patience_ns)| now_ns.saturating_sub(since_ns) >= patience_ns)
    }

    /// Where what waits for room begins.
    fn waits_from(&self) -> StreamPosition {
        self.queue.front().map_or(self.sent.position(), |packet| match packet {
            Packet::Chunk(chunk) => chunk.position(),
            Packet::Mark(mark) => mark.position(),
            _ => StreamPosition::START,
        })
    }

    /// How much of the stream waits for room.
    fn waits_ns(&self) -> u64 {
        let frames = self.sent.position() - self.waits_from();
        let waits_ns = u128::from(frames.0) * u128::from(self.chunk_ns);
        waits_ns.checked_div(self.chunk_frames.into()).map_or(0, |ns| ns as u64)
    }

    /// Looks, once a poll, whether so much waits that the other end's being ahead helps no more; returns what changed.
    pub(in crate::flow) fn stall(&mut self, now_ns: u64) -> Option<Stall> {
        let held_up = std::mem::take(&mut self.held_up);
        match self.stalled_since_ns {
            None if held_up => {
                self.stalled_since_ns = Some(now_ns);
                self.cell.stalled.store(true, Ordering::Relaxed);
                Some(Stall::Began)
            }
            // Not at once: a way that holds back just as much as may wait would be told of with each chunk.
            Some(since_ns) if self.waits_ns() < AHEAD_NS_MAX / 2 => {
                self.stalled_since_ns = None;
                self.cell.stalled.store(false, Ordering::Relaxed);
                Some(Stall::Ended { lasted_ns: now_ns.saturating_sub(since_ns) })
            }
            _ => None,
        }
    }

    /// Sends what waits, as far as there is room. At the `end` the last gap needs no room for a chunk behind it.
    pub(in crate::flow) fn flush(&mut self, end: bool) {
        let drops = self.drops();
        while let Some(packet) = self.queue.front() {
            let Some(link) = &mut self.link else { return };
            // A gap that is told before there is room for a chunk behind it would take that chunk's place, for ever.
            let grows = matches!(packet, Packet::Mark(Mark::Gap(_))) && self.queue.len() == 1 && !end;
            let places = if grows && drops && !self.evicting { 2 } else { 1 };
            let evicts = self.evicting && matches!(packet, Packet::Chunk(_));
            if !evicts && !link.has_room_for(places) {
                return;
            }
            if let Some(packet) = self.queue.pop_front() {
                self.put(packet);
            }
        }
    }

    /// Puts a packet for which there is room into the link.
    fn put(&mut self, packet: Packet) {
        let Some(link) = &mut self.link else { return };
        self.moved = true;
        // Refused only where the other end went: its books are closed, and nobody asks for these frames any more.
        match packet {
            Packet::Chunk(chunk) => drop(link.push(chunk)),
            Packet::Mark(mark) => drop(link.mark(mark)),
            // What links may carry one day.
            _ => {}
        }
    }

    /// Sends a chunk.
    pub(in crate::flow) fn chunk(&mut self, chunk: AudioChunk) {
        if self.link.is_none() {
            return;
        }
        self.flush(false);
        (self.chunk_ns, self.chunk_frames) = (chunk.duration_ns(), chunk.span().0);
        let room = !self.shut
            && self.queue.is_empty()
            && (self.evicting || self.link.as_mut().is_some_and(ChunkProducer::has_room));
        if !room && self.drops() {
            let cause = if self.shut { LossCause::Shed } else { LossCause::Overflow };
            let gap = Gap { position: chunk.position(), frames: chunk.span(), cause };
            if let Some(link) = &mut self.link {
                link.give_up(gap.frames, gap.cause);
            }
            self.losing.give_up(gap);
            return self.lose(gap);
        }
        self.sent.deliver(chunk.position(), chunk.span());
        if room {
            self.put(Packet::Chunk(chunk));
        } else {
            self.queue.push_back(Packet::Chunk(chunk));
        }
    }

    /// Tells that frames are missing here.
    pub(in crate::flow) fn gap(&mut self, gap: Gap) {
        if self.link.is_some() && gap.frames > Frames::ZERO {
            self.lose(gap);
            self.flush(false);
        }
    }

    fn lose(&mut self, gap: Gap) {
        self.sent.lose(gap);
        match self.queue.back_mut() {
            Some(Packet::Mark(Mark::Gap(last))) if last.end() == gap.position && last.cause == gap.cause => {
                last.frames += gap.frames;
            }
            _ => self.queue.push_back(Packet::Mark(Mark::Gap(gap))),
        }
    }

    /// Sends these books up to here; `unaccounted` frames were found missing before. Where there is no room, a link that drops
    /// leaves it out.
    pub(in crate::flow) fn cut(&mut self, unaccounted: Frames) {
        self.flush(false);
        let accepted = self.sent.delivered() + unaccounted;
        let cut = CutMark { position: self.sent.position(), accepted, lost: self.sent.lost() };
        let Some(link) = &mut self.link else { return };
        if self.queue.is_empty() && link.has_room() {
            self.put(Packet::Mark(Mark::Cut(cut)));
        } else if !self.drops() {
            self.queue.push_back(Packet::Mark(Mark::Cut(cut)));
        }
    }

    /// It is to be another from now on.
    pub(in crate::flow) fn change(&mut self, change: OutletChange) {
        match change {
            OutletChange::Strategy(strategy) => {
                self.config.strategy = strategy;
                self.controller.set_strategy(strategy);
            }
            // Meanwhile what comes is given up.
            OutletChange::Shut(shut) => self.shut = shut,
        }
    }

    /// Looks at the link, once a poll: who is slow, and what is to be done about it. Returns what changed.
    pub(in crate::flow) fn observe(&mut self, now_ns: u64) -> (Option<Edge>, Option<Change>) {
        let stats = self.gauge.stats();
        let cell = &self.cell;
        self.losing.look(&self.gauge, stats, || StreamPosition(cell.taken.read().position));
        let pops = stats.pops;
        let (pops_before, since_ns) = self.window;
        let passed_ns = now_ns.saturating_sub(since_ns);
        if passed_ns >= RATE_WINDOW_NS || since_ns == 0 {
            let popped = u128::from(pops.saturating_sub(pops_before)) * 1_000_000_000;
            self.consumer_per_s = popped.checked_div(passed_ns.into()).unwrap_or(0) as u64;
            self.window = (pops, now_ns.max(1));
        }
        // A source that can't wait does for a moment, unless told to drop: then it shows that it can't.
        let live = self.config.live && (self.config.strategy == Strategy::Adaptive || self.was_held(now_ns));
        let outcome = self.controller.observe(Observation {
            now_ns,
            used: (self.gauge.occupancy() + self.queue.len()) as u64,
            capacity: self.gauge.capacity() as u64,
            producer: if live { Kind::Live } else { Kind::Waiting },
            consumer_per_s: self.consumer_per_s,
            nominal_per_s: 1_000_000_000u64.checked_div(self.chunk_ns).unwrap_or(0),
            latency_limit_ns: match self.config.latency_ns_max {
                0 => u64::MAX,
                limit_ns => limit_ns,
            },
        });
        if !self.controller.stats(now_ns).active {
            self.held_since_ns = None;
        }
        let changed = outcome.decision.strategy != self.decision.strategy;
        self.decision = outcome.decision;
        if self.decision.throttle_ns > 0 && self.moved {
            self.paused_until_ns = now_ns.saturating_add(self.decision.throttle_ns);
        }
        if changed || outcome.edge.is_some() {
            *self.cell.pressure.lock().unwrap_or_else(PoisonError::into_inner) =
                (self.controller.stats(now_ns), self.decision.strategy);
        }
        let evicting = self.decision.strategy == Strategy::DropOldest;
        if evicting != self.evicting && self.link.is_some() {
            self.replace(evicting);
        }
        (outcome.edge, outcome.change)
    }

    /// Goes on in a ring of another kind. What is in the old one is taken first: the new one is there before that is closed.
    fn replace(&mut self, evicting: bool) {
        let Ok(ring) = ring(self.config.packets, evicting) else { return };
        let gauge = ring.gauge();
        let (producer, consumer) = ring.split();
        // Before the other end goes on: whoever looks finds the new one behind the old one.
        let mut rings = self.cell.rings();
        // Where too many wait already, it is tried again with the next poll.
        if self.successors.push((consumer, gauge.clone())).is_ok() {
            rings.gauges.push_back(gauge.clone());
            drop(rings);
            self.losing.replace(self.waits_from());
            (self.link, self.gauge, self.evicting) = (Some(producer), gauge, evicting);
            self.window = (0, 0);
            self.moved = true;
        }
    }

    /// A run of losses that began here since this was asked last, with what was lost from there on.
    pub(in crate::flow) fn opened(&mut self) -> Option<Gap> {
        self.losing.opened()
    }

    /// Chunks that wait, and that may.
    pub(in crate::flow) fn fill(&self) -> (u64, u64) {
        ((self.gauge.occupancy() + self.queue.len()) as u64, self.gauge.capacity() as u64)
    }

    /// The task is about to wait, and looks once more after this: whoever makes room wakes it.
    pub(in crate::flow) fn arm(&self) {
        self.cell.sender.arm();
    }

    /// Wakes the other end if it waits for what was sent.
    pub(in crate::flow) fn notify(&mut self) {
        if std::mem::take(&mut self.moved) {
            self.cell.receiver.notify();
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.flush(true);
        self.cell.stalled.store(false, Ordering::Relaxed);
        let mut books = self.cell.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.sent = Some(self.sent);
        if let Some(link) = &mut self.link {
            let mut unsent = self.cell.unsent.lock().unwrap_or_else(PoisonError::into_inner);
            for packet in self.queue.drain(..) {
                match packet {
                    Packet::Chunk(chunk) => {
                        let (position, frames) = (chunk.position(), chunk.span());
                        let held = Gap { position, frames, cause: LossCause::Removed };
                        link.give_up(held.frames, held.cause);
                        books.unsent += held.frames;
                        unsent.push(held);
                    }
                    Packet::Mark(Mark::Gap(gap)) => unsent.push(gap),
                    _ => {}
                }
            }
        }
        // While the books are locked: who finds the link closed finds what was not sent, and which end went first is known.
        self.link = None;
        drop(books);
        self.cell.receiver.notify();
    }
}
