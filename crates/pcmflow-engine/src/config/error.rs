//! What can be wrong with a configuration.

use super::Origin;
use core::fmt;

/// One thing that is wrong with a configuration.
///
/// ```
/// use pcmflow_engine::config::{Config, Sources};
/// let sources = Sources { toml: "[audio]\nchanels = 2\n".into(), ..Sources::default() };
/// let errors = Config::load(&sources).unwrap_err();
/// assert_eq!(errors.to_string(), "no key `audio.chanels` (file, line 2): did you mean `audio.channels`?");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is no TOML.
    #[error("not TOML ({origin}): {message}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser says.
        message: String,
    },
    /// A flag is no pair.
    #[error("the flag `{flag}` is no `key=value`")]
    Flag {
        /// What was given.
        flag: String,
    },
    /// There is no such key.
    #[error("no key `{key}` ({origin}): {}", meant(nearest.as_deref()))]
    UnknownKey {
        /// The key as it was written.
        key: String,
        /// Where.
        origin: Origin,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// A value has the wrong type, or is out of range.
    #[error("{key} is {value} ({origin}), allowed are {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value as it was written.
        value: String,
        /// Where.
        origin: Origin,
        /// What is allowed.
        allowed: String,
    },
    /// A value would be allowed, but not beside another.
    #[error("{key} is {value} ({origin}): {rule}")]
    Relation {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// Where it comes from.
        origin: Origin,
        /// What must hold, with the other key and its value.
        rule: String,
    },
    /// A key can't change while the program runs.
    #[error("{key} can't change from {now} to {value} while running: set it before the start")]
    Fixed {
        /// The key.
        key: &'static str,
        /// Its value in force.
        now: String,
        /// The refused one.
        value: String,
    },
    /// A module can't work with the candidate.
    #[error("the module {module} refuses the change: {reason}")]
    Refused {
        /// The module.
        module: String,
        /// What it says.
        reason: String,
    },
    /// Another change is under way, perhaps the one that is just being told: try again.
    #[error("another change of the configuration is under way: try again")]
    Busy,
}

fn meant(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("keys are `section.key`, sections are {}", super::key::sections().join(", ")),
    }
}

/// All that is wrong with a configuration, a line each.
///
/// ```
/// use pcmflow_engine::config::{Config, ConfigError, Sources};
/// let sources = Sources { flags: vec!["audio".into(), "flow.priority=low".into()], ..Sources::default() };
/// let errors = Config::load(&sources).unwrap_err();
/// assert_eq!(errors.errors.len(), 2);
/// assert!(matches!(&errors.errors[0], ConfigError::Flag { flag } if flag == "audio"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// In the order of the layers; never empty.
    pub errors: Vec<ConfigError>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
