//! Threads pinned to cores, timed from a common start.

use core_affinity::CoreId;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    let ((), (), nanoseconds) = run_two(cores, here, there);
    nanoseconds / operations as f64
}

/// Runs two threads from a common start, pinned to a core each; what they return, and nanoseconds until the slower is
/// done. A panic of either ends the process: the other might wait for it for ever.
pub(crate) fn run_two<A: Send, B: Send>(
    cores: Cores,
    here: impl FnOnce() -> A + Send,
    there: impl FnOnce() -> B + Send,
) -> (A, B, f64) {
    fn timed<R>(core: CoreId, barrier: &Barrier, work: impl FnOnce() -> R) -> (R, f64) {
        pin(core);
        barrier.wait();
        let start = Instant::now();
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(result) => (result, start.elapsed().as_nanos() as f64),
            // Its message was printed.
            Err(_) => std::process::exit(101),
        }
    }
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| timed(cores.1, &barrier, there));
        let own = scope.spawn(|| timed(cores.0, &barrier, here));
        let ((a, here), (b, there)) = (join(own), join(other));
        (a, b, here.max(there))
    })
}

/// Waits for a thread; its panic becomes ours.
pub(crate) fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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
