//! The configuration in force, and how it changes: all apply, or none do.

use super::load::Setting;
use super::{Config, ConfigError, ConfigErrors, Key, Origin};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Those who work by the configuration.
///
/// ```
/// use pcmflow_engine::config::{Config, ConfigChange, ConfigError, ConfigStore, ConfigUsers};
/// struct Link;
/// impl ConfigUsers for Link {
///     fn validate(&mut self, candidate: &Config) -> Vec<ConfigError> {
///         let reason = "it looks every 20 ms at most".to_owned();
///         let refused = ConfigError::Refused { module: "link".into(), reason };
///         if candidate.metrics.sample_ms < 20 { vec![refused] } else { Vec::new() }
///     }
///     fn changed(&mut self, _: &ConfigChange) {}
/// }
/// let store = ConfigStore::new(Config::default());
/// assert!(store.change(&[("metrics.sample_ms", "10")], &mut Link).is_err());
/// assert_eq!(store.current().metrics.sample_ms, 100);
/// ```
pub trait ConfigUsers {
    /// Looks at a candidate; whatever is told, nothing is changed by it.
    ///
    /// Not RT-safe: called by whoever changes the configuration.
    fn validate(&mut self, candidate: &Config) -> Vec<ConfigError>;

    /// Takes in a change that is in force already; this can't fail.
    ///
    /// Not RT-safe: called by whoever changes the configuration.
    fn changed(&mut self, change: &ConfigChange);
}

/// Nobody.
impl ConfigUsers for () {
    fn validate(&mut self, _: &Config) -> Vec<ConfigError> {
        Vec::new()
    }
    fn changed(&mut self, _: &ConfigChange) {}
}

/// A change that happened.
///
/// ```
/// use pcmflow_engine::config::{Config, ConfigStore};
/// let store = ConfigStore::new(Config::default());
/// let change = store.change(&[("alerts.hold_ms", "50"), ("console.debug", "false")], &mut ())?;
/// assert_eq!(change.keys, ["alerts.hold_ms"]); // the other was false before
/// assert_eq!(change.config.alerts.hold_ms, 50);
/// # Ok::<(), pcmflow_engine::config::ConfigErrors>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConfigChange {
    /// What is in force now.
    pub config: Arc<Config>,
    /// The keys whose values are others than before, in the order of the schema; none where nothing changed.
    pub keys: Vec<&'static str>,
}

/// Holds the configuration in force.
///
/// ```
/// use pcmflow_engine::config::{Config, ConfigStore};
/// let store = ConfigStore::new(Config::default());
/// let before = store.current();
/// store.change(&[("flow.strategy", "block")], &mut ())?;
/// assert_eq!(before.flow.strategy.to_string(), "adaptive"); // who holds it keeps it
/// assert_eq!(store.current().flow.strategy.to_string(), "block");
/// # Ok::<(), pcmflow_engine::config::ConfigErrors>(())
/// ```
#[derive(Debug)]
pub struct ConfigStore {
    current: RwLock<Arc<Config>>,
    /// Held from the first look at a candidate until everybody has taken it in, so that changes come one after the other.
    changing: Mutex<()>,
}

impl ConfigStore {
    /// Puts a configuration in force.
    ///
    /// Not RT-safe: allocates.
    pub fn new(config: Config) -> Self {
        Self { current: RwLock::new(Arc::new(config)), changing: Mutex::new(()) }
    }

    /// The configuration in force.
    ///
    /// Not RT-safe: locks, for as long as it takes to count a reference; never while a change is looked at.
    pub fn current(&self) -> Arc<Config> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes keys, given as pairs of `section.key` and a value as a flag would have it: if every check and all of `users`
    /// agree, the new configuration is in force and they are told; otherwise nothing has changed.
    ///
    /// Not RT-safe: allocates, and calls whatever `users` do.
    ///
    /// # Errors
    /// [`ConfigErrors`] with all that is wrong; beside what [`Config::load`] tells, [`ConfigError::Fixed`] for keys that can't
    /// change at run time, what `users` tell, and [`ConfigError::Busy`] while another change is under way.
    pub fn change(
        &self,
        patch: &[(&str, &str)],
        users: &mut dyn ConfigUsers,
    ) -> Result<ConfigChange, ConfigErrors> {
        let _changing = match self.changing.try_lock() {
            Ok(guard) => guard,
            // Whoever panicked changed nothing, or everything.
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => {
                return Err(ConfigErrors { errors: vec![ConfigError::Busy] });
            }
        };
        let before = self.current();
        let mut candidate = (*before).clone();
        let settings = patch.iter().map(|(key, text)| Setting::of_text(key, text, Origin::Change));
        let mut errors = candidate.lay_over(settings.collect());
        let keys = before.differences(&candidate);
        for name in &keys {
            if let Some(key) = Key::find(name).filter(|key| !key.live) {
                let (now, value) = ((key.get)(&before).to_string(), (key.get)(&candidate).to_string());
                errors.push(ConfigError::Fixed { key: key.name, now, value });
            }
        }
        if errors.is_empty() && !keys.is_empty() {
            errors = users.validate(&candidate);
        }
        if !errors.is_empty() {
            return Err(ConfigErrors { errors });
        }
        if keys.is_empty() {
            return Ok(ConfigChange { config: before, keys });
        }
        // What was set to what it was already still comes from where it came from.
        candidate.origins.clone_from(&before.origins);
        candidate.origins.extend(keys.iter().map(|key| (*key, Origin::Change)));
        let change = ConfigChange { config: Arc::new(candidate), keys };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = change.config.clone();
        users.changed(&change);
        Ok(change)
    }
}
