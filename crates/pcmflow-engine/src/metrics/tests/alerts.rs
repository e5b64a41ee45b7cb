//! Rules, edge by edge.

use super::{MS, S};
use crate::metrics::*;
use proptest::prelude::*;

/// A snapshot in which `metric` has one subject with this value, and what is called so.
fn with(metric: Metric, value: u64) -> (Snapshot, &'static str) {
    let mut snapshot = Snapshot::default();
    let mut flow = FlowSnapshot { latency_limit_ns: 1_000_000, score: 100, ..FlowSnapshot::default() };
    let mut pool = PoolSnapshot { hit_rate_10_s_ppm: Some(1_000_000), ..PoolSnapshot::default() };
    let mut link = LinkSnapshot::default();
    let mut pipeline = PipelineSnapshot::default();
    match metric {
        Metric::LatencyP99Ppm => flow.last_10_s.latency.p99_ns = value,
        Metric::DroppedPpm => flow.last_10_s.dropped_ppm = value,
        Metric::FramesDropped => flow.last_10_s.frames_dropped = value,
        Metric::StarvedEpisodes => {
            let starved = |episodes| Starvation { episodes, ns: 5 };
            flow.last_10_s.starved.insert(Starved::UpstreamEmpty, starved(value / 2));
            flow.last_10_s.starved.insert(Starved::NotMoved, starved(value - value / 2));
        }
        Metric::HealthScore => flow.score = value as u8,
        Metric::LinkPressure => link.pressure.active = value > 0,
        Metric::PoolHitRatePpm => pool.hit_rate_10_s_ppm = Some(value),
        Metric::PoolHeldPpm => (pool.held_bytes, pool.budget_bytes) = (value, 1_000_000),
        Metric::PoolOverheadPpm => pool.overhead_ppm = value,
        Metric::PoolFragmentationPpm => pool.fragmentation_ppm = value,
        Metric::Unaccounted => pipeline.ledger.settled_unaccounted = value,
    }
    match metric {
        Metric::PoolHitRatePpm
        | Metric::PoolHeldPpm
        | Metric::PoolOverheadPpm
        | Metric::PoolFragmentationPpm => {
            snapshot.pools.insert("x".into(), pool);
            (snapshot, "pool x")
        }
        Metric::LinkPressure => {
            link.flow = FlowSnapshot { score: 100, ..FlowSnapshot::default() };
            snapshot.links.insert("x".into(), link);
            (snapshot, "link x")
        }
        Metric::Unaccounted => {
            pipeline.flow = flow;
            snapshot.pipelines.insert("x".into(), pipeline);
            (snapshot, "pipeline x")
        }
        _ => {
            snapshot.nodes.insert("x".into(), NodeSnapshot { flow, ..NodeSnapshot::default() });
            (snapshot, "node x")
        }
    }
}

/// What happened, in short: +rule for raised, -rule for cleared.
fn short(edges: &[AlertEdge]) -> Vec<String> {
    edges
        .iter()
        .map(|edge| match edge {
            AlertEdge::Raised(alert) => format!("+{}", alert.rule),
            AlertEdge::Cleared { alert, .. } => format!("-{}", alert.rule),
        })
        .collect()
}

#[test]
fn default_rules_by_table() {
    // metric, rule; the last value that is well, the first that is not, the last that is not well again, the first that is;
    // how long each is held; and why
    let table = [
        (
            Metric::LatencyP99Ppm,
            "latency",
            1_000_000,
            1_000_001,
            900_001,
            900_000,
            500,
            "node x: p99 latency of the limit is 100.0 %, 100.0 % or more for 500 ms",
        ),
        (
            Metric::FramesDropped,
            "loss",
            0,
            1,
            1,
            0,
            0,
            "node x: loss in 10 s is 1 frames, 1 frames or more for 0 ms",
        ),
        (
            Metric::LinkPressure,
            "pressure",
            0,
            1,
            1,
            0,
            1_000,
            "link x: back-pressure is 1, 1 or more for 1000 ms",
        ),
        (
            Metric::StarvedEpisodes,
            "starvation",
            0,
            1,
            1,
            0,
            0,
            "node x: starvation in 10 s is 1 episodes, 1 episodes or more for 0 ms",
        ),
        (
            Metric::HealthScore,
            "health",
            70,
            69,
            74,
            75,
            1_000,
            "node x: health score is 69, 69 or less for 1000 ms",
        ),
        (
            Metric::PoolHitRatePpm,
            "pool_hit_rate",
            900_000,
            899_999,
            919_999,
            920_000,
            1_000,
            "pool x: hit rate is 89.9 %, 89.9 % or less for 1000 ms",
        ),
        (
            Metric::PoolOverheadPpm,
            "pool_overhead",
            30_000,
            30_001,
            27_001,
            27_000,
            1_000,
            "pool x: overhead is 3.0 %, 3.0 % or more for 1000 ms",
        ),
        (
            Metric::PoolFragmentationPpm,
            "pool_fragmentation",
            50_000,
            50_001,
            40_001,
            40_000,
            1_000,
            "pool x: fragmentation is 5.0 %, 5.0 % or more for 1000 ms",
        ),
        (
            Metric::Unaccounted,
            "unaccounted",
            0,
            1,
            1,
            0,
            0,
            "pipeline x: unaccounted for is 1 frames, 1 frames or more for 0 ms",
        ),
    ];
    assert_eq!(table.len(), Rule::defaults().len());
    for (metric, rule, well, raise, not_yet, clear, hold_ms, reason) in table {
        let mut alerts = Alerts::new(Rule::defaults()).unwrap();
        let hold_ns = hold_ms * MS;
        let mut now_ns = 0;
        let mut held = |alerts: &mut Alerts, value: u64| {
            let (snapshot, _) = with(metric, value);
            now_ns += S;
            let mut edges = alerts.observe(now_ns, &snapshot);
            if hold_ns > 0 {
                assert_eq!(edges, [], "{rule}: at once");
                now_ns += hold_ns - 1;
                assert_eq!(alerts.observe(now_ns, &snapshot), [], "{rule}: too early");
                now_ns += 1;
                edges = alerts.observe(now_ns, &snapshot);
            }
            edges
        };
        assert_eq!(held(&mut alerts, well), [], "{rule}");
        let raised = held(&mut alerts, raise);
        let [AlertEdge::Raised(alert)] = &raised[..] else { panic!("{rule}: {raised:?}") };
        assert_eq!((&alert.rule[..], &alert.subject[..], alert.value), (rule, with(metric, 0).1, raise));
        assert_eq!(alert.reason, reason);
        assert_eq!(alerts.active().collect::<Vec<_>>(), [alert]);
        assert_eq!(held(&mut alerts, raise), [], "{rule}: raised once");
        assert_eq!(held(&mut alerts, not_yet), [], "{rule}");
        let cleared = held(&mut alerts, clear);
        assert_eq!(short(&cleared), [format!("-{rule}")]);
        assert_eq!(alerts.active().count(), 0);
    }
}

