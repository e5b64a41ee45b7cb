//! House rules that the compiler does not know, checked as text: cheap, and each with a test that shows it trips.

mod examples;
mod layers;
mod length;
mod lock;
mod requirements;
mod words;

use crate::options::Options;
use crate::steps::root;
use crate::{Failure, Outcome, contracts};
use std::path::{Path, PathBuf};

pub(crate) fn chore(arguments: &[String]) -> Outcome {
    Options::new(arguments).done()?;
    check(&root()).map_err(Failure::Failed)
}

/// One rule: a file's path below the root and its text in, complaints out.
type Rule = fn(path: &str, text: &str) -> Vec<Complaint>;

const RULES: &[Rule] =
    &[length::check, examples::check, words::check, lock::check, layers::check, requirements::check];

/// What is wrong, and on which line (from 1).
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    line: usize,
    what: String,
}

/// Applies every rule to every text file under `root`.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let files = files(root)?;
    let mut complaints = 0;
    for (path, text) in &files {
        for complaint in RULES.iter().flat_map(|rule| rule(path, text)) {
            println!("{path}:{}: {}", complaint.line, complaint.what);
            complaints += 1;
        }
    }
    for breach in contracts::breaches(&files) {
        println!("{}:{}: {}", breach.path, breach.line, breach.what);
        complaints += 1;
    }
    println!("{} files looked at", files.len());
    if complaints == 0 { Ok(()) } else { Err(format!("{complaints} house rules broken")) }
}

/// Every text file under `root`, by its path below it.
pub(crate) fn files(root: &Path) -> Result<Vec<contracts::File>, String> {
    let mut places = Vec::new();
    walk(root, &mut places)?;
    places.sort();
    // What is not text is nothing that a rule has anything to say about.
    let text = |place: PathBuf| {
        let text = std::fs::read_to_string(&place).ok()?;
        Some((place.strip_prefix(root).unwrap_or(&place).to_string_lossy().replace('\\', "/"), text))
    };
    Ok(places.into_iter().filter_map(text).collect())
}

/// Directories that hold no source of ours: built things and what fuzzing collects.
const SKIPPED: &[&str] = &["target", ".git", "node_modules", "corpus", "artifacts", "coverage"];

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", directory.display());
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let skipped = SKIPPED.iter().any(|name| entry.file_name() == *name);
        if kind.is_dir() && !skipped {
            walk(&entry.path(), files)?;
        } else if kind.is_file() && !skipped {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_with_one_bad_file_fails_and_build_output_is_not_looked_at() {
        let root = std::env::temp_dir().join(format!("pcmflow-tidy-{}", std::process::id()));
        let long = "\n".repeat(length::LINES_MAX + 1);
        std::fs::create_dir_all(root.join("crates/a/target")).unwrap();
        std::fs::write(root.join("crates/a/target/long.rs"), &long).unwrap();
        assert_eq!(check(&root), Ok(()));
        std::fs::write(root.join("crates/a/long.rs"), &long).unwrap();
        assert_eq!(check(&root), Err("1 house rules broken".into()));
        std::fs::remove_dir_all(root).unwrap();
    }
}
