//! How urgent something is: one scale for tasks, links and events.

use core::fmt;
use serde::{Deserialize, Serialize};

/// How urgent something is, the most urgent first.
///
/// | priority | from publishing to the handler | what runs it |
/// | --- | --- | --- |
/// | Critical | under 1 ms | an executor of its own |
/// | High | under 5 ms | shared workers, before Normal |
/// | Normal | under 100 ms | shared workers |
///
/// ```
/// use pcmflow_engine::Priority;
/// assert!(Priority::Critical < Priority::Normal); // served first
/// assert_eq!(Priority::ALL[Priority::High.index()], Priority::High);
/// assert_eq!(Priority::Critical.to_string(), "critical");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// What must not wait: live audio.
    Critical,
    /// What should be soon.
    High,
    /// Everything else.
    #[default]
    Normal,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Priority; 3] = [Self::Critical, Self::High, Self::Normal];

    /// Its place in [`ALL`](Self::ALL).
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// One lower-case word for machines.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
