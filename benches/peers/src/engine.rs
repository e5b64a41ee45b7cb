//! The engine as the benches use it: workers, where tasks go, flows with everything on. The one file that knows how those are
//! put together.

use pcmflow::core::chunk::{AudioChunk, ChunkMeta};
use pcmflow::core::format::{Frames, StreamFormat};
use pcmflow::core::health::HealthConfig;
use pcmflow::core::pool::{BufferRecyclingPool, Miss, PoolConfig};
use pcmflow::engine::Priority;
use pcmflow::engine::event::{BusConfig, EventBus};
use pcmflow::engine::flow::{
    DataFlowCoordinator, Inflow, Node, NodeError, Out, PipelineConfig, Ports, Telemetry,
};
use pcmflow::engine::pressure::Strategy;
use pcmflow::engine::task::{Executor, Needs, Place, SpawnError, Spawner, Task, TaskHandle};
use pcmflow::engine::transform::Shape;
use pcmflow::runtime::thread::RealTime;
use pcmflow::runtime::{Clock, PageMemory, Worker, WorkerConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Frames of a block.
pub(crate) const BLOCK: u64 = 128;

/// 48 kHz, with so many channels.
pub(crate) fn format(channels: u32) -> StreamFormat {
    StreamFormat::new(48_000, channels).expect("a usual format")
}

/// How often a thread of blocks at 48 kHz has work to do.
pub(crate) const QUANTUM: Duration = Duration::from_nanos(2_666_667);

/// A worker that asks for real-time scheduling, or does not.
///
/// Its tasks publish no events: a worker can not be handed a publisher yet. The coordinator does.
pub(crate) fn worker(name: &str, clock: Clock, real_time: bool) -> Worker {
    let real_time = real_time.then(|| RealTime::every(QUANTUM));
    let config = WorkerConfig { name: name.into(), tasks_max: Executor::TASKS_MAX, real_time, events: None };
    Worker::start(config, clock).expect("a thread for a worker")
}

/// What a worker was granted, in words.
pub(crate) fn granted(worker: &Worker) -> String {
    worker.granted().map_or("nothing asked for".into(), |granted| granted.to_string())
}

/// Brings tasks to workers in turn: to each so many, one after the other, in the order of the nodes' names.
pub(crate) struct Turns {
    spawners: Vec<Spawner>,
    each: usize,
    brought: AtomicUsize,
}

impl Turns {
    pub(crate) fn new<'w>(workers: impl IntoIterator<Item = &'w Worker>, each: usize) -> Self {
        let spawners = workers.into_iter().map(|worker| worker.spawner().clone()).collect();
        Self { spawners, each, brought: AtomicUsize::new(0) }
    }
}

impl Place for Turns {
    fn place(&self, needs: Needs, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        let turn = self.brought.fetch_add(1, Ordering::Relaxed) / self.each;
        self.spawners[turn % self.spawners.len()].place(needs, task)
    }
}

/// A flow with meters at every node and pipeline, events on a bus that a task of `bus_on` drives, and a pool in pages of the system.
pub(crate) fn flow(place: impl Place + 'static, bus_on: &Worker, clock: Clock) -> DataFlowCoordinator {
    let (bus, task) = EventBus::new(BusConfig::default());
    bus_on.spawner().spawn(Priority::Critical, Box::new(task)).expect("room for the bus's task");
    let pool = BufferRecyclingPool::with_memory(PoolConfig::default(), &PageMemory).expect("memory");
    let mut flow = DataFlowCoordinator::new(place, pool);
    let telemetry = Telemetry { bus, clock: Arc::new(clock), meters: Some(HealthConfig::default()) };
    flow.observe(telemetry).expect("memory for a publisher");
    flow
}

/// A pipeline from a source to a sink, both of its own.
pub(crate) struct Pair {
    /// The nodes are called by it, so that both come one after the other.
    pub(crate) name: String,
    pub(crate) from: StreamFormat,
    /// What the sink wants, where that is another format.
    pub(crate) wants: Option<StreamFormat>,
    pub(crate) packets: u32,
    pub(crate) priority: Priority,
    /// The source's frames come whether there is room or not.
    pub(crate) live: bool,
}

/// Adds the pair, to be started.
pub(crate) fn connect(
    flow: &mut DataFlowCoordinator,
    pair: &Pair,
    source: Box<dyn Inflow>,
    sink: Box<dyn Node>,
) {
    let (from, to) = (format!("{} source", pair.name), format!("{} sink", pair.name));
    flow.add_source(&from, Shape::new(pair.from), pair.live, source).expect("a new name");
    flow.add_node(&to, Ports::sink(pair.wants.map(Shape::new)), sink).expect("a new name");
    let config = PipelineConfig {
        packets: pair.packets,
        priority: pair.priority,
        strategy: if pair.live { Strategy::DropNewest } else { Strategy::Block },
        ..PipelineConfig::new(&from, &to)
    };
    flow.connect(config).expect("a pipeline that can be");
}

/// Waits until everything that was given is consumed; no frame may be unaccounted for.
pub(crate) fn finish(flow: &DataFlowCoordinator) {
    let since = Instant::now();
    while !flow.is_over() {
        assert!(since.elapsed() < Duration::from_secs(120), "a flow does not end: {:#?}", flow.status());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(flow.books().unaccounted(), Frames(0), "{:#?}", flow.books());
}

/// Gives a chunk of this source's next frames, stamped with this time; false where no buffer is free for the moment.
pub(crate) fn give(
    out: &mut Out<'_>,
    format: StreamFormat,
    samples: &[f32],
    timestamp_ns: u64,
) -> Result<bool, NodeError> {
    let Ok(mut buffer) = out.pool().acquire(samples.len(), Miss::Grow) else { return Ok(false) };
    let _ = buffer.extend_from_slice(samples);
    let position = out.position();
    let sequence = position.0 / BLOCK;
    let meta = ChunkMeta { format, position, sequence, timestamp_ns, complete_ns: timestamp_ns };
    out.chunk(AudioChunk::new(buffer.into_shared(), meta)?);
    Ok(true)
}
