//! Flows on real threads, with sources and consumers that misbehave. The check of the ledger does not trust it: the source
//! stamps each frame with its number, and the consumer notes which arrived.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop at the first surprise

use pcmflow::core::block::BlockSize;
use pcmflow::core::chunk::AudioChunk;
use pcmflow::core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow::core::ledger::{Balance, EdgeSnapshot, Gap, LossCause};
use pcmflow::core::pool::{BufferRecyclingPool, ClassConfig, PoolConfig};
use pcmflow::core::pressure::PressureStats;
use pcmflow::core::stream::Overflow;
use pcmflow::engine::flow::{
    DataFlowCoordinator, FlowBooks, FlowStatus, Node, NodeError, Out, PipelineConfig, Ports, State,
};
use pcmflow::engine::pressure::Strategy;
use pcmflow::engine::transform::Shape;
use pcmflow::io::{Source, SourceError};
use pcmflow::nodes::{FaultyNode, GapLog, Gaps, Inject};
use pcmflow::runtime::{Clock, Input, InputConfig, InputError, Pacing, Stop, Threads, ThreadsConfig};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Yields `frames` frames, each sample the number of its frame; then ends, or hangs until its `release` is dropped.
struct Stamps {
    format: StreamFormat,
    next: u64,
    frames: u64,
    hang: Option<Receiver<()>>,
    /// Frames made, by the source's own count, for who has given the source away.
    made: Arc<AtomicU64>,
}

impl Source for Stamps {
    fn format(&self) -> StreamFormat {
        self.format
    }
    fn read(&mut self, out: &mut [f32]) -> Result<Frames, SourceError> {
        let channels = self.format.channels.get();
        let mut frames = 0;
        for frame in out.chunks_exact_mut(channels) {
            if self.next == self.frames {
                break;
            }
            frame.fill(self.next as f32);
            self.next += 1;
            frames += 1;
        }
        if frames == 0
            && let Some(hang) = &self.hang
        {
            let _ = hang.recv();
        }
        self.made.store(self.next, Ordering::Relaxed);
        Ok(Frames(frames))
    }
}

fn stamps(frames: u64, channels: u32) -> Box<Stamps> {
    let format = StreamFormat::new(48_000, channels).unwrap();
    Box::new(Stamps { format, next: 0, frames, hang: None, made: Arc::default() })
}

/// What a witness saw.
#[derive(Default)]
struct Seen {
    arrived: Vec<u64>,
    gaps: Vec<Gap>,
    ended: bool,
}

/// Notes which frames arrived and which were told to be lost; fails or panics at a chunk where asked to.
#[derive(Default)]
struct Witness {
    seen: Arc<Mutex<Seen>>,
    fail_at: Option<u64>,
    panic_at: Option<u64>,
}

impl Node for Witness {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        if self.panic_at == Some(chunk.sequence()) {
            panic!("the consumer panicked, as it was told to");
        }
        if self.fail_at == Some(chunk.sequence()) {
            return Err("the consumer failed, as it was told to".into());
        }
        let mut seen = self.seen.lock().unwrap();
        for frame in chunk.samples().chunks_exact(chunk.channels().get()) {
            assert!(frame.iter().all(|sample| sample == &frame[0]), "a frame was torn");
            seen.arrived.push(frame[0] as u64);
        }
        Ok(())
    }
    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.seen.lock().unwrap().gaps.push(gap);
        Ok(())
    }
    fn end(&mut self, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.seen.lock().unwrap().ended = true;
        Ok(())
    }
}

/// How a flow is built.
#[derive(Clone, Copy)]
struct Config {
    input: InputConfig,
    inject: Option<Inject>,
}

fn config(pacing: Pacing, overflow: Overflow, inject: Option<Inject>) -> Config {
    Config { input: InputConfig { pacing, overflow, ..InputConfig::default() }, inject }
}

/// A source, a ring, a link and a sink, on threads.
struct Flow {
    input: Input,
    flow: DataFlowCoordinator,
    threads: Threads,
    pool: BufferRecyclingPool,
    log: GapLog,
}

/// A flow that is over.
struct Report {
    balance: Balance,
    edges: Vec<EdgeSnapshot>,
    books: FlowBooks,
    status: FlowStatus,
    gaps: Gaps,
    pressure: PressureStats,
    error: Option<Arc<InputError>>,
    peak_bytes: usize,
}

