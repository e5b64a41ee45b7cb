//! No file names a directory of the machine that it was written on.
//!
//! Absolute paths under a home or work directory and the corpus' place beside a checkout work for one person only;
//! tests find the recordings through `PCMFLOW_CORPUS`. `.ci/run` alone may say where CI keeps them.

use super::Complaint;

/// Directories (written in two parts, or this file would trip over itself) that no path may start with.
const ROOTS: [&str; 2] = [concat!("/", "work"), concat!("/", "root")];
const BESIDE: &str = concat!("..", "/shared");

pub(super) fn check(path: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let found = ROOTS.into_iter().find(|root| starts_a_path(line, root));
        let beside = (path != ".ci/run" && line.contains(BESIDE)).then_some(BESIDE);
        for word in found.into_iter().chain(beside) {
            let what = format!("`{word}` is a path of one machine; use an argument or PCMFLOW_CORPUS");
            complaints.push(Complaint { line: index + 1, what });
        }
    }
    complaints
}

/// Whether `root` stands in `line` where a path begins and ends as a whole name.
fn starts_a_path(line: &str, root: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    line.match_indices(root).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + root.len()..].chars().next();
        !before.is_some_and(|c| name(c) || c == '/') && !after.is_some_and(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_machine_trip() {
        for line in [format!("{}/x", ROOTS[0]), format!("cd \"{}\"", ROOTS[1]), format!("see {BESIDE}/x")] {
            assert_eq!(check("README.md", &line).len(), 1, "{line}");
        }
        assert!(check(".ci/run", &format!("export A={BESIDE}")).is_empty());
    }

    #[test]
    fn other_words_do_not() {
        for line in
            ["/workspace/x", "https://example.org/work/x", "src/root.rs", "a/root", "/rootless", "net/work"]
        {
            assert!(check("README.md", line).is_empty(), "{line}");
        }
    }
}
