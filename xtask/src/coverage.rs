//! Line coverage per crate.
//!
//! How it is counted: the unit and integration tests of the whole workspace (or of the crates that are named) run with `-Cinstrument-coverage`; a line
//! counts when the compiler made code for it in `crates/*/src`; it is covered when any test ran it. Test code itself
//! (a top-level `#[cfg(test)] mod`, files named `tests.rs`) is left out of both numbers. Documentation examples do
//! not count, because stable Rust cannot instrument them. Generic functions that nothing calls make no code and are not seen.

use crate::llvm::{Compiler, Tools};
use crate::options::Options;
use crate::steps::{cargo, output, root, run};
use crate::{Failure, Outcome};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Crates that must reach [`FLOOR_PERCENT`].
const HELD: &[&str] = &["pcmflow-core", "pcmflow-engine", "pcmflow-io", "pcmflow-pitch"];
const FLOOR_PERCENT: f64 = 90.0;

pub(crate) fn chore(arguments: &[String]) -> Outcome {
    let mut options = Options::new(arguments);
    let html = options.flag("--html");
    let crates = options.words()?;
    measure(&crates, html).map_err(Failure::Failed)
}

/// Builds, runs and reports; fails when a crate is under its floor. No crate named means all of them.
pub(crate) fn measure(crates: &[String], html: bool) -> Result<(), String> {
    let tools = Tools::find().map_err(|why| format!("{why}; `cargo xtask setup --proof` gets them"))?;
    let place = root().join("target/coverage");
    let (profile, tests) = collect(&tools, &place, crates)?;
    let objects = objects(&place, crates)?;
    let lcov = export(&tools, &profile, &objects, &["export", "--format=lcov"])?;
    let files = parse(&lcov, &root());
    if files.is_empty() {
        return Err("the profile names no file under crates/*/src".into());
    }
    if html {
        let pages = place.join("html");
        let to = format!("--output-dir={}", pages.display());
        export(&tools, &profile, &objects, &["show", "--format=html", &to])?;
        println!("pages: {}", pages.join("index.html").display());
    }
    // A failed test doesn't hide the table, but nor does the table hide it.
    report(&files, crates).and(tests)
}

/// `cargo test` with instrumentation, in a target directory of its own.
fn instrumented(place: &Path, crates: &[String], more: &[&str]) -> Result<Command, String> {
    // Naming the target keeps build scripts and procedural macros free of instrumentation.
    let host = Compiler::installed()?.host;
    let mut command = cargo(&["test", "--lib", "--bins", "--tests", "--target", &host]);
    match crates {
        [] => command.arg("--workspace"),
        some => command.args(some.iter().flat_map(|name| ["-p", name])),
    };
    command.args(more).env("RUSTFLAGS", "-Cinstrument-coverage").env("CARGO_TARGET_DIR", place.join("build"));
    command.env("LLVM_PROFILE_FILE", place.join("raw/%p-%m.profraw"));
    Ok(command)
}

/// Runs the tests and merges what they left; returns the merged profile, and how the tests ended.
fn collect(tools: &Tools, place: &Path, crates: &[String]) -> Result<(PathBuf, Result<(), String>), String> {
    let raw = place.join("raw");
    // What an earlier run left would count for code that has changed since.
    if raw.exists() {
        std::fs::remove_dir_all(&raw).map_err(|error| format!("cannot empty {}: {error}", raw.display()))?;
    }
    let tests = run(&mut instrumented(place, crates, &["--quiet", "--no-fail-fast"])?);
    let profile = place.join("merged.profdata");
    run(Command::new(&tools.profdata).args(["merge", "--sparse", "-o"]).arg(&profile).arg(&raw))?;
    Ok((profile, tests))
}

/// The test programs (and the program that they start), which hold the map from counters to lines.
fn objects(place: &Path, crates: &[String]) -> Result<Vec<PathBuf>, String> {
    let mut command = instrumented(place, crates, &["--no-run", "--message-format=json"])?;
    let objects = executables(&output(command.stderr(Stdio::inherit()))?);
    if objects.is_empty() { Err("cargo named no test program".into()) } else { Ok(objects) }
}

/// The `"executable"` of every message that has one.
fn executables(messages: &str) -> Vec<PathBuf> {
    let value =
        |line: &str| line.split_once("\"executable\":\"")?.1.split_once('"').map(|(path, _)| path.to_owned());
    messages.lines().filter_map(value).map(|path| path.replace("\\\\", "\\").into()).collect()
}

fn export(tools: &Tools, profile: &Path, objects: &[PathBuf], how: &[&str]) -> Result<String, String> {
    let mut command = Command::new(&tools.cov);
    command.args(how).arg(format!("--instr-profile={}", profile.display()));
    command.arg("--ignore-filename-regex=(/registry/|/rustc/|/target/|/xtask/)");
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            command.arg("--object");
        }
        command.arg(object);
    }
    output(&mut command)
}

/// Lines of one file.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Lines {
    found: usize,
    hit: usize,
}

impl Lines {
    fn percent(self) -> f64 {
        if self.found == 0 { 100.0 } else { 100.0 * self.hit as f64 / self.found as f64 }
    }
}

