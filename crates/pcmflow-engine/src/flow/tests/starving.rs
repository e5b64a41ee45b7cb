//! What is due and does not come is told while it does not come; what rests, is shut or is over is not missed.

use super::super::*;
use crate::event::{BusConfig, BusSnapshot, EventBus};
use crate::metrics::{FlowFigures, Rule, Snapshot, Starved};
use crate::pressure::Strategy;
use crate::task::{Clock, Executor, Needs, Place, Rest, SpawnError, Spawner, StepClock, Task, TaskHandle};
use crate::transform::Shape;
use pcmflow_core::block::BlockSize;
use pcmflow_core::chunk::AudioChunk;
use pcmflow_core::format::{Frames, StreamFormat};
use pcmflow_core::health::HealthConfig;
use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
use pcmflow_core::stream::{Overflow, StreamConfig, StreamReader, StreamWriter, stream};
use std::collections::BTreeMap;
use std::sync::Arc;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
/// Of 10 ms.
const BLOCK: u64 = 512;
const RATE_HZ: u32 = 51_200;
const LINKS: [&str; 2] = ["device→pass", "pass→out"];

struct Pass;

impl Node for Pass {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        out.chunk(chunk);
        Ok(())
    }
}

/// What may block has an executor of its own.
struct Apart(Spawner, Spawner);

impl Place for Apart {
    fn place(&self, needs: Needs, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        if needs.may_block { self.1.place(needs, task) } else { self.0.place(needs, task) }
    }
}

/// A device that brings a block every 10 ms, a node, and a sink; looked at ten times a second by one who watches, and by one who samples.
struct Bench {
    executor: Executor,
    sinks: Executor,
    clock: Arc<StepClock>,
    flow: DataFlowCoordinator,
    device: Option<StreamWriter>,
    feed: Option<StreamFeed>,
    watches: FlowMonitor,
    samples: FlowMonitor,
    /// The last sample.
    told: Snapshot,
}

fn ring() -> (StreamWriter, StreamReader) {
    let format = StreamFormat::new(RATE_HZ, 1).unwrap();
    let (capacity, quantum, overflow) = (Frames(51_200), Frames(128), Overflow::DropNewest);
    let (writer, reader, _) = stream(StreamConfig { format, capacity, quantum, overflow }).unwrap();
    (writer, reader)
}

impl Bench {
    fn new() -> Self {
        let (executor, spawner) = Executor::new(16).unwrap();
        let (sinks, sinks_spawner) = Executor::new(16).unwrap();
        let (bus, _task) = EventBus::new(BusConfig::default());
        let clock = Arc::new(StepClock::default());
        let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
        let mut flow = DataFlowCoordinator::new(Apart(spawner, sinks_spawner), pool);
        let limits = HealthConfig { latency_limit_ns: S, ..HealthConfig::default() };
        flow.observe(Telemetry { bus, clock: clock.clone(), meters: Some(limits) }).unwrap();
        let (device, reader) = ring();
        let (feed, source) = StreamInflow::new(reader, BlockSize::of::<BLOCK>()).unwrap();
        let shape = Shape::new(StreamFormat::new(RATE_HZ, 1).unwrap());
        flow.add_source("device", shape, true, Box::new(source)).unwrap();
        flow.add_node("pass", Ports::node(None), Box::new(Pass)).unwrap();
        flow.add_node("out", Ports { may_block: true, ..Ports::sink(None) }, Box::new(Pass)).unwrap();
        for (from, to) in [("device", "pass"), ("pass", "out")] {
            let strategy = Strategy::DropNewest;
            flow.connect(PipelineConfig { strategy, packets: 512, ..PipelineConfig::new(from, to) }).unwrap();
        }
        flow.start().unwrap();
        let monitor = || FlowMonitor::new(100 * MS, Rule::defaults(), 0).unwrap();
        let (watches, samples) = (monitor(), monitor());
        let (device, feed) = (Some(device), Some(feed));
        Self { executor, sinks, clock, flow, device, feed, watches, samples, told: Snapshot::default() }
    }

    /// Goes on for so long; the last look is at its end.
    fn run(&mut self, ms: u64, gives: bool, sink_runs: bool) {
        for _ in 0..ms / 10 {
            let now_ns = self.clock.now_ns();
            if now_ns.is_multiple_of(100 * MS) {
                self.look(now_ns);
            }
            if let Some(device) = self.device.as_mut().filter(|_| gives) {
                let _ = device.write(&[0.5; BLOCK as usize], now_ns);
            }
            // The source looks by itself, some times a block.
            for _ in 0..3 {
                while self.executor.run(&*self.clock) == Rest::No {}
                while sink_runs && self.sinks.run(&*self.clock) == Rest::No {}
                self.clock.advance(MS);
            }
            self.clock.set(now_ns + 10 * MS);
        }
        self.look(self.clock.now_ns());
    }

