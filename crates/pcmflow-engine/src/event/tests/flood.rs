//! A million Normal events: every Critical one arrives, in order, and the Normal ones are accounted for.

use super::*;
use crate::task::Rest;
use std::sync::atomic::{AtomicBool, Ordering};

const FLOOD: u64 = 1_000_000;

/// What a subscriber to everything got.
#[derive(Debug, Default, PartialEq)]
struct Got {
    urgent: Vec<u64>,
    usual: u64,
    gaps: u64,
    last: Option<u64>,
}

impl Got {
    fn take(&mut self, received: Received<Record>) {
        match received {
            Received::Gap(events) => self.gaps += events,
            Received::Event(record) if record.event_type() == Urgent::TYPE => {
                self.urgent.push(number(record))
            }
            Received::Event(record) => {
                assert!(self.last < Some(number(record)), "Normal events in order, too");
                self.last = Some(number(record));
                self.usual += 1;
            }
        }
    }
}

/// The books of the flood balance: at the subscriber, and in the snapshot.
fn check(got: &Got, refused: u64, urgent: u64, snapshot: &BusSnapshot) {
    assert_eq!(got.urgent, (0..urgent).collect::<Vec<_>>());
    assert_eq!(got.usual + got.gaps, FLOOD);
    let usual = snapshot.of(Usual::TYPE).unwrap();
    assert_eq!(usual.lost_by_publishers, refused);
    assert_eq!(usual.taken + usual.lost_by_publishers, FLOOD);
    assert_eq!(usual.delivered + usual.lost_by_subscribers, usual.taken);
    assert_eq!((usual.delivered, usual.lost_by_subscribers + refused), (got.usual, got.gaps));
    let critical = snapshot.of(Urgent::TYPE).unwrap();
    assert_eq!(
        (critical.taken, critical.delivered, critical.lost_by_publishers + critical.lost_by_subscribers),
        (urgent, urgent, 0)
    );
}

#[test]
fn a_flood_of_normal_events_neither_drops_nor_delays_a_critical_one() {
    let mut hand = ByHand::new([16, 16, 64]);
    let mut all = hand.bus.subscribe_to(Filter::default(), 32).unwrap();
    let mut publisher = hand.publisher("flood");
    let (mut got, mut refused, mut urgent) = (Got::default(), 0, 0);
    for number in 0..FLOOD {
        refused += u64::from(!publisher.publish(&Usual { number }, 0));
        if number % 100 == 0 {
            assert!(publisher.publish(&Urgent { number: urgent }, 0));
            urgent += 1;
            // Whatever waits, it is through with a budget of two.
            hand.poll(2);
            while got.urgent.len() < urgent as usize {
                let Some(received) = all.receive() else { panic!("Critical event {urgent} is late") };
                got.take(received);
            }
        }
    }
    hand.settle();
    while let Some(received) = all.receive() {
        got.take(received);
    }
    assert!(refused > 0 && got.gaps > refused, "losses at both places");
    check(&got, refused, urgent, &hand.bus.snapshot());
}

#[test]
fn across_threads_too() {
    // As many Critical ones as the rings hold, so that no schedule of the threads can lose one.
    const URGENT: u64 = 200;
    let (mut executor, spawner) = Executor::new(1).unwrap();
    let (bus, task) = EventBus::new(BusConfig { publisher_events: [256, 16, 64], ..BusConfig::default() });
    spawner.spawn(Priority::Critical, Box::new(task)).unwrap();
    let mut all = bus.subscribe_to(Filter::default(), 256).unwrap();
    let mut publisher = bus.publisher(NameId::NONE).unwrap();
    executor.run(&StepClock::default());
    let (published, delivered) = (AtomicBool::new(false), AtomicBool::new(false));
    let (got, refused) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let mut refused = 0;
            for number in 0..FLOOD {
                refused += u64::from(!publisher.publish_and_wake(&Usual { number }, 0));
                if number % (FLOOD / URGENT) == 0 {
                    assert!(publisher.publish(&Urgent { number: number / (FLOOD / URGENT) }, 0));
                }
            }
            drop(publisher);
            published.store(true, Ordering::Release);
            refused
        });
        scope.spawn(|| {
            loop {
                // Before the run: what it finds is all there is.
                let last = published.load(Ordering::Acquire);
                while executor.run(&StepClock::default()) == Rest::No {}
                if last && bus.snapshot().publishers == 0 {
                    break delivered.store(true, Ordering::Release);
                }
                std::thread::yield_now();
                if last {
                    // Publishers do not wake the bus when they go.
                    drop(bus.subscribe::<Other>(1));
                }
            }
        });
        let mut got = Got::default();
        loop {
            let last = delivered.load(Ordering::Acquire);
            while let Some(received) = all.receive() {
                got.take(received);
            }
            if last {
                break;
            }
            std::thread::yield_now();
        }
        (got, flood.join().unwrap())
    });
    check(&got, refused, URGENT, &bus.snapshot());
    println!(
        "flood: {} of {FLOOD} delivered, {refused} refused, {} lost behind",
        got.usual,
        got.gaps - refused
    );
}
