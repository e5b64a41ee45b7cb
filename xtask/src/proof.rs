//! The deep tier: what takes too long for every commit, run before a piece of work is called done.

use crate::llvm::Compiler;
use crate::options::Options;
use crate::steps::{Steps, cargo, cargo_nightly, root, run};
use crate::{Failure, Outcome, coverage, interleavings, postings, setup, web};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Seconds that each fuzz target runs unless `--seconds` says otherwise.
const FUZZ_SECONDS: u64 = 60;
/// Cases of each property test unless `--cases` says otherwise; the quick tier runs 256.
const PROPERTY_CASES: u64 = 4096;

/// Operations of the mixed stress unless `--operations` says otherwise: about a minute. The recorded run has 10^9.
const STRESS_OPERATIONS: u64 = 100_000_000;
/// The same under ThreadSanitizer.
const TSAN_STRESS_OPERATIONS: u64 = 10_000_000;

/// A step's name, which `--only` takes, and what it runs.
type Step = (&'static str, fn(&mut Steps, &Bounds));

const STEPS: &[Step] = &[
    ("release", |steps, _| {
        steps.command("release tests", &mut cargo(&["test", "--quiet", "--workspace", "--release"]))
    }),
    ("latency", latency),
    ("properties", properties),
    ("fuzz", fuzz),
    ("coverage", |steps, _| steps.step("coverage", || coverage::measure(&[], false))),
    ("postings", |steps, _| postings::all(steps)),
    ("loom", |steps, _| interleavings::explore(steps)),
    ("mutants", |steps, _| interleavings::mutants(steps)),
    ("stress", stress),
    ("tsan", thread_sanitizer),
    ("rtsan", real_time_sanitizer),
    ("peers", peers),
    ("web", |steps, _| web::pages::check(steps)),
];

/// How long things may take.
#[derive(Debug)]
struct Bounds {
    fuzz_seconds: u64,
    property_cases: u64,
    operations: u64,
    /// Chosen by the test where it is not given.
    seed: Option<u64>,
}

/// What `--only` takes.
pub(crate) fn names() -> String {
    let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
    format!("STEP is one of {}", names.join(", "))
}

pub(crate) fn chore(arguments: &[String]) -> Outcome {
    let mut options = Options::new(arguments);
    let bounds = Bounds {
        fuzz_seconds: options.number("--seconds")?.unwrap_or(FUZZ_SECONDS),
        property_cases: options.number("--cases")?.unwrap_or(PROPERTY_CASES),
        operations: options.number("--operations")?.unwrap_or(STRESS_OPERATIONS),
        seed: options.number("--seed")?,
    };
    let only = options.value("--only")?;
    options.done()?;
    let chosen: Vec<&Step> =
        STEPS.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)).collect();
    if chosen.is_empty() {
        return Err(Failure::Usage(format!("--only takes a STEP; {}", names())));
    }
    setup::quick()?;
    setup::deep()?;
    let mut steps = Steps::default();
    for (_, step) in chosen {
        step(&mut steps, &bounds);
    }
    steps.finish()
}

/// Timed clicks into the program, one run at a time: the figures are printed, and the limits asserted.
fn latency(steps: &mut Steps, _: &Bounds) {
    let mut command =
        cargo(&["test", "--quiet", "--release", "-p", "pcmflow-cli", "--test", "program", "latency"]);
    command.args(["--", "--test-threads", "1", "--nocapture"]).env("PCMFLOW_TIMED", "1");
    steps.command("latency of timed clicks", &mut command);
}

fn properties(steps: &mut Steps, bounds: &Bounds) {
    let mut command = cargo(&["test", "--quiet", "--workspace", "--release", "--lib", "--tests"]);
    command.env("PROPTEST_CASES", bounds.property_cases.to_string());
    steps.command(&format!("property tests, {} cases each", bounds.property_cases), &mut command);
}

/// Runs every target in `fuzz/fuzz_targets` for a while; a crash leaves its input in `fuzz/artifacts`.
fn fuzz(steps: &mut Steps, bounds: &Bounds) {
    let targets = match fuzz_targets(&root()) {
        Ok(targets) => targets,
        Err(why) => return steps.step("fuzz", || Err(why)),
    };
    for target in targets {
        steps.step(&format!("fuzz {target}, {} s", bounds.fuzz_seconds), || {
            let found = root().join("fuzz/corpus").join(&target);
            std::fs::create_dir_all(&found)
                .map_err(|error| format!("cannot make {}: {error}", found.display()))?;
            let mut command = cargo_nightly(&["fuzz", "run", &target]);
            // libFuzzer writes what it finds into the first directory and reads the others.
            command.arg(found).args(seeds(&target)).arg("--");
            command.arg(format!("-max_total_time={}", bounds.fuzz_seconds));
            // One input may take ten seconds and two gigabytes: more is a hang or memory without bound.
            command.args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1"]);
            run(&mut command)
        });
    }
}

