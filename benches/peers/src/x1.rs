//! X1: blocks of 128 mono f32 frames from one thread to another through a ring of 8192.
//!
//! Both spin, with the processor's pause between attempts. Each block's first and last sample carry its number and are
//! looked at in the timed loop too: a lost, doubled or torn block ends the run. The block's length is hidden from the
//! optimiser, as it is in a real callback.

use crate::harness::{Contender, Cores, Experiment, Kind, time_two};
use crate::limits::Halves;
use crate::rings::{
    ArrayQueueBlocks, ArrayQueueSamples, BLOCK, FrameRing, MutexVecDeque, Ours, Ringbuf, Rtrb, RtrbEntire,
    pop_all, push_all, verify,
};
use std::hint::black_box;

/// The experiment with its contenders.
pub(crate) fn experiment() -> Experiment {
    fn contender<R: FrameRing>(name: &'static str, kind: Kind) -> Contender {
        Contender { name, kind, verify: verify::<R>, round: round::<R> }
    }
    Experiment {
        name: "X1",
        title: "SPSC bulk: ns a block of 128 frames, two threads",
        operations: 200_000,
        contenders: vec![
            contender::<Halves>("limit: copy handed over in halves", Kind::Limit),
            contender::<Ours>("pcmflow", Kind::Ours),
            contender::<Rtrb>("rtrb, partial slices", Kind::Peer),
            contender::<RtrbEntire>("rtrb, entire slices", Kind::Peer),
            contender::<Ringbuf>("ringbuf", Kind::Peer),
            contender::<ArrayQueueSamples>("ArrayQueue, samples", Kind::Peer),
            Contender { verify: |_| (), ..contender::<ArrayQueueBlocks>("ArrayQueue, blocks", Kind::Peer) },
            contender::<MutexVecDeque>("Mutex<VecDeque>", Kind::Peer),
        ],
    }
}

/// The number that a block carries; f32 holds it exactly.
pub(crate) fn stamp(number: u64) -> f32 {
    (number % (1 << 20)) as f32
}

fn round<R: FrameRing>(blocks: u64, cores: Cores) -> f64 {
    let (mut writer, mut reader) = R::split();
    let send = move || {
        let mut block = [0.25; BLOCK];
        for number in 0..blocks {
            block[0] = stamp(number);
            block[BLOCK - 1] = -stamp(number);
            push_all::<R>(&mut writer, black_box(&block[..]));
        }
    };
    let receive = move || {
        let mut block = [0.0; BLOCK];
        for number in 0..blocks {
            pop_all::<R>(&mut reader, black_box(&mut block[..]));
            let block = black_box(&block);
            assert!(
                block[0] == stamp(number) && block[BLOCK - 1] == -stamp(number),
                "block {number} was lost, doubled or torn"
            );
        }
    };
    time_two(cores, blocks, send, receive)
}
