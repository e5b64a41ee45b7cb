//! The registry: owns the modules, and makes every call of theirs.

use super::order::order;
use super::{Health, Module, ModuleCall, ModuleCx, ModuleError, ModuleState, ModuleStatus};
use crate::catching::catching;
use crate::config::{Config, ConfigChange, ConfigError, ConfigUsers};
use core::fmt;
use std::error::Error;

struct Entry {
    module: Box<dyn Module>,
    name: String,
    dependencies: Vec<String>,
    state: ModuleState,
    /// Started and not stopped since, whatever became of it.
    works: bool,
    /// Why it is failed.
    reason: String,
}

impl Entry {
    /// Makes a call; one that fails or panics makes the module failed.
    fn call<T>(
        &mut self,
        call: ModuleCall,
        make: impl FnOnce(&mut dyn Module) -> Result<T, Box<dyn Error + Send + Sync>>,
    ) -> Result<T, ModuleError> {
        // The reason is made into text inside: it is the module's, too, and may panic.
        let made = catching(|| make(&mut *self.module).map_err(|error| error.to_string()));
        let module = self.name.clone();
        let error = match made {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(reason)) => ModuleError::Failed { module, call, reason },
            Err(message) => ModuleError::Panicked { module, call, message },
        };
        // That a candidate is refused is no failure.
        if call != ModuleCall::ValidateConfig || matches!(error, ModuleError::Panicked { .. }) {
            self.fail(&error);
        }
        Err(error)
    }

    fn fail(&mut self, error: &ModuleError) {
        self.state = ModuleState::Failed;
        self.reason = match error {
            ModuleError::Failed { call, reason, .. } => format!("at {call}: {reason}"),
            ModuleError::Panicked { call, message, .. } => format!("panicked at {call}: {message}"),
            other => other.to_string(),
        };
    }

    fn stop(&mut self, cx: &ModuleCx) -> Result<(), ModuleError> {
        self.works = false;
        let stopped = self.call(ModuleCall::Stop, |module| module.stop(cx));
        if stopped.is_ok() && self.state == ModuleState::Running {
            self.state = ModuleState::Stopped;
        }
        stopped
    }

    fn health(&mut self) -> Health {
        if self.state == ModuleState::Running {
            match self.call(ModuleCall::Health, |module| Ok(module.health())) {
                Ok(Health::Failed(reason)) => {
                    self.state = ModuleState::Failed;
                    self.reason = reason;
                }
                Ok(health) => return health,
                Err(_) => {}
            }
        }
        match self.state {
            ModuleState::Failed => Health::Failed(self.reason.clone()),
            _ => Health::Healthy,
        }
    }
}

/// Owns the modules of a program; see the [module](super) for what it does, and [`Module`] for an example.
///
/// It is one of the [users](ConfigUsers) of the configuration: a change needs the agreement of all its modules.
///
/// ```
/// use pcmflow_engine::module::{Module, ModuleError, ModuleRegistry};
/// struct Named(&'static str);
/// impl Module for Named {
///     fn name(&self) -> &str {
///         self.0
///     }
/// }
/// let mut modules = ModuleRegistry::default();
/// modules.register(Box::new(Named("input")))?;
/// let again = modules.register(Box::new(Named("input")));
/// assert_eq!(again, Err(ModuleError::Duplicate { module: "input".into() }));
/// # Ok::<(), ModuleError>(())
/// ```
#[derive(Default)]
pub struct ModuleRegistry {
    /// In the order of registration until they are initialised, in that of dependencies from then on.
    entries: Vec<Entry>,
}

impl ModuleRegistry {
    /// Takes a module in.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`ModuleError::Duplicate`] where there is one of that name, [`ModuleError::Panicked`]; the module is dropped.
    pub fn register(&mut self, module: Box<dyn Module>) -> Result<(), ModuleError> {
        let asked = catching(|| {
            let dependencies = module.dependencies().iter().map(|name| (*name).to_owned());
            (module.name().to_owned(), dependencies.collect())
        });
        let (name, dependencies) = match asked {
            Ok(asked) => asked,
            Err(message) => {
                discard(module);
                let module = "that was to be registered".to_owned();
                return Err(ModuleError::Panicked { module, call: ModuleCall::Register, message });
            }
        };
        if self.entries.iter().any(|entry| entry.name == name) {
            discard(module);
            return Err(ModuleError::Duplicate { module: name });
        }
        let (state, reason) = (ModuleState::Registered, String::new());
        self.entries.push(Entry { module, name, dependencies, state, works: false, reason });
        Ok(())
    }

