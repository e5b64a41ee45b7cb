// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use super::Strategy;
use super::*;
use pcmflow_core::pressure::PressureError;
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

fn config() -> ControllerConfig {
    ControllerConfig::default()
}

fn controller(strategy: Strategy) -> BackpressureController {
    BackpressureController::new(ControllerConfig { strategy, ..config() }).unwrap()
}

/// A link of 1000 units at 1000 units a second, with a second's latency: none to spare.
fn seen(now_ms: u64, used: u64) -> Observation {
    Observation {
        now_ns: now_ms * MS,
        used,
        capacity: 1_000,
        producer: Producer::Live,
        consumer_per_s: 1_000,
        nominal_per_s: 1_000,
        latency_limit_ns: S,
    }
}

#[test]
fn settings_are_checked_and_named() {
    let refused = |config| BackpressureController::new(config).err();
    assert_eq!(refused(config()), None);
    let on = ControllerConfig { on_percent: 101, ..config() };
    assert_eq!(refused(on), Some(ControllerError::Thresholds(PressureError::On { on_percent: 101 })));
    let off = refused(ControllerConfig { off_percent: 95, ..config() }).unwrap();
    assert_eq!(off.to_string(), "pressure.off_percent is 95, it must be below on_percent, 90");
    let factor = refused(ControllerConfig { buffer_factor_max: 0, ..config() }).unwrap();
    assert_eq!(factor.to_string(), "pressure.buffer_factor_max is 0, allowed are 1 and more");
    assert!(serde_json::from_str::<ControllerConfig>("{\"strategi\":\"block\"}").is_err());
}

#[test]
fn a_strategy_has_one_name() {
    for (name, strategy) in Strategy::ALL {
        assert_eq!(strategy.name(), name);
        assert_eq!(serde_json::to_value(strategy).unwrap(), name);
        assert_eq!(serde_json::from_value::<Strategy>(name.into()).unwrap(), strategy);
    }
}

#[test]
fn fixed_strategies_by_table() {
    use Producer::{Live, Waiting};
    use Strategy::{Block, Buffer, DropNewest, DropOldest, Throttle};
    // chosen, producer, in force, pause at 950 of 1000, limit with 1.5 s of latency
    let table = [
        (Throttle, Waiting, Throttle, 20 * MS, 1_000),
        (Throttle, Live, DropNewest, 0, 1_000),
        (Buffer, Waiting, Buffer, 0, 1_500),
        (Buffer, Live, Buffer, 0, 1_500),
        (DropOldest, Live, DropOldest, 0, 1_000),
        (DropNewest, Waiting, DropNewest, 0, 1_000),
        (Block, Waiting, Block, 0, 1_000),
        (Block, Live, DropNewest, 0, 1_000),
    ];
    for (chosen, producer, strategy, throttle_ns, buffer_limit) in table {
        let mut controller = controller(chosen);
        let at = |now_ms, used| Observation { producer, latency_limit_ns: 1_500 * MS, ..seen(now_ms, used) };
        let calm = Decision { strategy, throttle_ns: 0, buffer_limit: 1_000 };
        assert_eq!(controller.observe(at(0, 899)).decision, calm, "{chosen:?} for {producer:?}");
        let pressed = Decision { strategy, throttle_ns, buffer_limit };
        assert_eq!(controller.observe(at(1, 950)).decision, pressed, "{chosen:?} for {producer:?}");
        assert_eq!(controller.observe(at(2, 700)).decision.throttle_ns, 0);
        assert_eq!(
            controller.observe(at(1_001, 700)).decision.buffer_limit,
            buffer_limit,
            "not calm for long"
        );
        assert_eq!(controller.observe(at(1_002, 700)).decision, calm);
    }
}

#[test]
fn a_live_producer_is_buffered_then_drops_the_oldest() {
    let mut controller = controller(Strategy::Adaptive);
    // now in ms, used, latency limit in ms; strategy, limit, edge
    let table = [
        (0, 500, 1_800, Strategy::Buffer, 1_000, None),
        (10, 900, 1_800, Strategy::Buffer, 1_800, Some(PressureEdge::On { at_ns: 10 * MS })),
        (20, 1_200, 1_800, Strategy::Buffer, 1_800, None),
        (30, 1_619, 1_800, Strategy::Buffer, 1_800, None),
        (40, 1_620, 1_800, Strategy::DropOldest, 1_800, None), // 90 % of what it may hold
        (50, 1_800, 1_800, Strategy::DropOldest, 1_800, None),
        (60, 701, 2_099, Strategy::DropOldest, 2_099, None), // more may be held
        (
            70,
            700,
            2_099,
            Strategy::DropOldest,
            2_099,
            Some(PressureEdge::Off { at_ns: 70 * MS, lasted_ns: 60 * MS }),
        ),
        (1_069, 100, 2_099, Strategy::DropOldest, 2_099, None),
        (1_070, 100, 2_099, Strategy::Buffer, 1_000, None),
    ];
    let mut before = Strategy::Buffer;
    for (now_ms, used, limit_ms, strategy, buffer_limit, edge) in table {
        let outcome =
            controller.observe(Observation { latency_limit_ns: limit_ms * MS, ..seen(now_ms, used) });
        assert_eq!(outcome.decision, Decision { strategy, throttle_ns: 0, buffer_limit }, "at {now_ms}");
        assert_eq!(outcome.edge, edge.map(|edge| Edge { edge, slow: Slow::ProducerFast }), "at {now_ms}");
        let reason = if strategy == Strategy::Buffer { Reason::Calm } else { Reason::Exhausted };
        let change = Change { at_ns: now_ms * MS, from: before, to: strategy, reason };
        assert_eq!(outcome.change, (strategy != before).then_some(change), "at {now_ms}");
        before = strategy;
    }
}

