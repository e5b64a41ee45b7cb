//! The program under test, run as a user runs it.

use super::at;
use super::score::Estimate;
use crate::csv;
use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The estimates for each file, by its path as it was given, in order of time.
pub(super) type Estimates = BTreeMap<PathBuf, Vec<Estimate>>;

/// The built program.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
}

impl Program {
    /// Builds the workspace's own program in release form, or takes the one at `path`.
    pub(super) fn find(path: Option<&Path>) -> Result<Self, String> {
        if let Some(path) = path {
            return Ok(Self { path: path.to_owned() });
        }
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = ["build", "--release", "--quiet", "--package", "pcmflow-cli"];
        let status =
            Command::new(cargo).args(build).status().map_err(|error| format!("can't run cargo: {error}"))?;
        if !status.success() {
            return Err("the program does not build".into());
        }
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(target_dir, PathBuf::from);
        Ok(Self { path: target.join("release").join(format!("pcmflow{}", env::consts::EXE_SUFFIX)) })
    }

    /// What `pcmflow pitch --csv` says about `files`, by file and in order of time, and the user CPU seconds it took (where
    /// the system tells).
    pub(super) fn estimates(&self, files: &[PathBuf]) -> Result<(Estimates, Option<f64>), String> {
        let before = children_cpu_s();
        let text = self.run("--csv", files)?;
        let cpu_s = children_cpu_s().zip(before).map(|(after, before)| after - before);
        Ok((parse_estimates(&text).map_err(|error| at(&self.path, error))?, cpu_s))
    }

    /// The `delay_ms` of every line that `pcmflow pitch --json` prints.
    pub(super) fn delays_ms(&self, files: &[PathBuf]) -> Result<Vec<f64>, String> {
        let text = self.run("--json", files)?;
        let lines = text.lines().map(|line| {
            let value: serde_json::Value = serde_json::from_str(line)
                .map_err(|error| at(&self.path, format!("not JSON: {error}: {line}")))?;
            Ok(value["delay_ms"].as_f64())
        });
        lines.filter_map(Result::transpose).collect()
    }

    fn run(&self, form: &str, files: &[PathBuf]) -> Result<String, String> {
        let output = Command::new(&self.path)
            .args(["pitch", form])
            .args(files)
            .output()
            .map_err(|error| at(&self.path, error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(at(
                &self.path,
                format!("pitch {form} ended with {}: {}", output.status, said.trim_end()),
            ));
        }
        String::from_utf8(output.stdout).map_err(|error| at(&self.path, error))
    }
}

/// Where cargo puts what it builds for this workspace.
pub(super) fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).join("target")
}

fn parse_estimates(text: &str) -> Result<Estimates, String> {
    let table = csv::Table::parse(text);
    let column = |name| table.column(name);
    let (file, time, hz, confidence) =
        (column("file")?, column("time_s")?, column("f0_hz")?, column("confidence")?);
    let mut estimates: Estimates = BTreeMap::new();
    for row in table.rows() {
        // An empty cell, like any number that is none, is no pitch.
        let hz = csv::number(row, hz).ok().filter(|hz| hz.is_finite()).unwrap_or(0.0);
        let estimate =
            Estimate { time_s: csv::number(row, time)?, hz, confidence: csv::number(row, confidence)? };
        estimates.entry(PathBuf::from(csv::cell(row, file))).or_default().push(estimate);
    }
    for of_file in estimates.values_mut() {
        of_file.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
    }
    Ok(estimates)
}

/// User CPU seconds of all children that have ended, where the system tells: the 16th field of `/proc/self/stat`,
/// in hundredths of a second (`proc_pid_stat(5)`; the unit has been 100 a second on every Linux that runs this).
fn children_cpu_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name, in parentheses, and may hold anything.
    let after_name = stat.rsplit_once(')')?.1;
    let ticks: f64 = after_name.split_whitespace().nth(13)?.parse().ok()?;
    Some(ticks / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_sorted_by_file_and_time() {
        let text = "file,time_s,f0_hz,confidence\nb,0.2,nan,0.1\n\"a,1\",0.0,440.5,0.9\nb,0.1,,0.2\n";
        let estimates = parse_estimates(text).unwrap();
        assert_eq!(estimates[Path::new("a,1")], [Estimate { time_s: 0.0, hz: 440.5, confidence: 0.9 }]);
        let b: Vec<(f64, f64)> = estimates[Path::new("b")].iter().map(|e| (e.time_s, e.hz)).collect();
        assert_eq!(b, [(0.1, 0.0), (0.2, 0.0)]);
        assert!(parse_estimates("file,time_s\n").is_err());
        assert!(parse_estimates("file,time_s,f0_hz,confidence\na,x,1,1\n").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_cpu_time_of_children_is_told() {
        assert!(children_cpu_s().is_some());
    }
}
