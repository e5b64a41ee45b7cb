//! Removes one posting to the ledger after the other, and sees that a test notices: books that can't fail prove nothing.
//!
//! Each mutant is one line of the code, taken out of a copy of the workspace. The test that must then fail stamps frames at the
//! source and looks at what arrives; it does not read the line that was removed.

use crate::Outcome;
use crate::options::Options;
use crate::steps::{Steps, output, root};
use std::path::Path;
use std::process::Command;

/// One posting: where it is made, and the line that makes it.
struct Posting {
    what: &'static str,
    file: &'static str,
    line: &'static str,
}

const POSTINGS: &[Posting] = &[
    Posting {
        what: "frames that the source made",
        file: "crates/pcmflow/src/runtime/input_thread.rs",
        line: "self.shared.frames_in.fetch_add(frames.0, Ordering::Relaxed);",
    },
    Posting {
        what: "frames that the ring accepted",
        file: "crates/pcmflow-core/src/stream/writer.rs",
        line: "self.books.writer.post_accepted(frames);",
    },
    Posting {
        what: "frames that a full ring lost",
        file: "crates/pcmflow-core/src/stream/writer.rs",
        line: "self.books.writer.post_lost(frames, gap.cause);",
    },
    Posting {
        what: "frames that left the ring",
        file: "crates/pcmflow-core/src/stream/reader.rs",
        line: "self.books.reader.post_popped(frames);",
    },
    Posting {
        what: "frames that the link accepted",
        file: "crates/pcmflow-core/src/chunk/producer.rs",
        line: "shared.writer.post_accepted(chunk.span());",
    },
    Posting {
        what: "frames that the link evicted",
        file: "crates/pcmflow-core/src/chunk/producer.rs",
        line: "shared.writer.post_evicted(oldest.span(), evict::CAUSE);",
    },
    Posting {
        what: "frames that the consumer found evicted from the link",
        file: "crates/pcmflow-core/src/chunk/evict.rs",
        line: "self.evicted += gap.frames;",
    },
    Posting {
        what: "gaps where the link evicted frames",
        file: "crates/pcmflow-core/src/chunk/evict.rs",
        line: "self.missing |= self.chunks.next() - next > taken;",
    },
    Posting {
        what: "frames that the ring evicted",
        file: "crates/pcmflow-core/src/stream/reader.rs",
        line: "self.books.reader.post_evicted(frames, LossCause::Overflow);",
    },
    Posting {
        what: "frames that left the link",
        file: "crates/pcmflow-core/src/chunk/consumer.rs",
        line: "self.shared.reader.post_popped(chunk.span());",
    },
    Posting {
        what: "frames that a dead consumer left in the link",
        file: "crates/pcmflow-core/src/chunk/consumer.rs",
        line: "self.shared.reader.post_evicted(chunk.span(), cause);",
    },
    Posting {
        what: "frames that were delivered",
        file: "crates/pcmflow-engine/src/flow/task.rs",
        line: "self.given.deliver(position, span);",
    },
    Posting {
        what: "gaps that the consumer was told of",
        file: "crates/pcmflow-engine/src/flow/task.rs",
        line: "self.given.lose(gap);",
    },
];

/// What is built of the copy.
const COPIED: &[&str] = &["Cargo.toml", "Cargo.lock", "README.md", "crates", "xtask"];

/// The chore.
pub(crate) fn chore(arguments: &[String]) -> Outcome {
    Options::new(arguments).done()?;
    let mut steps = Steps::default();
    all(&mut steps);
    steps.finish()
}

/// The unchanged copy must pass; each mutant must fail.
pub(crate) fn all(steps: &mut Steps) {
    let copy = root().join("target/postings");
    steps.step("a copy, nothing removed: must pass", || {
        let _ = std::fs::remove_dir_all(copy.join("crates"));
        for name in COPIED {
            copy_tree(&root().join(name), &copy.join(name))?;
        }
        tests(&copy, &[])
    });
    for posting in POSTINGS {
        steps.step(&format!("without: {}", posting.what), || {
            let file = copy.join(posting.file);
            let whole = read(&file)?;
            let mutant = without(&whole, posting.line).map_err(|why| format!("{}: {why}", posting.file))?;
            write(&file, &mutant)?;
            // A mutant that does not compile is a mistake here, and not a test that noticed.
            let result = tests(&copy, &["--no-run"]).map(|()| tests(&copy, &[]));
            write(&file, &whole)?;
            match result? {
                Err(_) => Ok(()),
                Ok(()) => Err(format!("`{}` was removed and no test noticed", posting.line)),
            }
        });
    }
}

/// Builds and, unless `more` says otherwise, runs the tests that stamp their frames, in the workspace at `copy`.
fn tests(copy: &Path, more: &[&str]) -> Result<(), String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--quiet", "-p", "pcmflow", "--test", "flow"]).args(more).current_dir(copy);
    output(&mut command).map(drop)
}

/// `text` without its one line `line`: names that only that line used stay used.
fn without(text: &str, line: &str) -> Result<String, String> {
    match text.matches(line).count() {
        1 => Ok(text.replace(line, "")),
        count => Err(format!("`{line}` stands there {count} times, expected once")),
    }
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    if !from.is_dir() {
        return write(to, &read(from)?);
    }
    let entries =
        std::fs::read_dir(from).map_err(|error| format!("can't read {}: {error}", from.display()))?;
    for entry in entries.filter_map(Result::ok) {
        if entry.file_name() != "target" {
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("can't read {}: {error}", file.display()))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    let parent = file.parent().unwrap_or(file);
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(file, text))
        .map_err(|error| format!("can't write {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_posting_stands_where_the_table_says() {
        for posting in POSTINGS {
            let text = read(&root().join(posting.file)).unwrap();
            let mutant = without(&text, posting.line).unwrap_or_else(|why| panic!("{}: {why}", posting.file));
            assert!(mutant.len() < text.len());
        }
    }
}
