//! How a run ended, and why one could not begin.

use pcmflow::core::block::BlockSizeError;
use pcmflow::core::pool::PoolConfigError;
use pcmflow::engine::config::ConfigErrors;
use pcmflow::engine::flow::FlowError;
use pcmflow::flow_file::FlowFileErrors;
use pcmflow::io::{SinkError, SourceError};
use pcmflow::pitch::PitchError;
use pcmflow::runtime::{InputError, WorkerError};
use std::path::PathBuf;
use std::sync::Arc;

/// How a run ended: the exit code. Of several inputs the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// It was asked for wrongly.
    Usage = 2,
    /// It was done, but the input was damaged or frames were dropped.
    Damaged = 3,
}

impl Outcome {
    /// The worse of two.
    pub(crate) fn worst(self, other: Outcome) -> Outcome {
        let badness = |outcome| match outcome {
            Outcome::Done => 0,
            Outcome::Damaged => 1,
            Outcome::Failed => 2,
            Outcome::Usage => 3,
        };
        if badness(self) >= badness(other) { self } else { other }
    }
}

/// Each error of a file as a line of its own that begins with the file's name.
fn lines_of(file: &str, errors: &FlowFileErrors) -> String {
    let text = errors.to_string();
    text.lines().map(|line| format!("{file}: {line}")).collect::<Vec<_>>().join("\npcmflow: ")
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Block(#[from] BlockSizeError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("{input}: {error}")]
    Pitch { input: String, error: PitchError },
    #[error(transparent)]
    Flow(#[from] FlowError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error("the pool: {0}")]
    Pool(#[from] PoolConfigError),
    #[error(transparent)]
    Input(#[from] InputError),
    /// A source that broke under way.
    #[error("{0}")]
    Broken(Arc<InputError>),
    /// What consumes an input failed.
    #[error("{0}")]
    Node(String),
    #[error("can't write the summary to {}: {error}", path.display())]
    Summary { path: PathBuf, error: std::io::Error },
    #[error("standard output: {0}")]
    Output(std::io::Error),
    #[error("can't catch Ctrl-C: {0}")]
    Signal(#[from] ctrlc::Error),
    #[error("{0}")]
    Unheard(String),
    #[error("{file}: can't be read: {error}")]
    Read { file: String, error: std::io::Error },
    #[error("{}", lines_of(file, errors))]
    FlowFile { file: String, errors: FlowFileErrors },
    #[error("{0}")]
    Config(ConfigErrors),
}

impl Failure {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Failure::Usage(_) | Failure::Block(_) | Failure::Config(_) => Outcome::Usage,
            Failure::FlowFile { errors, .. } if !errors.only_opening() => Outcome::Usage,
            _ => Outcome::Failed,
        }
    }
}
