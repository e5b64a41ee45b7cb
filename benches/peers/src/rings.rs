//! Rings of mono f32 frames: what X1 and X2 drive.

use crate::harness::{Cores, Random, time_two};
use crossbeam_queue::ArrayQueue;
use ringbuf::traits::{Consumer as _, Producer as _, Split as _};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Frames of one block, the browser's render quantum.
pub(crate) const BLOCK: usize = 128;
/// Frames of a ring.
pub(crate) const CAPACITY: usize = 8192;

/// A ring of frames, split into its two halves.
pub(crate) trait FrameRing {
    type Writer: Send;
    type Reader: Send;
    fn split() -> (Self::Writer, Self::Reader);
    /// Moves as many samples as it takes, from the front of `samples`; says how many.
    fn push(writer: &mut Self::Writer, samples: &[f32]) -> usize;
    /// Moves as many samples as there are into the front of `samples`; says how many.
    fn pop(reader: &mut Self::Reader, samples: &mut [f32]) -> usize;
}

/// Offers until everything is placed.
pub(crate) fn push_all<R: FrameRing>(writer: &mut R::Writer, samples: &[f32]) {
    let mut done = 0;
    while done < samples.len() {
        let pushed = R::push(writer, &samples[done..]);
        if pushed == 0 {
            std::hint::spin_loop();
        }
        done += pushed;
    }
}

/// Takes until `samples` is full.
pub(crate) fn pop_all<R: FrameRing>(reader: &mut R::Reader, samples: &mut [f32]) {
    let mut done = 0;
    while done < samples.len() {
        let popped = R::pop(reader, &mut samples[done..]);
        if popped == 0 {
            std::hint::spin_loop();
        }
        done += popped;
    }
}

/// Sends a running sequence between two threads in pieces of odd sizes and looks at every sample.
pub(crate) fn verify<R: FrameRing>(cores: Cores) {
    let (mut writer, mut reader) = R::split();
    // Whole rings, so that what is handed over in larger pieces ends with a full one; f32 counts exactly to 2^24.
    let total = CAPACITY as u64 * 64;
    let pieces = |seed| {
        let mut random = Random::new(seed);
        let mut left = total;
        std::iter::from_fn(move || {
            let piece = (1 + random.below(300)).min(left);
            left -= piece;
            (piece > 0).then_some(piece as usize)
        })
    };
    let send = move || {
        let mut next = 0u64;
        for piece in pieces(1) {
            let samples: Vec<f32> = (next..next + piece as u64).map(|n| n as f32).collect();
            push_all::<R>(&mut writer, &samples);
            next += piece as u64;
        }
    };
    let receive = move || {
        let mut next = 0u64;
        for piece in pieces(2) {
            let mut samples = vec![-1.0; piece];
            pop_all::<R>(&mut reader, &mut samples);
            for sample in samples {
                assert_eq!(sample, next as f32, "a sample was lost, doubled or moved");
                next += 1;
            }
        }
        assert_eq!(R::pop(&mut reader, &mut [0.0]), 0, "more came out than went in");
    };
    time_two(cores, 1, send, receive);
}

/// pcmflow's ring.
pub(crate) struct Ours;

impl FrameRing for Ours {
    type Writer = pcmflow_core::ring::Producer<f32>;
    type Reader = pcmflow_core::ring::Consumer<f32>;
    fn split() -> (Self::Writer, Self::Reader) {
        pcmflow_core::ring::CircularBuffer::with_capacity(CAPACITY).expect("memory for one ring").split()
    }
    fn push(writer: &mut Self::Writer, samples: &[f32]) -> usize {
        writer.push_slice(samples)
    }
    fn pop(reader: &mut Self::Reader, samples: &mut [f32]) -> usize {
        reader.pop_slice(samples)
    }
}

/// The crate rtrb.
pub(crate) struct Rtrb;

impl FrameRing for Rtrb {
    type Writer = rtrb::Producer<f32>;
    type Reader = rtrb::Consumer<f32>;
    fn split() -> (Self::Writer, Self::Reader) {
        rtrb::RingBuffer::new(CAPACITY)
    }
    fn push(writer: &mut Self::Writer, samples: &[f32]) -> usize {
        writer.push_partial_slice(samples).0.len()
    }
    fn pop(reader: &mut Self::Reader, samples: &mut [f32]) -> usize {
        reader.pop_partial_slice(samples).0.len()
    }
}

