//! Time, and the wish to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long anything sleeps at most before it looks whether it should stop.
pub(super) const NAP: Duration = Duration::from_millis(20);

/// A monotonic clock that starts at 0.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    ///
    /// Not RT-safe: may make a system call.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Nanoseconds since the start.
    ///
    /// Not RT-safe: may make a system call.
    pub fn now_ns(&self) -> u64 {
        let passed = self.start.elapsed();
        // Not by 128 bits: asked at every block.
        passed.as_secs().saturating_mul(1_000_000_000).saturating_add(passed.subsec_nanos().into())
    }

    /// Sleeps until `due_ns`, or until `stop` is asked for; returns whether the time was reached.
    pub(crate) fn sleep_until(&self, due_ns: u64, stop: &Stop) -> bool {
        loop {
            if stop.is_asked() {
                return false;
            }
            let now_ns = self.now_ns();
            if now_ns >= due_ns {
                return true;
            }
            std::thread::sleep(Duration::from_nanos(due_ns - now_ns).min(NAP));
        }
    }
}

/// A wish to stop that many threads share. Once asked for, it stays.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A wish that nobody has uttered yet.
    ///
    /// Not RT-safe: allocates.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything that shares this to end soon. May be called from a signal handler's thread.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn ask(&self) {
        // Relaxed: nothing is read on the strength of it.
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