#[test]
fn what_has_nothing_to_say_changes_nothing_and_what_is_gone_is_cleared() {
    let mut alerts = Alerts::new(Rule::defaults()).unwrap();
    let (bad, _) = with(Metric::PoolHitRatePpm, 0);
    let mut silent = bad.clone();
    silent.pools.get_mut("x").unwrap().hit_rate_10_s_ppm = None;
    assert_eq!(alerts.observe(0, &bad), []);
    assert_eq!(alerts.observe(S, &silent), []);
    assert_eq!(alerts.observe(S + 1, &bad), [], "the time began anew");
    assert_eq!(short(&alerts.observe(2 * S + 1, &bad)), ["+pool_hit_rate"]);
    assert_eq!(alerts.observe(9 * S, &silent), []);
    assert_eq!(alerts.observe(3 * S, &bad), [], "a clock that goes back stands still");
    let gone = alerts.observe(10 * S, &Snapshot::default());
    let [AlertEdge::Cleared { alert, at_ns, reason }] = &gone[..] else { panic!("{gone:?}") };
    assert_eq!(
        (&alert.rule[..], *at_ns, &reason[..]),
        ("pool_hit_rate", 10 * S, "pool x: it is there no more")
    );
    assert_eq!(alerts.observe(11 * S, &Snapshot::default()), []);
}

#[test]
fn rules_are_checked() {
    let twice = Alerts::new([Rule::defaults(), Rule::defaults()].concat()).unwrap_err();
    assert_eq!(twice.to_string(), "alerts.latency is there twice, names must differ");
    assert!(Alerts::new(Vec::new()).is_ok());
    assert!(serde_json::from_str::<Rule>("{\"name\":\"x\",\"metric\":\"vibes\"}").is_err());
}

proptest! {
    /// Either way round: inside the band nothing ever happens, and every edge was beyond its threshold for the hold time.
    #[test]
    fn an_alert_never_flaps(
        raise_at in 0u64..100, clear_at in 0u64..100, hold_ms in 0u64..300,
        values in proptest::collection::vec((0u64..100, 1u64..100), 1..200),
    ) {
        prop_assume!(raise_at != clear_at);
        let rule = Rule { name: "r".into(), metric: Metric::PoolOverheadPpm, raise_at, clear_at, hold_ns: hold_ms * MS };
        let mut alerts = Alerts::new(vec![rule]).unwrap();
        let beyond = |value: u64, at: u64, other: u64| if at > other { value >= at } else { value <= at };
        let (mut raised, mut now_ns, mut since_ns) = (false, 0, None);
        for (value, ms) in values {
            now_ns += ms * MS;
            let (at, other) = if raised { (clear_at, raise_at) } else { (raise_at, clear_at) };
            since_ns = if beyond(value, at, other) { since_ns.or(Some(now_ns)) } else { None };
            let due = since_ns.is_some_and(|since_ns| now_ns - since_ns >= hold_ms * MS);
            let edges = short(&alerts.observe(now_ns, &with(Metric::PoolOverheadPpm, value).0));
            let expected = if raised { "-r" } else { "+r" };
            prop_assert_eq!(&edges[..], if due { vec![expected.to_owned()] } else { vec![] });
            if value > raise_at.min(clear_at) && value < raise_at.max(clear_at) {
                prop_assert!(edges.is_empty());
            }
            if due {
                raised = !raised;
                since_ns = None;
            }
            prop_assert_eq!(alerts.active().count(), usize::from(raised));
        }
    }
}
