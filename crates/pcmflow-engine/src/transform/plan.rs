//! From what there is to what is wanted: which steps, in which order, at what cost; or why not.

use super::block::Block;
use super::chain::{Chain, Step};
use super::filter::Design;
use super::map::Map;
use super::rate::Rate;
use super::{Latency, ResampleError};
use pcmflow_core::format::{ChannelCount, ChannelMap, Frames, SampleRate, StreamFormat};
use pcmflow_core::pool::ClassConfig;
use std::fmt;

/// A format, and the size of the blocks it comes in.
///
/// ```
/// use pcmflow_core::format::StreamFormat;
/// use pcmflow_engine::transform::Shape;
/// let shape = Shape::new(StreamFormat::new(48_000, 2)?).in_blocks(128.into());
/// assert_eq!(shape.to_string(), "48000 Hz, 2 channels, in blocks of 128 frames");
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rate and channels.
    pub format: StreamFormat,
    /// Frames of each chunk; `None`: any.
    pub block: Option<Frames>,
}

impl Shape {
    /// Chunks of any size.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn new(format: StreamFormat) -> Self {
        Self { format, block: None }
    }

    /// The same in blocks of `frames`.
    ///
    /// RT-safe: wait-free, no allocation.
    #[must_use]
    pub const fn in_blocks(self, frames: Frames) -> Self {
        Self { block: Some(frames), ..self }
    }

    /// What is asked for, with the blocks of what came `before` where nothing is said of them and the rate stays as it is.
    ///
    /// Not RT-safe: meant for set-up.
    #[must_use]
    pub fn after(self, before: Self) -> Self {
        let kept = before.block.filter(|_| before.format.rate == self.format.rate);
        Self { block: self.block.or(kept), ..self }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels = self.format.channels.get();
        write!(f, "{}, {channels} channel{}", self.format.rate, if channels == 1 { "" } else { "s" })?;
        match self.block {
            Some(frames) => write!(f, ", in blocks of {frames} frames"),
            None => Ok(()),
        }
    }
}

/// What a consumer wants, beyond its shape: how.
///
/// ```
/// use pcmflow_core::format::{ChannelCount, ChannelMap, StreamFormat};
/// use pcmflow_engine::transform::{Plan, Shape, Wanted};
/// let stereo = Shape::new(StreamFormat::new(48_000, 2)?);
/// let left_only = ChannelMap::with_matrix(ChannelCount::STEREO, ChannelCount::MONO, &[1.0, 0.0])?;
/// let wanted = Wanted { map: Some(left_only), ..StreamFormat::new(48_000, 1)?.into() };
/// assert_eq!(Plan::between(stereo, wanted)?.to_string(), "map 2 channels to 1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Format and block size.
    pub shape: Shape,
    /// How channels are mapped, where the rule of [`ChannelMap::new`] is not what is wanted.
    pub map: Option<ChannelMap>,
    /// Whether the rate is to follow a measured drift, as where two clocks meet: see [`Chain::set_drift_ppb`]. There is a
    /// filter then also between equal rates.
    pub adjustable: bool,
}

impl From<Shape> for Wanted {
    fn from(shape: Shape) -> Self {
        Self { shape, map: None, adjustable: false }
    }
}

impl From<StreamFormat> for Wanted {
    fn from(format: StreamFormat) -> Self {
        Shape::new(format).into()
    }
}

