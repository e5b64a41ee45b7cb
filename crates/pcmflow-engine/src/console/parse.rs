//! From a line to a command.

use super::words::{ARGUMENTS_MAX, Argument, Row, WORDS};
use super::{Command, CommandError, LINE_BYTES_MAX};
use crate::config::{nearest, shown};

impl Command {
    /// Parses a line: words between spaces, the last argument of `config set` being the rest of the line.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`CommandError`] with the word that is wrong, and what may have been meant.
    pub fn parse(line: impl AsRef<[u8]>) -> Result<Self, CommandError> {
        let line = line.as_ref();
        if line.len() > LINE_BYTES_MAX {
            return Err(CommandError::TooLong { bytes: line.len() });
        }
        let line = std::str::from_utf8(line).map_err(|_| CommandError::NotText)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            return Err(CommandError::Empty);
        }
        let fitting = WORDS.iter().filter_map(|row| Some((row, arguments(row, line, &words)?)));
        match fitting.max_by_key(|(row, _)| row.path.len()) {
            Some((row, arguments)) => Ok((row.make)(arguments)),
            None => Err(trouble(&words)),
        }
    }
}

/// What the line gives the row as arguments, if it fits.
fn arguments(row: &Row, line: &str, words: &[&str]) -> Option<[String; ARGUMENTS_MAX]> {
    let given = words.strip_prefix(row.path)?;
    let takes_rest = row.arguments.last() == Some(&Argument::Value);
    if given.len() != row.arguments.len() && !(takes_rest && given.len() > row.arguments.len()) {
        return None;
    }
    let mut arguments = [const { String::new() }; ARGUMENTS_MAX];
    for (index, argument) in arguments.iter_mut().enumerate().take(row.arguments.len()) {
        *argument = match row.arguments[index] {
            Argument::Value => rest(line, row.path.len() + index).to_owned(),
            _ => given[index].to_owned(),
        };
    }
    Some(arguments)
}

/// The line behind so many words.
fn rest(line: &str, words: usize) -> &str {
    let mut rest = line.trim();
    for _ in 0..words {
        rest = rest.find(char::is_whitespace).map_or("", |end| rest[end..].trim_start());
    }
    rest
}

/// What is wrong with words that fit no row.
fn trouble(words: &[&str]) -> CommandError {
    let beginning = |count: usize| WORDS.iter().filter(move |row| row.path.starts_with(&words[..count]));
    let known = (0..=words.len()).rev().find(|&count| beginning(count).next().is_some()).unwrap_or(0);
    let rows: Vec<&Row> = beginning(known).collect();
    let after = words[..known].join(" ");
    let mut next: Vec<&str> = rows.iter().filter_map(|row| row.path.get(known).copied()).collect();
    next.dedup();
    let arguments = rows.iter().filter(|row| row.path.len() == known).map(|row| row.arguments);
    let arguments = arguments.max_by_key(|arguments| arguments.len()).unwrap_or_default();
    match words.get(known) {
        Some(word) if !next.is_empty() => CommandError::Unknown {
            word: shown(word),
            after,
            nearest: nearest(word, next.iter().copied()).map(str::to_owned),
            possible: next.join(", "),
        },
        Some(_) if words.len() - known > arguments.len() => {
            let understood = known + arguments.len();
            CommandError::TooMany {
                after: shown(&words[..understood].join(" ")),
                word: shown(words[understood]),
            }
        }
        _ => {
            let missing = arguments.iter().skip(words.len() - known).map(|argument| argument.name());
            let expected = match next.is_empty() {
                true => missing.collect::<Vec<_>>().join(" "),
                false => next.join(", "),
            };
            CommandError::Missing { after: shown(&words.join(" ")), expected }
        }
    }
}
