//! A published event as it travels: 64 bytes.

use super::{Event, EventType, NameId, Names, Show, Words};
use core::fmt;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A published event of any type: a header and its words.
///
/// ```
/// use pcmflow_engine::event::types::{ConfigChanged, CriticalLost};
/// use pcmflow_engine::event::{BusConfig, EventBus, Filter, NameId, Received};
/// # use pcmflow_engine::Priority;
/// # use pcmflow_engine::task::{Executor, StepClock};
/// # let (mut executor, spawner) = Executor::new(1)?;
/// let (bus, task) = EventBus::new(BusConfig::default());
/// # spawner.spawn(Priority::Critical, Box::new(task))?;
/// let mut all = bus.subscribe_to(Filter::default(), 16)?;
/// let event = ConfigChanged { revision: 1, keys: 2 };
/// bus.publisher(NameId::NONE)?.publish_and_wake(&event, 7);
/// # executor.run(&StepClock::default());
/// let Some(Received::Event(record)) = all.receive() else { panic!() };
/// assert_eq!((record.event_type().name(), record.time_ns()), ("ConfigChanged", 7));
/// assert_eq!((record.get(), record.get::<CriticalLost>()), (Some(event), None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Record {
    event_type: &'static EventType,
    time_ns: u64,
    words: Words,
    source: NameId,
}

const _: () = assert!(size_of::<Record>() <= 64, "a record is a cache line");

/// A published event with who published it, and when.
///
/// ```
/// use pcmflow_engine::event::types::CriticalLost;
/// use pcmflow_engine::event::{NameId, Stamped};
/// let told = Stamped { event: CriticalLost { events: 3 }, source: NameId::NONE, time_ns: 7 };
/// assert_eq!(told.event.events, 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamped<E> {
    /// The event.
    pub event: E,
    /// Who published it.
    pub source: NameId,
    /// When, in nanoseconds of the publisher's clock.
    pub time_ns: u64,
}

impl Record {
    #[inline(always)]
    pub(super) fn new<E: Event>(event: &E, source: NameId, time_ns: u64) -> Self {
        Self { event_type: E::TYPE, time_ns, words: event.to_words(), source }
    }

    /// The type of the event.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn event_type(&self) -> &'static EventType {
        self.event_type
    }

    /// Who published it.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn source(&self) -> NameId {
        self.source
    }

    /// When it was published, in nanoseconds of the publisher's clock.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// The event, if it is an `E`.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn get<E: Event>(&self) -> Option<E> {
        (self.event_type == E::TYPE).then(|| E::from_words(&self.words))
    }

    /// The event for people and machines: `Display` gives a line of text, `Serialize` an object. Numbers of names are looked up
    /// in `names`.
    ///
    /// Not RT-safe: what it returns locks.
    pub fn describe<'a>(&'a self, names: &'a Names) -> Described<'a> {
        Described { record: self, names }
    }
}

/// A record with its names: see [`Record::describe`].
///
/// ```
/// use pcmflow_core::format::StreamPosition;
/// use pcmflow_engine::event::types::DeadlineMissed;
/// use pcmflow_engine::event::{BusConfig, EventBus, Filter, Received};
/// # use pcmflow_engine::Priority;
/// # use pcmflow_engine::task::{Executor, StepClock};
/// # let (mut executor, spawner) = Executor::new(1)?;
/// let (bus, task) = EventBus::new(BusConfig::default());
/// # spawner.spawn(Priority::Critical, Box::new(task))?;
/// let mut publisher = bus.publisher(bus.names().id("callback"))?;
/// let mut all = bus.subscribe_to(Filter::default(), 16)?;
/// let pipeline = bus.names().id("voice");
/// publisher.publish_and_wake(&DeadlineMissed { pipeline, position: StreamPosition(256), late_ns: 40 }, 7);
/// # executor.run(&StepClock::default());
/// let Some(Received::Event(record)) = all.receive() else { panic!() };
/// let described = record.describe(bus.names());
/// assert_eq!(described.to_string(), "7 critical callback DeadlineMissed pipeline=voice position=256 late_ns=40");
/// assert_eq!(
///     serde_json::to_string(&described)?,
///     r#"{"time_ns":7,"priority":"critical","source":"callback","event":"DeadlineMissed","fields":{"pipeline":"voice","position":256,"late_ns":40}}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    record: &'a Record,
    names: &'a Names,
}

/// A field's value, or a source.
enum Value {
    Number(u64),
    Flag(bool),
    Text(std::sync::Arc<str>),
    Word(&'static str),
}

impl Described<'_> {
    fn name(&self, id: NameId) -> Value {
        // A number of another table is shown as one.
        Value::Text(self.names.name(id).unwrap_or_else(|| format!("#{}", id.index()).into()))
    }

    fn fields(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let fields = self.record.event_type.fields().iter().zip(self.record.words);
        fields.map(|(field, word)| {
            let value = match field.show {
                Show::Number => Value::Number(word),
                Show::Flag => Value::Flag(word != 0),
                Show::Name => self.name(super::EventField::from_word(word)),
                Show::Word(of) => Value::Word(of(word)),
            };
            (field.name, value)
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Text(text) if text.is_empty() => f.write_str("-"),
            Self::Text(text) => f.write_str(text),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Word(word) => serializer.serialize_str(word),
        }
    }
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { event_type, time_ns, source, .. } = self.record;
        write!(f, "{time_ns} {} {} {}", event_type.priority(), self.name(*source), event_type.name())?;
        self.fields().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// The fields apart: an event's own names can't clash with the header's.
struct Fields<'a>(&'a Described<'a>);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.fields())
    }
}

impl Serialize for Described<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Record { event_type, time_ns, source, .. } = self.record;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time_ns", time_ns)?;
        map.serialize_entry("priority", &event_type.priority())?;
        map.serialize_entry("source", &self.name(*source))?;
        map.serialize_entry("event", event_type.name())?;
        map.serialize_entry("fields", &Fields(self))?;
        map.end()
    }
}
