//! A flow over two executors on threads of their own, changed while it runs: the books balance all the same.
#![cfg(not(pcmflow_loom))]
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use pcmflow_core::block::BlockSize;
use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{Frames, StreamFormat};
use pcmflow_core::ledger::{Gap, LossCause};
use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
use pcmflow_core::stream::{Overflow, StreamConfig, StreamReader, StreamWriter, stream};
use pcmflow_engine::Priority;
use pcmflow_engine::flow::*;
use pcmflow_engine::pressure::Strategy;
use pcmflow_engine::task::{Clock, Executor, Needs, Place, Rest, SpawnError, Spawner, Task, TaskHandle};
use pcmflow_engine::transform::Shape;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, park_timeout};
use std::time::{Duration, Instant};

#[derive(Debug)]
struct Wall(Instant);

impl Clock for Wall {
    fn now_ns(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// Drives an executor until told to stop; sleeps whenever there is nothing to do, and counts on being woken.
fn drive(stop: Arc<AtomicBool>, clock: Arc<Wall>) -> (Spawner, JoinHandle<()>) {
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let me = std::thread::current();
        let (mut executor, spawner) = Executor::with_unpark(64, move || me.unpark()).unwrap();
        tell.send(spawner).unwrap();
        while !stop.load(Ordering::Acquire) {
            let rest = executor.run(&*clock);
            let ns = match rest {
                Rest::No => continue,
                Rest::Until(due_ns) => due_ns.saturating_sub(clock.now_ns()),
                // Far longer than the test may take: a lost wake-up shows.
                Rest::UntilWoken => 100_000_000_000,
            };
            if executor.fall_asleep() {
                park_timeout(Duration::from_nanos(ns));
                executor.wake_up();
            }
        }
    });
    (told.recv().unwrap(), thread)
}

/// What is critical to one executor, everything else to another.
struct Two {
    critical: Spawner,
    shared: Spawner,
}

impl Place for Two {
    fn place(&self, needs: Needs, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        let spawner = if needs.priority == Priority::Critical { &self.critical } else { &self.shared };
        spawner.place(needs, task)
    }
}

struct Numbers(StreamFormat, u64);

impl Inflow for Numbers {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let position = out.position();
        if position.0 >= self.1 {
            return Ok(Inflowed::End);
        }
        // The consumers hold the whole budget for a moment: there will be a buffer soon.
        let Ok(mut buffer) = out.pool().acquire(128, Miss::Grow) else {
            return Ok(Inflowed::Until(out.now_ns() + 100_000));
        };
        for frame in position.0..position.0 + 64 {
            let _ = buffer.extend_from_slice(&[(frame % (1 << 20)) as f32; 2]);
        }
        let now_ns = out.now_ns();
        let meta =
            ChunkMeta { format: self.0, position, sequence: 0, timestamp_ns: now_ns, complete_ns: now_ns };
        out.chunk(AudioChunk::new(buffer.into_shared(), meta)?);
        if position.0.is_multiple_of(4_096) {
            out.cut(Frames(0));
        }
        Ok(Inflowed::More)
    }
}

/// Where it began, where it is, what was wrong, and where one device was gone and another there.
#[derive(Debug, Default)]
struct Seen {
    start: Option<u64>,
    end: u64,
    wrong: Vec<String>,
    change: Option<(u64, u64)>,
}

/// Checks samples, unless they are multiplied with 0: each is the number of its frame in its stream.
struct Witness(Arc<Mutex<Seen>>, f32);

impl Witness {
    fn stretch(&self, from: u64, to: u64) {
        let mut seen = self.0.lock().unwrap();
        if *seen.start.get_or_insert(from) != from && seen.end != from {
            let text = format!("{from} behind {}", seen.end);
            seen.wrong.push(text);
        }
        seen.end = to;
    }
}

impl Node for Witness {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.stretch(chunk.position().0, chunk.end().0);
        if self.1 > 0.0 {
            let mut seen = self.0.lock().unwrap();
            let first = chunk.position().0 - seen.change.map_or(0, |(_, resumed)| resumed);
            for (frame, samples) in (first..).zip(chunk.samples().chunks(chunk.channels().get())) {
                if samples[0] != (frame % (1 << 20)) as f32 * self.1 {
                    seen.wrong.push(format!("frame {frame} is {}", samples[0]));
                }
            }
        }
        Ok(())
    }

    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.stretch(gap.position.0, gap.end().0);
        if gap.cause == LossCause::Device {
            self.0.lock().unwrap().change = Some((gap.position.0, gap.end().0));
        }
        Ok(())
    }
}

