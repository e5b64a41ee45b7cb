//! A flow: source, ring, gathering, link and consumer, on three threads.

use super::clock::{Clock, NAP, Stop};
use super::config::{FlowConfig, FlowError, Pacing};
use super::consumer::{ConsumeTask, Consumed, Consumer};
use super::gather::GatherTask;
use super::inject::Injected;
use super::live::Live;
use super::pages::PageMemory;
use super::park::Parker;
use super::report::{FlowReport, FlowSnapshot};
use super::source::{Allowance, SourceEnd, SourceTask};
use crate::core::block::{BufferAnalyzer, BufferConstants};
use crate::core::chunk::{AudioRingBuffer, LinkGauge};
use crate::core::format::{Frames, StreamFormat};
use crate::core::health::{BufferHealthMonitor, HealthConfig};
use crate::core::ledger::{Balance, Timeline};
use crate::core::pool::{BufferRecyclingPool, ClassConfig, PoolConfig};
use crate::core::pressure::BackpressureDetector;
use crate::core::stream::{Overflow, StreamConfig, StreamGauge, stream};
use crate::io::Source;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A source on its way to a consumer: [`start`](Self::start) it.
///
/// ```
/// use pcmflow::core::chunk::AudioChunk;
/// use pcmflow::core::block::BufferConstants;
/// use pcmflow::core::format::Frames;
/// use pcmflow::core::stream::Overflow;
/// use pcmflow::io::SynthSpec;
/// use pcmflow::runtime::{ChunkCx, Consumer, ConsumerError, Flow, FlowConfig, Pacing, Stop};
///
/// struct Peak(f32);
/// impl Consumer for Peak {
///     fn chunk(&mut self, chunk: &AudioChunk, _: &ChunkCx) -> Result<(), ConsumerError> {
///         self.0 = chunk.samples().iter().fold(self.0, |peak, sample| peak.max(sample.abs()));
///         Ok(())
///     }
/// }
///
/// let source = Box::new("sine:440,seconds=1,level=-6.0206".parse::<SynthSpec>()?.source()?);
/// let config = FlowConfig {
///     block: BufferConstants::PRODUCTION, pacing: Pacing::Fast, overflow: Overflow::Reject, inject: None,
/// };
/// let (peak, report) = Flow::start(source, Peak(0.0), config, Stop::new())?.join();
/// assert!((peak.0 - 0.5).abs() < 1e-3, "{}", peak.0);
/// assert_eq!(report.balance.unaccounted, Frames(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Flow;

impl Flow {
    /// Starts the three threads.
    ///
    /// Not RT-safe: allocates, and starts threads.
    ///
    /// # Errors
    /// [`FlowError`] when memory or threads can't be had.
    pub fn start<C: Consumer>(
        source: Box<dyn Source>,
        consumer: C,
        config: FlowConfig,
        stop: Stop,
    ) -> Result<RunningFlow<C>, FlowError> {
        let format = source.format();
        let block = config.block.frames();
        let quantum = BufferConstants::QUANTUM;
        let overflow = if config.pacing == Pacing::Fast { Overflow::Reject } else { config.overflow };
        let capacity = config.ring_frames(format.rate);
        let (writer, reader, ring) = stream(StreamConfig { format, capacity, quantum, overflow })?;
        // Where the freshest frames count, old chunks must not hold them up either.
        let (link, in_hand) = match overflow {
            Overflow::EvictOldest => (AudioRingBuffer::evicting_oldest(FlowConfig::LINK_PACKETS)?, 1),
            _ => (AudioRingBuffer::with_capacity(FlowConfig::LINK_PACKETS)?, 0),
        };
        let link_gauge = link.gauge();
        let (chunks_in, chunks_out) = link.split();
        // One buffer for each place in the link, one that is being filled, one that was taken from its place to be consumed;
        // more when the consumer keeps some.
        let samples = block.samples(format.channels);
        let buffers = FlowConfig::LINK_PACKETS + 1 + in_hand;
        let class = ClassConfig { samples, buffers_max: ClassConfig::BUFFERS_MAX, buffers_prewarm: buffers };
        let pool_config = PoolConfig { classes: vec![class], ..PoolConfig::default() };
        let pool = BufferRecyclingPool::with_memory(pool_config, &PageMemory)?;

        let clock = Clock::start();
        let deadline_ns = config.deadline_ns();
        let health_config = HealthConfig { latency_limit_ns: deadline_ns, ..HealthConfig::default() };
        let (recorder, health) = BufferHealthMonitor::new(health_config, clock.now_ns())?;
        let live = Arc::new(Live::default());
        let (source_parker, gather_parker, consumer_parker) =
            (Parker::default(), Parker::default(), Parker::default());
        let (source_waker, gather_waker, consumer_waker) =
            (source_parker.waker(), gather_parker.waker(), consumer_parker.waker());
        let mut gather = GatherTask {
            analyzer: BufferAnalyzer::new(reader, config.block),
            pool: pool.clone(),
            link: chunks_in,
            live: live.clone(),
            sequence: 0,
            upstream: source_waker,
            downstream: consumer_waker.clone(),
        };
        let mut consume = ConsumeTask {
            consumer,
            link: chunks_out,
            live: live.clone(),
            clock,
            stop: stop.clone(),
            real_time: config.pacing != Pacing::Fast,
            rate: format.rate,
            deadline_ns,
            injected: Injected::new(config.inject),
            health: recorder,
            upstream: gather_waker.clone(),
            timeline: Timeline::default(),
            untold: None,
            gaps: Vec::new(),
            gaps_total: 0,
            error: None,
        };
        let source = SourceTask {
            source,
            writer,
            pacing: config.pacing,
            quantum,
            cut_every: Frames(u64::from(format.rate.hz()) / 4),
            clock,
            stop: stop.clone(),
            live: live.clone(),
            parker: source_parker,
            downstream: gather_waker.clone(),
            allowance: Allowance::default(),
            ring: ring.clone(),
            pressure: BackpressureDetector::default(),
        };

        let (over, is_over) = channel();
        let spawn = |name: &str| std::thread::Builder::new().name(format!("pcmflow {name}"));
        let consume_thread = spawn("consumer").spawn(move || {
            consumer_parker.drive(|| consume.turn());
            let consumed = consume.finish();
            // The flow waits for whoever brings us chunks: let that thread see that nobody takes them any more.
            gather_waker.wake();
            let _ = over.send(());
            consumed
        })?;
        let gather_thread = spawn("gather").spawn(move || {
            gather_parker.drive(|| gather.turn());
            drop(gather);
            consumer_waker.wake();
        })?;
        let source_thread = spawn("source").spawn(move || source.run())?;
        Ok(RunningFlow {
            format,
            clock,
            stop,
            live,
            health,
            ring,
            link: link_gauge,
            pool,
            is_over,
            source: source_thread,
            gather: gather_thread,
            consume: consume_thread,
        })
    }
}

