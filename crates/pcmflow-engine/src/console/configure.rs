//! The answers to `config …`, which are the same everywhere.

use super::{Answer, Cell, Command, Table};
use crate::config::{Config, ConfigStore, ConfigUsers, Key, Origin, unknown_key};

/// Answers what a command asks of the configuration; none for other commands.
///
/// ```
/// use pcmflow_engine::config::{Config, ConfigStore};
/// use pcmflow_engine::console::{Command, configure};
/// let store = ConfigStore::new(Config::default());
/// let set = Command::parse("config set alerts.hold_ms 50")?;
/// let answer = configure(&set, &store, &mut ()).unwrap();
/// assert_eq!(answer.text, "alerts.hold_ms is 50");
/// assert_eq!(store.current().alerts.hold_ms, 50);
/// assert!(configure(&Command::PoolTrim, &store, &mut ()).is_none());
/// # Ok::<(), pcmflow_engine::console::CommandError>(())
/// ```
///
/// Not RT-safe: allocates, and calls whatever `users` do.
pub fn configure(command: &Command, store: &ConfigStore, users: &mut dyn ConfigUsers) -> Option<Answer> {
    Some(match command {
        Command::ConfigShow => {
            let config = store.current();
            let mut table = Table::new(["key", "value", "from"]);
            for key in Config::schema() {
                table.row([Cell::from(key.name), value(&config, key), from(&config, key)]);
            }
            Answer::table(table)
        }
        Command::ConfigGet(name) => {
            let config = store.current();
            let Some(key) = Key::find(name) else {
                return Some(Answer::refused(unknown_key(name, Origin::Change).to_string()));
            };
            let mut table = Table::new(["key", "value", "from", "allowed", "live", "meaning"]);
            let about = [Cell::from(key.allowed.to_string()), Cell::from(key.live), Cell::from(key.doc)];
            table.row(
                [Cell::from(key.name), value(&config, key), from(&config, key)].into_iter().chain(about),
            );
            Answer::table(table)
        }
        Command::ConfigSet { key, value } => match store.change(&[(key, value)], users) {
            Ok(change) => {
                let now = change.config.get(key).map(|value| value.to_string()).unwrap_or_default();
                let already = if change.keys.is_empty() { " already" } else { "" };
                Answer::done(format!("{key} is {now}{already}"))
            }
            Err(errors) => Answer::refused(errors.to_string()),
        },
        _ => return None,
    })
}

fn value(config: &Config, key: &Key) -> Cell {
    config.get(key.name).and_then(|value| serde_json::to_value(value).ok()).unwrap_or_default()
}

fn from(config: &Config, key: &Key) -> Cell {
    Cell::from(config.origin(key.name).to_string())
}
