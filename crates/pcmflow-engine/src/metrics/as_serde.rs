//! How types of the core, which knows no serde, are written in a snapshot.

use pcmflow_core::health::Trend;
use pcmflow_core::pressure::PressureStats;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "Trend"))]
#[serde(remote = "Trend", rename_all = "snake_case")]
pub(super) enum TrendAs {
    Unknown,
    Improving,
    Steady,
    Worsening,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "PressureStats"))]
#[serde(remote = "PressureStats")]
pub(super) struct PressureStatsAs {
    active: bool,
    episodes: u64,
    current_ns: u64,
    total_ns: u64,
}

/// Lost frames, by the names of their causes.
pub(super) mod losses {
    use pcmflow_core::format::Frames;
    use pcmflow_core::ledger::{LossCause, Losses};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::BTreeMap;

    pub(in super::super) fn serialize<S: Serializer>(
        losses: &Losses,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(losses.iter().map(|(cause, frames)| (cause.name(), frames.0)))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Losses, D::Error> {
        let mut losses = Losses::default();
        for (name, frames) in BTreeMap::<String, u64>::deserialize(deserializer)? {
            let cause = LossCause::ALL.iter().find(|cause| cause.name() == name);
            let cause = cause.ok_or_else(|| {
                let known = LossCause::ALL.iter().map(|cause| cause.name()).collect::<Vec<_>>().join(", ");
                Error::custom(format_args!("frames were lost by `{name}`, known causes are {known}"))
            })?;
            losses[*cause] = Frames(frames);
        }
        Ok(losses)
    }
}
