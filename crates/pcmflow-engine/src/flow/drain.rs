//! What a task does whose node is gone: throws out what is there, tells that it is lost, and leaves its books.

use super::edit::Edit;
use super::link::outlet::Outlet;
use super::task::{NodeTask, Phase, Step};
use pcmflow_core::format::{Frames, StreamPosition};
use pcmflow_core::ledger::{Gap, LossCause, Timeline};

impl NodeTask {
    /// Throws out what is there.
    pub(super) fn drain(&mut self, cause: LossCause) -> Step {
        self.followed.drain(&mut self.inlets, cause);
        let single = self.inlets.iter().filter(|(_, inlet)| !inlet.own_clock).count() == 1;
        let aligned = self.inlets.iter_mut().filter(|(_, inlet)| !inlet.own_clock);
        let starts = aligned.filter_map(|(_, inlet)| inlet.position());
        if let Some(start) = starts.min() {
            self.begin(start);
        }
        let mut reached = self.taken_to;
        let mut at = 0;
        while let Some((_, inlet)) = self.inlets.get_mut(at) {
            if inlet.own_clock {
                at += 1;
                continue;
            }
            // What it held, or had in hand.
            let (given, outlets) = (&mut self.given, &mut self.outlets);
            if single && let Some(taken) = inlet.position() {
                for known in inlet.unpassed() {
                    let held = given.position();
                    lose_between(given, outlets, held, known.position, cause);
                    lose_between(given, outlets, known.position, known.end(), known.cause);
                }
                let held = given.position();
                lose_between(given, outlets, held, taken, cause);
            }
            let over = inlet.drain(cause, |gap| {
                if single {
                    lose_between(given, outlets, gap.position, gap.end(), gap.cause);
                }
            });
            reached = reached.max(inlet.position());
            if over {
                self.let_go(at);
            } else {
                at += 1;
            }
        }
        if let Some(reached) = reached {
            let from = self.given.position();
            lose_between(&mut self.given, &mut self.outlets, from, reached, cause);
        }
        if self.inlets.is_empty() {
            self.phase = Phase::Ending;
            return Step::Moved;
        }
        Step::Nothing
    }
}

/// Gives a gap for what lies between, as far as it was not given.
fn lose_between(
    given: &mut Timeline,
    outlets: &mut [Outlet],
    from: StreamPosition,
    to: StreamPosition,
    cause: LossCause,
) {
    let position = from.max(given.position());
    let gap = Gap { position, frames: to - position, cause };
    if gap.frames > Frames::ZERO {
        given.lose(gap);
        for outlet in outlets {
            outlet.gap(gap);
        }
    }
}

impl Drop for NodeTask {
    fn drop(&mut self) {
        self.drop_work();
        // Nobody polls it any more, though its stream goes on: what is there is lost, and told to be.
        match self.phase {
            Phase::Working if !self.inlets.is_empty() => drop(self.drain(LossCause::Removed)),
            Phase::Draining(cause) => drop(self.drain(cause)),
            _ => {}
        }
        let over = self.phase == Phase::Ending;
        if over {
            self.given.end();
        }
        self.cell.end(&self.given, over);
        // Edits that came since the last poll. What they bring goes with them, else the links' other ends would wait for ever: a ring
        // keeps what is in it until both its ends are gone.
        while let Some(edit) = self.edits.pop() {
            if let Edit::Attach(mut outlet) = edit
                && self.begun
            {
                outlet.begin(self.given.position());
            }
        }
        // Before the books are there: where they all are, those of the links are complete.
        self.inlets.clear();
        self.outlets.clear();
        self.leaving.clear();
        self.cell.close(self.given, self.taken_to, over, self.followed.take());
    }
}
