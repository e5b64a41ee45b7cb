//! A session on a clock that stands until it is set: what it looks at, answers and tells.

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::console::{self, answer};
use crate::event::BusConfig;
use crate::event::types;
use crate::flow::{Inflow, Inflowed, Node, NodeError, Out, PipelineConfig, Ports};
use crate::module::Health;
use crate::pressure::Strategy;
use crate::task::{Executor, Rest, StepClock};
use crate::transform::Shape;
use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{Frames, StreamFormat};
use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const MS: u64 = 1_000_000;
const BLOCK: u64 = 480;

/// What the input and the source share: the input opens the tap, the source lets a block through every 10 ms.
#[derive(Debug, Default)]
struct Tap {
    open: AtomicBool,
    frames: AtomicU64,
}

struct TapInput(Arc<Tap>, InputState);

impl Input for TapInput {
    fn start(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.0.open.store(true, Ordering::Relaxed);
        self.1 = InputState::Running;
        Ok(())
    }
    fn stop(&mut self) {
        self.0.open.store(false, Ordering::Relaxed);
        self.1 = InputState::Stopped;
    }
    fn status(&self) -> InputStatus {
        let frames_in = Frames(self.0.frames.load(Ordering::Relaxed));
        InputStatus { state: self.1, frames_in, ring_capacity: Frames(BLOCK), ..InputStatus::default() }
    }
}

struct TapSource(Arc<Tap>, StreamFormat, u64);

impl Inflow for TapSource {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let now_ns = out.now_ns();
        if now_ns < self.2 || !self.0.open.load(Ordering::Relaxed) {
            return Ok(Inflowed::Until(self.2.max(now_ns + MS)));
        }
        self.2 = now_ns + 10 * MS;
        let mut buffer = out.pool().acquire(BLOCK as usize, Miss::Grow)?;
        let _ = buffer.resize(BLOCK as usize, 0.25);
        let (position, sequence) = (out.position(), out.position().0 / BLOCK);
        let meta =
            ChunkMeta { format: self.1, position, sequence, timestamp_ns: now_ns, complete_ns: now_ns };
        out.chunk(AudioChunk::new(buffer.into_shared(), meta)?);
        out.cut(Frames(0));
        self.0.frames.fetch_add(BLOCK, Ordering::Relaxed);
        Ok(Inflowed::More)
    }
}

/// Takes everything, or fails at this position.
struct Takes(u64);

impl Node for Takes {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        if chunk.position().0 >= self.0 { Err("the disk is full".into()) } else { Ok(()) }
    }
}

struct Bench {
    executor: Executor,
    /// Drives the sink `slow`, when it is driven.
    slow: Executor,
    clock: Arc<StepClock>,
    session: Session,
}

/// Two sinks behind one source: `meter`, and `slow`, which nobody drives unless told to.
fn bench(config: Config, fails_at: u64) -> Bench {
    struct Two(crate::task::Spawner, crate::task::Spawner);
    impl crate::task::Place for Two {
        fn place(
            &self,
            needs: crate::task::Needs,
            task: Box<dyn crate::task::Task>,
        ) -> Result<crate::task::TaskHandle, crate::task::SpawnError> {
            if needs.may_block { self.1.place(needs, task) } else { self.0.place(needs, task) }
        }
    }
    let clock = Arc::new(StepClock::default());
    let (mut executor, spawner) = Executor::new(16).unwrap();
    let (mut slow, slow_spawner) = Executor::new(16).unwrap();
    let (bus, task) = EventBus::new(BusConfig::default());
    spawner.spawn(crate::Priority::Critical, Box::new(task)).unwrap();
    executor.publish_by(bus.publisher(bus.names().id("worker")).unwrap());
    slow.publish_by(bus.publisher(bus.names().id("slow worker")).unwrap());
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    let flow = DataFlowCoordinator::new(Two(spawner, slow_spawner), pool);
    let mut session = Session::new(flow, bus, clock.clone(), config).unwrap();
    let tap = Arc::new(Tap::default());
    let format = StreamFormat::new(48_000, 1).unwrap();
    let flow = session.flow();
    let mut flow = locked(&flow);
    let source = TapSource(tap.clone(), format, 0);
    flow.add_source("mic", Shape::new(format), true, Box::new(source)).unwrap();
    flow.add_node("meter", Ports::sink(None), Box::new(Takes(fails_at))).unwrap();
    let blocking = Ports { may_block: true, ..Ports::sink(None) };
    flow.add_node("slow", blocking, Box::new(Takes(u64::MAX))).unwrap();
    for to in ["meter", "slow"] {
        let pipeline =
            PipelineConfig { strategy: Strategy::DropNewest, packets: 8, ..PipelineConfig::new("mic", to) };
        flow.connect(pipeline).unwrap();
    }
    drop(flow);
    session.add_input("mic", Box::new(TapInput(tap, InputState::Waiting))).unwrap();
    Bench { executor, slow, clock, session }
}

