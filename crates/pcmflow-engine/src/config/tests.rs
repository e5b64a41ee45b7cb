//! The configuration as a whole.

use super::relations::{BELOW, RULES};
use super::*;
use crate::pressure;
use pcmflow_core::pool::ClassConfig;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn toml(text: &str) -> Sources {
    Sources { toml: text.into(), ..Sources::default() }
}

fn environment(pairs: &[(&str, &str)]) -> Sources {
    let environment = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Sources { environment, ..Sources::default() }
}

fn flags(flags: &[&str]) -> Sources {
    Sources { flags: flags.iter().map(|flag| (*flag).into()).collect(), ..Sources::default() }
}

fn told(sources: &Sources) -> String {
    Config::load(sources).map(|config| config.show()).unwrap_err().to_string()
}

#[test]
fn the_definition_is_right_by_itself() {
    let names: BTreeSet<_> = Config::schema().iter().map(|key| key.name).collect();
    assert_eq!(names.len(), Config::schema().len(), "each key once");
    let config = Config::default();
    assert!(relations::broken(&config, &[]).is_empty(), "defaults go together");
    for key in Config::schema() {
        let value = key.default_value();
        assert!(key.allowed.allows(&value), "{} is {value} by default", key.name);
        assert!((key.set)(&mut config.clone(), &value), "{} takes its default", key.name);
        assert!(key.doc.len() > 5 && key.doc.ends_with('.'), "{}: {}", key.name, key.doc);
        // What is allowed can be held, or the limits would be those of the type, which nobody is told.
        if let Allowed::Number { min, max } = key.allowed {
            for number in [min, max] {
                let mut config = config.clone();
                assert!((key.set)(&mut config, &Value::Number(number)), "{} can't hold {number}", key.name);
                assert_eq!(config.get(key.name), Some(Value::Number(number)));
            }
        }
        if let Allowed::Word { words } = key.allowed {
            for word in words {
                assert!((key.set)(&mut config.clone(), &Value::Word((*word).into())), "{} {word}", key.name);
            }
        }
    }
    for name in BELOW.iter().flat_map(|(lower, _, upper)| [lower, upper]) {
        assert!(names.contains(name), "{name}");
    }
    for name in RULES.iter().flat_map(|(name, others, _)| others.iter().chain([name])) {
        assert!(names.contains(name), "{name}");
    }
}

#[test]
fn defaults_are_the_specified_ones() {
    let config = Config::default();
    assert_eq!((config.audio.sample_rate_hz, config.audio.block_frames), (48_000, 1024));
    assert_eq!((config.flow.pressure_on_percent, config.flow.pressure_off_percent), (90, 70));
    let (pool, specified) = (config.memory.pool(), pcmflow_core::pool::PoolConfig::default());
    assert_eq!((pool.budget_bytes, pool.endpoints_max), (specified.budget_bytes, specified.endpoints_max));
    assert_eq!(pool.endpoint_cache_bytes, specified.endpoint_cache_bytes);
    let shape = |class: &ClassConfig| (class.samples, class.buffers_prewarm);
    let (classes, larger) = pool.classes.split_at(specified.classes.len());
    assert!(classes.iter().map(shape).eq(specified.classes.iter().map(shape)));
    // As many as the budget holds; and larger ones, that cost nothing before they are needed.
    assert!(pool.classes.iter().all(|class| class.buffers_max == pool.budget_bytes / (class.samples * 4)));
    assert!(larger.iter().map(shape).eq((13..=22).map(|power| (1 << power, 0))));
    let bridged = pcmflow_core::pressure::PressureThresholds {
        on_percent: config.flow.pressure_on_percent,
        off_percent: config.flow.pressure_off_percent,
    };
    assert_eq!(bridged, pcmflow_core::pressure::PressureThresholds::default());
}

