//! What the nodes of the flow found, until somebody asks for it: a bounded queue that gives up the oldest and counts it.

use pcmflow::engine::flow::NodeError;
use pcmflow::engine::task::{Clock, StepClock};
use pcmflow::nodes::{Levels, Listener, Pitched};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Results that are kept: over ten seconds of blocks of 1024 frames at 48 kHz.
pub(crate) const HEARD_MAX: usize = 1_024;

/// A result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Heard {
    Pitch(Pitched),
    Level(Levels),
}

#[derive(Debug, Default)]
struct Queue {
    heard: VecDeque<(u64, Heard)>,
    missed: u64,
}

/// Where results are brought, and fetched. Clones are the same queue.
#[derive(Debug, Clone)]
pub(crate) struct HeardQueue {
    queue: Arc<Mutex<Queue>>,
    clock: Arc<StepClock>,
}

impl HeardQueue {
    pub(crate) fn new(clock: Arc<StepClock>) -> Self {
        Self { queue: Arc::default(), clock }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bring(&self, heard: Heard) {
        let mut queue = self.queue();
        if queue.heard.len() >= HEARD_MAX {
            queue.heard.pop_front();
            queue.missed += 1;
        }
        queue.heard.push_back((self.clock.now_ns(), heard));
    }

    /// What came since the last call, with the time of each, and how many were given up before.
    pub(crate) fn fetch(&self) -> (Vec<(u64, Heard)>, u64) {
        let mut queue = self.queue();
        (queue.heard.drain(..).collect(), std::mem::take(&mut queue.missed))
    }
}

impl Listener<Pitched> for HeardQueue {
    fn heard(&mut self, pitched: Pitched) -> Result<(), NodeError> {
        self.bring(Heard::Pitch(pitched));
        Ok(())
    }
}

impl Listener<Levels> for HeardQueue {
    fn heard(&mut self, levels: Levels) -> Result<(), NodeError> {
        self.bring(Heard::Level(levels));
        Ok(())
    }
}
