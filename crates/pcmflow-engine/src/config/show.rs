//! Looking at a configuration: its keys, and the whole as text and as data.

use super::tree::{KEYS, SECTIONS};
use super::{Config, Key, Origin, Value};
use core::fmt::Write;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;

impl Config {
    /// Every key there is, section by section.
    ///
    /// Not RT-safe: for the control side.
    pub fn schema() -> &'static [Key] {
        KEYS
    }

    /// The value of `section.key`; none where there is no such key.
    ///
    /// Not RT-safe: allocates.
    pub fn get(&self, key: &str) -> Option<Value> {
        Key::find(key).map(|key| (key.get)(self))
    }

    /// Where the value of `section.key` comes from.
    ///
    /// Not RT-safe: for the control side.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).copied().unwrap_or_default()
    }

    /// The keys whose values differ between the two.
    ///
    /// Not RT-safe: allocates.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        KEYS.iter().filter(|key| (key.get)(self) != (key.get)(other)).map(|key| key.name).collect()
    }

    /// The configuration in force as TOML, with a word on where each value comes from. Loading it gives the same values.
    ///
    /// Not RT-safe: allocates.
    pub fn show(&self) -> String {
        self.written(|_| String::new(), |key, line| format!("{line} # {}", self.origin(key.name)))
    }

    /// A file to begin with: every key with its meaning, what it allows, and its default, which stands behind a `#`.
    ///
    /// ```
    /// use pcmflow_engine::config::Config;
    /// let template = Config::template();
    /// assert!(template.contains("# Samples a frame, likewise. 1 to 64.\n#channels = 1\n"));
    /// ```
    ///
    /// Not RT-safe: allocates.
    pub fn template() -> String {
        let about = |name: &str| SECTIONS.iter().find(|(section, _)| *section == name);
        Self::default().written(
            |section| about(section).map_or_else(String::new, |(_, about)| format!("# {about}\n")),
            |key, line| format!("# {} {}.\n#{line}", key.doc, key.allowed),
        )
    }

    fn written(&self, above: impl Fn(&str) -> String, line: impl Fn(&Key, String) -> String) -> String {
        let mut text = String::new();
        let mut previous = "";
        for key in KEYS {
            let (section, name) = key.parts();
            if section != previous {
                let space = if previous.is_empty() { "" } else { "\n" };
                // Writing into a string can't fail.
                let _ = writeln!(text, "{space}{}[{section}]", above(section));
                previous = section;
            }
            let _ = writeln!(text, "{}", line(key, format!("{name} = {}", (key.get)(self))));
        }
        text
    }
}

/// Sections of keys with their values.
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sections = serializer.serialize_map(Some(SECTIONS.len()))?;
        for (section, _) in SECTIONS {
            let keys = KEYS.iter().filter(|key| key.parts().0 == *section);
            let values: BTreeMap<_, _> = keys.map(|key| (key.parts().1, (key.get)(self))).collect();
            sections.serialize_entry(section, &values)?;
        }
        sections.end()
    }
}
