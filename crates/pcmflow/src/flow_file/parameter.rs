//! What can be said of a node or a pipeline: names, types, ranges.

use super::Values;
use super::values::Value;
use crate::core::block::BlockSize;
use crate::core::format::Frames;
use crate::engine::config::nearest;
use crate::io::SynthSpec;
use std::fmt;
use toml::de::DeValue;

/// What a parameter takes.
///
/// ```
/// use pcmflow::flow_file::Accepts;
/// assert_eq!(Accepts::Whole { min: 2, max: 64 }.to_string(), "a whole number, 2 to 64");
/// assert_eq!(Accepts::Word(|| vec!["gap", "silence"]).to_string(), "\"gap\", \"silence\"");
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Accepts {
    /// The name of a node.
    Name,
    /// A kind of node.
    Kind,
    /// A file that is read.
    Input,
    /// A file that is written.
    Output,
    /// The same, or `-` for standard output.
    OutputOrStandard,
    /// A synthetic signal.
    Signal,
    /// One of these.
    Word(fn() -> Vec<&'static str>),
    /// A whole number in this range.
    Whole {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A number in this range.
    Number {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// A multiple of the render quantum, up to this.
    Block {
        /// The longest.
        max: u64,
    },
    /// A table of its own.
    Table(&'static [Parameter]),
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                f,
                "the name of a node, in quotes: up to {NAME_BYTES_MAX} bytes, no spaces, control characters, quotes or backslashes"
            ),
            Self::Kind => f.write_str("the kind of a node, in quotes"),
            Self::Input => f.write_str("a path, in quotes"),
            Self::Output => f.write_str("a path, in quotes; not \"-\""),
            Self::OutputOrStandard => f.write_str("a path, in quotes, or \"-\""),
            Self::Signal => f.write_str("a signal, in quotes, such as \"sine:440,seconds=5\""),
            Self::Word(words) => {
                let words: Vec<_> = words().iter().map(|word| format!("\"{word}\"")).collect();
                f.write_str(&words.join(", "))
            }
            Self::Whole { min, max } => write!(f, "a whole number, {min} to {max}"),
            Self::Number { min, max } => write!(f, "a number, {min} to {max}"),
            Self::Block { max } => write!(f, "a multiple of 128, up to {max}"),
            Self::Table(parameters) => {
                let names: Vec<_> = parameters.iter().map(|parameter| parameter.name).collect();
                write!(f, "a table of {}", names.join(", "))
            }
        }
    }
}

/// The longest text that names something.
const TEXT_BYTES_MAX: usize = 4096;
/// The longest name of a node.
const NAME_BYTES_MAX: usize = 64;

impl Accepts {
    /// The value, where it is one; otherwise what may have been meant, and what more is to say. Tables are the parser's.
    pub(super) fn read(&self, value: &DeValue<'_>) -> Result<Value, (Option<String>, Option<String>)> {
        let no = || Err((None, None));
        let text = match value {
            DeValue::String(text) if text.len() <= TEXT_BYTES_MAX => Some(text.as_ref()),
            _ => None,
        };
        let whole = match value {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match *self {
            Self::Name => match text {
                Some(text)
                    if !text.is_empty()
                        && text.len() <= NAME_BYTES_MAX
                        && !text.contains(|character: char| {
                            character.is_whitespace() || character.is_control() || "\"'\\".contains(character)
                        }) =>
                {
                    Ok(Value::text(text))
                }
                _ => no(),
            },
            Self::Kind => text.map(Value::text).ok_or((None, None)),
            Self::Input | Self::Output | Self::OutputOrStandard => match text {
                Some("-") if !matches!(self, Self::OutputOrStandard) => no(),
                Some(text) if !text.is_empty() && !text.contains('\0') => Ok(Value::text(text)),
                _ => no(),
            },
            Self::Signal => match text.map(|text| (text, text.parse::<SynthSpec>())) {
                Some((text, Ok(_))) => Ok(Value::text(text)),
                Some((_, Err(error))) => Err((None, Some(error.to_string()))),
                None => no(),
            },
            Self::Word(words) => match text {
                Some(text) if words().contains(&text) => Ok(Value::text(text)),
                Some(text) => Err((nearest(text, words()).map(str::to_owned), None)),
                None => no(),
            },
            Self::Whole { min, max } => match whole {
                Some(number) if (min..=max).contains(&number) => Ok(Value::Whole(number)),
                _ => no(),
            },
            Self::Block { max } => match whole {
                Some(number) if number <= max && BlockSize::new(Frames(number)).is_ok() => {
                    Ok(Value::Whole(number))
                }
                _ => no(),
            },
            Self::Number { min, max } => {
                let number = match value {
                    DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
                    DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse::<f64>().ok(),
                    _ => None,
                };
                match number {
                    Some(number) if (min..=max).contains(&number) => Ok(Value::Number(number)),
                    _ => no(),
                }
            }
            Self::Table(_) => no(),
        }
    }
}

/// What holds where a parameter is not said.
///
/// ```
/// use pcmflow::flow_file::Unsaid;
/// assert_eq!(Unsaid::Is("\"s16\"").to_string(), "\"s16\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsaid {
    /// It must be said.
    Refused,
    /// This value, as the file would have it.
    Is(&'static str),
    /// This.
    Means(&'static str),
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "must be said",
            Self::Is(text) | Self::Means(text) => text,
        })
    }
}

/// One thing that can be said.
///
/// ```
/// use pcmflow::flow_file::KINDS;
/// let gain = KINDS.iter().find(|kind| kind.name == "gain").unwrap();
/// assert_eq!(gain.parameters[0].name, "db");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its key.
    pub name: &'static str,
    /// What it takes.
    pub accepts: Accepts,
    /// What holds without it.
    pub unsaid: Unsaid,
    /// What it says.
    pub doc: &'static str,
}

pub(super) const fn parameter(
    name: &'static str,
    accepts: Accepts,
    unsaid: Unsaid,
    doc: &'static str,
) -> Parameter {
    Parameter { name, accepts, unsaid, doc }
}

/// The names of what can be said.
pub(super) fn names(parameters: &[Parameter]) -> Vec<&'static str> {
    parameters.iter().map(|parameter| parameter.name).collect()
}

/// Enters what holds where nothing was said.
pub(super) fn fill(values: &mut Values, parameters: &[Parameter]) {
    for parameter in parameters {
        if let Unsaid::Is(text) = parameter.unsaid
            && !values.has(parameter.name)
            && let Ok(default) = DeValue::parse(text)
            && let Ok(value) = parameter.accepts.read(default.get_ref())
        {
            values.set(parameter.name, value);
        }
    }
}
