//! Modules: what a program is composed of, started and stopped in the order of their dependencies.
//!
//! A [`Module`] is an area of the program with a life of its own: audio input, data management, the platform, observability. A
//! [`ModuleRegistry`] owns them. It initialises and starts each after all that it depends on, stops them the other way round,
//! asks them how they are, and has all of them agree before the [configuration](crate::config) changes. A module that fails to
//! start takes those down again that were started for it; one that panics, in whatever call, is failed, and the program goes on
//! (where panics unwind; in WebAssembly they end the instance).
//!
//! One thread, the control side's, owns the registry and makes all calls. Modules bring their work to executors of
//! [tasks](crate::task); no call of theirs may wait for audio.

mod error;
mod order;
mod registry;
mod status;
#[cfg(test)]
mod tests;

pub use error::{ModuleCall, ModuleError};
pub use registry::ModuleRegistry;
pub use status::{Health, ModuleState, ModuleStatus};

use crate::config::{Config, ConfigChange};
use std::error::Error;
use std::sync::Arc;

/// What a module is handed: the circumstances of a call.
///
/// ```
/// use pcmflow_engine::config::Config;
/// use pcmflow_engine::module::ModuleCx;
/// let cx = ModuleCx::new(Config::default().into(), 5);
/// assert_eq!((cx.config.audio.channels, cx.now_ns), (1, 5));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ModuleCx {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// The time, in nanoseconds of the driver's clock.
    pub now_ns: u64,
}

impl ModuleCx {
    /// The circumstances of a call that is made now.
    ///
    /// Not RT-safe: for the control side.
    pub fn new(config: Arc<Config>, now_ns: u64) -> Self {
        Self { config, now_ns }
    }
}

/// An area of the program with a life of its own. Only the name must be said; all else does nothing, successfully.
///
/// ```
/// use pcmflow_engine::config::Config;
/// use pcmflow_engine::module::{Module, ModuleCx, ModuleRegistry, ModuleState};
/// struct Platform;
/// impl Module for Platform {
///     fn name(&self) -> &str {
///         "platform"
///     }
/// }
/// struct Input;
/// impl Module for Input {
///     fn name(&self) -> &str {
///         "input"
///     }
///     fn dependencies(&self) -> &[&str] {
///         &["platform"]
///     }
/// }
/// let mut modules = ModuleRegistry::default();
/// modules.register(Box::new(Input))?;
/// modules.register(Box::new(Platform))?;
/// let cx = ModuleCx::new(Config::default().into(), 0);
/// modules.init(&cx)?;
/// modules.start(&cx)?;
/// let status = modules.status();
/// assert_eq!(status.iter().map(|status| &*status.name).collect::<Vec<_>>(), ["platform", "input"]);
/// assert!(status.iter().all(|status| status.state == ModuleState::Running));
/// assert!(modules.stop(&cx).is_empty(), "nothing failed");
/// # Ok::<(), pcmflow_engine::module::ModuleError>(())
/// ```
pub trait Module: Send {
    /// By what others depend on it; asked once.
    ///
    /// Not RT-safe: called by the control side, as all of these are.
    fn name(&self) -> &str;

    /// The names of those that must be initialised and started before it; asked once.
    ///
    /// Not RT-safe: for the control side.
    fn dependencies(&self) -> &[&str] {
        &[]
    }

    /// Makes what it needs. Called again if it failed.
    ///
    /// Not RT-safe: may do anything but wait for audio.
    ///
    /// # Errors
    /// Whatever stands in the way; what was made must be gone by then.
    fn init(&mut self, _cx: &ModuleCx) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }

    /// Begins its work; also after it was stopped.
    ///
    /// Not RT-safe: may do anything but wait for audio.
    ///
    /// # Errors
    /// Whatever stands in the way; what was begun must have ended by then, as [`stop`](Self::stop) is not called.
    fn start(&mut self, _cx: &ModuleCx) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }

    /// Ends its work; called once for each start that succeeded, also if the module failed or panicked since.
    ///
    /// Not RT-safe: may do anything but wait for audio.
    ///
    /// # Errors
    /// What could not be ended; it counts as failed then, and the others are stopped nevertheless.
    fn stop(&mut self, _cx: &ModuleCx) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }

    /// How it is; asked while it runs, any number of times a second.
    ///
    /// Not RT-safe: for the control side.
    fn health(&self) -> Health {
        Health::Healthy
    }

    /// Looks whether it could work by the candidate, without doing anything about it; also called before
    /// [`init`](Self::init).
    ///
    /// Not RT-safe: for the control side.
    ///
    /// # Errors
    /// What it can't work with: the key, the value, and what would be possible.
    fn validate_config(&self, _candidate: &Config) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }

    /// Takes in a change that it has agreed to; this can't fail.
    ///
    /// Not RT-safe: for the control side.
    fn config_changed(&mut self, _change: &ConfigChange) {}
}
