//! Everything at once: a live source whose ring overflows, a fan-out, a join, 48 to 16 kHz, stereo to mono, links that drop, a
//! format change in mid-stream and edits while it runs, on two executors that keep no step with each other.
//!
//! What is checked needs none of the library's books: the test numbers the frames that it writes and knows which of them the
//! ring refused. Each sink writes down what arrives, and that must tile the stretch for which it was connected.

mod check;

use super::super::*;
use super::witness::{Pass, Two, format};
use crate::Priority;
use crate::pressure::Strategy;
use crate::task::{Clock, Executor, StepClock};
use crate::transform::Shape;
use pcmflow_core::block::BlockSize;
use pcmflow_core::chunk::AudioChunk;
use pcmflow_core::format::{Frames, StreamFormat};
use pcmflow_core::ledger::{Gap, LossCause};
use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
use pcmflow_core::stream::{Overflow, StreamConfig, StreamReader, StreamWriter, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

const QUANTUM: u64 = 128;
const RING: u64 = 8 * QUANTUM;
/// What the first frame of either stream is stamped with. Sums of two stamps are exact.
const FIRST: [u64; 2] = [1, 1 << 17];
/// So near to where a filter began or ended, in frames of the source, it still swings.
const SWINGS: u64 = 1_024;

fn ring(format: StreamFormat) -> (StreamWriter, StreamReader) {
    let (capacity, quantum, overflow) = (Frames(RING), Frames(QUANTUM), Overflow::DropNewest);
    let (writer, reader, _) = stream(StreamConfig { format, capacity, quantum, overflow }).unwrap();
    (writer, reader)
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn upto(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A stretch that came, or did not.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: u64,
    to: u64,
    /// The stamp of the first frame, or why it is missing.
    what: Result<u64, LossCause>,
}

#[derive(Debug, Default)]
struct Log {
    stretches: Vec<Stretch>,
    /// Of what was resampled: where on the timeline, and which sample.
    curve: Vec<(f64, f32)>,
    /// Samples that are not what the frame's number says.
    wrong: Vec<(u64, Vec<f32>)>,
    formats: BTreeSet<(u32, usize)>,
}

impl Log {
    fn add(&mut self, from: u64, to: u64, what: Result<u64, LossCause>) {
        if let Some(last) = self.stretches.last_mut()
            && last.to == from
        {
            let goes_on = match (last.what, what) {
                (Ok(first), Ok(next)) => first + (from - last.from) == next,
                (before, now) => before == now,
            };
            if goes_on {
                last.to = to;
                return;
            }
        }
        self.stretches.push(Stretch { from, to, what });
    }
}

/// A sink that writes down what comes. `times` is what a stamp was multiplied with; 0 where it was resampled.
struct Logger {
    log: Arc<Mutex<Log>>,
    times: f32,
}

impl Node for Logger {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        let mut log = self.log.lock().unwrap();
        let (from, to) = (chunk.position().0, chunk.end().0);
        let samples = chunk.samples();
        log.formats.insert((chunk.meta().format.rate.hz(), chunk.channels().get()));
        if self.times == 0.0 {
            // Runs of what was resampled have no stamps of their own.
            log.add(from, to, Ok(from));
            let step = (to - from) as f64 / samples.len() as f64;
            log.curve.extend(
                samples.iter().zip(0..).map(|(sample, n)| (from as f64 + step * f64::from(n), *sample)),
            );
            return Ok(());
        }
        let first = (samples[0] / self.times) as u64;
        for (frame, samples) in (first..).zip(samples.chunks(chunk.channels().get())) {
            if samples.iter().any(|sample| *sample != frame as f32 * self.times) {
                log.wrong.push((frame, samples.to_vec()));
            }
        }
        log.add(from, to, Ok(first));
        Ok(())
    }

    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.log.lock().unwrap().add(gap.position.0, gap.end().0, Err(gap.cause));
        Ok(())
    }
}