/// A flow whose threads are at work.
#[derive(Debug)]
pub struct RunningFlow<C> {
    format: StreamFormat,
    clock: Clock,
    stop: Stop,
    live: Arc<Live>,
    health: BufferHealthMonitor,
    ring: StreamGauge,
    link: LinkGauge,
    pool: BufferRecyclingPool,
    is_over: Receiver<()>,
    source: JoinHandle<SourceEnd>,
    gather: JoinHandle<()>,
    consume: JoinHandle<Consumed<C>>,
}

impl<C: Consumer> RunningFlow<C> {
    /// What the flow is doing now. Each figure is of its own instant; only `settled` is a claim about all frames before
    /// a position.
    ///
    /// Not RT-safe: may make a system call.
    pub fn snapshot(&self) -> FlowSnapshot {
        let ring = self.ring.snapshot();
        FlowSnapshot {
            format: self.format,
            elapsed_ns: self.clock.now_ns(),
            frames_in: Frames(self.live.frames_in.load(Ordering::Relaxed)),
            delivered: Frames(self.live.delivered.load(Ordering::Relaxed)),
            lost: ring.lost + ring.evicted + self.link.evicted(),
            settled: self.live.settled(),
            ring: ring.occupancy,
            ring_capacity: self.ring.capacity(),
            link: self.link.occupancy(),
            link_capacity: self.link.capacity(),
        }
    }

    /// Waits until the flow is over, at most for `timeout`; returns whether it is.
    ///
    /// Not RT-safe: blocks.
    pub fn wait(&self, timeout: Duration) -> bool {
        // None: further away than the clock goes, so for ever.
        let until = std::time::Instant::now().checked_add(timeout);
        loop {
            // A source that hangs in a read must not keep a flow alive that is to end.
            if self.stop.is_asked() {
                self.live.read_state.abandon();
            }
            let rest = until.map_or(NAP, |until| until.saturating_duration_since(std::time::Instant::now()));
            match self.is_over.recv_timeout(rest.min(NAP)) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) if rest.is_zero() => return false,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Waits until the flow is over, and closes its books.
    ///
    /// Not RT-safe: blocks.
    ///
    /// # Panics
    /// Where the source or the consumer panicked: with their panic.
    pub fn join(mut self) -> (C, FlowReport) {
        while !self.wait(Duration::from_secs(1)) {}
        let wall_ns = self.clock.now_ns();
        // The consumer may have gone first (it failed): a source in a read that nobody wants is given up.
        self.stop.ask();
        joined(self.gather);
        let abandoned = loop {
            // Finished comes first: a source that panicked in a read looks as if it still hung there.
            if self.source.is_finished() {
                break false;
            }
            if self.live.read_state.abandon() || self.live.read_state.is_abandoned() {
                break true;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let end = if abandoned { SourceEnd::default() } else { joined(self.source) };
        let mut consumed = joined(self.consume);
        let frames_in = Frames(self.live.frames_in.load(Ordering::Acquire));
        let edges = [self.ring.snapshot(), consumed.link.snapshot()];
        let balance = Balance::close(frames_in, &edges, &consumed.timeline);
        let health = self.health.snapshot(wall_ns);
        let pool = self.pool.metrics();
        let report = FlowReport {
            format: self.format,
            balance,
            edges,
            settled: self.live.settled(),
            gaps: consumed.gaps,
            gaps_total: consumed.gaps_total,
            health,
            wall_ns,
            xruns: edges.iter().map(|edge| edge.overruns).sum(),
            peak_bytes: (self.ring.storage_bytes() + pool.held_bytes_peak) as u64,
            pool,
            pressure: end.pressure,
            damage: end.damage,
            source_error: end.error,
            consumer_error: consumed.error,
        };
        (consumed.consumer, report)
    }
}

/// What a thread leaves behind. Our own code does not panic; a user's source or consumer may, and the panic is theirs to see.
fn joined<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
