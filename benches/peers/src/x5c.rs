//! X5c: a buffer acquired here and released on the other thread, as in every pipeline.
//!
//! Buffers travel by the same ring for all (rtrb's), of 32, so that at most 34 of the 64 are out and no pool runs dry.
//! What the ring itself takes, for handles of three words, is the limit. Each buffer's stamp is looked at before it is
//! released. Ours must do so without a single allocation or free, which is counted before anything is timed.

use crate::allocator;
use crate::experiment::{Contender, Experiment, Figures, Kind, ROUND};
use crate::harness::{Cores, run_two};
use crate::pools::{
    BufferPool, Linear, Malloc, MallocZeroed, Mask, MutexVec, ObjectPool, Opool, OurEndpoints, Ours,
    PoolHandle, QueuePool, SpinLock,
};
use crate::queues::{Queue, Rtrb, pop_spinning, push_spinning};
use crate::x5::{contender, contenders, first, verify};
use std::hint::spin_loop;

/// Buffers that the ring holds.
const UNDERWAY: usize = 32;

/// The experiment with its contenders.
pub(crate) fn experiment() -> Experiment {
    let mut contenders: Vec<Contender> = contenders!(across, ours verified by verify_without_allocation);
    for contender in &mut contenders {
        match contender.kind {
            // The one limit is the ring; a mask of bits is a pool like others here, if one that nobody sells.
            Kind::Limit => (contender.name, contender.kind) = ("one mask of bits", Kind::Timing),
            Kind::Ours | Kind::Peer | Kind::Timing => {}
        }
    }
    let carrier = |handles, cores| vec![carry(handles, cores)];
    let limit = Contender {
        name: "limit: the ring that carries them",
        kind: Kind::Limit,
        verify: |_| (),
        round: carrier,
    };
    contenders.insert(0, limit);
    Experiment {
        name: "X5c",
        title: "pool: ns a buffer acquired here and released on the other thread",
        figures: Figures::Mean,
        round: ROUND,
        contenders,
    }
}

/// What the ring takes alone: handles as large as a `Vec`.
fn carry(handles: u64, cores: Cores) -> f64 {
    type Handle = [u64; 3];
    let (mut sender, mut receiver) = <Rtrb as Queue<Handle>>::split(UNDERWAY);
    let here =
        move || (0..handles).for_each(|number| push_spinning::<Handle, Rtrb>(&mut sender, [number; 3]));
    let there = move || {
        for number in 0..handles {
            let handle = pop_spinning::<Handle, Rtrb>(&mut receiver);
            assert!(handle == [number; 3], "handle {number} was lost, doubled or torn");
        }
    };
    run_two(cores, here, there).2 / handles as f64
}

fn across<P: BufferPool>(buffers: u64, cores: Cores) -> Vec<f64> {
    vec![pass_on::<P>(&P::new(), buffers, cores)]
}

/// Passes that many buffers on; nanoseconds each.
fn pass_on<P: BufferPool>(pool: &P, buffers: u64, cores: Cores) -> f64 {
    let (mut sender, mut receiver) = rtrb::RingBuffer::new(UNDERWAY);
    let stamp = |number: u64| (number % (1 << 20)) as f32;
    let here = move || {
        let mut handle = pool.handle();
        for number in 0..buffers {
            let mut buffer = handle.acquire();
            *first(&handle, &mut buffer) = stamp(number);
            while let Err(rtrb::PushError::Full(refused)) = sender.push(buffer) {
                buffer = refused;
                spin_loop();
            }
        }
    };
    let there = move || {
        let mut handle = pool.handle();
        for number in 0..buffers {
            let mut buffer = loop {
                match receiver.pop() {
                    Ok(buffer) => break buffer,
                    Err(_) => spin_loop(),
                }
            };
            assert!(
                *first(&handle, &mut buffer) == stamp(number),
                "buffer {number} was lost, doubled or written to"
            );
            handle.release(buffer);
        }
    };
    run_two(cores, here, there).2 / buffers as f64
}

/// The usual check; and that passing many more buffers on calls the allocator no more often.
fn verify_without_allocation<P: BufferPool>(cores: Cores) {
    verify::<P>(cores);
    let pool = P::new();
    let calls = |buffers| allocator::counting(|| pass_on::<P>(&pool, buffers, cores)).1.calls;
    let (few, many) = (calls(1000), calls(100_000));
    // Threads and the ring are made and dropped in both; a handful is for what the standard library does at times.
    assert!(many < few + 100, "{many} calls of the allocator for 100000 buffers, {few} for 1000");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::two_cores;

    #[test]
    fn a_pool_that_allocates_for_each_buffer_is_found() {
        let cores = two_cores().expect("two cores");
        let trips = |verify: fn(Cores)| std::panic::catch_unwind(|| verify(cores)).is_err();
        assert!(trips(verify_without_allocation::<Malloc>));
        assert!(!trips(verify_without_allocation::<Mask>));
    }
}
