//! The console: lines of words in, answers out, as text for a terminal and as JSON for a page.
//!
//! A line is parsed to a [`Command`]; whoever has the parts of the program at hand implements [`Console`] and answers it.
//! [`answer`] does both, and knows `help` by itself. One table, in `words.rs`, holds the words, what they take, and what they
//! do; parsing, suggestions, `help` and [`complete`] all come from it, so that the native program and the page have the same
//! words and the same answers.
//!
//! A line is at most [`LINE_BYTES_MAX`] long and may hold any bytes. Not for an audio thread: everything here allocates.

mod answer;
mod complete;
mod configure;
mod error;
mod parse;
#[cfg(test)]
mod tests;
mod words;

pub use answer::{Answer, Cell, Table};
pub use complete::complete;
pub use configure::configure;
pub use error::CommandError;
pub use words::Command;

use crate::config::{nearest, shown};
use words::{WORDS, first_words};

/// The longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 1024;

/// Whoever answers commands.
///
/// ```
/// use pcmflow_engine::console::{self, Answer, Command, Console};
/// struct Buffers {
///     debug: bool,
/// }
/// impl Console for Buffers {
///     fn execute(&mut self, command: Command) -> Answer {
///         match command {
///             Command::BufferDebug(on) => {
///                 self.debug = on;
///                 Answer::done("debugging is switched")
///             }
///             _ => Answer::refused("there are only buffers here"),
///         }
///     }
/// }
/// let mut buffers = Buffers { debug: false };
/// assert_eq!(console::answer("buffer-debug on", &mut buffers).to_string(), "debugging is switched\n");
/// assert!(buffers.debug);
/// let wrong = console::answer("bufer-status", &mut buffers);
/// assert_eq!(wrong.to_json(), r#"{"ok":false,"text":"no word `bufer-status`: did you mean `buffer-status`?"}"#);
/// ```
pub trait Console {
    /// Does what the command asks, and says what came of it. `help` does not come here.
    ///
    /// Not RT-safe: called by whoever has the line.
    fn execute(&mut self, command: Command) -> Answer;
}

/// Answers one line.
///
/// Not RT-safe: allocates.
pub fn answer(line: impl AsRef<[u8]>, console: &mut dyn Console) -> Answer {
    match Command::parse(line) {
        Ok(Command::Help(word)) => help(word.as_deref()),
        Ok(command) => console.execute(command),
        Err(error) => Answer::refused(error.to_string()),
    }
}

/// All words, or those that begin with one.
fn help(word: Option<&str>) -> Answer {
    let rows = || WORDS.iter().filter(|row| word.is_none_or(|word| row.path[0] == word));
    if let (Some(word), None) = (word, rows().next()) {
        return Answer::refused(
            CommandError::Unknown {
                word: shown(word),
                after: String::new(),
                nearest: nearest(word, first_words()).map(str::to_owned),
                possible: first_words().join(", "),
            }
            .to_string(),
        );
    }
    let mut table = Table::new(["words", "what they do"]);
    for row in rows() {
        table.row([Cell::from(row.usage()), Cell::from(row.help)]);
    }
    Answer::table(table)
}
