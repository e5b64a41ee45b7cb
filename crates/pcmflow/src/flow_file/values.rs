//! What was said, checked.

use std::collections::BTreeMap;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Whole(u64),
    Number(f64),
    Table(Values),
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The parameters of a node, checked, with what holds where nothing was said.
///
/// ```
/// use pcmflow::engine::config::Config;
/// use pcmflow::flow_file::FlowFile;
/// let text = r#"
///     nodes = [{ name = "a", kind = "synth", parameters = { signal = "silence" } }, { name = "b", kind = "discard" }]
///     pipelines = [{ from = "a", to = "b" }]
/// "#;
/// let file = FlowFile::parse(text, &Config::default())?;
/// assert_eq!(file.nodes[0].values.text("pace"), Some("fast"));
/// # Ok::<(), pcmflow::flow_file::FlowFileErrors>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values(BTreeMap<&'static str, Value>);

impl Values {
    pub(super) fn set(&mut self, key: &'static str, value: Value) {
        self.0.insert(key, value);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// A text, a path or a word.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A whole number.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn whole(&self, key: &str) -> Option<u64> {
        match self.0.get(key) {
            Some(Value::Whole(number)) => Some(*number),
            _ => None,
        }
    }

    /// A whole number whose range is that of 32 bits.
    pub(super) fn small(&self, key: &str) -> Option<u32> {
        self.whole(key).and_then(|number| u32::try_from(number).ok())
    }

    /// A number.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.0.get(key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// A table.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn table(&self, key: &str) -> Option<&Self> {
        match self.0.get(key) {
            Some(Value::Table(values)) => Some(values),
            _ => None,
        }
    }

    /// The value of this name, of a list of names and values.
    pub(super) fn word<T: Copy>(&self, key: &str, all: &[(&str, T)]) -> Option<T> {
        let word = self.text(key)?;
        all.iter().find_map(|(name, value)| (*name == word).then_some(*value))
    }
}
