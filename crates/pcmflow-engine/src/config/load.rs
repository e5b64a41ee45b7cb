//! Laying the sources of a configuration over each other.

use super::{Allowed, Config, ConfigError, ConfigErrors, Key, Origin, Value, key, nearest, relations, shown};
use toml::de::{DeTable, DeValue};

/// Where a configuration comes from: each lies over the one before.
///
/// ```
/// use pcmflow_engine::config::{Config, Sources};
/// let sources = Sources { flags: vec!["memory.class_samples=64,512".into()], ..Sources::default() };
/// assert_eq!(Config::load(&sources)?.memory.class_samples, [64, 512]);
/// # Ok::<(), pcmflow_engine::config::ConfigErrors>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The text of a configuration file.
    pub toml: String,
    /// The environment. `PCMFLOW_AUDIO__BLOCK_FRAMES` is `audio.block_frames`; variables that don't begin with `PCMFLOW_`, or
    /// that have no `__` and resemble no key, are others' business.
    pub environment: Vec<(String, String)>,
    /// Pairs of the form `audio.block_frames=512`; of two for one key the last counts.
    pub flags: Vec<String>,
}

const ENVIRONMENT_PREFIX: &str = "PCMFLOW_";

/// A key that somebody set, or tried to.
pub(super) struct Setting {
    key: String,
    /// As it was written.
    text: String,
    /// None where it is nothing that any key could hold.
    value: Option<Value>,
    origin: Origin,
}

impl Setting {
    /// A value that came as plain text, as the key would read it.
    pub(super) fn of_text(key: &str, text: &str, origin: Origin) -> Self {
        let text = text.trim();
        let value = match Key::find(key).map(|key| key.allowed) {
            Some(Allowed::Word { .. }) => match value_of_text(text) {
                Some(Value::Word(word)) => Some(Value::Word(word)),
                // Quotes may be left out.
                _ => Some(Value::Word(text.to_owned())),
            },
            Some(Allowed::Numbers { .. }) if !text.starts_with('[') => value_of_text(&format!("[{text}]")),
            _ => value_of_text(text),
        };
        Self { key: key.to_owned(), text: text.to_owned(), value, origin }
    }
}

fn value_of_text(text: &str) -> Option<Value> {
    value_of_toml(DeValue::parse(text).ok()?.get_ref())
}

fn value_of_toml(value: &DeValue<'_>) -> Option<Value> {
    let number = |value: &DeValue<'_>| match value {
        DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
        _ => None,
    };
    match value {
        DeValue::Integer(_) => number(value).map(Value::Number),
        DeValue::Boolean(switch) => Some(Value::Switch(*switch)),
        DeValue::String(word) => Some(Value::Word(word.to_string())),
        DeValue::Array(items) => {
            items.iter().map(|item| number(item.get_ref())).collect::<Option<_>>().map(Value::Numbers)
        }
        _ => None,
    }
}

/// The lines of a text, by where they begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        Self(std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect())
    }

    fn origin(&self, at: usize) -> Origin {
        Origin::File { line: self.0.partition_point(|&start| start <= at) }
    }
}

fn settings_of_toml(text: &str, errors: &mut Vec<ConfigError>) -> Vec<Setting> {
    let lines = Lines::of(text);
    let (table, syntax) = DeTable::parse_recoverable(text);
    // What the parser makes of a broken line is nobody's setting.
    let mut broken = Vec::new();
    for error in syntax {
        let origin = lines.origin(error.span().map_or(0, |span| span.start));
        if !broken.contains(&origin) {
            broken.push(origin);
            errors.push(ConfigError::Syntax { origin, message: shown(error.message()) });
        }
    }
    let mut settings = Vec::new();
    let mut set = |key: String, at: usize, value: &toml::Spanned<DeValue<'_>>| {
        let origin = lines.origin(at);
        if !broken.contains(&origin) {
            let text = match value.get_ref() {
                // It may stand in many places.
                DeValue::Table(_) => "a table",
                _ => text.get(value.span()).unwrap_or_default(),
            };
            let text = text.to_owned();
            settings.push(Setting { key, text, value: value_of_toml(value.get_ref()), origin });
        }
    };
    for (section, value) in table.get_ref() {
        let name: &str = section.get_ref();
        match value.get_ref() {
            DeValue::Table(keys) if key::sections().contains(&name) => {
                for (key, value) in keys {
                    set(format!("{name}.{}", key.get_ref()), key.span().start, value);
                }
            }
            _ => set(name.to_owned(), section.span().start, value),
        }
    }
    settings.sort_by_key(|setting| match setting.origin {
        Origin::File { line } => line,
        _ => 0,
    });
    settings
}

