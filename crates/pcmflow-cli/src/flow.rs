//! One input on its way to what consumes it: threads, pool and coordinator, and what is known of all of them.

use crate::failure::Failure;
use pcmflow::core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow::core::health::{HealthConfig, HealthFigures};
use pcmflow::core::ledger::{Balance, Losses, Settled};
use pcmflow::core::pool::{BufferRecyclingPool, ClassConfig, PoolConfig};
use pcmflow::core::stream::Overflow;
use pcmflow::engine::flow::{DataFlowCoordinator, Node, PipelineConfig, Ports, Telemetry};
use pcmflow::engine::pressure::Strategy;
use pcmflow::engine::transform::{Plan, Shape};
use pcmflow::io::{Damage, Source};
use pcmflow::nodes::{FaultyNode, GapLog, Gaps, Inject};
use pcmflow::runtime::{
    Clock, Input, InputConfig, InputError, Pacing, PageMemory, Stop, Threads, ThreadsConfig,
};
use std::sync::Arc;
use std::time::Duration;

/// The flow's parts.
const INPUT: &str = "input";
const OUTPUT: &str = "output";
const PIPELINE: &str = "input→output";

/// The chunks and marks that the link holds: enough to keep a fast consumer busy. What waits is better kept in the ring, where
/// its loss is counted at the source.
const LINK_PACKETS: u32 = 8;

/// Before the first cut mark was compared.
const UNSETTLED: Settled = Settled { position: StreamPosition::START, unaccounted: Frames::ZERO };

/// How a flow is built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlowConfig {
    /// The source's side. Where the freshest frames count, old chunks must not hold them up in the link either.
    pub(crate) input: InputConfig,
    /// Trouble on purpose.
    pub(crate) inject: Option<Inject>,
}

/// What consumes an input.
#[derive(Debug)]
pub(crate) struct Consumer<N> {
    pub(crate) node: N,
    /// What it takes; none: the input's.
    pub(crate) wants: Option<StreamFormat>,
    /// It may wait for something outside.
    pub(crate) may_block: bool,
}

/// A flow at work.
#[derive(Debug)]
pub(crate) struct Flow {
    input: Input,
    flow: DataFlowCoordinator,
    threads: Threads,
    pool: BufferRecyclingPool,
    log: GapLog,
    clock: Clock,
    health: HealthConfig,
    /// For what sleeps on purpose.
    stop: Stop,
    stopped: bool,
}

/// What a running flow is doing. Each figure is of its own instant, but for `settled`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) format: StreamFormat,
    pub(crate) elapsed_ns: u64,
    pub(crate) frames_in: Frames,
    pub(crate) delivered: Frames,
    pub(crate) lost: Losses,
    pub(crate) settled: Settled,
    pub(crate) ring: Frames,
    pub(crate) ring_capacity: Frames,
    pub(crate) link: usize,
    pub(crate) link_capacity: usize,
}

impl Now {
    /// Frames that came in, and are neither delivered nor lost.
    pub(crate) fn under_way(&self) -> Frames {
        Frames(self.frames_in.0.saturating_sub(self.delivered.0 + self.lost.total().0))
    }
}

/// A flow that is over: its closed books, and what went wrong.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) format: StreamFormat,
    pub(crate) balance: Balance,
    /// Frames on which any two books disagree.
    pub(crate) unaccounted: Frames,
    pub(crate) gaps: Gaps,
    pub(crate) health: HealthFigures,
    pub(crate) score: u8,
    pub(crate) wall_ns: u64,
    pub(crate) xruns: u64,
    /// Bytes that the ring and the pool held at the most.
    pub(crate) peak_bytes: u64,
    pub(crate) damage: Option<Damage>,
    pub(crate) source_error: Option<Arc<InputError>>,
    pub(crate) node_error: Option<String>,
}