/// A place between two frames that the test wrote: in which stream, and behind how many of them at least and at most.
#[derive(Debug, Clone, Copy)]
struct Place {
    stream: usize,
    least: u64,
    most: u64,
}

/// A sink as the test knows it.
struct Sink {
    log: Arc<Mutex<Log>>,
    times: f32,
    start: Place,
    end: Option<Place>,
    /// No link on the way may lose anything.
    lossless: bool,
}

/// The flow, and what the test itself wrote into it.
struct World {
    dice: Dice,
    urgent: Executor,
    slow: Executor,
    clock: StepClock,
    flow: DataFlowCoordinator,
    writer: Option<StreamWriter>,
    stream: usize,
    /// Frames that were offered, of either stream.
    written: [u64; 2],
    /// As many of them have certainly been given by the source.
    drained: u64,
    /// Those that the ring refused.
    refused: [Vec<(u64, u64)>; 2],
    sinks: BTreeMap<String, Sink>,
    settled: BTreeMap<String, BTreeSet<u64>>,
    strategy: usize,
    block: u64,
}

impl World {
    fn place(&self) -> Place {
        Place { stream: self.stream, least: self.drained, most: self.written[self.stream] }
    }

    fn sink(&mut self, name: &str, wants: Option<Shape>, times: f32, lossless: bool) {
        let log = Arc::new(Mutex::new(Log::default()));
        self.flow.add_node(name, Ports::sink(wants), Box::new(Logger { log: log.clone(), times })).unwrap();
        self.sinks.insert(name.into(), Sink { log, times, start: self.place(), end: None, lossless });
    }

    fn connect(&mut self, pipeline: &str, strategy: Strategy, priority: Priority, packets: u32) {
        let (from, to) = pipeline.split_once('→').unwrap();
        let (to, input) = to.split_once('.').map_or((to, 0), |(to, input)| (to, input.parse().unwrap()));
        let config = PipelineConfig { input, strategy, priority, packets, ..PipelineConfig::new(from, to) };
        self.flow.connect(config).unwrap();
    }

    /// The way to these sinks is cut now.
    fn ends(&mut self, sinks: &[&str]) {
        let place = self.place();
        for name in sinks {
            self.sinks.get_mut(*name).unwrap().end.get_or_insert(place);
        }
    }

    fn write(&mut self, quanta: u64) {
        let Some(writer) = &mut self.writer else { return };
        let channels = writer.format().channels.get();
        for _ in 0..quanta {
            let from = self.written[self.stream];
            let stamps = (from..from + QUANTUM).map(|frame| (FIRST[self.stream] + frame) as f32);
            let samples: Vec<f32> = stamps.flat_map(|stamp| vec![stamp; channels]).collect();
            let written = writer.write(&samples, self.clock.now_ns());
            let to = from + QUANTUM;
            self.written[self.stream] = to;
            if written.accepted == Frames(0) {
                match self.refused[self.stream].last_mut() {
                    Some(last) if last.1 == from => last.1 = to,
                    _ => self.refused[self.stream].push((from, to)),
                }
            }
        }
    }

    fn look(&mut self) {
        for (name, node) in self.flow.status().nodes {
            assert_eq!(node.error, None, "{name}");
            assert_eq!(node.given.unaccounted, Frames(0), "{name}");
            if let Some(settled) = node.settled {
                assert_eq!(settled.unaccounted, Frames(0), "{name} at {settled:?}");
                self.settled.entry(name).or_default().insert(settled.position.0);
            }
        }
    }

    /// Writes, and lets either executor do a little, or nothing.
    fn step(&mut self, quanta: u64) {
        self.write(quanta);
        self.clock.advance(quanta * 2_666_667);
        if self.dice.upto(4) == 0
            && let Some(writer) = &mut self.writer
        {
            writer.cut();
        }
        for _ in 0..self.dice.upto(6) {
            self.urgent.run(&self.clock);
        }
        for _ in 0..self.dice.upto(4) {
            self.slow.run(&self.clock);
        }
        self.look();
    }