impl Bench {
    /// Runs what is driven for so long, and looks whenever that is due.
    fn run(&mut self, ms: u64, slow: bool) {
        let until_ns = self.clock.now_ns() + ms * MS;
        while self.clock.now_ns() < until_ns {
            while self.executor.run(&*self.clock) == Rest::No {}
            if slow {
                while self.slow.run(&*self.clock) == Rest::No {}
            }
            self.session.tick();
            self.clock.advance(MS);
        }
    }

    fn says(&mut self, line: &str) -> String {
        answer(line, &mut self.session).to_string()
    }
}

#[test]
fn a_snapshot_says_what_happened_and_its_books_balance() {
    let mut bench = bench(Config::default(), u64::MAX);
    bench.session.start().unwrap();
    bench.run(1_005, true);
    let now = bench.session.look().clone();
    let way = &now.pipelines["meter"];
    assert_eq!(way.links, ["mic→meter"]);
    assert_eq!((way.state.as_str(), way.flow.total.frames), ("running", 101 * BLOCK));
    assert_eq!((way.ledger.frames_in, way.ledger.delivered), (101 * BLOCK, 101 * BLOCK));
    assert_eq!((way.ledger.unaccounted, way.ledger.settled_position), (0, Some(101 * BLOCK)));
    assert_eq!(now.ledger.frames_in, 2 * 101 * BLOCK, "for each sink");
    assert_eq!(now.nodes["mic"].flow.total.frames, 101 * BLOCK);
    assert_eq!(now.links["mic→slow"].flow.total.chunks, 101);
    assert!(now.alerts.is_empty(), "{:?}", now.alerts);
    assert!(now.events.types.iter().any(|of| of.name == "SourceStarted" && of.taken == 1));
}

#[test]
fn a_slow_sink_is_an_alert_and_events_at_both_edges() {
    let mut bench = bench(Config::default(), u64::MAX);
    let bus = bench.session.bus().clone();
    let mut detected = bus.subscribe::<types::BackpressureDetected>(16).unwrap();
    let mut cleared = bus.subscribe::<types::BackpressureCleared>(16).unwrap();
    let mut opened = bus.subscribe::<types::GapOpened>(64).unwrap();
    let mut raised = bus.subscribe::<types::AlertRaised>(64).unwrap();
    bench.session.start().unwrap();
    bench.run(3_000, false);
    let name = |id| bus.names().name(id).unwrap_or_default();
    let Some(crate::event::Received::Event(told)) = detected.receive() else { panic!("not detected") };
    assert_eq!((&*name(told.event.pipeline), &*name(told.event.slow)), ("mic→slow", "slow"));
    assert!(cleared.receive().is_none());
    // It is told when it begins, while its consumer stands: four chunks and as many cuts are in the link.
    let Some(crate::event::Received::Event(told)) = opened.receive() else { panic!("no gap") };
    assert_eq!((&*name(told.event.edge), told.event.cause.name()), ("mic→slow", "overflow"));
    assert_eq!((told.event.position.0, told.event.frames.0), (4 * BLOCK, BLOCK));
    let mut alerts = Vec::new();
    while let Some(crate::event::Received::Event(told)) = raised.receive() {
        alerts.push(format!("{} {}", name(told.event.alert), name(told.event.subject)));
    }
    assert!(alerts.contains(&"pressure link mic→slow".to_owned()), "{alerts:?}");
    assert!(bench.says("buffer-status").contains("mic→slow"));
    bench.run(100, true);
    let Some(crate::event::Received::Event(told)) = cleared.receive() else { panic!("not cleared") };
    assert!(told.event.duration_ns > 2_000 * MS);
    assert!(opened.receive().is_none(), "it is told once");
    let now = bench.session.look();
    assert_eq!(now.pipelines["slow"].ledger.unaccounted, 0);
    // All others until it went on are lost.
    let lost = now.pipelines["slow"].ledger.dropped.total();
    assert!(lost.0 > 250 * BLOCK);
    assert_eq!(
        (now.links["mic→slow"].lost.total(), now.links["mic→slow"].flow.total.frames_dropped),
        (lost, lost.0)
    );
}

