//! Sources whose every sample says where it stands, sinks that check it, and what drives both.

use super::super::*;
use crate::Priority;
use crate::task::{Executor, Needs, Place, Rest, SpawnError, Spawner, StepClock, Task, TaskHandle};
use crate::transform::Shape;
use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow_core::ledger::{Gap, LossCause};
use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
use std::sync::{Arc, Mutex};

pub(super) fn format(hz: u32, channels: u32) -> StreamFormat {
    StreamFormat::new(hz, channels).unwrap()
}

/// A sample that says which frame it belongs to: exact up to 2^24.
pub(super) fn stamp(position: u64) -> f32 {
    (position % (1 << 20)) as f32
}

pub(super) fn chunk(
    pool: &BufferRecyclingPool,
    format: StreamFormat,
    position: u64,
    frames: u64,
    now_ns: u64,
) -> Option<AudioChunk> {
    let channels = format.channels.get();
    let mut buffer = pool.acquire(frames as usize * channels, Miss::Grow).ok()?;
    for frame in position..position + frames {
        for _ in 0..channels {
            let _ = buffer.extend_from_slice(&[stamp(frame)]);
        }
    }
    let meta = ChunkMeta {
        format,
        position: StreamPosition(position),
        sequence: 0,
        timestamp_ns: now_ns,
        complete_ns: now_ns,
    };
    AudioChunk::new(buffer.into_shared(), meta).ok()
}

/// Gives `total` frames in chunks of `block`: one at each poll, or when `every_ns` have passed.
pub(super) struct Numbers {
    pub(super) format: StreamFormat,
    pub(super) block: u64,
    pub(super) total: u64,
    pub(super) every_ns: u64,
    /// Its format from some place on.
    pub(super) later: Option<(u64, StreamFormat)>,
    pub(super) due_ns: u64,
    pub(super) chunks: u64,
}

impl Numbers {
    pub(super) fn new(format: StreamFormat, block: u64, total: u64) -> Self {
        Self { format, block, total, every_ns: 0, later: None, due_ns: 0, chunks: 0 }
    }
}

/// Gives eight chunks at once, whether there is room or not, and tells of so many frames lost by its device behind them.
pub(super) struct Bursts {
    pub(super) lost_between: u64,
    pub(super) until: u64,
}

impl Inflow for Bursts {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        for _ in 0..8 {
            let at = out.position().0;
            out.chunk(chunk(out.pool(), format(48_000, 1), at, 48, 0).unwrap());
        }
        // Of no frames it is none.
        let (position, frames) = (out.position(), Frames(self.lost_between));
        out.gap(Gap { position, frames, cause: LossCause::Device });
        Ok(if out.position().0 > self.until { Inflowed::End } else { Inflowed::More })
    }
}

impl Inflow for Numbers {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let at = out.position().0;
        assert_eq!(at, self.total.min(self.chunks * self.block), "what was given did not count");
        if at >= self.total {
            out.cut(Frames(0));
            return Ok(Inflowed::End);
        }
        if out.now_ns() < self.due_ns {
            return Ok(Inflowed::Until(self.due_ns));
        }
        self.due_ns += self.every_ns;
        if let Some((from, format)) = self.later
            && at >= from
        {
            self.format = format;
        }
        let frames = self.block.min(self.total - at);
        match chunk(out.pool(), self.format, at, frames, out.now_ns()) {
            Some(chunk) => out.chunk(chunk),
            None => {
                out.gap(Gap { position: out.position(), frames: Frames(frames), cause: LossCause::Overflow })
            }
        }
        self.chunks += 1;
        if self.chunks.is_multiple_of(8) {
            out.cut(Frames(0));
        }
        Ok(Inflowed::More)
    }
}

/// What a witness saw, frame by frame.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Stretches, in order: from, to, and the cause if they were missing.
    pub(super) stretches: Vec<(u64, u64, Option<LossCause>)>,
    pub(super) wrong: u64,
    pub(super) formats: Vec<StreamFormat>,
    pub(super) ended: bool,
}

impl Seen {
    fn add(&mut self, from: u64, to: u64, cause: Option<LossCause>) {
        match self.stretches.last_mut() {
            Some(last) if last.1 == from && last.2 == cause => last.1 = to,
            _ => self.stretches.push((from, to, cause)),
        }
    }

    pub(super) fn frames(&self, cause: Option<LossCause>) -> u64 {
        self.stretches.iter().filter(|stretch| stretch.2 == cause).map(|stretch| stretch.1 - stretch.0).sum()
    }

    /// Each frame from `start` to `end` was seen once, in order, with its own sample.
    pub(super) fn assert_tiles(&self, start: u64, end: u64) {
        let mut at = start;
        for &(from, to, cause) in &self.stretches {
            assert_eq!(from, at, "{cause:?} begins at {from}: {:?}", self.stretches);
            at = to;
        }
        assert_eq!(at, end, "{:?}", self.stretches);
        assert_eq!(self.wrong, 0, "samples of other frames");
    }
}

/// A sink that writes down what it sees.
pub(super) struct Witness {
    pub(super) seen: Arc<Mutex<Seen>>,
    /// What a sample at the source's rate is multiplied with; 0: samples are not checked.
    pub(super) times: f32,
    pub(super) panics_at: u64,
}

