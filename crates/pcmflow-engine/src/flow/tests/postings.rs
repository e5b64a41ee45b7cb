//! Postings that only unusual ends of a flow need: what waits when a task is dropped, what lies before a node that is removed, what
//! there is no memory for.

use super::super::node::Role;
use super::super::*;
use super::witness::*;
use crate::Priority;
use crate::event::NameId;
use crate::pressure::Strategy;
use crate::sync::AtomicBool;
use crate::task::{Cx, Executor, Poll, StepClock, Task};
use pcmflow_core::format::{Frames, StreamPosition};
use pcmflow_core::ledger::{Gap, LossCause, Timeline};
use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};

/// Gives chunks of 64 frames, with a gap in place of the second, all at once.
struct Burst(u64);

impl Inflow for Burst {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        if out.position() > StreamPosition(0) {
            return Ok(Inflowed::Until(u64::MAX));
        }
        for n in 0..self.0 {
            let position = out.position();
            match n {
                1 => out.gap(Gap { position, frames: Frames(64), cause: LossCause::Shed }),
                _ => out.chunk(chunk(out.pool(), format(48_000, 1), position.0, 64, 0).ok_or("no buffer")?),
            }
        }
        Ok(Inflowed::More)
    }
}

/// From a burst on the first executor to a node and a sink on the second.
fn burst(chunks: u64) -> (Bench, std::sync::Arc<std::sync::Mutex<Seen>>) {
    let mut bench = Bench::two();
    let shape = crate::transform::Shape::new(format(48_000, 1));
    bench.flow.add_source("source", shape, false, Box::new(Burst(chunks))).unwrap();
    bench.pass("middle");
    let behind = bench.witness("behind", None, 1.0);
    bench.witness("urgent", None, 1.0);
    let urgent = PipelineConfig { priority: Priority::Critical, ..PipelineConfig::new("source", "urgent") };
    bench.flow.connect(urgent).unwrap();
    bench.connect("source", "middle", Strategy::Block);
    bench.connect("middle", "behind", Strategy::Block);
    bench.flow.start().unwrap();
    bench.executor.run(&bench.clock);
    (bench, behind)
}

#[test]
fn what_waits_before_a_link_when_its_task_is_dropped_is_given_up() {
    let (bench, _) = burst(16);
    let Bench { executor, second, flow, .. } = bench;
    drop((executor, second));
    let link = &flow.books().pipelines["source→middle"];
    let edge = link.edge.unwrap();
    // The link holds four packets: the last twelve never were in it.
    assert_eq!((edge.accepted, edge.lost[LossCause::Removed]), (Frames(3 * 64), Frames(12 * 64)));
    assert_eq!(link.unaccounted(), Frames(0), "{link:#?}");
}

#[test]
fn what_lies_before_a_node_that_is_removed_keeps_its_cause_and_place() {
    let (mut bench, behind) = burst(4);
    bench.flow.remove("middle").unwrap();
    bench.flow.stop().unwrap();
    bench.finish();
    let (removed, shed) = (Some(LossCause::Removed), Some(LossCause::Shed));
    let expected = [(0, 64, removed), (64, 128, shed), (128, 256, removed)];
    assert_eq!(behind.lock().unwrap().stretches, expected);
}

struct Never;

impl Task for Never {
    fn poll(&mut self, _: &mut Cx<'_>) -> Poll {
        Poll::Idle
    }
}

#[test]
fn a_join_without_memory_says_what_it_could_not_give() {
    let mono = format(48_000, 1);
    let config = PoolConfig { budget_bytes: 1 << 20, ..PoolConfig::default() };
    let pool = BufferRecyclingPool::new(config).unwrap();
    let chunk = chunk(&pool, mono, 0, 64, 0).unwrap();
    let held: Vec<_> = std::iter::from_fn(|| pool.acquire(64, Miss::Grow).ok()).collect();
    let mut given = Timeline::default();
    let (clock, (_executor, spawner)) = (StepClock::default(), Executor::new(1).unwrap());
    let task = spawner.spawn(crate::Priority::Normal, Box::new(Never)).unwrap();
    let mut out = Out {
        outlets: &mut [],
        given: &mut given,
        pool: &pool,
        clock: &clock,
        waker: task.waker(),
        events: None,
        meter: None,
        id: NameId::NONE,
        at_ns: 0,
        role: Role::Node,
        rests: &AtomicBool::new(false),
        format: &mut None,
    };
    let mut join = Join::new(1, mono, Missing::Gap);
    join.chunk(0, chunk, &mut out).unwrap();
    assert_eq!((given.lost()[LossCause::Overflow], given.position()), (Frames(64), StreamPosition(64)));
    drop(held);
}
