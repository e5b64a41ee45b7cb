//! Who only looks for trouble finds what somebody finds who samples everything.

use crate::Priority;
use crate::event::types::GapOpened;
use crate::event::{BusConfig, BusSnapshot, EventBus, NameId, Received};
use crate::flow::{
    DataFlowCoordinator, FlowMonitor, Inflow, Inflowed, Node, NodeError, Out, PipelineConfig, Ports,
    Telemetry,
};
use crate::metrics::{Alert, Metric, Rule};
use crate::pressure::Strategy;
use crate::task::{Clock, Executor, Needs, Place, Rest, SpawnError, Spawner, StepClock, Task, TaskHandle};
use crate::transform::Shape;
use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{Frames, StreamFormat};
use pcmflow_core::health::HealthConfig;
use pcmflow_core::ledger::{Gap, LossCause};
use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const MS: u64 = 1_000_000;
const BLOCK: u64 = 480;

/// What the source does each 10 ms.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Does {
    Gives,
    GivesLate,
    Loses,
    Nothing,
}

struct Scripted(Arc<AtomicU64>, StreamFormat, u64);

impl Inflow for Scripted {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let now_ns = out.now_ns();
        if now_ns < self.2 {
            return Ok(Inflowed::Until(self.2));
        }
        self.2 = now_ns + 10 * MS;
        let (does, position) = (self.0.load(Ordering::Relaxed), out.position());
        if does == Does::Loses as u64 {
            out.gap(Gap { position, frames: Frames(BLOCK), cause: LossCause::Device });
        } else if does != Does::Nothing as u64 {
            let mut buffer = out.pool().acquire(BLOCK as usize, Miss::Grow)?;
            let _ = buffer.extend_from_slice(&[0.5; BLOCK as usize]);
            let late_ns = if does == Does::GivesLate as u64 { 50 * MS } else { 0 };
            let timestamp_ns = now_ns.saturating_sub(late_ns);
            let meta =
                ChunkMeta { format: self.1, position, sequence: 0, timestamp_ns, complete_ns: timestamp_ns };
            out.chunk(AudioChunk::new(buffer.into_shared(), meta)?);
        }
        Ok(Inflowed::More)
    }
}

struct Takes;

impl Node for Takes {
    fn chunk(&mut self, _: usize, _: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        Ok(())
    }
}

/// What happens for so many milliseconds, and whether the sink's executor runs meanwhile.
const SCRIPT: [(Does, u64, bool); 15] = [
    (Does::Gives, 15_000, true),
    (Does::Loses, 30, true),
    (Does::Gives, 20_000, true),
    // Eight of a thousand are no trouble, until there are no others.
    (Does::GivesLate, 80, true),
    (Does::Nothing, 9_900, true),
    (Does::Gives, 25_000, true),
    (Does::Nothing, 100, true),
    (Does::Gives, 20_000, true),
    // The link is full, and loses what comes.
    (Does::Gives, 3_000, false),
    (Does::Gives, 30_000, true),
    (Does::GivesLate, 400, true),
    (Does::Gives, 25_000, true),
    (Does::Loses, 10, true),
    (Does::Nothing, 12_000, true),
    (Does::Gives, 15_000, true),
];

#[test]
fn who_watches_raises_and_clears_what_who_samples_does() {
    let (mut executor, spawner) = Executor::new(16).unwrap();
    let (mut other, other_spawner) = Executor::new(16).unwrap();
    let (bus, _task) = EventBus::new(BusConfig::default());
    executor.publish_by(bus.publisher(NameId::NONE).unwrap());
    let clock = Arc::new(StepClock::default());
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    let mut flow = DataFlowCoordinator::new(Apart(spawner, other_spawner), pool);
    flow.observe(Telemetry { bus, clock: clock.clone(), meters: Some(HealthConfig::default()) }).unwrap();
    let does = Arc::new(AtomicU64::new(0));
    let format = StreamFormat::new(48_000, 1).unwrap();
    flow.add_source("in", Shape::new(format), true, Box::new(Scripted(does.clone(), format, 0))).unwrap();
    flow.add_node("out", Ports { may_block: true, ..Ports::sink(None) }, Box::new(Takes)).unwrap();
    let pipeline = PipelineConfig { strategy: Strategy::DropNewest, ..PipelineConfig::new("in", "out") };
    flow.connect(pipeline).unwrap();
    flow.start().unwrap();

    let mut samples = FlowMonitor::new(100 * MS, Rule::defaults(), 0).unwrap();
    let mut watches = FlowMonitor::new(100 * MS, Rule::defaults(), 0).unwrap();
    let mut seen: BTreeSet<Metric> = BTreeSet::new();
    let metric_of = |alert: &Alert| {
        Rule::defaults().into_iter().find(|rule| rule.name == alert.rule).map(|rule| rule.metric)
    };
    for (step, (now_does, ms, sink_runs)) in SCRIPT.into_iter().enumerate() {
        does.store(now_does as u64, Ordering::Relaxed);
        let until_ns = clock.now_ns() + ms * MS;
        while clock.now_ns() < until_ns {
            while executor.run(&*clock) == Rest::No {}
            while sink_runs && other.run(&*clock) == Rest::No {}
            let now_ns = clock.now_ns();
            if now_ns >= samples.due_ns() {
                let told = samples.sample(now_ns, &mut flow, &BTreeMap::new(), BusSnapshot::default());
                watches.watch(now_ns, &mut flow);
                let watched: Vec<_> = watches.alerts.active().cloned().collect();
                assert_eq!(watched, told.alerts, "step {step}, at {} ms", now_ns / MS);
                seen.extend(told.alerts.iter().filter_map(metric_of));
            }
            clock.advance(5 * MS);
        }
    }
    let flows = [
        Metric::LatencyP99Ppm,
        Metric::FramesDropped,
        Metric::LinkPressure,
        Metric::StarvedEpisodes,
        Metric::HealthScore,
    ];
    assert!(flows.iter().all(|metric| seen.contains(metric)), "{seen:?}");
    assert_eq!(watches.alerts(), 0, "it is all over");
}

