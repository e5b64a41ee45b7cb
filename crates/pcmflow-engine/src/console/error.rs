//! What can be wrong with a line.

use super::LINE_BYTES_MAX;

/// Why a line is no command.
///
/// ```
/// use pcmflow_engine::console::Command;
/// let error = Command::parse("input strat mic").unwrap_err();
/// assert_eq!(error.to_string(), "no word `strat` after `input`: did you mean `start`?");
/// let error = Command::parse("input start").unwrap_err();
/// assert_eq!(error.to_string(), "`input start` needs NAME");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Longer than any command.
    #[error("the line is {bytes} bytes long, at most {LINE_BYTES_MAX} are possible")]
    TooLong {
        /// How long.
        bytes: usize,
    },
    /// No text.
    #[error("the line is no UTF-8 text")]
    NotText,
    /// No word.
    #[error("the line is empty: `help` tells the words")]
    Empty,
    /// There is no such word here.
    #[error("no word `{word}`{}: {}", after_words(after), meant(nearest.as_deref(), possible))]
    Unknown {
        /// The word.
        word: String,
        /// The words before it.
        after: String,
        /// What may have been meant.
        nearest: Option<String>,
        /// What could stand here.
        possible: String,
    },
    /// Something must follow.
    #[error("`{after}` needs {expected}")]
    Missing {
        /// The words that are there.
        after: String,
        /// What could follow.
        expected: String,
    },
    /// Nothing can follow.
    #[error("`{after}` takes nothing more, but there is `{word}`")]
    TooMany {
        /// The words that were understood.
        after: String,
        /// The first too many.
        word: String,
    },
}

fn after_words(after: &str) -> String {
    if after.is_empty() { String::new() } else { format!(" after `{after}`") }
}

fn meant(nearest: Option<&str>, possible: &str) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("possible are {possible}"),
    }
}
