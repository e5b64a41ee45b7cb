//! loom's models of the core and of the engine, and the seeded bugs that they must find.

use crate::steps::{Steps, cargo, root, run};
use std::process::Command;

/// The crates that have models and list their seeded bugs in `src/mutant.rs`, and the environment variable that chooses one.
const MODELLED: &[(&str, &str)] =
    &[("pcmflow-core", "PCMFLOW_MUTANT"), ("pcmflow-engine", "PCMFLOW_ENGINE_MUTANT")];

/// Explores every model: each prints how many executions there were, and within which bound.
pub(crate) fn explore(steps: &mut Steps) {
    for (of, _) in MODELLED {
        let mut command = models(of, "--cfg pcmflow_loom", "");
        steps.command(&format!("interleavings of {of}, explored by loom"), command.arg("--nocapture"));
    }
}

/// The models pass as they are, and each seeded bug makes its own ones fail.
pub(crate) fn mutants(steps: &mut Steps) {
    for (of, variable) in MODELLED {
        match listed(of) {
            Ok(mutants) => mutants_of(of, variable, mutants, steps),
            Err(why) => steps.step(&format!("seeded bugs of {of}"), || Err(why)),
        }
    }
}

fn mutants_of(of: &str, variable: &str, mutants: Vec<(String, String)>, steps: &mut Steps) {
    const SEEDED: &str = "--cfg pcmflow_loom --cfg pcmflow_mutants";
    steps.step(&format!("no seeded bug in {of}: every model must pass"), || run(&mut models(of, SEEDED, "")));
    for (name, tests) in mutants {
        steps.step(&format!("seeded bug {name}: {tests} must fail"), || {
            let mut command = models(of, SEEDED, &tests);
            let output = command.env(variable, &name).output().map_err(|error| error.to_string())?;
            // The tests' own output first, then cargo's.
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            match found(&text) {
                true => Ok(()),
                // A filter that fits no test would pass, too.
                false if output.status.success() => Err(format!("{name} was not found by {tests}")),
                false => Err(text),
            }
        });
    }
}

/// Whether a model failed because of what it checks, or died of it: a bug that frees too early may not live to be told. Anything
/// else (a name that the list lacks, a build that breaks, a model that grew too large) is a mistake here.
fn found(output: &str) -> bool {
    const MISTAKES: [&str; 3] = ["no such seeded bug", "maximum number of branches", "could not compile"];
    output.contains("error: test failed") && !MISTAKES.iter().any(|mistake| output.contains(mistake))
}

/// The models of a crate whose names hold `filter`.
fn models(of: &str, flags: &str, filter: &str) -> Command {
    let mut command = cargo(&["test", "--quiet", "--release", "-p", of, "--test", "loom", "--", filter]);
    command.env("RUSTFLAGS", flags).env("CARGO_TARGET_DIR", root().join("target/loom"));
    command
}

/// The seeded bugs of a crate; an error where there are none.
fn listed(of: &str) -> Result<Vec<(String, String)>, String> {
    let list = format!("crates/{of}/src/mutant.rs");
    let text = std::fs::read_to_string(root().join(&list)).map_err(|error| format!("{list}: {error}"))?;
    Some(listed_in(&text)).filter(|mutants| !mutants.is_empty()).ok_or_else(|| format!("{list} lists none"))
}

/// The pairs `("name", "tests"),` of the list, one a line.
fn listed_in(text: &str) -> Vec<(String, String)> {
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.strip_suffix("\"),"));
    rows.filter_map(|row| row.split_once("\", \"")).map(|(name, tests)| (name.into(), tests.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_list_are_read() {
        let text = "/// (\"no\", \"row\")\n    (\"a-b\", \"ring::\"),\n    (\"c\", \"pool::x\"),\n    Some((\"d\", \"e\"))\n";
        let expected = [("a-b", "ring::"), ("c", "pool::x")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(listed_in(text), expected);
    }

    #[test]
    fn only_a_failed_check_is_a_find() {
        const FAILED: &str =
            "\ntest result: FAILED. 0 passed\nerror: test failed, to rerun pass `--test loom`";
        assert!(found(&format!("panicked at tests/loom/ring.rs: torn{FAILED}")));
        assert!(found(
            "error: test failed, to rerun pass `--test loom`\n(signal: 6, SIGABRT: process abort signal)"
        ));
        assert!(!found("error[E0308]: mismatched types\nerror: could not compile `pcmflow-core`"));
        assert!(!found(&format!("panicked at src/mutant.rs: no such seeded bug: x{FAILED}")));
        assert!(!found(&format!("Model exceeded maximum number of branches.{FAILED}")));
    }

    #[test]
    fn every_seeded_bug_is_asked_for_somewhere() {
        for (of, _) in MODELLED {
            let sources = sources(&root().join(format!("crates/{of}/src")));
            for (name, _) in listed(of).unwrap() {
                let asked = format!("\"{name}\"");
                assert!(sources.matches(&asked).count() >= 2, "no code asks for the seeded bug {name}");
            }
        }
    }

    /// The text of every source file below `place`.
    fn sources(place: &std::path::Path) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(place).unwrap().map(Result::unwrap) {
            let path = entry.path();
            text += &if path.is_dir() { sources(&path) } else { std::fs::read_to_string(path).unwrap() };
        }
        text
    }
}
