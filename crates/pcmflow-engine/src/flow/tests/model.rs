//! Random flows, schedules and edits: whatever happens, every sink tiles its part of the timeline.

use super::super::*;
use super::witness::*;
use crate::pressure::Strategy;
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

const STRATEGIES: [Strategy; 6] = [
    Strategy::Block,
    Strategy::Throttle,
    Strategy::Buffer,
    Strategy::DropOldest,
    Strategy::DropNewest,
    Strategy::Adaptive,
];

#[derive(Debug, Clone)]
enum Act {
    Run(u64),
    AddSink(usize, usize),
    Disconnect(usize),
    Remove(usize),
    Strategy(usize, usize),
}

fn acts() -> impl proptest::strategy::Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (1u64..20_000_000).prop_map(Act::Run),
        2 => (0usize..8, 0usize..6).prop_map(|(node, strategy)| Act::AddSink(node, strategy)),
        1 => (0usize..16).prop_map(Act::Disconnect),
        1 => (0usize..8).prop_map(Act::Remove),
        2 => (0usize..16, 0usize..6).prop_map(|(link, strategy)| Act::Strategy(link, strategy)),
    ];
    proptest::collection::vec(act, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_sink_tiles_its_part_of_the_timeline(
        nodes in proptest::collection::vec((0usize..8, 0usize..6), 1..8),
        sinks in proptest::collection::vec((0usize..8, 0usize..6), 1..6),
        block in 1u64..300, every_ns in prop_oneof![Just(0u64), Just(1_000_000u64)],
        acts in acts(),
    ) {
        let total = block * 200 + 7;
        let mut bench = Bench::new();
        bench.source("n0", Numbers { every_ns, ..Numbers::new(format(48_000, 1), block, total) });
        for (n, (before, strategy)) in nodes.iter().enumerate() {
            bench.pass(&format!("n{}", n + 1));
            bench.connect(&format!("n{}", before % (n + 1)), &format!("n{}", n + 1), STRATEGIES[*strategy]);
        }
        let mut seen = Vec::new();
        for (n, (before, strategy)) in sinks.iter().enumerate() {
            seen.push(bench.witness(&format!("s{n}"), None, 1.0));
            bench.connect(&format!("n{}", before % (nodes.len() + 1)), &format!("s{n}"), STRATEGIES[*strategy]);
        }
        bench.flow.start().unwrap();
        for act in acts {
            let links: Vec<String> = bench.flow.graph().edges().map(|(name, _)| name.to_owned()).collect();
            match act {
                Act::Run(ns) => {
                    let until_ns = crate::task::Clock::now_ns(&bench.clock) + ns;
                    for _ in 0..ns % 5 {
                        bench.executor.run(&bench.clock);
                    }
                    if every_ns > 0 {
                        bench.run_until(until_ns);
                    }
                }
                Act::AddSink(node, strategy) => {
                    let name = format!("s{}", seen.len());
                    let from = format!("n{}", node % (nodes.len() + 1));
                    seen.push(bench.witness(&name, None, 1.0));
                    let config = PipelineConfig { strategy: STRATEGIES[strategy], packets: 4, ..PipelineConfig::new(from, name) };
                    // Refused where the node is over: the sink then has nothing to see.
                    let _ = bench.flow.connect(config);
                    bench.flow.start().unwrap();
                }
                Act::Disconnect(link) if !links.is_empty() => {
                    bench.flow.disconnect(&links[link % links.len()]).unwrap();
                }
                Act::Remove(node) if node % (nodes.len() + 1) > 0 => {
                    let _ = bench.flow.remove(&format!("n{}", node % (nodes.len() + 1)));
                }
                Act::Strategy(link, strategy) if !links.is_empty() => {
                    bench.flow.set_strategy(&links[link % links.len()], STRATEGIES[strategy]).unwrap();
                }
                _ => {}
            }
        }
        bench.finish();
        for seen in seen {
            let seen = seen.lock().unwrap();
            let (start, end) = (seen.stretches.first().map_or(0, |first| first.0), seen.stretches.last().map_or(0, |last| last.1));
            seen.assert_tiles(start, end);
            prop_assert!(seen.ended);
        }
        let given = bench.flow.status().nodes["n0"].given;
        prop_assert_eq!(given.position, total);
    }
}
