//! Flows on real threads, with sources and consumers that misbehave. The check of the ledger does not trust it: the source
//! stamps each frame with its number, and the consumer notes which arrived.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop at the first surprise

use pcmflow::core::block::{BlockSize, BufferConstants};
use pcmflow::core::chunk::AudioChunk;
use pcmflow::core::format::{Frames, StreamFormat};
use pcmflow::core::ledger::{Gap, LossCause};
use pcmflow::core::stream::Overflow;
use pcmflow::io::{Source, SourceError};
use pcmflow::runtime::{
    ChunkCx, Consumer, ConsumerError, Flow, FlowConfig, FlowReport, Inject, Pacing, RunningFlow, Stop,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

/// Notes which frames arrived and which were told to be lost; fails or panics at a chunk where asked to.
#[derive(Default)]
struct Witness {
    arrived: Vec<u64>,
    gaps: Vec<Gap>,
    ended: bool,
    fail_at: Option<u64>,
    panic_at: Option<u64>,
}

impl Consumer for Witness {
    fn chunk(&mut self, chunk: &AudioChunk, _: &ChunkCx) -> Result<(), ConsumerError> {
        if self.panic_at == Some(chunk.sequence()) {
            panic!("the consumer panicked, as it was told to");
        }
        if self.fail_at == Some(chunk.sequence()) {
            return Err("the consumer failed, as it was told to".into());
        }
        for frame in chunk.samples().chunks_exact(chunk.channels().get()) {
            assert!(frame.iter().all(|sample| sample == &frame[0]), "a frame was torn");
            self.arrived.push(frame[0] as u64);
        }
        Ok(())
    }
    fn gap(&mut self, gap: Gap) -> Result<(), ConsumerError> {
        self.gaps.push(gap);
        Ok(())
    }
    fn end(&mut self) -> Result<(), ConsumerError> {
        self.ended = true;
        Ok(())
    }
}

fn config(pacing: Pacing, overflow: Overflow, inject: Option<Inject>) -> FlowConfig {
    FlowConfig { block: BufferConstants::PRODUCTION, pacing, overflow, inject }
}

/// Each frame up to `frames` arrived once or lies in one gap, and the report says the same.
fn assert_tiles(witness: &Witness, report: &FlowReport, frames: u64) {
    let mut fate = vec![0u32; frames as usize];
    for stamp in &witness.arrived {
        fate[*stamp as usize] += 1;
    }
    for gap in &witness.gaps {
        for slot in &mut fate[gap.position.0 as usize..gap.end().0 as usize] {
            *slot += 1;
        }
    }
    assert!(fate.iter().all(|count| *count == 1), "arrivals and gaps do not tile the timeline");
    let lost: u64 = witness.gaps.iter().map(|gap| gap.frames.0).sum();
    assert_eq!(report.balance.frames_in, Frames(frames));
    assert_eq!(report.balance.delivered, Frames(witness.arrived.len() as u64));
    assert_eq!(report.balance.dropped.total(), Frames(lost));
    assert_eq!(report.balance.in_flight, Frames(0));
    assert_eq!(report.balance.unaccounted, Frames(0));
    assert_eq!(report.settled.unaccounted, Frames(0));
    assert_eq!(report.gaps.iter().map(|gap| gap.frames.0).sum::<u64>(), lost);
}

#[test]
fn a_fast_flow_loses_nothing_however_slow_its_consumer() {
    for (frames, channels, block) in [(1, 1, 1024), (100_000, 2, 256), (10_000, 7, 2048), (3_000, 64, 2048)] {
        let inject = Some(Inject::SlowConsumer(Duration::from_millis(2)));
        let config = FlowConfig {
            block: BlockSize::new(Frames(block)).unwrap(),
            ..config(Pacing::Fast, Overflow::DropNewest, inject)
        };
        let running = Flow::start(stamps(frames, channels), Witness::default(), config, Stop::new()).unwrap();
        let (witness, report) = running.join();
        assert!(witness.ended && witness.gaps.is_empty());
        assert_tiles(&witness, &report, frames);
        assert_eq!(report.xruns, 0);
        assert!(report.peak_bytes > 0);
    }
}

#[test]
fn what_a_slow_consumer_makes_a_live_source_lose_tiles_the_timeline() {
    for overflow in [Overflow::Reject, Overflow::DropNewest, Overflow::EvictOldest] {
        let inject = Some(Inject::SlowConsumer(Duration::from_millis(60)));
        let config = config(Pacing::RealTime, overflow, inject);
        let running = Flow::start(stamps(72_000, 2), Witness::default(), config, Stop::new()).unwrap();
        let (witness, report) = running.join();
        assert!(
            witness.ended && report.balance.dropped[LossCause::Overflow] > Frames(0),
            "{overflow} lost nothing"
        );
        assert!(report.xruns > 0);
        assert_tiles(&witness, &report, 72_000);
        let [ring, link] = report.edges;
        if overflow == Overflow::EvictOldest {
            assert!(link.evicted[LossCause::Overflow] > Frames(0) && ring.lost.total() == Frames(0));
            assert_eq!(witness.arrived.last(), Some(&71_999), "the newest block is never evicted");
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
        let config = config(Pacing::RealTime, overflow, inject);
        let running = Flow::start(stamps(60_000, 1), Witness::default(), config, Stop::new()).unwrap();
        let (witness, report) = running.join();
        assert!(!witness.gaps.is_empty());
        assert_tiles(&witness, &report, 60_000);
    }
}

#[test]
fn what_a_failing_consumer_leaves_is_booked() {
    for (pacing, overflow) in [
        (Pacing::Fast, Overflow::Reject),
        (Pacing::RealTime, Overflow::Reject),
        (Pacing::RealTime, Overflow::EvictOldest),
    ] {
        let witness = Witness { fail_at: Some(5), ..Witness::default() };
        let config = config(pacing, overflow, None);
        let running = Flow::start(stamps(48_000, 1), witness, config, Stop::new()).unwrap();
        let (witness, report) = running.join();
        assert!(report.consumer_error.unwrap().to_string().contains("as it was told to"));
        assert_eq!((witness.arrived.len(), witness.ended), (5 * 1024, false));
        assert!(report.balance.dropped[LossCause::DeadModule] >= Frames(1024));
        assert_eq!(report.balance.unaccounted, Frames(0));
    }
}

#[test]
fn a_panic_of_the_consumer_comes_out_of_join_and_hangs_nothing() {
    let witness = Witness { panic_at: Some(3), ..Witness::default() };
    let running =
        Flow::start(stamps(1 << 30, 1), witness, config(Pacing::Fast, Overflow::Reject, None), Stop::new())
            .unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| running.join().0));
    assert!(panicked.is_err());
}

