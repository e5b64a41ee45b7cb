//! Any bytes as a line of the console, answered, completed and rendered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pcmflow_engine::config::{Config, ConfigStore};
use pcmflow_engine::console::{self, Answer, Command, Console};

struct Configured(ConfigStore);

impl Console for Configured {
    fn execute(&mut self, command: Command) -> Answer {
        let other = || Answer::done(format!("{command:?}"));
        console::configure(&command, &self.0, &mut ()).unwrap_or_else(other)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut console = Configured(ConfigStore::new(Config::default()));
    let answer = console::answer(bytes, &mut console);
    assert!(!answer.to_string().is_empty());
    let json = answer.to_json();
    assert!(json.starts_with("{\"ok\":") && json.ends_with('}'), "{json}");
    if let Ok(line) = std::str::from_utf8(bytes) {
        for completed in console::complete(line) {
            assert!(completed.starts_with(line.split_whitespace().next().unwrap_or_default()), "{completed}");
        }
    }
});
