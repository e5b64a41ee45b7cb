//! The quick tier, what CI runs: at most 12 minutes on two cores with everything built, 25 from nothing.

use crate::options::Options;
use crate::steps::{Steps, cargo, root};
use crate::{Outcome, setup, tidy};

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
    steps.command(
        "documentation",
        cargo(&["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings"),
    );
    steps.finish()
}

/// Workspaces of their own, which `--workspace` does not reach.
const OUTSIDERS: &[&str] = &["benches/peers/Cargo.toml", "fuzz/Cargo.toml"];
