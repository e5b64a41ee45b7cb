//! What an audio thread must not do, made to fail: one set of calls, two checkers.
//!
//! [`rt`] runs a call as an audio thread would make it. Built as usual, an allocator that counts says whether it allocated
//! or freed. Built by `cargo xtask proof --only rtsan`, the call also stands inside a function that RealtimeSanitizer takes
//! for non-blocking: at the first intercepted call of the system (memory, locks, waiting, files) the process dies with a report.
//!
//! Neither sees everything. A lock that nobody holds, a clock that is read without a system call, `std::thread::sleep`, a page
//! fault, spinning and the length of a loop are invisible to both.
//!
//! Test targets of every crate include this file by its path, so that there is one such allocator. Their root needs
//! `#![cfg_attr(pcmflow_rtsan, feature(sanitize))]`.

#![allow(dead_code, reason = "each test target takes what it needs")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hint::black_box;

thread_local! {
    /// Calls of the allocator and bytes held, of this thread: tests run side by side.
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
    /// How often each name went through [`rt`] on this thread.
    static ENTRIES: RefCell<BTreeMap<&'static str, usize>> = const { RefCell::new(BTreeMap::new()) };
}

struct Counting;

fn count(bytes: isize) {
    // Threads that are ending have no counters any more, and nobody who reads them.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
    let _ = BYTES.try_with(|held| held.set(held.get() + bytes));
}

// SAFETY: passes everything on to `System` unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as our caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as our caller says.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as our caller says.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls of the allocator, by this thread, while `work` runs.
pub(crate) fn calls(work: impl FnOnce()) -> usize {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

/// Bytes that this thread took from the allocator and did not give back to it.
pub(crate) fn bytes_held() -> isize {
    BYTES.get()
}

/// Calls the public function `name` (`Type::function`) as an audio thread would. `cargo xtask contracts` holds the names
/// against the real-time lines: a function that claims to be RT-safe and stands in no `rt("…", || …)` fails the house rules.
///
/// What the call returns is handed out, so that its drop is not part of it.
#[track_caller]
pub(crate) fn rt<R>(name: &'static str, work: impl FnOnce() -> R) -> R {
    let before = CALLS.get();
    let result = nonblocking(work);
    let calls = CALLS.get() - before;
    assert_eq!(calls, 0, "{name} called the allocator");
    ENTRIES.with_borrow_mut(|entries| *entries.entry(name).or_default() += 1);
    result
}

/// Where RealtimeSanitizer watches.
#[inline(never)]
#[cfg_attr(pcmflow_rtsan, sanitize(realtime = "nonblocking"))]
pub(crate) fn nonblocking<R>(work: impl FnOnce() -> R) -> R {
    black_box(work())
}

/// Says how many functions went through [`rt`] on this thread, and how many calls.
pub(crate) fn report(of: &str) {
    let (functions, calls) = ENTRIES.with_borrow(|entries| (entries.len(), entries.values().sum::<usize>()));
    let by = if cfg!(pcmflow_rtsan) {
        "the counting allocator and RealtimeSanitizer"
    } else {
        "the counting allocator"
    };
    println!("real time: {of}: {functions} functions in {calls} calls, watched by {by}");
}
