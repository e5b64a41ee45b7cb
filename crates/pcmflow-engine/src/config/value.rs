//! What a key can hold, and what it allows.

use crate::Priority;
use crate::pressure::Strategy;
use core::fmt;
use pcmflow_core::block::Profile;
use pcmflow_core::stream::Overflow;
use serde::Serialize;

/// A value as it stands in a configuration.
///
/// ```
/// use pcmflow_engine::config::Value;
/// assert_eq!(Value::Numbers(vec![256, 512]).to_string(), "[256, 512]");
/// assert_eq!(Value::Word("production".into()).to_string(), "\"production\"");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Value {
    /// A whole number, not below 0.
    Number(u64),
    /// True or false.
    Switch(bool),
    /// One of a few words.
    Word(String),
    /// A list of whole numbers.
    Numbers(Vec<u64>),
}

/// Written as TOML.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Switch(switch) => switch.fmt(f),
            Self::Word(word) => write!(f, "\"{}\"", word.escape_default()),
            Self::Numbers(numbers) => write!(f, "{numbers:?}"),
        }
    }
}

/// What a key allows.
///
/// ```
/// use pcmflow_engine::config::{Allowed, Value};
/// let percent = Allowed::Number { min: 1, max: 100 };
/// assert!(percent.allows(&Value::Number(100)) && !percent.allows(&Value::Number(101)));
/// assert!(!percent.allows(&Value::Switch(true)));
/// assert_eq!(percent.to_string(), "1 to 100");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allowed {
    /// A whole number in this range.
    Number {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// True or false.
    Switch,
    /// One of these.
    Word {
        /// All of them.
        words: &'static [&'static str],
    },
    /// Whole numbers in this range, each larger than the one before.
    Numbers {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
        /// The most of them; at least one.
        count_max: usize,
    },
}

impl Allowed {
    /// Whether the value is of the right type and in range.
    ///
    /// Not RT-safe: for the control side.
    pub fn allows(&self, value: &Value) -> bool {
        match (*self, value) {
            (Self::Number { min, max }, Value::Number(number)) => (min..=max).contains(number),
            (Self::Switch, Value::Switch(_)) => true,
            (Self::Word { words }, Value::Word(word)) => words.contains(&word.as_str()),
            (Self::Numbers { min, max, count_max }, Value::Numbers(numbers)) => {
                (1..=count_max).contains(&numbers.len())
                    && numbers.iter().all(|number| (min..=max).contains(number))
                    && numbers.is_sorted_by(|a, b| a < b)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { min, max } => write!(f, "{min} to {max}"),
            Self::Switch => f.write_str("true or false"),
            Self::Word { words } => f.write_str(&words.join(", ")),
            Self::Numbers { min, max, count_max } => {
                write!(f, "a list of 1 to {count_max} ascending numbers from {min} to {max}")
            }
        }
    }
}

/// A type that a key can have.
pub(super) trait Leaf: Sized {
    /// None where the value is not of this type.
    fn of(value: &Value) -> Option<Self>;
    fn value(&self) -> Value;
}

macro_rules! numbers {
    ($($Type:ty),+) => {$(
        impl Leaf for $Type {
            fn of(value: &Value) -> Option<Self> {
                let Value::Number(number) = value else { return None };
                Self::try_from(*number).ok()
            }
            fn value(&self) -> Value {
                Value::Number(u64::from(*self))
            }
        }
    )+};
}
numbers!(u8, u32, u64);

impl Leaf for bool {
    fn of(value: &Value) -> Option<Self> {
        let Value::Switch(switch) = value else { return None };
        Some(*switch)
    }
    fn value(&self) -> Value {
        Value::Switch(*self)
    }
}

impl Leaf for Vec<u64> {
    fn of(value: &Value) -> Option<Self> {
        let Value::Numbers(numbers) = value else { return None };
        Some(numbers.clone())
    }
    fn value(&self) -> Value {
        Value::Numbers(self.clone())
    }
}

/// Types whose values have names.
macro_rules! words {
    ($($Type:ty: $all:expr),+) => {$(
        impl Leaf for $Type {
            fn of(value: &Value) -> Option<Self> {
                let Value::Word(word) = value else { return None };
                $all.into_iter().find_map(|(name, one)| (name == word).then_some(one))
            }
            fn value(&self) -> Value {
                Value::Word(self.to_string())
            }
        }
    )+};
}
words! {
    Profile: Profile::ALL,
    Overflow: Overflow::ALL.iter().copied(),
    Strategy: Strategy::ALL,
    Priority: Priority::ALL.map(|priority| (priority.name(), priority))
}

const fn names<T: Copy, const N: usize>(all: &[(&'static str, T)]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut index = 0;
    while index < N {
        names[index] = all[index].0;
        index += 1;
    }
    names
}

pub(super) const PROFILES: &[&str] = &names::<_, { Profile::ALL.len() }>(&Profile::ALL);
pub(super) const OVERFLOWS: &[&str] = &names::<_, { Overflow::ALL.len() }>(Overflow::ALL);
pub(super) const STRATEGIES: &[&str] = &names::<_, { Strategy::ALL.len() }>(&Strategy::ALL);
pub(super) const PRIORITIES: &[&str] =
    &[Priority::ALL[0].name(), Priority::ALL[1].name(), Priority::ALL[2].name()];