fn fuzz_targets(root: &Path) -> Result<Vec<String>, String> {
    let place = root.join("fuzz/fuzz_targets");
    let entries =
        std::fs::read_dir(&place).map_err(|error| format!("cannot read {}: {error}", place.display()))?;
    let mut targets: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".rs").map(String::from))
        .collect();
    targets.sort();
    if targets.is_empty() { Err("there is no fuzz target".into()) } else { Ok(targets) }
}

/// What a target starts from: its own seeds, and for decoders the recordings' odd and hostile containers, when at hand.
fn seeds(target: &str) -> Vec<PathBuf> {
    let own = root().join("fuzz/seeds").join(target);
    let recordings = std::env::var_os("PCMFLOW_CORPUS").filter(|_| target.starts_with("decode"));
    let formats = recordings.map(|corpus| PathBuf::from(corpus).join("formats"));
    [Some(own), formats].into_iter().flatten().filter(|directory| directory.is_dir()).collect()
}

/// Many threads on the rings, streams and pools of the core, every frame checked.
fn stress(steps: &mut Steps, bounds: &Bounds) {
    let mut command = cargo(&[
        "test",
        "--quiet",
        "--release",
        "-p",
        "pcmflow-core",
        "--test",
        "stress",
        "--",
        "--nocapture",
    ]);
    command.env("PCMFLOW_STRESS_OPERATIONS", bounds.operations.to_string());
    command.envs(bounds.seed.map(|seed| ("PCMFLOW_STRESS_SEED", seed.to_string())));
    steps.command(&format!("mixed stress, {} operations", bounds.operations), &mut command);
}

/// The core's tests, and the mixed stress, under ThreadSanitizer.
///
/// TSan does not understand fences, and storage that is atomic is never a race to it: it proves nothing about those. Tests
/// that hand data over by `Mutex` or `mpsc`, whose contended paths lie in uninstrumented std, would be accused wrongly:
/// there are none in the core, and most of the other crates' are such.
fn thread_sanitizer(steps: &mut Steps, _: &Bounds) {
    let suppressions = root().join("xtask/tsan-suppressions.txt");
    let options = format!("suppressions={}", suppressions.display());
    steps.step("ThreadSanitizer, pcmflow-core", || {
        let mut command =
            sanitized("thread", "--cfg pcmflow_tsan", &["-p", "pcmflow-core", "--lib", "--tests"])?;
        run(command.env("TSAN_OPTIONS", &options))
    });
    steps.step("ThreadSanitizer, mixed stress", || {
        let mut command =
            sanitized("thread", "--cfg pcmflow_tsan", &["-p", "pcmflow-core", "--test", "stress"])?;
        command.args(["--", "--nocapture"]).env("TSAN_OPTIONS", &options);
        run(command.env("PCMFLOW_STRESS_OPERATIONS", TSAN_STRESS_OPERATIONS.to_string()))
    });
}

/// Every function that claims to be RT-safe, called where RealtimeSanitizer watches; each test says how many there were.
///
/// RTSan sees calls of the system that it knows: no spinning, no page faults, no lock that is free, no clock.
fn real_time_sanitizer(steps: &mut Steps, _: &Bounds) {
    steps.step("RealtimeSanitizer, every RT-safe function", || {
        let packages = [
            "-p",
            "pcmflow-core",
            "-p",
            "pcmflow-engine",
            "-p",
            "pcmflow-pitch",
            "-p",
            "pcmflow-io",
            "-p",
            "pcmflow",
        ];
        let mut command = sanitized("realtime", "--cfg pcmflow_rtsan", &packages)?;
        run(command.args(["--test", "real_time", "--test", "no_alloc", "--", "--nocapture"]))
    });
}

/// `cargo test` of the nightly toolchain with a sanitizer built in.
fn sanitized(sanitizer: &str, flags: &str, arguments: &[&str]) -> Result<Command, String> {
    let host = Compiler::installed()?.host;
    let mut command = cargo_nightly(&["test", "--quiet", "--target", &host]);
    // std comes uninstrumented with the toolchain; the flag lets both meet.
    let meet = format!("-Zsanitizer={sanitizer} -Cunsafe-allow-abi-mismatch=sanitizer {flags}");
    command.args(arguments).env("RUSTFLAGS", meet.trim_end());
    command.env("CARGO_TARGET_DIR", root().join("target").join(sanitizer));
    Ok(command)
}

/// The peers' harness still builds, without warnings, its own tests pass, and each experiment runs once, briefly.
fn peers(steps: &mut Steps, _: &Bounds) {
    let manifest = "benches/peers/Cargo.toml";
    steps.command(
        "peers, lints",
        &mut cargo(&["clippy", "--quiet", "--manifest-path", manifest, "--all-targets", "--", "-Dwarnings"]),
    );
    steps.command("peers, tests", &mut cargo(&["test", "--quiet", "--manifest-path", manifest]));
    let mut brief: Command =
        cargo(&["run", "--quiet", "--release", "--manifest-path", manifest, "--", "--brief"]);
    steps.command("peers, every transfer checked", &mut brief);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fuzz_target_is_declared() {
        let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        for target in fuzz_targets(&root()).unwrap() {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "fuzz/Cargo.toml lacks {target}");
        }
    }
}
