//! Running commands as named, timed steps, and the table at the end that says which failed.

use crate::{Failure, Outcome};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// The directory that holds the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// `cargo` of the toolchain that runs this program, in the workspace's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// `cargo` of the nightly toolchain, through rustup.
pub(crate) fn cargo_nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments).current_dir(root());
    // The outer cargo hands its own path down, and an inner one (cargo-fuzz's) would take that instead of nightly's.
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    command
}

/// Runs `command` and turns its end into words.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` ended with {status}", line(command))),
        Err(error) => Err(format!("`{}` did not start: {error}", line(command))),
    }
}

/// What `command` printed on standard output, or why it could not be had.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(format!(
            "`{}` ended with {}: {}",
            line(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("`{}` did not start: {error}", line(command))),
    }
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let mut text = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text += &argument.to_string_lossy();
    }
    text
}

/// The steps of one chore. A failed step does not stop the others: one run tells everything.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration, Result<(), String>)>,
}

impl Steps {
    /// Runs `work` as the step `name`, says how it ended, and keeps that for the table.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), String>) {
        println!("── {name}");
        let start = Instant::now();
        let result = work();
        let time = start.elapsed();
        match &result {
            Ok(()) => println!("── {name}: passed in {:.1} s\n", time.as_secs_f64()),
            Err(why) => println!("── {name}: FAILED in {:.1} s: {why}\n", time.as_secs_f64()),
        }
        self.done.push((name.into(), time, result));
    }

    /// Runs `command` as the step `name`.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command) {
        println!("   {}", line(command));
        self.step(name, || run(command));
    }

    /// Prints the table and fails when a step did.
    pub(crate) fn finish(self) -> Outcome {
        print!("{}", self.table());
        let failed: Vec<&str> = self
            .done
            .iter()
            .filter(|(_, _, result)| result.is_err())
            .map(|(name, _, _)| name.as_str())
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{} of {} steps failed: {}",
            failed.len(),
            self.done.len(),
            failed.join(", ")
        )))
    }

    fn table(&self) -> String {
        let width = self.done.iter().map(|(name, _, _)| name.chars().count()).max().unwrap_or(0).max(5);
        let mut text = String::new();
        let mut total = Duration::ZERO;
        for (name, time, result) in &self.done {
            let verdict = if result.is_ok() { "passed" } else { "FAILED" };
            text += &format!("{name:<width$}  {verdict}  {:>7.1} s\n", time.as_secs_f64());
            total += *time;
        }
        text + &format!("{:<width$}          {:>7.1} s\n", "total", total.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_does_not_stop_the_others_but_fails_the_chore() {
        let mut steps = Steps::default();
        let mut ran = 0;
        steps.step("one", || Err("broken".into()));
        steps.step("two", || {
            ran += 1;
            Ok(())
        });
        assert_eq!(ran, 1);
        assert!(steps.table().contains("one    FAILED") && steps.table().contains("two    passed"));
        assert_eq!(steps.finish(), Err(Failure::Failed("1 of 2 steps failed: one".into())));
    }

    #[test]
    fn commands_that_fail_or_do_not_exist_are_told() {
        assert!(run(&mut cargo(&["--version"])).is_ok());
        assert!(run(cargo(&["no-such-thing"]).stderr(std::process::Stdio::null())).is_err());
        assert!(run(&mut Command::new("no-such-program")).unwrap_err().contains("did not start"));
        assert!(output(&mut cargo(&["--version"])).unwrap().starts_with("cargo "));
    }
}
