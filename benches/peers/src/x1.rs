//! X1: blocks of 128 mono f32 frames from one thread to another through a ring of 8192.
//!
//! Both spin, with the processor's pause between attempts. Each block's first and last sample carry its number and are
//! looked at in the timed loop too: a lost, doubled or torn block ends the run. The block's length is hidden from the
//! optimiser, as it is in a real callback; it lies on cache lines of its own.
//!
//! The limit moves the same lines between the cores and hands them over 32 blocks at a time. Both we and rtrb come within a
//! fifth of it: a ring has no room left in which to be 0.7 × the other. Where a program can do without the copy, it works in
//! place (`write_chunk`, `read_chunk`) or sends handles (X3a).

use crate::experiment::{Contender, Experiment, Figures, Kind, ROUND};
use crate::harness::{Cores, time_two};
use crate::limits::Halves;
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
    Experiment {
        name: "X1",
        title: "SPSC bulk: ns a block of 128 frames, two threads",
        figures: Figures::Mean,
        round: ROUND,
        contenders: vec![
            contender::<Halves>("limit: copy handed over in halves", Kind::Limit),
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
    let send = move || {
        let mut block = Block([0.25; BLOCK]);
        for number in 0..blocks {
            block.stamp(number);
            push_all::<f32, R>(&mut writer, black_box(&block.0[..]));
        }
    };
    let receive = move || {
        let mut block = Block([0.0; BLOCK]);
        for number in 0..blocks {
            pop_all::<f32, R>(&mut reader, black_box(&mut block.0[..]));
            black_box(&block).check(number);
        }
    };
    vec![time_two(cores, blocks, send, receive)]
}
