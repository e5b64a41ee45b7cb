//! X2: one block of 128 mono f32 frames pushed and popped again on one thread, through a ring of 8192.
//!
//! The block's length is hidden from the optimiser, as it is in a real callback.

use crate::experiment::{Contender, Experiment, Figures, Kind, ROUND};
use crate::harness::{Cores, time_one};
use crate::limits::two_copies;
use crate::queues::{Crossbeam, Flume, Heapless, MutexVecDeque, Ours, Ringbuf, Rtrb, SyncChannel};
use crate::rings::{
    BLOCK, Blocks, CAPACITY, OneByOne, RtrbEntire, SliceRing, pop_all, push_all, verify, verify_blocks,
};
use crate::x1::stamp;
use std::hint::black_box;

/// The experiment with its contenders.
pub(crate) fn experiment() -> Experiment {
    fn contender<R: SliceRing<f32>>(name: &'static str, kind: Kind) -> Contender {
        Contender { name, kind, verify: verify::<R>, round: round::<R> }
    }
    fn blocks<R: SliceRing<f32>>(name: &'static str) -> Contender {
        Contender { verify: verify_blocks::<R>, ..contender::<R>(name, Kind::Peer) }
    }
    let limit = |blocks, cores| vec![time_one(cores, blocks, || two_copies(blocks, &mut [0.25; BLOCK]))];
    Experiment {
        name: "X2",
        title: "push and pop: ns a block of 128 frames, one thread",
        figures: Figures::Mean,
        round: ROUND,
        contenders: vec![
            Contender { name: "limit: two copies", kind: Kind::Limit, verify: |_| (), round: limit },
            contender::<Ours>("pcmflow", Kind::Ours),
            contender::<Rtrb>("rtrb, partial slices", Kind::Peer),
            contender::<RtrbEntire>("rtrb, entire slices", Kind::Peer),
            contender::<Ringbuf>("ringbuf", Kind::Peer),
            contender::<OneByOne<Heapless<CAPACITY>>>("heapless, samples", Kind::Peer),
            blocks::<Blocks<Heapless<{ CAPACITY / BLOCK }>>>("heapless, blocks"),
            contender::<OneByOne<Crossbeam>>("ArrayQueue, samples", Kind::Peer),
            blocks::<Blocks<Crossbeam>>("ArrayQueue, blocks"),
            contender::<OneByOne<Flume>>("flume, samples", Kind::Peer),
            blocks::<Blocks<Flume>>("flume, blocks"),
            contender::<OneByOne<SyncChannel>>("sync_channel, samples", Kind::Peer),
            blocks::<Blocks<SyncChannel>>("sync_channel, blocks"),
            contender::<MutexVecDeque>("Mutex<VecDeque>", Kind::Peer),
        ],
    }
}

fn round<R: SliceRing<f32>>(blocks: u64, cores: Cores) -> Vec<f64> {
    let (mut writer, mut reader) = R::split(CAPACITY);
    let nanoseconds = time_one(cores, blocks, || {
        let (mut input, mut output) = ([0.25; BLOCK], [0.0; BLOCK]);
        for number in 0..blocks {
            input[0] = stamp(number);
            input[BLOCK - 1] = -stamp(number);
            push_all::<f32, R>(&mut writer, black_box(&input[..]));
            pop_all::<f32, R>(&mut reader, black_box(&mut output[..]));
            let output = black_box(&output);
            assert!(
                output[0] == stamp(number) && output[BLOCK - 1] == -stamp(number),
                "block {number} was lost, doubled or torn"
            );
        }
    });
    vec![nanoseconds]
}
