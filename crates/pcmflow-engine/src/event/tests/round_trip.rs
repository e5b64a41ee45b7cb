//! Every type of the engine survives its journey as words.

use super::*;
use crate::event::types::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Names the types once, and does the same with each.
macro_rules! each {
    ($with:ident) => {
        each!($with: CriticalLost DataManagementReady BufferAllocation BufferRecycling PoolOptimization
            PoolFragmentation JsGcPressure BufferUtilization PipelineRegistered PipelineRemoved DataFlowStarted
            DataFlowEnded BackpressureDetected BackpressureCleared StrategyChanged PipelineFailure FlowRecovery FormatChanged
            DeadlineMissed GapOpened SourceStarted SourceStopped TaskPanicked ConfigChanged AlertRaised
            AlertCleared ModuleStateChanged PlatformChanged)
    };
    ($with:ident: $($event:ident)*) => { [$($with::<$event>()),*] };
}

fn event_type<E: Event>() -> &'static EventType {
    E::TYPE
}

#[test]
fn the_list_of_all_types_is_complete_and_its_names_differ() {
    let named = each!(event_type);
    assert_eq!(named.as_slice(), types::ALL);
    let names: BTreeSet<_> = types::ALL.iter().map(|event_type| event_type.name()).collect();
    assert_eq!(names.len(), types::ALL.len());
    for event_type in types::ALL {
        assert!(!event_type.fields().is_empty() && event_type.name().starts_with(char::is_uppercase));
    }
}

/// Each field has a word of its own, and each word that is not used is 0.
fn every_field_counts<E: Event + PartialEq + core::fmt::Debug>() {
    let zero = E::from_words(&[0; WORDS]);
    assert_eq!(zero.to_words(), [0; WORDS]);
    for index in 0..WORDS {
        let mut words = [0; WORDS];
        words[index] = 1;
        let event = E::from_words(&words);
        if index < E::TYPE.fields().len() {
            assert_ne!(event, zero);
            assert_eq!(event.to_words(), words);
        } else {
            assert_eq!(event, zero);
        }
    }
}

#[test]
fn no_field_is_lost() {
    each!(every_field_counts);
}

/// A check of one type on some words.
type Check = fn(&Words);

fn survives<E: Event + PartialEq + core::fmt::Debug>() -> Check {
    |words| {
        let event = E::from_words(words);
        assert_eq!(E::from_words(&event.to_words()), event);
        let record = Record::new(&event, NameId::NONE, 5);
        assert_eq!((record.get(), record.time_ns()), (Some(event), 5));
        assert_eq!(record.get::<Usual>(), None);
        let json = serde_json::to_value(record.describe(&Names::default())).unwrap();
        assert_eq!(json["event"], E::TYPE.name());
        let fields = json["fields"].as_object().unwrap();
        assert!(E::TYPE.fields().iter().all(|field| fields.contains_key(field.name)), "{json}");
        assert_eq!(fields.len(), E::TYPE.fields().len());
    }
}

proptest! {
    #[test]
    fn events_survive_their_journey(words: Words, small in proptest::array::uniform5(0u64..8)) {
        for check in each!(survives) {
            check(&words);
            check(&small);
        }
    }
}
