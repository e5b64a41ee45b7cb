//! X2: one block of 128 mono f32 frames pushed and popped again on one thread, through a ring of 8192.
//!
//! The block's length is hidden from the optimiser, as it is in a real callback; both blocks lie on cache lines of their own.
//! The limit does the same with two bare copies.

use crate::experiment::{Contender, Experiment, Figures, Kind, ROUND};
use crate::harness::{Cores, time_one};
use crate::limits::two_copies;
use crate::queues::{Crossbeam, Flume, Heapless, MutexVecDeque, Ours, Ringbuf, Rtrb, SyncChannel};
use crate::rings::{
    BLOCK, Block, Blocks, CAPACITY, OneByOne, OursEntire, RtrbEntire, SliceRing, pop_all, push_all, verify,
    verify_blocks,
};
use std::hint::black_box;

/// The experiment with its contenders.
pub(crate) fn experiment() -> Experiment {
    fn contender<R: SliceRing<f32>>(name: &'static str, kind: Kind) -> Contender {
        Contender { name, kind, verify: verify::<R>, round: round::<R> }
    }
    fn blocks<R: SliceRing<f32>>(name: &'static str) -> Contender {
        Contender { verify: verify_blocks::<R>, ..contender::<R>(name, Kind::Peer) }
    }
    let limit = |blocks, cores| vec![time_one(cores, blocks, || two_copies(blocks))];
    Experiment {
        name: "X2",
        title: "push and pop: ns a block of 128 frames, one thread",
        figures: Figures::Mean,
        round: ROUND,
        contenders: vec![
            Contender { name: "limit: two copies", kind: Kind::Limit, verify: |_| (), round: limit },
            contender::<Ours>("pcmflow, slices", Kind::Ours),
            contender::<OursEntire>("pcmflow, entire slices", Kind::Ours),
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
        let (mut input, mut output) = (Block([0.25; BLOCK]), Block([0.0; BLOCK]));
        for number in 0..blocks {
            input.stamp(number);
            push_all::<f32, R>(&mut writer, black_box(&input.0[..]));
            pop_all::<f32, R>(&mut reader, black_box(&mut output.0[..]));
            black_box(&output).check(number);
        }
    });
    vec![nanoseconds]
}