/// Why there is no plan.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_engine::transform::{Plan, PlanError, Shape};
/// let format = StreamFormat::new(48_000, 2)?;
/// let error = Plan::between(Shape::new(format), Shape::new(format).in_blocks(Frames(0))).unwrap_err();
/// assert!(matches!(error, PlanError::EmptyBlock { .. }));
/// assert!(error.to_string().ends_with("a block has at least one frame; leave its size open, or give another"));
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A block has no frames.
    #[error("from {from} to {to}: a block has at least one frame; leave its size open, or give another")]
    EmptyBlock {
        /// What there is.
        from: Shape,
        /// What is wanted.
        to: Shape,
    },
    /// No pool has buffers of that size.
    #[error(
        "from {from} to {to}: a chunk would have {samples} samples, and no buffer holds more than {most}; \
         ask for shorter blocks or fewer channels"
    )]
    TooLarge {
        /// What there is.
        from: Shape,
        /// What is wanted.
        to: Shape,
        /// Samples of the longest chunk.
        samples: u64,
        /// [`ClassConfig::SAMPLES_MAX`].
        most: usize,
    },
    /// Channels would be left out.
    #[error("from {from} to {to}: no rule says which channels become which; give a channel matrix")]
    NoRule {
        /// What there is.
        from: Shape,
        /// What is wanted.
        to: Shape,
    },
    /// The matrix that was given is for other channels.
    #[error(
        "from {from} to {to}: the channel matrix is for {map_from} to {map_to} channels; give one that fits"
    )]
    Map {
        /// What there is.
        from: Shape,
        /// What is wanted.
        to: Shape,
        /// Channels that the matrix takes.
        map_from: ChannelCount,
        /// Channels that it gives.
        map_to: ChannelCount,
    },
    /// The filter could not be made, which no valid pair of rates is known to cause.
    #[error("from {from} to {to}: {reason}")]
    Filter {
        /// What there is.
        from: Shape,
        /// What is wanted.
        to: Shape,
        /// What the filter says.
        reason: ResampleError,
    },
}

/// What a plan costs for each chunk, cheapest first.
///
/// ```
/// use pcmflow_engine::transform::Cost;
/// assert!(Cost::Free < Cost::Copy && Cost::Copy < Cost::Filter);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// Chunks pass in their own buffers.
    Free,
    /// Each sample is written into another buffer, once or twice.
    Copy,
    /// Each sample goes through a filter: tens of multiplications.
    Filter,
}

/// Buffers of one size that are needed at once.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_engine::transform::{BufferNeed, Plan, Shape};
/// let mono = Shape::new(StreamFormat::new(48_000, 1)?);
/// let plan = Plan::between(mono.in_blocks(Frames(8_192)), mono.in_blocks(Frames(4)))?;
/// assert_eq!(plan.buffers(), [BufferNeed { samples: 4, buffers: 2_049 }]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferNeed {
    /// What each holds, in samples.
    pub samples: u64,
    /// How many.
    pub buffers: u64,
}

/// A step, and how it shows.
#[derive(Debug, Clone)]
enum Planned {
    Map(SampleRate, ChannelMap),
    Rate(StreamFormat, SampleRate, Design),
    Block(StreamFormat, Frames, Option<Frames>),
}

impl Planned {
    /// The format and the longest chunk of what comes out.
    fn output(&self) -> StreamFormat {
        match self {
            Self::Map(rate, map) => StreamFormat { rate: *rate, channels: map.to() },
            Self::Rate(from, to, _) => StreamFormat { rate: *to, channels: from.channels },
            Self::Block(format, ..) => *format,
        }
    }

    fn latency(&self) -> Latency {
        match self {
            Self::Map(..) => Latency::default(),
            Self::Rate(_, to, design) => Latency::new(Frames(design.block + design.delay), *to),
            Self::Block(format, frames, of) => Block::latency_of(*format, *frames, *of),
        }
    }
}

