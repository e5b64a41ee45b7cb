//! X3a: handles of 8 bytes from one thread to another through a queue of 64; X3a-bulk: 16 at a time; X3a-chunks: chunks with their
//! metadata, one at a time, to tell what the link's books add to a bare queue of them.
//!
//! Bulk stands in a table of its own, where the peers move them in bulk too: the floor of X3a is one by one beside one by one.
//!
//! Both spin, with the processor's pause between attempts. A handle is a running number, and every one is looked at.

use crate::experiment::{Contender, Experiment, Figures, Kind, ROUND};
use crate::harness::{Cores, time_two};
use crate::limits::Halves;
use crate::link::{Carried, Link};
use crate::queues::{
    Crossbeam, Flume, HANDLES, MutexVecDeque, Ours, Queue, Ringbuf, Rtrb, SyncChannel, handle_queues,
    pop_spinning, push_spinning, verify,
};
use crate::rings::{OursEntire, OursIter, RtrbEntire, SliceRing, pop_all, push_all, verify_in_pieces};
use std::hint::black_box;

/// Handles that are moved at once in X3a-bulk.
pub(crate) const BATCH: usize = 16;

/// One at a time.
pub(crate) fn one_by_one() -> Experiment {
    fn contender<Q: Queue<u64>>(name: &'static str, kind: Kind) -> Contender {
        Contender { name, kind, verify: verify::<Q>, round: round::<Q> }
    }
    Experiment {
        name: "X3a",
        title: "handles one way: ns a handle of 8 bytes, two threads",
        figures: Figures::Mean,
        round: ROUND,
        contenders: handle_queues!(contender; contender::<Halves>("limit: numbers handed over in halves", Kind::Limit)),
    }
}

/// Chunks in place of bare handles.
pub(crate) fn chunks() -> Experiment {
    fn contender<Q: Queue<u64>>(name: &'static str, kind: Kind) -> Contender {
        Contender { name, kind, verify: verify::<Q>, round: round::<Q> }
    }
    Experiment {
        name: "X3a-chunks",
        title: "chunks one way: ns a chunk with its metadata, two threads",
        figures: Figures::Mean,
        round: ROUND,
        contenders: vec![
            contender::<Link>("pcmflow link, with books", Kind::Ours),
            contender::<Carried<Ours>>("pcmflow ring", Kind::Ours),
            contender::<Carried<Rtrb>>("rtrb", Kind::Peer),
            contender::<Carried<Ringbuf>>("ringbuf", Kind::Peer),
            contender::<Carried<Crossbeam>>("ArrayQueue", Kind::Peer),
            contender::<Carried<Flume>>("flume", Kind::Peer),
            contender::<Carried<SyncChannel>>("sync_channel", Kind::Peer),
            contender::<Carried<MutexVecDeque>>("Mutex<VecDeque>", Kind::Peer),
        ],
    }
}

fn round<Q: Queue<u64>>(handles: u64, cores: Cores) -> Vec<f64> {
    let (mut sender, mut receiver) = Q::split(HANDLES);
    let send =
        move || (0..handles).for_each(|number| push_spinning::<u64, Q>(&mut sender, black_box(number)));
    let receive = move || {
        for number in 0..handles {
            let handle = pop_spinning::<u64, Q>(&mut receiver);
            assert!(handle == number, "handle {number} was lost, doubled or moved");
        }
    };
    vec![time_two(cores, handles, send, receive)]
}

/// Several at a time, for those who can.
pub(crate) fn bulk() -> Experiment {
    fn contender<R: SliceRing<u64>>(name: &'static str, kind: Kind) -> Contender {
        let verify = |cores| verify_in_pieces::<u64, R>(cores, HANDLES, |random| 1 + random.below(20), |n| n);
        Contender { name, kind, verify, round: bulk_round::<R> }
    }
    Experiment {
        name: "X3a-bulk",
        title: "handles one way, 16 at a time: ns a handle of 8 bytes, two threads",
        figures: Figures::Mean,
        round: ROUND,
        contenders: vec![
            contender::<Halves>("limit: numbers handed over in halves", Kind::Limit),
            contender::<Ours>("pcmflow ring, slices", Kind::Ours),
            contender::<OursEntire>("pcmflow ring, entire slices", Kind::Ours),
            contender::<OursIter>("pcmflow ring, iterators", Kind::Ours),
            contender::<Rtrb>("rtrb, partial slices", Kind::Peer),
            contender::<RtrbEntire>("rtrb, entire slices", Kind::Peer),
            contender::<Ringbuf>("ringbuf", Kind::Peer),
            contender::<MutexVecDeque>("Mutex<VecDeque>", Kind::Peer),
        ],
    }
}

fn bulk_round<R: SliceRing<u64>>(handles: u64, cores: Cores) -> Vec<f64> {
    let (mut writer, mut reader) = R::split(HANDLES);
    let batches = handles / BATCH as u64;
    let batch =
        |number: u64| -> [u64; BATCH] { std::array::from_fn(|index| number * BATCH as u64 + index as u64) };
    let send = move || {
        (0..batches).for_each(|number| push_all::<u64, R>(&mut writer, black_box(&batch(number)[..])))
    };
    let receive = move || {
        let mut handles = [0; BATCH];
        for number in 0..batches {
            pop_all::<u64, R>(&mut reader, black_box(&mut handles[..]));
            assert!(
                *black_box(&handles) == batch(number),
                "a handle of batch {number} was lost, doubled or moved"
            );
        }
    };
    vec![time_two(cores, handles, send, receive)]
}
