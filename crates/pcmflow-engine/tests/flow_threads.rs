//! A flow over two executors on threads of their own, changed while it runs: the books balance all the same.
#![cfg(not(pcmflow_loom))]
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{Frames, StreamFormat};
use pcmflow_core::ledger::Gap;
use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
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

/// Where it began, where it is, and what was wrong.
#[derive(Debug, Default)]
struct Seen(Option<u64>, u64, Vec<String>);

struct Witness(Arc<Mutex<Seen>>, bool);

impl Witness {
    fn stretch(&self, from: u64, to: u64) {
        let mut seen = self.0.lock().unwrap();
        if *seen.0.get_or_insert(from) != from && seen.1 != from {
            let text = format!("{from} behind {}", seen.1);
            seen.2.push(text);
        }
        seen.1 = to;
    }
}

impl Node for Witness {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.stretch(chunk.position().0, chunk.end().0);
        if self.1 {
            for (frame, samples) in (chunk.position().0..).zip(chunk.samples().chunks(2)) {
                if samples[0] != (frame % (1 << 20)) as f32 {
                    self.0.lock().unwrap().2.push(format!("frame {frame} is {}", samples[0]));
                }
            }
        }
        Ok(())
    }

    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.stretch(gap.position.0, gap.end().0);
        Ok(())
    }
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
            flow.add_node(name, Ports::sink(wants), Box::new(Witness(what.clone(), wants.is_none())))
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
    let began = Instant::now();
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
    while !flow.is_over() {
        assert!(began.elapsed() < Duration::from_secs(60), "{:#?}", flow.status());
        std::thread::sleep(Duration::from_millis(1));
    }
    stop.store(true, Ordering::Release);
    for thread in [first, second] {
        thread.thread().unpark();
        thread.join().unwrap();
    }
    let books = flow.books();
    assert_eq!(books.unaccounted(), Frames(0), "{books:#?}");
    for (name, seen) in seen {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.2, [""; 0], "{name}");
        if !name.starts_with("branch") {
            assert_eq!((seen.0, seen.1), (Some(0), TOTAL), "{name}");
        }
    }
}
