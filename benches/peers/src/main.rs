//! pcmflow's parts beside the crates that people use today, interleaved in one process.
//!
//! `cargo xtask bench` runs it; alone: `peers [--brief] [--rounds N] [EXPERIMENT…]`. Each experiment is one file that
//! drives one trait ([`rings::FrameRing`] or [`pools::BufferPool`]); each contender is one implementation of it.
//! Every round runs every contender, in rotating order; the table says median, quickest and slowest round, and the
//! median's ratio to the best peer and to the limit. Nothing is timed before it was verified sample by sample.

mod harness;
mod limits;
mod pools;
mod rings;
mod x1;
mod x2;
mod x5;

use harness::{Experiment, Size};
use std::process::ExitCode;

fn experiments() -> Vec<Experiment> {
    vec![x1::experiment(), x2::experiment(), x5::one_thread(), x5::two_threads()]
}

fn main() -> ExitCode {
    let mut size = Size::FULL;
    let mut chosen = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--brief" => size = Size::BRIEF,
            "--rounds" => match arguments.next().and_then(|text| text.parse().ok()) {
                Some(rounds) if rounds > 0 => size.rounds = rounds,
                _ => return usage("--rounds wants a number"),
            },
            name if name.starts_with('-') => return usage(&format!("there is no option `{name}`")),
            name => chosen.push(name.to_ascii_lowercase()),
        }
    }
    let experiments = experiments();
    for name in &chosen {
        if !experiments.iter().any(|experiment| experiment.name.eq_ignore_ascii_case(name)) {
            return usage(&format!("there is no experiment `{name}`"));
        }
    }
    let Some(cores) = harness::two_cores() else {
        eprintln!("peers: two processor cores to pin threads to are needed");
        return ExitCode::from(1);
    };
    println!(
        "{} rounds, bare atomics' round trip between the cores {:.0} ns\n",
        size.rounds,
        limits::round_trip(cores)
    );
    for experiment in experiments {
        if chosen.is_empty() || chosen.iter().any(|name| experiment.name.eq_ignore_ascii_case(name)) {
            experiment.run(size, cores);
        }
    }
    ExitCode::SUCCESS
}

fn usage(why: &str) -> ExitCode {
    let names: Vec<&str> = experiments().iter().map(|experiment| experiment.name).collect();
    eprintln!("peers: {why}\nusage: peers [--brief] [--rounds N] [{}]", names.join(" | "));
    ExitCode::from(2)
}
