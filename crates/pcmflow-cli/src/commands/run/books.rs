//! What became of every frame on its way to a sink, be the flow over, or given up.

use crate::flow_summary::SinkBooks;
use pcmflow::core::format::Frames;
use pcmflow::core::ledger::{LossCause, Losses};
use pcmflow::engine::flow::{FlowBooks, FlowStatus, Passed};
use pcmflow::flow_file::Feed;
use std::collections::BTreeMap;

/// All that is known of the flow.
pub(super) struct Books<'a> {
    pub(super) feeds: &'a BTreeMap<String, Feed>,
    pub(super) status: &'a FlowStatus,
    pub(super) books: &'a FlowBooks,
}

impl Books<'_> {
    /// The books of a sink that is over, which was planned to hear this source first.
    pub(super) fn closed(&self, sink: &str, origin: &str) -> SinkBooks {
        let sources = self.sources(sink);
        let names = if sources.is_empty() { origin.to_owned() } else { sources.join(", ") };
        let made = |name: &str| self.feeds.get(name).map_or(Frames::ZERO, Feed::frames_in);
        let fed = |name: &str| self.feeds.get(name).map(|feed| (feed.frames_in(), vec![feed.ring()]));
        if let Some(balance) = self.books.sink_balance(sink, fed) {
            let (mut frames_in, mut dropped) = (balance.frames_in, balance.dropped);
            if !sources.contains(&origin) {
                // It was taken out: what it made since then came to nobody.
                let rest = made(origin) - frames_in;
                dropped[LossCause::Removed] += rest;
                frames_in += rest;
            }
            return SinkBooks::new(&names, frames_in, balance.delivered, dropped, balance.unaccounted);
        }
        // Somebody on the way went before its stream was over: what came and what is known to be missing must tile the timeline.
        let given = self.given(sink);
        let mut lost: Losses = given.lost;
        let frames_in = sources.iter().map(|name| made(name)).max().unwrap_or_else(|| made(origin));
        if sources.is_empty() {
            lost[LossCause::Removed] += Frames(frames_in.0.saturating_sub(given.position));
        }
        let missing = frames_in.0.abs_diff(given.delivered.0 + lost.total().0);
        let unaccounted = given.unaccounted.max(self.books.unaccounted()).max(Frames(missing));
        SinkBooks::new(&names, frames_in, given.delivered, lost, unaccounted)
    }

    /// The sources that a sink hears, as far as pipelines lead.
    fn sources(&self, sink: &str) -> Vec<&str> {
        let ends = self.books.sources(sink).into_iter();
        ends.filter_map(|name| self.feeds.get_key_value(name)).map(|(name, _)| name.as_str()).collect()
    }

    fn given(&self, name: &str) -> Passed {
        self.status.nodes.get(name).map(|node| node.given).unwrap_or_default()
    }

    /// The books of a sink in a flow that is given up: what is under way, and where, is found from place to place. Nothing moves any
    /// more, so the figures are of one instant.
    pub(super) fn given_up(&self, sink: &str, origin: &str) -> SinkBooks {
        let (mut places, mut lost) = (BTreeMap::new(), Losses::default());
        let mut rest = |place: String, frames: u64| {
            if frames > 0 {
                *places.entry(place).or_default() += frames;
            }
        };
        let delivered = self.given(sink).delivered;
        let sources = self.sources(sink);
        let made = |name: &str| self.feeds.get(name).map_or(Frames::ZERO, Feed::frames_in);
        let mut name = sink;
        while !self.feeds.contains_key(name) {
            let (into, given) = (self.into(name), self.given(name));
            let [(pipeline, from)] = into.as_slice() else {
                // Behind a join there is no one way, and to what was taken out none.
                let frames_in = sources.iter().map(|name| made(name)).max().unwrap_or_else(|| made(origin));
                rest(format!("before {name}"), frames_in.0.saturating_sub(given_total(&given)));
                let unaccounted = Frames(given_total(&given).saturating_sub(frames_in.0));
                lost = lost + given.lost;
                let names = if sources.is_empty() { origin.to_owned() } else { sources.join(", ") };
                return SinkBooks::new(&names, frames_in, delivered, lost, unaccounted).given_up(places);
            };
            let Some(link) = self.status.pipelines.get(*pipeline) else { break };
            let own = less(given.lost, link.taken.lost);
            lost = lost + own + link.lost;
            let in_hand = link.taken.delivered.0.saturating_sub(given.delivered.0 + own.total().0);
            rest(format!("in {name}"), in_hand);
            let passed = link.taken.delivered.0 + link.lost.total().0;
            rest(format!("in {pipeline}"), self.given(from).delivered.0.saturating_sub(passed));
            name = from;
        }
        let ring = self.feeds.get(name).map(Feed::ring).unwrap_or_default();
        let posted = ring.lost + ring.evicted;
        // What a device is known to have missed never came in.
        let missed = less(self.given(name).lost, posted);
        let frames_in = made(name) + missed.total();
        lost = lost + posted + missed;
        rest(format!("in the ring of {name}"), ring.occupancy.0);
        let known = delivered.0 + lost.total().0 + places.values().sum::<u64>();
        let unaccounted = Frames(frames_in.0.abs_diff(known));
        SinkBooks::new(name, frames_in, delivered, lost, unaccounted).given_up(places)
    }

    /// The pipelines into a node that are there, and where each comes from.
    fn into(&self, node: &str) -> Vec<(&str, &str)> {
        let all = self.books.pipelines.iter().filter(|(_, books)| books.to == node && !books.removed);
        all.map(|(name, books)| (name.as_str(), books.from.as_str())).collect()
    }
}

fn given_total(given: &Passed) -> u64 {
    given.delivered.0 + given.lost.total().0
}

/// What `all` has over `part`, by cause.
fn less(all: Losses, part: Losses) -> Losses {
    let mut less = Losses::default();
    for &cause in LossCause::ALL {
        less[cause] = Frames(all[cause].0.saturating_sub(part[cause].0));
    }
    less
}
