//! The real-time contracts: which public function may be called on an audio thread, and which test calls it there.
//!
//! Every public function of `pcmflow-core`, `pcmflow-engine` and `pcmflow::runtime` has a real-time line, and so have drops, clones
//! and the like of what an audio thread holds; elsewhere who claims it has one. Each that claims to be
//! RT-safe stands in a `rt("Type::function", || …)` of its crate's tests, which run under the counting allocator and, in the
//! deep tier, under RealtimeSanitizer (`crates/pcmflow-core/tests/guard/mod.rs`).

mod functions;

use crate::options::Options;
use crate::steps::root;
use crate::{Failure, Outcome, tidy};
use functions::{Function, functions};
use std::collections::{BTreeMap, BTreeSet};

/// A file's path below the root, and its text.
pub(crate) type File = (String, String);

/// What is wrong in which file on which line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

/// Prints every public function with its real-time line, and fails where one has none or is not exercised.
pub(crate) fn chore(arguments: &[String]) -> Outcome {
    Options::new(arguments).done()?;
    let files = tidy::files(&root())?;
    let breaches = breaches(&files);
    for (name, contracts) in contracts(&files) {
        let (mut safe, mut unsafe_, mut silent) = (0, 0, 0);
        println!("{name}");
        for (path, function) in &contracts.functions {
            match &function.contract {
                Some(_) if function.claims() => safe += 1,
                Some(_) => unsafe_ += 1,
                // Methods of traits go by the trait's documentation, and other crates by none.
                None if !must_say(path) || (function.of_trait && !is_held(path, function)) => continue,
                None => silent += 1,
            }
            println!("  {:<56} {}", function.path, function.contract.as_deref().unwrap_or("NO LINE"));
        }
        let exercised = contracts.functions.iter().filter(|(_, f)| f.claims() && contracts.runs(f)).count();
        println!(
            "  = {safe} RT-safe, of which tests run {exercised}; {unsafe_} not RT-safe; {silent} without a line\n"
        );
    }
    for Breach { path, line, what } in &breaches {
        println!("{path}:{line}: {what}");
    }
    if breaches.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("{} breaches", breaches.len()))) }
}

/// Every function without its line, every claim that no test runs, every test that runs what is not claimed.
pub(crate) fn breaches(files: &[File]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for contracts in contracts(files).into_values() {
        for (path, function) in &contracts.functions {
            let mut breach =
                |what: String| breaches.push(Breach { path: path.clone(), line: function.line, what });
            let shown = &function.path;
            if must_say(path)
                && function.contract.is_none()
                && (!function.of_trait || is_held(path, function))
            {
                breach(format!("`{shown}` has no real-time line (`RT-safe: …` or `Not RT-safe: …`)"));
            } else if function.claims() && shown.contains('$') {
                breach(format!("`{shown}` is made by a macro: no test can be held against it; write it out"));
            } else if function.claims() && !contracts.runs(function) {
                breach(format!("`{shown}` claims to be RT-safe, and no test runs it: `rt(\"…\", || …)`"));
            }
        }
        for Run { path, line, name, span } in &contracts.runs {
            let mut breach = |what: String| breaches.push(Breach { path: path.clone(), line: *line, what });
            let mut meant =
                contracts.functions.iter().map(|(_, function)| function).filter(|f| f.is_called(name));
            match (meant.next(), meant.next()) {
                (None, _) => breach(format!("`{name}` is no public function of this crate")),
                (Some(one), Some(other)) if one.path != other.path => {
                    breach(format!(
                        "`{name}` is both `{}` and `{}`: give more of its path",
                        one.path, other.path
                    ));
                }
                (Some(function), _) if !function.claims() && function.contract.is_some() => {
                    breach(format!("`{name}` says that it is not RT-safe"));
                }
                (Some(function), _) if !function.of_trait && !calls(span, function.name()) => {
                    breach(format!("this is to run `{name}` and does not call it"));
                }
                _ => {}
            }
        }
    }
    breaches
}

