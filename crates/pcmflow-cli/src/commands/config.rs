//! `pcmflow config`: the configuration checked, shown and explained. Other commands load theirs here.

use super::{print, read_text};
use crate::args::{ConfigArgs, ConfigCommand};
use crate::failure::{Failure, Outcome};
use pcmflow::engine::config::{Config, Key, Sources};
use pcmflow::engine::console::{Answer, Cell, Table};
use std::path::PathBuf;

/// A longer configuration is nobody's writing.
const BYTES_MAX: usize = 256 << 10;

pub(crate) fn run(command: &ConfigCommand) -> Result<Outcome, Failure> {
    match command {
        ConfigCommand::Check { file, config } => {
            if file.is_some() && config.config.is_some() {
                return Err(Failure::Usage(
                    "the configuration file is named twice: leave --config out".into(),
                ));
            }
            load_from(file.clone().or_else(|| named(config)), config)?;
            print(b"the configuration is right\n")
        }
        ConfigCommand::Show { json, config } => {
            let config = load(config)?;
            match json {
                true => print(shown(&config).as_bytes()),
                false => print(config.show().as_bytes()),
            }
        }
        ConfigCommand::Schema { json, toml } => {
            let text = match (json, toml) {
                (true, _) => serde_json::to_string_pretty(Config::schema()).unwrap_or_default() + "\n",
                (_, true) => Config::template(),
                _ => table(),
            };
            print(text.as_bytes())
        }
    }
}

/// The configuration of file, environment and flags.
pub(crate) fn load(args: &ConfigArgs) -> Result<Config, Failure> {
    load_from(named(args), args)
}

/// The configuration file, by flag or environment.
pub(crate) fn named(args: &ConfigArgs) -> Option<PathBuf> {
    let variable = || std::env::var_os("PCMFLOW_CONFIG").filter(|name| !name.is_empty()).map(PathBuf::from);
    args.config.clone().or_else(variable)
}

fn load_from(file: Option<PathBuf>, args: &ConfigArgs) -> Result<Config, Failure> {
    let toml = match file {
        None => String::new(),
        Some(path) => read_text(&path, BYTES_MAX, "a configuration")?,
    };
    // What is not UTF-8 is no key; as a value it is told to be none.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    let sources = Sources { toml, environment: environment.collect(), flags: args.set.clone() };
    Config::load(&sources).map_err(Failure::Config)
}

/// Every key with its value and where that comes from, as JSON.
fn shown(config: &Config) -> String {
    let entry = |key: &Key| {
        let value = config.get(key.name).and_then(|value| serde_json::to_value(value).ok());
        let entry = serde_json::json!({ "value": value, "from": config.origin(key.name).to_string() });
        (key.name.to_owned(), entry)
    };
    let keys: serde_json::Map<_, _> = Config::schema().iter().map(entry).collect();
    serde_json::to_string_pretty(&keys).unwrap_or_default() + "\n"
}

fn table() -> String {
    let mut table = Table::new(["key", "default", "allowed", "changes while running", "meaning"]);
    for key in Config::schema() {
        let live = if key.live { "yes" } else { "no" };
        let cells = [key.name.to_owned(), key.default_value().to_string(), key.allowed.to_string()];
        table.row(cells.into_iter().map(Cell::from).chain([Cell::from(live), Cell::from(key.doc)]));
    }
    Answer::table(table).to_string()
}
