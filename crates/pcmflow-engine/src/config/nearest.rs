//! What somebody may have meant, and what somebody wrote, fit for a message.

/// The word nearest to `written`, if one is near: an edit for every three letters at the most.
///
/// An edit is a letter too many, one missing, one for another, or two neighbours swapped.
///
/// ```
/// use pcmflow_engine::config::nearest;
/// assert_eq!(nearest("statsu", ["start", "status", "stop"]), Some("status"));
/// ```
///
/// Not RT-safe: allocates.
pub fn nearest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: Vec<char> = written.chars().take(NEAR_CHARS_MAX + 1).flat_map(char::to_lowercase).collect();
    if written.len() > NEAR_CHARS_MAX {
        return None;
    }
    let edits_max = written.len().div_ceil(3).min(4);
    let near = |word: &'a str| {
        let edits = edits(&written, &word.chars().collect::<Vec<_>>());
        // Another word altogether shares no letter.
        (edits <= edits_max && edits < written.len().max(word.len())).then_some((edits, word))
    };
    // The first of equals.
    words.into_iter().filter_map(near).min_by_key(|&(edits, _)| edits).map(|(_, word)| word)
}

/// Nothing longer is near to anything: bounds the work for what comes from outside.
const NEAR_CHARS_MAX: usize = 64;

/// The distance of optimal string alignment, row by row.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = above[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

/// What somebody wrote, without what would disturb a terminal: its control characters are escaped.
///
/// Not RT-safe: allocates.
pub fn printable(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    for letter in written.chars() {
        match letter.is_control() {
            true => text.extend(letter.escape_default()),
            false => text.push(letter),
        }
    }
    text
}

/// What somebody wrote, fit for a message: without what would disturb a terminal, and cut where it is long.
///
/// Not RT-safe: allocates.
pub fn shown(written: &str) -> String {
    const CHARS_MAX: usize = 60;
    let written = written.trim();
    match written.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => printable(&written[..end]) + "…",
        None => printable(written),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_word_and_others_find_none() {
        let words = ["status", "start", "stop", "buffer-status"];
        for (written, expected) in [
            ("statsu", Some("status")),
            ("STATUS", Some("status")),
            ("stp", Some("stop")),
            ("strat", Some("start")),
            ("bufer-staus", Some("buffer-status")),
            ("xyz", None),
            ("q", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, words), expected, "{written}");
        }
        assert_eq!(nearest(&"s".repeat(65), words), None);
    }

    #[test]
    fn edits_are_counted() {
        let count = |a: &str, b: &str| edits(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        for (a, b, expected) in
            [("", "", 0), ("", "ab", 2), ("ab", "ba", 1), ("kitten", "sitting", 3), ("abc", "abc", 0)]
        {
            assert_eq!((count(a, b), count(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn what_is_shown_disturbs_nothing() {
        assert_eq!(shown(" a\u{1b}[2J\n"), "a\\u{1b}[2J");
        assert_eq!(shown(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
    }
}