/// How one shape becomes another: the steps, fewer channels before the rate, more of them behind it, blocks last.
///
/// Made when a pipeline is registered; nothing is allocated for the data until it is [built](Self::build).
///
/// ```
/// use pcmflow_core::format::StreamFormat;
/// use pcmflow_engine::transform::{Cost, Plan, PlanError, Shape};
/// let microphone = Shape::new(StreamFormat::new(48_000, 2)?).in_blocks(128.into());
/// let recogniser = Shape::new(StreamFormat::new(16_000, 1)?).in_blocks(320.into());
/// let plan = Plan::between(microphone, recogniser)?;
/// assert_eq!(plan.to_string(), "map 2 channels to 1, 48000 Hz to 16000 Hz, blocks of 320 frames");
/// assert_eq!((plan.cost(), plan.latency().frames.0), (Cost::Filter, 703));
/// let surround = Shape::new(StreamFormat::new(48_000, 6)?);
/// let refused = Plan::between(surround, StreamFormat::new(48_000, 4)?).unwrap_err();
/// assert!(matches!(refused, PlanError::NoRule { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    from: Shape,
    to: Shape,
    adjustable: bool,
    steps: Vec<Planned>,
    /// What each step makes, as far as its length is known.
    buffers: Vec<BufferNeed>,
}

impl Plan {
    /// Plans how `from` becomes `to`.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`PlanError`]: a block without frames, a chunk that no buffer holds, fewer channels without a rule, a matrix that
    /// does not fit.
    pub fn between(from: Shape, to: impl Into<Wanted>) -> Result<Self, PlanError> {
        let Wanted { shape: to, map, adjustable } = to.into();
        let map = Self::channel_map(from, to, map)?;
        if from.block == Some(Frames::ZERO) || to.block == Some(Frames::ZERO) {
            return Err(PlanError::EmptyBlock { from, to });
        }
        let (from_rate, to_rate) = (from.format.rate, to.format.rate);
        let resampled = from_rate != to_rate || adjustable;
        let (before, behind) = match map {
            Some(map) if map.to() <= map.from() => (Some(map), None),
            map => (None, map),
        };
        let mut plan = Self { from, to, adjustable, steps: Vec::new(), buffers: Vec::new() };
        let mut longest = from.block;
        plan.steps.extend(before.map(|map| Planned::Map(from_rate, map)));
        plan.count(longest);
        if resampled {
            let design = Design::new(from_rate, to_rate, adjustable);
            plan.steps.push(Planned::Rate(plan.output(), to_rate, design));
            longest = Some(Frames(design.block));
            plan.count(longest);
        }
        plan.steps.extend(behind.map(|map| Planned::Map(to_rate, map)));
        plan.count(longest);
        if let Some(frames) = to.block
            && (resampled || from.block != to.block)
        {
            let of = if resampled { None } else { from.block };
            plan.steps.push(Planned::Block(to.format, frames, of));
            plan.count(Some(frames));
        }
        let (samples, most) = (plan.buffer_samples(), ClassConfig::SAMPLES_MAX);
        if samples > most as u64 {
            return Err(PlanError::TooLarge { from, to, samples, most });
        }
        // Whatever the last step makes of one chunk is there at once; what others make is used up at once.
        let made = from.block.map_or(0, |block| {
            let made = u128::from(block.0) * u128::from(to_rate.hz());
            u64::try_from(made.div_ceil(u128::from(from_rate.hz()))).unwrap_or(u64::MAX)
        });
        let channels = plan.output().channels.get() as u64;
        if let Some(last) = plan.buffers.last_mut() {
            let chunks = made.saturating_mul(channels).div_ceil(last.samples.max(1));
            last.buffers = last.buffers.max(chunks.saturating_add(1));
        }
        Ok(plan)
    }

    /// The map that it takes, if any.
    fn channel_map(from: Shape, to: Shape, map: Option<ChannelMap>) -> Result<Option<ChannelMap>, PlanError> {
        let (from_channels, to_channels) = (from.format.channels, to.format.channels);
        if let Some(map) = map {
            let (map_from, map_to) = (map.from(), map.to());
            let fits = (map_from, map_to) == (from_channels, to_channels);
            return fits.then_some(Some(map)).ok_or(PlanError::Map { from, to, map_from, map_to });
        }
        let map = (from_channels != to_channels).then(|| ChannelMap::new(from_channels, to_channels));
        match map.as_ref().is_some_and(ChannelMap::keeps_first_only) {
            true => Err(PlanError::NoRule { from, to }),
            false => Ok(map),
        }
    }

