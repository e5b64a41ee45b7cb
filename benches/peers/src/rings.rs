//! Rings that move slices: what X1, X2 and X3a-bulk drive.

use crate::harness::{Cores, Random, time_two};
use crate::queues::{Locked, MutexVecDeque, Ours, Queue, Ringbuf, Rtrb};
use ringbuf::traits::{Consumer as _, Producer as _};
use std::marker::PhantomData;

/// Frames of one block, the browser's render quantum.
pub(crate) const BLOCK: usize = 128;
/// Frames of a ring.
pub(crate) const CAPACITY: usize = 8192;

/// A block of a caller, stamped at both ends with its number. On cache lines of its own, for everybody alike: where the stack
/// happens to put it moves a contender by several nanoseconds.
#[repr(align(64))]
pub(crate) struct Block(pub(crate) [f32; BLOCK]);

impl Block {
    /// The number that a block carries; f32 holds it exactly.
    pub(crate) fn mark_of(number: u64) -> f32 {
        (number % (1 << 20)) as f32
    }

    #[inline(always)]
    pub(crate) fn stamp(&mut self, number: u64) {
        self.0[0] = Self::mark_of(number);
        self.0[BLOCK - 1] = -Self::mark_of(number);
    }

    /// Panics where it is another block than the one of that number.
    #[inline(always)]
    pub(crate) fn check(&self, number: u64) {
        let (first, last) = (self.0[0], self.0[BLOCK - 1]);
        let mark = Self::mark_of(number);
        assert!(first == mark && last == -mark, "block {number} was lost, doubled or torn");
    }
}

/// A ring, split into its two halves.
pub(crate) trait SliceRing<T> {
    type Writer: Send;
    type Reader: Send;
    fn split(capacity: usize) -> (Self::Writer, Self::Reader);
    /// Moves as many items as it takes, from the front of `items`; says how many.
    fn push(writer: &mut Self::Writer, items: &[T]) -> usize;
    /// Moves as many items as there are into the front of `items`; says how many.
    fn pop(reader: &mut Self::Reader, items: &mut [T]) -> usize;
}

/// Offers until everything is placed.
pub(crate) fn push_all<T, R: SliceRing<T>>(writer: &mut R::Writer, items: &[T]) {
    let mut done = 0;
    while done < items.len() {
        let pushed = R::push(writer, &items[done..]);
        if pushed == 0 {
            std::hint::spin_loop();
        }
        done += pushed;
    }
}

/// Takes until `items` is full.
pub(crate) fn pop_all<T, R: SliceRing<T>>(reader: &mut R::Reader, items: &mut [T]) {
    let mut done = 0;
    while done < items.len() {
        let popped = R::pop(reader, &mut items[done..]);
        if popped == 0 {
            std::hint::spin_loop();
        }
        done += popped;
    }
}

/// Sends a running sequence of samples between two threads in pieces of odd sizes and looks at every sample.
pub(crate) fn verify<R: SliceRing<f32>>(cores: Cores) {
    verify_in_pieces::<f32, R>(cores, CAPACITY, |random| 1 + random.below(300), |number| number as f32);
}

/// The same in whole blocks, for what takes nothing else.
pub(crate) fn verify_blocks<R: SliceRing<f32>>(cores: Cores) {
    verify_in_pieces::<f32, R>(cores, CAPACITY, |_| BLOCK as u64, |number| number as f32);
}

