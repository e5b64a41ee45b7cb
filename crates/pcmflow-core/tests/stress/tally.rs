//! Who did how much, who waits, and when to stop.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// A thread failed: the others must not wait for it.
static FAILED: AtomicBool = AtomicBool::new(false);
/// Somebody pressed Ctrl-C: episodes end early, and are checked all the same.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

pub(crate) fn has_failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

pub(crate) fn was_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

pub(crate) fn stop_all() {
    FAILED.store(true, Ordering::Relaxed);
}

/// Ctrl-C ends the run with its checks and figures; a second one ends the process.
pub(crate) fn stop_on_interrupt() {
    #[cfg(unix)]
    {
        const SIGINT: i32 = 2;
        unsafe extern "C" {
            fn signal(number: i32, handler: usize) -> usize;
        }
        extern "C" fn interrupted(_: i32) {
            INTERRUPTED.store(true, Ordering::Relaxed);
            // SAFETY: `signal` may be called in a handler; 0 is the default action.
            unsafe { signal(SIGINT, 0) };
        }
        // SAFETY: the handler only stores an atomic and calls `signal`, both allowed there.
        unsafe { signal(SIGINT, interrupted as extern "C" fn(i32) as usize) };
    }
}

/// Ends this thread without a word, so that the report of the one that failed stands alone.
pub(crate) fn end_if_another_failed() {
    if has_failed() {
        resume_unwind(Box::new("another thread failed"));
    }
}

/// Waits a moment for another thread. An attempt that moved nothing is no operation.
pub(crate) fn wait() {
    end_if_another_failed();
    // On another core it may come at once.
    for _ in 0..32 {
        std::hint::spin_loop();
    }
    thread::yield_now();
}

/// Joins threads by hand: how a scope waits for the others is hidden from ThreadSanitizer in std.
pub(crate) fn join<T>(threads: Vec<thread::ScopedJoinHandle<'_, T>>) -> Vec<T> {
    let end =
        |thread: thread::ScopedJoinHandle<'_, T>| thread.join().unwrap_or_else(|why| resume_unwind(why));
    threads.into_iter().map(end).collect()
}

/// The operations of one part.
#[derive(Debug)]
pub(crate) struct Tally {
    done: AtomicU64,
    episodes: AtomicU64,
    finished: AtomicBool,
    share: u64,
}

impl Tally {
    pub(crate) fn new(share: u64) -> Self {
        Self { done: AtomicU64::new(0), episodes: AtomicU64::new(0), finished: AtomicBool::new(false), share }
    }

    /// Whether the part has more to do.
    pub(crate) fn goes_on(&self) -> bool {
        self.done() < self.share && !was_interrupted() && !has_failed()
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub(crate) fn episode_done(&self) {
        self.episodes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn episodes(&self) -> u64 {
        self.episodes.load(Ordering::Relaxed)
    }

    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }

    /// One thread's count. Each thread of a part keeps one as long as it runs: it also tells when the thread fails.
    pub(crate) fn counter(&self) -> Counter<'_> {
        Counter { tally: self, mine: 0 }
    }
}

/// Counts one thread's operations, and adds them to the part's now and then.
#[derive(Debug)]
pub(crate) struct Counter<'a> {
    tally: &'a Tally,
    mine: u64,
}

impl Counter<'_> {
    pub(crate) fn did(&mut self, operations: u64) {
        self.mine += operations;
        if self.mine >= 4096 {
            self.tally.done.fetch_add(self.mine, Ordering::Relaxed);
            self.mine = 0;
        }
    }
}

impl Drop for Counter<'_> {
    fn drop(&mut self) {
        self.tally.done.fetch_add(self.mine, Ordering::Relaxed);
        if thread::panicking() {
            stop_all();
        }
    }
}
