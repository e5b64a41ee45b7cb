//! The project's own chores, so that one command does what CI does and no shell script holds logic.
//!
//! `cargo xtask help` lists them. A chore is a function from its arguments to [`Outcome`]; the table [`CHORES`]
//! feeds the dispatch and the help. Exit codes: 0 done, 1 failed, 2 wrong usage.

mod bench;
mod contracts;
mod coverage;
mod csv;
mod eval;
mod formats;
mod interleavings;
mod llvm;
mod options;
mod postings;
mod proof;
mod quick;
mod setup;
mod steps;
mod tidy;
mod web;

use std::process::ExitCode;

/// Why a chore did not end well.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The command line asks for something that does not exist.
    Usage(String),
    /// The chore ran and found something wrong.
    Failed(String),
}

/// What every chore returns.
pub(crate) type Outcome = Result<(), Failure>;

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

/// One chore: its name, its arguments, what it does in one line, and the function that does it.
struct Chore {
    name: &'static str,
    arguments: &'static str,
    does: &'static str,
    /// What its arguments may name, for `help` of this chore.
    names: fn() -> String,
    run: fn(&[String]) -> Outcome,
}

/// For chores whose arguments name nothing of ours.
fn none() -> String {
    String::new()
}

/// Every chore, in the order in which `help` shows them.
const CHORES: &[Chore] = &[
    Chore {
        name: "setup",
        arguments: "[--proof] [--bench]",
        does: "check that what the quick tier needs is there; with --proof also get what the deep tier needs, with --bench what the benches need",
        names: none,
        run: setup::chore,
    },
    Chore {
        name: "test",
        arguments: "",
        does: "the quick tier, what CI runs: setup, format, house rules, lints, tests, documentation",
        names: none,
        run: quick::chore,
    },
    Chore {
        name: "tidy",
        arguments: "",
        does: "the house rules alone: file length, real-time lines, words, lock files, layers",
        names: none,
        run: tidy::chore,
    },
    Chore {
        name: "contracts",
        arguments: "",
        does: "every public function with its real-time line, and whether a test runs what claims to be RT-safe",
        names: none,
        run: contracts::chore,
    },
    Chore {
        name: "proof",
        arguments: "[--seconds N] [--cases N] [--operations N] [--seed N] [--only STEP]",
        does: "the deep tier: release and latency tests, long property tests, fuzzing, coverage, postings, loom and its seeded bugs, mixed stress, ThreadSanitizer, RealtimeSanitizer, peers",
        names: proof::names,
        run: proof::chore,
    },
    Chore {
        name: "postings",
        arguments: "[--only FILE]",
        does: "remove one posting to the ledger after the other, and see that a test notices each",
        names: none,
        run: postings::chore,
    },
    Chore {
        name: "coverage",
        arguments: "[--html] [CRATE…]",
        does: "line coverage per crate; fails under the floors of pcmflow-core, -engine, -pitch and -io",
        names: none,
        run: coverage::chore,
    },
    Chore {
        name: "eval",
        arguments: "DIR [--noise pinkDB] [--by band|file|instrument|kind]",
        does: "score `pcmflow pitch` over the recordings that DIR/truth.csv lists",
        names: none,
        run: |arguments| Ok(eval::run(arguments)?),
    },
    Chore {
        name: "formats",
        arguments: "DIR",
        does: "decode every file that DIR/formats.csv lists, beside what ffmpeg and libsndfile found",
        names: none,
        run: |arguments| Ok(formats::run(arguments)?),
    },
    Chore {
        name: "web",
        arguments: "[--serve [--no-isolation]]",
        does: "build the engine for browsers, with shared memory and without, into web/dist; with --serve also the page, served on this machine",
        names: none,
        run: web::chore,
    },
    Chore {
        name: "bench",
        arguments: "[--compare] [--record] [--seconds N] [EXPERIMENT…]",
        does: "ours beside the peers, interleaved; --compare with the last record, --record appends to it; what runs in real time does so for 20 s, recorded for 600 s, or as --seconds says",
        names: bench::names,
        run: bench::chore,
    },
];

impl Chore {
    fn help(&self) -> String {
        let names = (self.names)();
        let names = if names.is_empty() { names } else { format!("            {names}\n") };
        format!("  {:<9} {}\n            {}\n{names}", self.name, self.arguments, self.does)
    }
}

fn help() -> String {
    let mut text = String::from("cargo xtask CHORE\n\n");
    for chore in CHORES {
        text += &chore.help();
    }
    text +=
        "  help      [CHORE]\n            print this list, or what one chore does; so does CHORE --help\n\n";
    text += "PCMFLOW_CORPUS=DIR lets tests use the recordings; without it those tests say that they were skipped.\n";
    text
}

/// Finds the chore that `arguments` name and runs it.
fn dispatch(arguments: &[String]) -> Outcome {
    let Some((name, rest)) = arguments.split_first() else {
        return Err(Failure::Usage("which chore?".into()));
    };
    let is_help = |word: &String| matches!(word.as_str(), "help" | "--help" | "-h");
    let about = if is_help(name) { rest.first().filter(|word| !is_help(word)) } else { Some(name) };
    let Some(about) = about else {
        print!("{}", help());
        return Ok(());
    };
    let Some(chore) = CHORES.iter().find(|chore| chore.name == about) else {
        return Err(Failure::Usage(format!("there is no chore `{about}`")));
    };
    // Before the chore looks at its arguments, let alone builds anything.
    if is_help(name) || rest.iter().any(|word| matches!(word.as_str(), "--help" | "-h")) {
        print!("cargo xtask CHORE\n\n{}", chore.help());
        return Ok(());
    }
    (chore.run)(rest)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(message)) => {
            eprintln!("xtask: {message}\n\n{}", help());
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_chore_or_argument_is_wrong_usage() {
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        for line in [
            "",
            "nonsense",
            "test --nonsense",
            "tidy x",
            "coverage --htm core",
            "proof --seconds x",
            "proof --only nonsense",
            "proof --mutants",
            "bench nonsense",
            "bench x1 --compare nonsense",
            "help nonsense",
            "nonsense --help",
        ] {
            assert!(matches!(dispatch(&words(line)), Err(Failure::Usage(_))), "`{line}`");
        }
        for line in [
            "help",
            "--help",
            "help help",
            "help bench",
            "bench --help",
            "tidy -h",
            "proof --only loom --help",
        ] {
            assert_eq!(dispatch(&words(line)), Ok(()), "`{line}`");
        }
    }

    #[test]
    fn help_names_what_arguments_may_name() {
        for name in [
            "STEP is one of release, ",
            " mutants,",
            "EXPERIMENT is one of ",
            " X1,",
            " X5b-tail,",
            "GiveBack-memory",
        ] {
            assert!(help().contains(name), "{name}: {}", help());
        }
    }

    #[test]
    fn help_names_every_chore() {
        for chore in CHORES {
            assert!(help().contains(&format!("  {} ", chore.name)), "{}", chore.name);
        }
    }
}