#[test]
fn a_waiting_producer_is_throttled_then_blocks_and_never_drops() {
    let mut controller = controller(Strategy::Adaptive);
    let at =
        |now_ms, used| Observation { producer: Producer::Waiting, consumer_per_s: 500, ..seen(now_ms, used) };
    let first = controller.observe(at(0, 900));
    assert_eq!(first.decision.strategy, Strategy::Throttle, "no latency to spare for a buffer");
    assert_eq!(first.edge.unwrap().slow, Slow::ConsumerSlow);
    assert_eq!(first.decision.throttle_ns, 20 * MS, "100 units would take 200 ms, which is too long");
    assert_eq!(controller.observe(at(1, 804)).decision.throttle_ns, 8 * MS, "4 units above the middle");
    assert_eq!(controller.observe(at(19, 1_000)).decision.strategy, Strategy::Throttle, "not given its time");
    assert_eq!(controller.observe(at(20, 999)).decision.strategy, Strategy::Throttle, "there is room");
    assert_eq!(controller.observe(at(21, 1_000)).decision.strategy, Strategy::Block);
    let live = controller.observe(Observation { producer: Producer::Live, ..at(22, 1_000) });
    let change = Change {
        at_ns: 22 * MS,
        from: Strategy::Block,
        to: Strategy::DropOldest,
        reason: Reason::OtherProducer,
    };
    assert_eq!(live.change, Some(change), "who can't wait is not left waiting");
}

#[test]
fn latency_and_the_factor_limit_the_buffer() {
    let plenty = Observation { latency_limit_ns: u64::MAX, ..seen(0, 950) };
    let limit = |seen| controller(Strategy::Adaptive).observe(seen).decision.buffer_limit;
    assert_eq!(limit(plenty), 4_000);
    assert_eq!(limit(Observation { latency_limit_ns: 2 * S, ..plenty }), 2_000);
    assert_eq!(limit(Observation { latency_limit_ns: S / 2, ..plenty }), 1_000, "never below the capacity");
    assert_eq!(
        limit(Observation { consumer_per_s: 0, ..plenty }),
        1_000,
        "whoever stands has no latency to spare"
    );
    assert_eq!(limit(Observation { latency_limit_ns: 1_124 * MS, ..plenty }), 1_000, "not worth while");
    let vast = Observation { capacity: u64::MAX, used: u64::MAX, consumer_per_s: u64::MAX, ..plenty };
    assert_eq!(limit(vast), u64::MAX);
}

#[test]
fn what_says_nothing_changes_nothing() {
    let mut controller = controller(Strategy::Adaptive);
    let before = controller.observe(seen(50, 950)).decision;
    let nothing = controller.observe(Observation { capacity: 0, ..seen(60, 0) });
    assert_eq!(nothing, Outcome { decision: before, edge: None, change: None });
    let back = controller.observe(seen(10, 700)).edge.unwrap().edge;
    assert_eq!(
        back,
        PressureEdge::Off { at_ns: 50 * MS, lasted_ns: 0 },
        "a clock that goes back stands still"
    );
}

/// Observations of one link: times that also stand and go back, any fill, either producer, any rates and limits.
fn histories() -> impl Generator<Value = Vec<Observation>> {
    let step = (0u64..60, 0u64..5_000, any::<bool>(), 0u64..3_000, 0u64..4_000);
    proptest::collection::vec(step, 1..300).prop_map(|steps| {
        let mut now_ms = 100;
        let seen = |(ms, used, live, consumer_per_s, latency_ms)| {
            now_ms = if ms == 0 { u64::saturating_sub(now_ms, 50) } else { now_ms + ms };
            let producer = if live { Producer::Live } else { Producer::Waiting };
            let latency_limit_ns = latency_ms * MS;
            Observation { producer, consumer_per_s, latency_limit_ns, ..seen(now_ms, used) }
        };
        steps.into_iter().map(seen).collect()
    })
}

