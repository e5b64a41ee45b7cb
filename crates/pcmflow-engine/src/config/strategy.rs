//! What a flow does under back-pressure.

use core::fmt;
use serde::Serialize;

/// What a flow does when whoever takes its chunks is too slow.
///
/// ```
/// use pcmflow_engine::config::BackpressureStrategy;
/// assert_eq!(BackpressureStrategy::default().to_string(), "drop-oldest");
/// assert!(BackpressureStrategy::ALL.contains(&("block", BackpressureStrategy::Block)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BackpressureStrategy {
    /// The source is asked to bring less.
    Throttle,
    /// More is held until it is taken, as far as memory allows.
    Buffer,
    /// The oldest chunks are let go, so that the freshest are heard.
    #[default]
    DropOldest,
    /// What comes is let go.
    DropNewest,
    /// The source waits; never an audio thread.
    Block,
}

impl BackpressureStrategy {
    /// Every strategy with its name.
    pub const ALL: [(&'static str, BackpressureStrategy); 5] = [
        ("throttle", Self::Throttle),
        ("buffer", Self::Buffer),
        ("drop-oldest", Self::DropOldest),
        ("drop-newest", Self::DropNewest),
        ("block", Self::Block),
    ];
}

impl fmt::Display for BackpressureStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL[*self as usize].0)
    }
}
