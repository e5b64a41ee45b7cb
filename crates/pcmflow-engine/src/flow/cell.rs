//! What a node's task shares with whoever looks.

use super::books::{NodeBooks, Tally};
use super::meet::Followed;
use crate::event::NameId;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};
use pcmflow_core::format::{Frames, StreamPosition};
use pcmflow_core::ledger::{Settled, Timeline};
use serde::{Deserialize, Serialize};
use std::sync::PoisonError;

/// What a node is doing.
///
/// ```
/// use pcmflow_engine::flow::State;
/// assert_eq!(serde_json::to_string(&State::Running)?, "\"running\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is not started.
    #[default]
    Waiting,
    /// It works.
    Running,
    /// Its stream is over, and everything was passed on.
    Ended,
    /// It failed or panicked: it is not called any more.
    Failed,
    /// It was removed, or whoever polled it went before its stream was over.
    Removed,
}

impl State {
    /// One lower-case word for machines.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::Removed => "removed",
        }
    }
}

const STATES: [State; 5] = [State::Waiting, State::Running, State::Ended, State::Failed, State::Removed];

#[derive(Debug, Default)]
pub(super) struct NodeCell {
    /// The node's name, in events.
    pub(super) id: NameId,
    state: AtomicU64,
    /// A source has no stream now: nothing is due behind it.
    pub(super) rests: AtomicBool,
    pub(super) given: Tally,
    /// The last cut that was compared, its position plus one.
    settled: AtomicU64,
    settled_unaccounted: AtomicU64,
    /// What it failed with.
    error: Mutex<Option<String>>,
    books: Mutex<NodeBooks>,
    /// Whether the task takes no edits any more. Locked by whoever brings one, for as long as that takes, and by the task when it
    /// goes: what comes before is found by its last look, and nothing comes after.
    closed: Mutex<bool>,
}

impl NodeCell {
    pub(super) fn new(id: NameId) -> Self {
        Self { id, ..Self::default() }
    }

    pub(super) fn set_state(&self, state: State) {
        self.state.store(state as u64, Ordering::Release);
    }

    pub(super) fn state(&self) -> State {
        STATES.get(self.state.load(Ordering::Acquire) as usize).copied().unwrap_or_default()
    }

    pub(super) fn fail(&self, message: String) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
        self.set_state(State::Failed);
    }

    pub(super) fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn settle(&self, position: StreamPosition, unaccounted: Frames) {
        self.settled_unaccounted.store(unaccounted.0, Ordering::Relaxed);
        // Release: who sees the position sees what was found up to there, or later.
        self.settled.store(position.0.saturating_add(1), Ordering::Release);
    }

    pub(super) fn settled(&self) -> Option<Settled> {
        let position = StreamPosition(self.settled.load(Ordering::Acquire).checked_sub(1)?);
        Some(Settled { position, unaccounted: Frames(self.settled_unaccounted.load(Ordering::Relaxed)) })
    }

    /// Keeps the task from closing while an edit is brought; none where it has.
    pub(super) fn open(&self) -> Option<impl Sized + '_> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        (!*closed).then_some(closed)
    }

    /// The task goes, and takes no edits any more; `over` where its stream is.
    pub(super) fn end(&self, given: &Timeline, over: bool) {
        self.given.publish(given);
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(self.state(), State::Running | State::Waiting) {
            self.set_state(if over { State::Ended } else { State::Removed });
        }
        *closed = true;
    }

    /// The task went, with all that it had; `over` where its stream is.
    pub(super) fn close(
        &self,
        given: Timeline,
        taken_to: Option<StreamPosition>,
        over: bool,
        followed: Vec<Followed>,
    ) {
        let taken_to = taken_to.filter(|_| over).map(|position| position.0);
        let failed = self.state() == State::Failed;
        *self.books.lock().unwrap_or_else(PoisonError::into_inner) =
            NodeBooks { given: Some(given), taken_to, followed, failed };
    }

    pub(super) fn books(&self) -> NodeBooks {
        self.books.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
