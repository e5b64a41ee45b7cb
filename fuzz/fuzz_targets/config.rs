//! Any text as a configuration, as a whole and line by line as environment, flags and changes: what is accepted shows itself so
//! that it can be loaded again, and every refusal says something.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pcmflow_engine::config::{Config, ConfigStore, Sources};

fuzz_target!(|text: &str| {
    let flags = || text.lines().map(str::to_owned).collect();
    let pairs: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let variable = |&(name, value): &(&str, &str)| {
        (format!("PCMFLOW_{}", name.trim().replace('.', "__").to_uppercase()), value.to_owned())
    };
    for sources in [
        Sources { toml: text.to_owned(), ..Sources::default() },
        Sources { environment: pairs.iter().map(variable).collect(), ..Sources::default() },
        Sources { flags: flags(), ..Sources::default() },
        Sources { toml: text.to_owned(), environment: pairs.iter().map(variable).collect(), flags: flags() },
    ] {
        match Config::load(&sources) {
            Ok(config) => {
                let shown = Sources { toml: config.show(), ..Sources::default() };
                let again = Config::load(&shown).expect("what is in force can be loaded");
                assert!(again.differences(&config).is_empty(), "{shown:?}");
            }
            Err(errors) => assert!(!errors.errors.is_empty() && !errors.to_string().is_empty()),
        }
    }
    let store = ConfigStore::new(Config::default());
    let before = store.current();
    let changed = store.change(&pairs, &mut ()).is_ok_and(|change| !change.keys.is_empty());
    assert_eq!(changed, !before.differences(&store.current()).is_empty());
});
