//! Interleaved rounds on pinned threads, and the table of what they took.

use crate::rings;
use core_affinity::CoreId;
use std::sync::Barrier;
use std::time::Instant;

/// The two cores that threads are pinned to.
pub(crate) type Cores = (CoreId, CoreId);

/// The first two cores that this process may run on.
pub(crate) fn two_cores() -> Option<Cores> {
    let cores = core_affinity::get_core_ids()?;
    Some((*cores.first()?, *cores.get(1)?))
}

/// Pins the calling thread.
pub(crate) fn pin(core: CoreId) {
    assert!(core_affinity::set_for_current(core), "the thread can't be pinned to core {}", core.id);
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// How often each contender runs; an odd number has a median of its own.
    pub(crate) rounds: usize,
    /// Operations of a round are divided by this.
    divisor: u64,
}

impl Size {
    /// What is recorded.
    pub(crate) const FULL: Size = Size { rounds: 9, divisor: 1 };
    /// Only to see that everything runs and verifies.
    pub(crate) const BRIEF: Size = Size { rounds: 1, divisor: 64 };
}

/// What a contender is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The same bytes moved without the thing that is measured.
    Limit,
    /// pcmflow's.
    Ours,
    /// What people use today.
    Peer,
}

/// One contender: `round` does this many operations and says nanoseconds per operation.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Checks what it carries, thoroughly and untimed; panics on a difference.
    pub(crate) verify: fn(Cores),
    pub(crate) round: fn(u64, Cores) -> f64,
}

/// What is measured, and who takes part.
pub(crate) struct Experiment {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Operations of one full round.
    pub(crate) operations: u64,
    pub(crate) contenders: Vec<Contender>,
}

impl Experiment {
    /// Verifies every contender, warms up, runs the rounds and prints the table.
    pub(crate) fn run(&self, size: Size, cores: Cores) {
        let operations = whole(self.operations / size.divisor);
        let mut times: Vec<Vec<f64>> = vec![Vec::new(); self.contenders.len()];
        for contender in &self.contenders {
            (contender.verify)(cores);
            (contender.round)(whole(operations / 8), cores);
        }
        for round in 0..size.rounds {
            for turn in 0..self.contenders.len() {
                // Each round begins with another one, so that nobody always runs in the wake of the same neighbour.
                let index = (turn + round) % self.contenders.len();
                times[index].push((self.contenders[index].round)(operations, cores));
            }
        }
        self.print(&times);
    }

    fn print(&self, times: &[Vec<f64>]) {
        let summaries: Vec<Summary> = times.iter().map(|times| Summary::of(times)).collect();
        let best = |kind| {
            let of_kind =
                self.contenders.iter().zip(&summaries).filter(|(contender, _)| contender.kind == kind);
            of_kind.map(|(_, summary)| summary.median).min_by(f64::total_cmp)
        };
        let ratio =
            |median: f64, to: Option<f64>| to.map_or("–".into(), |to| format!("{:.2}", median / to));
        println!("### {} {}\n", self.name, self.title);
        println!("| contender | median ns | min | max | ÷ best peer | ÷ limit |");
        println!("| --- | --: | --: | --: | --: | --: |");
        for (contender, Summary { median, min, max }) in self.contenders.iter().zip(&summaries) {
            let name = match contender.kind {
                Kind::Limit => format!("*{}*", contender.name),
                Kind::Ours => format!("**{}**", contender.name),
                Kind::Peer => contender.name.into(),
            };
            let (peer, limit) = (ratio(*median, best(Kind::Peer)), ratio(*median, best(Kind::Limit)));
            println!("| {name} | {median:.1} | {min:.1} | {max:.1} | {peer} | {limit} |");
        }
        println!();
    }
}

/// Rounds up to whole rings of blocks, so that the limit, which hands over halves, ends with a full one.
fn whole(operations: u64) -> u64 {
    operations.next_multiple_of((rings::CAPACITY / rings::BLOCK) as u64)
}

struct Summary {
    median: f64,
    min: f64,
    max: f64,
}

impl Summary {
    fn of(times: &[f64]) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Self { median: (low + high) / 2.0, min: sorted[0], max: sorted[sorted.len() - 1] }
    }
}

/// Times `work` on this thread, pinned to the first core; nanoseconds per operation.
pub(crate) fn time_one(cores: Cores, operations: u64, work: impl FnOnce()) -> f64 {
    pin(cores.0);
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / operations as f64
}

/// Runs two threads from a common start, pinned to a core each; nanoseconds per operation until the slower is done.
pub(crate) fn time_two(
    cores: Cores,
    operations: u64,
    here: impl FnOnce() + Send,
    there: impl FnOnce() + Send,
) -> f64 {
    let barrier = Barrier::new(2);
    let timed = |core, work: Box<dyn FnOnce() + Send + '_>| {
        pin(core);
        barrier.wait();
        let start = Instant::now();
        work();
        start.elapsed().as_nanos() as f64
    };
    let nanoseconds = std::thread::scope(|scope| {
        let other = scope.spawn(|| timed(cores.1, Box::new(there)));
        let own = scope.spawn(|| timed(cores.0, Box::new(here)));
        let join = |thread: std::thread::ScopedJoinHandle<'_, f64>| match thread.join() {
            Ok(nanoseconds) => nanoseconds,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        join(own).max(join(other))
    });
    nanoseconds / operations as f64
}

/// A small seeded generator (xorshift64*, Vigna 2016): the same sizes and choices for every contender.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}
