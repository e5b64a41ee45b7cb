//! What can go wrong with modules.

use super::ModuleState;
use core::fmt;

/// A call of a module.
///
/// ```
/// use pcmflow_engine::module::ModuleCall;
/// assert_eq!(ModuleCall::ConfigChanged.to_string(), "config_changed");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModuleCall {
    /// Its name and dependencies are asked.
    Register,
    /// [`Module::init`](super::Module::init).
    Init,
    /// [`Module::start`](super::Module::start).
    Start,
    /// [`Module::stop`](super::Module::stop).
    Stop,
    /// [`Module::health`](super::Module::health).
    Health,
    /// [`Module::validate_config`](super::Module::validate_config).
    ValidateConfig,
    /// [`Module::config_changed`](super::Module::config_changed).
    ConfigChanged,
}

impl fmt::Display for ModuleCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Register => "register",
            Self::Init => "init",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Health => "health",
            Self::ValidateConfig => "validate_config",
            Self::ConfigChanged => "config_changed",
        })
    }
}

/// Why modules could not be registered, initialised, started or stopped.
///
/// ```
/// use pcmflow_engine::module::{ModuleCall, ModuleError};
/// let error = ModuleError::Failed {
///     module: "input".into(),
///     call: ModuleCall::Start,
///     reason: "no device".into(),
/// };
/// assert_eq!(error.to_string(), "the module input failed at start: no device");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// Another module has the name: rename one, or register it once.
    #[error("there is a module {module} already")]
    Duplicate {
        /// The name.
        module: String,
    },
    /// A module depends on one that is not there: register it, or mend the name.
    #[error("the module {module} depends on {dependency}, which is not registered{}", meant(nearest.as_deref()))]
    UnknownDependency {
        /// Who depends.
        module: String,
        /// On whom.
        dependency: String,
        /// Who may have been meant.
        nearest: Option<String>,
    },
    /// Modules depend on each other in a circle: one of these dependencies must go.
    #[error("modules depend on each other in a circle: {}", path.join(" -> "))]
    Cycle {
        /// Each depends on the next; the last is the first.
        path: Vec<String>,
    },
    /// A module is not where this can be done.
    #[error("the module {module} is {state}: {way_out}")]
    State {
        /// Which.
        module: String,
        /// Where it is.
        state: ModuleState,
        /// What to do.
        way_out: &'static str,
    },
    /// A module said that it failed.
    #[error("the module {module} failed at {call}: {reason}")]
    Failed {
        /// Which.
        module: String,
        /// In which call.
        call: ModuleCall,
        /// What it said.
        reason: String,
    },
    /// A module panicked.
    #[error("the module {module} panicked at {call}: {message}")]
    Panicked {
        /// Which.
        module: String,
        /// In which call.
        call: ModuleCall,
        /// What it said.
        message: String,
    },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"))
}
