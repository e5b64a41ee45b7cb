//! GiveBack: four threads acquire and release without pause while a control task grows the pool and gives memory back.
//!
//! Each acquisition is timed. The same is run with nobody beside the four, and beside a fifth thread that only spins:
//! on few cores, any fifth thread takes turns with them. GiveBack-kept is the same without the acquisitions in whose midst the
//! system took the processor away: its worst is the pool's, where GiveBack's is the scheduler's. GiveBack-memory asks the system what the process has in memory
//! before growth, grown, and after: with pages of the system and with the global allocator. It is a process of its own.

use crate::experiment::{Contender, Experiment, Figures, Kind, ROUND, Size};
use crate::harness::{Cores, Random, join, pin};
use crate::pools::SAMPLES;
use crate::system::resident_mib;
use crate::table::Summary;
use crate::tail::{KeptTail, Stopwatch, Tail};
use pcmflow::runtime::PageMemory;
use pcmflow_core::pool::{BufferRecyclingPool, ClassConfig, Miss, PoolConfig};
use std::fmt::Write as _;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::Duration;

/// Threads that use the pool.
const USERS: usize = 4;
/// Buffers that each holds at most.
const HELD: usize = 8;
/// Buffers that the pool has when nothing is grown: all that can be held, twice.
const BASE: usize = 2 * USERS * HELD;
/// Buffers that the control task adds each time: 32 MiB.
const GROWN: usize = 8192;

fn config() -> PoolConfig {
    PoolConfig {
        classes: vec![ClassConfig { samples: SAMPLES, buffers_max: BASE + GROWN, buffers_prewarm: BASE }],
        budget_bytes: 64 << 20,
        ..PoolConfig::default()
    }
}

/// In memory of the global allocator.
fn pool() -> BufferRecyclingPool {
    BufferRecyclingPool::new(config()).expect("memory for one pool")
}

/// In pages of the system, as a flow's pool is.
fn pool_of_pages() -> BufferRecyclingPool {
    BufferRecyclingPool::with_memory(config(), &PageMemory).expect("memory for one pool")
}

fn grow(pool: &BufferRecyclingPool) {
    pool.prewarm(SAMPLES, BASE + GROWN).expect("it is within limit and budget");
}

/// Gives back what was grown; the bytes.
fn give_back(pool: &BufferRecyclingPool) -> usize {
    pool.trim(SAMPLES, BASE).freed_bytes
}

/// Acquires and releases that many times, holding up to eight; a stamp shows that no buffer has two holders.
fn turn_over(pool: &BufferRecyclingPool, steps: u64, seed: u64, watch: &mut impl Stopwatch) {
    let mut random = Random::new(seed);
    let mut held: [_; HELD] = std::array::from_fn(|_| None);
    for step in 0..steps {
        let slot = &mut held[random.below(HELD as u64) as usize];
        if let Some((buffer, stamp)) = slot.take() {
            let buffer: pcmflow_core::pool::PooledBuffer = buffer;
            assert!(buffer[..] == [stamp; 16], "somebody else wrote into a buffer that was held");
        }
        // Between a give-back and the growth after it there may be none: then it is asked for again, as part of this one.
        let mut buffer = watch.time(|| {
            loop {
                if let Ok(buffer) = pool.acquire(SAMPLES, Miss::Fail) {
                    break buffer;
                }
                spin_loop();
            }
        });
        let stamp = (seed * (1 << 20) + step % (1 << 20)) as f32;
        let _ = buffer.extend_from_slice(&[stamp; 16]);
        *slot = Some((buffer, stamp));
    }
}

/// The experiments; their variants are the contenders, and the one with nobody beside is the limit.
pub(crate) fn experiments() -> Vec<Experiment> {
    let mut experiments = vec![Experiment {
        name: "GiveBack",
        title: "four threads on one pool: ns an acquire, each timed",
        figures: Figures::Tail,
        round: 4 * ROUND,
        contenders: contenders::<Tail>(),
    }];
    // Not where the system does not tell when a thread was switched away.
    if KeptTail::with_capacity(0).is_some() {
        experiments.push(Experiment {
            name: "GiveBack-kept",
            title: "four threads on one pool: ns an acquire that was not switched away, each timed",
            figures: Figures::Worst,
            round: 4 * ROUND,
            contenders: contenders::<KeptTail>(),
        });
    }
    experiments
}

fn contenders<T: Timed>() -> Vec<Contender> {
    let contender = |name, kind, round| Contender { name, kind, verify: |_| (), round };
    let alone = |steps, cores| round::<T>(steps, cores, None);
    let spinning = |steps, cores| round::<T>(steps, cores, Some(|_| (0..10_000).for_each(|_| spin_loop())));
    let controlled = |steps, cores| {
        let beside = |pool: &BufferRecyclingPool| {
            grow(pool);
            give_back(pool);
        };
        round::<T>(steps, cores, Some(beside))
    };
    vec![
        contender("nobody beside them", Kind::Limit, alone),
        contender("a fifth thread that spins", Kind::Timing, spinning),
        contender("pcmflow, a control task that grows and gives back", Kind::Ours, controlled),
    ]
}

