//! The public functions of a source file and their real-time lines, read as text.
//!
//! Leans on rustfmt: what an `impl`, a trait or a module holds stands between its first line and the `}` with the same
//! indentation.

/// A function that somebody outside can call, or a method of a trait that a type implements.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Counted from 1.
    pub(crate) line: usize,
    /// Module, type and name: `ring::producer::Producer::push`.
    pub(crate) path: String,
    /// Its real-time line, `RT-safe: …` or `Not RT-safe: …`, up to the end of the line.
    pub(crate) contract: Option<String>,
    /// It stands in `impl Trait for Type`, where the trait's documentation holds and a line of its own is optional.
    pub(crate) of_trait: bool,
}

impl Function {
    /// Whether it says that an audio thread may call it.
    pub(crate) fn claims(&self) -> bool {
        self.contract.as_ref().is_some_and(|line| line.starts_with("RT-safe"))
    }

    /// The last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or(&self.path)
    }

    /// Whether `name` (`push`, `Producer::push`, `producer::Producer::push` …) means this function.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.path.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with("::"))
    }
}

/// What a block of the file is.
#[derive(Debug)]
struct Place {
    indent: usize,
    /// What stands before the names of its functions.
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Module,
    Inherent,
    TraitImpl,
    PublicTrait,
    /// Of tests, or of a private trait.
    Hidden,
}

/// The functions of the file at `path`, `crates/NAME/src/….rs`; none of a file that is public to the model checker only.
pub(crate) fn functions(path: &str, text: &str) -> Vec<Function> {
    if text.contains("#![cfg_attr(not(pcmflow_loom), allow(unreachable_pub") {
        return Vec::new();
    }
    let module = module_of(path);
    let mut places: Vec<Place> = Vec::new();
    let mut found = Vec::new();
    let (mut contract, mut for_tests) = (None, false);
    let mut open_attribute = false;
    for (index, whole) in text.lines().enumerate() {
        let line = whole.trim_start();
        let indent = whole.len() - line.len();
        if places.last().is_some_and(|place| place.indent == indent) && line.starts_with('}') {
            places.pop();
        }
        if let Some(doc) = line.strip_prefix("///") {
            let doc = doc.trim();
            if doc.starts_with("RT-safe") || doc.starts_with("Not RT-safe") {
                contract = Some(doc.to_owned());
            }
            continue;
        }
        if open_attribute || line.starts_with("#[") {
            // An attribute may go over several lines.
            open_attribute = !line.ends_with(']');
            for_tests |= line.starts_with("#[cfg(test)]");
            continue;
        }
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        let kind = places.last().map_or(Kind::Module, |place| place.kind);
        if let Some((name, new)) = place(line) {
            if line.ends_with('{') || !line.ends_with(['}', ';']) {
                let hidden = for_tests || kind == Kind::Hidden;
                places.push(Place { indent, name, kind: if hidden { Kind::Hidden } else { new } });
            }
        } else if let Some((name, public)) = function(line)
            && !for_tests
            && kind != Kind::Hidden
            && (public || matches!(kind, Kind::TraitImpl | Kind::PublicTrait))
        {
            let owners = places.iter().map(|place| place.name.as_str());
            let path: Vec<&str> = module.iter().map(String::as_str).chain(owners).chain([name]).collect();
            let (path, of_trait) = (path.join("::"), kind == Kind::TraitImpl);
            found.push(Function { line: index + 1, path, contract: contract.take(), of_trait });
        }
        (contract, for_tests) = (None, false);
    }
    found
}

/// `crates/pcmflow-core/src/ring/producer.rs` is `[ring, producer]`.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.split_once("/src/").map_or(path, |(_, inside)| inside).trim_end_matches(".rs");
    let parts = inside.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main"));
    parts.map(String::from).collect()
}

