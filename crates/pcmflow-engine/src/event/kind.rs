//! What an event is: a plain type of a few words, with a name and a priority.

use crate::Priority;
use crate::pressure::{Reason, Strategy};
use core::any::TypeId;
use core::fmt;
use pcmflow_core::format::{Frames, StreamPosition};
use pcmflow_core::ledger::LossCause;

/// The most fields an event can have.
pub const WORDS: usize = 5;

/// An event's fields as they travel: one word each, in order; those that are not used are 0.
pub type Words = [u64; WORDS];

/// A type of events. [`events!`](crate::events) implements it.
///
/// ```
/// use pcmflow_core::format::Frames;
/// use pcmflow_engine::event::types::PipelineRemoved;
/// use pcmflow_engine::event::{Event, NameId};
/// let event = PipelineRemoved { pipeline: NameId::NONE, frames_lost: Frames(5) };
/// assert_eq!(event.to_words(), [0, 5, 0, 0, 0]);
/// ```
pub trait Event: Copy + Send + 'static {
    /// Its name, priority and fields.
    const TYPE: &'static EventType;

    /// The fields as words.
    ///
    /// RT-safe: wait-free, no allocation.
    fn to_words(&self) -> Words;

    /// The event of these words: the inverse of [`to_words`](Self::to_words).
    ///
    /// RT-safe: wait-free, no allocation.
    fn from_words(words: &Words) -> Self;
}

/// What is known of a type of events without knowing the type.
///
/// ```
/// use pcmflow_engine::event::types;
/// let critical = |name| types::ALL.iter().any(|of| of.name() == name && of.priority() == pcmflow_engine::Priority::Critical);
/// assert!(critical("DeadlineMissed") && !critical("ConfigChanged"));
/// ```
pub struct EventType {
    id: TypeId,
    name: &'static str,
    priority: Priority,
    fields: &'static [Field],
}

/// A field of an event: its name, with its unit, and how a person reads it.
///
/// ```
/// use pcmflow_engine::event::types::ConfigChanged;
/// use pcmflow_engine::event::{Event, Field};
/// let names: Vec<_> = ConfigChanged::TYPE.fields().iter().map(|field: &Field| field.name).collect();
/// assert_eq!(names, ["revision", "keys"]);
/// ```
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// How its word is shown.
    pub show: Show,
}

/// How a word is shown.
///
/// ```
/// use pcmflow_core::ledger::LossCause;
/// use pcmflow_engine::event::{EventField, NameId, Show};
/// assert!(matches!(NameId::SHOW, Show::Name));
/// let Show::Word(word) = LossCause::SHOW else { panic!() };
/// assert_eq!(word(LossCause::Deadline.to_word()), "deadline");
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Show {
    /// As a number.
    Number,
    /// As true or false.
    Flag,
    /// As what [`Names`](super::Names) has for it.
    Name,
    /// As the word that this function has for it.
    Word(fn(u64) -> &'static str),
}

impl EventType {
    /// The description of `E`.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Panics
    /// For more than [`WORDS`] fields, when the program is compiled: it is called in a constant.
    pub const fn of<E: Event>(name: &'static str, priority: Priority, fields: &'static [Field]) -> Self {
        assert!(fields.len() <= WORDS, "an event has at most 5 fields");
        Self { id: TypeId::of::<E>(), name, priority, fields }
    }

    /// What tells it from all others.
    pub(super) const fn id(&self) -> TypeId {
        self.id
    }

    /// Its name, in CamelCase.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How urgent its events are.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// Its fields, in order.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn fields(&self) -> &'static [Field] {
        self.fields
    }
}

impl PartialEq for EventType {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for EventType {}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.priority)
    }
}

/// What can be a field of an event: anything that fits in a word.
///
/// ```
/// use pcmflow_engine::event::{EventField, Show};
/// /// A gain in millibels.
/// #[derive(Debug, Clone, Copy, PartialEq, Eq)]
/// struct Gain(i32);
/// impl EventField for Gain {
///     const SHOW: Show = Show::Number;
///     fn to_word(self) -> u64 {
///         self.0 as u32 as u64
///     }
///     fn from_word(word: u64) -> Self {
///         Self(word as u32 as i32)
///     }
/// }
/// assert_eq!(Gain::from_word(Gain(-600).to_word()), Gain(-600));
/// ```
pub trait EventField: Copy {
    /// How its word is shown.
    const SHOW: Show;

    /// The value as a word.
    ///
    /// RT-safe: wait-free, no allocation.
    fn to_word(self) -> u64;

