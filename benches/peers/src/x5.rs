//! X5a and X5b: a buffer of 1024 samples acquired and one released, 64 in the pool, up to 8 held by each thread.
//!
//! Every step gives back one of the held buffers, chosen by a seeded generator, and takes another. A stamp written on
//! acquire is looked at on release: a buffer that was handed to two holders at once ends the run. The tails come from a
//! loop of their own, in which each step is timed; the two stamps thin out what two threads do to each other.

use crate::experiment::{Contender, Experiment, Figures, Kind, ROUND};
use crate::harness::{Cores, Random, pin, run_two, time_one, time_two};
use crate::pools::{
    BUFFERS, BufferPool, Linear, Malloc, MallocZeroed, Mask, MutexVec, ObjectPool, Opool, OurEndpoints, Ours,
    PoolHandle, QueuePool, SpinLock,
};
use crate::tail::{Stopwatch, Tail, Untimed};
use crate::x4::empty_timing;

/// Buffers that a thread holds at most.
const HELD: usize = 8;

/// The contenders, each with the generic function that is its round.
macro_rules! contenders {
    ($round:ident, ours verified by $verify:ident) => {
        vec![
            Contender { kind: Kind::Limit, ..contender::<Mask>("limit: one mask of bits", $round::<Mask>) },
            Contender {
                kind: Kind::Ours,
                verify: $verify::<OurEndpoints>,
                ..contender::<OurEndpoints>("pcmflow, an endpoint a thread", $round::<OurEndpoints>)
            },
            Contender {
                kind: Kind::Ours,
                verify: $verify::<Ours>,
                ..contender::<Ours>("pcmflow, no endpoints", $round::<Ours>)
            },
            contender::<Linear>("lockfree-object-pool, linear", $round::<Linear>),
            contender::<SpinLock>("lockfree-object-pool, spin lock", $round::<SpinLock>),
            contender::<ObjectPool>("object-pool", $round::<ObjectPool>),
            contender::<Opool>("opool", $round::<Opool>),
            contender::<QueuePool>("ArrayQueue", $round::<QueuePool>),
            contender::<MutexVec>("Mutex<Vec<Vec>>", $round::<MutexVec>),
            contender::<Malloc>("malloc and free, not zeroed", $round::<Malloc>),
            contender::<MallocZeroed>("malloc and free, zeroed", $round::<MallocZeroed>),
        ]
    };
}
pub(crate) use contenders;

pub(crate) fn contender<P: BufferPool>(name: &'static str, round: fn(u64, Cores) -> Vec<f64>) -> Contender {
    Contender { name, kind: Kind::Peer, verify: verify::<P>, round }
}

/// X5a: one thread.
pub(crate) fn one_thread() -> Experiment {
    let title = "pool: ns an acquire and a release, one thread";
    let contenders = contenders!(alone, ours verified by verify);
    Experiment { name: "X5a", title, figures: Figures::Mean, round: ROUND, contenders }
}

/// X5b: two threads on one pool.
pub(crate) fn two_threads() -> Experiment {
    let title = "pool: ns an acquire and a release, two threads on one pool";
    let contenders = contenders!(together, ours verified by verify);
    Experiment { name: "X5b", title, figures: Figures::Mean, round: ROUND, contenders }
}

/// X5a, step by step.
pub(crate) fn one_thread_tail() -> Experiment {
    let title = "pool: ns a release and an acquire, each timed, one thread";
    let mut contenders = contenders!(alone_tail, ours verified by verify);
    contenders.insert(1, empty_timing());
    Experiment { name: "X5a-tail", title, figures: Figures::Tail, round: ROUND, contenders }
}

/// X5b, step by step.
pub(crate) fn two_threads_tail() -> Experiment {
    let title = "pool: ns a release and an acquire, each timed, two threads on one pool";
    let mut contenders = contenders!(together_tail, ours verified by verify);
    contenders.insert(1, empty_timing());
    Experiment { name: "X5b-tail", title, figures: Figures::Tail, round: ROUND, contenders }
}

fn alone<P: BufferPool>(steps: u64, cores: Cores) -> Vec<f64> {
    let pool = P::new();
    vec![time_one(cores, steps, || turn_over::<P>(&pool, steps, 1, &mut Untimed))]
}

fn together<P: BufferPool>(steps: u64, cores: Cores) -> Vec<f64> {
    let pool = P::new();
    let thread = |number| turn_over::<P>(&pool, steps, number, &mut Untimed);
    vec![time_two(cores, steps, || thread(1), || thread(2))]
}

fn alone_tail<P: BufferPool>(steps: u64, cores: Cores) -> Vec<f64> {
    let pool = P::new();
    pin(cores.0);
    let mut tail = Tail::with_capacity(steps);
    turn_over::<P>(&pool, steps, 1, &mut tail);
    tail.figures()
}

fn together_tail<P: BufferPool>(steps: u64, cores: Cores) -> Vec<f64> {
    let pool = P::new();
    let (mut own, mut other) = (Tail::with_capacity(steps), Tail::with_capacity(steps));
    run_two(
        cores,
        || turn_over::<P>(&pool, steps, 1, &mut own),
        || turn_over::<P>(&pool, steps, 2, &mut other),
    );
    own.merge(other).figures()
}

/// A held buffer with the stamp that was written into it.
type Held<'p, P> = (<<P as BufferPool>::Handle<'p> as PoolHandle>::Buffer, f32);

/// The first sample of a buffer.
pub(crate) fn first<'b, H: PoolHandle>(_: &H, buffer: &'b mut H::Buffer) -> &'b mut f32 {
    &mut H::samples(buffer)[0]
}

/// Releases and acquires `steps` times. Stamps of the two threads differ in their sign.
fn turn_over<P: BufferPool>(pool: &P, steps: u64, thread: u64, watch: &mut impl Stopwatch) {
    let mut random = Random::new(thread);
    let sign = if thread == 1 { 1.0 } else { -1.0 };
    let mut handle = pool.handle();
    let mut held: [Option<Held<'_, P>>; HELD] = std::array::from_fn(|_| None);
    for step in 0..steps {
        let slot = &mut held[random.below(HELD as u64) as usize];
        let old = slot.take().map(|(mut buffer, stamp)| {
            assert!(*first(&handle, &mut buffer) == stamp, "somebody else wrote into a buffer that was held");
            buffer
        });
        let mut buffer = watch.time(|| {
            if let Some(old) = old {
                handle.release(old);
            }
            handle.acquire()
        });
        let stamp = sign * (step % (1 << 20)) as f32;
        *first(&handle, &mut buffer) = stamp;
        *slot = Some((buffer, stamp));
    }
    for (buffer, _) in held.into_iter().flatten() {
        handle.release(buffer);
    }
}

/// Takes every buffer that the pool has, several times: no two may share memory, and all must come back.
pub(crate) fn verify<P: BufferPool>(_: Cores) {
    let pool = P::new();
    let mut handle = pool.handle();
    for _ in 0..3 {
        let mut all: Vec<_> = (0..BUFFERS).map(|_| handle.acquire()).collect();
        let mut places: Vec<usize> =
            all.iter_mut().map(|buffer| &raw const *first(&handle, buffer) as usize).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), BUFFERS, "two holders got one buffer");
        all.into_iter().for_each(|buffer| handle.release(buffer));
    }
}