#[test]
fn every_error_says_what_where_and_what_is_possible() {
    for (sources, expected) in [
        (
            toml("[audio]\nblock_frame = 512"),
            "no key `audio.block_frame` (file, line 2): did you mean `audio.block_frames`?",
        ),
        (toml("\n[adio]\nchannels = 1"), "no key `adio` (file, line 2): did you mean `audio`?"),
        (toml("channels = 1"), "no key `channels` (file, line 1): did you mean `audio.channels`?"),
        (
            toml("flow.sample_ms = 1"),
            "no key `flow.sample_ms` (file, line 1): did you mean `metrics.sample_ms`?",
        ),
        (
            toml("quux = 1"),
            "no key `quux` (file, line 1): keys are `section.key`, sections are audio, memory, flow, threads, events, \
             metrics, alerts, console",
        ),
        (toml("audio = 1"), "audio is 1 (file, line 1), allowed are keys below [audio]"),
        (
            toml("[audio]\n\nchannels = \"two\" # a comment"),
            "audio.channels is \"two\" (file, line 3), allowed are 1 to 64",
        ),
        (toml("audio.channels = 65"), "audio.channels is 65 (file, line 1), allowed are 1 to 64"),
        (toml("audio.channels = -1"), "audio.channels is -1 (file, line 1), allowed are 1 to 64"),
        (toml("audio.channels.x = 1"), "audio.channels is a table (file, line 1), allowed are 1 to 64"),
        (
            toml("audio.profile = \"fast\""),
            "audio.profile is \"fast\" (file, line 1), allowed are production, development",
        ),
        (toml("console.debug = 1"), "console.debug is 1 (file, line 1), allowed are true or false"),
        (
            toml("memory.class_samples = [512, 256]"),
            "memory.class_samples is [512, 256] (file, line 1), allowed are a list of 1 to 16 ascending numbers from 16 to 16777216",
        ),
        (
            toml("[audio]\nchannels ="),
            "not TOML (file, line 2): string values must be quoted, expected literal string",
        ),
        (
            environment(&[("PCMFLOW_AUDIO__CHANNELS", "many")]),
            "audio.channels is many (environment), allowed are 1 to 64",
        ),
        (
            environment(&[("PCMFLOW_AUDIO_CHANNELS", "1")]),
            "no key `audio_channels` (environment): did you mean `audio.channels`?",
        ),
        (
            environment(&[("PCMFLOW_NOSUCH__THING", "1")]),
            "no key `nosuch.thing` (environment): keys are `section.key`, sections are audio, memory, flow, threads, events, \
             metrics, alerts, console",
        ),
        (flags(&["audio.channels"]), "the flag `audio.channels` is no `key=value`"),
        (flags(&["audio.channels="]), "audio.channels is  (flag), allowed are 1 to 64"),
        (flags(&["flow.strategi=block"]), "no key `flow.strategi` (flag): did you mean `flow.strategy`?"),
        (
            flags(&["flow.pressure_off_percent=90"]),
            "flow.pressure_off_percent is 90 (flag): it must be below flow.pressure_on_percent, 90",
        ),
        (
            flags(&["memory.class_buffers_max=31"]),
            "memory.class_buffers_prewarm is 32 (default): it must be at most memory.class_buffers_max, 31",
        ),
        (
            flags(&["audio.block_frames=512"]),
            "audio.block_frames is 512 (flag): a block of 512 frames is not allowed by the profile production: it \
             takes 1024 only (--profile development allows 256 to 2048)",
        ),
        (
            // That 512 frames do not fit the default profile only follows.
            flags(&["audio.profile=developmnt", "audio.block_frames=512"]),
            "audio.profile is developmnt (flag), allowed are production, development",
        ),
        (flags(&["audio.ring_ms=42"]), "audio.ring_ms is 42 (flag): it must hold two blocks, 43 ms"),
    ] {
        assert_eq!(told(&sources), expected, "{sources:?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_nothing_that_only_follows() {
    let sources = Sources {
        toml: "[audio]\nchannels = 0\nblok_frames = 1\n[flow]\npressure_off_percent = 100\npriority = low\nlatency_ms_max = 0".into(),
        environment: vec![("PCMFLOW_EVENTS__HIGH_RECORDS".into(), "1".into())],
        flags: vec!["nothing".into(), "alerts.score_on=80".into()],
    };
    let Err(ConfigErrors { errors }) = Config::load(&sources) else { panic!("all wrong") };
    let mut about: Vec<_> = errors
        .iter()
        .map(|error| match error {
            ConfigError::Syntax { .. } => "syntax",
            ConfigError::Flag { .. } => "flag",
            ConfigError::UnknownKey { .. } => "unknown",
            ConfigError::Value { key, .. } | ConfigError::Relation { key, .. } => *key,
            other => panic!("{other}"),
        })
        .collect();
    about.sort_unstable();
    // That the pressure ends above its beginning is no error of its own: the value was refused.
    let expected = [
        "alerts.score_on",
        "audio.channels",
        "events.high_records",
        "flag",
        "flow.latency_ms_max",
        "flow.pressure_off_percent",
        "syntax",
        "unknown",
    ];
    assert_eq!(about, expected, "{errors:#?}");
    assert_eq!(told(&sources).lines().count(), expected.len());
}

#[test]
fn the_environment_is_read_as_documented() {
    let config = Config::load(&environment(&[
        ("HOME", "x"),
        ("PCMFLOW_CORPUS", "a directory, and no key"),
        ("PCMFLOW_FLOW__STRATEGY", "block"),
        ("pcmflow_console__debug", " true "),
        ("PCMFLOW_MEMORY__CLASS_SAMPLES", "512, 2048"),
        ("PCMFLOW_MEMORY__BUDGET_BYTES", "0x10_0000"),
    ]));
    let config = config.unwrap();
    assert_eq!((config.flow.strategy, config.console.debug), (pressure::Strategy::Block, true));
    assert_eq!((config.memory.class_samples, config.memory.budget_bytes), (vec![512, 2048], 1 << 20));
}

#[test]
fn the_template_is_the_defaults_and_shows_every_key() {
    let template = Config::template();
    assert!(Config::load(&toml(&template)).unwrap().differences(&Config::default()).is_empty());
    // Without the signs before the keys it sets every one.
    let uncommented: String = template
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let config = Config::load(&toml(&uncommented)).unwrap();
    assert!(config.differences(&Config::default()).is_empty());
    assert_eq!(config.origins.len(), Config::schema().len());
}

#[test]
fn tree_and_schema_are_data_too() {
    let json = serde_json::to_value(Config::default()).unwrap();
    assert_eq!(json["audio"]["overflow"], "drop-newest");
    assert_eq!(json["memory"]["class_samples"], serde_json::json!([256, 512, 1024, 2048, 4096]));
    let schema = serde_json::to_value(Config::schema()).unwrap();
    assert_eq!(
        schema[0],
        serde_json::json!({
            "name": "audio.sample_rate_hz", "default": 48_000, "allowed": "1000 to 768000", "live": false,
            "doc": "Frames a second of what does not say so itself, as raw PCM."
        })
    );
}

/// Keys that can be set to anything allowed without breaking a relation.
fn setting() -> impl Strategy<Value = (&'static str, u64)> {
    prop_oneof![
        (Just("audio.channels"), 1..=64u64),
        (Just("flow.latency_ms_max"), 1..=10_000u64),
        (Just("events.high_records"), 16..=65_536u64),
        (Just("alerts.hold_ms"), 0..=600_000u64),
    ]
}

proptest! {
    #[test]
    fn layers_lie_over_each_other_as_in_a_naive_model(
        file in prop::collection::btree_map(0..4usize, 16..64u64, 0..4),
        environment in prop::collection::vec(setting(), 0..6),
        flags in prop::collection::vec(setting(), 0..6),
    ) {
        let keys = ["audio.channels", "flow.latency_ms_max", "events.high_records", "alerts.hold_ms"];
        let mut model: BTreeMap<&str, (u64, Origin)> = BTreeMap::new();
        let mut sources = Sources::default();
        for (line, (&key, &value)) in file.iter().enumerate() {
            sources.toml += &format!("{} = {value}\n", keys[key]);
            model.insert(keys[key], (value, Origin::File { line: line + 1 }));
        }
        for &(key, value) in &environment {
            let name = format!("PCMFLOW_{}", key.replace('.', "__").to_uppercase());
            sources.environment.push((name, value.to_string()));
            model.insert(key, (value, Origin::Environment));
        }
        for &(key, value) in &flags {
            sources.flags.push(format!("{key}={value}"));
            model.insert(key, (value, Origin::Flag));
        }
        let config = Config::load(&sources).unwrap();
        for key in Config::schema() {
            let expected = model.get(key.name).map_or_else(
                || (key.default_value(), Origin::Default),
                |&(value, origin)| (Value::Number(value), origin),
            );
            prop_assert_eq!((config.get(key.name).unwrap(), config.origin(key.name)), expected, "{}", key.name);
        }
        // And what is shown is what is in force.
        let again = Config::load(&toml(&config.show())).unwrap();
        prop_assert!(again.differences(&config).is_empty());
    }

    #[test]
    fn no_text_panics_and_every_refusal_says_something(text in any_text(), name in ".{0,20}", value in ".{0,20}") {
        let sources = Sources {
            toml: text.clone(),
            environment: vec![(format!("PCMFLOW_{name}"), value.clone())],
            flags: vec![name, value],
        };
        for sources in [sources, toml(&text)] {
            match Config::load(&sources) {
                Ok(config) => prop_assert!(relations::broken(&config, &[]).is_empty()),
                Err(errors) => {
                    prop_assert!(!errors.errors.is_empty());
                    let printed = errors.to_string();
                    prop_assert!(printed.lines().all(|line| !line.chars().any(char::is_control)), "{:?}", printed);
                }
            }
        }
    }
}

/// Noise, and a good file with holes in it.
fn any_text() -> impl Strategy<Value = String> {
    let whole: String = Config::default().show();
    let holed = prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]\"'=.#\n\\-a0{}]{0,3}"), 0..6);
    let holed = holed.prop_map(move |holes| {
        let mut text: Vec<char> = whole.chars().collect();
        for (at, noise) in holes {
            let at = at.index(text.len());
            text.splice(at..(at + 1).min(text.len()), noise.chars());
        }
        text.into_iter().collect()
    });
    prop_oneof![any::<String>(), "[\\[\\]\"'=.#\na-c0-9{}, \\\\]{0,60}", holed]
}