/// Waits until all is over, and ends the threads.
fn finish(flow: &DataFlowCoordinator, stop: &AtomicBool, threads: [JoinHandle<()>; 2]) {
    let began = Instant::now();
    while !flow.is_over() {
        assert!(began.elapsed() < Duration::from_secs(60), "{:#?}", flow.status());
        std::thread::sleep(Duration::from_millis(1));
    }
    stop.store(true, Ordering::Release);
    for thread in threads {
        thread.thread().unpark();
        thread.join().unwrap();
    }
    let books = flow.books();
    assert_eq!(books.unaccounted(), Frames(0), "{books:#?}");
}

#[test]
fn two_threads_edits_and_every_frame_accounted_for() {
    let (stop, clock) = (Arc::new(AtomicBool::new(false)), Arc::new(Wall(Instant::now())));
    let (critical, first) = drive(stop.clone(), clock.clone());
    let (shared, second) = drive(stop.clone(), clock);
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    let mut flow = DataFlowCoordinator::new(Two { critical, shared }, pool);
    let format = StreamFormat::new(48_000, 2).unwrap();
    const TOTAL: u64 = 64 * 100_000;
    flow.add_source("source", Shape::new(format), false, Box::new(Numbers(format, TOTAL))).unwrap();
    let mut seen = Vec::new();
    let mut witness =
        |flow: &mut DataFlowCoordinator, name: &str, wants: Option<Shape>, from: &str, strategy| {
            let what = Arc::new(Mutex::new(Seen::default()));
            flow.add_node(
                name,
                Ports::sink(wants),
                Box::new(Witness(what.clone(), if wants.is_none() { 1.0 } else { 0.0 })),
            )
            .unwrap();
            flow.connect(PipelineConfig { strategy, ..PipelineConfig::new(from, name) }).unwrap();
            seen.push((name.to_owned(), what));
        };
    // The join runs on the critical thread, the source and the sinks on the other.
    let join = Join::new(2, format, Missing::Gap);
    flow.add_node("join", Ports::join(2, Shape::new(format)), Box::new(join)).unwrap();
    let urgent = PipelineConfig { priority: Priority::Critical, ..PipelineConfig::new("source", "join") };
    flow.connect(urgent.clone()).unwrap();
    let mono = Shape::new(StreamFormat::new(16_000, 1).unwrap());
    witness(&mut flow, "whole", None, "source", Strategy::Block);
    witness(&mut flow, "thin", Some(mono), "source", Strategy::Buffer);
    witness(&mut flow, "joined", None, "join", Strategy::DropNewest);
    flow.start().unwrap();
    let strategies = [Strategy::DropOldest, Strategy::Block, Strategy::DropNewest, Strategy::Adaptive];
    for turn in 0..40 {
        std::thread::sleep(Duration::from_millis(1));
        flow.set_strategy("source→whole", strategies[turn % strategies.len()]).unwrap();
        if flow.status().nodes["source"].state != State::Running {
            break;
        }
        let name = format!("branch{turn}");
        if turn % 3 == 0 {
            witness(&mut flow, &name, None, "source", Strategy::DropOldest);
            flow.start().unwrap();
        } else if turn % 3 == 1 {
            let _ = flow.disconnect(&format!("source→branch{}", turn - 1));
        } else {
            let _ = flow.remove(&format!("branch{}", turn - 2));
        }
    }
    finish(&flow, &stop, [first, second]);
    for (name, seen) in seen {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.wrong, [""; 0], "{name}");
        if !name.starts_with("branch") {
            assert_eq!((seen.start, seen.end), (Some(0), TOTAL), "{name}");
        }
    }
}

/// What a callback writes: each sample is the number of its frame.
struct Device {
    writer: StreamWriter,
    written: u64,
    refused: u64,
}

impl Device {
    fn new(hz: u32, channels: u32) -> (Self, StreamReader) {
        let format = StreamFormat::new(hz, channels).unwrap();
        let (capacity, quantum, overflow) = (Frames(1_024), Frames(128), Overflow::DropNewest);
        let (writer, reader, _) = stream(StreamConfig { format, capacity, quantum, overflow }).unwrap();
        (Self { writer, written: 0, refused: 0 }, reader)
    }

    fn write(&mut self, quanta: u64, now_ns: u64) {
        let (channels, to) = (self.writer.format().channels.get(), self.written + 128 * quanta);
        let samples: Vec<f32> = (self.written..to).flat_map(|frame| vec![frame as f32; channels]).collect();
        self.refused += self.writer.write(&samples, now_ns).dropped.0;
        self.written = to;
    }
}

