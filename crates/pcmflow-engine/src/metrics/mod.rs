//! Counters on the hot side, one sampler, windows, alerts, and the snapshot.
//!
//! - The task of a link or a node holds a [`Meter`]: a few relaxed stores a chunk, into lines that nobody else writes.
//! - What does not come, the task that waits for it can't tell: a meter says when the next chunk is due, and whoever looks
//!   finds out that it is overdue.
//! - The sampling task reads ([`MeterReader`]) and hands all [`Readings`] to one [`Sampler`], which computes rates,
//!   percentiles, scores and trends from their differences, and keeps the baselines: no counter is ever set back.
//! - A [`Snapshot`] is what is known at one moment, for the console, pages and exporters alike.
//! - [`Alerts`] reads snapshots and says what is worth a person's attention. Who looks all the time shows it only what is not
//!   [calm](MeterReader::is_calm), as of the rest there is nothing to say.
//!
//! Sampler and alerts are pure: the same readings at the same times give the same figures and the same alerts. All figures
//! are integers with their unit in the name; `ppm` are parts per million.

mod alerts;
mod as_serde;
mod figures;
mod history;
mod meter;
mod pools;
mod rules;
mod sampler;
mod snapshot;
#[cfg(all(test, not(pcmflow_loom)))]
mod tests;

pub use alerts::{Alert, AlertEdge, Alerts};
pub use figures::{FlowFigures, LatencyFigures};
pub use meter::{Counters, Meter, MeterReader, Reading, Starvation, Starved};
pub use pools::{ClassSnapshot, PoolSnapshot};
pub use rules::{Metric, Rule, RuleError};
pub use sampler::{IntervalError, Readings, Sample, Sampler};
pub use snapshot::{FlowSnapshot, LedgerSnapshot, LinkSnapshot, NodeSnapshot, PipelineSnapshot, Snapshot};