impl Flow {
    fn start(source: Box<dyn Source>, node: impl Node + 'static, config: Config) -> Self {
        let clock = Clock::start();
        let threads = Threads::start(ThreadsConfig::default(), clock).unwrap();
        let (mut input, inflow) = Input::new("source", source, config.input, clock).unwrap();
        let samples = config.input.block.frames().samples(input.format().channels);
        let class = ClassConfig { samples, buffers_max: ClassConfig::BUFFERS_MAX, buffers_prewarm: 10 };
        let pool =
            BufferRecyclingPool::new(PoolConfig { classes: vec![class], ..PoolConfig::default() }).unwrap();
        let mut flow = DataFlowCoordinator::new(threads.clone(), pool.clone());
        let (shape, rate) = (Shape::new(input.format()), input.format().rate);
        flow.add_source("source", shape, input.is_live(), Box::new(inflow)).unwrap();
        let (node, log) = match config.inject {
            Some(inject) => GapLog::around(FaultyNode::new(node, inject, rate, Stop::new())),
            None => GapLog::around(node),
        };
        flow.add_node("sink", Ports { may_block: true, ..Ports::sink(None) }, node).unwrap();
        let evicts = input.is_live() && config.input.overflow == Overflow::EvictOldest;
        let strategy = if evicts { Strategy::DropOldest } else { Strategy::Block };
        flow.connect(PipelineConfig { packets: 8, strategy, ..PipelineConfig::new("source", "sink") })
            .unwrap();
        flow.start().unwrap();
        input.start().unwrap();
        Self { input, flow, threads, pool, log }
    }

    fn delivered(&self) -> Frames {
        self.flow.status().nodes["sink"].given.delivered
    }