    /// The value of a word: the inverse of [`to_word`](Self::to_word). A word that is no value's gives some value.
    ///
    /// RT-safe: wait-free, no allocation.
    fn from_word(word: u64) -> Self;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl EventField for $number {
            const SHOW: Show = Show::Number;
            fn to_word(self) -> u64 {
                self.into()
            }
            fn from_word(word: u64) -> Self {
                word as $number
            }
        }
    )*};
}
numbers!(u64, u32, u16, u8);

impl EventField for bool {
    const SHOW: Show = Show::Flag;
    fn to_word(self) -> u64 {
        self.into()
    }
    fn from_word(word: u64) -> Self {
        word != 0
    }
}

impl EventField for Frames {
    const SHOW: Show = Show::Number;
    fn to_word(self) -> u64 {
        self.0
    }
    fn from_word(word: u64) -> Self {
        Self(word)
    }
}

impl EventField for StreamPosition {
    const SHOW: Show = Show::Number;
    fn to_word(self) -> u64 {
        self.0
    }
    fn from_word(word: u64) -> Self {
        Self(word)
    }
}

impl EventField for Priority {
    const SHOW: Show = Show::Word(|word| Self::from_word(word).name());
    fn to_word(self) -> u64 {
        self.index() as u64
    }
    fn from_word(word: u64) -> Self {
        Self::ALL.get(word as usize).copied().unwrap_or_default()
    }
}

impl EventField for Strategy {
    const SHOW: Show = Show::Word(|word| Self::from_word(word).name());
    fn to_word(self) -> u64 {
        self as u64
    }
    fn from_word(word: u64) -> Self {
        Self::ALL.get(word as usize).map_or(Self::Block, |(_, strategy)| *strategy)
    }
}

impl EventField for Reason {
    const SHOW: Show = Show::Word(|word| Self::from_word(word).name());
    fn to_word(self) -> u64 {
        self as u64
    }
    fn from_word(word: u64) -> Self {
        Self::ALL.get(word as usize).copied().unwrap_or(Self::Exhausted)
    }
}

impl EventField for LossCause {
    const SHOW: Show = Show::Word(|word| Self::from_word(word).name());
    fn to_word(self) -> u64 {
        self as u64
    }
    fn from_word(word: u64) -> Self {
        Self::ALL.get(word as usize).copied().unwrap_or(Self::Overflow)
    }
}

/// Defines types of events: structs of up to five fields, each with its priority behind its name.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::event::{Event, NameId};
///
/// pcmflow_engine::events! {
///     /// A filter blew up, and was reset.
///     pub struct FilterReset: High {
///         /// Which.
///         pub filter: NameId,
///         /// Blocks that came out silent.
///         pub blocks: u32,
///     }
/// }
///
/// assert_eq!((FilterReset::TYPE.name(), FilterReset::TYPE.priority()), ("FilterReset", Priority::High));
/// let event = FilterReset { filter: NameId::NONE, blocks: 3 };
/// assert_eq!(FilterReset::from_words(&event.to_words()), event);
/// ```
///
/// A sixth field does not fit:
///
/// ```compile_fail
/// pcmflow_engine::events! {
///     struct TooMuch: Normal { a: u8, b: u8, c: u8, d: u8, e: u8, f: u8 }
/// }
/// let type_ = <TooMuch as pcmflow_engine::event::Event>::TYPE;
/// ```
#[macro_export]
macro_rules! events {
    ($(
        $(#[$meta:meta])*
        $vis:vis struct $name:ident: $priority:ident {
            $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty),* $(,)?
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $type,)*
        }

        impl $crate::event::Event for $name {
            const TYPE: &'static $crate::event::EventType = {
                static TYPE: $crate::event::EventType = $crate::event::EventType::of::<$name>(
                    stringify!($name),
                    $crate::Priority::$priority,
                    &[$($crate::event::Field {
                        name: stringify!($field),
                        show: <$type as $crate::event::EventField>::SHOW,
                    }),*],
                );
                &TYPE
            };

            #[inline]
            fn to_words(&self) -> $crate::event::Words {
                let mut words = [0; $crate::event::WORDS];
                let values: &[u64] = &[$($crate::event::EventField::to_word(self.$field)),*];
                for (word, &value) in words.iter_mut().zip(values) {
                    *word = value;
                }
                words
            }

            #[inline]
            #[allow(unused_mut, unused_variables, reason = "an event may have no field")]
            fn from_words(words: &$crate::event::Words) -> Self {
                let mut words = words.iter().copied();
                Self { $($field: $crate::event::EventField::from_word(words.next().unwrap_or(0)),)* }
            }
        }
    )+};
}