    fn steps(&mut self, steps: u64, quanta_max: u64) {
        for step in 0..steps {
            let quanta = 1 + self.dice.upto(quanta_max);
            self.step(quanta);
            if step % 3 == 0 && self.flow.graph().edges().any(|(name, _)| name == "source→changing") {
                const ALL: [Strategy; 5] = [
                    Strategy::DropOldest,
                    Strategy::Block,
                    Strategy::DropNewest,
                    Strategy::Buffer,
                    Strategy::Adaptive,
                ];
                self.strategy += 1;
                self.flow.set_strategy("source→changing", ALL[self.strategy % ALL.len()]).unwrap();
            }
        }
    }

    /// Lets both do all there is to do.
    fn drain(&mut self) {
        for _ in 0..8 {
            // Each may wake the other.
            for _ in 0..16 {
                self.urgent.run(&self.clock);
                self.slow.run(&self.clock);
            }
            self.clock.advance(1_000_000);
        }
        self.look();
    }

    /// As [`drain`](Self::drain); what the ring refused is told by then, too.
    fn calm(&mut self) {
        self.drain();
        self.write(1);
        self.drain();
        // All but what waits for the rest of its block.
        self.drained = self.written[self.stream] + QUANTUM - self.block;
    }

    /// Before an edit: everything rests in half of all cases.
    fn perhaps_calm(&mut self) {
        match self.dice.upto(2) {
            0 => self.calm(),
            _ => self.step(2),
        }
    }
}

/// Two streams, one after the other, through everything.
///
/// Behind a source that can wait nobody loses anything but what its ring refuses, unless told to; behind a live one each pipeline may.
fn run(seed: u64, live: bool) -> World {
    let mut dice = Dice(seed);
    for _ in 0..8 {
        dice.upto(2);
    }
    let (urgent, critical) = Executor::new(64).unwrap();
    let (slow, shared) = Executor::new(64).unwrap();
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    let stereo = format(48_000, 2);
    let (writer, reader) = ring(stereo);
    let mut world = World {
        dice,
        urgent,
        slow,
        clock: StepClock::default(),
        flow: DataFlowCoordinator::new(Two { critical, shared }, pool),
        writer: Some(writer),
        stream: 0,
        written: [0; 2],
        drained: 0,
        refused: [Vec::new(), Vec::new()],
        sinks: BTreeMap::new(),
        settled: BTreeMap::new(),
        strategy: 0,
        block: [1, 2][seed as usize % 2] * QUANTUM,
    };
    let block = BlockSize::new(Frames(world.block)).unwrap();
    let (mut feed, source) = StreamInflow::new(reader, block).unwrap();
    world.flow.add_source("source", Shape::new(stereo), live, Box::new(source)).unwrap();
    let join = Join::new(2, stereo, Missing::Gap);
    world.flow.add_node("join", Ports::join(2, Shape::new(stereo)), Box::new(join)).unwrap();
    for name in ["left", "middle"] {
        world.flow.add_node(name, Ports::node(None), Box::new(Pass)).unwrap();
    }
    let thin = Shape::new(format(16_000, 1)).in_blocks(Frames(160));
    world.sink("thin", Some(thin), 0.0, !live);
    world.sink("sum", None, 2.0, false);
    for name in ["early", "behind"] {
        world.sink(name, None, 1.0, !live);
    }
    for name in ["oldest", "newest", "changing"] {
        world.sink(name, None, 1.0, false);
    }
    let (urgent, normal) = (Priority::Critical, Priority::Normal);
    let either = if world.dice.upto(2) == 0 { urgent } else { normal };
    // One input of the join loses what the other has.
    let loses = [Strategy::DropNewest, Strategy::DropOldest][world.dice.upto(2) as usize];
    world.connect("source→thin", Strategy::Block, either, 16);
    world.connect("source→left", Strategy::Block, urgent, 8);
    world.connect("left→join", Strategy::Block, urgent, 8);
    world.connect("source→join.1", loses, urgent, 4);
    world.connect("join→sum", Strategy::Buffer, normal, 8);
    world.connect("source→oldest", Strategy::DropOldest, normal, 4);
    world.connect("source→newest", Strategy::DropNewest, normal, 4);
    world.connect("source→changing", Strategy::Block, normal, 4);
    world.connect("source→early", Strategy::Block, either, 16);
    world.connect("source→middle", Strategy::Block, either, 16);
    world.connect("middle→behind", Strategy::Buffer, normal, 4);
    world.flow.start().unwrap();

    world.steps(30, 3);
    world.steps(8, 16);
    world.perhaps_calm();
    world.sink("late", None, 1.0, false);
    world.connect("left→late", Strategy::DropOldest, normal, 4);
    world.flow.start().unwrap();
    world.steps(10, 3);
    world.perhaps_calm();
    world.flow.disconnect("source→early").unwrap();
    world.ends(&["early"]);
    world.steps(10, 3);
    world.perhaps_calm();
    world.flow.remove("middle").unwrap();
    world.ends(&["behind"]);
    world.steps(10, 4);

    // The device comes back as another.
    world.writer = None;
    world.drain();
    world.clock.advance(10_000_000 + world.dice.upto(20_000_000));
    let (hz, channels) = [(44_100, 1), (32_000, 2), (48_000, 1), (96_000, 2)][world.dice.upto(4) as usize];
    let (writer, reader) = ring(format(hz, channels));
    (world.writer, world.stream, world.drained) = (Some(writer), 1, 0);
    feed.bring(reader).unwrap();
    drop(feed);
    world.drain();
    world.steps(20, 3);
    world.perhaps_calm();
    world.sink("later", None, 1.0, !live);
    world.connect("source→later", Strategy::Buffer, either, 4);
    world.flow.start().unwrap();
    world.steps(8, 16);
    world.perhaps_calm();
    world.flow.disconnect("source→changing").unwrap();
    world.ends(&["changing"]);
    world.steps(20, 3);
    if world.dice.upto(3) == 0 {
        // One input of the join goes, with the other sink behind it.
        world.perhaps_calm();
        world.flow.remove("left").unwrap();
        world.ends(&["late"]);
        world.steps(10, 3);
    }
    world.writer = None;
    for _ in 0..100 {
        world.drain();
    }
    assert!(world.flow.is_over(), "{:#?}", world.flow.status());
    world
}