    fn wait_for(&mut self, what: &str, reached: impl Fn(&mut Self) -> bool) {
        let start = Instant::now();
        while !reached(self) {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}: not reached within 20 s");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until it is over, and closes its books.
    fn join(mut self) -> Report {
        self.wait_for("the sink's end", |flow| {
            flow.input.is_running();
            flow.log.wait(Duration::from_millis(5))
        });
        // It may have gone first.
        self.input.end();
        self.wait_for("the end", |flow| !flow.input.is_running() && flow.flow.is_over());
        let (books, status) = (self.flow.books(), self.flow.status());
        let (balance, edges) =
            books.balance(self.input.frames_in(), &[self.input.ring()], "sink").expect("all is over");
        let end = books.nodes["sink"].given.unwrap().position();
        assert_eq!(self.threads.stop(), []);
        Report {
            balance,
            edges,
            gaps: self.log.close(end),
            books,
            status,
            pressure: self.input.pressure(),
            error: self.input.error(),
            peak_bytes: self.input.storage_bytes() + self.pool.metrics().held_bytes_peak,
        }
    }
}

/// Each frame up to `frames` arrived once or lies in one gap, and the report says the same.
fn assert_tiles(seen: &Seen, report: &Report, frames: u64) {
    let mut fate = vec![0u32; frames as usize];
    for stamp in &seen.arrived {
        fate[*stamp as usize] += 1;
    }
    for gap in &seen.gaps {
        for slot in &mut fate[gap.position.0 as usize..gap.end().0 as usize] {
            *slot += 1;
        }
    }
    assert!(fate.iter().all(|count| *count == 1), "arrivals and gaps do not tile the timeline");
    let lost: u64 = seen.gaps.iter().map(|gap| gap.frames.0).sum();
    assert_eq!(report.balance.frames_in, Frames(frames));
    assert_eq!(report.balance.delivered, Frames(seen.arrived.len() as u64));
    assert_eq!(report.balance.dropped.total(), Frames(lost));
    assert_eq!(report.balance.in_flight, Frames(0));
    assert_eq!(report.balance.unaccounted, Frames(0));
    assert_eq!(report.books.unaccounted(), Frames(0));
    let settled = report.status.nodes["sink"].settled;
    assert!(settled.is_none_or(|settled| settled.unaccounted == Frames(0)), "{settled:?}");
    assert!(settled.is_some() || frames < 12_000, "cut marks come by every quarter of a second");
    // One for each run of losses with one cause.
    assert_eq!((&report.gaps.first, report.gaps.total), (&seen.gaps, seen.gaps.len() as u64));
    let split = |pair: &[Gap]| pair[0].end() == pair[1].position && pair[0].cause == pair[1].cause;
    assert!(!seen.gaps.windows(2).any(split), "one run of losses was told as two gaps");
}

#[test]
fn a_fast_flow_loses_nothing_however_slow_its_consumer() {
    for (frames, channels, block) in [(1, 1, 1024), (100_000, 2, 256), (10_000, 7, 2048), (3_000, 64, 2048)] {
        let inject = Some(Inject::SlowConsumer(Duration::from_millis(2)));
        let mut config = config(Pacing::Fast, Overflow::DropNewest, inject);
        config.input.block = BlockSize::new(Frames(block)).unwrap();
        let witness = Witness::default();
        let seen = witness.seen.clone();
        let report = Flow::start(stamps(frames, channels), witness, config).join();
        let seen = seen.lock().unwrap();
        assert!(seen.ended && seen.gaps.is_empty());
        assert_tiles(&seen, &report, frames);
        assert!(report.edges.iter().all(|edge| edge.overruns == 0));
        assert!(report.peak_bytes > 0);
    }
}

#[test]
fn what_a_slow_consumer_makes_a_live_source_lose_tiles_the_timeline() {
    for overflow in [Overflow::Reject, Overflow::DropNewest, Overflow::EvictOldest] {
        let inject = Some(Inject::SlowConsumer(Duration::from_millis(60)));
        let witness = Witness::default();
        let seen = witness.seen.clone();
        let report =
            Flow::start(stamps(72_000, 2), witness, config(Pacing::RealTime, overflow, inject)).join();
        let seen = seen.lock().unwrap();
        assert!(
            seen.ended && report.balance.dropped[LossCause::Overflow] > Frames(0),
            "{overflow} lost nothing"
        );
        assert!(report.edges.iter().any(|edge| edge.overruns > 0));
        assert_tiles(&seen, &report, 72_000);
        let ring = report.edges[0];
        if overflow == Overflow::EvictOldest {
            let link = report.books.pipelines["source→sink"].edge.unwrap();
            assert!(link.evicted[LossCause::Overflow] > Frames(0) && ring.lost.total() == Frames(0));
            assert_eq!(seen.arrived.last(), Some(&71_999), "the newest block is never evicted");
        } else {
            assert!(ring.lost[LossCause::Overflow] > Frames(0) && report.pressure.episodes > 0);
        }
    }
}

#[test]
fn a_stall_is_one_episode_of_loss() {
    let lasts = Duration::from_millis(700);
    let inject = Some(Inject::Stall { lasts, at: Duration::from_millis(200) });
    for overflow in [Overflow::Reject, Overflow::EvictOldest] {
        let witness = Witness::default();
        let seen = witness.seen.clone();
        let report =
            Flow::start(stamps(60_000, 1), witness, config(Pacing::RealTime, overflow, inject)).join();
        let seen = seen.lock().unwrap();
        assert!(!seen.gaps.is_empty());
        assert_tiles(&seen, &report, 60_000);
    }
}

#[test]
fn what_a_failing_consumer_leaves_is_booked() {
    for (pacing, overflow) in [
        (Pacing::Fast, Overflow::Reject),
        (Pacing::RealTime, Overflow::Reject),
        (Pacing::RealTime, Overflow::EvictOldest),
    ] {
        for panics in [false, true] {
            let (fail_at, panic_at) = if panics { (None, Some(5)) } else { (Some(5), None) };
            let witness = Witness { fail_at, panic_at, ..Witness::default() };
            let seen = witness.seen.clone();
            let report = Flow::start(stamps(48_000, 1), witness, config(pacing, overflow, None)).join();
            let sink = &report.status.nodes["sink"];
            assert_eq!(sink.state, State::Failed);
            assert!(sink.error.as_ref().unwrap().contains("as it was told to"));
            let seen = seen.lock().unwrap();
            assert_eq!((seen.arrived.len(), seen.ended), (5 * 1024, false));
            let dropped = report.balance.dropped;
            assert!(dropped[LossCause::DeadModule] >= Frames(1024));
            assert_eq!((report.balance.unaccounted, report.books.unaccounted()), (Frames(0), Frames(0)));
            // What the report tells of it begins where the witness stopped, and reaches to the end.
            let told = report.gaps.first.last().unwrap();
            assert_eq!((told.position, told.cause), (StreamPosition(5 * 1024), LossCause::DeadModule));
            assert_eq!(told.frames, dropped.total());
        }
    }
}

#[test]
fn a_panic_of_an_endless_flows_consumer_hangs_nothing() {
    let witness = Witness { panic_at: Some(3), ..Witness::default() };
    let config = config(Pacing::Fast, Overflow::Reject, None);
    let report = Flow::start(stamps(1 << 40, 1), witness, config).join();
    assert!(report.status.nodes["sink"].error.as_ref().unwrap().starts_with("panicked: the consumer"));
}

/// Keeps every chunk, as a consumer may that wants to look back.
struct Keeper(Arc<Mutex<Vec<AudioChunk>>>);

impl Node for Keeper {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.0.lock().unwrap().push(chunk);
        Ok(())
    }
}

