//! Runs `benches/peers` (ours beside the crates that people use today) and keeps its dated results.
//!
//! Absolute times move with the machine, so records are compared by ratio: ours over the best peer of the same run, over
//! the limit, or over whatever else a column's heading names behind a `÷`.

use crate::options::Options;
use crate::steps::{cargo, line, output, root};
use crate::{Failure, Outcome};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A ratio may grow by this factor between two runs before it counts as worse …
const TOLERANCE: f64 = 1.25;
/// … and must grow by more than this: 0.01 that became 0.02 is noise beside something that is 1.
const TOLERANCE_ABSOLUTE: f64 = 0.05;
/// How long what runs in real time does so when it is recorded; else the harness chooses something shorter.
const RECORDED_SECONDS: u64 = 600;

pub(crate) fn chore(arguments: &[String]) -> Outcome {
    let mut options = Options::new(arguments);
    let (compare, record) = (options.flag("--compare"), options.flag("--record"));
    let seconds = options.number("--seconds")?;
    let experiments = options.words()?;
    // Before the harness is built, which takes minutes.
    let known = known()?;
    let unknown = |name: &&String| !known.iter().any(|known| known.eq_ignore_ascii_case(name));
    if let Some(unknown) = experiments.iter().find(unknown) {
        return Err(Failure::Usage(format!("there is no experiment `{unknown}`; {}", names())));
    }
    let seconds = seconds.or(record.then_some(RECORDED_SECONDS));
    bench(&experiments, seconds, compare, record).map_err(Failure::Failed)
}

/// What may be chosen.
pub(crate) fn names() -> String {
    known().map_or_else(|why| why, |known| format!("EXPERIMENT is one of {}", known.join(", ")))
}

/// The experiments of the harness, read from its source as text: `Experiment { name: "…"` and `Report { name: "…"`.
fn known() -> Result<Vec<String>, String> {
    let place = root().join("benches/peers/src");
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", place.display());
    let mut names = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(&place).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(names_in(&std::fs::read_to_string(&path).map_err(failed)?));
        }
    }
    Ok(names.into_iter().collect())
}

fn names_in(source: &str) -> Vec<String> {
    let parts = ["Experiment {", "Report {"].into_iter().flat_map(|word| source.split(word).skip(1));
    parts
        .filter_map(|part| Some(part.trim_start().strip_prefix("name: \"")?.split('"').next()?.to_owned()))
        .collect()
}

fn results() -> PathBuf {
    root().join("benches/RESULTS.md")
}

fn bench(experiments: &[String], seconds: Option<u64>, compare: bool, record: bool) -> Result<(), String> {
    let before =
        std::fs::read_to_string(results()).map_err(|error| format!("cannot read RESULTS.md: {error}"))?;
    let mut command =
        cargo(&["run", "--quiet", "--release", "--manifest-path", "benches/peers/Cargo.toml", "--"]);
    if let Some(seconds) = seconds {
        command.args(["--seconds", &seconds.to_string()]);
    }
    let (tables, ended) = tee(command.args(experiments))?;
    // What was measured before one of them failed was measured all the same.
    if record && !tables.trim().is_empty() {
        let section = section(&command, &tables)?;
        std::fs::write(results(), format!("{}\n\n{section}", before.trim_end()))
            .map_err(|error| format!("cannot write RESULTS.md: {error}"))?;
        println!("appended to benches/RESULTS.md");
    }
    ended?;
    if compare { regressions(&before, &tables) } else { Ok(()) }
}

/// Runs `command`, showing its output as it comes and keeping it; also returns how it ended.
fn tee(command: &mut Command) -> Result<(String, Result<(), String>), String> {
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
    let ended =
        if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", line(command))) };
    Ok((kept, ended))
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

/// One ratio of ours in a table.
#[derive(Debug, PartialEq)]
struct Ratio<'a> {
    experiment: &'a str,
    contender: &'a str,
    /// The column's heading.
    what: &'a str,
    value: f64,
}

impl Ratio<'_> {
    fn same(&self, other: &Ratio<'_>) -> bool {
        (self.experiment, self.contender, self.what) == (other.experiment, other.contender, other.what)
    }
}

/// Reads every column that says `÷` from the rows of ours, whose names stand in bold, in the harness's tables.
fn ratios(text: &str) -> Vec<Ratio<'_>> {
    let (mut experiment, mut heading) = ("", Vec::new());
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix('#') {
            experiment = title.trim_start_matches('#').trim().split(' ').next().unwrap_or_default();
            heading.clear();
        }
        let Some(row) = line.strip_prefix('|').and_then(|row| row.trim_end().strip_suffix('|')) else {
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if heading.is_empty() {
            heading = cells;
            continue;
        }
        let Some(contender) = cells[0].strip_prefix("**").and_then(|name| name.strip_suffix("**")) else {
            continue;
        };
        for (what, cell) in heading.iter().zip(&cells).filter(|(what, _)| what.contains('÷')) {
            if let Ok(value) = cell.parse() {
                found.push(Ratio { experiment, contender, what, value });
            }
        }
    }
    found
}

