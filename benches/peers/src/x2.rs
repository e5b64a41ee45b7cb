//! X2: one block of 128 mono f32 frames pushed and popped again on one thread, through a ring of 8192.
//!
//! The block's length is hidden from the optimiser, as it is in a real callback.

use crate::harness::{Contender, Cores, Experiment, Kind, time_one};
use crate::limits::two_copies;
use crate::rings::{
    ArrayQueueBlocks, ArrayQueueSamples, BLOCK, FrameRing, MutexVecDeque, Ours, Ringbuf, Rtrb, RtrbEntire,
    pop_all, push_all, verify,
};
use crate::x1::stamp;
use std::hint::black_box;

/// The experiment with its contenders.
pub(crate) fn experiment() -> Experiment {
    fn contender<R: FrameRing>(name: &'static str, kind: Kind) -> Contender {
        Contender { name, kind, verify: verify::<R>, round: round::<R> }
    }
    let limit = |blocks, cores| time_one(cores, blocks, || two_copies(blocks, &mut [0.25; BLOCK]));
    Experiment {
        name: "X2",
        title: "push and pop: ns a block of 128 frames, one thread",
        operations: 400_000,
        contenders: vec![
            Contender { name: "limit: two copies", kind: Kind::Limit, verify: |_| (), round: limit },
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

fn round<R: FrameRing>(blocks: u64, cores: Cores) -> f64 {
    let (mut writer, mut reader) = R::split();
    time_one(cores, blocks, || {
        let (mut input, mut output) = ([0.25; BLOCK], [0.0; BLOCK]);
        for number in 0..blocks {
            input[0] = stamp(number);
            input[BLOCK - 1] = -stamp(number);
            push_all::<R>(&mut writer, black_box(&input[..]));
            pop_all::<R>(&mut reader, black_box(&mut output[..]));
            let output = black_box(&output);
            assert!(
                output[0] == stamp(number) && output[BLOCK - 1] == -stamp(number),
                "block {number} was lost, doubled or torn"
            );
        }
    })
}