    /// Enters how long the chunks are that come out of the step that was added last.
    fn count(&mut self, longest: Option<Frames>) {
        let frames = longest.filter(|_| !self.steps.is_empty()).unwrap_or(Frames::ZERO);
        let samples = frames.0.saturating_mul(self.output().channels.get() as u64);
        if samples > 0 {
            // One is filled while another is handed on.
            self.buffers.push(BufferNeed { samples, buffers: 2 });
        }
    }

    /// What comes out of the steps that are planned so far.
    fn output(&self) -> StreamFormat {
        self.steps.last().map_or(self.from.format, Planned::output)
    }

    /// What there is.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn from(&self) -> Shape {
        self.from
    }

    /// What it becomes.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn to(&self) -> Shape {
        self.to
    }

    /// What it costs.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn cost(&self) -> Cost {
        self.steps.iter().fold(Cost::Free, |cost, step| {
            cost.max(if matches!(step, Planned::Rate(..)) { Cost::Filter } else { Cost::Copy })
        })
    }

    /// What it adds to the delay of the stream, at most: the sum of its steps.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn latency(&self) -> Latency {
        let held = self.steps.iter().map(|step| step.latency().frames);
        Latency::new(held.fold(Frames::ZERO, |sum, frames| sum + frames), self.to.format.rate)
    }

    /// Samples of the longest chunk that is made: the pool needs a class for that. Chunks of any size count as 0 where they
    /// are only mapped, as they come out as long as they came in.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn buffer_samples(&self) -> u64 {
        self.buffers.iter().map(|need| need.samples).max().unwrap_or(0)
    }

    /// The buffers that it takes at once to make what comes of one chunk, for each step that makes any. Without those of chunks
    /// whose length nobody declared.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn buffers(&self) -> &[BufferNeed] {
        &self.buffers
    }

    /// Makes the transform.
    ///
    /// Not RT-safe: allocates, and computes the tables of the filter.
    ///
    /// # Errors
    /// [`PlanError::Filter`], never seen.
    pub fn build(&self) -> Result<Chain, PlanError> {
        let refused = |reason| PlanError::Filter { from: self.from, to: self.to, reason };
        let mut steps = Vec::with_capacity(self.steps.len());
        for planned in &self.steps {
            steps.push(match planned {
                Planned::Map(rate, map) => Step::Map(Box::new(Map::new(*rate, map.clone()))),
                Planned::Rate(from, to, _) => {
                    Step::Rate(Box::new(Rate::new(*from, *to, self.adjustable).map_err(refused)?))
                }
                Planned::Block(format, frames, of) => {
                    Step::Block(Box::new(Block::new(*format, *frames, *of)))
                }
            });
        }
        Ok(Chain::new(self.from.format, steps, self.latency()))
    }
}