/// Compares with the last recorded ratio of the same experiment, contender and column, and names what got worse.
fn regressions(recorded: &str, now: &str) -> Result<(), String> {
    let (recorded, now) = (ratios(recorded), ratios(now));
    let mut worse = Vec::new();
    println!("\nratios of ours, now and as last recorded:");
    for now in &now {
        let Ratio { experiment, contender, what, value } = now;
        let name = format!("{experiment} {contender}, {what}");
        let Some(last) = recorded.iter().rev().find(|old| old.same(now)).map(|old| old.value) else {
            println!("  {name}: {value:.2}, nothing recorded");
            continue;
        };
        println!("  {name}: {value:.2}, was {last:.2}");
        if *value > last * TOLERANCE && *value > last + TOLERANCE_ABSOLUTE {
            worse.push(format!("{name} {last:.2} → {value:.2}"));
        }
    }
    // What no longer runs would otherwise pass unseen.
    let mut gone: Vec<String> = recorded
        .iter()
        .filter(|old| now.iter().any(|new| new.experiment == old.experiment))
        .filter(|old| !now.iter().any(|new| new.same(old)))
        .map(|old| format!("{} {}, {}", old.experiment, old.contender, old.what))
        .collect();
    gone.dedup();
    if !gone.is_empty() {
        println!("recorded once and not measured now: {}", gone.join("; "));
    }
    if worse.is_empty() {
        return Ok(());
    }
    Err(format!(
        "worse than recorded by more than {:.0} %:\n  {}",
        (TOLERANCE - 1.0) * 100.0,
        worse.join("\n  ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of medians, one of tails and one with another bar, as the harness prints them.
    const TABLE: &str = "### X1 bulk

| contender | median | min | max | ÷ best peer | ÷ limit |
| --- | --: | --: | --: | --: | --: |
| *limit* | 60.0 | 50.0 | 70.0 | 0.50 | 1.00 |
| **pcmflow** | 84.0 | 80.0 | 90.0 | 0.70 | 1.40 |
| rtrb | 120.0 | 110.0 | 130.0 | 1.00 | 2.00 |

- floor met: pcmflow, median 0.70 × the best peer; the floor is at most 0.70; by process 0.70

### X4 round trip

| contender | p50 ns | p99 ns | p50 ÷ limit | p99 ÷ limit |
| --- | --: | --: | --: | --: |
| *empty timing* | 20 (20 .. 20) | 30 (30 .. 30) | – | – |
| **ring** | 110 (100 .. 120) | 160 (150 .. 170) | 1.10 | 1.20 |
| **link** | 130 (100 .. 140) | 200 (150 .. 270) | 1.30 | – |
";

    #[test]
    fn experiments_are_read_from_the_source() {
        let source = "struct Experiment {\n    name: &str,\n}\nContender { name: \"no\" };\nExperiment {\n    name: \"X1\",\n}\nReport { name: \"Y\", z }";
        assert_eq!(names_in(source), ["X1", "Y"]);
        let known = known().unwrap();
        let names = "X1 X2 X3a X3a-bulk X3b X4 X5a X5c X6 Preempted GiveBack Overhead Events Flood Priorities Pipelines Metrics";
        for name in names.split(' ') {
            assert!(known.iter().any(|known| known == name), "{name} is missing: {known:?}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(date(1_795_305_600), "2026-11-22");
    }

    fn ratio(
        experiment: &'static str,
        contender: &'static str,
        what: &'static str,
        value: f64,
    ) -> Ratio<'static> {
        Ratio { experiment, contender, what, value }
    }

    #[test]
    fn only_our_rows_are_read_and_every_ratio_of_theirs() {
        let expected = [
            ratio("X1", "pcmflow", "÷ best peer", 0.7),
            ratio("X1", "pcmflow", "÷ limit", 1.4),
            ratio("X4", "ring", "p50 ÷ limit", 1.1),
            ratio("X4", "ring", "p99 ÷ limit", 1.2),
            ratio("X4", "link", "p50 ÷ limit", 1.3),
        ];
        assert_eq!(ratios(TABLE), expected);
    }

    #[test]
    fn prose_and_tables_of_other_things_are_not_read() {
        let other = "# Results\n\n## 2026-11-21\n\n| command | **what** |\n| --- | --- |\n| `a` | 1 ÷ 2 |\n";
        assert_eq!(ratios(other), []);
        // A heading ends a table: the next row read is a heading again.
        assert_eq!(ratios(&format!("{TABLE}\n## next\n\n| **pcmflow** | 1.0 |\n")).len(), 5);
    }

    #[test]
    fn what_grew_beyond_the_tolerance_is_named_against_the_last_record() {
        let with = |old: &str, new: &str| TABLE.replacen(&format!("| {old} |"), &format!("| {new} |"), 1);
        // An older, better record is not the last.
        let records = with("0.70", "0.10") + TABLE;
        assert_eq!(regressions(&records, TABLE), Ok(()));
        assert_eq!(regressions(&records, &with("0.70", "0.87")), Ok(()));
        let worse = regressions(&records, &with("0.70", "0.90")).unwrap_err();
        assert!(worse.contains("X1 pcmflow, ÷ best peer 0.70 → 0.90") && !worse.contains("X4"), "{worse}");
        let worse = regressions(&records, &with("1.20", "1.60")).unwrap_err();
        assert!(worse.contains("X4 ring, p99 ÷ limit 1.20 → 1.60") && !worse.contains("p50"), "{worse}");
        let worse = regressions(&records, &with("1.40", "2.00").replace("1.30", "1.90")).unwrap_err();
        assert!(worse.contains("X1 pcmflow, ÷ limit") && worse.contains("X4 link, p50 ÷ limit"), "{worse}");
    }

    #[test]
    fn a_small_ratio_may_double() {
        let small = |value: &str| TABLE.replace("0.70", value);
        assert_eq!(regressions(&small("0.01"), &small("0.05")), Ok(()));
        assert!(regressions(&small("0.01"), &small("0.08")).is_err());
    }

    #[test]
    fn what_was_never_recorded_or_is_gone_does_not_fail() {
        assert_eq!(regressions("", TABLE), Ok(()));
        assert_eq!(regressions(TABLE, &TABLE.replace("**link**", "**another**")), Ok(()));
        assert_eq!(regressions(TABLE, ""), Ok(()));
    }
}
