//! Which events a subscription is for.

use super::{EventType, NameId};
use crate::Priority;

/// Which events a subscription is for: all, unless it is narrowed. Each kind of condition must hold; of several of one kind, one.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::event::types::{AlertCleared, AlertRaised};
/// use pcmflow_engine::event::{BusConfig, Event, EventBus, Filter};
/// let (bus, _task) = EventBus::new(BusConfig::default());
/// let urgent = bus.subscribe_to(Filter::default().priority(Priority::Critical), 64)?;
/// let alerts = Filter::default().event(AlertRaised::TYPE).event(AlertCleared::TYPE);
/// let of_pool = bus.subscribe_to(alerts.source(bus.names().id("pool")), 64)?;
/// assert_eq!((urgent.lost(), of_pool.lost()), (0, 0));
/// # Ok::<(), pcmflow_engine::event::EventError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// By [`Priority::index`]; none of them: any.
    priorities: [bool; Priority::ALL.len()],
    /// None of them: any.
    types: Vec<&'static EventType>,
    /// None of them: any.
    sources: Vec<NameId>,
}

impl Filter {
    /// Events of this priority.
    ///
    /// Not RT-safe: meant for set-up.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priorities[priority.index()] = true;
        self
    }

    /// Events of this type.
    ///
    /// Not RT-safe: allocates.
    #[must_use]
    pub fn event(mut self, event_type: &'static EventType) -> Self {
        self.types.push(event_type);
        self
    }

    /// Events from this source.
    ///
    /// Not RT-safe: allocates.
    #[must_use]
    pub fn source(mut self, source: NameId) -> Self {
        self.sources.push(source);
        self
    }

    pub(super) fn admits(&self, event_type: &'static EventType, source: NameId) -> bool {
        self.admits_priority(event_type.priority())
            && (self.types.is_empty() || self.types.contains(&event_type))
            && (self.sources.is_empty() || self.sources.contains(&source))
    }

    /// Whether any event of this priority can be admitted.
    pub(super) fn needs(&self, priority: Priority) -> bool {
        self.admits_priority(priority)
            && (self.types.is_empty()
                || self.types.iter().any(|event_type| event_type.priority() == priority))
    }

    fn admits_priority(&self, priority: Priority) -> bool {
        self.priorities[priority.index()] || self.priorities == [false; Priority::ALL.len()]
    }
}
