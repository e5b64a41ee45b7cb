//! A task's inputs with clocks of their own: what became of them, also when their node is gone.

use super::link::inlet::Inlet;
use super::meet::Followed;
use super::task::{NodeTask, Work};
use crate::catching::catching;
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::{Gap, LossCause};

#[derive(Debug, Default)]
pub(super) struct Followers {
    /// As the node left them.
    books: Vec<Followed>,
    /// The most that a cut showed on the way here.
    unaccounted: Frames,
}

impl Followers {
    /// The node goes: takes its books over.
    pub(super) fn ask(&mut self, work: &Work) {
        if let Work::Node(node) | Work::Sink(node) = work {
            // One that panicked may do so again: then there are none.
            self.books = catching(|| node.followed()).unwrap_or_default();
        }
    }

    /// The writer's books came in an input's stream. They have no place in the stream that comes out, what they show has.
    pub(super) fn cut(&mut self, unaccounted: Frames) {
        self.unaccounted = self.unaccounted.max(unaccounted);
    }

    pub(super) fn unaccounted(&self) -> Frames {
        self.unaccounted
    }

    /// Throws out what is there, and lets go what is over.
    pub(super) fn drain(&mut self, inlets: &mut Vec<(usize, Inlet)>, cause: LossCause) {
        inlets.retain_mut(|(input, inlet)| {
            if !inlet.own_clock {
                return true;
            }
            let over = inlet.drain(cause, |_| {});
            let open = |books: &&mut Followed| books.input == *input && books.taken_to.is_none();
            if let (Some(books), Some(end)) = (self.books.iter_mut().rfind(open), inlet.position()) {
                let position = books.taken.position();
                books.taken.lose(Gap { position, frames: end - position, cause });
                books.taken_to = over.then_some(end);
            }
            !over
        });
    }

    pub(super) fn take(&mut self) -> Vec<Followed> {
        std::mem::take(&mut self.books)
    }
}

impl NodeTask {
    /// Whether the inlet has a clock of its own, and something of it should come now.
    pub(super) fn is_wanted(&self, at: usize) -> bool {
        match (&self.work, self.inlets.get(at)) {
            (Work::Node(node) | Work::Sink(node), Some((input, inlet))) => {
                inlet.own_clock && catching(|| node.wants(*input)).unwrap_or(true)
            }
            _ => false,
        }
    }
}