/// Where every public function has a real-time line: what an audio thread holds, and what stands around it.
fn must_say(path: &str) -> bool {
    ["crates/pcmflow-core/", "crates/pcmflow-engine/", "crates/pcmflow/src/runtime/"]
        .iter()
        .any(|place| path.starts_with(place))
}

/// What an audio thread holds: it calls these types' methods of everyday traits without seeing them.
const HELD: &[&str] = &[
    "BroadcastGauge",
    "BroadcastReader",
    "BroadcastWriter",
    "BufferRef",
    "ChunkConsumer",
    "ChunkProducer",
    "Consumer",
    "Gauge",
    "PoolEndpoint",
    "PooledBuffer",
    "PopIter",
    "Producer",
    "StreamGauge",
    "StreamReader",
    "StreamWriter",
];

/// Methods of `Drop`, `Clone`, `Deref`, `DerefMut` and `Iterator`.
const EVERYDAY: &[&str] = &["drop", "clone", "deref", "deref_mut", "next"];

/// Whether it is an everyday method of a type that an audio thread holds, and has a line of its own.
fn is_held(path: &str, function: &Function) -> bool {
    let owner = function.path.rsplit("::").nth(1).unwrap_or_default();
    path.starts_with("crates/pcmflow-core/") && HELD.contains(&owner) && EVERYDAY.contains(&function.name())
}

/// What one crate promises and what its tests run.
#[derive(Debug, Default)]
struct Contracts {
    /// With the path of their file.
    functions: Vec<(String, Function)>,
    runs: Vec<Run>,
    names: BTreeSet<String>,
}

impl Contracts {
    fn runs(&self, function: &Function) -> bool {
        self.names.iter().any(|name| function.is_called(name))
    }
}

fn contracts(files: &[File]) -> BTreeMap<String, Contracts> {
    let mut crates: BTreeMap<String, Contracts> = BTreeMap::new();
    for (path, text) in files {
        let Some((name, inside)) = path.strip_prefix("crates/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        if !inside.ends_with(".rs") || inside.ends_with("/tests.rs") {
            continue;
        }
        let contracts = crates.entry(name.to_owned()).or_default();
        if inside.starts_with("src/") {
            contracts.functions.extend(functions(path, text).into_iter().map(|f| (path.clone(), f)));
        } else if inside.starts_with("tests/") {
            contracts.runs.extend(runs(path, text));
        }
    }
    for contracts in crates.values_mut() {
        contracts.names = contracts.runs.iter().map(|run| run.name.clone()).collect();
    }
    crates
}

/// One `rt("Type::function", || …)` of a test.
#[derive(Debug)]
struct Run {
    path: String,
    line: usize,
    name: String,
    /// The text from the name to the next run, or to the next empty line.
    span: String,
}

fn runs(path: &str, text: &str) -> Vec<Run> {
    let named = |at: usize| -> Option<usize> {
        let inside = text[at + 3..].trim_start();
        let line = text[..at].lines().next_back().unwrap_or_default();
        let apart = !line.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && !line.trim_start().starts_with("//");
        (apart && inside.starts_with('"')).then(|| text.len() - inside.len() + 1)
    };
    let starts: Vec<usize> = text.match_indices("rt(").filter_map(|(at, _)| named(at)).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let cut = |(&start, end): (&usize, usize)| {
        let (name, rest) = text[start..end].split_once('"')?;
        let span = rest.split("\n\n").next()?.to_owned();
        let line = text[..start].lines().count();
        Some(Run { path: path.to_owned(), line, name: name.to_owned(), span })
    };
    starts.iter().zip(ends).filter_map(cut).collect()
}

