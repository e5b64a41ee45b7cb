//! Who gets what, in which order, and what is told of losses.

use super::*;
use crate::event::types::CriticalLost;
use crate::task::Rest;
use std::sync::mpsc;

#[test]
fn the_most_urgent_come_first_and_each_publisher_in_order() {
    let mut hand = ByHand::new([8, 8, 8]);
    let mut all = hand.bus.subscribe_to(Filter::default(), 64).unwrap();
    let (mut one, mut two) = (hand.publisher("one"), hand.publisher("two"));
    for number in 0..3 {
        one.publish(&Usual { number }, 0);
        two.publish(&Usual { number: 100 + number }, 0);
        two.publish(&Soon { number: 200 + number }, 0);
        one.publish(&Urgent { number: 300 + number }, 0);
        two.publish(&Urgent { number: 400 + number }, 0);
    }
    // One at a time: what the bus chooses, not how the subscription sorts.
    let mut order = Vec::new();
    loop {
        let more = hand.poll(1) == Poll::Again;
        order.extend(received(&mut all));
        if !more {
            break;
        }
    }
    let of = |from: i64| order.iter().copied().filter(move |number| (from..from + 100).contains(number));
    for from in [0, 100, 200, 300, 400] {
        assert!(of(from).is_sorted() && of(from).count() >= 3, "{order:?}");
    }
    assert!(order[..6].iter().all(|&number| number >= 300), "{order:?}");
    assert!(order[6..9].iter().all(|number| (200..300).contains(number)), "{order:?}");
    // The two took turns.
    assert_ne!(order[0] / 100, order[1] / 100, "{order:?}");
    assert_eq!(order.len(), 15);
}

#[test]
fn a_subscription_gives_the_most_urgent_first_too() {
    let mut hand = ByHand::new([8, 8, 8]);
    let mut all = hand.bus.subscribe_to(Filter::default(), 8).unwrap();
    let mut publisher = hand.publisher("one");
    publisher.publish(&Usual { number: 1 }, 0);
    hand.settle();
    publisher.publish(&Urgent { number: 2 }, 0);
    hand.settle();
    assert_eq!(received(&mut all), [2, 1]);
}

#[test]
fn a_slow_subscriber_sees_exact_gaps_in_their_place() {
    let mut hand = ByHand::new([64, 64, 64]);
    let mut slow = hand.bus.subscribe_to(Filter::default(), 4).unwrap();
    let mut publisher = hand.publisher("one");
    let mut publish = |hand: &mut ByHand, numbers: std::ops::Range<u64>| {
        numbers.for_each(|number| assert!(publisher.publish(&Usual { number }, 0)));
        hand.settle();
    };
    publish(&mut hand, 0..10);
    // Two are taken; two more fit; then more is lost behind them.
    let two: Vec<_> = (0..2).filter_map(|_| slow.receive()).collect();
    assert!(two.iter().all(|received| matches!(received, Received::Event(_))));
    publish(&mut hand, 10..15);
    assert_eq!(received(&mut slow), [2, 3, -6, 10, 11, -3]);
    publish(&mut hand, 15..16);
    assert_eq!(received(&mut slow), [15]);
    assert_eq!(slow.lost(), 9);
    let snapshot = hand.bus.snapshot();
    let usual = snapshot.of(Usual::TYPE).unwrap();
    assert_eq!(
        (usual.taken, usual.delivered, usual.lost_by_subscribers, usual.lost_by_publishers),
        (16, 7, 9, 0)
    );
}

#[test]
fn a_subscriber_that_never_reads_harms_nobody() {
    let mut hand = ByHand::new([64, 64, 64]);
    let dead = hand.bus.subscribe_to(Filter::default(), 2).unwrap();
    let mut alive = hand.bus.subscribe_to(Filter::default(), 64).unwrap();
    let mut publisher = hand.publisher("one");
    for number in 0..1000 {
        publisher.publish(&Usual { number }, 0);
        hand.settle();
        assert_eq!(received(&mut alive), [number as i64]);
    }
    assert_eq!((dead.lost(), alive.lost()), (998, 0));
}

