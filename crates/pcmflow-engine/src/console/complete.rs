//! What a line that somebody is typing could become.

use super::LINE_BYTES_MAX;
use super::words::{Argument, WORDS, first_words};
use crate::config::{Allowed, Config, Key};

/// The lines that `prefix` could become with its last word completed, in alphabetical order; none where nothing is known to fit,
/// such as for names.
///
/// ```
/// use pcmflow_engine::console::complete;
/// assert_eq!(complete("pool "), ["pool clear", "pool status", "pool trim"]);
/// assert_eq!(complete("config get audio.ch"), ["config get audio.channels"]);
/// assert_eq!(complete("config set flow.strategy b"), ["config set flow.strategy block", "config set flow.strategy buffer"]);
/// ```
///
/// Not RT-safe: allocates.
pub fn complete(prefix: &str) -> Vec<String> {
    if prefix.len() > LINE_BYTES_MAX {
        return Vec::new();
    }
    let mut words: Vec<&str> = prefix.split_whitespace().collect();
    let partial = match prefix.ends_with(char::is_whitespace) {
        true => "",
        false => words.pop().unwrap_or_default(),
    };
    let mut candidates: Vec<&str> = Vec::new();
    for row in WORDS {
        if let Some(&next) = row.path.get(words.len())
            && row.path.starts_with(&words)
        {
            candidates.push(next);
        } else if let Some(given) = words.strip_prefix(row.path) {
            match row.arguments.get(given.len()) {
                Some(Argument::Word) => candidates.extend(first_words()),
                Some(Argument::Key) => candidates.extend(Config::schema().iter().map(|key| key.name)),
                Some(Argument::Value) => candidates.extend(values(given)),
                Some(Argument::Name) | None => {}
            }
        }
    }
    candidates.retain(|candidate| candidate.starts_with(partial));
    candidates.sort_unstable();
    candidates.dedup();
    let line = |word| words.iter().copied().chain([word]).collect::<Vec<_>>().join(" ");
    candidates.into_iter().map(line).collect()
}

/// The values of the key that was given last, where they are few.
fn values(given: &[&str]) -> &'static [&'static str] {
    match given.last().and_then(|key| Key::find(key)).map(|key| key.allowed) {
        Some(Allowed::Word { words }) => words,
        Some(Allowed::Switch) => &["false", "true"],
        _ => &[],
    }
}
