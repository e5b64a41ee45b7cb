//! Mixed stress on real threads, every frame checked.
//!
//! Each [`Part`] repeats *episodes*: it makes what it tests in a random size, uses it from several threads in random ways, and
//! checks that nothing was lost, doubled, stale or out of order, that the books balance and that nothing is left. All parts
//! run at once, on more threads than there are cores, so that threads are also stopped in the midst of things.
//!
//! A short run is part of `cargo test`; `cargo xtask proof --only stress --operations 1000000000` is the long one. An
//! operation is a push, pop, write, read, acquisition, release, clone or look-up that came about: what found a full or
//! empty buffer is tried again and not counted. Threads can't be replayed; the seed fixes the sizes and each thread's choices.
//!
//! To add a part: a file with `pub(crate) fn episode(random: &mut Random, tally: &Tally)`, and a row in [`PARTS`].

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod broadcast;
mod fan_out;
mod item;
mod numbers;
mod pool;
mod ring;
mod stream;
mod tally;

use numbers::Random;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tally::{Tally, stop_all};

/// Something that is stressed: its name, and one life of it, from several threads.
type Part = (&'static str, fn(&mut Random, &Tally));

const PARTS: &[Part] = &[
    ("ring", ring::episode),
    ("stream", stream::episode),
    ("broadcast", broadcast::episode),
    ("pool", pool::episode),
    ("fan-out", fan_out::episode),
];

/// Operations of the run that is part of `cargo test`.
const OPERATIONS: u64 = 1_000_000;
/// A run in which no part moves for so long hangs.
const HANG: Duration = Duration::from_secs(60);

#[test]
fn nothing_is_lost_doubled_stale_or_out_of_order() {
    let asked = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let operations = asked("PCMFLOW_STRESS_OPERATIONS");
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = asked("PCMFLOW_STRESS_SEED").unwrap_or(clock.as_nanos() as u64);
    let only = std::env::var("PCMFLOW_STRESS_PART").ok();
    let parts: Vec<&Part> =
        PARTS.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)).collect();
    assert!(!parts.is_empty(), "PCMFLOW_STRESS_PART names no part");
    if operations.is_some() {
        tally::stop_on_interrupt();
    }
    let share = operations.unwrap_or(OPERATIONS).div_ceil(parts.len() as u64);
    println!("stress: {} operations each of {} parts, seed {seed}", share, parts.len());

    let start = Instant::now();
    let tallies: Vec<Tally> = parts.iter().map(|_| Tally::new(share)).collect();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for (number, ((_, episode), tally)) in parts.iter().zip(&tallies).enumerate() {
            let mut random = Random::new(seed.wrapping_add(number as u64));
            let thread = thread::Builder::new()
                .name(parts[number].0.into())
                .spawn_scoped(scope, move || {
                    let _told = tally.counter();
                    while tally.goes_on() {
                        episode(&mut random, tally);
                        tally.episode_done();
                    }
                    tally.finish();
                })
                .unwrap();
            threads.push(thread);
        }
        watch(&parts, &tallies, start, operations.is_some());
        tally::join(threads);
    });
    let total: u64 = tallies.iter().map(Tally::done).sum();
    let seconds = start.elapsed().as_secs_f64();
    for ((name, _), tally) in parts.iter().zip(&tallies) {
        println!("stress: {name}: {} operations in {} episodes", tally.done(), tally.episodes());
    }
    println!("stress: {total} operations in {seconds:.1} s, every frame checked, nothing wrong");
    assert!(tally::was_interrupted() || total >= operations.unwrap_or(OPERATIONS), "too few operations");
}

/// Prints how far the run is, and ends the process when nothing moves any more.
fn watch(parts: &[&Part], tallies: &[Tally], start: Instant, aloud: bool) {
    let (mut last, mut moved, mut told) = (0, Instant::now(), Instant::now());
    while !tallies.iter().all(Tally::has_finished) && !tally::has_failed() {
        thread::sleep(Duration::from_millis(20));
        let done: Vec<u64> = tallies.iter().map(Tally::done).collect();
        let total: u64 = done.iter().sum();
        if total != last {
            (last, moved) = (total, Instant::now());
        } else if moved.elapsed() > HANG {
            stop_all();
            eprintln!("stress: nothing moved for {HANG:?}; operations done: {done:?}");
            std::process::abort();
        }
        if aloud && told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            let each: Vec<String> =
                parts.iter().zip(&done).map(|((name, _), done)| format!("{name} {done}")).collect();
            println!(
                "stress: {:>4.0} s, {total} operations: {}",
                start.elapsed().as_secs_f64(),
                each.join(", ")
            );
        }
    }
}
