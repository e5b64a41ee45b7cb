//! Removes one posting to the ledger after the other, and sees that a test notices: books that can't fail prove nothing.
//!
//! Each mutant is one line of the code, taken out of a copy of the workspace. The test that must then fail stamps frames at the
//! source and looks at what arrives; it does not read the line that was removed.

use crate::options::Options;
use crate::steps::{Steps, output, root};
use crate::{Failure, Outcome};
use std::path::Path;
use std::process::Command;

/// One posting: where it is made, the line that makes it, and which tests must notice.
struct Posting {
    what: &'static str,
    file: &'static str,
    line: &'static str,
    tests: &'static [&'static str],
}

/// One recording's way through the runtime.
const RUNTIME: &[&str] = &["-p", "pcmflow", "--test", "flow"];
/// Flows and transforms of the engine.
const ENGINE: &[&str] = &["-p", "pcmflow-engine", "--lib"];
/// Tests of clocks that drift for minutes: asked only where no other one noticed.
const SLOW: &[&str] = &["--", "--skip", "::meet::"];

const fn engine(what: &'static str, file: &'static str, line: &'static str) -> Posting {
    Posting { what, file, line, tests: ENGINE }
}

const POSTINGS: &[Posting] = &[
    Posting {
        what: "frames that the source made",
        file: "crates/pcmflow/src/runtime/input_thread.rs",
        line: "self.shared.frames_in.fetch_add(frames.0, Ordering::Relaxed);",
        tests: RUNTIME,
    },
    Posting {
        what: "frames that the ring accepted",
        file: "crates/pcmflow-core/src/stream/writer.rs",
        line: "self.books.writer.post_accepted(frames);",
        tests: RUNTIME,
    },
    Posting {
        what: "frames that a full ring lost",
        file: "crates/pcmflow-core/src/stream/writer.rs",
        line: "self.books.writer.post_lost(frames, gap.cause);",
        tests: RUNTIME,
    },
    Posting {
        what: "frames that left the ring",
        file: "crates/pcmflow-core/src/stream/reader.rs",
        line: "self.books.reader.post_popped(frames);",
        tests: RUNTIME,
    },
    Posting {
        what: "frames that the link accepted",
        file: "crates/pcmflow-core/src/chunk/producer.rs",
        line: "shared.writer.post_accepted(chunk.span());",
        tests: RUNTIME,
    },
    Posting {
        what: "frames that the link evicted",
        file: "crates/pcmflow-core/src/chunk/producer.rs",
        line: "shared.writer.post_evicted(oldest.span(), evict::CAUSE);",
        tests: RUNTIME,
    },
    Posting {
        what: "frames that the consumer found evicted from the link",
        file: "crates/pcmflow-core/src/chunk/evict.rs",
        line: "self.evicted += gap.frames;",
        tests: RUNTIME,
    },
    Posting {
        what: "gaps where the link evicted frames",
        file: "crates/pcmflow-core/src/chunk/evict.rs",
        line: "self.missing |= self.chunks.next() - next > taken;",
        tests: RUNTIME,
    },
    Posting {
        what: "frames that the ring evicted",
        file: "crates/pcmflow-core/src/stream/reader.rs",
        line: "self.books.reader.post_evicted(frames, LossCause::Overflow);",
        tests: RUNTIME,
    },
    Posting {
        what: "frames that left the link",
        file: "crates/pcmflow-core/src/chunk/consumer.rs",
        line: "self.shared.reader.post_popped(chunk.span());",
        tests: RUNTIME,
    },
    Posting {
        what: "frames that a dead consumer left in the link",
        file: "crates/pcmflow-core/src/chunk/consumer.rs",
        line: "self.shared.reader.post_evicted(chunk.span(), cause);",
        tests: RUNTIME,
    },
    Posting {
        what: "frames that were delivered",
        file: "crates/pcmflow-engine/src/flow/task.rs",
        line: "self.given.deliver(position, span);",
        tests: RUNTIME,
    },
    Posting {
        what: "gaps that the consumer was told of",
        file: "crates/pcmflow-engine/src/flow/task.rs",
        line: "self.given.lose(gap);",
        tests: RUNTIME,
    },
    engine(
        "frames that a full link gave up",
        "crates/pcmflow-engine/src/flow/link/outlet.rs",
        "link.give_up(gap.frames, gap.cause);",
    ),
    engine(
        "frames that a link gave up that still waited when it went",
        "crates/pcmflow-engine/src/flow/link/outlet.rs",
        "link.give_up(held.frames, held.cause);",
    ),
    engine(
        "frames that still waited when a link went, told to its other end",
        "crates/pcmflow-engine/src/flow/link/outlet.rs",
        "unsent.push(held);",
    ),
    engine(
        "frames that still waited when a link went, in its books",
        "crates/pcmflow-engine/src/flow/link/outlet.rs",
        "books.unsent += held.frames;",
    ),
    engine(
        "frames that were never sent, thrown out",
        "crates/pcmflow-engine/src/flow/link/inlet.rs",
        "self.taken.lose(held);",
    ),
    engine(
        "frames that were never sent, taken as lost",
        "crates/pcmflow-engine/src/flow/link/inlet.rs",
        "self.gap(held, pool);",
    ),
    engine(
        "frames that a link was given to send",
        "crates/pcmflow-engine/src/flow/link/outlet.rs",
        "self.sent.deliver(chunk.position(), chunk.span());",
    ),
    engine(
        "frames that a link told to be lost",
        "crates/pcmflow-engine/src/flow/link/outlet.rs",
        "self.sent.lose(gap);",
    ),
    engine(
        "frames that joined a gap that waits",
        "crates/pcmflow-engine/src/flow/link/outlet.rs",
        "last.frames += gap.frames;",
    ),
    engine(
        "frames that a link began with",
        "crates/pcmflow-engine/src/flow/link/outlet.rs",
        "self.sent = Timeline::starting_at(position);",
    ),
    engine(
        "frames that the sending end leaves in its books",
        "crates/pcmflow-engine/src/flow/link/outlet.rs",
        "books.sent = Some(self.sent);",
    ),
    engine(
        "frames that came through a link",
        "crates/pcmflow-engine/src/flow/link/inlet.rs",
        "self.taken.deliver(chunk.position(), chunk.span());",
    ),
    engine(
        "frames that a link told the receiving end of",
        "crates/pcmflow-engine/src/flow/link/inlet.rs",
        "self.taken.lose(gap);",
    ),
    engine(
        "frames that were thrown out of a link",
        "crates/pcmflow-engine/src/flow/link/inlet.rs",
        "  taken.lose(gap);",
    ),
    engine(
        "frames that a ring before this one evicted, at a cut",
        "crates/pcmflow-engine/src/flow/link/inlet.rs",
        "cut = cut.after_eviction(frames, cause);",
    ),
    engine(
        "frames that passed through the rings before this one",
        "crates/pcmflow-engine/src/flow/link/inlet.rs",
        "self.past = self.edge();",
    ),
    engine(
        "frames that the receiving end leaves in its books",
        "crates/pcmflow-engine/src/flow/link/inlet.rs",
        "books.taken = Some(self.taken);",
    ),
    engine(
        "frames that were measured when a link closed",
        "crates/pcmflow-engine/src/flow/link/inlet.rs",
        "books.edge = Some(self.edge());",
    ),
    engine(
        "frames that were in a link whose receiving end went",
        "crates/pcmflow-engine/src/flow/link/inlet.rs",
        "self.drain(LossCause::Removed, |_| {});",
    ),
    engine(
        "frames that were on their way to a task that went",
        "crates/pcmflow-engine/src/flow/drain.rs",
        "Phase::Working if !self.inlets.is_empty() => drop(self.drain(LossCause::Removed)),",
    ),
    engine(
        "frames that a change of the format converted",
        "crates/pcmflow-engine/src/flow/link/adapter.rs",
        "self.conversions.push(chain.conversion());",
    ),
    engine(
        "frames that a sink consumed",
        "crates/pcmflow-engine/src/flow/task.rs",
        "self.given.deliver(position, span);",
    ),
    engine(
        "frames that a sink was told of as lost",
        "crates/pcmflow-engine/src/flow/task.rs",
        "self.given.lose(gap);",
    ),
    engine(
        "frames that a node held that failed or was removed",
        "crates/pcmflow-engine/src/flow/drain.rs",
        "lose_between(given, outlets, held, taken, cause);",
    ),
    engine(
        "frames that a node held before a gap, and failed",
        "crates/pcmflow-engine/src/flow/drain.rs",
        "lose_between(given, outlets, held, known.position, cause);",
    ),
    engine(
        "gaps that a node that failed had not passed",
        "crates/pcmflow-engine/src/flow/drain.rs",
        "lose_between(given, outlets, known.position, known.end(), known.cause);",
    ),
    engine(
        "frames that were thrown out for a node that is gone",
        "crates/pcmflow-engine/src/flow/drain.rs",
        "lose_between(given, outlets, gap.position, gap.end(), gap.cause);",
    ),
    engine(
        "frames that lie before the end of a node that is gone",
        "crates/pcmflow-engine/src/flow/drain.rs",
        "lose_between(&mut self.given, &mut self.outlets, from, reached, cause);",
    ),
    engine(
        "frames that a node that is gone lost",
        "crates/pcmflow-engine/src/flow/drain.rs",
        "  given.lose(gap);",
    ),
    engine(
        "frames that a node that is gone lost, told to the links behind it",
        "crates/pcmflow-engine/src/flow/drain.rs",
        "outlet.gap(gap);",
    ),
    engine(
        "frames that a node gave",
        "crates/pcmflow-engine/src/flow/node.rs",
        "self.given.deliver(chunk.position(), span);",
    ),
    engine(
        "frames that a node told to be lost",
        "crates/pcmflow-engine/src/flow/node.rs",
        "self.given.lose(gap);",
    ),
    engine(
        "frames that a node told to be lost, told to the links behind it",
        "crates/pcmflow-engine/src/flow/node.rs",
        "outlet.gap(gap);",
    ),
    engine(
        "frames that a node was told of and passes on",
        "crates/pcmflow-engine/src/flow/node.rs",
        "  out.gap(gap);",
    ),
    engine(
        "frames that an input of a join lacks",
        "crates/pcmflow-engine/src/flow/join.rs",
        "out.gap(Gap { position: at, frames, cause });",
    ),
    engine(
        "frames that a join had no buffer for",
        "crates/pcmflow-engine/src/flow/join.rs",
        "out.gap(Gap { position: at, frames, cause: LossCause::Overflow });",
    ),
    engine(
        "frames that came out of a source's ring",
        "crates/pcmflow-engine/src/flow/stream_inflow.rs",
        "self.ring.deliver(block.position(), block.frames());",
    ),
    engine(
        "frames that a source's ring lost",
        "crates/pcmflow-engine/src/flow/stream_inflow.rs",
        "self.ring.lose(gap);",
    ),
    engine(
        "frames that a source's ring lost, passed on",
        "crates/pcmflow-engine/src/flow/stream_inflow.rs",
        "out.gap(Gap { position: gap.position + self.offset, ..gap });",
    ),
    engine(
        "frames that the stream before this one had",
        "crates/pcmflow-engine/src/flow/stream_inflow.rs",
        "self.offset = out.position() - StreamPosition::START;",
    ),
    engine(
        "frames that the ring before this one had",
        "crates/pcmflow-engine/src/flow/stream_inflow.rs",
        "self.ring = Timeline::default();",
    ),
    engine(
        "frames that passed between two streams",
        "crates/pcmflow-engine/src/flow/stream_inflow.rs",
        "out.gap(Gap { position: out.position(), frames, cause: LossCause::Device });",
    ),
    engine(
        "frames that were lost before a filter",
        "crates/pcmflow-engine/src/transform/rate.rs",
        "emit_gap(gap, emit);",
    ),
    engine(
        "frames that a filter gave",
        "crates/pcmflow-engine/src/transform/rate.rs",
        "*given += Frames::in_samples(block.len(), to.channels);",
    ),
    engine(
        "frames that a filter gave at the end",
        "crates/pcmflow-engine/src/transform/rate.rs",
        "*given += frames;",
    ),
    engine(
        "frames that were lost before a block",
        "crates/pcmflow-engine/src/transform/block.rs",
        "emit_gap(gap, emit);",
    ),
    engine(
        "frames that went into blocks",
        "crates/pcmflow-engine/src/transform/block.rs",
        "self.taken += chunk.frames();",
    ),
    engine(
        "frames that were lost before a channel map",
        "crates/pcmflow-engine/src/transform/map.rs",
        "emit_gap(gap, emit);",
    ),
    engine(
        "frames that a channel map had no buffer for",
        "crates/pcmflow-engine/src/transform/map.rs",
        "emit_gap(gap_of(&chunk, cause), emit);",
    ),
    engine(
        "frames that a stretch of a transform took",
        "crates/pcmflow-engine/src/transform/track.rs",
        "self.taken_parts += parts;",
    ),
    engine(
        "frames that arrived at some time",
        "crates/pcmflow-engine/src/transform/track.rs",
        "self.stamps.push(Stamp { end: self.end, timestamp_ns, complete_ns });",
    ),
    engine(
        "frames that a transform had no buffer for",
        "crates/pcmflow-engine/src/transform/track.rs",
        "\n        self.lost += frames;",
    ),
    engine(
        "frames that a transform had no buffer for, told",
        "crates/pcmflow-engine/src/transform/track.rs",
        "emit_gap(Gap { position, frames: span, cause }, emit);",
    ),
];

