//! What became of every frame on its way to a sink, be the flow over, or given up.

use crate::flow_summary::SinkBooks;
use pcmflow::core::format::Frames;
use pcmflow::core::ledger::{LossCause, Losses};
use pcmflow::engine::flow::{FlowBooks, FlowStatus};
use pcmflow::flow_file::Feed;
use std::collections::BTreeMap;

/// The source of a sink, and all that is known of the flow.
pub(super) struct Books<'a> {
    pub(super) source: &'a str,
    pub(super) feed: &'a Feed,
    pub(super) status: &'a FlowStatus,
    pub(super) books: &'a FlowBooks,
}

impl Books<'_> {
    /// The books of a sink that is over.
    pub(super) fn closed(&self, sink: &str) -> SinkBooks {
        let frames_in = self.feed.frames_in();
        let fed = !self.into(sink).is_empty();
        let balance = if fed { self.books.balance(frames_in, &[self.feed.ring()], sink) } else { None };
        if let Some((balance, _)) = balance {
            let (delivered, dropped) = (balance.delivered, balance.dropped);
            return SinkBooks::new(self.source, balance.frames_in, delivered, dropped, balance.unaccounted);
        }
        // Behind a join there is no one way to add up, and to what was taken out nothing leads any more: what came and
        // what is known to be missing must tile the timeline.
        let given = self.status.nodes.get(sink).map(|node| node.given).unwrap_or_default();
        let mut lost: Losses = given.lost;
        if !fed {
            lost[LossCause::Removed] += Frames(frames_in.0.saturating_sub(given.position));
        }
        let missing = frames_in.0.abs_diff(given.delivered.0 + lost.total().0);
        let unaccounted = given.unaccounted.max(self.books.unaccounted()).max(Frames(missing));
        SinkBooks::new(self.source, frames_in, given.delivered, lost, unaccounted)
    }

    /// The books of a sink in a flow that is given up: what is under way, and where, is found from place to place. Nothing moves any
    /// more, so the figures are of one instant.
    pub(super) fn given_up(&self, sink: &str) -> SinkBooks {
        let node = |name: &str| self.status.nodes.get(name).map(|node| node.given).unwrap_or_default();
        let (mut places, mut lost) = (BTreeMap::new(), Losses::default());
        let mut rest = |place: String, frames: u64| {
            if frames > 0 {
                *places.entry(place).or_default() += frames;
            }
        };
        let delivered = node(sink).delivered;
        let (mut name, mut frames_in) = (sink, self.feed.frames_in());
        while name != self.source {
            let into = self.into(name);
            let ([pipeline], given) = (into.as_slice(), node(name)) else {
                // Behind a join there is no one way, and to what was taken out none.
                rest(format!("before {name}"), frames_in.0.saturating_sub(given_total(&node(name))));
                let unaccounted = given_total(&node(name)).saturating_sub(frames_in.0);
                lost = lost + node(name).lost;
                return SinkBooks::new(self.source, frames_in, delivered, lost, Frames(unaccounted))
                    .given_up(places);
            };
            let (Some(link), Some((from, _))) =
                (self.status.pipelines.get(*pipeline), pipeline.split_once('→'))
            else {
                break;
            };
            let own = less(given.lost, link.taken.lost);
            lost = lost + own + link.lost;
            let in_hand = link.taken.delivered.0.saturating_sub(given.delivered.0 + own.total().0);
            rest(format!("in {name}"), in_hand);
            let passed = link.taken.delivered.0 + link.lost.total().0;
            rest(format!("in {pipeline}"), node(from).delivered.0.saturating_sub(passed));
            name = from;
        }
        let ring = self.feed.ring();
        let posted = ring.lost + ring.evicted;
        // What a device is known to have missed never came in.
        let missed = less(node(name).lost, posted);
        frames_in += missed.total();
        lost = lost + posted + missed;
        rest(format!("in the ring of {name}"), ring.occupancy.0);
        let known = delivered.0 + lost.total().0 + places.values().sum::<u64>();
        let unaccounted = Frames(frames_in.0.abs_diff(known));
        SinkBooks::new(self.source, frames_in, delivered, lost, unaccounted).given_up(places)
    }

    /// The pipelines into a node.
    fn into(&self, node: &str) -> Vec<&String> {
        let into = |pipeline: &&String| {
            pipeline.split_once('→').is_some_and(|(_, to)| {
                to == node || to.rsplit_once('.').is_some_and(|(to, input)| to == node && is_number(input))
            })
        };
        self.status.pipelines.keys().filter(into).collect()
    }
}

/// An input behind the name of a node, where it is not the first.
fn is_number(text: &str) -> bool {
    text.parse::<u32>().is_ok()
}

fn given_total(given: &pcmflow::engine::flow::Passed) -> u64 {
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