#[test]
fn a_sink_that_fails_is_told_and_the_others_go_on() {
    let mut bench = bench(Config::default(), 10 * BLOCK);
    let mut failures = bench.session.bus().subscribe::<types::PipelineFailure>(16).unwrap();
    bench.session.start().unwrap();
    bench.run(500, true);
    let Some(crate::event::Received::Event(told)) = failures.receive() else { panic!("not told") };
    assert_eq!((told.event.kind, told.event.position.0), (types::FailureKind::DeadModule, 10 * BLOCK));
    let now = bench.session.look();
    assert_eq!(
        (&*now.nodes["meter"].state, now.nodes["meter"].error.as_deref()),
        ("failed", Some("the disk is full"))
    );
    assert_eq!(now.pipelines["slow"].ledger.delivered, 50 * BLOCK);
}

#[test]
fn an_input_stops_and_starts_again_at_the_consoles_word() {
    let mut bench = bench(Config::default(), u64::MAX);
    bench.session.start().unwrap();
    bench.run(100, true);
    assert_eq!(bench.says("input stop mic"), "input mic is stopping\n");
    bench.run(100, true);
    let stopped = bench.session.look().pipelines["meter"].ledger.delivered;
    assert_eq!((stopped, bench.session.inputs()["mic"].state), (10 * BLOCK, InputState::Stopped));
    assert_eq!(bench.says("input start mic"), "input mic is started\n");
    bench.run(100, true);
    assert!(bench.session.look().pipelines["meter"].ledger.delivered >= 19 * BLOCK);
    assert_eq!(bench.says("input stop nic"), "there is no input nic; there are: mic\n");
}

#[test]
fn a_pipeline_is_shut_opened_and_removed() {
    let mut bench = bench(Config::default(), u64::MAX);
    bench.session.start().unwrap();
    bench.run(100, true);
    assert!(bench.says("pipeline stop mic→slow").starts_with("pipeline mic→slow is shut"));
    bench.run(100, true);
    let taken = |bench: &mut Bench| bench.session.look().links["mic→slow"].flow.total.frames;
    assert_eq!(taken(&mut bench), 10 * BLOCK);
    assert!(
        bench.says("pipeline list").lines().any(|line| line.contains("mic→slow") && line.contains("false"))
    );
    assert_eq!(bench.says("pipeline start mic→slow"), "pipeline mic→slow is open\n");
    bench.run(100, true);
    let now = bench.session.look().clone();
    let slow = &now.pipelines["slow"].ledger;
    assert_eq!((slow.delivered, slow.dropped.total().0, slow.unaccounted), (20 * BLOCK, 10 * BLOCK, 0));
    assert_eq!(slow.dropped[pcmflow_core::ledger::LossCause::Shed].0, 10 * BLOCK);
    assert_eq!(bench.says("pipeline remove mic→slow"), "pipeline mic→slow is removed\n");
    assert!(
        bench
            .says("pipeline stop mic→slow")
            .starts_with("there is no pipeline mic→slow; there are: mic→meter")
    );
    bench.run(100, true);
    assert!(!bench.session.look().links.contains_key("mic→slow"));
    assert_eq!(bench.session.snapshot().pipelines["meter"].ledger.delivered, 40 * BLOCK);
    assert_eq!(locked(&bench.session.flow()).books().unaccounted(), Frames(0));
}