    fn look(&mut self, now_ns: u64) {
        if now_ns < self.samples.due_ns() {
            return;
        }
        let flow = &mut self.flow;
        self.watches.watch(now_ns, flow);
        self.told = self.samples.sample(now_ns, flow, &BTreeMap::new(), BusSnapshot::default());
        let watched: Vec<_> = self.watches.alerts.active().cloned().collect();
        assert_eq!(watched, self.told.alerts, "at {} ms", now_ns / MS);
    }

    /// The links' last 10 s, and their scores.
    fn links(&self) -> [(&FlowFigures, u8); 2] {
        LINKS.map(|link| (&self.told.links[link].flow.last_10_s, self.told.links[link].flow.score))
    }

    /// What alerts of starvation there are.
    fn starved(&self) -> Vec<String> {
        let active = self.watches.alerts.active().filter(|alert| alert.rule == "starvation");
        active.map(|alert| alert.subject.clone()).collect()
    }

    fn starves(&self) -> bool {
        !self.starved().is_empty()
    }
}

#[test]
fn a_device_that_hangs_is_told_while_it_hangs_and_no_more_when_it_came_back() {
    let mut bench = Bench::new();
    bench.run(15_000, true, true);
    assert!(!bench.starves());
    // A block is missed after two more were due: the look after that tells.
    bench.run(100, false, true);
    assert_eq!(bench.starved(), LINKS.map(|link| format!("link {link}")));
    for (lately, score) in bench.links() {
        assert_eq!(lately.starved[&Starved::UpstreamEmpty].episodes, 1);
        assert!((80 * MS..=100 * MS).contains(&lately.starved[&Starved::UpstreamEmpty].ns), "{lately:?}");
        assert!(lately.underruns == 1 && score < 100, "{score}");
    }
    bench.run(1_900, false, true);
    assert!(bench.starves());
    bench.run(7_000, true, true);
    assert!(bench.starves(), "it was lately");
    for (lately, _) in bench.links() {
        let starved = lately.starved[&Starved::UpstreamEmpty];
        assert!(starved.episodes == 1 && starved.ns.abs_diff(1_980 * MS) <= 20 * MS, "{starved:?}");
    }
    bench.run(6_000, true, true);
    assert!(!bench.starves());
    // For good: longer than any window.
    bench.run(90_000, false, true);
    assert!(bench.starves());
    let [(lately, score), _] = bench.links();
    assert_eq!((lately.chunks, lately.starved[&Starved::UpstreamEmpty].episodes), (0, 1));
    assert!(score < 100, "{score}");
}

#[test]
fn a_sink_that_hangs_has_something_to_move() {
    let mut bench = Bench::new();
    bench.run(3_000, true, true);
    bench.run(1_000, true, false);
    assert_eq!(bench.starved(), ["link pass→out"]);
    let [(fed, _), (starved, _)] = bench.links();
    assert!(fed.starved.is_empty());
    assert_eq!(starved.starved.keys().collect::<Vec<_>>(), [&Starved::NotMoved]);
    bench.run(13_000, true, true);
    assert!(!bench.starves());
}

#[test]
fn what_is_shut_is_not_missed_there_nor_behind_it() {
    let mut bench = Bench::new();
    bench.run(3_000, true, true);
    bench.flow.shut(LINKS[0], true).unwrap();
    for _ in 0..50 {
        bench.run(100, true, true);
        assert!(!bench.starves(), "while it is shut");
    }
    bench.flow.shut(LINKS[0], false).unwrap();
    for _ in 0..50 {
        bench.run(100, true, true);
        assert!(!bench.starves(), "when it is open again");
    }
    bench.run(200, false, true);
    assert_eq!(bench.starved().len(), 2);
}

#[test]
fn a_stream_that_is_over_is_not_missed_whether_another_follows_or_not() {
    let mut bench = Bench::new();
    bench.run(3_000, true, true);
    bench.device = None;
    bench.run(20_000, true, true);
    assert!(!bench.starves(), "another may follow");
    let (device, reader) = ring();
    bench.feed.as_mut().unwrap().bring(reader).unwrap();
    bench.device = Some(device);
    for _ in 0..50 {
        bench.run(100, true, true);
        assert!(!bench.starves(), "it follows");
    }
    bench.run(200, false, true);
    assert_eq!(bench.starved().len(), 2, "it hangs");
    bench.run(15_000, true, true);
    (bench.device, bench.feed) = (None, None);
    bench.run(20_000, true, true);
    assert!(bench.flow.is_over() && !bench.starves());
}

/// Who failed takes nothing more, and misses nothing.
#[test]
fn a_node_that_failed_is_not_starving() {
    struct Fails(u64);
    impl Node for Fails {
        fn chunk(&mut self, _: usize, _: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
            self.0 += 1;
            if self.0 > 100 { Err("the disk is full".into()) } else { Ok(()) }
        }
    }
    let mut bench = Bench::new();
    bench.flow.add_node("file", Ports::sink(None), Box::new(Fails(0))).unwrap();
    bench.flow.connect(PipelineConfig::new("pass", "file")).unwrap();
    bench.flow.start().unwrap();
    bench.run(10_000, true, true);
    assert!(bench.flow.status().nodes["file"].state == State::Failed && !bench.starves());
}