#[test]
fn every_sink_of_everything_at_once_tiles_the_timeline() {
    let (mut dropped, mut refused) = (BTreeMap::<String, u64>::new(), 0);
    for seed in 0..64 {
        let live = seed % 4 > 1;
        let world = run(seed, live);
        for (name, frames) in world.check() {
            // One link from the source: what is missing beside what the ring refused, that link says it dropped.
            if ["oldest", "newest", "later"].contains(&name) {
                let edge = world.flow.books().pipelines[&format!("source→{name}")].edge.unwrap();
                assert_eq!((edge.evicted + edge.lost).total(), Frames(frames), "{seed}: {name}");
            }
            *dropped.entry(name.into()).or_default() += frames;
        }
        let books = world.flow.books();
        assert_eq!(books.unaccounted(), Frames(0), "{seed}: {books:#?}");
        for (name, link) in &books.pipelines {
            assert!(
                link.sent.is_some() && link.taken.is_some() && link.edge.is_some(),
                "{seed}: {name} is open"
            );
        }
        assert!(books.nodes.values().all(|node| node.given.is_some()), "{seed}");
        refused += world.refused.iter().filter(|refused| !refused.is_empty()).count();
        let thin = world.sinks["thin"].log.lock().unwrap();
        assert_eq!(thin.formats, BTreeSet::from([(16_000, 1)]), "{seed}");
        assert_eq!(books.pipelines["source→thin"].conversions.len(), 2, "{seed}");
    }
    assert!(refused > 16, "only {refused} streams were ever refused by the ring");
    for name in ["oldest", "newest", "sum", "changing", "late"] {
        assert!(dropped[name] > 0, "no link before {name} ever dropped anything");
    }
}
