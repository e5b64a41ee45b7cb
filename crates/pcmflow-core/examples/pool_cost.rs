//! What the pool's hot paths cost on this machine: acquire and release, share and clone, on one thread and two.
//!
//! `cargo run --release -p pcmflow-core --example pool_cost`
//!
//! Medians of 9 rounds in nanoseconds, with minimum and maximum. Assumes an otherwise idle machine; absolute
//! figures move with it, so compare them only within one run.

use pcmflow_core::pool::{BufferRecyclingPool, ClassConfig, Miss, PoolConfig, PooledBuffer};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, mpsc};
use std::time::Instant;

const ROUNDS: usize = 9;
const TURNS: u32 = 2_000_000;

fn pool() -> BufferRecyclingPool {
    let classes = vec![
        ClassConfig { samples: 256, buffers_max: 64, buffers_prewarm: 0 },
        ClassConfig { samples: 512, buffers_max: 64, buffers_prewarm: 0 },
        ClassConfig { samples: 1024, buffers_max: 64, buffers_prewarm: 64 },
    ];
    BufferRecyclingPool::new(PoolConfig { classes, ..PoolConfig::default() }).expect("a valid configuration")
}

fn report(name: &str, mut round: impl FnMut() -> f64) {
    let mut ns: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    ns.sort_by(f64::total_cmp);
    println!("{name:<44} {:6.2} ({:.2} .. {:.2})", ns[ROUNDS / 2], ns[0], ns[ROUNDS - 1]);
}

/// Nanoseconds per turn.
fn time(turns: u32, mut turn: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..turns {
        turn();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(turns)
}

/// Eight buffers out at most, each replaced in turn.
fn churn(pool: &BufferRecyclingPool) -> impl FnMut() {
    let mut held: [Option<PooledBuffer>; 8] = Default::default();
    let mut at = 0;
    move || {
        held[at] = None;
        held[at] = black_box(pool.acquire(black_box(1024), Miss::Fail).ok());
        at = (at + 1) % 8;
    }
}

fn main() {
    let pool = pool();
    let word = AtomicU64::new(u64::MAX);
    report("(limit: two atomic updates of one word)", || {
        time(TURNS, || {
            let now = word.load(Ordering::Relaxed);
            let bit = now & now.wrapping_neg();
            let _ = black_box(word.compare_exchange(now, now & !bit, Ordering::Acquire, Ordering::Relaxed));
            black_box(word.fetch_or(bit, Ordering::Release));
        })
    });
    report("acquire + release, 1 thread", || {
        time(TURNS, || drop(black_box(pool.acquire(black_box(1024), Miss::Fail))))
    });
    report("the same, 8 held", || time(TURNS, churn(&pool)));
    report("acquire + share + clone + 2 drops, 1 thread", || {
        time(TURNS, || {
            if let Ok(buffer) = pool.acquire(black_box(1024), Miss::Fail) {
                let shared = buffer.into_shared();
                drop(black_box(shared.clone()));
            }
        })
    });
    report("acquire + release, 2 threads at once, 8 held", || {
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        time(TURNS, churn(&pool))
                    })
                })
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).fold(0.0, f64::max)
        })
    });
    report("acquire here, release there (std channel)", || {
        let (sender, receiver) = mpsc::sync_channel::<PooledBuffer>(32);
        std::thread::scope(|scope| {
            scope.spawn(move || receiver.into_iter().for_each(drop));
            let mut missed = 0u32;
            let ns = time(TURNS / 4, || match pool.acquire(black_box(1024), Miss::Fail) {
                Ok(buffer) => drop(sender.send(buffer)),
                Err(_) => missed += 1,
            });
            drop(sender);
            assert_eq!(missed, 0, "34 buffers out at most, 64 in the pool");
            ns
        })
    });
    let metrics = pool.metrics();
    println!(
        "{} acquisitions, hit rate {:?}, held {} bytes, overhead {:.2} %",
        metrics.acquisitions(),
        metrics.hit_rate(),
        metrics.held_bytes,
        metrics.overhead_percent()
    );
}