/// How a thread's acquisitions are timed.
trait Timed: Stopwatch {
    fn begin(operations: u64) -> Self;
    fn end(self) -> Tail;
}

impl Timed for Tail {
    fn begin(operations: u64) -> Self {
        Tail::with_capacity(operations)
    }
    fn end(self) -> Tail {
        self
    }
}

impl Timed for KeptTail {
    fn begin(operations: u64) -> Self {
        KeptTail::with_capacity(operations).expect("a system that counts a thread's switches")
    }
    fn end(self) -> Tail {
        self.into_tail()
    }
}

/// Ends the loops of the others, also when its holder panics.
struct Done<'d>(&'d AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        // Relaxed, as where it is read: a wish to stop orders nothing.
        self.0.store(true, Ordering::Relaxed);
    }
}

/// `steps` of each user, with a fifth thread that does `beside` over and over.
fn round<T: Timed>(steps: u64, cores: Cores, beside: Option<fn(&BufferRecyclingPool)>) -> Vec<f64> {
    let (pool, done) = (pool(), AtomicBool::new(false));
    scope(|scope| {
        let users: Vec<_> = (0..USERS)
            .map(|user| {
                let pool = &pool;
                scope.spawn(move || {
                    pin(if user % 2 == 0 { cores.0 } else { cores.1 });
                    let mut timed = T::begin(steps);
                    turn_over(pool, steps, user as u64, &mut timed);
                    timed.end()
                })
            })
            .collect();
        let control = beside.map(|beside| {
            let (pool, done) = (&pool, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    beside(pool);
                }
            })
        });
        let ends = Done(&done);
        let tails = users.into_iter().map(join).reduce(Tail::merge);
        drop(ends);
        control.map(join);
        tails.map(Tail::figures).unwrap_or_default()
    })
}

/// What the process has in memory, as the system says: before growth, grown and after, while four threads go on.
pub(crate) fn memory(size: Size, cores: Cores) -> String {
    let mut text =
        "### GiveBack-memory resident MiB of the process (`/proc/self/smaps_rollup`), under load\n\n"
            .to_owned();
    if resident_mib().is_none() {
        return text + "- not measured: this system has no such file\n\n";
    }
    text += "| pool of 64 buffers of 4 KiB, and 8192 more | before | grown | given back | kept ÷ grown |\n";
    text += "| --- | --: | --: | --: | --: |\n";
    // Pages first: what the allocator keeps would be in all later figures.
    let _ = writeln!(text, "| **pcmflow, pages of the system** {}", laps(&pool_of_pages(), size, cores));
    let _ = writeln!(text, "| **pcmflow, the global allocator** {}\n", laps(&pool(), size, cores));
    text
}

/// The cells of one row: a lap is growth and give-back.
fn laps(pool: &BufferRecyclingPool, size: Size, cores: Cores) -> String {
    let done = AtomicBool::new(false);
    // Touches what the table of slabs and the allocator keep for good, so that the first growth is like the others.
    grow(pool);
    give_back(pool);
    let mut laps: Vec<[f64; 3]> = Vec::new();
    scope(|scope| {
        for user in 0..USERS {
            let done = &done;
            scope.spawn(move || {
                pin(if user % 2 == 0 { cores.0 } else { cores.1 });
                while !done.load(Ordering::Relaxed) {
                    turn_over(pool, 10_000, user as u64, &mut crate::tail::Untimed);
                }
            });
        }
        let _ends = Done(&done);
        std::thread::sleep(Duration::from_millis(20));
        for _ in 0..size.processes * size.rounds {
            let mut lap = [resident_mib().unwrap_or(f64::NAN); 3];
            grow(pool);
            lap[1] = resident_mib().unwrap_or(f64::NAN);
            give_back(pool);
            lap[2] = resident_mib().unwrap_or(f64::NAN);
            laps.push(lap);
        }
    });
    let cell = |figure: fn(&[f64; 3]) -> f64, digits: usize| {
        let Summary { median, min, max } = Summary::of(laps.iter().map(figure));
        (median, format!("{median:.digits$} ({min:.digits$} .. {max:.digits$})"))
    };
    let kept = cell(|lap| (lap[2] - lap[0]) / (lap[1] - lap[0]), 2).0;
    let [before, grown, after] = [cell(|lap| lap[0], 1).1, cell(|lap| lap[1], 1).1, cell(|lap| lap[2], 1).1];
    format!("| {before} | {grown} | {after} | {kept:.2} |")
}
