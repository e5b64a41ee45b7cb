//! The books of a flow: what each node gave, what each link took in and let out, and whether all of that agrees.
//!
//! While a flow runs its tasks publish what they counted, each figure for itself. When a link's end or a node goes, it leaves
//! its books, which are exact; [`FlowBooks::unaccounted`] then compares them hop by hop.

use super::meet::Followed;
use crate::sync::{AtomicU64, Ordering};
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::{Balance, Conversion, EdgeSnapshot, LossCause, Losses, Timeline};
use std::collections::BTreeMap;

/// A timeline's figures, published by its one owner for whoever looks.
#[derive(Debug, Default)]
pub(super) struct Tally {
    start: AtomicU64,
    position: AtomicU64,
    delivered: AtomicU64,
    lost: [AtomicU64; LossCause::ALL.len()],
    unaccounted: AtomicU64,
}

/// Frames of the source that a node took or gave, as last published. Each figure is of its own instant.
///
/// ```
/// use pcmflow_engine::flow::Passed;
/// assert_eq!(Passed::default().delivered.0, 0);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// The first frame that concerned it.
    pub start: u64,
    /// The first frame that it has not come to.
    pub position: u64,
    /// Frames that passed.
    pub delivered: Frames,
    /// Frames that are known to be lost up to there, by cause.
    pub lost: Losses,
    /// Frames that came twice or were left out. Anything but 0 is a bug: of ours, or of a node.
    pub unaccounted: Frames,
}

