//! Every public type of `pcmflow-core` and `pcmflow-engine` has an example in its documentation, and the example asserts something.
//!
//! Looked at as text: `pub struct`, `pub enum` and `pub trait` at the start of a line, outside a test module that stands at the
//! file's foot. (One that is a file of its own may be declared anywhere.)

use super::Complaint;

/// Public to loom's models only.
const FOR_MODELS: &[&str] = &[
    "crates/pcmflow-core/src/chunk/slots.rs",
    "crates/pcmflow-engine/src/flow/link/wait.rs",
    "crates/pcmflow-engine/src/task/ready.rs",
];

/// The crates that are looked at.
const HELD: &[&str] = &["crates/pcmflow-core/src/", "crates/pcmflow-engine/src/"];

pub(super) fn check(path: &str, text: &str) -> Vec<Complaint> {
    let held = HELD.iter().any(|place| path.starts_with(place));
    if !held || !path.ends_with(".rs") || FOR_MODELS.contains(&path) {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    let mut documentation = String::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        if line.starts_with("#[cfg(test)]") && lines.peek().is_some_and(|(_, next)| next.ends_with('{')) {
            break;
        }
        if line.starts_with("///") {
            documentation += line;
        } else if let Some(name) = public_type(line) {
            let found = match (documentation.contains("```"), documentation.contains("assert")) {
                (true, true) => None,
                (true, false) => Some("an example that asserts nothing"),
                (false, _) => Some("no example"),
            };
            if let Some(found) = found {
                complaints.push(Complaint { line: index + 1, what: format!("`{name}` has {found}") });
            }
            documentation.clear();
        } else if !line.starts_with("#[") && !line.starts_with("    ") && !line.starts_with(")]") {
            documentation.clear();
        }
    }
    complaints
}

/// The name of the public type that `line` begins, if it does.
fn public_type(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let rest = rest.strip_prefix("unsafe ").unwrap_or(rest);
    let name = ["struct ", "enum ", "trait "].iter().find_map(|word| rest.strip_prefix(word))?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        check("crates/pcmflow-core/src/ring.rs", text).into_iter().map(|complaint| complaint.what).collect()
    }

    #[test]
    fn types_without_an_example_that_asserts_trip() {
        let text = "/// ```\n/// assert!(true);\n/// ```\n#[derive(\n    Debug\n)]\npub struct A<T>(T);\n\
                    /// Words.\npub enum B {}\n/// ```\n/// let x = 1;\n/// ```\npub unsafe trait C: D {}\n";
        assert_eq!(complaints(text), ["`B` has no example", "`C` has an example that asserts nothing"]);
    }

    #[test]
    fn an_example_counts_for_the_next_item_only() {
        let text = "/// ```\n/// assert!(true);\n/// ```\npub fn f() {}\npub struct A;\n";
        assert_eq!(complaints(text), ["`A` has no example"]);
    }

    #[test]
    fn what_follows_the_declaration_of_a_test_file_is_looked_at() {
        assert_eq!(complaints("#[cfg(test)]\nmod tests;\n\npub struct A;\n"), ["`A` has no example"]);
    }

    #[test]
    fn private_types_tests_and_other_crates_are_free() {
        assert!(
            complaints("struct A;\npub(crate) struct B;\n#[cfg(test)]\nmod tests {\n}\npub struct C;\n")
                .is_empty()
        );
        assert!(check("crates/pcmflow-io/src/lib.rs", "pub struct A;").is_empty());
    }
}
