//! Trouble on purpose, so that anyone can see the books tell the truth.

use crate::core::chunk::AudioChunk;
use crate::core::format::{SampleRate, StreamPosition};
use crate::core::ledger::Gap;
use crate::engine::flow::{Node, NodeError, Out};
use crate::runtime::{Clock, Stop};
use std::str::FromStr;
use std::time::Duration;

/// A fault to inject into the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inject {
    /// Each chunk takes this much longer.
    SlowConsumer(Duration),
    /// The consumer stands still once.
    Stall {
        /// For how long.
        lasts: Duration,
        /// When the stream has come so far.
        at: Duration,
    },
}

/// Why the text names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InjectError {
    /// There is no such fault.
    #[error("no such fault: {0}; slow-consumer=DURATION or stall=DURATION[@TIME]")]
    Unknown(String),
    /// The duration can't be read or is over an hour.
    #[error("{0} is no duration such as 30ms, 1.5s or 2m, of one hour at most")]
    Duration(String),
}

fn duration(text: &str) -> Result<Duration, InjectError> {
    let wrong = || InjectError::Duration(text.to_owned());
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let seconds = number
        * match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            _ => return Err(wrong()),
        };
    if !(0.0..=3600.0).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

impl FromStr for Inject {
    type Err = InjectError;
    fn from_str(text: &str) -> Result<Self, InjectError> {
        match text.split_once('=') {
            Some(("slow-consumer", each)) => Ok(Self::SlowConsumer(duration(each)?)),
            Some(("stall", spec)) => {
                let (lasts, at) = spec.split_once('@').unwrap_or((spec, "1s"));
                Ok(Self::Stall { lasts: duration(lasts)?, at: duration(at)? })
            }
            _ => Err(InjectError::Unknown(text.to_owned())),
        }
    }
}

/// Goes around a node, and makes trouble on purpose. It sleeps on the node's thread: its ports should say `may_block`.
///
/// ```
/// use pcmflow::core::format::SampleRate;
/// use pcmflow::nodes::{FaultyNode, LevelNode, Levels};
/// use pcmflow::runtime::Stop;
/// let node = LevelNode::new(|_: Levels| Ok(()));
/// let faulty = FaultyNode::new(node, "stall=1s@200ms".parse()?, SampleRate::HZ_48000, Stop::new());
/// assert!(format!("{faulty:?}").contains("Stall"));
/// # Ok::<(), pcmflow::nodes::InjectError>(())
/// ```
pub struct FaultyNode<N> {
    node: N,
    inject: Option<Inject>,
    /// Of the source, whose frames positions count.
    source_rate: SampleRate,
    stop: Stop,
}

impl<N: Node> FaultyNode<N> {
    /// Lets `node` meet `inject`, until `stop` is asked for.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn new(node: N, inject: Inject, source_rate: SampleRate, stop: Stop) -> Self {
        Self { node, inject: Some(inject), source_rate, stop }
    }

    /// Sleeps as the fault demands, before a chunk is consumed that ends here.
    fn before(&mut self, end: StreamPosition) {
        let pause = match self.inject {
            None => return,
            Some(Inject::SlowConsumer(each)) => each,
            Some(Inject::Stall { lasts, at }) => {
                if end.secs(self.source_rate) < at.as_secs_f64() {
                    return;
                }
                self.inject = None;
                lasts
            }
        };
        let clock = Clock::start();
        clock.sleep_until(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX), &self.stop);
    }
}

impl<N: Node> Node for FaultyNode<N> {
    fn chunk(&mut self, input: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.before(chunk.end());
        self.node.chunk(input, chunk, out)
    }

    fn gap(&mut self, input: usize, gap: Gap, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.node.gap(input, gap, out)
    }

    fn ended(&mut self, input: usize, at: StreamPosition, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.node.ended(input, at, out)
    }

    fn end(&mut self, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.node.end(out)
    }
}

impl<N> std::fmt::Debug for FaultyNode<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyNode").field("inject", &self.inject).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_or_named() {
        assert_eq!("slow-consumer=30ms".parse(), Ok(Inject::SlowConsumer(Duration::from_millis(30))));
        let stall =
            |lasts, at| Inject::Stall { lasts: Duration::from_millis(lasts), at: Duration::from_millis(at) };
        assert_eq!("stall=1.5s".parse(), Ok(stall(1500, 1000)));
        assert_eq!("stall=200ms@0s".parse(), Ok(stall(200, 0)));
        assert_eq!("fire=1s".parse::<Inject>(), Err(InjectError::Unknown("fire=1s".into())));
        for wrong in ["", "30", "ms", "-1s", "2h", "NaNs", "infs", "61m"] {
            let text = format!("slow-consumer={wrong}");
            assert_eq!(text.parse::<Inject>(), Err(InjectError::Duration(wrong.into())), "{wrong}");
        }
    }
}
