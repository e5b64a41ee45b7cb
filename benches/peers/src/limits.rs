//! What the machine gives without any queue: the limits beside which rings are judged.

use crate::harness::{Cores, time_two};
use crate::rings::{BLOCK, CAPACITY, FrameRing};
use std::cell::UnsafeCell;
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Nanoseconds of a round trip between two spinning threads over two plain atomics.
pub(crate) fn round_trip(cores: Cores) -> f64 {
    const TRIPS: u64 = 200_000;
    let (out, back) = (OwnLine(AtomicU64::new(0)), OwnLine(AtomicU64::new(0)));
    let wait = |cell: &OwnLine<AtomicU64>, value| {
        while cell.0.load(Ordering::Acquire) != value {
            spin_loop();
        }
    };
    let here = || {
        for trip in 1..=TRIPS {
            out.0.store(trip, Ordering::Release);
            wait(&back, trip);
        }
    };
    let there = || {
        for trip in 1..=TRIPS {
            wait(&out, trip);
            back.0.store(trip, Ordering::Release);
        }
    };
    time_two(cores, TRIPS, here, there)
}

/// A value on cache lines of its own (two, because processors fetch pairs).
#[repr(align(128))]
struct OwnLine<T>(T);

/// Frames that are handed over at once: 16 KiB, half a ring.
const HALF: usize = CAPACITY / 2;

/// A bare copy between two cores: samples change hands in halves of the ring, with one flag per half.
pub(crate) struct Halves;

#[repr(align(128))]
struct Storage {
    halves: [UnsafeCell<[f32; HALF]>; 2],
    /// True while the half belongs to the reader.
    full: [OwnLine<AtomicBool>; 2],
}

// SAFETY: each half is touched by the side alone to which its flag, written by release and read by acquire, gives it.
unsafe impl Sync for Storage {}

/// One side: which half it is in, and how far.
pub(crate) struct Side {
    storage: Arc<Storage>,
    half: usize,
    at: usize,
}

impl Side {
    /// Copies up to `len` samples by `copy(place in the half, count)` when the half is ours, and hands it over at its end.
    fn pass(&mut self, ours_when_full: bool, len: usize, copy: impl FnOnce(*mut f32, usize)) -> usize {
        let full = &self.storage.full[self.half].0;
        if self.at == 0 && full.load(Ordering::Acquire) != ours_when_full {
            return 0;
        }
        let count = len.min(HALF - self.at);
        // SAFETY: `at + count` is at most HALF, so the pointer stays inside the half.
        copy(unsafe { self.storage.halves[self.half].get().cast::<f32>().add(self.at) }, count);
        self.at += count;
        if self.at == HALF {
            full.store(!ours_when_full, Ordering::Release);
            self.at = 0;
            self.half ^= 1;
        }
        count
    }
}

impl FrameRing for Halves {
    type Writer = Side;
    type Reader = Side;
    fn split() -> (Side, Side) {
        let storage = Arc::new(Storage {
            halves: [UnsafeCell::new([0.0; HALF]), UnsafeCell::new([0.0; HALF])],
            full: [OwnLine(AtomicBool::new(false)), OwnLine(AtomicBool::new(false))],
        });
        (Side { storage: storage.clone(), half: 0, at: 0 }, Side { storage, half: 0, at: 0 })
    }
    fn push(writer: &mut Side, samples: &[f32]) -> usize {
        // SAFETY: `pass` gives a place for `count` samples that is this side's alone; `samples` holds at least as many.
        writer.pass(false, samples.len(), |to, count| unsafe {
            std::ptr::copy_nonoverlapping(samples.as_ptr(), to, count);
        })
    }
    fn pop(reader: &mut Side, samples: &mut [f32]) -> usize {
        // SAFETY: `pass` gives `count` samples that are this side's alone; `samples` has room for at least as many.
        reader.pass(true, samples.len(), |from, count| unsafe {
            std::ptr::copy_nonoverlapping(from, samples.as_mut_ptr(), count);
        })
    }
}

/// Copies `blocks` blocks into a ring's storage and out again on one thread, without any bookkeeping.
pub(crate) fn two_copies(blocks: u64, block: &mut [f32; BLOCK]) {
    #[repr(align(128))]
    struct Aligned([f32; CAPACITY]);
    let mut storage = Box::new(Aligned([0.0; CAPACITY]));
    for number in 0..blocks {
        let at = number as usize * BLOCK % CAPACITY;
        let place = &mut storage.0[at..at + BLOCK];
        let len = black_box(BLOCK);
        place[..len].copy_from_slice(black_box(&block[..len]));
        block[..len].copy_from_slice(black_box(&place[..len]));
    }
    black_box(block);
}
