//! What is wrong with a flow file: each error with its line, the thing, what was written, and what is possible.

use crate::core::pool::GrowError;
use crate::engine::flow::GraphError;
use crate::io::{SinkError, SourceError, SynthError};
use std::fmt;

/// Why an input could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file or a stream: see there.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The signal can't be made.
    #[error(transparent)]
    Synth(#[from] SynthError),
    /// Nobody types samples.
    #[error("standard input is a terminal: pipe audio into it, or take a file")]
    Terminal,
    /// The caller did not want to open it.
    #[error("{0}")]
    Refused(String),
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// More than anybody writes.
    #[error("the file has {count} {what}, at the most {most} are read")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many may be.
        most: usize,
    },
    /// Not TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// There is no such key.
    #[error("{place}no key `{key}`{}; keys are {known}", meant(nearest.as_deref()))]
    UnknownKey {
        /// In what.
        place: String,
        /// What was written.
        key: String,
        /// What may have been meant.
        nearest: Option<String>,
        /// What there is.
        known: String,
    },
    /// There is no such kind of node.
    #[error("{place}no kind `{kind}`{}; kinds are {known}", meant(nearest.as_deref()))]
    UnknownKind {
        /// The node.
        place: String,
        /// What was written.
        kind: String,
        /// What may have been meant.
        nearest: Option<String>,
        /// What there is.
        known: String,
    },
    /// Something must be said.
    #[error("{place}`{key}` is missing: {doc} ({accepts})")]
    Missing {
        /// In what.
        place: String,
        /// What is missing.
        key: &'static str,
        /// What it would say.
        doc: &'static str,
        /// What is possible.
        accepts: String,
    },
    /// Another type, or out of range.
    #[error("{place}`{key}` is {value}{}; allowed: {accepts}", meant(nearest.as_deref()))]
    Value {
        /// In what.
        place: String,
        /// The key.
        key: String,
        /// What was written.
        value: String,
        /// What may have been meant.
        nearest: Option<String>,
        /// What is possible.
        accepts: String,
    },
    /// The graph refuses it.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Something has to come to each input.
    #[error("node {node} ({kind}): no pipeline goes to its input {input}; add one with `to = \"{node}\"`{}", match input {
        0 => String::new(),
        input => format!(" and `input = {input}`"),
    })]
    Unfed {
        /// The node.
        node: String,
        /// Its kind.
        kind: &'static str,
        /// The input.
        input: u32,
    },
    /// What a node gives has to go somewhere.
    #[error(
        "node {node} ({kind}): no pipeline begins at it; add one with `from = \"{node}\"`, or take the node out"
    )]
    Unheard {
        /// The node.
        node: String,
        /// Its kind.
        kind: &'static str,
    },
    /// What is joined by position keeps time by more than one clock.
    #[error(
        "node {node} ({kind}): {one} is live and keeps time by a clock of its own, {other} by another, and what is joined frame by frame \
         must be of one: the faster would lose frames for ever; give one of them `pace = \"fast\"`, or take each to an output of its own"
    )]
    Clocks {
        /// The node that joins.
        node: String,
        /// Its kind.
        kind: &'static str,
        /// A live source.
        one: String,
        /// A source with another clock.
        other: String,
    },
    /// The pool has no room for what is needed at once.
    #[error("{place}: it needs {buffers} buffers of {samples} samples ({frames} frames) at once; {}", room(reason, *frames_max))]
    Buffers {
        /// The node or the pipeline.
        place: String,
        /// How many it needs.
        buffers: u64,
        /// What each has to hold.
        samples: u64,
        /// The same in frames.
        frames: u64,
        /// Why there are not so many.
        reason: GrowError,
        /// How long so many could be, in frames.
        frames_max: u64,
    },
    /// Two nodes and one file.
    #[error("node {node}: {other} {does} {path} already; give one of them another")]
    Shared {
        /// The node.
        node: String,
        /// The other.
        other: String,
        /// What that does with it: reads or writes.
        does: &'static str,
        /// The file.
        path: String,
    },
    /// A file that is no node's.
    #[error("node {node}: {path} is {what}; give the node another file")]
    Reserved {
        /// The node.
        node: String,
        /// The file.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// An output can't be opened.
    #[error("node {node}: {reason}; give it another path, or the right to write there")]
    Create {
        /// The node.
        node: String,
        /// Why.
        reason: SinkError,
    },
    /// An input can't be opened.
    #[error("node {node}: {reason}")]
    Open {
        /// The node.
        node: String,
        /// Why.
        reason: OpenError,
    },
}

/// Why there are not so many buffers, and what to do about that.
fn room(reason: &GrowError, frames_max: u64) -> String {
    let shorter = match frames_max {
        0 => "ask for fewer packets or fewer channels".to_owned(),
        frames => format!(
            "so many may have {frames} frames: ask for shorter blocks, fewer packets or fewer channels"
        ),
    };
    match reason {
        GrowError::ClassFull { class, buffers_max, .. } => {
            format!(
                "there may be {buffers_max} buffers of {class} samples in all: raise memory.class_buffers_max"
            )
        }
        GrowError::TooLarge { largest, .. } => {
            format!(
                "the largest of the pool hold {largest} samples; {shorter}, or give memory.class_samples a larger class"
            )
        }
        GrowError::Budget { held_bytes, budget_bytes, .. } => {
            format!(
                "{held_bytes} of {budget_bytes} bytes are taken then; {shorter}, or raise memory.budget_bytes"
            )
        }
        reason => format!("{reason}; {shorter}"),
    }
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(": did you mean `{nearest}`?"))
}

/// One thing that is wrong, and where.
#[derive(Debug)]
pub struct FlowFileError {
    /// From 1.
    pub line: usize,
    /// What.
    pub wrong: Wrong,
}

impl FlowFileError {
    pub(super) fn new(line: usize, wrong: impl Into<Wrong>) -> Self {
        Self { line, wrong: wrong.into() }
    }
}

impl fmt::Display for FlowFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.wrong)
    }
}

/// All that is wrong with a flow file, a line each.
///
/// ```
/// use pcmflow::engine::config::Config;
/// use pcmflow::flow_file::FlowFile;
/// let text = "[[nodes]]\nname = \"tuner\"\nkind = \"pich\"\n";
/// let errors = FlowFile::parse(text, &Config::default()).unwrap_err();
/// assert!(errors.to_string().contains("line 3: node tuner: no kind `pich`: did you mean `pitch`?; kinds are "));
/// ```
#[derive(Debug)]
pub struct FlowFileErrors {
    /// In the order of their lines; never empty.
    pub errors: Vec<FlowFileError>,
    /// Further ones that are not listed.
    pub more: usize,
}

impl FlowFileErrors {
    /// What is listed at the most.
    const LISTED: usize = 50;

    pub(super) fn of(mut errors: Vec<FlowFileError>) -> Self {
        errors.sort_by_key(|error| error.line);
        let more = errors.len().saturating_sub(Self::LISTED);
        errors.truncate(Self::LISTED);
        Self { errors, more }
    }

    /// Whether the file is right, and inputs or outputs could not be opened.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn only_opening(&self) -> bool {
        self.errors.iter().all(|error| matches!(error.wrong, Wrong::Open { .. } | Wrong::Create { .. }))
    }
}

impl fmt::Display for FlowFileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "\n" })?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for FlowFileErrors {}