impl Tally {
    pub(super) fn publish(&self, timeline: &Timeline) {
        // Relaxed: each figure speaks for itself.
        self.start.store(timeline.start().0, Ordering::Relaxed);
        self.position.store(timeline.position().0, Ordering::Relaxed);
        self.delivered.store(timeline.delivered().0, Ordering::Relaxed);
        let lost = timeline.lost();
        for &cause in LossCause::ALL {
            self.lost[cause as usize].store(lost[cause].0, Ordering::Relaxed);
        }
        self.unaccounted.store(timeline.unaccounted().0, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Passed {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut lost = Losses::default();
        for &cause in LossCause::ALL {
            lost[cause] = Frames(read(&self.lost[cause as usize]));
        }
        Passed {
            start: read(&self.start),
            position: read(&self.position),
            delivered: Frames(read(&self.delivered)),
            lost,
            unaccounted: Frames(read(&self.unaccounted)),
        }
    }
}

/// The books of one link, as its ends left them.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamPosition};
/// use pcmflow_core::ledger::Timeline;
/// use pcmflow_engine::flow::LinkBooks;
/// let mut sent = Timeline::default();
/// sent.deliver(StreamPosition(0), Frames(128));
/// let open = LinkBooks { sent: Some(sent), ..LinkBooks::default() };
/// assert_eq!(open.unaccounted(), Frames(0)); // the other end is there yet
/// ```
#[derive(Debug, Clone, Default)]
pub struct LinkBooks {
    /// The node that fills it.
    pub from: String,
    /// The node that empties it.
    pub to: String,
    /// It goes to an input with a clock, and so a timeline, [of its own](super::Ports::own_clocks).
    pub own_clock: bool,
    /// It was taken out: what follows at either end is no concern of it.
    pub removed: bool,
    /// What the sending end was given, and sent or gave up; none while it is there.
    pub sent: Option<Timeline>,
    /// Of what counts as sent: what waited for room when the sending end went
    /// ([`Removed`](LossCause::Removed)), which that tells the other end.
    pub unsent: Frames,
    /// What the receiving end took; none while it is there.
    pub taken: Option<Timeline>,
    /// Both ends' counts beside what was measured inside, when the receiving end went.
    pub edge: Option<EdgeSnapshot>,
    /// Of what changed the format behind the link, one after the other.
    pub conversions: Vec<Conversion>,
}

impl LinkBooks {
    /// Whether both ends are gone.
    pub(super) fn are_closed(&self) -> bool {
        self.sent.is_some() && self.taken.is_some()
    }

    /// Frames on which the two ends do not agree, where both are gone.
    ///
    /// Not RT-safe: meant for the control side.
    pub fn unaccounted(&self) -> Frames {
        let (Some(sent), Some(taken), Some(edge)) = (self.sent, self.taken, self.edge) else {
            return Frames::ZERO;
        };
        // What the sending end passed on as lost was not lost here: an edge of its own for the balance.
        let mut passed =
            EdgeSnapshot { accepted: Frames::ZERO, popped: Frames::ZERO, occupancy: Frames::ZERO, ..edge };
        (passed.evicted, passed.lost) = (Losses::default(), Losses::default());
        let (sent_lost, mut own_lost) = (sent.lost(), edge.lost);
        let mut frames_in = sent.position() - sent.start();
        if taken.has_ended() {
            own_lost[LossCause::Removed] = own_lost[LossCause::Removed] - self.unsent;
        } else {
            // The receiving end went first: what was sent when nobody was there any more is lost with it.
            frames_in = frames_in - (sent.delivered() - edge.accepted);
        }
        for &cause in LossCause::ALL {
            passed.lost[cause] = sent_lost[cause] - own_lost[cause];
        }
        let balance = Balance::close(frames_in, &[edge, passed], &taken);
        let begun = Frames(sent.start().0.abs_diff(taken.start().0));
        let converted = self.conversions.iter().map(Conversion::imbalance).max().unwrap_or(Frames::ZERO);
        balance.unaccounted.max(sent.unaccounted()).max(begun).max(converted)
    }
}

/// The books of one node.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamPosition};
/// use pcmflow_core::ledger::Timeline;
/// use pcmflow_engine::flow::NodeBooks;
/// let mut given = Timeline::default();
/// given.deliver(StreamPosition(0), Frames(100));
/// let books = NodeBooks { given: Some(given), taken_to: Some(128), ..NodeBooks::default() };
/// assert_eq!(books.unaccounted(), Frames(28)); // swallowed
/// ```
#[derive(Debug, Clone, Default)]
pub struct NodeBooks {
    /// What it gave, or what a sink consumed; none while it is there.
    pub given: Option<Timeline>,
    /// Where its inputs ended, the last of them; none for a source.
    pub taken_to: Option<u64>,
    /// What became of inputs with clocks of their own.
    pub followed: Vec<Followed>,
    /// It failed: what was made for a source since, or waits before it, is lost with it
    /// ([`DeadModule`](LossCause::DeadModule)).
    pub failed: bool,
}

impl NodeBooks {
    /// Frames that it neither gave nor told to be lost, or gave twice, where it is gone.
    ///
    /// Not RT-safe: meant for the control side.
    pub fn unaccounted(&self) -> Frames {
        let Some(given) = self.given else { return Frames::ZERO };
        let swallowed = self.taken_to.map_or(0, |taken_to| taken_to.abs_diff(given.position().0));
        let followed = self.followed.iter().map(Followed::unaccounted).max().unwrap_or(Frames::ZERO);
        given.unaccounted().max(Frames(swallowed)).max(followed)
    }
}

/// The books of a whole flow, its removed parts included.
///
/// ```
/// use pcmflow_core::format::Frames;
/// use pcmflow_engine::flow::FlowBooks;
/// assert_eq!(FlowBooks::default().unaccounted(), Frames(0));
/// ```
#[derive(Debug, Clone, Default)]
pub struct FlowBooks {
    /// By name; of what was removed, by name and number.
    pub nodes: BTreeMap<String, NodeBooks>,
    /// By name, which is `from→to`; of what was removed, by name and number.
    pub pipelines: BTreeMap<String, LinkBooks>,
    /// Of what was removed long ago, together.
    pub folded: FoldedBooks,
}

/// The books of what was removed and is over, added up: a flow that is changed for days keeps only the latest by name.
///
/// ```
/// use pcmflow_engine::flow::FoldedBooks;
/// assert_eq!(FoldedBooks::default().unaccounted.0, 0);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FoldedBooks {
    /// Nodes that are in here.
    pub nodes: u64,
    /// Pipelines that are in here.
    pub pipelines: u64,
    /// Frames that those pipelines' receiving ends took, in all.
    pub taken: Frames,
    /// Frames that those pipelines lost themselves, in all and by cause.
    pub lost: Losses,
    /// Frames on which any two of their books disagree; the most of any place. Anything but 0 is a bug.
    pub unaccounted: Frames,
}

impl FoldedBooks {
    pub(super) fn node(&mut self, books: &NodeBooks) {
        self.nodes += 1;
        self.unaccounted = self.unaccounted.max(books.unaccounted());
    }

    pub(super) fn pipeline(&mut self, books: &LinkBooks) {
        self.pipelines += 1;
        self.unaccounted = self.unaccounted.max(books.unaccounted());
        self.taken += books.taken.map_or(Frames::ZERO, |taken| taken.delivered());
        if let Some(edge) = books.edge {
            self.lost = self.lost + edge.lost + edge.evicted;
        }
    }
}

impl FlowBooks {
    /// Frames on which any two books disagree, where both are closed; the most of any place: in a pipeline, in a node, or between the
    /// two where one ends and the other begins. Anything but 0 is a bug.
    ///
    /// Not RT-safe: allocates.
    pub fn unaccounted(&self) -> Frames {
        let links = self.pipelines.values().map(LinkBooks::unaccounted);
        let nodes = self.nodes.values().map(NodeBooks::unaccounted);
        links.chain(nodes).chain(self.joints()).max().unwrap_or(Frames::ZERO).max(self.folded.unaccounted)
    }
}
