//! `docs/requirements.md` points at what exists: each row that is not planned names a place that is there, and what
//! shows it.

use super::Complaint;
use crate::steps::root;

/// Top directories; a word in backquotes that begins with one of them is a path.
const TOPS: &[&str] = &["crates/", "xtask/", "benches/", "fuzz/", "docs/", "web/"];

pub(super) fn check(path: &str, text: &str) -> Vec<Complaint> {
    if path != "docs/requirements.md" {
        return Vec::new();
    }
    rows(text, |place| root().join(place).exists())
}

fn rows(text: &str, exists: impl Fn(&str) -> bool) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, row, _, place, shown, state, _] = cells[..] else { continue };
        let mut complain = |what: String| complaints.push(Complaint { line: index + 1, what });
        for word in line.split('`').skip(1).step_by(2) {
            if TOPS.iter().any(|top| word.starts_with(top)) && !exists(word) {
                complain(format!("row {row} names `{word}`, which does not exist"));
            }
        }
        let empty = place == "–" || shown == "–";
        if empty && !matches!(state, "planned" | "state" | "---") {
            complain(format!("row {row} is `{state}` but says not where it lives or what shows it"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_not_there_and_a_claim_without_proof_trip() {
        let exists = |place: &str| place == "crates/a/src/";
        let table = |place: &str, shown: &str, state: &str| {
            format!(
                "| row | what | where | shows | state |\n| --- | --- | --- | --- | --- |\n| A1 | x | {place} | {shown} | {state} |\n"
            )
        };
        assert!(rows(&table("`crates/a/src/`", "`a test`", "done"), exists).is_empty());
        assert!(rows(&table("–", "–", "planned"), exists).is_empty());
        assert_eq!(rows(&table("`crates/b/src/`", "`a test`", "done"), exists).len(), 1);
        assert_eq!(rows(&table("`crates/a/src/`", "–", "done"), exists).len(), 1);
        assert_eq!(rows(&table("–", "`a test`", "first form"), exists).len(), 1);
    }
}