/// What is built of the copy, and what its tests compare with.
const COPIED: &[&str] = &["Cargo.toml", "Cargo.lock", "README.md", "crates", "xtask", "web/src/generated.ts"];

/// The chore.
pub(crate) fn chore(arguments: &[String]) -> Outcome {
    let mut options = Options::new(arguments);
    let only = options.value("--only")?.unwrap_or_default();
    options.done()?;
    let mut steps = Steps::default();
    some(&mut steps, &only)?;
    steps.finish()
}

/// Removes all of them, one at a time.
pub(crate) fn all(steps: &mut Steps) {
    // None is left out, so there is nothing to refuse.
    let _ = some(steps, "");
}

/// The unchanged copy must pass; each mutant must fail. Only those with `only` in the name of their file.
fn some(steps: &mut Steps, only: &str) -> Outcome {
    let chosen: Vec<&Posting> = POSTINGS.iter().filter(|posting| posting.file.contains(only)).collect();
    if chosen.is_empty() {
        return Err(Failure::Usage(format!("--only {only}: no posting is in a file of such a name")));
    }
    let copy = root().join("target/postings");
    let mut passes = false;
    steps.step("a copy, nothing removed: must pass", || {
        let _ = std::fs::remove_dir_all(copy.join("crates"));
        for name in COPIED {
            copy_tree(&root().join(name), &copy.join(name))?;
        }
        let suites = [RUNTIME, ENGINE].into_iter();
        let mut wanted = suites.filter(|suite| chosen.iter().any(|posting| posting.tests == *suite));
        passes = wanted.try_for_each(|suite| tests(&copy, suite, &[])).map(|()| true)?;
        Ok(())
    });
    if !passes {
        // A mutant that fails as the copy does shows nothing.
        return Ok(());
    }
    for posting in chosen {
        steps.step(&format!("without: {}", posting.what), || {
            let file = copy.join(posting.file);
            let whole = read(&file)?;
            let mutant = without(&whole, posting.line).map_err(|why| format!("{}: {why}", posting.file))?;
            write(&file, &mutant)?;
            // A mutant that does not compile is a mistake here, and not a test that noticed.
            let result = tests(&copy, posting.tests, &["--no-run"])
                .map(|()| tests(&copy, posting.tests, SLOW).and_then(|()| tests(&copy, posting.tests, &[])));
            write(&file, &whole)?;
            match result? {
                Err(_) => Ok(()),
                Ok(()) => Err(format!("`{}` was removed and no test noticed", posting.line)),
            }
        });
    }
    Ok(())
}

/// Builds and, unless `more` says otherwise, runs the tests that stamp their frames, in the workspace at `copy`.
fn tests(copy: &Path, suite: &[&str], more: &[&str]) -> Result<(), String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--quiet"]).args(suite).args(more).current_dir(copy);
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