/// Keeps every chunk, as a consumer may that wants to look back.
struct Keeper(Vec<AudioChunk>);

impl Consumer for Keeper {
    fn chunk(&mut self, chunk: &AudioChunk, _: &ChunkCx) -> Result<(), ConsumerError> {
        self.0.push(chunk.clone());
        Ok(())
    }
}

#[test]
fn a_consumer_may_keep_chunks() {
    let config = config(Pacing::Fast, Overflow::Reject, None);
    let running = Flow::start(stamps(200_000, 1), Keeper(Vec::new()), config, Stop::new()).unwrap();
    let (keeper, report) = running.join();
    assert_eq!(report.balance.delivered, Frames(200_000));
    for (chunk, first) in keeper.0.iter().zip((0u64..).step_by(1024)) {
        assert_eq!(chunk.samples()[0] as u64, first, "a buffer was used again while it was kept");
    }
}

/// Keeps every chunk as long as it may.
struct Hoarder {
    witness: Witness,
    hoard: Arc<Mutex<Option<Vec<AudioChunk>>>>,
}

impl Consumer for Hoarder {
    fn chunk(&mut self, chunk: &AudioChunk, cx: &ChunkCx) -> Result<(), ConsumerError> {
        if let Some(hoard) = &mut *self.hoard.lock().unwrap() {
            hoard.push(chunk.clone());
        }
        self.witness.chunk(chunk, cx)
    }
    fn gap(&mut self, gap: Gap) -> Result<(), ConsumerError> {
        self.witness.gap(gap)
    }
}

