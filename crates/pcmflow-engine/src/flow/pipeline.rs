//! How a pipeline from one node to another is to be: plain data, as it stands in a flow file.

use crate::Priority;
use crate::pressure::Strategy;
use pcmflow_core::format::StreamFormat;

/// A rate and a number of channels, in writing.
///
/// ```
/// use pcmflow_engine::flow::FormatSpec;
/// assert_eq!(FormatSpec { rate_hz: 16_000, channels: 1 }.format()?.rate.hz(), 16_000);
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatSpec {
    /// Frames a second.
    pub rate_hz: u32,
    /// Samples a frame.
    pub channels: u32,
}

impl FormatSpec {
    /// The format.
    ///
    /// Not RT-safe: meant for set-up.
    ///
    /// # Errors
    /// [`FormatError`](pcmflow_core::format::FormatError) for the number that is out of range.
    pub fn format(self) -> Result<StreamFormat, pcmflow_core::format::FormatError> {
        StreamFormat::new(self.rate_hz, self.channels)
    }
}

/// A pipeline from one node to another.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::flow::PipelineConfig;
/// let live = PipelineConfig { priority: Priority::Critical, ..PipelineConfig::new("microphone", "tuner") };
/// assert_eq!((live.name().as_str(), live.packets), ("microphone→tuner", 16));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineConfig {
    /// The node that fills it.
    pub from: String,
    /// The node that empties it.
    pub to: String,
    /// Which of that node's inputs, from 0; by default the first.
    pub input: u32,
    /// Chunks and marks that it holds, 2 to 65536; by default 16.
    pub packets: u32,
    /// Frames of the chunks that come out; by default as they come.
    pub block_frames: Option<u64>,
    /// How old a chunk's oldest frame may be when it is taken, in milliseconds: what is older counts as missed. By default it does
    /// not matter.
    pub latency_ms_max: u32,
    /// How urgent it is; by default normal.
    pub priority: Priority,
    /// What is done when it is full; by default what is seen asks for.
    pub strategy: Strategy,
    /// What comes out; by default what the receiving node wants.
    pub format: Option<FormatSpec>,
}

impl PipelineConfig {
    /// What a pipeline holds unless told otherwise.
    pub const PACKETS: u32 = 16;
    /// What a pipeline can hold.
    pub const PACKETS_MAX: u32 = 65_536;

    /// A pipeline to the first input of `to`, everything else by default.
    ///
    /// Not RT-safe: allocates.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            from: from.into(),
            to: to.into(),
            input: 0,
            packets: Self::PACKETS,
            block_frames: None,
            latency_ms_max: 0,
            priority: Priority::Normal,
            strategy: Strategy::default(),
            format: None,
        }
    }

    /// What it is called: where it comes from, where it goes to, and to which input where that is not the first.
    ///
    /// Not RT-safe: allocates.
    pub fn name(&self) -> String {
        match self.input {
            0 => format!("{}→{}", self.from, self.to),
            input => format!("{}→{}.{input}", self.from, self.to),
        }
    }
}
