//! The one configuration: typed, validated, layered, and changed at run time by all or by none.
//!
//! Every key is defined once, in `tree.rs`: its type, its default, what it allows, what it means, and whether it may change
//! while audio runs. From that one definition come the [`Config`] that the program reads, the checks, the suggestions for
//! typing errors, [`Config::schema`], [`Config::template`] and [`Config::show`].
//!
//! [`Config::load`] lays the environment over a TOML text and flags over both. It reads neither files nor the environment by
//! itself: whoever has them passes them in. All that is wrong is told at once, each error with the key, the value, where it
//! stands, and what is allowed.
//!
//! A [`ConfigStore`] holds the configuration in force. Whoever asks it for a change has every [user](ConfigUsers) look at the
//! candidate first; one that objects, and nothing has changed. Then one `Arc` is swapped, and the users hear of it; at that
//! point nothing can fail any more.
//!
//! Nothing here is for an audio thread: those are handed the numbers that they need when they are made.

mod error;
mod key;
mod load;
mod nearest;
mod relations;
mod show;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod value;

pub use error::{ConfigError, ConfigErrors};
pub use key::{Key, Origin};
pub use load::Sources;
pub(crate) use load::unknown_key;
pub use nearest::{nearest, printable, shown};
pub use store::{ConfigChange, ConfigStore, ConfigUsers};
pub use tree::{
    AlertsConfig, AudioConfig, Config, ConsoleConfig, EventsConfig, FlowConfig, MemoryConfig, MetricsConfig,
    ThreadsConfig,
};
pub use value::{Allowed, Value};