fn settings_of_environment(environment: &[(String, String)]) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, text) in environment {
        let name = name.to_ascii_uppercase();
        let Some(name) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        let name = name.to_ascii_lowercase();
        let key = name.replacen("__", ".", 1);
        if key.contains('.') || nearest_key(&key).is_some_and(|key| key.contains('.')) {
            settings.push(Setting::of_text(&key, text, Origin::Environment));
        }
    }
    settings
}

/// The key, or the section, that may have been meant.
fn nearest_key(written: &str) -> Option<&'static str> {
    let keys = Config::schema().iter().map(|key| key.name);
    match written.contains('.') {
        // A key that lacks its section, or stands in the wrong one, is nearer than any typing error.
        true => {
            let name = written.rsplit('.').next().unwrap_or_default();
            let namesake = || keys.clone().find(|key| key.split('.').nth(1) == Some(name));
            nearest(written, keys.clone()).or_else(namesake)
        }
        false => {
            let namesake = keys.clone().find(|key| key.split('.').nth(1) == Some(written));
            namesake.or_else(|| nearest(written, key::sections().into_iter().chain(keys)))
        }
    }
}

impl Config {
    /// Lays flags over environment over text over the defaults, and checks everything.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`ConfigErrors`] with all that is wrong; lines that are no TOML, and what they may hide in the next, are mended first.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        let mut settings = settings_of_toml(&sources.toml, &mut errors);
        settings.extend(settings_of_environment(&sources.environment));
        for flag in &sources.flags {
            match flag.split_once('=') {
                Some((key, text)) => settings.push(Setting::of_text(key.trim(), text, Origin::Flag)),
                None => errors.push(ConfigError::Flag { flag: shown(flag) }),
            }
        }
        let mut config = Self::default();
        errors.extend(config.lay_over(settings));
        if errors.is_empty() { Ok(config) } else { Err(ConfigErrors { errors }) }
    }

    /// Sets what is right, and tells what is wrong.
    pub(super) fn lay_over(&mut self, settings: Vec<Setting>) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut wrong = Vec::new();
        for Setting { key, text, value, origin } in settings {
            let Some(key) = Key::find(&key) else {
                errors.push(not_a_key(&key, &text, origin));
                continue;
            };
            let right = value.is_some_and(|value| key.allowed.allows(&value) && (key.set)(self, &value));
            if right {
                self.origins.insert(key.name, origin);
            } else {
                wrong.push(key.name);
                let allowed = key.allowed.to_string();
                errors.push(ConfigError::Value { key: key.name, value: shown(&text), origin, allowed });
            }
        }
        errors.extend(relations::broken(self, &wrong));
        errors
    }
}

fn not_a_key(key: &str, text: &str, origin: Origin) -> ConfigError {
    match key::sections().into_iter().find(|section| *section == key) {
        Some(section) => {
            let allowed = format!("keys below [{section}]");
            ConfigError::Value { key: section, value: shown(text), origin, allowed }
        }
        None => unknown_key(key, origin),
    }
}

pub(crate) fn unknown_key(key: &str, origin: Origin) -> ConfigError {
    ConfigError::UnknownKey { key: shown(key), origin, nearest: nearest_key(key).map(str::to_owned) }
}