impl Flow {
    /// Starts threads and flow.
    pub(crate) fn start<N: Node + 'static>(
        source: Box<dyn Source>,
        consumer: Consumer<N>,
        config: FlowConfig,
    ) -> Result<Self, Failure> {
        let Consumer { node, wants, may_block } = consumer;
        let (clock, stop) = (Clock::start(), Stop::new());
        // What consumes has a thread of its own where it may block: one more is enough for the rest.
        let threads = Threads::start(ThreadsConfig { shared: 1, ..ThreadsConfig::default() }, clock)?;
        let (mut input, inflow) = Input::new(INPUT, source, config.input, clock)?;
        let shape = Shape::new(input.format());
        let wants = wants.map(Shape::new);
        let block = config.input.block.frames();
        let pool = BufferRecyclingPool::with_memory(pool_config(shape, wants, block)?, &PageMemory)?;

        let live = config.input.pacing != Pacing::Fast;
        let deadline_ns = config.input.deadline_ns();
        let health = HealthConfig { latency_limit_ns: deadline_ns, ..HealthConfig::default() };
        let mut flow = DataFlowCoordinator::new(threads.clone(), pool.clone());
        flow.observe(Telemetry { bus: threads.bus().clone(), clock: Arc::new(clock), meters: Some(health) })?;
        flow.add_source(INPUT, shape, live, Box::new(inflow))?;
        let rate = input.format().rate;
        let (node, log) = match config.inject {
            Some(inject) => GapLog::around(FaultyNode::new(node, inject, rate, stop.clone())),
            None => GapLog::around(node),
        };
        let may_block = may_block || config.inject.is_some();
        flow.add_node(OUTPUT, Ports { may_block, ..Ports::sink(wants) }, node)?;
        let evicts = live && config.input.overflow == Overflow::EvictOldest;
        flow.connect(PipelineConfig {
            packets: LINK_PACKETS,
            strategy: if evicts { Strategy::DropOldest } else { Strategy::Block },
            latency_ms_max: if live { (deadline_ns / 1_000_000) as u32 } else { 0 },
            ..PipelineConfig::new(INPUT, OUTPUT)
        })?;
        flow.start()?;
        input.start()?;
        Ok(Self { input, flow, threads, pool, log, clock, health, stop, stopped: false })
    }

    /// Asks the source to end: what it made is still consumed.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        self.stop.ask();
        self.input.end();
    }

    /// Waits until the flow is over, at most for `timeout` while it works; returns whether it is.
    pub(crate) fn wait(&mut self, timeout: Duration) -> bool {
        if !self.log.wait(timeout) {
            // A source that hangs in a read must not keep a flow alive that is to end.
            self.input.is_running();
            return false;
        }
        // The consumer may have gone first (it failed): what still comes is thrown out, and posted.
        self.stop();
        while self.input.is_running() || !self.flow.is_over() {
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// What the flow is doing now.
    pub(crate) fn now(&self) -> Now {
        let (status, ring) = (self.flow.status(), self.input.ring());
        let (link, output) = (&status.pipelines[PIPELINE], &status.nodes[OUTPUT]);
        Now {
            format: self.input.format(),
            elapsed_ns: self.clock.now_ns(),
            frames_in: self.input.frames_in(),
            delivered: output.given.delivered,
            lost: ring.lost + ring.evicted + link.lost,
            settled: output.settled.unwrap_or(UNSETTLED),
            ring: ring.occupancy,
            ring_capacity: self.input.ring_capacity(),
            link: link.fill,
            link_capacity: link.capacity,
        }
    }

    /// Closes the books of a flow that is over.
    pub(crate) fn close(mut self) -> Result<Report, Failure> {
        let wall_ns = self.clock.now_ns();
        let (books, status) = (self.flow.books(), self.flow.status());
        let (frames_in, ring) = (self.input.frames_in(), self.input.ring());
        let Some((balance, edges)) = books.balance(frames_in, &[ring], OUTPUT) else {
            return Err(Failure::Node("the flow has no books; please report this".into()));
        };
        // What a cut mark found in mid-stream counts too, even if later figures happen to agree.
        let settled = status.nodes[OUTPUT].settled.unwrap_or(UNSETTLED);
        let unaccounted = balance.unaccounted.max(books.unaccounted()).max(settled.unaccounted);
        let end = books.nodes[OUTPUT].given.unwrap_or_default().position();
        let gaps = self.log.close(end);
        let mut readings = self.flow.readings(wall_ns);
        let missed = readings.get(PIPELINE).map_or(0, |reading| reading.health.deadlines_missed);
        let health = readings.remove(OUTPUT).map_or(HealthFigures::empty(), |reading| reading.health);
        let health = HealthFigures { overruns: gaps.total, deadlines_missed: missed, ..health };
        let pool = self.pool.metrics();
        self.threads.stop();
        Ok(Report {
            format: self.input.format(),
            balance,
            unaccounted,
            gaps,
            score: health.score(self.health),
            health,
            wall_ns,
            xruns: edges.iter().map(|edge| edge.overruns).sum(),
            peak_bytes: (self.input.storage_bytes() + pool.held_bytes_peak) as u64,
            damage: self.input.damage(),
            source_error: self.input.error(),
            node_error: [OUTPUT, INPUT].into_iter().find_map(|name| status.nodes[name].error.clone()),
        })
    }
}

/// Buffers for what is in the link, and for what the pipeline makes of one chunk.
fn pool_config(from: Shape, wants: Option<Shape>, block: Frames) -> Result<PoolConfig, Failure> {
    let class = |samples: usize, buffers_prewarm| ClassConfig {
        samples,
        buffers_max: ClassConfig::BUFFERS_MAX,
        buffers_prewarm,
    };
    // One for each place in the link, one that is being filled, one in hand, one that is kept to look back.
    let mut classes = vec![class(block.samples(from.format.channels), LINK_PACKETS as usize + 3)];
    let mut budget_bytes = PoolConfig::default().budget_bytes;
    if let Some(to) = wants.filter(|to| *to != from) {
        let plan = Plan::between(from, to).map_err(|error| Failure::Usage(error.to_string()))?;
        let channels = from.format.channels.max(to.format.channels);
        let samples = block.samples(channels).max(plan.buffer_samples() as usize);
        // What one chunk becomes, what was held before it and what is held behind it, in chunks of the filter; twice, since they may
        // be mapped afterwards.
        let (hz, to_hz) = (u64::from(from.format.rate.hz()), u64::from(to.format.rate.hz()));
        let made = Frames((block.0 * to_hz).div_ceil(hz) + 2 * plan.latency().frames.0).samples(channels);
        let buffers = 2 * made.div_ceil((plan.buffer_samples() as usize).max(block.0 as usize)) + 8;
        budget_bytes += 2 * buffers * samples * size_of::<f32>();
        match classes.iter_mut().find(|class| class.samples == samples) {
            Some(class) => class.buffers_prewarm += buffers,
            None => classes.push(class(samples, buffers)),
        }
    }
    Ok(PoolConfig { classes, budget_bytes, ..PoolConfig::default() })
}
