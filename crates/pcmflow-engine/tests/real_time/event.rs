//! Publishing, into rings with room and without, and reading what came.

use crate::guard::rt;
use pcmflow_core::format::StreamPosition;
use pcmflow_engine::Priority;
use pcmflow_engine::event::types::{DeadlineMissed, FailureKind, SourceStopped};
use pcmflow_engine::event::{BusConfig, Event, EventBus, EventField, EventType, Filter, NameId, Received};
use pcmflow_engine::module::ModuleState;
use pcmflow_engine::platform::{Limit, PlatformFact, RealTimeRight};
use pcmflow_engine::task::{Executor, StepClock};

pub(crate) fn entries() {
    let (mut executor, spawner) = Executor::new(1).unwrap();
    let (bus, task) = EventBus::new(BusConfig { publisher_events: [2, 2, 2], ..BusConfig::default() });
    spawner.spawn(Priority::Critical, Box::new(task)).unwrap();
    let mut publisher = bus.audio_publisher(bus.names().id("callback")).unwrap();
    let mut all = bus.subscribe_to(Filter::default(), 2).unwrap();
    let missed = DeadlineMissed { pipeline: NameId::NONE, position: StreamPosition(1), late_ns: 2 };
    let stopped = SourceStopped { source: NameId::NONE, position: StreamPosition(1), as_planned: true };
    assert!(rt("Subscription::receive", || all.receive()).is_none());
    let clock = StepClock::default();
    executor.run(&clock);
    // Into room, into none, and after a lap.
    for _ in 0..3 {
        for round in 0..4 {
            assert_eq!(rt("Publisher::publish", || publisher.publish(&missed, 7)), round < 2);
            assert_eq!(rt("Publisher::publish", || publisher.publish(&stopped, 7)), round < 2);
        }
        clock.advance(250_000);
        executor.run(&clock);
        // Gaps and events.
        while let Some(received) = rt("Subscription::receive", || all.receive()) {
            let Received::Event(record) = received else { continue };
            rt("Record::get", || record.get::<DeadlineMissed>());
            rt("Record::time_ns", || record.time_ns());
            rt("Record::source", || record.source());
            rt("Record::event_type", || record.event_type());
        }
    }
    rt("Publisher::publish_as", || publisher.publish_as(NameId::NONE, &missed, 7));
    assert!(rt("Subscription::lost", || all.lost()) > 0);
    drop(executor);
    // The bus is gone: its rings fill, and then refuse.
    let taken = (0..3).filter(|_| rt("Publisher::publish", || publisher.publish(&missed, 7))).count();
    assert_eq!(taken, 1); // beside the one above
    rt("Publisher::source", || publisher.source());
    rt("NameId::index", || NameId::NONE.index());
    rt("FailureKind::name", || FailureKind::Stalled.name());
    rt("ModuleState::name", || ModuleState::Running.name());
    rt("PlatformFact::name", || PlatformFact::Threads.name());
    rt("RealTimeRight::is_granted", || RealTimeRight::Unknown.is_granted());
    rt("Limit::lower", || Limit::At(1).lower(Limit::Unlimited));
    let words = rt("Event::to_words", || missed.to_words());
    assert_eq!(rt("Event::from_words", || DeadlineMissed::from_words(&words)), missed);
    let word = rt("EventField::to_word", || Priority::High.to_word());
    assert_eq!(rt("EventField::from_word", || Priority::from_word(word)), Priority::High);
    rt("EventType::name", || DeadlineMissed::TYPE.name());
    rt("EventType::priority", || DeadlineMissed::TYPE.priority());
    rt("EventType::fields", || DeadlineMissed::TYPE.fields());
    rt("EventType::of", || EventType::of::<DeadlineMissed>("DeadlineMissed", Priority::Critical, &[]));
}