#[test]
fn events_and_buffers_are_told_when_that_is_asked_for() {
    let mut bench = bench(Config::default(), u64::MAX);
    bench.session.start().unwrap();
    bench.run(200, true);
    assert_eq!(bench.session.tell(), Vec::<String>::new());
    assert_eq!(bench.says("events on"), "events are told as they come\n");
    assert_eq!(bench.says("buffer-debug on"), "buffers are told as they change\n");
    bench.run(300, false);
    let told = bench.session.tell();
    assert!(told.iter().any(|line| line.contains("ConfigChanged")), "{told:#?}");
    assert!(
        told.iter().any(|line| line.contains("BackpressureDetected") && line.contains("mic→slow")),
        "{told:#?}"
    );
    assert!(
        told.iter().any(|line| line.starts_with("buffer mic→slow: 8 of 8 chunks, back-pressure")),
        "{told:#?}"
    );
    assert!(!bench.session.tell().iter().any(|line| line.contains("mic→slow: 8 of 8")), "told once");
    bench.says("events off");
    bench.says("buffer-debug off");
    bench.run(200, true);
    assert_eq!(bench.session.tell(), Vec::<String>::new());
}

#[test]
fn the_configuration_changes_with_the_modules_agreement_or_not_at_all() {
    struct Stubborn;
    impl Module for Stubborn {
        fn name(&self) -> &str {
            "stubborn"
        }
        fn validate_config(&self, candidate: &Config) -> Result<(), Box<dyn Error + Send + Sync>> {
            if candidate.alerts.hold_ms < 10 {
                Err("alerts.hold_ms must be 10 at least".into())
            } else {
                Ok(())
            }
        }
    }
    let mut bench = bench(Config::default(), u64::MAX);
    bench.session.register(Box::new(Stubborn)).unwrap();
    bench.session.start().unwrap();
    assert!(bench.says("config set alerts.hold_ms 5").contains("alerts.hold_ms must be 10 at least"));
    assert_eq!(bench.session.config().alerts.hold_ms, 1_000);
    bench.run(200, true);
    assert_eq!(bench.says("config set metrics.sample_ms 10"), "metrics.sample_ms is 10\n");
    let (before_ns, due_ns) = (bench.session.look().at_ns, bench.session.due_ns());
    assert_eq!(due_ns, before_ns + 10 * MS, "in force at once");
    let names: Vec<_> = bench.session.modules().into_iter().map(|status| status.name).collect();
    assert_eq!(names.len(), 4);
    assert_eq!(names.last().map(String::as_str), Some("audio-input"), "{names:?}");
}

#[test]
fn modules_say_how_they_are_and_their_states_are_events() {
    let mut bench = bench(Config::default(), u64::MAX);
    let mut states = bench.session.bus().subscribe::<types::ModuleStateChanged>(64).unwrap();
    bench.session.start().unwrap();
    bench.run(5, true);
    let mut running = 0;
    while let Some(crate::event::Received::Event(told)) = states.receive() {
        running += u32::from(told.event.to == ModuleState::Running);
    }
    assert_eq!(running, 3);
    bench.run(3_000, false);
    let health = |bench: &mut Bench, name: &str| {
        bench.session.modules().into_iter().find(|status| status.name == name).unwrap().health
    };
    assert!(matches!(health(&mut bench, "observability"), Health::Degraded(_)));
    assert_eq!(health(&mut bench, "audio-input"), Health::Healthy);
    assert!(bench.session.stop().is_empty());
    assert_eq!(bench.session.inputs()["mic"].state, InputState::Stopped);
}

