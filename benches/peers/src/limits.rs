//! What the machine gives without any queue: the limits beside which rings are judged.

use crate::harness::{Cores, time_two};
use crate::queues::Queue;
use crate::rings::{BLOCK, Block, CAPACITY, SliceRing};
use std::cell::UnsafeCell;
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A value on cache lines of its own (two, because processors fetch pairs).
#[repr(align(128))]
pub(crate) struct OwnLine<T>(T);

/// Bare atomics: one number at a time, over one word. It must be taken before the next is sent.
pub(crate) struct Word;

/// The side that takes, and what it took last.
pub(crate) struct Taker {
    word: Arc<OwnLine<AtomicU64>>,
    last: u64,
}

impl Queue<u64> for Word {
    type Sender = Arc<OwnLine<AtomicU64>>;
    type Receiver = Taker;
    fn split(_: usize) -> (Self::Sender, Taker) {
        let word = Arc::new(OwnLine(AtomicU64::new(0)));
        (word.clone(), Taker { word, last: 0 })
    }
    fn push(sender: &mut Self::Sender, number: u64) -> bool {
        sender.0.store(number + 1, Ordering::Release);
        true
    }
    fn pop(receiver: &mut Taker) -> Option<u64> {
        let word = receiver.word.0.load(Ordering::Acquire);
        if word == receiver.last {
            return None;
        }
        receiver.last = word;
        Some(word - 1)
    }
}

/// Nanoseconds of a round trip between two spinning threads over two plain atomics.
pub(crate) fn round_trip(cores: Cores) -> f64 {
    const TRIPS: u64 = 20_000;
    let ((mut out, mut received), (mut back, mut returned)) = (Word::split(1), Word::split(1));
    let wait = |receiver: &mut Taker| {
        while Word::pop(receiver).is_none() {
            spin_loop();
        }
    };
    let here = move || {
        for trip in 0..TRIPS {
            Word::push(&mut out, trip);
            wait(&mut returned);
        }
    };
    let there = move || {
        for trip in 0..TRIPS {
            wait(&mut received);
            Word::push(&mut back, trip);
        }
    };
    time_two(cores, TRIPS, here, there)
}

/// A bare copy between two cores: items change hands in halves of a ring, with one flag per half.
pub(crate) struct Halves;

/// Plain memory on lines of its own; an item is at most a word and lies across no line.
#[repr(align(128))]
struct Line(#[expect(dead_code, reason = "reached by its address")] UnsafeCell<[u64; 16]>);

struct Storage {
    lines: Box<[Line]>,
    /// Items that are handed over at once.
    half: usize,
    /// True while the half belongs to the reader.
    full: [OwnLine<AtomicBool>; 2],
}

// SAFETY: each half is touched by the side alone to which its flag, written by release and read by acquire, gives it.
unsafe impl Send for Storage {}
// SAFETY: as above.
unsafe impl Sync for Storage {}

/// One side: which half it is in, and how far.
pub(crate) struct Side {
    storage: Arc<Storage>,
    half: usize,
    at: usize,
}

impl Side {
    /// Copies up to `len` items by `copy(place in the half, count)` when the half is ours, and hands it over at its end.
    fn pass<T>(&mut self, ours_when_full: bool, len: usize, copy: impl FnOnce(*mut T, usize)) -> usize {
        let storage = &*self.storage;
        let full = &storage.full[self.half].0;
        if self.at == 0 && full.load(Ordering::Acquire) != ours_when_full {
            return 0;
        }
        let count = len.min(storage.half - self.at);
        let start = storage.lines.as_ptr().cast::<T>().cast_mut();
        // SAFETY: `at + count` is at most a half, so the pointer stays inside the storage, which is of cells.
        copy(unsafe { start.add(self.half * storage.half + self.at) }, count);
        self.at += count;
        if self.at == storage.half {
            full.store(!ours_when_full, Ordering::Release);
            self.at = 0;
            self.half ^= 1;
        }
        count
    }
}

impl<T: Copy + Send + 'static> SliceRing<T> for Halves {
    type Writer = Side;
    type Reader = Side;
    fn split(capacity: usize) -> (Side, Side) {
        const { assert!(size_of::<T>() <= 8 && 8 % size_of::<T>() == 0, "items lie in words") };
        let lines = (capacity * size_of::<T>()).div_ceil(size_of::<Line>());
        let storage = Arc::new(Storage {
            lines: (0..lines).map(|_| Line(UnsafeCell::new([0; 16]))).collect(),
            half: capacity / 2,
            full: [OwnLine(AtomicBool::new(false)), OwnLine(AtomicBool::new(false))],
        });
        (Side { storage: storage.clone(), half: 0, at: 0 }, Side { storage, half: 0, at: 0 })
    }
    fn push(writer: &mut Side, items: &[T]) -> usize {
        // SAFETY: `pass` gives a place for `count` items that is this side's alone; `items` holds at least as many.
        writer.pass(false, items.len(), |to, count| unsafe {
            std::ptr::copy_nonoverlapping(items.as_ptr(), to, count);
        })
    }
    fn pop(reader: &mut Side, items: &mut [T]) -> usize {
        // SAFETY: `pass` gives `count` items that are this side's alone; `items` has room for at least as many.
        reader.pass(true, items.len(), |from, count| unsafe {
            std::ptr::copy_nonoverlapping(from, items.as_mut_ptr(), count);
        })
    }
}

impl Queue<u64> for Halves {
    type Sender = Side;
    type Receiver = Side;
    fn split(capacity: usize) -> (Side, Side) {
        <Self as SliceRing<u64>>::split(capacity)
    }
    fn push(sender: &mut Side, number: u64) -> bool {
        // SAFETY: `pass` gives a place for one number that is this side's alone.
        sender.pass(false, 1, |to: *mut u64, _| unsafe { to.write(number) }) == 1
    }
    fn pop(receiver: &mut Side) -> Option<u64> {
        let mut number = 0u64;
        // SAFETY: `pass` gives one number that is this side's alone.
        (receiver.pass(true, 1, |from: *mut u64, _| unsafe { number = from.read() }) == 1).then_some(number)
    }
}

/// Copies `blocks` blocks into a ring's storage and out again on one thread, without any bookkeeping. All else is as X2 does
/// it: stamps, looks at them, and lengths that the optimiser doesn't know.
pub(crate) fn two_copies(blocks: u64) {
    #[repr(align(128))]
    struct Aligned([f32; CAPACITY]);
    let mut storage = Box::new(Aligned([0.0; CAPACITY]));
    let (mut input, mut output) = (Block([0.25; BLOCK]), Block([0.0; BLOCK]));
    for number in 0..blocks {
        let at = number as usize * BLOCK % CAPACITY;
        input.stamp(number);
        let items = black_box(&input.0[..]);
        storage.0[at..][..items.len()].copy_from_slice(items);
        let items = black_box(&mut output.0[..]);
        items.copy_from_slice(&storage.0[at..][..items.len()]);
        black_box(&output).check(number);
    }
}
