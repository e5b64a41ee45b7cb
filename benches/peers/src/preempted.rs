//! Preempted: a consumer that is descheduled for 10 ms in the middle of its work, and what that does to the producer.
//!
//! The producer pushes a block of 128 frames whenever one would be due at 48 kHz, every 2.67 ms, and each push is timed.
//! The consumer empties the ring as often; every 16th time it sleeps for 10 ms in the middle, which stands for the
//! scheduler taking its core away: with the mutex while it holds the lock, with a ring between opening what it reads and
//! releasing it. The ring holds 170 ms, so that nobody has a reason to wait for room. Every block is looked at.
//!
//! The ring is new at the first push: nobody gets a lap of its own first.

use crate::experiment::{Contender, Experiment, Figures, Kind};
use crate::harness::{Cores, run_two};
use crate::queues::{Locked, MutexVecDeque, Ours, Rtrb};
use crate::rings::{BLOCK, Block, CAPACITY, SliceRing, verify};
use crate::tail::{Stopwatch, Tail};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the consumer is away.
const AWAY: Duration = Duration::from_millis(10);
/// It is away once in so many turns.
const EVERY: u64 = 16;
/// 128 frames at 48 kHz.
const QUANTUM: Duration = Duration::from_nanos(2_666_667);

/// A ring whose consumer can be stopped in the middle.
pub(crate) trait Held: SliceRing<f32> {
    /// Reads all there is into `out`; calls `middle` where it would hurt most.
    fn read_all(reader: &mut Self::Reader, out: &mut Vec<f32>, middle: impl FnOnce());
}

impl Held for Ours {
    fn read_all(reader: &mut Self::Reader, out: &mut Vec<f32>, middle: impl FnOnce()) {
        let available = reader.available();
        let chunk = reader.read_chunk(available).expect("as many as there are");
        let (first, second) = chunk.as_slices();
        out.extend_from_slice(first);
        middle();
        out.extend_from_slice(second);
        chunk.release_all();
    }
}

impl Held for Rtrb {
    fn read_all(reader: &mut Self::Reader, out: &mut Vec<f32>, middle: impl FnOnce()) {
        let chunk = reader.read_chunk(reader.slots()).expect("as many as there are");
        let (first, second) = chunk.as_slices();
        out.extend_from_slice(first);
        middle();
        out.extend_from_slice(second);
        chunk.commit_all();
    }
}

impl Held for MutexVecDeque {
    fn read_all(reader: &mut Locked<f32>, out: &mut Vec<f32>, middle: impl FnOnce()) {
        let mut queue = reader.queue.lock().expect("no thread panicked");
        middle();
        out.extend(queue.drain(..));
    }
}

/// The experiment with its contenders.
pub(crate) fn experiment() -> Experiment {
    fn contender<R: Held>(name: &'static str, kind: Kind) -> Contender {
        Contender { name, kind, verify: verify::<R>, round: round::<R> }
    }
    Experiment {
        name: "Preempted",
        title: "consumer away for 10 ms in its work: ns a push of 128 frames, each timed",
        figures: Figures::Worst,
        round: Duration::from_millis(700),
        contenders: vec![
            contender::<Ours>("pcmflow", Kind::Ours),
            contender::<Rtrb>("rtrb", Kind::Peer),
            contender::<MutexVecDeque>("Mutex<VecDeque>, lock held", Kind::Peer),
        ],
    }
}

fn round<R: Held>(blocks: u64, cores: Cores) -> Vec<f64> {
    let (mut writer, mut reader) = R::split(CAPACITY);
    let mut tail = Tail::with_capacity(blocks);
    let send = || {
        let (start, mut block) = (Instant::now(), Block([0.25; BLOCK]));
        for number in 0..blocks {
            let due = QUANTUM * u32::try_from(number).expect("some seconds");
            sleep(due.saturating_sub(start.elapsed()));
            block.stamp(number);
            let pushed = tail.time(|| R::push(&mut writer, &block.0));
            assert_eq!(pushed, BLOCK, "the ring holds 170 ms");
        }
    };
    let receive = || {
        let (mut frames, mut number) = (Vec::with_capacity(CAPACITY), 0);
        for turn in 1.. {
            if number == blocks {
                break;
            }
            sleep(QUANTUM);
            frames.clear();
            R::read_all(&mut reader, &mut frames, || {
                if turn % EVERY == 0 {
                    sleep(AWAY);
                }
            });
            let (whole, rest) = frames.as_chunks::<BLOCK>();
            assert!(rest.is_empty(), "a block was torn");
            for block in whole {
                Block(*block).check(number);
                number += 1;
            }
        }
    };
    run_two(cores, send, receive);
    tail.figures()
}
