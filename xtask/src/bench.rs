//! Runs `benches/peers` (ours beside the crates that people use today) and keeps its dated results.
//!
//! Absolute times move with the machine, so records are compared by ratio: ours over the best peer of the same run.

use crate::options::Options;
use crate::steps::{cargo, line, output, root};
use crate::{Failure, Outcome};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A ratio may grow by this much between two runs before it counts as a regression.
const TOLERANCE: f64 = 1.25;

pub(crate) fn chore(arguments: &[String]) -> Outcome {
    let mut options = Options::new(arguments);
    let (compare, record) = (options.flag("--compare"), options.flag("--record"));
    let experiments = options.words()?;
    bench(&experiments, compare, record).map_err(Failure::Failed)
}

fn results() -> PathBuf {
    root().join("benches/RESULTS.md")
}

fn bench(experiments: &[String], compare: bool, record: bool) -> Result<(), String> {
    let before =
        std::fs::read_to_string(results()).map_err(|error| format!("cannot read RESULTS.md: {error}"))?;
    let mut command =
        cargo(&["run", "--quiet", "--release", "--manifest-path", "benches/peers/Cargo.toml", "--"]);
    let tables = tee(command.args(experiments))?;
    if record {
        let section = section(&command, &tables)?;
        std::fs::write(results(), format!("{}\n\n{section}", before.trim_end()))
            .map_err(|error| format!("cannot write RESULTS.md: {error}"))?;
        println!("appended to benches/RESULTS.md");
    }
    if compare { regressions(&before, &tables) } else { Ok(()) }
}

/// Runs `command`, showing its output as it comes and keeping it.
fn tee(command: &mut Command) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the bench did not run: {error}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut kept = String::new();
    if let Some(pipe) = child.stdout.take() {
        for text in BufReader::new(pipe).lines() {
            let text = text.map_err(failed)?;
            println!("{text}");
            kept += &text;
            kept.push('\n');
        }
    }
    let status = child.wait().map_err(failed)?;
    if status.success() { Ok(kept) } else { Err(format!("`{}` ended with {status}", line(command))) }
}

/// A dated section: when, what was typed, on what.
fn section(command: &Command, tables: &str) -> Result<String, String> {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_err(|error| format!("the clock stands before 1970: {error}"))?
        .as_secs();
    let mut text = String::new();
    let _ = writeln!(text, "## {}\n", date(seconds));
    let _ = writeln!(text, "- command: `{}`", line(command));
    let _ = writeln!(text, "- machine: {}", machine());
    let _ = writeln!(text, "- compiler: {}", output(Command::new("rustc").arg("--version"))?.trim());
    let commit = output(Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root()));
    let _ = writeln!(text, "- commit: {}\n", commit.as_deref().unwrap_or("unknown").trim());
    Ok(text + tables.trim_end() + "\n")
}

/// Processor and cores; what else ran shows in the load.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown");
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    format!("{}, {cores} cores, {system}, load {load} at the end", model.unwrap_or("unknown processor"))
}

/// The date of a Unix time, by Howard Hinnant's `civil_from_days`.
fn date(unix_seconds: u64) -> String {
    let days = unix_seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// What a table says of one contender of ours: experiment, contender, its ratio to the best peer.
#[derive(Debug, PartialEq)]
struct Ratio<'a> {
    experiment: &'a str,
    contender: &'a str,
    to_best_peer: f64,
}

/// Reads the rows of ours (their names stand in bold) out of the harness's tables.
fn ratios(text: &str) -> Vec<Ratio<'_>> {
    let mut experiment = "";
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            experiment = title.split(' ').next().unwrap_or(title);
        }
        let mut cells = line.split('|').map(str::trim).skip(1);
        let Some(contender) = cells.next().and_then(|cell| cell.strip_prefix("**")?.strip_suffix("**"))
        else {
            continue;
        };
        // median, min, max, then the ratio to the best peer
        if let Some(to_best_peer) = cells.nth(3).and_then(|cell| cell.parse().ok()) {
            found.push(Ratio { experiment, contender, to_best_peer });
        }
    }
    found
}

/// Compares with the last recorded ratio of the same experiment and contender.
fn regressions(recorded: &str, now: &str) -> Result<(), String> {
    let recorded = ratios(recorded);
    let mut worse = Vec::new();
    println!("\nratio to the best peer of its run, now and as last recorded:");
    for now in ratios(now) {
        let name = format!("{} {}", now.experiment, now.contender);
        let last = recorded
            .iter()
            .rev()
            .find(|old| old.experiment == now.experiment && old.contender == now.contender);
        let Some(last) = last else {
            println!("  {name}: {:.2}, nothing recorded", now.to_best_peer);
            continue;
        };
        println!("  {name}: {:.2}, was {:.2}", now.to_best_peer, last.to_best_peer);
        if now.to_best_peer > last.to_best_peer * TOLERANCE {
            worse.push(name);
        }
    }
    if worse.is_empty() {
        return Ok(());
    }
    Err(format!(
        "slower beside the best peer than recorded by more than {:.0} %: {}",
        (TOLERANCE - 1.0) * 100.0,
        worse.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "### X1 bulk\n\n| contender | median | min | max | ÷ best peer | ÷ limit |\n| --- | --: | --: | --: | --: | --: |\n\
                         | *limit* | 60.0 | 50.0 | 70.0 | 0.50 | 1.00 |\n| **pcmflow** | 84.0 | 80.0 | 90.0 | 0.70 | 1.40 |\n\
                         | rtrb | 120.0 | 110.0 | 130.0 | 1.00 | 2.00 |\n";

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(date(1_795_305_600), "2026-11-22");
    }

    #[test]
    fn only_our_rows_are_read() {
        assert_eq!(ratios(TABLE), [Ratio { experiment: "X1", contender: "pcmflow", to_best_peer: 0.7 }]);
    }

    #[test]
    fn a_ratio_that_grew_beyond_the_tolerance_fails_against_the_last_record() {
        let with = |ratio: &str| TABLE.replace("| 0.70 |", ratio);
        let records = with("| 0.10 |") + TABLE;
        assert_eq!(regressions(&records, &with("| 0.80 |")), Ok(()));
        assert!(regressions(&records, &with("| 0.90 |")).is_err());
        assert_eq!(regressions("", TABLE), Ok(()));
    }
}
