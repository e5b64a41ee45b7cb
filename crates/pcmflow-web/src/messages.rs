//! Messages from the page, and answers to it, as they are written.

use crate::WebError;
use pcmflow::core::format::{Frames, StreamFormat};
use pcmflow::engine::config::{Config, Sources};
use pcmflow::engine::metrics::{LedgerSnapshot, Snapshot};
use pcmflow::engine::session::{InputState, InputStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Reads a message.
pub(crate) fn read<'a, T: Deserialize<'a>>(form: &'static str, message: &'a str) -> Result<T, WebError> {
    serde_json::from_str(message).map_err(|error| WebError::Message { form, error })
}

/// Writes an answer. Everything that is answered has text for keys, and can be written.
pub(crate) fn write(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).unwrap_or_default()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Open {
    /// Sections, each with its keys.
    #[serde(default)]
    config: Map<String, Value>,
    /// The host's time.
    #[serde(default)]
    pub(crate) now_ms: f64,
}

impl Open {
    pub(crate) const FORM: &str = r#"{"config":{"audio":{"block_frames":1024}},"now_ms":0}"#;

    pub(crate) fn config(&self) -> Result<Config, WebError> {
        let mut flags = Vec::new();
        for (section, value) in &self.config {
            match value {
                Value::Object(keys) => {
                    flags.extend(keys.iter().map(|(key, value)| format!("{section}.{key}={}", text(value))));
                }
                other => flags.push(format!("{section}={}", text(other))),
            }
        }
        Ok(Config::load(&Sources { flags, ..Sources::default() })?)
    }
}

/// A value as a flag would have it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamRequest {
    /// As the audio context has it.
    rate_hz: f64,
    channels: u32,
    pub(crate) quantum: u32,
}

impl StreamRequest {
    pub(crate) const FORM: &str = r#"{"rate_hz":48000,"channels":1,"quantum":128}"#;

    pub(crate) fn format(&self) -> Result<StreamFormat, WebError> {
        // What is no rate becomes one that is refused: 0, or the largest number.
        Ok(StreamFormat::new(self.rate_hz.round() as u32, self.channels)?)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) line: String,
    #[serde(default)]
    pub(crate) json: bool,
}

impl Line {
    pub(crate) const FORM: &str = r#"{"line":"buffer-status","json":true}"#;
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Set {
    #[serde(default)]
    set: BTreeMap<String, Value>,
}

impl Set {
    pub(crate) const FORM: &str = r#"{"set":{"flow.latency_ms_max":40}}"#;

    pub(crate) fn patch(&self) -> Vec<(String, String)> {
        self.set.iter().map(|(key, value)| (key.clone(), text(value))).collect()
    }
}

/// How an input is.
#[derive(Debug, Serialize)]
pub(crate) struct InputNow {
    state: InputState,
    trouble: Option<String>,
    frames_in: u64,
    ring_fill: u64,
    ring_capacity: u64,
}

impl From<InputStatus> for InputNow {
    fn from(status: InputStatus) -> Self {
        let InputStatus { state, trouble, frames_in, ring_fill, ring_capacity } = status;
        let Frames(frames_in) = frames_in;
        Self { state, trouble, frames_in, ring_fill: ring_fill.0, ring_capacity: ring_capacity.0 }
    }
}

/// A snapshot, with the inputs.
#[derive(Debug, Serialize)]
pub(crate) struct Now<'a> {
    #[serde(flatten)]
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) inputs: BTreeMap<String, InputNow>,
}

/// The books at the end: of all sinks together, and of each.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Closed {
    #[serde(flatten)]
    pub(crate) ledger: LedgerSnapshot,
    pub(crate) sinks: BTreeMap<String, LedgerSnapshot>,
    /// Whether everything that was under way was delivered.
    pub(crate) is_over: bool,
}
