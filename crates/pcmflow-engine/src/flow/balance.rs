//! From the books of each place to a statement about one sink.
//!
//! Where exactly one way leads from a source to it, frames are added up: what the source made is what the sink got, what each place on
//! the way has lost, by cause, and what is still under way ([`FlowBooks::balance`]).
//!
//! Behind a join there is no such sum: a frame that came on one way and was lost on another is in what comes out, or not, as the join is
//! told to do. There it is shown from place to place ([`FlowBooks::sink_balance`]):
//!
//! ```text
//! made = given by the source ─▶ sent = taken or lost ─▶ inputs reach as far as the node gave ─▶ ... ─▶ the sink's timeline
//! ```
//!
//! Each arrow is a comparison of two books. At the end stands the sink's own timeline, in which each position is delivered once, or lost
//! once with a cause, as far as the farthest input of it came. What a node made of the *samples* at a position no book knows.

use super::books::{FlowBooks, LinkBooks};
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::{Balance, EdgeSnapshot, Gap, LossCause, Losses, Timeline};
use std::collections::{BTreeMap, BTreeSet};

/// What a node lost by itself: that it gave less than it took.
fn own_losses(given: &Timeline, taken: Losses) -> EdgeSnapshot {
    let mut lost = Losses::default();
    for &cause in LossCause::ALL {
        lost[cause] = given.lost()[cause] - taken[cause];
    }
    let (accepted, popped, occupancy) = (Frames::ZERO, Frames::ZERO, Frames::ZERO);
    let overruns = u64::from(lost.total() > Frames::ZERO);
    EdgeSnapshot { accepted, popped, evicted: Losses::default(), occupancy, lost, overruns }
}

/// What is lost with a source that failed: what its rings took in and it never gave, and what they gave up and it never told. Returns the
/// rings with all of that posted as [`DeadModule`](LossCause::DeadModule), and how much it is.
fn lost_with(given: &Timeline, rings: &[EdgeSnapshot]) -> (EdgeSnapshot, Frames) {
    let mut ring = rings.iter().fold(EdgeSnapshot::default(), |sum, ring| sum + *ring);
    let (mut outside, mut inside) = (Frames::ZERO, Frames::ZERO);
    for &cause in LossCause::ALL {
        let mut told = given.lost()[cause];
        for (posted, untold) in [(&mut ring.evicted, &mut inside), (&mut ring.lost, &mut outside)] {
            let passed = posted[cause].min(told);
            told = told - passed;
            *untold += posted[cause] - passed;
            posted[cause] = passed;
        }
    }
    // In its hands when it failed, and in the ring yet.
    let in_hand = ring.popped - given.delivered();
    inside += in_hand + ring.occupancy;
    (ring.popped, ring.occupancy) = (ring.popped - in_hand, Frames::ZERO);
    ring.evicted[LossCause::DeadModule] += inside;
    ring.lost[LossCause::DeadModule] += outside;
    (ring, inside + outside)
}

impl FlowBooks {
    /// What leads to a node, what was taken out included.
    fn into<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a LinkBooks> {
        self.pipelines.values().filter(move |link| link.to == node)
    }

    fn over(&self, node: &str) -> Option<Timeline> {
        self.nodes.get(node)?.given.filter(Timeline::has_ended)
    }

    /// Where a pipeline begins and where it ends: frames on which it and its nodes do not agree, each.
    pub(super) fn joints(&self) -> impl Iterator<Item = Frames> {
        let mut reached: BTreeMap<&str, u64> = BTreeMap::new();
        let mut differ = Vec::new();
        for link in self.pipelines.values().filter(|link| !link.removed) {
            let (Some(sent), Some(taken), Some(edge)) = (link.sent, link.taken, link.edge) else { continue };
            // Where the receiving end went first, nothing was sent any more.
            if !taken.has_ended() {
                continue;
            }
            if !link.own_clock {
                let reached = reached.entry(&link.to).or_default();
                *reached = taken.position().0.max(*reached);
            }
            let Some(given) = self.over(&link.from) else { continue };
            let mut frames = sent.position().0.abs_diff(given.position().0);
            // One that was attached in mid-stream has not had all the losses.
            if sent.start() == given.start() {
                let mut own = edge.lost;
                own[LossCause::Removed] = own[LossCause::Removed] - link.unsent;
                let passed = |cause| sent.lost()[cause] - own[cause];
                frames += (LossCause::ALL.iter())
                    .map(|&cause| given.lost()[cause].0.abs_diff(passed(cause).0))
                    .sum::<u64>();
            }
            differ.push(Frames(frames));
        }
        for (node, reached) in reached {
            let books = self.nodes.get(node).filter(|books| books.given.is_some());
            let Some(taken_to) = books.and_then(|books| books.taken_to) else { continue };
            // An input that was taken out may have come farther.
            let all_there = self.folded.pipelines == 0 && self.into(node).all(|link| !link.removed);
            differ.push(Frames(if all_there {
                taken_to.abs_diff(reached)
            } else {
                reached.saturating_sub(taken_to)
            }));
        }
        differ.into_iter()
    }

    /// Where frames come from that reach a node, as far as pipelines lead; whether its positions count them.
    fn ends_before<'a>(&'a self, node: &'a str) -> BTreeMap<&'a str, bool> {
        let (mut ends, mut seen, mut next) =
            (BTreeMap::new(), BTreeSet::from([(node, true)]), vec![(node, true)]);
        while let Some((name, counted)) = next.pop() {
            let mut is_end = true;
            for link in self.into(name).filter(|link| !link.removed) {
                is_end = false;
                let before = (link.from.as_str(), counted && !link.own_clock);
                if seen.insert(before) {
                    next.push(before);
                }
            }
            if is_end {
                *ends.entry(name).or_default() |= counted;
            }
        }
        ends
    }