/// A user that remembers what it saw, and objects on demand.
#[derive(Default)]
struct Watcher {
    objects: bool,
    looked: u32,
    keys: Vec<Vec<&'static str>>,
}

impl ConfigUsers for Watcher {
    fn validate(&mut self, _: &Config) -> Vec<ConfigError> {
        self.looked += 1;
        let refused = ConfigError::Refused { module: "watcher".into(), reason: "not now".into() };
        if self.objects { vec![refused] } else { Vec::new() }
    }
    fn changed(&mut self, change: &ConfigChange) {
        self.keys.push(change.keys.clone());
    }
}

#[test]
fn a_change_applies_as_a_whole_or_not_at_all() {
    let store = ConfigStore::new(Config::default());
    let before = store.current();
    let mut watcher = Watcher::default();
    for (patch, expected) in [
        (
            [("flow.strategy", "block"), ("metrics.sample_ms", "0")],
            "metrics.sample_ms is 0 (run time), allowed are 10 to 1000",
        ),
        (
            [("flow.strategy", "block"), ("audio.channels", "2")],
            "audio.channels can't change from 1 to 2 while running: set it before the start",
        ),
        (
            [("flow.strategy", "block"), ("alerts.latency_ms_on", "20")],
            "alerts.latency_ms_off is 20 (default): it must be below alerts.latency_ms_on, 20",
        ),
        (
            [("flow.strategy", "block"), ("flow.latency", "1")],
            "no key `flow.latency` (run time): keys are `section.key`, sections are audio, memory, flow, threads, events, \
             metrics, alerts, console",
        ),
    ] {
        assert_eq!(store.change(&patch, &mut watcher).unwrap_err().to_string(), expected);
        assert!(Arc::ptr_eq(&before, &store.current()), "{expected}");
    }
    assert_eq!(watcher.looked, 0, "nobody is bothered with what is wrong by itself");
    watcher.objects = true;
    let refused = store.change(&[("flow.strategy", "block"), ("alerts.hold_ms", "5")], &mut watcher);
    assert_eq!(refused.unwrap_err().to_string(), "the module watcher refuses the change: not now");
    assert!(Arc::ptr_eq(&before, &store.current()) && watcher.keys.is_empty());

    watcher.objects = false;
    let patch = [("flow.strategy", "\"block\""), ("alerts.hold_ms", "5"), ("audio.channels", "1")];
    let change = store.change(&patch, &mut watcher).unwrap();
    assert_eq!(change.keys, ["flow.strategy", "alerts.hold_ms"]);
    assert_eq!(watcher.keys, [change.keys]);
    let after = store.current();
    assert!(Arc::ptr_eq(&after, &change.config));
    assert_eq!(
        (before.flow.strategy, after.flow.strategy),
        (pressure::Strategy::Adaptive, pressure::Strategy::Block)
    );
    assert_eq!(after.origin("alerts.hold_ms"), Origin::Change);
    assert_eq!(after.origin("audio.channels"), Origin::Default, "it was 1 already");

    let looked = watcher.looked;
    assert!(store.change(&[("flow.strategy", "block")], &mut watcher).unwrap().keys.is_empty());
    assert_eq!((watcher.looked, Arc::ptr_eq(&after, &store.current())), (looked, true), "nothing to change");
}