/// The crate rtrb by its calls that move all or nothing.
pub(crate) struct RtrbEntire;

impl FrameRing for RtrbEntire {
    type Writer = rtrb::Producer<f32>;
    type Reader = rtrb::Consumer<f32>;
    fn split() -> (Self::Writer, Self::Reader) {
        rtrb::RingBuffer::new(CAPACITY)
    }
    fn push(writer: &mut Self::Writer, samples: &[f32]) -> usize {
        writer.push_entire_slice(samples).map_or(0, |()| samples.len())
    }
    fn pop(reader: &mut Self::Reader, samples: &mut [f32]) -> usize {
        reader.pop_entire_slice(samples).map_or(0, |()| samples.len())
    }
}

/// The crate ringbuf, with its caching halves.
pub(crate) struct Ringbuf;

impl FrameRing for Ringbuf {
    type Writer = ringbuf::HeapProd<f32>;
    type Reader = ringbuf::HeapCons<f32>;
    fn split() -> (Self::Writer, Self::Reader) {
        ringbuf::HeapRb::new(CAPACITY).split()
    }
    fn push(writer: &mut Self::Writer, samples: &[f32]) -> usize {
        writer.push_slice(samples)
    }
    fn pop(reader: &mut Self::Reader, samples: &mut [f32]) -> usize {
        reader.pop_slice(samples)
    }
}

/// crossbeam's bounded queue, one sample an item.
pub(crate) struct ArrayQueueSamples;

impl FrameRing for ArrayQueueSamples {
    type Writer = Arc<ArrayQueue<f32>>;
    type Reader = Arc<ArrayQueue<f32>>;
    fn split() -> (Self::Writer, Self::Reader) {
        let queue = Arc::new(ArrayQueue::new(CAPACITY));
        (queue.clone(), queue)
    }
    fn push(writer: &mut Self::Writer, samples: &[f32]) -> usize {
        samples.iter().take_while(|sample| writer.push(**sample).is_ok()).count()
    }
    fn pop(reader: &mut Self::Reader, samples: &mut [f32]) -> usize {
        samples.iter_mut().map_while(|sample| reader.pop().map(|popped| *sample = popped)).count()
    }
}

/// crossbeam's bounded queue, one block an item: what its users do. Blocks of any other size don't fit.
pub(crate) struct ArrayQueueBlocks;

impl FrameRing for ArrayQueueBlocks {
    type Writer = Arc<ArrayQueue<[f32; BLOCK]>>;
    type Reader = Arc<ArrayQueue<[f32; BLOCK]>>;
    fn split() -> (Self::Writer, Self::Reader) {
        let queue = Arc::new(ArrayQueue::new(CAPACITY / BLOCK));
        (queue.clone(), queue)
    }
    fn push(writer: &mut Self::Writer, samples: &[f32]) -> usize {
        let block = samples.try_into().expect("whole blocks");
        writer.push(block).map_or(0, |()| BLOCK)
    }
    fn pop(reader: &mut Self::Reader, samples: &mut [f32]) -> usize {
        let Some(block) = reader.pop() else { return 0 };
        samples.copy_from_slice(&block);
        BLOCK
    }
}

/// What most programs have between a callback and its reader.
pub(crate) struct MutexVecDeque;

impl FrameRing for MutexVecDeque {
    type Writer = Arc<Mutex<VecDeque<f32>>>;
    type Reader = Arc<Mutex<VecDeque<f32>>>;
    fn split() -> (Self::Writer, Self::Reader) {
        let queue = Arc::new(Mutex::new(VecDeque::with_capacity(CAPACITY)));
        (queue.clone(), queue)
    }
    fn push(writer: &mut Self::Writer, samples: &[f32]) -> usize {
        let mut queue = writer.lock().expect("no thread panicked");
        let count = samples.len().min(CAPACITY - queue.len());
        queue.extend(&samples[..count]);
        count
    }
    fn pop(reader: &mut Self::Reader, samples: &mut [f32]) -> usize {
        let mut queue = reader.lock().expect("no thread panicked");
        let count = samples.len().min(queue.len());
        for (sample, popped) in samples.iter_mut().zip(queue.drain(..count)) {
            *sample = popped;
        }
        count
    }
}
