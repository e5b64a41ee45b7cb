//! The snapshot's shape: the program's console, its pages and exporters read it, and so may others.

use super::S;
use crate::Priority;
use crate::event::{BusSnapshot, TypeSnapshot};
use crate::metrics::*;
use crate::pressure::Strategy;
use pcmflow_core::format::Frames;
use pcmflow_core::health::Trend;
use pcmflow_core::ledger::{LossCause, Losses};
use pcmflow_core::pressure::PressureStats;

/// What a JavaScript number holds exactly.
const JS_MAX: u64 = 1 << 53;

/// One of everything, with something in every field that may be left out.
fn full() -> Snapshot {
    let mut lost = Losses::default();
    lost[LossCause::Overflow] = Frames(128);
    lost[LossCause::DeadModule] = Frames(64);
    let figures = FlowFigures {
        duration_ns: S,
        chunks: 375,
        frames: 48_000,
        latency: LatencyFigures { p99_9_ns: 2_000_000, ..LatencyFigures::default() },
        starved: [(Starved::NotMoved, Starvation { episodes: 2, ns: 300 })].into(),
        score: 99,
        ..FlowFigures::default()
    };
    let flow = FlowSnapshot { trend: Trend::Improving, score: 99, total: figures, ..FlowSnapshot::default() };
    let ledger = LedgerSnapshot {
        frames_in: JS_MAX,
        dropped: lost,
        settled_position: Some(4_800),
        ..LedgerSnapshot::default()
    };
    let pipeline = PipelineSnapshot {
        state: "running".into(),
        priority: Priority::Critical,
        links: vec!["mic-pitch".into()],
        flow: flow.clone(),
        ledger: ledger.clone(),
    };
    let link = LinkSnapshot {
        from: "mic".into(),
        to: "pitch".into(),
        fill: 3,
        capacity: 64,
        strategy: Strategy::DropOldest,
        pressure: PressureStats { active: true, episodes: 1, current_ns: 5, total_ns: 5 },
        lost,
        flow: flow.clone(),
    };
    let pool = PoolSnapshot {
        hit_rate_ppm: Some(999_000),
        classes: vec![ClassSnapshot { samples: 256, ..ClassSnapshot::default() }],
        ..PoolSnapshot::default()
    };
    let alert = Alert {
        rule: "pressure".into(),
        subject: "link mic-pitch".into(),
        since_ns: 4,
        value: 1,
        limit: 1,
        reason: "link mic-pitch: back-pressure is 1, 1 or more for 1000 ms".into(),
    };
    let allocations = TypeSnapshot {
        name: "BufferAllocation".into(),
        priority: Priority::Critical,
        taken: 7,
        lost_by_publishers: 1,
        delivered: 13,
        lost_by_subscribers: 1,
    };
    Snapshot {
        at_ns: 5 * S,
        uptime_ns: 4 * S,
        pipelines: [("live".into(), pipeline)].into(),
        links: [("mic-pitch".into(), link)].into(),
        nodes: [("pitch".into(), NodeSnapshot { state: "running".into(), error: None, flow })].into(),
        pools: [("main".into(), pool)].into(),
        events: BusSnapshot { publishers: 1, subscriptions: 2, types: vec![allocations] },
        alerts: vec![alert],
        ledger,
        ..Snapshot::default()
    }
}

#[test]
fn the_shape_is_the_golden_one() {
    let json = serde_json::to_string_pretty(&full()).unwrap();
    let golden = include_str!("snapshot.json");
    assert!(
        json.trim() == golden.trim(),
        "the shape changed: is VERSION still right? Then this is snapshot.json now:\n{json}"
    );
    assert_eq!(serde_json::from_str::<Snapshot>(golden).unwrap(), full());
}

#[test]
fn numbers_survive_and_what_is_unknown_is_named() {
    let mut snapshot = full();
    for at_ns in [JS_MAX - 1, JS_MAX, u64::MAX] {
        snapshot.at_ns = at_ns;
        let json = serde_json::to_string(&snapshot).unwrap();
        assert!(json.contains(&format!("\"at_ns\":{at_ns},")));
        assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), snapshot);
    }
    assert_eq!((JS_MAX - 1) as f64 as u64, JS_MAX - 1);
    let json = serde_json::to_string(&full()).unwrap();
    let error = serde_json::from_str::<Snapshot>(&json.replace("dead_module", "moths")).unwrap_err();
    let known = "overflow, deadline, corrupt, dead_module, device, removed, shed";
    assert!(error.to_string().starts_with(&format!("frames were lost by `moths`, known causes are {known}")));
    let added = json.replace("\"at_ns\"", "\"added_later\":1,\"at_ns\"");
    assert_eq!(serde_json::from_str::<Snapshot>(&added).unwrap(), full(), "a field more does no harm");
}