    /// Initialises those that are not yet, and those that failed and are stopped, each after all that it depends on.
    ///
    /// Not RT-safe: modules may do anything.
    ///
    /// # Errors
    /// [`ModuleError::UnknownDependency`] and [`ModuleError::Cycle`] before anything is done; [`ModuleError::Failed`] and
    /// [`ModuleError::Panicked`] for the first that fails, also if it refuses the configuration: those before it stay
    /// initialised, and the call can be made again.
    pub fn init(&mut self, cx: &ModuleCx) -> Result<(), ModuleError> {
        let modules: Vec<_> = self.entries.iter().map(|entry| (&*entry.name, &*entry.dependencies)).collect();
        let order = order(&modules)?;
        let mut places: Vec<_> = std::mem::take(&mut self.entries).into_iter().map(Some).collect();
        self.entries = order.into_iter().filter_map(|place| places[place].take()).collect();
        for entry in &mut self.entries {
            if !matches!(entry.state, ModuleState::Registered | ModuleState::Failed) || entry.works {
                continue;
            }
            if let Err(error) =
                entry.call(ModuleCall::ValidateConfig, |module| module.validate_config(&cx.config))
            {
                entry.fail(&error);
                return Err(error);
            }
            entry.call(ModuleCall::Init, |module| module.init(cx))?;
            entry.state = ModuleState::Initialised;
            entry.reason.clear();
        }
        Ok(())
    }

    /// Starts those that don't run, each after all that it depends on. If one fails, those are stopped again that this call has
    /// started, the last one first.
    ///
    /// Not RT-safe: modules may do anything.
    ///
    /// # Errors
    /// [`ModuleError::State`] before anything is done, for a module that is not initialised or failed;
    /// [`ModuleError::Failed`] and [`ModuleError::Panicked`] for the one that could not be started.
    pub fn start(&mut self, cx: &ModuleCx) -> Result<(), ModuleError> {
        for Entry { name, state, works, .. } in &self.entries {
            let way_out = match (state, works) {
                (ModuleState::Registered | ModuleState::Failed, false) => "initialise it first",
                (ModuleState::Failed, true) => "stop it and initialise it first",
                _ => continue,
            };
            return Err(ModuleError::State { module: name.clone(), state: *state, way_out });
        }
        let mut started = Vec::new();
        for place in 0..self.entries.len() {
            let entry = &mut self.entries[place];
            if entry.state == ModuleState::Running {
                continue;
            }
            if let Err(error) = entry.call(ModuleCall::Start, |module| module.start(cx)) {
                for before in started.into_iter().rev() {
                    // That this fails, too, is in the status; what matters is the first reason.
                    let _: Result<(), ModuleError> = Entry::stop(&mut self.entries[before], cx);
                }
                return Err(error);
            }
            (entry.state, entry.works) = (ModuleState::Running, true);
            started.push(place);
        }
        Ok(())
    }

    /// Stops every module that was started, each before all that it depends on, and tells what failed at that.
    ///
    /// Not RT-safe: modules may do anything.
    #[must_use = "modules that could not be stopped are told"]
    pub fn stop(&mut self, cx: &ModuleCx) -> Vec<ModuleError> {
        let working = self.entries.iter_mut().rev().filter(|entry| entry.works);
        working.filter_map(|entry| entry.stop(cx).err()).collect()
    }

    /// Asks every running module how it is, and tells of all; one that says that it failed is failed from then on.
    ///
    /// In the order of dependencies once they are initialised.
    ///
    /// Not RT-safe: allocates.
    pub fn status(&mut self) -> Vec<ModuleStatus> {
        let status = |entry: &mut Entry| {
            // Asked first: the answer may change the state.
            let health = entry.health();
            let (name, dependencies) = (entry.name.clone(), entry.dependencies.clone());
            ModuleStatus { name, dependencies, state: entry.state, health }
        };
        self.entries.iter_mut().map(status).collect()
    }
}

impl ConfigUsers for ModuleRegistry {
    fn validate(&mut self, candidate: &Config) -> Vec<ConfigError> {
        let refused = |entry: &mut Entry| {
            let looked = entry.call(ModuleCall::ValidateConfig, |module| module.validate_config(candidate));
            let reason = match looked.err()? {
                ModuleError::Failed { reason, .. } => reason,
                other => other.to_string(),
            };
            Some(ConfigError::Refused { module: entry.name.clone(), reason })
        };
        self.entries
            .iter_mut()
            .filter(|entry| entry.state != ModuleState::Failed)
            .filter_map(refused)
            .collect()
    }

    fn changed(&mut self, change: &ConfigChange) {
        for entry in &mut self.entries {
            // Those that are not initialised get to see the configuration then.
            if !matches!(entry.state, ModuleState::Registered | ModuleState::Failed) {
                // One that panics here is failed; the change stands.
                let _: Result<(), ModuleError> = entry.call(ModuleCall::ConfigChanged, |module| {
                    module.config_changed(change);
                    Ok(())
                });
            }
        }
    }
}

/// Drops a module that may panic at that.
fn discard(module: Box<dyn Module>) {
    let _: Result<(), String> = catching(|| drop(module));
}

/// The last of the order is dropped first. Modules that run are not stopped: whoever wants that calls
/// [`stop`](ModuleRegistry::stop).
impl Drop for ModuleRegistry {
    fn drop(&mut self) {
        while let Some(entry) = self.entries.pop() {
            discard(entry.module);
        }
    }
}

impl fmt::Debug for ModuleRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|entry| (&entry.name, entry.state))).finish()
    }
}
