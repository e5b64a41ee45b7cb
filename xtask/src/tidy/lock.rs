//! Lock files name crates.io and nothing else: no mirror, no git branch that may move.

use super::Complaint;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(path: &str, text: &str) -> Vec<Complaint> {
    if !(path == "Cargo.lock" || path.ends_with("/Cargo.lock")) {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(source) = line.strip_prefix("source = ") else { continue };
        if source.trim_matches('"') != CRATES_IO {
            complaints.push(Complaint { line: index + 1, what: format!("{source} is not crates.io") });
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_and_a_git_source_trip() {
        let good = format!("[[package]]\nname = \"a\"\nsource = \"{CRATES_IO}\"\n");
        assert!(check("Cargo.lock", &good).is_empty());
        for source in [
            "registry+https://mirror.example/index",
            "git+https://github.com/a/b#c",
            "sparse+http://localhost",
        ] {
            let text = format!("{good}[[package]]\nsource = \"{source}\"\n");
            let complaints = check("fuzz/Cargo.lock", &text);
            assert_eq!(complaints.len(), 1, "{source}");
            assert_eq!(complaints[0].line, 5);
        }
    }
}
