//! A consumer's view: deliveries and gaps must tile the source's timeline.

use super::{CutMark, Gap, Losses};
use crate::format::{Frames, StreamPosition};

/// What a cut mark showed: the books agree up to a position, or by how much they don't.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamPosition};
/// use pcmflow_core::ledger::{CutMark, Losses, Settled, Timeline};
/// let mut timeline = Timeline::default();
/// timeline.deliver(StreamPosition(0), Frames(128));
/// let cut = CutMark { position: StreamPosition(128), accepted: Frames(128), lost: Losses::default() };
/// let settled = Settled { position: StreamPosition(128), unaccounted: Frames(0) };
/// assert_eq!(timeline.settle(&cut), settled);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Every frame before this one was looked at.
    pub position: StreamPosition,
    /// Frames before it that are neither delivered nor lost with a cause, or that the two ends count differently.
    pub unaccounted: Frames,
}

/// Checks that what arrives tiles the timeline: each frame delivered once, or in a gap once, in order.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamPosition};
/// use pcmflow_core::ledger::{Gap, LossCause, Timeline};
/// let mut timeline = Timeline::default();
/// timeline.deliver(StreamPosition(0), Frames(128));
/// timeline.lose(Gap { position: StreamPosition(128), frames: Frames(64), cause: LossCause::Overflow });
/// timeline.deliver(StreamPosition(192), Frames(128));
/// assert_eq!((timeline.delivered(), timeline.unaccounted()), (Frames(256), Frames(0)));
/// timeline.deliver(StreamPosition(330), Frames(10)); // 10 frames are missing, and nobody said why
/// assert_eq!(timeline.unaccounted(), Frames(10));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeline {
    /// Where it begins.
    start: StreamPosition,
    /// The first frame that has not been heard of.
    next: StreamPosition,
    delivered: Frames,
    lost: Losses,
    /// Frames that were skipped without a gap.
    holes: Frames,
    /// Frames that came again.
    doubled: Frames,
    ended: bool,
}

impl Timeline {
    /// Enters frames that arrived.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn deliver(&mut self, position: StreamPosition, frames: Frames) {
        self.advance(position, frames);
        self.delivered += frames;
    }

    /// Enters frames that are known to be lost.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn lose(&mut self, gap: Gap) {
        self.advance(gap.position, gap.frames);
        self.lost[gap.cause] += gap.frames;
    }

    /// A timeline that begins in mid-stream, at `position`: what came before is not its concern.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn starting_at(position: StreamPosition) -> Self {
        Self { start: position, next: position, ..Self::default() }
    }

    /// Where it begins.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn start(&self) -> StreamPosition {
        self.start
    }

    fn advance(&mut self, position: StreamPosition, frames: Frames) {
        let end = position + frames;
        self.holes += position - self.next;
        // What lies before `next` was heard of already.
        self.doubled += Frames((self.next.min(end) - position).0);
        self.next = self.next.max(end);
    }

    /// Enters that the stream is over: whatever was not heard of by now never will be.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the stream is over.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Compares these books with the writer's at a cut mark.
    ///
    /// A cut may stand inside a block: what was delivered beyond it is taken off before the two are compared. Anything
    /// that differs is unaccounted: holes, doubled frames, and frames that the two ends booked differently. Both ends' books
    /// begin where this timeline does.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn settle(&self, cut: &CutMark) -> Settled {
        let beyond = self.next - cut.position;
        let missing = cut.position - self.next;
        let mut differ = Frames(cut.accepted.0.abs_diff((self.delivered - beyond).0));
        for &cause in super::LossCause::ALL {
            differ += Frames(cut.lost[cause].0.abs_diff(self.lost[cause].0));
        }
        let told = cut.accepted + cut.lost.total();
        let self_contradiction = (cut.position - self.start).0.abs_diff(told.0);
        let unaccounted = self.unaccounted().max(differ).max(missing).max(Frames(self_contradiction));
        Settled { position: cut.position, unaccounted }
    }

    /// The first frame that has not been heard of.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self) -> StreamPosition {
        self.next
    }

    /// Frames that arrived.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn delivered(&self) -> Frames {
        self.delivered
    }

    /// Frames that are known to be lost, by cause.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn lost(&self) -> Losses {
        self.lost
    }

    /// Frames that were skipped without a gap, and frames that came again.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn unaccounted(&self) -> Frames {
        self.holes + self.doubled
    }
}

