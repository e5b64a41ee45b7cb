//! The task of one source, node or sink: takes from its inlets, calls it, sends through its outlets.
//!
//! One poll does some [`budget`](Cx::budget) packets. A packet is taken only when every outlet that may not lose anything has
//! room; then whatever comes of it is sent. Edits come through a ring, in order, and are made between packets. What a task
//! lets go leaves its books in a cell that the control side holds, so that they can't be lost.

use super::cell::{NodeCell, State};
use super::edit::Edit;
use super::followers::Followers;
use super::link::inlet::{Inlet, Taken};
use super::link::outlet::Outlet;
use super::link::outlet_news;
use super::node::{Inflow, Inflowed, Node, NodeError, Out, Role};
use crate::catching::catching;
use crate::event::types::{FailureKind, PipelineFailure, SourceStopped};
use crate::metrics::Meter;
use crate::sync::Arc;
use crate::task::{Cx, Poll, Task};
use pcmflow_core::chunk::Packet;
use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow_core::ledger::{LossCause, Timeline};
use pcmflow_core::pool::BufferRecyclingPool;
use pcmflow_core::ring::Consumer;
use pcmflow_core::stream::Mark;

/// After so long a poll ends, whatever its budget: what was taken and sent is told to the other ends then.
const POLL_NS: u64 = 1_000_000;

/// After so long an adaptive link that is full is looked at again.
const LOOK_AGAIN_NS: u64 = 20_000_000;

/// What the task runs.
pub(super) enum Work {
    Source(Box<dyn Inflow>),
    Node(Box<dyn Node>),
    Sink(Box<dyn Node>),
    /// It failed, was removed or is over.
    Gone,
}

/// What a task is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Working,
    /// Nobody is called any more: what comes is thrown out, and told to be lost.
    Draining(LossCause),
    /// Everything was given; some of it waits for room.
    Ending,
}

/// What a step came to.
pub(super) enum Step {
    Moved,
    Nothing,
    Until(u64),
}

pub(super) struct NodeTask {
    pub(super) work: Work,
    pub(super) phase: Phase,
    /// With the numbers of the inputs.
    pub(super) inlets: Vec<(usize, Inlet)>,
    pub(super) outlets: Vec<Outlet>,
    /// Outlets that were detached, and have something to send yet.
    pub(super) leaving: Vec<Outlet>,
    /// What was given; by a sink, consumed.
    pub(super) given: Timeline,
    /// Where inputs ended that are over.
    pub(super) taken_to: Option<StreamPosition>,
    /// What became of inputs with clocks of their own; their positions are none of this timeline.
    pub(super) followed: Followers,
    /// To be passed on when everything before it was given.
    cut: Option<(StreamPosition, Frames)>,
    /// Where the last one stood that was.
    cut_passed: Option<StreamPosition>,
    pub(super) edits: Consumer<Edit>,
    /// None: nothing is measured.
    pub(super) meter: Option<Meter>,
    /// What a source gave last.
    format: Option<StreamFormat>,
    /// The time, as it was when the poll began or its last call ended: asking costs as much as moving a chunk.
    now_ns: u64,
    registered: bool,
    /// Where it begins on the timeline is known.
    pub(super) begun: bool,
    pool: BufferRecyclingPool,
    pub(super) cell: Arc<NodeCell>,
}

impl NodeTask {
    pub(super) fn new(
        work: Work,
        edits: Consumer<Edit>,
        pool: BufferRecyclingPool,
        cell: Arc<NodeCell>,
    ) -> Self {
        Self {
            work,
            phase: Phase::Working,
            inlets: Vec::new(),
            outlets: Vec::new(),
            leaving: Vec::new(),
            given: Timeline::default(),
            taken_to: None,
            followed: Followers::default(),
            cut: None,
            cut_passed: None,
            edits,
            meter: None,
            format: None,
            now_ns: 0,
            registered: false,
            begun: false,
            pool,
            cell,
        }
    }

    fn take_edits(&mut self, cx: &mut Cx<'_>) {
        if !self.registered {
            self.registered = true;
            self.cell.set_state(State::Running);
            for (_, inlet) in &self.inlets {
                inlet.cell.receiver.register(cx.waker());
            }
            for outlet in &self.outlets {
                outlet.cell.sender.register(cx.waker());
            }
            if matches!(self.work, Work::Source(_)) {
                self.begin(StreamPosition::START);
            }
        }
        while let Some(edit) = self.edits.pop() {
            match edit {
                Edit::Attach(mut outlet) => {
                    outlet.cell.sender.register(cx.waker());
                    // Also where nothing follows: then it begins where all ends.
                    if self.begun {
                        outlet.begin(self.given.position());
                    }
                    if self.phase != Phase::Ending {
                        self.outlets.push(*outlet);
                    }
                }
                Edit::Detach(cell) => {
                    if let Some(at) = self.outlets.iter().position(|outlet| Arc::ptr_eq(&outlet.cell, &cell))
                    {
                        self.leaving.push(self.outlets.remove(at));
                    }
                }
                Edit::Outlet(cell, change) => {
                    let changed = self.outlets.iter_mut().filter(|outlet| Arc::ptr_eq(&outlet.cell, &cell));
                    changed.for_each(|outlet| outlet.change(change));
                }
                Edit::Input(input, inlet) => {
                    inlet.cell.receiver.register(cx.waker());
                    if self.phase != Phase::Ending {
                        self.inlets.push((input, *inlet));
                    }
                }
                Edit::Remove => self.remove(cx),
            }
        }
    }

