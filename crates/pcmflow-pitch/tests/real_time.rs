//! A block allocates nothing: counted by the allocator itself, thread by thread.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use pcmflow_core::format::{ChannelCount, Interleaved, SampleRate, StreamPosition};
use pcmflow_pitch::{PitchConfig, PitchTracker};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// Counts what the current thread asks of the system's allocator, frees included.
struct Counting;

fn count() {
    // A thread that is ending has no counter any more, and nobody who reads it.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call is handed to `System` unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count();
        // SAFETY: as above; `at` came from `System`, as all our memory does.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn calls_of(work: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

#[test]
fn the_guard_trips() {
    assert!(calls_of(|| drop(black_box(vec![1u8]))) >= 2);
}

#[test]
fn blocks_gaps_and_ends_allocate_nothing() {
    for rate_hz in [8_000, 44_100, 192_000] {
        let rate = SampleRate::new(rate_hz).unwrap();
        let mut tracker = PitchTracker::new(PitchConfig::new(rate)).unwrap();
        let samples: Vec<f32> = (0..2 * 2048).map(|n| ((n / 2) as f32 * 0.03).sin()).collect();
        let mut estimates = 0;
        let calls = calls_of(|| {
            let mut position = StreamPosition::START;
            for len in [1024, 2048, 256, 37, 1, 1024, 2048, 2048, 2048, 2048, 2048, 2048, 2048] {
                let block = Interleaved::new(&samples[..2 * len], ChannelCount::STEREO).unwrap();
                estimates += usize::from(tracker.block(position, block).is_some());
                position += block.frames();
                if len == 37 {
                    position += 5.into();
                }
            }
            estimates += tracker.finish().count();
        });
        assert_eq!(calls, 0, "at {rate}");
        assert!(estimates >= 13);
    }
}
