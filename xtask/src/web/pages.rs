//! The package and the page: what npm builds and tests around the modules.

use super::build;
use crate::Failure;
use crate::steps::{Steps, line, root, run};
use std::process::Command;

/// The package, and the page that uses it: in this order, as the second needs the first.
const FOLDERS: [&str; 2] = ["web", "web/app"];

/// What is done in each, in order; each needs those before it.
const SCRIPTS: [&[&str]; 5] = [
    &["ci", "--no-audit", "--no-fund"],
    &["run", "build"],
    &["run", "check"],
    &["test"],
    &["run", "test:chromium"],
];

fn npm(folder: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(root().join(folder));
    command
}

/// Builds both modules, the package and the page, and runs all their tests.
pub(crate) fn check(steps: &mut Steps) {
    steps.step("web modules", build);
    for folder in FOLDERS {
        for script in SCRIPTS {
            steps.command(&format!("{folder}: npm {}", script.join(" ")), &mut npm(folder, script));
        }
    }
}

/// Builds the page and serves it on this machine alone, until Ctrl-C.
pub(super) fn serve(isolated: bool) -> Result<(), Failure> {
    for folder in FOLDERS {
        for script in &SCRIPTS[..2] {
            let mut command = npm(folder, script);
            println!("   {folder}: {}", line(&command));
            run(&mut command)?;
        }
    }
    let mut command = npm(FOLDERS[1], &["run", "preview"]);
    if !isolated {
        command.env("PCMFLOW_ISOLATION", "off");
    }
    // Ctrl-C ends it, and is no failure.
    let status = command.status().map_err(|error| format!("`{}` did not start: {error}", line(&command)))?;
    match status.code() {
        Some(0 | 130) | None => Ok(()),
        Some(code) => Err(Failure::Failed(format!("`{}` ended with {code}", line(&command)))),
    }
}