/// The sink has an executor of its own.
struct Apart(Spawner, Spawner);

impl Place for Apart {
    fn place(&self, needs: Needs, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        if needs.may_block { self.1.place(needs, task) } else { self.0.place(needs, task) }
    }
}

/// A sink that writes down what is missing.
struct Notes(Arc<Mutex<Vec<Gap>>>);

impl Node for Notes {
    fn chunk(&mut self, _: usize, _: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        Ok(())
    }

    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.0.lock().unwrap().push(gap);
        Ok(())
    }
}

/// Whoever looks sees what a link loses while its consumer stands, and counts none of it again when that goes on.
#[test]
fn what_a_link_loses_is_counted_and_told_while_its_consumer_stands() {
    for (_, strategy) in Strategy::ALL {
        let (mut executor, spawner) = Executor::new(16).unwrap();
        let (mut other, other_spawner) = Executor::new(16).unwrap();
        let (bus, task) = EventBus::new(BusConfig::default());
        spawner.spawn(Priority::Critical, Box::new(task)).unwrap();
        executor.publish_by(bus.publisher(NameId::NONE).unwrap());
        other.publish_by(bus.publisher(NameId::NONE).unwrap());
        let clock = Arc::new(StepClock::default());
        let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
        let mut flow = DataFlowCoordinator::new(Apart(spawner, other_spawner), pool);
        let mut opened = bus.subscribe::<GapOpened>(64).unwrap();
        let pipeline_id = bus.names().id("in→out");
        let meters = Some(HealthConfig::default());
        flow.observe(Telemetry { bus, clock: clock.clone(), meters }).unwrap();
        let (does, gaps) = (Arc::new(AtomicU64::new(Does::Gives as u64)), Arc::default());
        let format = StreamFormat::new(48_000, 1).unwrap();
        let source = Scripted(does, format, 0);
        flow.add_source("in", Shape::new(format), true, Box::new(source)).unwrap();
        let ports = Ports { may_block: true, ..Ports::sink(None) };
        flow.add_node("out", ports, Box::new(Notes(Arc::clone(&gaps)))).unwrap();
        flow.connect(PipelineConfig { strategy, ..PipelineConfig::new("in", "out") }).unwrap();
        flow.add_node("other", Ports::sink(None), Box::new(Takes)).unwrap();
        flow.connect(PipelineConfig::new("in", "other")).unwrap();
        flow.start().unwrap();
        let mut samples = FlowMonitor::new(100 * MS, Rule::defaults(), 0).unwrap();
        let mut watches = FlowMonitor::new(100 * MS, Rule::defaults(), 0).unwrap();
        let mut told = Vec::new();
        for sink_runs in [false, true] {
            let (mut last, until_ns) = (None, clock.now_ns() + 1_000 * MS);
            while clock.now_ns() < until_ns {
                while executor.run(&*clock) == Rest::No {}
                while sink_runs && other.run(&*clock) == Rest::No {}
                let now_ns = clock.now_ns();
                if now_ns >= samples.due_ns() {
                    last = Some(samples.sample(now_ns, &mut flow, &BTreeMap::new(), BusSnapshot::default()));
                    watches.watch(now_ns, &mut flow);
                }
                clock.advance(5 * MS);
            }
            let link = last.unwrap().links.remove("in→out").unwrap();
            assert!(link.lost.total() > Frames(50 * BLOCK), "{strategy}: {}", link.lost.total().0);
            assert_eq!(link.flow.total.frames_dropped, link.lost.total().0, "{strategy}");
            assert!(link.flow.last_10_s.overruns > 0 && link.flow.last_10_s.score < 70, "{strategy}");
            for monitor in [&samples, &watches] {
                let mut alerts = monitor.alerts.active();
                assert!(alerts.any(|alert| (&*alert.rule, &*alert.subject) == ("loss", "link in→out")));
            }
            while let Some(Received::Event(event)) = opened.receive() {
                assert_eq!((event.event.edge, sink_runs), (pipeline_id, false), "{strategy}");
                told.push(event.event.position);
            }
        }
        // The sink knows where it was.
        let gaps = gaps.lock().unwrap();
        assert_eq!(told, [gaps[0].position], "{strategy}");
    }
}