    /// Begins at this place, as do its outlets.
    pub(super) fn begin(&mut self, position: StreamPosition) {
        if !self.begun {
            self.begun = true;
            self.given = Timeline::starting_at(position);
            self.outlets.iter_mut().for_each(|outlet| outlet.begin(position));
        }
    }

    fn remove(&mut self, cx: &mut Cx<'_>) {
        if self.phase != Phase::Working {
            return;
        }
        if matches!(self.work, Work::Node(_) | Work::Sink(_)) {
            self.call(cx, |node, out| node.end(out));
        }
        if self.phase == Phase::Working {
            self.stopped(true, cx);
            self.phase = Phase::Draining(LossCause::Removed);
            self.cell.set_state(State::Removed);
        }
        self.drop_work();
    }

    pub(super) fn drop_work(&mut self) {
        let work = std::mem::replace(&mut self.work, Work::Gone);
        self.followed.ask(&work);
        // One that panics again when it is dropped must not take the books along.
        let _ = catching(|| drop(work));
    }

    /// What runs, and where it gives what it makes.
    fn parts<'a>(&'a mut self, cx: &'a mut Cx<'_>) -> (&'a mut Work, Out<'a>) {
        let Self { work, outlets, given, pool, meter, format, cell, now_ns, .. } = self;
        let role = match work {
            Work::Source(_) => Role::Source,
            Work::Sink(_) => Role::Sink,
            Work::Node(_) | Work::Gone => Role::Node,
        };
        let at_ns = *now_ns;
        let (clock, waker, events) = (cx.clock, cx.waker, cx.events.as_deref_mut());
        let (id, rests, meter) = (cell.id, &cell.rests, meter.as_mut());
        (work, Out { outlets, given, pool, clock, waker, events, meter, id, at_ns, role, rests, format })
    }

    /// Calls the node; where it fails, enters that. Returns whether it did what it should.
    fn call(
        &mut self,
        cx: &mut Cx<'_>,
        what: impl FnOnce(&mut dyn Node, &mut Out<'_>) -> Result<(), NodeError>,
    ) -> bool {
        let (Work::Node(node) | Work::Sink(node), mut out) = self.parts(cx) else { return false };
        let called = catching(|| what(&mut **node, &mut out));
        self.now_ns = cx.now_ns();
        self.passed(called, cx).is_some()
    }

    /// Enters a failure or a panic.
    fn passed<T>(&mut self, called: Result<Result<T, NodeError>, String>, cx: &mut Cx<'_>) -> Option<T> {
        let message = match called {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("panicked: {panic}"),
        };
        self.cell.fail(message);
        self.stopped(false, cx);
        let links = self.inlets.iter().map(|(_, inlet)| &inlet.cell);
        let links =
            links.chain(self.outlets.iter().map(|outlet| &outlet.cell).filter(|_| self.inlets.is_empty()));
        for link in links {
            let (pipeline, module, position) = (link.names.pipeline, self.cell.id, self.given.position());
            let kind = FailureKind::DeadModule;
            cx.publish(module, &PipelineFailure { pipeline, module, kind, position });
        }
        if let Some(meter) = &mut self.meter {
            meter.health.error();
        }
        self.drop_work();
        self.phase = Phase::Draining(LossCause::DeadModule);
        None
    }

    /// Tells that a source gives no more.
    fn stopped(&mut self, as_planned: bool, cx: &mut Cx<'_>) {
        if matches!(self.work, Work::Source(_)) {
            let (source, position) = (self.cell.id, self.given.position());
            cx.publish(source, &SourceStopped { source, position, as_planned });
        }
    }

    fn step(&mut self, cx: &mut Cx<'_>) -> Step {
        if let Phase::Draining(cause) = self.phase {
            return self.drain(cause);
        }
        if let (Work::Source(source), mut out) = self.parts(cx) {
            let polled = catching(|| source.poll(&mut out));
            self.now_ns = cx.now_ns();
            return match self.passed(polled, cx) {
                Some(Inflowed::More) => Step::Moved,
                Some(Inflowed::Until(ns)) => Step::Until(ns),
                Some(Inflowed::Woken) => Step::Nothing,
                Some(Inflowed::End) => {
                    self.stopped(true, cx);
                    self.phase = Phase::Ending;
                    Step::Moved
                }
                None => Step::Moved,
            };
        }
        if self.inlets.is_empty() {
            self.finish(cx);
            return Step::Moved;
        }
        // Those with clocks of their own come when they are wanted.
        for at in 0..self.inlets.len() {
            if self.is_wanted(at) && self.take(at, cx) {
                return Step::Moved;
            }
        }
        // The input that is furthest behind comes first, so that inputs stay aligned; before all others one of which it is not
        // known yet where it begins. Of several at one place any that has something: else its cuts could hold up the others.
        let aligned = self.inlets.iter_mut().filter(|(_, inlet)| !inlet.own_clock);
        let behind = aligned.map(|(_, inlet)| inlet.position()).min().flatten();
        if let Some(position) = behind {
            self.begin(position);
        }
        for at in 0..self.inlets.len() {
            let is_behind = |(_, inlet): &mut (usize, Inlet)| !inlet.own_clock && inlet.position() == behind;
            if self.inlets.get_mut(at).is_some_and(is_behind) && self.take(at, cx) {
                return Step::Moved;
            }
        }
        // What is behind may wait for more of the source, and that for room in what is ahead.
        if self.inlets.len() > 1 {
            for (_, inlet) in self.inlets.iter_mut().filter(|(_, inlet)| !inlet.own_clock) {
                let ahead = inlet.position() > behind;
                inlet.let_ahead(ahead);
            }
        }
        Step::Nothing
    }

    /// Takes what an inlet has; returns whether there was something.
    fn take(&mut self, at: usize, cx: &mut Cx<'_>) -> bool {
        let Some((input, inlet)) = self.inlets.get_mut(at) else { return false };
        let (input, own_clock) = (*input, inlet.own_clock);
        match inlet.take(&self.pool, self.now_ns, cx) {
            Taken::Nothing => return false,
            Taken::Moved => self.give(at, input, cx),
            Taken::Cut(_, unaccounted) if own_clock => self.followed.cut(unaccounted),
            Taken::Cut(position, unaccounted) => self.enter_cut(position, unaccounted),
            Taken::End => {
                self.give(at, input, cx);
                let ended = self.let_go(at);
                if self.phase == Phase::Working {
                    self.call(cx, |node, out| node.ended(input, ended, out));
                }
                if self.phase == Phase::Working && self.inlets.is_empty() {
                    self.finish(cx);
                }
            }
        }
        self.pass_cut(cx);
        true
    }

    /// All inputs are over.
    fn finish(&mut self, cx: &mut Cx<'_>) {
        if self.call(cx, |node, out| node.end(out)) {
            self.pass_cut(cx);
            self.phase = Phase::Ending;
        }
    }

    /// Lets an inlet go that is over; returns where it ended.
    pub(super) fn let_go(&mut self, at: usize) -> StreamPosition {
        let (_, mut inlet) = self.inlets.remove(at);
        let ended = inlet.position().unwrap_or(StreamPosition::START);
        if inlet.own_clock {
            return ended;
        }
        self.taken_to = Some(self.taken_to.unwrap_or(StreamPosition::START).max(ended));
        ended
    }

    /// Hands what an inlet made ready to the node.
    fn give(&mut self, at: usize, input: usize, cx: &mut Cx<'_>) {
        while let Some(packet) = self.inlets.get_mut(at).and_then(|(_, inlet)| inlet.next()) {
            let sink = matches!(self.work, Work::Sink(_));
            match packet {
                Packet::Chunk(chunk) => {
                    let (position, span, oldest_ns) = (chunk.position(), chunk.span(), chunk.timestamp_ns());
                    if let Some(meter) = self.meter.as_ref().filter(|_| sink) {
                        meter.health.expect_block(self.now_ns.saturating_sub(oldest_ns));
                    }
                    if !self.call(cx, |node, out| node.chunk(input, chunk, out)) {
                        return;
                    }
                    if sink {
                        self.given.deliver(position, span);
                        if let Some(meter) = &mut self.meter {
                            meter.health.block(span.0, self.now_ns.saturating_sub(oldest_ns));
                        }
                    }
                }
                Packet::Mark(Mark::Gap(gap)) => {
                    if sink {
                        self.given.lose(gap);
                        if let Some(meter) = &mut self.meter {
                            meter.health.frames_dropped(gap.frames.0);
                        }
                    }
                    if !self.call(cx, |node, out| node.gap(input, gap, out)) {
                        return;
                    }
                }
                // Cuts are not handed on, and nothing else is there yet.
                _ => {}
            }
        }
        let position = self.given.position();
        if let Some((_, inlet)) = self.inlets.get_mut(at) {
            inlet.passed(position);
        }
    }

    /// Enters what a cut showed at one of the inputs.
    fn enter_cut(&mut self, position: StreamPosition, unaccounted: Frames) {
        match &mut self.cut {
            Some((at, found)) if *at == position => *found = unaccounted.max(*found),
            // What is missing here still is at the next one.
            Some(_) => {}
            None if self.cut_passed >= Some(position) => {}
            None => self.cut = Some((position, unaccounted)),
        }
    }

    /// Passes a cut on when everything before it was given and all inputs told of it: as one, however many there are.
    fn pass_cut(&mut self, cx: &mut Cx<'_>) {
        let Some((position, unaccounted)) = self.cut else { return };
        let unaccounted = unaccounted.max(self.followed.unaccounted());
        if self.phase != Phase::Working || self.given.position() < position {
            return;
        }
        let here = Some(position);
        let told = |inlet: &mut Inlet| inlet.own_clock || inlet.cut >= here || inlet.position() > here;
        if !self.inlets.iter_mut().all(|(_, inlet)| told(inlet)) {
            return;
        }
        self.cut_passed = here;
        self.cut = None;
        if matches!(self.work, Work::Sink(_)) {
            self.cell.settle(position, unaccounted.max(self.given.unaccounted()));
        }
        self.parts(cx).1.cut(unaccounted);
    }

    /// Whether more may be taken; else until when to wait, 0 for until there is room.
    fn is_ready(&mut self, now_ns: u64) -> Result<(), u64> {
        let mut ready = Ok(());
        for outlet in &mut self.outlets {
            if let Err(until_ns) = outlet.is_ready(now_ns) {
                ready = Err(ready.err().unwrap_or(0).max(until_ns));
            }
        }
        ready
    }

    fn flush(&mut self) {
        self.outlets.retain_mut(Outlet::is_open);
        // Each ends when it has sent everything: none waits for another.
        if self.phase == Phase::Ending {
            self.leaving.append(&mut self.outlets);
        }
        for outlet in &mut self.outlets {
            outlet.flush(false);
        }
        self.leaving.retain_mut(|outlet| {
            outlet.flush(true);
            outlet.is_open() && !outlet.is_flushed()
        });
    }

    /// The task is about to wait.
    fn arm(&self) {
        self.inlets.iter().for_each(|(_, inlet)| inlet.arm());
        self.outlets.iter().chain(&self.leaving).for_each(Outlet::arm);
    }

    fn work(&mut self, cx: &mut Cx<'_>) -> Poll {
        let began_ns = self.now_ns;
        let mut armed = false;
        loop {
            self.flush();
            let now_ns = self.now_ns;
            let mut wait = Poll::Idle;
            if self.phase == Phase::Ending {
                if self.leaving.is_empty() {
                    return Poll::Done;
                }
            } else {
                // Gaps join in the queue: who only throws out need not wait for room, and holds up nobody.
                let ready = match self.phase {
                    Phase::Draining(_) => Ok(()),
                    _ => self.is_ready(now_ns),
                };
                match ready {
                    Ok(()) => {
                        if !armed && (!cx.spend() || now_ns.saturating_sub(began_ns) > POLL_NS) {
                            return Poll::Again;
                        }
                        match self.step(cx) {
                            Step::Moved => {
                                armed = false;
                                continue;
                            }
                            Step::Nothing => {}
                            Step::Until(ns) => wait = Poll::IdleUntil(ns),
                        }
                    }
                    Err(0) if self.outlets.iter().any(Outlet::is_adaptive) => {
                        wait = Poll::IdleUntil(now_ns.saturating_add(LOOK_AGAIN_NS));
                    }
                    Err(0) => {}
                    Err(until_ns) => wait = Poll::IdleUntil(until_ns),
                }
            }
            if armed {
                return wait;
            }
            armed = true;
            self.arm();
        }
    }
}

impl Task for NodeTask {
    fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
        let began_ns = cx.began_ns();
        self.now_ns = began_ns;
        self.inlets.iter_mut().for_each(|(_, inlet)| inlet.look());
        self.take_edits(cx);
        let polled = self.work(cx);
        let now_ns = self.now_ns;
        self.cell.given.publish(&self.given);
        // Who comes again at once need not wake for each place that is free: two that wake each other for every chunk sleep more than
        // they work. Who is about to wait must, as it may wait for what the other one holds.
        let comes_again = polled == Poll::Again;
        for (_, inlet) in &mut self.inlets {
            inlet.notify(comes_again);
        }
        for outlet in self.outlets.iter_mut().chain(&mut self.leaving) {
            outlet_news::tell(outlet, now_ns, cx);
            outlet.notify();
        }
        if let Some(meter) = &mut self.meter {
            meter.busy(now_ns.saturating_sub(began_ns));
        }
        polled
    }
}
