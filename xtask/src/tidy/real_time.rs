//! Every public function of `pcmflow-core` says in its documentation whether an audio thread may call it.
//!
//! Looked at as text: `pub fn` items outside the test module, which stands at a file's foot. Trait methods and what
//! macros make are not seen.

use super::Complaint;

/// Both `RT-safe: …` and `Not RT-safe: …` hold it.
const MARK: &str = "RT-safe";

pub(super) fn check(path: &str, text: &str) -> Vec<Complaint> {
    if !path.starts_with("crates/pcmflow-core/src/") || !path.ends_with(".rs") {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    let mut marked = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        if line.starts_with("///") {
            marked |= line.contains(MARK);
        } else if let Some(name) = public_function(line) {
            if !marked {
                let what = format!("`{name}` has no real-time line (`RT-safe: …` or `Not RT-safe: …`)");
                complaints.push(Complaint { line: index + 1, what });
            }
            marked = false;
        } else if !line.starts_with("#[") && !line.starts_with("//") && !line.is_empty() {
            marked = false;
        }
    }
    complaints
}

/// The name of the public function that `line` begins, if it does.
fn public_function(line: &str) -> Option<&str> {
    let mut rest = line.strip_prefix("pub ")?;
    for word in ["const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<usize> {
        check("crates/pcmflow-core/src/ring.rs", text).into_iter().map(|complaint| complaint.line).collect()
    }

    #[test]
    fn functions_without_the_line_trip() {
        let text = "/// Does.\npub fn a() {}\n/// Not RT-safe: allocates.\n#[inline]\npub const unsafe fn b<T>() {}\n\
                    pub unsafe fn c() {}\n";
        assert_eq!(complaints(text), [2, 6]);
    }

    #[test]
    fn the_line_counts_for_the_next_item_only() {
        assert_eq!(complaints("/// RT-safe: yes.\npub struct S;\n/// Does.\npub fn a() {}\n"), [4]);
    }

    #[test]
    fn private_functions_tests_and_other_crates_are_free() {
        assert!(
            complaints("fn a() {}\npub(crate) fn b() {}\n#[cfg(test)]\nmod tests {\npub fn c() {}\n}\n")
                .is_empty()
        );
        assert!(check("crates/pcmflow-io/src/lib.rs", "pub fn a() {}").is_empty());
    }
}
