//! No Rust file is longer than 600 lines: one concept, one file.

use super::Complaint;

pub(super) const LINES_MAX: usize = 600;

pub(super) fn check(path: &str, text: &str) -> Vec<Complaint> {
    let lines = text.lines().count();
    if !path.ends_with(".rs") || lines <= LINES_MAX {
        return Vec::new();
    }
    vec![Complaint {
        line: lines,
        what: format!("{lines} lines; a file has at most {LINES_MAX}: split it by concept"),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rust_files_over_the_limit_trip() {
        let lines = |n: usize| "x\n".repeat(n);
        assert!(check("a.rs", &lines(LINES_MAX)).is_empty());
        assert_eq!(check("a.rs", &lines(LINES_MAX + 1)).len(), 1);
        assert!(check("a.md", &lines(LINES_MAX + 1)).is_empty());
    }
}