#[cfg(test)]
mod tests {
    use super::super::LossCause;
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    fn gap(position: u64, frames: u64) -> Gap {
        Gap { position: StreamPosition(position), frames: Frames(frames), cause: LossCause::Overflow }
    }

    #[test]
    fn absurd_figures_saturate() {
        let mut timeline = Timeline::default();
        timeline.lose(gap(0, u64::MAX));
        let mut lost = Losses::default();
        lost[LossCause::Device] = Frames(u64::MAX);
        let cut = CutMark { position: StreamPosition(u64::MAX), accepted: Frames(u64::MAX), lost };
        assert_eq!(timeline.settle(&cut).unaccounted, Frames(u64::MAX));
    }

    #[test]
    fn a_lost_and_a_doubled_block_do_not_cancel_out() {
        let mut timeline = Timeline::default();
        timeline.deliver(StreamPosition(0), Frames(100));
        timeline.deliver(StreamPosition(0), Frames(100));
        timeline.deliver(StreamPosition(200), Frames(100));
        assert_eq!(timeline.delivered(), Frames(300));
        assert_eq!(timeline.unaccounted(), Frames(200));
    }

    #[test]
    fn a_cut_finds_each_kind_of_disagreement() {
        let mut timeline = Timeline::default();
        timeline.deliver(StreamPosition(0), Frames(100));
        timeline.lose(gap(100, 20));
        let mut lost = Losses::default();
        lost[LossCause::Overflow] = Frames(20);
        let cut = CutMark { position: StreamPosition(120), accepted: Frames(100), lost };
        assert_eq!(timeline.settle(&cut).unaccounted, Frames(0));
        assert_eq!(timeline.settle(&CutMark { accepted: Frames(99), ..cut }).unaccounted, Frames(1));
        assert_eq!(timeline.settle(&CutMark { position: StreamPosition(125), ..cut }).unaccounted, Frames(5));
        let mut later = timeline;
        later.deliver(StreamPosition(120), Frames(30));
        assert_eq!(
            later.settle(&cut).unaccounted,
            Frames(0),
            "a cut inside the block that was delivered last"
        );
        let mut other_cause = Losses::default();
        other_cause[LossCause::Shed] = Frames(20);
        assert_eq!(timeline.settle(&CutMark { lost: other_cause, ..cut }).unaccounted, Frames(40));
    }

    #[test]
    fn a_timeline_that_begins_in_mid_stream_settles_with_books_that_do() {
        let mut timeline = Timeline::starting_at(StreamPosition(1_000));
        timeline.deliver(StreamPosition(1_000), Frames(100));
        let cut = CutMark { position: StreamPosition(1_100), accepted: Frames(100), lost: Losses::default() };
        assert_eq!(timeline.start(), StreamPosition(1_000));
        assert_eq!(timeline.settle(&cut).unaccounted, Frames(0));
        assert_eq!(timeline.settle(&CutMark { accepted: Frames(1_100), ..cut }).unaccounted, Frames(1_000));
    }

    proptest! {
        /// Beside a naive count per frame: any frame not covered, and any surplus cover, is unaccounted.
        #[test]
        fn agrees_with_counting_each_frame(pieces in proptest::collection::vec((0u64..64, 0u64..16, any::<bool>()), 0..12)) {
            let mut covered = vec![0u32; 96];
            let mut timeline = Timeline::default();
            let mut end = 0;
            for (position, frames, lost) in pieces {
                // In order up to repeats: the timeline is fed by one FIFO, so a hole is never filled later.
                let position = position.max(end / 2);
                if position > end { for slot in &mut covered[end as usize..position as usize] { *slot = 99; } }
                for slot in &mut covered[position as usize..(position + frames) as usize] { *slot += 1; }
                end = end.max(position + frames);
                if lost { timeline.lose(gap(position, frames)); } else { timeline.deliver(StreamPosition(position), Frames(frames)); }
            }
            let holes = covered[..end as usize].iter().filter(|&&c| c >= 99).count() as u64;
            let doubled: u64 = covered.iter().map(|&c| u64::from(if c >= 99 { c - 99 } else { c.saturating_sub(1) })).sum();
            prop_assert_eq!(timeline.unaccounted(), Frames(holes + doubled));
            prop_assert_eq!(timeline.position(), StreamPosition(end));
        }
    }
}
