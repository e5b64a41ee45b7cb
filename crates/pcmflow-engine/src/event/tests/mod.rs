//! The bus, polled by hand.
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bus;
mod flood;
mod model;
mod round_trip;

use super::*;
use crate::Priority;
use crate::task::{Cx, Executor, Poll, StepClock, Task, Waker};

crate::events! {
    struct Urgent: Critical { number: u64 }
    struct Soon: High { number: u64 }
    struct Usual: Normal { number: u64 }
    struct Other: Normal { number: u64 }
}

struct Nothing;
impl Task for Nothing {
    fn poll(&mut self, _: &mut Cx<'_>) -> Poll {
        Poll::Idle
    }
}

/// A waker that wakes nothing.
fn idle_waker() -> Waker {
    let (_executor, spawner) = Executor::new(1).unwrap();
    spawner.spawn(Priority::Normal, Box::new(Nothing)).unwrap().waker().clone()
}

/// A bus and its task, polled by hand.
struct ByHand {
    bus: EventBus,
    task: BusTask,
    clock: StepClock,
    waker: Waker,
}

impl ByHand {
    fn new(publisher_events: [usize; 3]) -> Self {
        let (bus, task) = EventBus::new(BusConfig { publisher_events, ..BusConfig::default() });
        Self { bus, task, clock: StepClock::default(), waker: idle_waker() }
    }

    fn poll(&mut self, budget: u32) -> Poll {
        self.task.poll(&mut Cx::new(&self.clock, &self.waker, budget))
    }

    /// Until there is nothing to do.
    fn settle(&mut self) {
        while self.poll(16) == Poll::Again {}
    }

    fn publisher(&self, source: &str) -> Publisher {
        self.bus.publisher(self.bus.names().id(source)).unwrap()
    }
}

/// The number of any of this module's events.
fn number(record: Record) -> u64 {
    let of = |urgent: Option<Urgent>, soon: Option<Soon>, usual: Option<Usual>, other: Option<Other>| {
        let number = urgent.map(|event| event.number).or(soon.map(|event| event.number));
        number.or(usual.map(|event| event.number)).or(other.map(|event| event.number))
    };
    of(record.get(), record.get(), record.get(), record.get()).unwrap()
}

/// All that is there now, gaps as negative numbers.
fn received(subscription: &mut Subscription<Record>) -> Vec<i64> {
    std::iter::from_fn(|| subscription.receive())
        .map(|received| match received {
            Received::Event(record) => number(record) as i64,
            Received::Gap(events) => -(events as i64),
        })
        .collect()
}
