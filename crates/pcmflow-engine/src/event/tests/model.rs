//! The bus beside a naive model: lists that keep everything, and gaps that are entered where they happen.

use super::*;
use crate::event::types::CriticalLost;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

const RING: [usize; 3] = [2, 4, 8];
const PUBLISHERS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Publish { publisher: usize, kind: usize },
    Poll { budget: u32 },
    Receive { subscription: usize },
    Subscribe { filter: usize, events: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..PUBLISHERS, 0..4usize).prop_map(|(publisher, kind)| Step::Publish { publisher, kind }),
        2 => (0..12u32).prop_map(|budget| Step::Poll { budget }),
        4 => (0..4usize).prop_map(|subscription| Step::Receive { subscription }),
        1 => (0..FILTERS, 0..3u32).prop_map(|(filter, log)| Step::Subscribe { filter, events: 1 << log }),
    ]
}

const FILTERS: usize = 5;

/// What an event is to the model: its kind (0 Critical, 1 High, 2 and 3 Normal, 4 `CriticalLost`), number and publisher.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    kind: usize,
    number: u64,
    publisher: usize,
}

fn priority_of(kind: usize) -> usize {
    [0, 1, 2, 2, 0][kind]
}

fn admits(filter: usize, kind: usize, publisher: usize) -> bool {
    match filter {
        0 => true,
        1 => kind == 3,
        2 => priority_of(kind) == 0,
        3 => publisher == 1,
        _ => publisher == 2 && (kind == 0 || kind == 2),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Item {
    Event(Told),
    Gap(u64),
}

#[derive(Debug)]
struct Subscriber {
    filter: usize,
    events: usize,
    lanes: [VecDeque<Item>; 3],
}

impl Subscriber {
    fn lose(&mut self, priority: usize, events: u64) {
        match self.lanes[priority].back_mut() {
            Some(Item::Gap(gap)) => *gap += events,
            _ => self.lanes[priority].push_back(Item::Gap(events)),
        }
    }

    fn queue(&mut self, told: Told) {
        let priority = priority_of(told.kind);
        let inside = self.lanes[priority].iter().filter(|item| matches!(item, Item::Event(_))).count();
        if inside < self.events {
            self.lanes[priority].push_back(Item::Event(told));
        } else {
            self.lose(priority, 1);
        }
    }
}

#[derive(Debug, Default)]
struct Model {
    rings: [[VecDeque<Told>; 3]; PUBLISHERS],
    /// Lost and not told yet, by publisher and kind.
    lost: BTreeMap<(usize, usize), u64>,
    subscribers: Vec<Subscriber>,
    /// Those that the next poll will find.
    coming: Vec<Subscriber>,
    next: [usize; 3],
    turns: u64,
    numbers: u64,
}

impl Model {
    fn publish(&mut self, publisher: usize, kind: usize) -> bool {
        let told = Told { kind, number: self.numbers, publisher };
        self.numbers += 1;
        let ring = &mut self.rings[publisher][priority_of(kind)];
        let room = ring.len() < RING[priority_of(kind)];
        if room {
            ring.push_back(told);
        } else {
            *self.lost.entry((publisher, kind)).or_default() += 1;
        }
        room
    }

    fn poll(&mut self, budget: u32) {
        if !self.coming.is_empty() {
            self.tell_losses();
            self.subscribers.append(&mut self.coming);
        }
        self.tell_losses();
        for _ in 0..budget {
            let order = match self.turns % 64 {
                31 => [1, 0, 2],
                63 => [2, 0, 1],
                _ => [0, 1, 2],
            };
            let Some(told) = order.into_iter().find_map(|priority| self.pop(priority)) else { break };
            self.turns += 1;
            self.deliver(told);
        }
    }

    fn pop(&mut self, priority: usize) -> Option<Told> {
        let order: Vec<_> = (1..=PUBLISHERS).map(|step| (self.next[priority] + step) % PUBLISHERS).collect();
        let publisher = order.into_iter().find(|&publisher| !self.rings[publisher][priority].is_empty())?;
        self.next[priority] = publisher;
        self.rings[publisher][priority].pop_front()
    }

    fn tell_losses(&mut self) {
        for publisher in 0..PUBLISHERS {
            let mut critical = 0;
            for kind in 0..4 {
                let events = self.lost.remove(&(publisher, kind)).unwrap_or(0);
                for subscriber in &mut self.subscribers {
                    if events > 0 && admits(subscriber.filter, kind, publisher) {
                        subscriber.lose(priority_of(kind), events);
                    }
                }
                critical += if kind == 0 { events } else { 0 };
            }
            if critical > 0 {
                self.deliver(Told { kind: 4, number: critical, publisher });
            }
        }
    }

    fn deliver(&mut self, told: Told) {
        for subscriber in &mut self.subscribers {
            if admits(subscriber.filter, told.kind, told.publisher) {
                subscriber.queue(told);
            }
        }
    }

    fn receive(&mut self, subscription: usize) -> Option<Item> {
        let all = self.subscribers.iter_mut().chain(&mut self.coming);
        all.into_iter().nth(subscription)?.lanes.iter_mut().find_map(VecDeque::pop_front)
    }
}

fn filter(index: usize, sources: &[NameId]) -> Filter {
    let filter = Filter::default();
    match index {
        0 => filter,
        1 => filter.event(Other::TYPE),
        2 => filter.priority(Priority::Critical),
        3 => filter.source(sources[1]),
        _ => filter.source(sources[2]).event(Urgent::TYPE).event(Usual::TYPE),
    }
}

fn item(received: Received<Record>, sources: &[NameId]) -> Item {
    let record = match received {
        Received::Gap(events) => return Item::Gap(events),
        Received::Event(record) => record,
    };
    let types = [Urgent::TYPE, Soon::TYPE, Usual::TYPE, Other::TYPE, CriticalLost::TYPE];
    let kind = types.iter().position(|&event_type| event_type == record.event_type()).unwrap();
    let number = record.get().map_or_else(|| number(record), |lost: CriticalLost| lost.events);
    let publisher = sources.iter().position(|&source| source == record.source()).unwrap();
    Item::Event(Told { kind, number, publisher })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn the_bus_does_what_the_model_does(steps in proptest::collection::vec(step(), 0..400)) {
        let mut hand = ByHand::new(RING);
        let mut publishers = ["one", "two", "three"].map(|source| hand.publisher(source));
        let sources: Vec<_> = publishers.iter().map(Publisher::source).collect();
        hand.poll(1);
        let (mut model, mut subscriptions) = (Model::default(), Vec::<Subscription<Record>>::new());
        for step in steps {
            match step {
                Step::Publish { publisher, kind } => {
                    let (number, to) = (model.numbers, &mut publishers[publisher]);
                    let taken = match kind {
                        0 => to.publish(&Urgent { number }, number),
                        1 => to.publish(&Soon { number }, number),
                        2 => to.publish(&Usual { number }, number),
                        _ => to.publish(&Other { number }, number),
                    };
                    prop_assert_eq!(taken, model.publish(publisher, kind));
                }
                Step::Poll { budget } => {
                    hand.poll(budget);
                    model.poll(budget);
                }
                Step::Subscribe { filter: index, events } if subscriptions.len() < 4 => {
                    subscriptions.push(hand.bus.subscribe_to(filter(index, &sources), events).unwrap());
                    model.coming.push(Subscriber { filter: index, events, lanes: Default::default() });
                }
                Step::Subscribe { .. } => {}
                Step::Receive { subscription } => {
                    let received = subscriptions.get_mut(subscription).and_then(Subscription::receive);
                    prop_assert_eq!(received.map(|received| item(received, &sources)), model.receive(subscription));
                }
            }
        }
        // In the end everything comes out.
        hand.settle();
        model.poll(u32::MAX);
        for (index, subscription) in subscriptions.iter_mut().enumerate() {
            loop {
                let received = subscription.receive().map(|received| item(received, &sources));
                prop_assert_eq!(received, model.receive(index));
                if received.is_none() {
                    break;
                }
            }
        }
    }
}