#[test]
fn a_change_within_a_change_is_told_to_try_again() {
    struct Nested<'a>(&'a ConfigStore, Vec<String>);
    impl ConfigUsers for Nested<'_> {
        fn validate(&mut self, _: &Config) -> Vec<ConfigError> {
            Vec::new()
        }
        fn changed(&mut self, _: &ConfigChange) {
            let nested = self.0.change(&[("alerts.hold_ms", "6")], &mut ());
            self.1.push(nested.unwrap_err().to_string());
            assert_eq!(self.0.current().alerts.hold_ms, 5, "it is in force when they hear of it");
        }
    }
    let store = ConfigStore::new(Config::default());
    let mut nested = Nested(&store, Vec::new());
    store.change(&[("alerts.hold_ms", "5")], &mut nested).unwrap();
    assert_eq!(nested.1, ["another change of the configuration is under way: try again"]);
    store.change(&[("alerts.hold_ms", "6")], &mut ()).unwrap();
}

#[test]
fn a_user_that_panics_leaves_the_store_usable() {
    struct Panics;
    impl ConfigUsers for Panics {
        fn validate(&mut self, _: &Config) -> Vec<ConfigError> {
            panic!("on purpose")
        }
        fn changed(&mut self, _: &ConfigChange) {}
    }
    let store = ConfigStore::new(Config::default());
    let panicking = || store.change(&[("alerts.hold_ms", "5")], &mut Panics);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panicking)).is_err());
    assert_eq!(store.current().alerts.hold_ms, 1000);
    store.change(&[("alerts.hold_ms", "5")], &mut ()).unwrap();
    assert_eq!(store.current().alerts.hold_ms, 5);
}