/// Sends a running sequence between two threads and looks at every item; `item` makes the n-th.
pub(crate) fn verify_in_pieces<T: Copy + PartialEq + std::fmt::Debug, R: SliceRing<T>>(
    cores: Cores,
    capacity: usize,
    piece: fn(&mut Random) -> u64,
    item: fn(u64) -> T,
) {
    let (mut writer, mut reader) = R::split(capacity);
    // Whole rings, so that what is handed over in larger pieces ends with a full one; f32 counts exactly to 2^24.
    let total = capacity as u64 * 64;
    let pieces = |seed| {
        let mut random = Random::new(seed);
        let mut left = total;
        std::iter::from_fn(move || {
            let piece = piece(&mut random).min(left);
            left -= piece;
            (piece > 0).then_some(piece as usize)
        })
    };
    let send = move || {
        let mut next = 0u64;
        for piece in pieces(1) {
            let items: Vec<T> = (next..next + piece as u64).map(item).collect();
            push_all::<T, R>(&mut writer, &items);
            next += piece as u64;
        }
    };
    let receive = move || {
        let mut next = 0u64;
        for piece in pieces(2) {
            let mut items = vec![item(u64::MAX); piece];
            pop_all::<T, R>(&mut reader, &mut items);
            for popped in items {
                assert_eq!(popped, item(next), "an item was lost, doubled or moved");
                next += 1;
            }
        }
        let mut more = vec![item(0); BLOCK];
        assert_eq!(R::pop(&mut reader, &mut more), 0, "more came out than went in");
    };
    time_two(cores, 1, send, receive);
}

impl<T: Copy + Send> SliceRing<T> for Ours {
    type Writer = pcmflow_core::ring::Producer<T>;
    type Reader = pcmflow_core::ring::Consumer<T>;
    fn split(capacity: usize) -> (Self::Writer, Self::Reader) {
        <Self as Queue<T>>::split(capacity)
    }
    fn push(writer: &mut Self::Writer, items: &[T]) -> usize {
        writer.push_slice(items)
    }
    fn pop(reader: &mut Self::Reader, items: &mut [T]) -> usize {
        reader.pop_slice(items)
    }
}

/// pcmflow's ring by its calls that move all or nothing.
pub(crate) struct OursEntire;

impl<T: Copy + Send> SliceRing<T> for OursEntire {
    type Writer = pcmflow_core::ring::Producer<T>;
    type Reader = pcmflow_core::ring::Consumer<T>;
    fn split(capacity: usize) -> (Self::Writer, Self::Reader) {
        <Ours as Queue<T>>::split(capacity)
    }
    fn push(writer: &mut Self::Writer, items: &[T]) -> usize {
        writer.push_entire(items).map_or(0, |()| items.len())
    }
    fn pop(reader: &mut Self::Reader, items: &mut [T]) -> usize {
        reader.pop_entire(items).map_or(0, |()| items.len())
    }
}

/// pcmflow's ring by iterators, which is how items that are not `Copy`, such as handles of buffers, are moved in bulk.
pub(crate) struct OursIter;

impl<T: Copy + Send> SliceRing<T> for OursIter {
    type Writer = pcmflow_core::ring::Producer<T>;
    type Reader = pcmflow_core::ring::Consumer<T>;
    fn split(capacity: usize) -> (Self::Writer, Self::Reader) {
        <Ours as Queue<T>>::split(capacity)
    }
    fn push(writer: &mut Self::Writer, items: &[T]) -> usize {
        writer.push_iter(items.iter().copied())
    }
    fn pop(reader: &mut Self::Reader, items: &mut [T]) -> usize {
        let mut count = 0;
        let wanted = items.len();
        for (place, item) in items.iter_mut().zip(reader.pop_iter(wanted)) {
            *place = item;
            count += 1;
        }
        count
    }
}

impl<T: Copy + Send> SliceRing<T> for Rtrb {
    type Writer = rtrb::Producer<T>;
    type Reader = rtrb::Consumer<T>;
    fn split(capacity: usize) -> (Self::Writer, Self::Reader) {
        <Self as Queue<T>>::split(capacity)
    }
    fn push(writer: &mut Self::Writer, items: &[T]) -> usize {
        writer.push_partial_slice(items).0.len()
    }
    fn pop(reader: &mut Self::Reader, items: &mut [T]) -> usize {
        reader.pop_partial_slice(items).0.len()
    }
}