#[test]
fn a_critical_loss_is_told_even_when_its_publisher_is_gone() {
    let mut hand = ByHand::new([2, 2, 2]);
    let mut typed = hand.bus.subscribe::<Urgent>(16).unwrap();
    let mut facts = hand.bus.subscribe::<CriticalLost>(16).unwrap();
    let mut publisher = hand.publisher("one");
    let taken: Vec<_> = (0..5).map(|number| publisher.publish(&Urgent { number }, 0)).collect();
    assert_eq!(taken, [true, true, false, false, false]);
    for number in 0..4 {
        publisher.publish(&Usual { number }, 0);
    }
    let source = publisher.source();
    drop(publisher);
    hand.clock.set(9);
    hand.settle();
    let Some(Received::Event(fact)) = facts.receive() else { panic!() };
    assert_eq!(fact, Stamped { event: CriticalLost { events: 3 }, source, time_ns: 9 });
    assert_eq!(facts.receive(), None, "told once, and Normal losses are not Critical");
    assert_eq!(typed.receive(), Some(Received::Gap(3)));
    assert!(matches!(typed.receive(), Some(Received::Event(Stamped { event: Urgent { number: 0 }, .. }))));
    let snapshot = hand.bus.snapshot();
    assert_eq!(snapshot.of(Urgent::TYPE).unwrap().lost_by_publishers, 3);
    assert_eq!(snapshot.of(Usual::TYPE).unwrap().lost_by_publishers, 2);
    assert_eq!((snapshot.publishers, snapshot.subscriptions), (0, 2));
    let json = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<BusSnapshot>(&json).unwrap(), snapshot);
}

#[test]
fn what_was_lost_before_a_subscription_is_not_its_loss() {
    let mut hand = ByHand::new([2, 2, 2]);
    let mut publisher = hand.publisher("one");
    assert_eq!((0..5).filter(|&number| publisher.publish(&Usual { number }, 0)).count(), 2);
    let mut late = hand.bus.subscribe::<Usual>(16).unwrap();
    hand.settle();
    let numbers: Vec<_> = std::iter::from_fn(|| late.receive()).collect();
    assert!(numbers.iter().all(|received| matches!(received, Received::Event(_))), "{numbers:?}");
    assert_eq!((numbers.len(), late.lost()), (2, 0));
}

#[test]
fn a_poll_moves_what_its_budget_says() {
    let mut hand = ByHand::new([64, 64, 64]);
    let mut all = hand.bus.subscribe_to(Filter::default(), 64).unwrap();
    let mut publisher = hand.publisher("one");
    assert_eq!((0..20).filter(|&number| publisher.publish(&Usual { number }, 0)).count(), 20);
    assert_eq!(hand.poll(16), Poll::Again);
    assert_eq!(received(&mut all), (0..16).collect::<Vec<_>>());
    assert_eq!(hand.poll(16), Poll::Idle);
    assert_eq!(received(&mut all), [16, 17, 18, 19]);
    // For who may not wake it the bus looks by itself.
    let audio = hand.bus.audio_publisher(NameId::NONE).unwrap();
    hand.clock.set(1_000);
    assert_eq!(hand.poll(16), Poll::IdleUntil(251_000));
    drop(audio);
    assert_eq!(hand.poll(16), Poll::Idle);
}

#[test]
fn a_flood_of_critical_events_starves_nobody() {
    let mut hand = ByHand::new([64, 64, 64]);
    let mut calm = hand.bus.subscribe_to(Filter::default().priority(Priority::Normal), 64).unwrap();
    let mut high = hand.bus.subscribe_to(Filter::default().priority(Priority::High), 64).unwrap();
    let mut publisher = hand.publisher("one");
    publisher.publish(&Usual { number: 1 }, 0);
    publisher.publish(&Soon { number: 2 }, 0);
    for number in 0..64 {
        publisher.publish(&Urgent { number }, 0);
        assert_eq!(hand.poll(1), Poll::Again);
    }
    assert_eq!((received(&mut calm), received(&mut high)), (vec![1], vec![2]));
}

#[test]
fn filters_admit_by_type_source_and_priority() {
    let mut hand = ByHand::new([8, 8, 8]);
    let (mut one, mut two) = (hand.publisher("one"), hand.publisher("two"));
    let filter = Filter::default;
    let filters = [
        (filter(), vec![2, 12, 0, 1, 10, 11]),
        (filter().source(one.source()), vec![2, 0, 1]),
        (filter().event(Other::TYPE).event(Urgent::TYPE), vec![2, 12, 1, 11]),
        (filter().event(Other::TYPE).source(two.source()), vec![11]),
        (filter().priority(Priority::Critical), vec![2, 12]),
        (filter().priority(Priority::High), vec![]),
        (filter().event(Other::TYPE).priority(Priority::Critical), vec![]),
    ];
    let mut subscriptions = filters.clone().map(|(filter, _)| hand.bus.subscribe_to(filter, 16).unwrap());
    for (publisher, from) in [(&mut one, 0), (&mut two, 10)] {
        publisher.publish(&Usual { number: from }, 0);
        publisher.publish(&Other { number: from + 1 }, 0);
        publisher.publish(&Urgent { number: from + 2 }, 0);
    }
    hand.settle();
    for (subscription, (filter, expected)) in subscriptions.iter_mut().zip(filters) {
        let mut numbers = received(subscription);
        let mut expected = expected;
        numbers.sort_unstable();
        expected.sort_unstable();
        assert_eq!(numbers, expected, "{filter:?}");
    }
}

