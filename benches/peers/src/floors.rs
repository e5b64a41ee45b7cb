//! What is asked of ours: the floors, in one place.

use crate::experiment::Kind;

/// One bar: a figure of ours over the best of the peers or the limit, in the same run.
pub(crate) struct Floor {
    pub(crate) experiment: &'static str,
    /// One of [`Figures::names`](crate::experiment::Figures::names).
    pub(crate) figure: &'static str,
    /// [`Kind::Peer`] for the best of them, or [`Kind::Limit`].
    pub(crate) against: Kind,
    bar: Bar,
}

enum Bar {
    AtMost(f64),
    Below(f64),
}

impl Floor {
    pub(crate) fn holds(&self, ratio: f64) -> bool {
        match self.bar {
            Bar::AtMost(bar) => ratio <= bar,
            Bar::Below(bar) => ratio < bar,
        }
    }

    pub(crate) fn bar(&self) -> String {
        match self.bar {
            Bar::AtMost(bar) => format!("at most {bar:.2}"),
            Bar::Below(bar) => format!("below {bar:.2}"),
        }
    }

    pub(crate) fn what(&self) -> &'static str {
        if self.against == Kind::Limit { "the limit" } else { "the best peer" }
    }
}

const fn floor(experiment: &'static str, figure: &'static str, against: Kind, bar: Bar) -> Floor {
    Floor { experiment, figure, against, bar }
}

/// Every floor on time. (Those of reports stand below.)
pub(crate) const FLOORS: &[Floor] = &[
    floor("X1", "median", Kind::Peer, Bar::AtMost(0.7)),
    floor("X2", "median", Kind::Peer, Bar::Below(1.0)),
    floor("X3a", "median", Kind::Peer, Bar::AtMost(0.8)),
    floor("X3b", "median", Kind::Peer, Bar::AtMost(1.0)),
    floor("X4", "p50", Kind::Limit, Bar::AtMost(1.15)),
    floor("X4", "p99", Kind::Limit, Bar::AtMost(1.15)),
    floor("X5a", "median", Kind::Peer, Bar::AtMost(1.0)),
    floor("X5b", "median", Kind::Peer, Bar::Below(1.0)),
    floor("X5c", "median", Kind::Peer, Bar::Below(1.0)),
];

/// Bytes of a pool that can't hold samples, of those it manages: below this.
pub(crate) const OVERHEAD_PERCENT: f64 = 3.0;

/// How many times as quick as GStreamer a hand-off in the engine is to be at least, and is meant to be.
pub(crate) const HAND_OFF: (f64, f64) = (10.0, 50.0);

/// Milliseconds from publishing a Critical block to observing it, at p99.9: at most, and what is aimed at.
pub(crate) const CRITICAL_MS: (f64, f64) = (2.0, 0.3);

/// What a pipeline of a thousand may take, in processor time, of what one of ten takes: at most.
pub(crate) const COST_OF_MANY: f64 = 2.0;

/// What metrics may take of a flow's processor time, in percent: below this.
pub(crate) const METRICS_PERCENT: f64 = 1.0;
