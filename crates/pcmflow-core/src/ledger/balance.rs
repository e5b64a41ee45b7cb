//! The books of a whole flow, closed.

use super::{EdgeSnapshot, Losses, Timeline};
use crate::format::Frames;

/// A flow's account at rest: what went in, and what became of it.
///
/// Each figure comes from another place, so that they can disagree: the source counted what it made, the consumer what
/// it got, the writer of the first edge what it gave up, and what is in flight was measured in the storage.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamPosition};
/// use pcmflow_core::ledger::{Balance, EdgeSnapshot, Losses, Timeline};
/// let mut timeline = Timeline::default();
/// timeline.deliver(StreamPosition(0), Frames(100));
/// let edge = EdgeSnapshot {
///     accepted: Frames(128), popped: Frames(100), occupancy: Frames(28),
///     evicted: Losses::default(), lost: Losses::default(), overruns: 0,
/// };
/// let balance = Balance::close(Frames(128), &[edge], &timeline);
/// assert_eq!((balance.in_flight, balance.unaccounted), (Frames(28), Frames(0)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Frames that the source made.
    pub frames_in: Frames,
    /// Frames that reached the consumer.
    pub delivered: Frames,
    /// Frames that were given up, by cause.
    pub dropped: Losses,
    /// Frames that are still inside the flow.
    pub in_flight: Frames,
    /// Frames that none of the above explains, or that two books tell differently. Anything but 0 is a bug of ours.
    pub unaccounted: Frames,
}

impl Balance {
    /// Closes the books of a flow at rest: `edges` from the source to the consumer.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn close(frames_in: Frames, edges: &[EdgeSnapshot], timeline: &Timeline) -> Balance {
        let mut dropped = Losses::default();
        let (mut in_flight, mut imbalance) = (Frames::ZERO, Frames::ZERO);
        // Losses that the consumer was told of and nobody posted, or that were posted and never told.
        let mut untold = Frames::ZERO;
        for edge in edges {
            for (cause, frames) in edge.lost.iter().chain(edge.evicted.iter()) {
                dropped[cause] += frames;
            }
            in_flight += edge.occupancy;
            imbalance += edge.imbalance();
        }
        for &cause in super::LossCause::ALL {
            let (told, posted) = (timeline.lost()[cause], dropped[cause]);
            untold += told - posted;
            // Until the consumer has reached the end, a gap may be on its way to it.
            if timeline.has_ended() {
                untold += posted - told;
            }
        }
        let delivered = timeline.delivered();
        let explained = delivered + dropped.total() + in_flight;
        let differ = Frames(frames_in.0.abs_diff(explained.0));
        let unaccounted = differ.max(imbalance).max(timeline.unaccounted()).max(untold);
        Balance { frames_in, delivered, dropped, in_flight, unaccounted }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Gap, LossCause};
    use super::*;
    use crate::format::StreamPosition;

    fn books() -> (EdgeSnapshot, Timeline) {
        let mut timeline = Timeline::default();
        timeline.deliver(StreamPosition(0), Frames(60));
        timeline.lose(Gap { position: StreamPosition(60), frames: Frames(30), cause: LossCause::Overflow });
        timeline.deliver(StreamPosition(90), Frames(10));
        timeline.end();
        let mut lost = Losses::default();
        lost[LossCause::Overflow] = Frames(30);
        (
            EdgeSnapshot {
                accepted: Frames(75),
                popped: Frames(70),
                occupancy: Frames(5),
                evicted: Losses::default(),
                lost,
                overruns: 1,
            },
            timeline,
        )
    }

    #[test]
    fn balanced_books() {
        let (edge, timeline) = books();
        let balance = Balance::close(Frames(105), &[edge], &timeline);
        assert_eq!(balance.delivered, Frames(70));
        assert_eq!(balance.dropped.total(), Frames(30));
        assert_eq!(balance.in_flight, Frames(5));
        assert_eq!(balance.unaccounted, Frames(0));
    }

    #[test]
    fn each_missing_posting_shows() {
        let (edge, timeline) = books();
        let unaccounted = |frames_in, edge: EdgeSnapshot, timeline: &Timeline| {
            Balance::close(Frames(frames_in), &[edge], timeline).unaccounted
        };
        let no_losses = EdgeSnapshot { lost: Losses::default(), ..edge };
        assert_eq!(unaccounted(105, no_losses, &timeline), Frames(30), "losses not posted");
        assert_eq!(unaccounted(105, EdgeSnapshot { accepted: Frames(70), ..edge }, &timeline), Frames(5));
        assert_eq!(unaccounted(105, EdgeSnapshot { popped: Frames(60), ..edge }, &timeline), Frames(10));
        assert_eq!(unaccounted(105, EdgeSnapshot { occupancy: Frames(0), ..edge }, &timeline), Frames(5));
        assert_eq!(unaccounted(99, edge, &timeline), Frames(6), "the source counted less than came out");
        let mut silent = Timeline::default();
        silent.deliver(StreamPosition(0), Frames(60));
        silent.deliver(StreamPosition(90), Frames(10));
        assert_eq!(unaccounted(105, edge, &silent), Frames(30), "a gap that the consumer was not told of");
        let mut one_gap_short = Timeline::default();
        one_gap_short.deliver(StreamPosition(0), Frames(70));
        assert_eq!(unaccounted(105, edge, &one_gap_short), Frames(0), "the gap may still be on its way");
        one_gap_short.end();
        assert_eq!(unaccounted(105, edge, &one_gap_short), Frames(30), "the last gap was never told");
    }
}
