//! pcmflow's parts beside the crates that people use today, interleaved in the same processes.
//!
//! `cargo xtask bench` runs it; alone: `peers [--brief] [--processes N] [--rounds N] [--seconds N] [EXPERIMENT…]`. Each experiment is
//! one file that drives one trait ([`rings::SliceRing`], [`queues::Queue`], [`pools::BufferPool`],
//! [`preempted::Held`]); each contender is one implementation of it. Every round runs every contender, in rotating
//! order; rounds run in several fresh processes. The table says medians of all rounds with the quickest and the slowest,
//! their ratios to the best peer and to the limit, and whether the floors of [`floors`] are met. Nothing is timed before
//! it was verified item by item.

mod allocator;
mod engine;
mod events;
mod experiment;
mod flood;
mod floors;
mod give_back;
mod harness;
mod limits;
mod link;
mod metrics;
mod overhead;
mod pipelines;
mod pools;
mod preempted;
mod priorities;
mod queues;
mod rings;
mod system;
mod table;
mod tail;
mod witness;
mod x1;
mod x2;
mod x3a;
mod x3b;
mod x4;
mod x5;
mod x5c;
mod x6;

use experiment::{Experiment, Size};
use std::process::ExitCode;
use std::time::Duration;

/// Something with a table of its own.
enum Measured {
    /// Contenders in rounds.
    Rounds(Experiment),
    /// What one process says about itself.
    Report { name: &'static str, report: fn(Size, harness::Cores) -> String },
}

impl Measured {
    fn name(&self) -> &'static str {
        match self {
            Measured::Rounds(experiment) => experiment.name,
            Measured::Report { name, .. } => name,
        }
    }

    /// In this process.
    fn here(&self, size: Size, cores: harness::Cores) {
        match self {
            Measured::Rounds(experiment) => experiment.run_here(size, cores),
            Measured::Report { report, .. } => print!("{}", report(size, cores)),
        }
    }

    /// In fresh ones.
    fn run(&self, size: Size) -> Result<(), String> {
        match self {
            Measured::Rounds(experiment) => experiment.run(size),
            Measured::Report { name, .. } => {
                print!("{}", experiment::in_fresh_process(name, size)?);
                Ok(())
            }
        }
    }
}

fn all() -> Vec<Measured> {
    let mut all = vec![
        Measured::Rounds(x1::experiment()),
        Measured::Rounds(x2::experiment()),
        Measured::Rounds(x3a::one_by_one()),
        Measured::Rounds(x3a::bulk()),
        Measured::Rounds(x3a::chunks()),
        Measured::Rounds(x3b::experiment()),
        Measured::Rounds(x4::experiment()),
        Measured::Rounds(x5::one_thread()),
        Measured::Rounds(x5::one_thread_tail()),
        Measured::Rounds(x5::two_threads()),
        Measured::Rounds(x5::two_threads_tail()),
        Measured::Rounds(x5c::experiment()),
        Measured::Rounds(preempted::experiment()),
    ];
    all.extend(give_back::experiments().into_iter().map(Measured::Rounds));
    all.extend([
        Measured::Report { name: "GiveBack-memory", report: give_back::memory },
        Measured::Report { name: "Overhead", report: overhead::report },
        Measured::Rounds(events::one()),
        Measured::Rounds(events::two()),
        Measured::Report { name: "X6", report: x6::report },
        Measured::Report { name: "Flood", report: flood::report },
        Measured::Report { name: "Priorities", report: priorities::report },
        Measured::Report { name: "Pipelines", report: pipelines::report },
        Measured::Report { name: "Metrics", report: metrics::report },
    ]);
    all
}

fn main() -> ExitCode {
    let mut size = Size::FULL;
    let mut here = false;
    let mut chosen = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--brief" => size = Size::BRIEF,
            // What one process of an experiment does that starts several by itself.
            "--part" => return part(&arguments.collect::<Vec<_>>()),
            // What a fresh process is told: no table, only figures.
            "--here" => here = true,
            option @ ("--rounds" | "--processes" | "--seconds") => {
                match arguments.next().and_then(|text| text.parse().ok()) {
                    Some(0) | None => return usage(&format!("{option} wants a number above 0")),
                    Some(number) if option == "--rounds" => size.rounds = number,
                    Some(number) if option == "--seconds" => size.time = Duration::from_secs(number as u64),
                    Some(number) => size.processes = number,
                }
            }
            name if name.starts_with('-') => return usage(&format!("there is no option `{name}`")),
            name => chosen.push(name.to_ascii_lowercase()),
        }
    }
    let all = all();
    for name in &chosen {
        if !all.iter().any(|measured| measured.name().eq_ignore_ascii_case(name)) {
            return usage(&format!("there is no experiment `{name}`"));
        }
    }
    let Some(cores) = harness::two_cores() else {
        eprintln!("peers: two processor cores to pin threads to are needed");
        return ExitCode::from(1);
    };
    if !here {
        println!("{} processes of {} rounds each\n", size.processes, size.rounds);
    }
    for measured in all {
        if !chosen.is_empty() && !chosen.iter().any(|name| measured.name().eq_ignore_ascii_case(name)) {
            continue;
        }
        if here {
            measured.here(size, cores);
        } else if let Err(why) = measured.run(size) {
            eprintln!("peers: {why}");
            return ExitCode::from(1);
        }
    }
    ExitCode::SUCCESS
}

fn part(arguments: &[String]) -> ExitCode {
    match arguments.split_first() {
        Some((name, rest)) if name == "hand-off" && rest.len() == 3 => x6::part(rest),
        Some((name, rest)) if name == "pipelines" && rest.len() == 2 => pipelines::part(rest),
        _ => return usage(&format!("there is no part `{}`", arguments.join(" "))),
    }
    ExitCode::SUCCESS
}

fn usage(why: &str) -> ExitCode {
    let names: Vec<&str> = all().iter().map(Measured::name).collect();
    eprintln!(
        "peers: {why}\nusage: peers [--brief] [--processes N] [--rounds N] [--seconds N] [{}]",
        names.join(" | ")
    );
    ExitCode::from(2)
}
