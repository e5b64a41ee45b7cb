//! A flow in writing: which nodes, which pipelines between them. Plain data, as it stands in a flow file.

use crate::Priority;
use crate::pressure::Strategy;
use pcmflow_core::format::StreamFormat;
use serde::{Deserialize, Serialize};

/// A flow: what a flow file says.
///
/// ```
/// use pcmflow_engine::flow::FlowSpec;
/// let spec: FlowSpec = toml::from_str(r#"
///     [[nodes]]
///     name = "microphone"
///     kind = "synthetic"
///     parameters = { signal = "sine:440" }
///     [[nodes]]
///     name = "meter"
///     kind = "level"
///     [[pipelines]]
///     from = "microphone"
///     to = "meter"
///     strategy = "drop-newest"
/// "#)?;
/// assert_eq!((spec.nodes.len(), spec.pipelines[0].to.as_str()), (2, "meter"));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowSpec {
    /// Its nodes, sources and sinks among them.
    pub nodes: Vec<NodeSpec>,
    /// What connects them.
    pub pipelines: Vec<PipelineConfig>,
}

/// A node in writing.
///
/// ```
/// use pcmflow_engine::flow::NodeSpec;
/// let spec: NodeSpec = toml::from_str("name = 'a'\nkind = 'level'")?;
/// assert!(spec.parameters.is_empty());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    /// Unlike every other.
    pub name: String,
    /// What makes it: known to whoever builds the flow.
    pub kind: String,
    /// What that wants to know.
    #[serde(default)]
    pub parameters: toml::Table,
}

/// A rate and a number of channels, in writing.
///
/// ```
/// use pcmflow_engine::flow::FormatSpec;
/// assert_eq!(FormatSpec { rate_hz: 16_000, channels: 1 }.format()?.rate.hz(), 16_000);
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineConfig {
    /// The node that fills it.
    pub from: String,
    /// The node that empties it.
    pub to: String,
    /// Which of that node's inputs, from 0; by default the first.
    #[serde(default)]
    pub input: u32,
    /// Chunks and marks that it holds, 2 to 65536; by default 16.
    #[serde(default = "packets")]
    pub packets: u32,
    /// Frames of the chunks that come out; by default as they come.
    #[serde(default)]
    pub block_frames: Option<u64>,
    /// How old a chunk's oldest frame may be when it is taken, in milliseconds: what is older counts as missed. By default it does
    /// not matter.
    #[serde(default)]
    pub latency_ms_max: u32,
    /// How urgent it is; by default normal.
    #[serde(default)]
    pub priority: Priority,
    /// What is done when it is full; by default what is seen asks for.
    #[serde(default)]
    pub strategy: Strategy,
    /// What comes out; by default what the receiving node wants.
    #[serde(default)]
    pub format: Option<FormatSpec>,
}

fn packets() -> u32 {
    PipelineConfig::PACKETS
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
