//! The typed event bus: who has something to tell tells it to nobody in particular, and whoever wants to know subscribes.
//!
//! Events are plain types of up to five words ([`events!`](crate::events) defines them, [`types`] holds the engine's own);
//! strings never travel, [`NameId`]s do. Each thread that publishes has a [`Publisher`] of its own: one ring for each
//! [priority](crate::Priority), so that publishing is a copy of 64 bytes, and an audio thread may do it. The [`BusTask`]
//! empties them, the most urgent first, into the bounded queues of the [`Subscription`]s; whoever reads one handles its events on
//! its own thread.
//!
//! # What is kept, and what is lost
//!
//! Events of one publisher and one priority arrive in order. Nobody waits for anybody: where a publisher's ring or a
//! subscription's queue is full, the event is lost, and counted by its type ([`EventBus::snapshot`]). Each subscription is told of
//! both as [`Received::Gap`], so that for each
//! `published since it subscribed = events received + the sum of its gaps`. A gap from a full queue stands exactly where the events
//! were lost; one from a publisher's ring where the bus learned of it. That an event of priority Critical was lost is an event
//! itself: [`types::CriticalLost`].
//!
//! Rings and queues are apart by priority all the way, so a flood of Normal events takes no Critical one's place, and delays one by
//! at most the delivery of a single event.
//!
//! # When the bus looks
//!
//! Whoever may make a system call wakes the bus ([`Publisher::publish_and_wake`]). An audio callback may not; while a publisher
//! made by [`EventBus::audio_publisher`] lives, the bus looks by itself, every [`BusConfig::look_every_ns`].

mod bus;
mod filter;
mod kind;
mod losses;
mod names;
mod publisher;
mod record;
mod snapshot;
mod subscription;
mod task;
pub mod types;

pub use bus::{BusConfig, EventBus, EventError};
pub use filter::Filter;
pub use kind::{Event, EventField, EventType, Field, Show, WORDS, Words};
pub use names::{NameId, Names};
pub use publisher::Publisher;
pub use record::{Described, Record, Stamped};
pub use snapshot::{BusSnapshot, TypeSnapshot};
pub use subscription::{Received, Subscription};
pub use task::BusTask;

#[cfg(all(test, not(pcmflow_loom)))]
mod tests;