#[test]
fn a_consumer_may_keep_chunks() {
    let config = config(Pacing::Fast, Overflow::Reject, None);
    let kept = Arc::new(Mutex::new(Vec::new()));
    let report = Flow::start(stamps(200_000, 1), Keeper(kept.clone()), config).join();
    assert_eq!(report.balance.delivered, Frames(200_000));
    for (chunk, first) in kept.lock().unwrap().iter().zip((0u64..).step_by(1024)) {
        assert_eq!(chunk.samples()[0] as u64, first, "a buffer was used again while it was kept");
    }
}

/// Keeps every chunk as long as it may.
struct Hoarder {
    witness: Witness,
    hoard: Arc<Mutex<Option<Vec<AudioChunk>>>>,
}

impl Node for Hoarder {
    fn chunk(&mut self, input: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        if let Some(hoard) = &mut *self.hoard.lock().unwrap() {
            hoard.push(chunk.clone());
        }
        self.witness.chunk(input, chunk, out)
    }
    fn gap(&mut self, input: usize, gap: Gap, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.witness.gap(input, gap, out)
    }
}

#[test]
fn the_ring_evicts_when_there_is_no_buffer_for_what_it_holds() {
    // A second of this is all that the pool may hold.
    let format = StreamFormat::new(192_000, 64).unwrap();
    let source = Box::new(Stamps { format, ..*stamps(1 << 24, 1) });
    let hoard = Arc::new(Mutex::new(Some(Vec::new())));
    let hoarder = Hoarder { witness: Witness::default(), hoard: hoard.clone() };
    let seen = hoarder.witness.seen.clone();
    let mut config = config(Pacing::RealTime, Overflow::EvictOldest, None);
    config.input.block = BlockSize::new(Frames(2048)).unwrap();
    let mut running = Flow::start(source, hoarder, config);
    running.wait_for("a full ring", |flow| flow.input.ring().occupancy >= flow.input.ring_capacity());
    let full = running.input.frames_in();
    running.wait_for("more frames", |flow| flow.input.frames_in() > full + Frames(4096));
    *hoard.lock().unwrap() = None;
    running.input.end();
    let report = running.join();
    assert!(report.edges[0].evicted[LossCause::Overflow] > Frames(0), "{:?}", report.edges);
    assert_tiles(&seen.lock().unwrap(), &report, report.balance.frames_in.0);
}

/// A source that panics, or fails, at its third read.
struct Bomb(u32, bool);

impl Source for Bomb {
    fn format(&self) -> StreamFormat {
        StreamFormat::new(48_000, 1).unwrap()
    }
    fn read(&mut self, out: &mut [f32]) -> Result<Frames, SourceError> {
        self.0 += 1;
        if self.0 == 3 {
            assert!(!self.1, "the source panicked, as it was told to");
            return Err(SourceError::Empty { name: "the bomb".into() });
        }
        out.fill(0.0);
        Ok(Frames(out.len() as u64))
    }
}

#[test]
fn a_source_that_fails_or_panics_ends_the_flow_and_says_why() {
    for panics in [false, true] {
        let config = config(Pacing::Fast, Overflow::Reject, None);
        let report = Flow::start(Box::new(Bomb(0, panics)), Witness::default(), config).join();
        let told = report.error.as_ref().unwrap().to_string();
        assert_eq!(told.contains("panicked, as it was told to"), panics, "{told}");
        // What it brought before was delivered.
        assert_eq!((report.balance.delivered, report.balance.unaccounted), (Frames(2048), Frames(0)));
    }
}

#[test]
fn losses_before_a_source_hangs_have_their_place_too() {
    let (release, hang): (Sender<()>, _) = channel();
    let source = Box::new(Stamps { hang: Some(hang), ..*stamps(40_000, 1) });
    let lasts = Duration::from_secs(2);
    let inject = Some(Inject::Stall { lasts, at: Duration::from_millis(20) });
    let witness = Witness::default();
    let seen = witness.seen.clone();
    let mut running = Flow::start(source, witness, config(Pacing::Live, Overflow::Reject, inject));
    running.wait_for("all frames", |flow| flow.input.frames_in() == Frames(40_000));
    running.input.end();
    let report = running.join();
    assert!(report.balance.dropped.total() > Frames(0), "the stall lost nothing");
    assert_tiles(&seen.lock().unwrap(), &report, 40_000);
    drop(release);
}

