//! What became of every frame of a flow, sink by sink.

use pcmflow::core::format::Frames;
use pcmflow::core::ledger::{LossCause, Losses};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The books of one sink.
#[derive(Debug, Serialize)]
pub(crate) struct SinkBooks {
    /// Where inputs join, the names of all that it hears.
    source: String,
    frames_in: u64,
    delivered: u64,
    dropped: BTreeMap<&'static str, u64>,
    /// What was still under way when the flow was given up, by where it was.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    given_up: BTreeMap<String, u64>,
    pub(crate) unaccounted: u64,
}

impl SinkBooks {
    pub(crate) fn new(
        source: &str,
        frames_in: Frames,
        delivered: Frames,
        dropped: Losses,
        unaccounted: Frames,
    ) -> Self {
        let dropped = dropped.iter().filter(|(_, frames)| frames.0 > 0);
        Self {
            source: source.to_owned(),
            frames_in: frames_in.0,
            delivered: delivered.0,
            dropped: dropped.map(|(cause, frames)| (LossCause::name(cause), frames.0)).collect(),
            given_up: BTreeMap::new(),
            unaccounted: unaccounted.0,
        }
    }

    /// The same, with what was under way.
    pub(crate) fn given_up(self, given_up: BTreeMap<String, u64>) -> Self {
        Self { given_up, ..self }
    }

    pub(crate) fn has_drops(&self) -> bool {
        !self.dropped.is_empty()
    }
}

/// The books of a flow; each counts frames of its source, or where sources join, of their common timeline.
#[derive(Debug, Default, Serialize)]
pub(crate) struct FlowSummary {
    pub(crate) sinks: BTreeMap<String, SinkBooks>,
    /// How what is critical was scheduled, where anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) critical: Option<String>,
    pub(crate) wall_s: f64,
}

impl FlowSummary {
    /// A line for each sink.
    pub(crate) fn words(&self) -> String {
        let mut words = String::new();
        for (name, books) in &self.sinks {
            let SinkBooks { source, frames_in, delivered, dropped, given_up, unaccounted } = books;
            let total: u64 = dropped.values().sum();
            // Writing to a string can't fail.
            let _ = write!(
                words,
                "{name}: frames in {frames_in} (of {source}) · delivered {delivered} · dropped {total}"
            );
            if total > 0 {
                let causes: Vec<_> =
                    dropped.iter().map(|(cause, frames)| format!("{cause} {frames}")).collect();
                let _ = write!(words, " ({})", causes.join(", "));
            }
            if !given_up.is_empty() {
                let places: Vec<_> =
                    given_up.iter().map(|(place, frames)| format!("{frames} {place}")).collect();
                let _ =
                    write!(words, " · given up {} ({})", given_up.values().sum::<u64>(), places.join(", "));
            }
            let _ = writeln!(words, " · unaccounted {unaccounted}");
        }
        words
    }
}
