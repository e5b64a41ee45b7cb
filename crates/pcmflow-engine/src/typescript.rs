//! The shapes of the snapshot and of the events as TypeScript: `web/src/generated.ts` is what is made here, or this test fails.
//!
//! `PCMFLOW_RENEW=1 cargo test -p pcmflow-engine typescript` writes the file anew.

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use crate::event::types::ALL;
use crate::event::{EventType, Show};
use crate::metrics::Snapshot;
use pcmflow_core::ledger::LossCause;
use std::collections::BTreeMap;
use std::fmt::Write;
use ts_rs::{Config, TS, TypeVisitor};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/src/generated.ts");

const HEAD: &str = "\
// Made by `PCMFLOW_RENEW=1 cargo test -p pcmflow-engine typescript`; a test fails while it is out of date. Not to be edited.

/* What the engine tells about itself. Numbers are integers, with their unit in the name; `ppm` are parts per million. */
";

/// Declarations by name: in which order a type names those that it needs is not said.
struct Declarations {
    config: Config,
    texts: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // What has no file of its own is no type of ours: numbers, texts, lists.
        if T::output_path().is_none() {
            return;
        }
        let name = T::ident(&self.config);
        if self.texts.contains_key(&name) {
            return;
        }
        // Of the words about a type, those before its example.
        let docs = T::docs().unwrap_or_default();
        let words = docs.lines().map(|line| line.trim_start_matches(['/', '*', ' ']).trim_end());
        let words: Vec<_> =
            words.skip_while(|line| line.is_empty()).take_while(|line| !line.starts_with("```")).collect();
        let words = words.join(" ");
        let about = match words.trim() {
            "" => String::new(),
            words => format!("/** {words} */\n"),
        };
        self.texts.insert(name, format!("\n{about}export {}", laid_out(&T::decl(&self.config))));
        T::visit_dependencies(self);
    }
}

/// `[`Meter`](super::Meter)` is `Meter` where there is nothing to follow.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find("[`") {
        let (before, from) = rest.split_at(begin);
        plain += before;
        let Some((name, after)) = from[1..].split_once(']') else { break };
        plain += name;
        rest = match after.strip_prefix('(') {
            Some(target) => target.split_once(')').map_or("", |(_, after)| after),
            None => after,
        };
    }
    plain + rest
}

/// Fields stand below each other, each behind the words about it, which come as lines of their own.
fn laid_out(declaration: &str) -> String {
    let mut text = String::new();
    let mut words: Option<Vec<&str>> = None;
    for line in declaration.lines().map(str::trim) {
        match (&mut words, line) {
            (None, "/**") => words = Some(Vec::new()),
            (Some(about), "*/") => {
                text += &format!("    /** {} */\n", about.join(" "));
                words = None;
            }
            (Some(about), _) => about.push(line.trim_start_matches('*').trim()),
            (None, _) if text.is_empty() => text += &format!("{line}\n"),
            (None, _) => text += &format!("    {line}\n"),
        }
    }
    if text.lines().count() == 1 { text } else { text.replace(", };\n", ",\n};\n") }
}

fn union<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" | ")
}

/// How a field of an event is written in JSON.
fn field(show: Show) -> String {
    match show {
        Show::Number => "number".to_owned(),
        Show::Flag => "boolean".to_owned(),
        Show::Name => "string".to_owned(),
        Show::Word(of) => {
            // A word of no value is some value's: all there are come before the first that came already.
            let mut words: Vec<&str> = Vec::new();
            for word in (0..).map(of) {
                if words.contains(&word) {
                    break;
                }
                words.push(word);
            }
            union(words)
        }
    }
}

/// `GapOpened` is `gap_opened`, as events are named outside of Rust.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

fn event(of: &EventType) -> String {
    let fields: Vec<_> =
        of.fields().iter().map(|each| format!("{}: {}", each.name, field(each.show))).collect();
    format!("    /** {}. */\n    {}: {{ {} }},\n", of.priority(), snake_case(of.name()), fields.join(", "))
}

fn generated() -> String {
    let config = Config::new().with_large_int("number");
    let mut declared = Declarations { config, texts: BTreeMap::new() };
    declared.visit::<Snapshot>();
    let mut text = HEAD.to_owned() + &without_links(&declared.texts.into_values().collect::<String>());
    let causes = union(LossCause::ALL.iter().map(|cause| cause.name()));
    write!(text, "\n/** Why frames were lost. */\nexport type LossCause = {causes};\n").unwrap();
    text += "\n/** Lost frames, by cause; none stands for a cause by which nothing was lost. */\n";
    text += "export type Losses = { [key in LossCause]?: number };\n";
    text += "\n/** The events of the engine, by name, each with its fields; before it stands how urgent it is. */\n";
    text += "export interface EventFields {\n";
    text.extend(ALL.iter().map(|each| event(each)));
    text += "}\n\n/** The name of an event. */\nexport type EventName = keyof EventFields;\n";
    text
}

#[test]
fn the_committed_file_is_what_the_types_are() {
    let now = generated();
    if std::env::var_os("PCMFLOW_RENEW").is_some() {
        std::fs::write(FILE, &now).unwrap();
    }
    let committed = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        committed.replace("\r\n", "\n") == now,
        "web/src/generated.ts is out of date: PCMFLOW_RENEW=1 cargo test -p pcmflow-engine typescript"
    );
}

#[test]
fn words_links_and_names_are_told_as_they_are() {
    assert_eq!(without_links("a [`B`](c::B), [`D`] and [x]"), "a `B`, `D` and [x]");
    assert_eq!(snake_case("JsGcPressure"), "js_gc_pressure");
    let text = generated();
    // Every word of a field, and no number that would be a BigInt.
    assert!(text.contains("cause: \"overflow\" | \"deadline\" | \"corrupt\" | \"dead_module\" | "), "{text}");
    assert!(!text.contains("bigint") && text.contains("uptime_ns: number"), "{text}");
}