/// The block that `line` opens, if it opens one whose functions count.
fn place(line: &str) -> Option<(String, Kind)> {
    let unguarded = line.strip_prefix("unsafe ").unwrap_or(line);
    if let Some(rest) = unguarded.strip_prefix("impl").filter(|rest| rest.starts_with(['<', ' '])) {
        let rest = without_generics(rest);
        return Some(match rest.split_once(" for ") {
            Some((_, of)) => (type_name(of), Kind::TraitImpl),
            None => (type_name(&rest), Kind::Inherent),
        });
    }
    let (public, rest) = match line.strip_prefix("pub ") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let rest = rest.strip_prefix("unsafe ").unwrap_or(rest);
    if let Some(rest) = rest.strip_prefix("trait ") {
        return Some((type_name(rest), if public { Kind::PublicTrait } else { Kind::Hidden }));
    }
    let module = rest.strip_prefix("mod ").or_else(|| line.strip_prefix("pub(crate) mod "))?;
    Some((type_name(module), Kind::Module))
}

/// `text` without what stands between `<` and `>`; the `>` of `->` closes nothing.
fn without_generics(text: &str) -> String {
    let (mut depth, mut before, mut kept) = (0usize, ' ', String::new());
    for character in text.chars() {
        match character {
            '<' => depth += 1,
            '>' if before != '-' => depth = depth.saturating_sub(1),
            _ if depth == 0 => kept.push(character),
            _ => {}
        }
        before = character;
    }
    kept
}

/// The name at the start of `text`, paths and references taken off.
fn type_name(text: &str) -> String {
    let word = text.trim().trim_start_matches(['&', '[']).trim_start_matches("mut ");
    let end = word.find(|c: char| !(c.is_alphanumeric() || "_:$".contains(c))).unwrap_or(word.len());
    word[..end].trim_end_matches(':').rsplit("::").next().unwrap_or(word).to_owned()
}

/// The function that `line` begins, and whether it is public.
fn function(line: &str) -> Option<(&str, bool)> {
    let (public, mut rest) = match line.strip_prefix("pub ") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    for word in ["const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    Some((rest.strip_prefix("fn ")?.split(['(', '<']).next()?, public))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Option<String>, bool)> {
        let found = functions("crates/c/src/ring/producer.rs", text);
        found.into_iter().map(|f| (f.path, f.contract, f.of_trait)).collect()
    }

    #[test]
    fn methods_carry_module_and_type() {
        let text = "impl<T: Fn() -> u8> Producer<T> {\n    /// Does.\n    ///\n    /// RT-safe: so.\n    #[cfg_attr(\n        a,\n        b\n    )]\n    \
                    pub const fn push<U>(&self) {\n        fn inner() {}\n    }\n    fn private() {}\n    pub(crate) fn ours() {}\n}\n\
                    pub fn free() {}\n";
        let path = |name: &str| format!("ring::producer::{name}");
        let expected =
            [(path("Producer::push"), Some("RT-safe: so.".into()), false), (path("free"), None, false)];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn traits_and_their_implementations_are_seen_and_private_traits_are_not() {
        let text = "pub trait Shape {\n    /// Not RT-safe: allocates.\n    fn area(&self);\n}\ntrait Hidden {\n    fn no();\n}\n\
                    impl<'a, T> Drop for Slot<'a, T>\nwhere\n    T: Copy,\n{\n    /// RT-safe: yes.\n    fn drop(&mut self) {}\n}\n";
        let path = |name: &str| format!("ring::producer::{name}");
        let expected = [
            (path("Shape::area"), Some("Not RT-safe: allocates.".into()), false),
            (path("Slot::drop"), Some("RT-safe: yes.".into()), true),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn one_function_for_tests_hides_nothing_behind_it() {
        let text = "#[cfg(test)]\nmod tests;\nimpl A {\n    #[cfg(test)]\n    pub fn helper() {}\n    pub fn seen() {}\n}\n\
                    #[cfg(test)]\nmod tests {\n    impl B {\n        pub fn no() {}\n    }\n}\npub fn last() {}\n";
        let names: Vec<String> = read(text).into_iter().map(|(path, ..)| path).collect();
        assert_eq!(names, ["ring::producer::A::seen", "ring::producer::last"]);
    }

    #[test]
    fn functions_go_by_the_end_of_their_path() {
        let function = &functions("crates/c/src/a/mod.rs", "impl B {\n    pub fn c() {}\n}\n")[0];
        assert!(["c", "B::c", "a::B::c"].iter().all(|name| function.is_called(name)));
        assert!(!["C::c", "::c", "b::B::c"].iter().any(|name| function.is_called(name)));
        assert_eq!(function.name(), "c");
    }
}