#[test]
fn the_ring_evicts_when_there_is_no_buffer_for_what_it_holds() {
    // A second of this is all that the pool may hold.
    let format = StreamFormat::new(192_000, 64).unwrap();
    let source = Box::new(Stamps { format, ..*stamps(1 << 24, 1) });
    let hoard = Arc::new(Mutex::new(Some(Vec::new())));
    let hoarder = Hoarder { witness: Witness::default(), hoard: hoard.clone() };
    let stop = Stop::new();
    let config = FlowConfig {
        block: BlockSize::new(Frames(2048)).unwrap(),
        ..config(Pacing::RealTime, Overflow::EvictOldest, None)
    };
    let running = Flow::start(source, hoarder, config, stop.clone()).unwrap();
    wait_for(&running, |running| {
        let now = running.snapshot();
        now.ring >= now.ring_capacity
    });
    let full = running.snapshot().frames_in;
    wait_for(&running, |running| running.snapshot().frames_in > full + Frames(4096));
    *hoard.lock().unwrap() = None;
    stop.ask();
    let (hoarder, report) = running.join();
    assert!(report.edges[0].evicted[LossCause::Overflow] > Frames(0), "{:?}", report.edges);
    assert_tiles(&hoarder.witness, &report, report.balance.frames_in.0);
}

/// A source that panics at its third read.
struct Bomb(u32);

impl Source for Bomb {
    fn format(&self) -> StreamFormat {
        StreamFormat::new(48_000, 1).unwrap()
    }
    fn read(&mut self, out: &mut [f32]) -> Result<Frames, SourceError> {
        self.0 += 1;
        assert!(self.0 < 3, "the source panicked, as it was told to");
        out.fill(0.0);
        Ok(Frames(out.len() as u64))
    }
}

#[test]
fn a_panic_of_the_source_comes_out_of_join() {
    let running = Flow::start(
        Box::new(Bomb(0)),
        Witness::default(),
        config(Pacing::Fast, Overflow::Reject, None),
        Stop::new(),
    )
    .unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| running.join().0));
    assert!(panicked.is_err());
}

#[test]
fn losses_before_a_source_hangs_have_their_place_too() {
    let (release, hang): (Sender<()>, _) = channel();
    let source = Box::new(Stamps { hang: Some(hang), ..*stamps(40_000, 1) });
    let stop = Stop::new();
    let lasts = Duration::from_secs(2);
    let inject = Some(Inject::Stall { lasts, at: Duration::from_millis(20) });
    let running =
        Flow::start(source, Witness::default(), config(Pacing::Live, Overflow::Reject, inject), stop.clone())
            .unwrap();
    wait_for(&running, |running| running.snapshot().frames_in == Frames(40_000));
    stop.ask();
    let (witness, report) = running.join();
    assert!(report.balance.dropped.total() > Frames(0), "the stall lost nothing");
    assert_tiles(&witness, &report, 40_000);
    drop(release);
}

#[test]
fn a_wish_to_stop_ends_an_endless_flow_with_balanced_books() {
    for pacing in [Pacing::Fast, Pacing::RealTime, Pacing::Live] {
        let stop = Stop::new();
        // A source that may wait for room does so when the wish comes: the ring is as full as it gets.
        let waits = pacing == Pacing::Fast;
        let inject = waits.then_some(Inject::SlowConsumer(Duration::from_millis(20)));
        let source = stamps(1 << 40, 2);
        let made = source.made.clone();
        let config = config(pacing, Overflow::Reject, inject);
        let running = Flow::start(source, Witness::default(), config, stop.clone()).unwrap();
        wait_for(&running, |running| {
            let now = running.snapshot();
            now.delivered > Frames(4096) && (!waits || now.ring + Frames(128) > now.ring_capacity)
        });
        stop.ask();
        let (witness, report) = running.join();
        assert!(witness.ended);
        assert!(!waits || report.balance.dropped.total() == Frames(0), "{:?}", report.balance);
        // Also what the source had made ahead of time.
        assert_tiles(&witness, &report, made.load(Ordering::Relaxed));
    }
}

fn wait_for<C: Consumer>(running: &RunningFlow<C>, reached: impl Fn(&RunningFlow<C>) -> bool) {
    for _ in 0..2_000 {
        if reached(running) {
            return;
        }
        running.wait(Duration::from_millis(5));
    }
    panic!("not reached within 10 s");
}

#[test]
fn a_source_that_hangs_in_a_read_is_given_up_and_what_it_brought_is_delivered() {
    let (release, hang): (Sender<()>, _) = channel();
    let source = Box::new(Stamps { hang: Some(hang), ..*stamps(2_500, 1) });
    let stop = Stop::new();
    let config = config(Pacing::Live, Overflow::Reject, None);
    let running = Flow::start(source, Witness::default(), config, stop.clone()).unwrap();
    wait_for(&running, |running| running.snapshot().delivered == Frames(2048));
    stop.ask();
    let (witness, report) = running.join();
    assert!(witness.ended);
    assert_tiles(&witness, &report, 2_500);
    drop(release);
}
