//! What a link's sending end loses, as far as it was not told yet.
//!
//! A run of losses is told once, when it begins: its receiving end may stand, and is told in band when it goes on.

use pcmflow_core::chunk::{LinkGauge, LinkStats};
use pcmflow_core::format::{Frames, StreamPosition};
use pcmflow_core::ledger::{Gap, LossCause};

/// Looked at once a poll; with each chunk only by what loses that chunk.
#[derive(Debug, Default)]
pub(super) struct Losing {
    /// The first run that began since that was asked, with what was lost from there on.
    opened: Option<Gap>,
    /// Where the last thing ended that was given up.
    given_up_to: Option<StreamPosition>,
    /// Of the ring in use, when it was looked at last.
    evictions: u64,
    evicted: Frames,
    overruns: u64,
    /// Where the ring in use begins.
    begins: StreamPosition,
}

impl Losing {
    /// This was given up.
    pub(super) fn give_up(&mut self, gap: Gap) {
        let goes_on = self.given_up_to.replace(gap.end()) == Some(gap.position);
        match &mut self.opened {
            Some(opened) => opened.frames += gap.frames,
            None if goes_on => {}
            None => self.opened = Some(gap),
        }
    }

    /// Finds out what was evicted since the last look; the receiving end stands at `taken`.
    pub(super) fn look(
        &mut self,
        gauge: &LinkGauge,
        stats: LinkStats,
        taken: impl FnOnce() -> StreamPosition,
    ) {
        if stats.evictions == self.evictions {
            return;
        }
        let (evicted, overruns) = (gauge.evicted()[LossCause::Overflow], gauge.overruns());
        let frames = evicted - self.evicted;
        if overruns != self.overruns && self.opened.is_none() {
            self.opened =
                Some(Gap { position: taken().max(self.begins), frames, cause: LossCause::Overflow });
        }
        (self.evictions, self.evicted, self.overruns) = (stats.evictions, evicted, overruns);
    }

    /// Another ring is in use, from this place on.
    pub(super) fn replace(&mut self, begins: StreamPosition) {
        (self.evictions, self.evicted, self.overruns, self.begins) = (0, Frames::ZERO, 0, begins);
    }

    /// A run that began since this was asked last, with what was lost from there on.
    pub(super) fn opened(&mut self) -> Option<Gap> {
        self.opened.take()
    }
}