impl Node for Witness {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (from, to) = (chunk.position().0, chunk.end().0);
        assert!(to <= self.panics_at, "told to");
        if self.times != 0.0 {
            let channels = chunk.channels().get();
            for (frame, samples) in chunk.samples().chunks(channels).enumerate() {
                let expected = stamp(from + frame as u64) * self.times;
                seen.wrong += u64::from(samples.iter().any(|sample| *sample != expected));
            }
        }
        if seen.formats.last() != Some(&chunk.meta().format) {
            seen.formats.push(chunk.meta().format);
        }
        seen.add(from, to, None);
        Ok(())
    }

    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.add(gap.position.0, gap.end().0, Some(gap.cause));
        Ok(())
    }

    fn end(&mut self, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ended = true;
        Ok(())
    }
}

/// A node that passes everything on.
pub(super) struct Pass;

impl Node for Pass {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        out.chunk(chunk);
        Ok(())
    }
}

/// What is critical to one executor, everything else to another.
pub(super) struct Two {
    pub(super) critical: Spawner,
    pub(super) shared: Spawner,
}

impl Place for Two {
    fn place(&self, needs: Needs, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        let spawner = if needs.priority == Priority::Critical { &self.critical } else { &self.shared };
        spawner.place(needs, task)
    }
}

pub(super) struct Bench {
    pub(super) executor: Executor,
    /// For what is not critical, where that has one of its own.
    pub(super) second: Option<Executor>,
    pub(super) clock: StepClock,
    pub(super) flow: DataFlowCoordinator,
}

impl Bench {
    pub(super) fn new() -> Self {
        let (executor, spawner) = Executor::new(4_096).unwrap();
        let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
        let flow = DataFlowCoordinator::new(spawner, pool);
        Self { executor, second: None, clock: StepClock::default(), flow }
    }

    /// With an executor for what is critical and one for all others.
    pub(super) fn two() -> Self {
        let (executor, critical) = Executor::new(4_096).unwrap();
        let (second, shared) = Executor::new(4_096).unwrap();
        let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
        let flow = DataFlowCoordinator::new(Two { critical, shared }, pool);
        Self { executor, second: Some(second), clock: StepClock::default(), flow }
    }

    pub(super) fn source(&mut self, name: &str, source: Numbers) {
        let shape = Shape::new(source.format);
        self.flow.add_source(name, shape, false, Box::new(source)).unwrap();
    }

    pub(super) fn witness(&mut self, name: &str, wants: Option<Shape>, times: f32) -> Arc<Mutex<Seen>> {
        self.failing(name, wants, times, u64::MAX)
    }

    pub(super) fn failing(
        &mut self,
        name: &str,
        wants: Option<Shape>,
        times: f32,
        panics_at: u64,
    ) -> Arc<Mutex<Seen>> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let witness = Witness { seen: seen.clone(), times, panics_at };
        self.flow.add_node(name, Ports::sink(wants), Box::new(witness)).unwrap();
        seen
    }

    pub(super) fn pass(&mut self, name: &str) {
        self.flow.add_node(name, Ports::node(None), Box::new(Pass)).unwrap();
    }

    pub(super) fn connect(&mut self, from: &str, to: &str, strategy: crate::pressure::Strategy) {
        let config = PipelineConfig { strategy, packets: 4, ..PipelineConfig::new(from, to) };
        self.flow.connect(config).unwrap();
    }

    /// Runs until nothing happens any more, or until some time.
    pub(super) fn run_until(&mut self, until_ns: u64) {
        let mut rounds = 0;
        loop {
            // Far more than any of these flows needs: one that goes round for ever fails.
            rounds += 1;
            assert!(rounds < 200_000, "it does not come to an end: {:#?}", self.flow.status());
            let rest = self.executor.run(&self.clock);
            match self.second.as_mut().map_or(rest, |second| sooner(rest, second.run(&self.clock))) {
                Rest::No => {}
                Rest::Until(due_ns) if due_ns <= until_ns => self.clock.set(due_ns),
                Rest::Until(_) => return self.clock.set(until_ns),
                // What the second one did may have woken the first.
                Rest::UntilWoken if self.second.is_some() && !self.executor.fall_asleep() => {}
                Rest::UntilWoken => return self.executor.wake_up(),
            }
        }
    }

    /// Runs to the end, and checks every book.
    pub(super) fn finish(&mut self) -> FlowBooks {
        self.run_until(u64::MAX);
        let books = self.flow.books();
        assert!(self.flow.is_over(), "{:#?}", self.flow.status());
        for (name, link) in &books.pipelines {
            assert_eq!(link.unaccounted(), Frames(0), "{name}: {link:#?}");
        }
        for (name, node) in &books.nodes {
            assert_eq!(node.unaccounted(), Frames(0), "{name}: {node:#?}");
        }
        assert_eq!(books.unaccounted(), Frames(0), "between two of them: {books:#?}");
        books
    }
}

fn sooner(one: Rest, other: Rest) -> Rest {
    match (one, other) {
        (Rest::No, _) | (_, Rest::No) => Rest::No,
        (Rest::Until(one), Rest::Until(other)) => Rest::Until(one.min(other)),
        (Rest::Until(due_ns), _) | (_, Rest::Until(due_ns)) => Rest::Until(due_ns),
        (Rest::UntilWoken, Rest::UntilWoken) => Rest::UntilWoken,
    }
}
