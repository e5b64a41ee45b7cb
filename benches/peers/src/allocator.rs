//! The system's allocator, counted while somebody asks.
//!
//! While nobody does, a call costs one load of a flag that no one writes: well under a nanosecond of the twenty that
//! malloc takes, for every contender alike.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ON: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);

/// Relaxed throughout: counts order nothing, and are read when the counted threads were joined.
fn note(calls: u64, bytes: i64) {
    if ON.load(Ordering::Relaxed) {
        CALLS.fetch_add(calls, Ordering::Relaxed);
        BYTES.fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: as the caller says.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        note(1, -(layout.size() as i64));
        // SAFETY: as the caller says.
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size as i64 - layout.size() as i64);
        // SAFETY: as the caller says.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Allocations and frees.
    pub(crate) calls: u64,
    /// Bytes allocated and not freed.
    pub(crate) bytes: i64,
}

/// Counts what all threads do while `work` runs.
pub(crate) fn counting<R>(work: impl FnOnce() -> R) -> (R, Counts) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    CALLS.store(0, Ordering::Relaxed);
    BYTES.store(0, Ordering::Relaxed);
    ON.store(true, Ordering::Relaxed);
    let result = work();
    ON.store(false, Ordering::Relaxed);
    (result, Counts { calls: CALLS.load(Ordering::Relaxed), bytes: BYTES.load(Ordering::Relaxed) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn calls_and_bytes_are_counted() {
        // The harness's own threads may allocate meanwhile: at least what we did is there.
        let (kept, counts) = counting(|| {
            drop(black_box(vec![0u8; 1 << 20]));
            black_box(vec![1u8; 1 << 24])
        });
        assert!(counts.calls >= 3 && counts.bytes >= 1 << 24 && counts.bytes < 1 << 25, "{counts:?}");
        drop(kept);
    }
}