/// The crate rtrb by its calls that move all or nothing.
pub(crate) struct RtrbEntire;

impl<T: Copy + Send> SliceRing<T> for RtrbEntire {
    type Writer = rtrb::Producer<T>;
    type Reader = rtrb::Consumer<T>;
    fn split(capacity: usize) -> (Self::Writer, Self::Reader) {
        <Rtrb as Queue<T>>::split(capacity)
    }
    fn push(writer: &mut Self::Writer, items: &[T]) -> usize {
        writer.push_entire_slice(items).map_or(0, |()| items.len())
    }
    fn pop(reader: &mut Self::Reader, items: &mut [T]) -> usize {
        reader.pop_entire_slice(items).map_or(0, |()| items.len())
    }
}

impl<T: Copy + Send> SliceRing<T> for Ringbuf {
    type Writer = ringbuf::HeapProd<T>;
    type Reader = ringbuf::HeapCons<T>;
    fn split(capacity: usize) -> (Self::Writer, Self::Reader) {
        <Self as Queue<T>>::split(capacity)
    }
    fn push(writer: &mut Self::Writer, items: &[T]) -> usize {
        writer.push_slice(items)
    }
    fn pop(reader: &mut Self::Reader, items: &mut [T]) -> usize {
        reader.pop_slice(items)
    }
}

impl<T: Copy + Send> SliceRing<T> for MutexVecDeque {
    type Writer = Locked<T>;
    type Reader = Locked<T>;
    fn split(capacity: usize) -> (Self::Writer, Self::Reader) {
        Locked::split(capacity)
    }
    fn push(writer: &mut Self::Writer, items: &[T]) -> usize {
        let mut queue = writer.queue.lock().expect("no thread panicked");
        let count = items.len().min(writer.capacity - queue.len());
        queue.extend(&items[..count]);
        count
    }
    fn pop(reader: &mut Self::Reader, items: &mut [T]) -> usize {
        let mut queue = reader.queue.lock().expect("no thread panicked");
        let count = items.len().min(queue.len());
        for (item, popped) in items.iter_mut().zip(queue.drain(..count)) {
            *item = popped;
        }
        count
    }
}

/// A queue of items that knows no slices, called for each one.
pub(crate) struct OneByOne<Q>(PhantomData<Q>);

impl<T: Copy, Q: Queue<T>> SliceRing<T> for OneByOne<Q> {
    type Writer = Q::Sender;
    type Reader = Q::Receiver;
    fn split(capacity: usize) -> (Self::Writer, Self::Reader) {
        Q::split(capacity)
    }
    fn push(writer: &mut Self::Writer, items: &[T]) -> usize {
        items.iter().take_while(|item| Q::push(writer, **item)).count()
    }
    fn pop(reader: &mut Self::Reader, items: &mut [T]) -> usize {
        items.iter_mut().map_while(|item| Q::pop(reader).map(|popped| *item = popped)).count()
    }
}

/// A queue of which each item is a whole block: what its users do. Blocks of any other size don't fit.
pub(crate) struct Blocks<Q>(PhantomData<Q>);

impl<Q: Queue<[f32; BLOCK]>> SliceRing<f32> for Blocks<Q> {
    type Writer = Q::Sender;
    type Reader = Q::Receiver;
    fn split(capacity: usize) -> (Self::Writer, Self::Reader) {
        Q::split(capacity / BLOCK)
    }
    fn push(writer: &mut Self::Writer, samples: &[f32]) -> usize {
        let block: [f32; BLOCK] = samples.try_into().expect("whole blocks");
        if Q::push(writer, block) { BLOCK } else { 0 }
    }
    fn pop(reader: &mut Self::Reader, samples: &mut [f32]) -> usize {
        let Some(block) = Q::pop(reader) else { return 0 };
        samples.copy_from_slice(&block);
        BLOCK
    }
}