/// A link that is filled by pieces of 50 units and emptied at a constant rate, looked at every millisecond for 20 s, with latency for `spare` units more;
/// gives the times of all changes and edges, and whether anything was lost.
fn closed_loop(producer: Producer, produced_per_s: u64, consumer_per_s: u64, spare: u64) -> (Vec<u64>, bool) {
    let mut controller = controller(Strategy::Adaptive);
    let (mut used, mut taken, mut due_ms, mut lost) = (0u64, 0, 0, false);
    let mut decision = Decision { strategy: Strategy::Buffer, throttle_ns: 0, buffer_limit: 1_000 };
    let mut times = Vec::new();
    for now_ms in 0..20_000u64 {
        if now_ms >= due_ms {
            let room = decision.buffer_limit.saturating_sub(used);
            match decision.strategy {
                Strategy::Block if room < 50 => {}
                _ if producer == Producer::Waiting && room < 50 => {} // any edge with a waiting producer refuses
                _ => {
                    lost |= room < 50;
                    used += room.min(50);
                    due_ms = now_ms + 50 * 1_000 / produced_per_s + decision.throttle_ns.div_ceil(MS);
                }
            }
        }
        let due = (now_ms + 1) * consumer_per_s / 1_000;
        used -= (due - taken).min(used);
        taken = due;
        let outcome = controller.observe(Observation {
            producer,
            consumer_per_s,
            latency_limit_ns: (1_000 + spare) * S / consumer_per_s,
            nominal_per_s: produced_per_s,
            ..seen(now_ms, used)
        });
        decision = outcome.decision;
        if outcome.change.is_some() || outcome.edge.is_some() {
            times.push(now_ms);
        }
    }
    (times, lost)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the load, if it is constant: at most back-pressure and two steps up; and nothing is lost that could wait.
    #[test]
    fn a_constant_load_settles(
        waiting in any::<bool>(), produced_per_s in 2_000u64..10_000, part in 1u64..100, spare in 0u64..5_000,
    ) {
        let producer = if waiting { Producer::Waiting } else { Producer::Live };
        let (times, lost) = closed_loop(producer, produced_per_s, produced_per_s * part / 100, spare);
        prop_assert!(times.len() <= 3, "{:?}", times);
        prop_assert!(!(waiting && lost));
    }
}

proptest! {
    #[test]
    fn invariants_over_any_history(history in histories(), adaptive in any::<bool>()) {
        let chosen = if adaptive { Strategy::Adaptive } else { Strategy::Throttle };
        let mut controller = controller(chosen);
        let (mut changed_ns, mut edges_open, mut in_force, mut kind) = (None, false, None, None);
        let mut latest_ns = 0;
        for seen in history {
            let before = controller.clone();
            let Outcome { decision, edge, change } = controller.observe(seen);
            latest_ns = latest_ns.max(seen.now_ns);
            // What may be spent is never exceeded, and the capacity is never taken away.
            prop_assert!(decision.buffer_limit >= seen.capacity);
            let by_latency = seen.consumer_per_s * (seen.latency_limit_ns / MS) / 1_000;
            prop_assert!(decision.buffer_limit <= by_latency.max(seen.capacity).min(4_000));
            prop_assert!(decision.strategy != Strategy::Adaptive);
            prop_assert!(decision.throttle_ns <= 20 * MS);
            prop_assert!(decision.throttle_ns == 0 || decision.strategy == Strategy::Throttle);
            // Nobody live is told to wait; nobody who can wait is told to lose.
            match seen.producer {
                Producer::Live => prop_assert!(!matches!(decision.strategy, Strategy::Throttle | Strategy::Block)),
                Producer::Waiting =>
                    prop_assert!(!matches!(decision.strategy, Strategy::DropOldest | Strategy::DropNewest)),
            }
            // Edges alternate.
            if let Some(Edge { edge, .. }) = edge {
                prop_assert_eq!(matches!(edge, PressureEdge::On { .. }), !edges_open);
                edges_open = !edges_open;
            }
            // Changes are told, and keep their distance.
            prop_assert_eq!(change.is_some(), in_force.is_some_and(|was| was != decision.strategy)
                || in_force.is_none() && change.is_some());
            if let Some(change) = change {
                if let (Some(then), true) = (changed_ns, change.reason != Reason::OtherProducer) {
                    prop_assert!(latest_ns - then >= 20 * MS);
                } else if change.reason == Reason::OtherProducer {
                    prop_assert!(kind.is_none() || kind != Some(seen.producer));
                }
                changed_ns = Some(latest_ns);
            }
            (in_force, kind) = (Some(decision.strategy), Some(seen.producer));
            // Fuller is never treated more gently, and the same again changes nothing but by time.
            let fuller = before.clone().observe(Observation { used: seen.used + 100, ..seen }).decision;
            if fuller.strategy == decision.strategy {
                prop_assert!(fuller.throttle_ns >= decision.throttle_ns);
            }
            let again = controller.clone().observe(seen);
            prop_assert!(again.edge.is_none());
            prop_assert_eq!(again.decision.buffer_limit, decision.buffer_limit);
        }
    }
}