#[test]
fn a_live_source_that_changes_its_format_on_two_threads() {
    let (stop, clock) = (Arc::new(AtomicBool::new(false)), Arc::new(Wall(Instant::now())));
    let (critical, first) = drive(stop.clone(), clock.clone());
    let (shared, second) = drive(stop.clone(), clock.clone());
    let pool = BufferRecyclingPool::new(PoolConfig::default()).unwrap();
    let mut flow = DataFlowCoordinator::new(Two { critical, shared }, pool);
    let stereo = Shape::new(StreamFormat::new(48_000, 2).unwrap());
    let (mut device, reader) = Device::new(48_000, 2);
    let (mut feed, source) = StreamInflow::new(reader, BlockSize::of::<128>()).unwrap();
    flow.add_source("source", stereo, true, Box::new(source)).unwrap();
    flow.add_node("join", Ports::join(2, stereo), Box::new(Join::new(2, stereo.format, Missing::Gap)))
        .unwrap();
    // The other way to the join, on the other thread.
    flow.add_node("detour", Ports::join(1, stereo), Box::new(Join::new(1, stereo.format, Missing::Gap)))
        .unwrap();
    let mono = Shape::new(StreamFormat::new(16_000, 1).unwrap());
    let mut seen = Vec::new();
    for (name, wants, times) in
        [("sum", None, 2.0), ("oldest", None, 1.0), ("newest", None, 1.0), ("thin", Some(mono), 0.0)]
    {
        let what = Arc::new(Mutex::new(Seen::default()));
        flow.add_node(name, Ports::sink(wants), Box::new(Witness(what.clone(), times))).unwrap();
        seen.push((name, what));
    }
    let link = |from: &str, to: &str, strategy| PipelineConfig {
        strategy,
        packets: 4,
        ..PipelineConfig::new(from, to)
    };
    flow.connect(link("source", "detour", Strategy::Block)).unwrap();
    flow.connect(link("detour", "join", Strategy::Block)).unwrap();
    let urgent =
        PipelineConfig { priority: Priority::Critical, input: 1, ..link("source", "join", Strategy::Block) };
    flow.connect(urgent).unwrap();
    flow.connect(link("join", "sum", Strategy::DropOldest)).unwrap();
    flow.connect(link("source", "oldest", Strategy::DropOldest)).unwrap();
    flow.connect(link("source", "newest", Strategy::DropNewest)).unwrap();
    flow.connect(link("source", "thin", Strategy::Buffer)).unwrap();
    flow.start().unwrap();
    let (mut refused, mut changed) = (0, 0);
    let mut branches = Vec::new();
    let mut settled = std::collections::BTreeSet::new();
    for turn in 0..240u64 {
        // Now and then far more than the ring holds.
        device.write(if turn % 20 == 19 { 40 } else { 1 + turn % 3 }, clock.now_ns());
        device.writer.cut();
        std::thread::sleep(Duration::from_micros(400));
        if turn % 12 == 5 {
            let name = format!("branch{turn}");
            let what = Arc::new(Mutex::new(Seen::default()));
            // One that begins in mid-stream does not know where its stream does.
            flow.add_node(&name, Ports::sink(None), Box::new(Witness(what.clone(), 0.0))).unwrap();
            branches.push(what);
            flow.connect(link("source", &name, Strategy::DropOldest)).unwrap();
            flow.start().unwrap();
        } else if turn % 12 == 11 {
            flow.remove(&format!("branch{}", turn - 6)).unwrap();
            let other = [Strategy::DropNewest, Strategy::DropOldest][(turn / 12 % 2) as usize];
            flow.set_strategy("source→oldest", other).unwrap();
        }
        if turn == 120 {
            let (other, reader) = Device::new(44_100, 1);
            let before = std::mem::replace(&mut device, other);
            (refused, changed) = (before.refused, before.written);
            drop(before);
            feed.bring(reader).unwrap();
        }
        let status = flow.status();
        assert!(status.is_healthy(), "{status:#?}");
        settled.extend(status.nodes["sum"].settled.map(|settled| settled.position));
    }
    let written = device.written;
    assert!(refused > 0 && device.refused > 0, "{refused} {}", device.refused);
    drop((device, feed));
    finish(&flow, &stop, [first, second]);
    assert!(settled.len() > 2, "{settled:?}");
    for seen in branches {
        assert_eq!(seen.lock().unwrap().wrong, [""; 0]);
    }
    let resumed = seen[0].1.lock().unwrap().end - written;
    for (name, seen) in seen {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.wrong, [""; 0], "{name}");
        assert_eq!((seen.start, seen.end), (Some(0), resumed + written), "{name}");
        assert_eq!(seen.change, Some((changed, resumed)), "{name}");
    }
}