/// Whether `text` holds `name` as a word of its own, called or handed on.
fn calls(text: &str, name: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(name)
        .any(|(at, _)| !word(text[..at].chars().next_back()) && !word(text[at + name.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "impl A {\n    /// RT-safe: so.\n    pub fn b(&self) {}\n    /// Not RT-safe: allocates.\n    pub fn c() {}\n}\n\
                          impl Clone for A {\n    fn clone(&self) {}\n}\n";

    fn told(source: &str, test: &str) -> Vec<String> {
        let file = |path: &str, text: &str| (format!("crates/pcmflow-core/{path}"), text.to_owned());
        let files = [file("src/a.rs", source), file("tests/real_time.rs", test)];
        breaches(&files).into_iter().map(|breach| format!("{}: {}", breach.line, breach.what)).collect()
    }

    fn trips(source: &str, test: &str, line: usize, words: &str) {
        let told = told(source, test);
        assert!(
            told.len() == 1 && told[0].starts_with(&format!("{line}: ")) && told[0].contains(words),
            "expected one breach in line {line} with `{words}`: {told:?}"
        );
    }

    #[test]
    fn a_claim_that_is_run_is_kept() {
        assert!(told(SOURCE, "rt(\"A::b\", || a.b());\n").is_empty());
        assert!(
            told(SOURCE, "let x = rt(\n    \"A::b\", A::b);\nrt(\"A::clone\", || a.clone());").is_empty()
        );
    }

    #[test]
    fn a_claim_that_no_test_runs_trips() {
        trips(SOURCE, "", 3, "no test runs it");
        trips(SOURCE, "start(\"A::b\", || a.b());", 3, "no test runs it");
        trips(SOURCE, "// rt(\"A::b\", || a.b());", 3, "no test runs it");
        trips("impl Drop for A {\n    /// RT-safe: so.\n    fn drop() {}\n}\n", "", 3, "no test runs it");
    }

    #[test]
    fn a_run_that_is_none_trips() {
        let run = "rt(\"A::b\", || a.b());\n";
        trips(SOURCE, "rt(\"A::b\", || a.bb());\n\na.b();\n", 1, "does not call it");
        trips(SOURCE, &format!("{run}rt(\"A::d\", || a.d());"), 2, "no public function");
        trips(SOURCE, &format!("{run}rt(\"A::c\", || A::c());"), 2, "not RT-safe");
        let twice = format!(
            "{SOURCE}mod m {{\n    impl A {{\n        /// RT-safe: so.\n        pub fn b() {{}}\n    }}\n}}\n"
        );
        trips(&twice, run, 1, "give more of its path");
    }

    #[test]
    fn a_function_without_a_line_or_out_of_a_macro_trips() {
        trips("pub fn a() {}\n", "", 1, "no real-time line");
        trips("pub trait A {\n    fn b();\n}\n", "", 2, "no real-time line");
        trips(
            "macro_rules! m {\n    () => {\n        pub fn a() {}\n    };\n}\n",
            "",
            3,
            "no real-time line",
        );
        trips("impl $a {\n    /// RT-safe: so.\n    pub fn b() {}\n}\n", "", 3, "made by a macro");
    }

    #[test]
    fn a_drop_of_what_an_audio_thread_holds_without_a_line_trips() {
        let source =
            |of: &str, name: &str| format!("impl<T> Drop for {of}<T> {{\n    fn {name}() {{}}\n}}\n");
        trips(&source("Producer", "drop"), "", 2, "no real-time line");
        assert!(told(&source("Producer", "size_hint"), "").is_empty());
        assert!(told(&source("Shared", "drop"), "").is_empty());
    }

    #[test]
    fn other_crates_are_held_to_what_they_claim() {
        let files = |text: &str| [("crates/pcmflow-io/src/a.rs".to_owned(), text.to_owned())];
        assert!(breaches(&files("pub fn a() {}\n")).is_empty());
        assert_eq!(breaches(&files("/// RT-safe: so.\npub fn a() {}\n")).len(), 1);
    }
}
