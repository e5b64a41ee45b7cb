//! What a node was told to be missing, kept for the report.

use crate::core::chunk::AudioChunk;
use crate::core::format::{Frames, StreamPosition};
use crate::core::ledger::{Gap, LossCause};
use crate::engine::flow::{Node, NodeError, Out};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many gaps are kept with their positions; further ones are counted.
const GAPS_KEPT: usize = 65_536;

/// The gaps that a node met.
///
/// ```
/// use pcmflow::nodes::Gaps;
/// assert_eq!(Gaps::default().total, 0);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gaps {
    /// In order, at most the first 65 536.
    pub first: Vec<Gap>,
    /// How many there were.
    pub total: u64,
    /// What is behind the last chunk that was consumed and the last gap.
    reached: StreamPosition,
}

impl Gaps {
    fn keep(&mut self, gap: Gap) {
        self.total += 1;
        if self.first.len() < GAPS_KEPT {
            self.first.push(gap);
        }
    }
}

/// Keeps the gaps of the node that it [goes around](Self::around), and says when that is over.
///
/// The node is told of one gap for each run of losses with one cause, though a cut mark in between may have split it: when the frame
/// behind it arrives, or at the end.
///
/// ```
/// use pcmflow::nodes::{GapLog, LevelNode, Levels};
/// use std::time::Duration;
/// let (node, log) = GapLog::around(LevelNode::new(|_: Levels| Ok(())));
/// assert!(!log.wait(Duration::ZERO));
/// drop(node); // as a flow does when it is over, or has failed
/// assert!(log.wait(Duration::MAX));
/// assert_eq!(log.close(Default::default()).total, 0);
/// ```
#[derive(Debug)]
pub struct GapLog {
    gaps: Arc<Mutex<Gaps>>,
    over: Receiver<()>,
}

impl GapLog {
    /// Goes around `node`.
    ///
    /// Not RT-safe: allocates.
    pub fn around(node: impl Node + 'static) -> (Box<dyn Node>, Self) {
        let gaps = Arc::new(Mutex::new(Gaps::default()));
        let (alive, over) = channel();
        let logged = Logged { node: Box::new(node), gaps: gaps.clone(), untold: None, _alive: alive };
        (Box::new(logged), Self { gaps, over })
    }

    /// Waits until the node was dropped, at most for `timeout`; returns whether it was.
    ///
    /// Not RT-safe: blocks.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.over.recv_timeout(timeout) == Err(RecvTimeoutError::Disconnected)
    }

    /// The gaps, once the node is over and its stream ended at `end`: what it did not get any more, having failed, is one gap,
    /// whatever else was missing in it.
    ///
    /// Not RT-safe: locks.
    pub fn close(self, end: StreamPosition) -> Gaps {
        let mut gaps = std::mem::take(&mut *lock(&self.gaps));
        let (position, frames) = (gaps.reached, end - gaps.reached);
        if frames > Frames::ZERO {
            gaps.keep(Gap { position, frames, cause: LossCause::DeadModule });
        }
        gaps
    }
}

fn lock(gaps: &Mutex<Gaps>) -> std::sync::MutexGuard<'_, Gaps> {
    gaps.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Logged {
    node: Box<dyn Node>,
    gaps: Arc<Mutex<Gaps>>,
    /// A gap that may still grow, and at which input.
    untold: Option<(usize, Gap)>,
    /// Its drop tells that the node is over.
    _alive: Sender<()>,
}

impl Logged {
    /// Tells of the gap that is over.
    fn tell(&mut self, out: &mut Out<'_>) -> Result<(), NodeError> {
        let Some((input, gap)) = self.untold.take() else { return Ok(()) };
        lock(&self.gaps).keep(gap);
        self.node.gap(input, gap, out)
    }
}

impl Node for Logged {
    fn chunk(&mut self, input: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.tell(out)?;
        let end = chunk.end();
        self.node.chunk(input, chunk, out)?;
        lock(&self.gaps).reached = end;
        Ok(())
    }

    fn gap(&mut self, input: usize, gap: Gap, out: &mut Out<'_>) -> Result<(), NodeError> {
        lock(&self.gaps).reached = gap.end();
        match &mut self.untold {
            Some((at, before))
                if *at == input && before.end() == gap.position && before.cause == gap.cause =>
            {
                before.frames += gap.frames;
                Ok(())
            }
            _ => {
                let told = self.tell(out);
                self.untold = Some((input, gap));
                told
            }
        }
    }

    fn ended(&mut self, input: usize, at: StreamPosition, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.tell(out)?;
        self.node.ended(input, at, out)
    }

    fn end(&mut self, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.tell(out)?;
        self.node.end(out)
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        if let Some((_, gap)) = self.untold.take() {
            lock(&self.gaps).keep(gap);
        }
    }
}
