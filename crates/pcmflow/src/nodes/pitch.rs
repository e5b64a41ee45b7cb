//! The pitch of a stream, block by block.

use super::Listener;
use crate::core::chunk::AudioChunk;
use crate::core::format::{Interleaved, SampleRate, StreamPosition};
use crate::core::ledger::Gap;
use crate::engine::flow::{Node, NodeError, Out};
use crate::pitch::{PitchConfig, PitchError, PitchEstimate, PitchTracker};

/// A pitch, and how late it is.
///
/// ```
/// use pcmflow::core::format::{SampleRate, StreamPosition};
/// use pcmflow::nodes::Pitched;
/// use pcmflow::pitch::PitchEstimate;
/// let position = StreamPosition(24_000);
/// let estimate =
///     PitchEstimate { position, hz: None, confidence: 0.0, voiced: false, note: None, cents: 0.0 };
/// let pitched = Pitched { estimate, rate: SampleRate::HZ_48000, delay_ns: 30_000_000 };
/// assert_eq!(pitched.estimate.position.secs(pitched.rate), 0.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pitched {
    /// What was found; its position counts frames of the source.
    pub estimate: PitchEstimate,
    /// The source's rate.
    pub rate: SampleRate,
    /// The time from the moment that the estimate is for until it is known: until the chunk was complete, and from then until now.
    pub delay_ns: u64,
}

/// What the arrival of a chunk says about time.
///
/// ```
/// use pcmflow::nodes::PitchPace;
/// assert_ne!(PitchPace::Live, PitchPace::Fast);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PitchPace {
    /// The source keeps time: waiting counts as delay.
    Live,
    /// The source runs as fast as it can: arrival times say nothing, and only gathering and computing count.
    Fast,
}

/// Frames of the source by which a converted stream's positions may be off, since they are rounded to those.
const ROUNDING: u64 = 2;

/// A sink that tracks the pitch.
///
/// ```
/// use pcmflow::core::format::SampleRate;
/// use pcmflow::engine::flow::Node;
/// use pcmflow::nodes::{PitchNode, PitchPace, Pitched};
/// use pcmflow::pitch::PitchConfig;
/// let (told, heard) = std::sync::mpsc::channel();
/// let rate = SampleRate::HZ_48000;
/// let listener = move |pitched: Pitched| Ok(told.send(pitched)?);
/// let node: Box<dyn Node> = Box::new(PitchNode::new(PitchConfig::new(rate), rate, PitchPace::Live, listener)?);
/// drop(node); // for `DataFlowCoordinator::add_node`, with ports that want this rate
/// assert!(heard.recv().is_err());
/// # Ok::<(), pcmflow::pitch::PitchError>(())
/// ```
///
/// Where chunks come as their source gives them, and that goes on at another rate (a device that came back), so does the tracker, from
/// the first chunk of that rate on.
pub struct PitchNode<L> {
    tracker: PitchTracker,
    /// Its rate is the chunks'.
    config: PitchConfig,
    /// Of the source, whose frames positions count.
    source_rate: SampleRate,
    pace: PitchPace,
    listener: L,
    /// What is behind the last chunk, in frames of the chunks.
    next: StreamPosition,
    /// The last chunk and when it was taken: the estimates after the end are as late as if it were complete again.
    last: Option<(AudioChunk, u64)>,
}

impl<L: Listener<Pitched>> PitchNode<L> {
    /// Tracks chunks of `config`'s rate, whose positions count frames at `source_rate`; tells `listener`.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`PitchError`] for what can't be tracked.
    pub fn new(
        config: PitchConfig,
        source_rate: SampleRate,
        pace: PitchPace,
        listener: L,
    ) -> Result<Self, PitchError> {
        let tracker = PitchTracker::new(config)?;
        let next = StreamPosition::START;
        Ok(Self { tracker, config, source_rate, pace, listener, next, last: None })
    }

    /// A position of the source, in frames of the chunks, or back.
    fn scaled(position: StreamPosition, from: SampleRate, to: SampleRate) -> StreamPosition {
        let (from, to) = (u128::from(from.hz()), u128::from(to.hz()));
        StreamPosition(u64::try_from((u128::from(position.0) * to + from / 2) / from).unwrap_or(u64::MAX))
    }

    /// How late an estimate is that is known now.
    fn delay_ns(&self, chunk: &AudioChunk, taken_ns: u64, position: StreamPosition, now_ns: u64) -> u64 {
        let since_ns = match self.pace {
            PitchPace::Live => chunk.meta().complete_ns,
            PitchPace::Fast => taken_ns,
        };
        self.source_rate.frames_to_ns(chunk.end() - position) + now_ns.saturating_sub(since_ns)
    }

    fn tell(
        &mut self,
        mut estimate: PitchEstimate,
        chunk: &AudioChunk,
        taken_ns: u64,
        now_ns: u64,
    ) -> Result<(), NodeError> {
        estimate.position = Self::scaled(estimate.position, self.config.rate, self.source_rate);
        let delay_ns = self.delay_ns(chunk, taken_ns, estimate.position, now_ns);
        self.listener.heard(Pitched { estimate, rate: self.source_rate, delay_ns })
    }

    /// Tells what lies behind the centre of the last window.
    fn finish(&mut self, out: &Out<'_>) -> Result<(), NodeError> {
        if let Some((chunk, taken_ns)) = self.last.take() {
            // The listener may take its time: each estimate is as late as it is told.
            let tail: Vec<_> = self.tracker.finish().collect();
            for estimate in tail {
                self.tell(estimate, &chunk, taken_ns, out.now_ns())?;
            }
        }
        Ok(())
    }

    /// The source goes on at another rate: so does a new tracker.
    fn follow(&mut self, rate: SampleRate, out: &Out<'_>) -> Result<(), NodeError> {
        self.finish(out)?;
        let config = PitchConfig { rate, ..self.config };
        self.tracker = PitchTracker::new(config)?;
        (self.config, self.source_rate) = (config, rate);
        Ok(())
    }
}

impl<L: Listener<Pitched>> Node for PitchNode<L> {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        let taken_ns = out.now_ns();
        // What a pipeline converts always has the rate that was asked for.
        if self.config.rate == self.source_rate && chunk.sample_rate() != self.source_rate {
            self.follow(chunk.sample_rate(), out)?;
        }
        let rate = self.config.rate;
        let block = Interleaved::new(chunk.samples(), chunk.channels())?;
        let mut position = Self::scaled(chunk.position(), self.source_rate, rate);
        let off = ROUNDING * u64::from(rate.hz().div_ceil(self.source_rate.hz()));
        if rate != self.source_rate && position.0.abs_diff(self.next.0) <= off {
            position = self.next;
        }
        self.next = position + block.frames();
        if let Some(estimate) = self.tracker.block(position, block) {
            self.tell(estimate, &chunk, taken_ns, out.now_ns())?;
        }
        self.last = Some((chunk, taken_ns));
        Ok(())
    }

    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.listener.gap(gap)
    }

    fn end(&mut self, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.finish(out)?;
        self.listener.over()
    }
}

impl<L> std::fmt::Debug for PitchNode<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PitchNode")
            .field("rate", &self.config.rate)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
