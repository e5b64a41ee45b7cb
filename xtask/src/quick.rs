//! The quick tier, what CI runs: at most 12 minutes on two cores with everything built, 25 from nothing.

use crate::options::Options;
use crate::steps::{Steps, cargo, root};
use crate::{Failure, Outcome, setup, tidy};

pub(crate) fn chore(arguments: &[String]) -> Outcome {
    Options::new(arguments).done()?;
    setup::quick()?;
    let mut steps = Steps::default();
    steps.step("house rules", || tidy::check(&root()));
    steps.command("format", &mut cargo(&["fmt", "--all", "--check"]));
    for manifest in OUTSIDERS {
        steps.command(
            &format!("format of {manifest}"),
            &mut cargo(&["fmt", "--check", "--manifest-path", manifest]),
        );
    }
    steps.command(
        "lints",
        &mut cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-Dwarnings"]),
    );
    // Unit, integration and doc tests in one go; the dev profile is optimised enough for real recordings.
    steps.command("tests", &mut cargo(&["test", "--quiet", "--workspace"]));
    crate::interleavings::explore(&mut steps);
    // Each asserts its own result, and ends by itself.
    for name in examples()? {
        let run = &["run", "--quiet", "--package", "pcmflow", "--example", &name];
        steps.command(&format!("example {name}"), &mut cargo(run));
    }
    steps.command(
        "documentation",
        cargo(&["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings"),
    );
    steps.finish()
}

/// The names of the examples of the crate that people add.
fn examples() -> Result<Vec<String>, Failure> {
    let folder = root().join("crates/pcmflow/examples");
    let failed = |error: std::io::Error| Failure::Failed(format!("{}: {error}", folder.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Workspaces of their own, which `--workspace` does not reach.
const OUTSIDERS: &[&str] = &["benches/peers/Cargo.toml", "fuzz/Cargo.toml"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_run() {
        assert!(examples().unwrap().contains(&"spsc_pipe".to_owned()));
    }
}