#[test]
fn a_wish_to_stop_ends_an_endless_flow_with_balanced_books() {
    for pacing in [Pacing::Fast, Pacing::RealTime, Pacing::Live] {
        // A source that may wait for room does so when the wish comes: the ring is as full as it gets.
        let waits = pacing == Pacing::Fast;
        let inject = waits.then_some(Inject::SlowConsumer(Duration::from_millis(20)));
        let source = stamps(1 << 40, 2);
        let made = source.made.clone();
        let witness = Witness::default();
        let seen = witness.seen.clone();
        let mut running = Flow::start(source, witness, config(pacing, Overflow::Reject, inject));
        running.wait_for("a full ring", |flow| {
            let (ring, capacity) = (flow.input.ring().occupancy, flow.input.ring_capacity());
            flow.delivered() > Frames(4096) && (!waits || ring + Frames(128) > capacity)
        });
        running.input.end();
        let report = running.join();
        let seen = seen.lock().unwrap();
        assert!(seen.ended);
        assert!(!waits || report.balance.dropped.total() == Frames(0), "{:?}", report.balance);
        // Also what the source had made ahead of time.
        assert_tiles(&seen, &report, made.load(Ordering::Relaxed));
    }
}

#[test]
fn a_source_that_hangs_in_a_read_is_given_up_and_what_it_brought_is_delivered() {
    let (release, hang): (Sender<()>, _) = channel();
    let source = Box::new(Stamps { hang: Some(hang), ..*stamps(2_500, 1) });
    let witness = Witness::default();
    let seen = witness.seen.clone();
    let mut running = Flow::start(source, witness, config(Pacing::Live, Overflow::Reject, None));
    running.wait_for("two blocks", |flow| flow.delivered() == Frames(2048));
    running.input.end();
    let report = running.join();
    let seen = seen.lock().unwrap();
    assert!(seen.ended);
    assert_tiles(&seen, &report, 2_500);
    drop(release);
}

/// The device is away between a stop and the next start: the flow goes on, with one gap of that time.
#[test]
fn an_input_that_stops_and_starts_again_leaves_a_gap_of_the_time_between() {
    let witness = Witness::default();
    let seen = witness.seen.clone();
    let mut running =
        Flow::start(stamps(1 << 40, 1), witness, config(Pacing::RealTime, Overflow::Reject, None));
    assert!(matches!(running.input.start(), Err(InputError::Running { .. })));
    for _ in 0..2 {
        let before = running.delivered();
        running.wait_for("some blocks", |flow| flow.delivered() > before + Frames(4096));
        running.input.stop();
        running.wait_for("the stop", |flow| {
            !flow.input.is_running() && flow.input.ring().occupancy == Frames(0)
        });
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(running.flow.status().nodes["source"].state, State::Running);
        running.input.start().unwrap();
    }
    let before = running.delivered();
    running.wait_for("some blocks", |flow| flow.delivered() > before + Frames(4096));
    running.input.end();
    let report = running.join();
    let seen = seen.lock().unwrap();
    let away: Vec<_> = seen.gaps.iter().filter(|gap| gap.cause == LossCause::Device).collect();
    assert_eq!(away.len(), 2);
    assert!(away.iter().all(|gap| gap.frames >= Frames(48 * 50)), "{away:?}");
    assert_eq!(
        report.balance.dropped[LossCause::Device],
        away.iter().map(|gap| gap.frames).fold(Frames(0), |a, b| a + b)
    );
    assert_eq!((report.balance.unaccounted, report.books.unaccounted()), (Frames(0), Frames(0)));
    // The source itself was not read on while it was stopped: what arrived is in order, and nothing else was lost.
    assert!(seen.arrived.windows(2).all(|pair| pair[1] == pair[0] + 1) || seen.gaps.len() > 2);
}

/// A read that hangs keeps the source; when it returns, the input can be started again.
#[test]
fn a_source_that_was_given_up_can_be_started_when_its_read_returns() {
    let (release, hang): (Sender<()>, _) = channel();
    let source = Box::new(Stamps { hang: Some(hang), ..*stamps(2_048, 1) });
    let witness = Witness::default();
    let seen = witness.seen.clone();
    let mut running = Flow::start(source, witness, config(Pacing::Live, Overflow::Reject, None));
    running.wait_for("two blocks", |flow| flow.delivered() == Frames(2048));
    running.input.stop();
    running.wait_for("the giving up", |flow| !flow.input.is_running());
    assert!(matches!(running.input.start(), Err(InputError::Hangs { .. })));
    drop(release);
    // The hang over, its next read is the end.
    running.wait_for("the return", |flow| flow.input.start().is_ok());
    let report = running.join();
    assert!(seen.lock().unwrap().ended);
    assert_eq!((report.balance.delivered, report.balance.unaccounted), (Frames(2048), Frames(0)));
}