/// Reads lcov's `SF:` and `DA:` records; the keys are paths below `root`.
fn parse(lcov: &str, root: &Path) -> BTreeMap<String, Lines> {
    let mut files = BTreeMap::new();
    let mut current: Option<(String, Vec<bool>)> = None;
    for line in lcov.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(path));
            let below = below.to_string_lossy().replace('\\', "/");
            let counts =
                below.starts_with("crates/") && below.contains("/src/") && !below.ends_with("/tests.rs");
            let test_lines = || test_lines(&std::fs::read_to_string(path).unwrap_or_default());
            current = counts.then(|| (below, test_lines()));
        } else if let (Some(data), Some((name, is_test))) = (line.strip_prefix("DA:"), &current) {
            let mut numbers = data.split(',').map(|number| number.parse::<u64>().unwrap_or(0));
            let (at, hits) = (numbers.next().unwrap_or(0) as usize, numbers.next().unwrap_or(0));
            if !is_test.get(at).copied().unwrap_or(false) {
                let lines: &mut Lines = files.entry(name.clone()).or_default();
                lines.found += 1;
                lines.hit += usize::from(hits > 0);
            }
        }
    }
    files
}

/// For every line number (from 1; entry 0 is unused) whether it lies in a top-level test module.
fn test_lines(text: &str) -> Vec<bool> {
    let mut marks = vec![false];
    let (mut announced, mut inside) = (false, false);
    for line in text.lines() {
        if line.starts_with("#[cfg(test)]") {
            announced = true;
        } else if announced && !line.starts_with("#[") && !line.starts_with("//") {
            inside = line.starts_with("mod ") && line.ends_with('{');
            announced = false;
        }
        marks.push(inside || announced);
        inside &= line != "}";
    }
    marks
}

/// Prints the table and the least covered files.
fn report(files: &BTreeMap<String, Lines>, tested: &[String]) -> Result<(), String> {
    let mut crates: BTreeMap<&str, Lines> = BTreeMap::new();
    for (path, lines) in files {
        let sum = crates.entry(path.split('/').nth(1).unwrap_or("")).or_default();
        sum.found += lines.found;
        sum.hit += lines.hit;
    }
    println!("\n{:<16} {:>7} {:>8} {:>7}   floor", "crate", "lines", "covered", "%");
    let mut under = Vec::new();
    for (name, lines) in &crates {
        let floor = if HELD.contains(name) { format!("{FLOOR_PERCENT:.0} %") } else { "none".into() };
        println!("{name:<16} {:>7} {:>8} {:>7.1}   {floor}", lines.found, lines.hit, lines.percent());
    }
    for name in HELD.iter().filter(|name| tested.is_empty() || tested.iter().any(|tested| tested == *name)) {
        let lines = crates.get(name).copied().unwrap_or_default();
        if lines.found == 0 || lines.percent() < FLOOR_PERCENT {
            under.push(format!("{name} ({:.1} % of {} lines)", lines.percent(), lines.found));
        }
    }
    let mut worst: Vec<_> = files.iter().filter(|(_, lines)| lines.found > lines.hit).collect();
    worst.sort_by_key(|(_, lines)| lines.hit as isize - lines.found as isize);
    println!("\nmost lines not covered:");
    for (path, lines) in worst.iter().take(12) {
        println!("{:>5} of {:>5}  {path}", lines.found - lines.hit, lines.found);
    }
    if under.is_empty() {
        return Ok(());
    }
    Err(format!("under the floor of {FLOOR_PERCENT:.0} %: {}", under.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_modules_are_found_by_line() {
        let text = "fn a() {}\n#[cfg(test)]\nuse x;\nfn b() {}\n#[cfg(test)]\nmod tests {\n    fn c() {}\n}\nfn d() {}\n";
        let marks = test_lines(text);
        let tests: Vec<usize> = (1..marks.len()).filter(|line| marks[*line]).collect();
        assert_eq!(tests, [2, 5, 6, 7, 8]);
    }

    #[test]
    fn lcov_is_summed_per_file_and_other_files_are_left_out() {
        let lcov = "SF:/r/crates/pcmflow-core/src/a.rs\nDA:1,5\nDA:2,0\nend_of_record\n\
                    SF:/r/xtask/src/b.rs\nDA:1,1\nend_of_record\nSF:/r/crates/pcmflow-core/tests/c.rs\nDA:1,1\n";
        let files = parse(lcov, Path::new("/r"));
        assert_eq!(files.len(), 1);
        assert_eq!(files["crates/pcmflow-core/src/a.rs"], Lines { found: 2, hit: 1 });
    }

    #[test]
    fn a_crate_under_the_floor_or_missing_fails() {
        let file = |hit| {
            HELD.iter().map(|name| (format!("crates/{name}/src/a.rs"), Lines { found: 100, hit })).collect()
        };
        assert_eq!(report(&file(90), &[]), Ok(()));
        assert!(report(&file(89), &[]).is_err());
        let mut without: BTreeMap<String, Lines> = file(100);
        without.pop_first();
        assert!(report(&without, &[]).is_err());
        assert_eq!(report(&without, &["pcmflow-pitch".into()]), Ok(()));
    }

    #[test]
    fn executables_are_read_from_messages() {
        let text = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n{\"executable\":\"/t/a-1\",\"fresh\":true}\n";
        assert_eq!(executables(text), [PathBuf::from("/t/a-1")]);
    }
}