impl fmt::Display for Plan {
    /// The steps, as a person would say them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            match step {
                Planned::Map(_, map) => write!(f, "map {} channels to {}", map.from(), map.to())?,
                Planned::Rate(from, to, _) => write!(f, "{} to {to}", from.rate)?,
                Planned::Block(_, frames, _) => write!(f, "blocks of {frames} frames")?,
            }
        }
        f.write_str(if self.steps.is_empty() { "as it is" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(hz: u32, channels: u32, block: u64) -> Shape {
        Shape {
            format: StreamFormat::new(hz, channels).unwrap(),
            block: (block > 0).then_some(Frames(block)),
        }
    }

    fn plan(from: Shape, to: Shape) -> Plan {
        Plan::between(from, to).unwrap()
    }

    #[test]
    fn steps_come_in_the_cheapest_order() {
        let cases = [
            (shape(48_000, 2, 128), shape(48_000, 2, 128), "as it is", Cost::Free),
            (shape(48_000, 2, 128), shape(48_000, 2, 0), "as it is", Cost::Free),
            (
                shape(48_000, 6, 0),
                shape(16_000, 2, 0),
                "map 6 channels to 2, 48000 Hz to 16000 Hz",
                Cost::Filter,
            ),
            (
                shape(48_000, 1, 0),
                shape(16_000, 2, 0),
                "48000 Hz to 16000 Hz, map 1 channels to 2",
                Cost::Filter,
            ),
            (shape(48_000, 2, 128), shape(48_000, 2, 1024), "blocks of 1024 frames", Cost::Copy),
            (shape(48_000, 2, 0), shape(48_000, 2, 128), "blocks of 128 frames", Cost::Copy),
            (
                shape(48_000, 2, 128),
                shape(44_100, 2, 128),
                "48000 Hz to 44100 Hz, blocks of 128 frames",
                Cost::Filter,
            ),
        ];
        for (from, to, said, cost) in cases {
            let plan = plan(from, to);
            assert_eq!((plan.to_string().as_str(), plan.cost()), (said, cost));
            assert_eq!((plan.from(), plan.to()), (from, to));
        }
    }

    #[test]
    fn what_can_not_be_done_is_refused_and_names_both_sides() {
        let refused = |from: Shape, to: Wanted| {
            let error = Plan::between(from, to.clone()).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(&from.to_string()) && said.contains(&to.shape.to_string()), "{said}");
            error
        };
        let (from, to) = (shape(48_000, 6, 0), shape(16_000, 4, 0));
        assert_eq!(refused(from, to.into()), PlanError::NoRule { from, to });
        let matrix = |from: u32, to: u32| {
            let (from, to) = (ChannelCount::new(from).unwrap(), ChannelCount::new(to).unwrap());
            ChannelMap::with_matrix(from, to, &vec![0.0; from.get() * to.get()]).unwrap()
        };
        assert!(Plan::between(from, Wanted { map: Some(matrix(6, 4)), ..to.into() }).is_ok());
        let wrong = refused(from, Wanted { map: Some(matrix(4, 6)), ..to.into() });
        assert!(matches!(wrong, PlanError::Map { .. }));
        for (from, to) in
            [(shape(48_000, 2, 0), shape(48_000, 2, 0).in_blocks(Frames(0))), (to.in_blocks(Frames(0)), to)]
        {
            assert_eq!(refused(from, to.into()), PlanError::EmptyBlock { from, to });
        }
        let (from, to) = (shape(48_000, 64, 128), shape(48_000, 64, 1 << 20));
        assert_eq!(
            refused(from, to.into()),
            PlanError::TooLarge { from, to, samples: 1 << 26, most: 1 << 24 }
        );
        let huge = shape(48_000, 64, 0).in_blocks(Frames(u64::MAX));
        assert!(matches!(refused(from, huge.into()), PlanError::TooLarge { samples: u64::MAX, .. }));
    }

    #[test]
    fn latency_is_what_the_steps_hold_at_most() {
        let latency = |from, to| plan(from, to).latency();
        assert_eq!(latency(shape(48_000, 2, 128), shape(48_000, 1, 128)).frames, Frames(0));
        assert_eq!(latency(shape(48_000, 2, 128), shape(48_000, 2, 1024)).frames, Frames(896));
        assert_eq!(latency(shape(48_000, 2, 1024), shape(48_000, 2, 128)).frames, Frames(0));
        assert_eq!(latency(shape(48_000, 2, 480), shape(48_000, 2, 1024)).frames, Frames(992));
        let thinned = latency(shape(48_000, 2, 0), shape(16_000, 2, 0));
        assert_eq!((thinned.frames, thinned.ns), (Frames(384), 24_000_000));
    }

    #[test]
    fn the_longest_chunk_is_told() {
        assert_eq!(plan(shape(48_000, 2, 128), shape(48_000, 2, 128)).buffer_samples(), 0);
        assert_eq!(plan(shape(48_000, 2, 128), shape(48_000, 1, 128)).buffer_samples(), 128);
        assert_eq!(plan(shape(48_000, 1, 100), shape(16_000, 8, 64)).buffer_samples(), 8 * 256);
    }
}
