//! Random flows, schedules and edits: whatever happens, every sink tiles its part of the timeline.

use super::super::*;
use super::witness::*;
use crate::Priority;
use crate::pressure::Strategy;
use crate::transform::Shape;
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
        nodes in proptest::collection::vec((0usize..8, 0usize..6, proptest::option::of(0usize..8)), 1..8),
        sinks in proptest::collection::vec((0usize..8, 0usize..6), 1..6), thin in any::<bool>(), two in any::<bool>(),
        block in 1u64..300, every_ns in prop_oneof![Just(0u64), Just(1_000_000u64)],
        acts in acts(),
    ) {
        let total = block * 200 + 7;
        let mut bench = if two { Bench::two() } else { Bench::new() };
        let mono = Shape::new(format(48_000, 1));
        bench.source("n0", Numbers { every_ns, ..Numbers::new(format(48_000, 1), block, total) });
        // Nodes that pass on what comes, and joins of two ways of any length: behind those, samples are sums of who knows how many.
        let mut joined = vec![false];
        for (n, (before, strategy, other)) in nodes.iter().enumerate() {
            let (name, before) = (format!("n{}", n + 1), before % (n + 1));
            let priority = if *strategy % 2 == 0 { Priority::Critical } else { Priority::Normal };
            let link = PipelineConfig { strategy: STRATEGIES[*strategy], packets: 4, priority, ..PipelineConfig::new(format!("n{before}"), &name) };
            match other {
                Some(other) => {
                    let missing = if other % 2 == 0 { Missing::Gap } else { Missing::Silence };
                    bench.flow.add_node(&name, Ports::join(2, mono), Box::new(Join::new(2, mono.format, missing))).unwrap();
                    bench.flow.connect(PipelineConfig { input: 1, from: format!("n{}", other % (n + 1)), ..link.clone() }).unwrap();
                    joined.push(true);
                }
                None => {
                    bench.pass(&name);
                    joined.push(joined[before]);
                }
            }
            bench.flow.connect(link).unwrap();
        }
        let times = |node: usize| if joined[node] { 0.0 } else { 1.0 };
        let mut seen = Vec::new();
        for (n, (before, strategy)) in sinks.iter().enumerate() {
            let (before, resampled) = (before % (nodes.len() + 1), thin && n == 0);
            let wants = Shape::new(format(16_000, 1)).in_blocks(pcmflow_core::format::Frames(100));
            seen.push(bench.witness(&format!("s{n}"), resampled.then_some(wants), if resampled { 0.0 } else { times(before) }));
            bench.connect(&format!("n{before}"), &format!("s{n}"), STRATEGIES[*strategy]);
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
                    for _ in 0..ns % 3 {
                        bench.second.iter_mut().for_each(|second| {
 second.run(&bench.clock);
 });
                    }
                    if every_ns > 0 {
                        bench.run_until(until_ns);
                    }
                }
                Act::AddSink(node, strategy) => {
                    let name = format!("s{}", seen.len());
                    let from = node % (nodes.len() + 1);
                    seen.push(bench.witness(&name, None, times(from)));
                    let config = PipelineConfig { strategy: STRATEGIES[strategy], packets: 4, ..PipelineConfig::new(format!("n{from}"), name) };
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