#[test]
fn publishers_and_subscriptions_come_and_go() {
    let mut hand = ByHand::new([8, 8, 8]);
    hand.settle();
    let ends = |hand: &ByHand| (hand.bus.snapshot().publishers, hand.bus.snapshot().subscriptions);
    let (first, second) = (hand.bus.subscribe::<Usual>(2).unwrap(), hand.bus.subscribe::<Usual>(16).unwrap());
    let (mut one, mut two) = (hand.publisher("one"), hand.publisher("two"));
    hand.settle();
    assert_eq!(ends(&hand), (2, 2));
    drop(first);
    for number in 0..6 {
        one.publish(&Usual { number }, 0);
    }
    drop(one);
    assert_eq!(hand.poll(2), Poll::Again);
    assert_eq!(ends(&hand), (2, 1), "events of one still wait");
    hand.settle();
    assert_eq!(ends(&hand), (1, 1));
    two.publish(&Usual { number: 6 }, 0);
    hand.settle();
    let snapshot = hand.bus.snapshot();
    let usual = snapshot.of(Usual::TYPE).unwrap();
    // Who is gone loses nothing.
    assert_eq!((usual.taken, usual.delivered, usual.lost_by_subscribers), (7, 7, 0));
    drop((two, second));
    hand.settle();
    assert_eq!(ends(&hand), (0, 0));
}

/// Says what it received whenever it is woken.
struct Listener(Subscription<Record>, mpsc::Sender<Vec<i64>>, bool);
impl Task for Listener {
    fn poll(&mut self, cx: &mut Cx<'_>) -> Poll {
        if !std::mem::replace(&mut self.2, true) {
            self.0.set_waker(cx.waker().clone());
        }
        let numbers = received(&mut self.0);
        if !numbers.is_empty() {
            self.1.send(numbers).unwrap();
        }
        Poll::Idle
    }
}

#[test]
fn the_bus_and_subscribers_are_woken_and_sleep_else() {
    let (mut executor, spawner) = Executor::new(4).unwrap();
    let clock = StepClock::default();
    let (bus, task) = EventBus::new(BusConfig::default());
    let mut publisher = bus.publisher(NameId::NONE).unwrap();
    let (said, heard) = mpsc::channel();
    let all = bus.subscribe_to(Filter::default(), 16).unwrap();
    spawner.spawn(Priority::Normal, Box::new(Listener(all, said, false))).unwrap();
    // Before the first poll nobody can wake the task: it looks then.
    publisher.publish_and_wake(&Usual { number: 1 }, 0);
    spawner.spawn(Priority::Critical, Box::new(task)).unwrap();
    assert_eq!(executor.run(&clock), Rest::UntilWoken);
    assert_eq!(heard.try_iter().flatten().collect::<Vec<_>>(), [1]);
    publisher.publish_and_wake(&Usual { number: 2 }, 0);
    assert_eq!(executor.run(&clock), Rest::UntilWoken);
    assert_eq!(heard.try_iter().flatten().collect::<Vec<_>>(), [2]);
    // An audio thread wakes nobody; the bus looks in time.
    publisher.publish(&Usual { number: 3 }, 0);
    assert_eq!(executor.run(&clock), Rest::UntilWoken);
    assert_eq!(heard.try_iter().count(), 0);
    let _audio = bus.audio_publisher(NameId::NONE).unwrap();
    assert_eq!(executor.run(&clock), Rest::Until(250_000));
    assert_eq!(heard.try_iter().flatten().collect::<Vec<_>>(), [3]);
    publisher.publish(&Usual { number: 4 }, 0);
    clock.set(250_000);
    assert_eq!(executor.run(&clock), Rest::Until(500_000));
    assert_eq!(heard.try_iter().flatten().collect::<Vec<_>>(), [4]);
}

#[test]
fn absurd_sizes_are_refused_by_name() {
    let (bus, _task) = EventBus::new(BusConfig { publisher_events: [8, 0, 8], ..BusConfig::default() });
    let error = bus.publisher(NameId::NONE).unwrap_err();
    assert!(error.to_string().starts_with("a publisher's ring for 0 high events: "), "{error}");
    let error = bus.subscribe::<Usual>(0).unwrap_err();
    assert!(error.to_string().starts_with("a subscription's queue for 0 events: "), "{error}");
}
