//! How modules are.

use crate::event::{EventField, Show};
use core::fmt;
use serde::Serialize;

/// Where in its life a module is.
///
/// ```
/// use pcmflow_engine::module::ModuleState;
/// assert_eq!(ModuleState::Running.to_string(), "running");
/// assert_eq!(ModuleState::ALL[0], ModuleState::Registered); // where each begins
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModuleState {
    /// Known by name.
    Registered,
    /// Has what it needs.
    Initialised,
    /// Works.
    Running,
    /// Has worked, and can be started again.
    Stopped,
    /// Failed or panicked; can be initialised again once it is stopped.
    Failed,
}

impl ModuleState {
    /// Every state.
    pub const ALL: [ModuleState; 5] =
        [Self::Registered, Self::Initialised, Self::Running, Self::Stopped, Self::Failed];

    /// One lower-case word for machines.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Initialised => "initialised",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for ModuleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl EventField for ModuleState {
    const SHOW: Show = Show::Word(|word| Self::from_word(word).name());
    fn to_word(self) -> u64 {
        self as u64
    }
    fn from_word(word: u64) -> Self {
        Self::ALL.get(word as usize).copied().unwrap_or(Self::Registered)
    }
}

/// How a module does.
///
/// ```
/// use pcmflow_engine::module::Health;
/// let health = Health::Degraded("3 of 4 channels".into());
/// assert_eq!(health.to_string(), "degraded: 3 of 4 channels");
/// assert!(Health::Healthy < health, "in the order of trouble");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "reason")]
#[non_exhaustive]
pub enum Health {
    /// As it should be.
    Healthy,
    /// It works, but not as it should.
    Degraded(String),
    /// It does not work.
    Failed(String),
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => f.write_str("healthy"),
            Self::Degraded(reason) => write!(f, "degraded: {reason}"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
        }
    }
}

/// One module, as the registry sees it.
///
/// ```
/// use pcmflow_engine::module::{Health, ModuleState, ModuleStatus};
/// let status = ModuleStatus {
///     name: "input".into(),
///     dependencies: vec!["platform".into()],
///     state: ModuleState::Running,
///     health: Health::Healthy,
/// };
/// assert_eq!(status.health.to_string(), "healthy");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModuleStatus {
    /// Its name.
    pub name: String,
    /// What must run before it.
    pub dependencies: Vec<String>,
    /// Where in its life it is.
    pub state: ModuleState,
    /// How it does; healthy where it has nothing to do yet.
    pub health: Health,
}