#[test]
fn every_word_is_answered_as_text_and_as_json() {
    let mut bench = bench(Config::default(), u64::MAX);
    bench.session.start().unwrap();
    bench.run(300, true);
    for line in [
        "buffer-status",
        "buffer-metrics",
        "buffer-reset",
        "pipeline list",
        "pool status",
        "pool trim",
        "pool clear",
        "events",
        "events status",
        "config show",
        "config get flow.strategy",
        "help",
        "help pool",
    ] {
        let told = answer(line, &mut bench.session);
        assert!(told.ok, "{line}: {told}");
        let json: serde_json::Value = serde_json::from_str(&told.to_json()).unwrap();
        assert_eq!(json["ok"], true, "{line}");
        assert!(told.table.is_some() || !told.text.is_empty(), "{line}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&answer("buffer-metrics", &mut bench.session).to_json()).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let meter = rows.iter().find(|row| row["name"] == "mic→meter").unwrap();
    assert_eq!(meter["frames"], 0, "since the reset");
    bench.run(100, true);
    let _: console::Answer = answer("buffer-metrics", &mut bench.session);
    assert_eq!(bench.session.snapshot().links["mic→meter"].flow.total.frames, 10 * BLOCK);
}

#[test]
fn a_part_that_can_not_be_taken_out_now_is_taken_out_the_next_time() {
    struct Swallows;
    impl Node for Swallows {
        fn chunk(&mut self, _: usize, _: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
            Ok(())
        }
    }
    let (mut executor, spawner) = Executor::new(8).unwrap();
    let mut flow =
        DataFlowCoordinator::new(spawner, BufferRecyclingPool::new(PoolConfig::default()).unwrap());
    let format = StreamFormat::new(48_000, 1).unwrap();
    let source = TapSource(Arc::default(), format, 0);
    flow.add_source("source", Shape::new(format), true, Box::new(source)).unwrap();
    let flow = Arc::new(Mutex::new(flow));
    let mut module = FlowModule::new("listening", &[], flow.clone(), |_| {
        let nodes: Vec<(String, Ports, Box<dyn Node>)> = vec![
            ("ear".into(), Ports::sink(None), Box::new(Swallows)),
            ("free".into(), Ports::sink(None), Box::new(Swallows)),
        ];
        Ok(FlowPart { nodes, pipelines: vec![PipelineConfig::new("source", "ear")] })
    });
    let cx = ModuleCx::new(Config::default().into(), 0);
    module.start(&cx).unwrap();
    let clock = StepClock::default();
    executor.run(&clock);
    // Nobody drives the source meanwhile.
    while flow.lock().unwrap().shut("source→ear", true).is_ok() {}
    let refused = module.stop(&cx).unwrap_err().to_string();
    assert!(refused.contains("node source has too many changes waiting"), "{refused}");
    let names = || flow.lock().unwrap().status().nodes.into_keys().collect::<Vec<_>>();
    assert_eq!(names(), ["ear", "source"]);
    executor.run(&clock);
    module.start(&cx).unwrap();
    assert_eq!(names(), ["ear", "free", "source"]);
    executor.run(&clock);
    module.stop(&cx).unwrap();
    assert_eq!(names(), ["source"]);
}

/// Asks of modules take a lock and a look each.
#[test]
fn modules_are_asked_once_a_second_and_a_failure_is_told_within_one() {
    struct Asked(Arc<AtomicU64>);
    impl Module for Asked {
        fn name(&self) -> &str {
            "asked"
        }
        fn health(&self) -> Health {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0..20 => Health::Healthy,
                _ => Health::Failed("asked too often".to_owned()),
            }
        }
    }
    let mut bench = bench(Config::default(), u64::MAX);
    let asked = Arc::new(AtomicU64::new(0));
    bench.session.register(Box::new(Asked(asked.clone()))).unwrap();
    bench.session.start().unwrap();
    bench.run(10_000, true);
    let asked_in_10_s = asked.swap(20, Ordering::Relaxed);
    assert!((9..=12).contains(&asked_in_10_s), "{asked_in_10_s}");
    let mut told = bench.session.bus().subscribe::<types::ModuleStateChanged>(16).unwrap();
    bench.run(1_100, true);
    let Some(crate::event::Received::Event(told)) = told.receive() else { panic!("nothing was told") };
    assert_eq!(told.event.to, ModuleState::Failed);
}

/// Whoever says nothing has the strategy of the configuration, also when that changes; whoever says one keeps it.
#[test]
fn pipelines_without_a_strategy_of_their_own_follow_the_configuration() {
    let mut bench = bench(Config::default(), u64::MAX);
    bench.session.follow_strategy("mic→slow".to_owned());
    bench.session.start().unwrap();
    bench.run(100, true);
    assert!(answer("config set flow.strategy drop-oldest", &mut bench.session).ok);
    bench.run(100, true);
    let flow = bench.session.flow();
    let strategy = |name: &str| locked(&flow).status().pipelines[name].strategy;
    assert_eq!((strategy("mic→slow"), strategy("mic→meter")), (Strategy::DropOldest, Strategy::DropNewest));
    // More changes than a task that is not driven can have waiting, and buffers are told of: it still gets the last.
    assert!(answer("buffer-debug on", &mut bench.session).ok);
    for _ in 0..50 {
        for of in ["block", "throttle"] {
            assert!(answer(format!("config set flow.strategy {of}"), &mut bench.session).ok);
        }
    }
    assert_ne!(strategy("mic→slow"), Strategy::Throttle);
    bench.run(300, true);
    assert_eq!(strategy("mic→slow"), Strategy::Throttle);
}