    /// The sources whose frames a sink's positions count, as far as pipelines lead. Where a pipeline was taken out this is the node
    /// behind it.
    ///
    /// Not RT-safe: allocates.
    pub fn sources<'a>(&'a self, sink: &'a str) -> BTreeSet<&'a str> {
        self.ends_before(sink).into_iter().filter_map(|(name, counted)| counted.then_some(name)).collect()
    }

    /// Closes the books of one sink that is over, however many ways lead to it. `fed` says of a source how many frames were made for
    /// it, and what the rings before it have counted, as for [`balance`](Self::balance).
    ///
    /// - Where one way leads there, this is its [`balance`](Self::balance).
    /// - Otherwise the frames that came in are those of the sink's timeline, from where the first source began to where the farthest
    ///   input ended. What it neither got nor was told to be lost is unaccounted for, as is what any two books of this flow
    ///   [do not agree on](Self::unaccounted), and what a source was fed and neither gave nor lost. What was made for a source
    ///   behind a pipeline that was taken out is not in it.
    ///
    /// None where something is not over, went before its stream was, or is not there.
    ///
    /// Not RT-safe: allocates.
    pub fn sink_balance(
        &self,
        sink: &str,
        fed: impl Fn(&str) -> Option<(Frames, Vec<EdgeSnapshot>)>,
    ) -> Option<Balance> {
        let timeline = self.over(sink)?;
        let ends = self.ends_before(sink);
        let counted: Vec<&str> =
            ends.iter().filter(|(_, counted)| **counted).map(|(name, _)| *name).collect();
        if let [source] = counted.as_slice()
            && let Some((frames_in, rings)) = fed(source)
            && let Some((balance, _)) = self.balance(frames_in, &rings, sink)
        {
            return Some(balance);
        }
        let (mut start, mut unaccounted) = (timeline.start(), self.unaccounted());
        for (source, counted) in ends {
            if source == sink || self.nodes.get(source)?.taken_to.is_some() {
                // What led there was taken out.
                continue;
            }
            let (frames_in, rings) = fed(source)?;
            unaccounted = unaccounted.max(self.balance(frames_in, &rings, source)?.0.unaccounted);
            if counted {
                start = start.min(self.over(source)?.start());
            }
        }
        let frames_in = timeline.position() - start;
        let (delivered, dropped) = (timeline.delivered(), timeline.lost());
        let differ = frames_in.0.abs_diff((delivered + dropped.total()).0);
        let unaccounted = unaccounted.max(Frames(differ));
        Some(Balance { frames_in, delivered, dropped, in_flight: Frames::ZERO, unaccounted })
    }

    /// Closes the books of one sink that is over, with those of the one way from its source. A source is its own sink here: what was
    /// made beside what it gave.
    ///
    /// - `frames_in` is what the source made, counted by whoever fed it, also what the rings refused. What a device is known to have
    ///   missed ([`Device`](LossCause::Device)) nobody made: it is added, and counts as posted by the source.
    /// - Each edge, `rings` before the flow first, then link by link, has counted what came in, went out and was given up; between
    ///   them stands what each node says that it lost itself, which is what it gave less than it took. A source behind `rings` loses
    ///   nothing by itself: what it told to be lost and no ring posted is unaccounted for.
    /// - What was made for a source that failed, and came no further, is lost with it ([`DeadModule`](LossCause::DeadModule)): nobody
    ///   could tell the sink any more.
    /// - The sink has counted what it was given and what it was told to be lost.
    ///
    /// Returns the edges too, the rings first. None where something on the way is not over, went before its stream was, or is not
    /// there, and where there is not exactly one way: where inputs join, or one was taken out
    /// ([`sink_balance`](Self::sink_balance)).
    ///
    /// Not RT-safe: allocates.
    pub fn balance(
        &self,
        frames_in: Frames,
        rings: &[EdgeSnapshot],
        sink: &str,
    ) -> Option<(Balance, Vec<EdgeSnapshot>)> {
        let mut timeline = self.over(sink)?;
        let (mut name, mut given, mut edges) = (sink, timeline, Vec::new());
        loop {
            let mut before = self.into(name).filter(|link| !link.own_clock);
            let Some(link) = before.next() else { break };
            if link.removed || before.next().is_some() {
                return None;
            }
            edges.push(own_losses(&given, link.taken?.lost()));
            edges.push(link.edge?);
            name = &link.from;
            given = self.over(name)?;
        }
        // Its input was taken out, long ago.
        if name != sink && self.nodes.get(name)?.taken_to.is_some() {
            return None;
        }
        let dead;
        let mut rings = rings;
        if !rings.is_empty() && self.nodes.get(name)?.failed {
            let (ring, frames) = lost_with(&given, rings);
            timeline.lose(Gap { position: timeline.position(), frames, cause: LossCause::DeadModule });
            given.lose(Gap { position: given.position(), frames, cause: LossCause::DeadModule });
            dead = [ring];
            rings = &dead;
        }
        let posted = rings.iter().fold(Losses::default(), |sum, ring| sum + ring.lost + ring.evicted);
        let mut own = own_losses(&given, posted);
        let missed = own.lost[LossCause::Device];
        if !rings.is_empty() {
            own.lost = Losses::default();
            own.lost[LossCause::Device] = missed;
        }
        edges.push(own);
        edges.extend(rings.iter().rev());
        edges.reverse();
        Some((Balance::close(frames_in + missed, &edges, &timeline), edges))
    }
}
