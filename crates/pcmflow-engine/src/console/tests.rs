//! The console as a whole.

use super::words::Argument;
use super::*;
use crate::config::{Config, ConfigStore};
use proptest::prelude::*;

/// Says what it was asked.
struct Echo;

impl Console for Echo {
    fn execute(&mut self, command: Command) -> Answer {
        Answer::done(format!("{command:?}"))
    }
}

#[test]
fn lines_become_commands() {
    let name = || "mic".to_owned();
    for (line, expected) in [
        ("buffer-status", Command::BufferStatus),
        ("  buffer-metrics\t", Command::BufferMetrics),
        ("buffer-reset\r\n", Command::BufferReset),
        ("buffer-debug on", Command::BufferDebug(true)),
        ("buffer-debug   off", Command::BufferDebug(false)),
        ("help", Command::Help(None)),
        ("help pool", Command::Help(Some("pool".into()))),
        ("input start mic", Command::InputStart(name())),
        ("input stop mic", Command::InputStop(name())),
        ("pipeline list", Command::PipelineList),
        ("pipeline start mic", Command::PipelineStart(name())),
        ("pipeline stop mic", Command::PipelineStop(name())),
        ("pipeline remove mic", Command::PipelineRemove(name())),
        ("pool status", Command::PoolStatus),
        ("pool trim", Command::PoolTrim),
        ("pool clear", Command::PoolClear),
        ("events", Command::EventsStatus),
        ("events status", Command::EventsStatus),
        ("events on", Command::Events(true)),
        ("events off", Command::Events(false)),
        ("config show", Command::ConfigShow),
        ("config get flow.strategy", Command::ConfigGet("flow.strategy".into())),
        ("config set a.b  1,  2 ", Command::ConfigSet { key: "a.b".into(), value: "1,  2".into() }),
    ] {
        assert_eq!(Command::parse(line), Ok(expected), "{line:?}");
    }
}

#[test]
fn every_error_names_the_word_and_what_is_possible() {
    for (line, expected) in [
        ("", "the line is empty: `help` tells the words"),
        (" \t\n", "the line is empty: `help` tells the words"),
        ("buffer-satus", "no word `buffer-satus`: did you mean `buffer-status`?"),
        ("POOL status", "no word `POOL`: did you mean `pool`?"),
        (
            "xyzzy\u{7}",
            "no word `xyzzy\\u{7}`: possible are buffer-status, buffer-metrics, buffer-reset, buffer-debug, input, \
             pipeline, pool, events, config, help",
        ),
        ("pool stats", "no word `stats` after `pool`: did you mean `status`?"),
        ("pool quux", "no word `quux` after `pool`: possible are status, trim, clear"),
        ("events maybe", "no word `maybe` after `events`: possible are on, off, status"),
        ("buffer-debug", "`buffer-debug` needs on, off"),
        ("input start", "`input start` needs NAME"),
        ("config set", "`config set` needs KEY VALUE"),
        ("config set a.b", "`config set a.b` needs VALUE"),
        ("buffer-status now", "`buffer-status` takes nothing more, but there is `now`"),
        ("input start a b", "`input start a` takes nothing more, but there is `b`"),
        ("pool trim all", "`pool trim` takes nothing more, but there is `all`"),
        ("help a b", "`help a` takes nothing more, but there is `b`"),
    ] {
        assert_eq!(Command::parse(line).unwrap_err().to_string(), expected, "{line:?}");
        let answer = answer(line, &mut Echo);
        assert_eq!((answer.ok, &answer.text[..]), (false, expected));
    }
    let long = vec![b'a'; LINE_BYTES_MAX + 1];
    assert_eq!(
        Command::parse(&long).unwrap_err().to_string(),
        "the line is 1025 bytes long, at most 1024 are possible"
    );
    assert!(matches!(Command::parse(&long[1..]), Err(CommandError::Unknown { .. })));
    assert_eq!(Command::parse(b"help \xff").unwrap_err().to_string(), "the line is no UTF-8 text");
}

#[test]
fn help_tells_every_row_and_those_of_a_word() {
    let all = answer("help", &mut Echo).to_string();
    assert_eq!(all.lines().count(), WORDS.len() + 1);
    for row in WORDS {
        assert!(all.contains(&row.usage()) && all.contains(row.help), "{}", row.usage());
    }
    assert_eq!(
        answer("help input", &mut Echo).to_string(),
        "words             what they do\ninput start NAME  starts an input\ninput stop NAME   stops it\n"
    );
    assert_eq!(answer("help inptu", &mut Echo).to_string(), "no word `inptu`: did you mean `input`?\n");
    assert_eq!(answer("pool trim", &mut Echo).text, "PoolTrim");
}

#[test]
fn every_row_can_be_reached_by_completing_and_makes_a_command() {
    for row in WORDS {
        let mut line = String::new();
        for word in row.path {
            let completed = complete(&format!("{line}{}", &word[..word.len() - 1]));
            line = format!("{line}{word}");
            assert!(completed.contains(&line), "{completed:?} for {}", row.usage());
            line.push(' ');
        }
        for argument in row.arguments {
            line += match argument {
                Argument::Name => "mic ",
                Argument::Word => "help ",
                Argument::Key => "flow.priority ",
                Argument::Value => "high ",
            };
        }
        assert!(Command::parse(&line).is_ok(), "{line}");
    }
}

#[test]
fn completion_knows_words_keys_and_values() {
    for (prefix, expected) in [
        ("buffer-", &["buffer-debug", "buffer-metrics", "buffer-reset", "buffer-status"][..]),
        ("ev", &["events"]),
        ("events o", &["events off", "events on"]),
        ("  pool   t", &["pool trim"]),
        ("help po", &["help pool"]),
        ("config get audio.ch", &["config get audio.channels"]),
        ("config set console.debug ", &["config set console.debug false", "config set console.debug true"]),
        ("config set flow.priority c", &["config set flow.priority critical"]),
        ("config set flow.latency_ms_max ", &[]),
        ("input start ", &[]),
        ("buffer-status ", &[]),
        ("nonsense ", &[]),
    ] {
        assert_eq!(complete(prefix), expected, "{prefix:?}");
    }
    assert_eq!(complete("").len(), first_words().len());
    assert_eq!(complete("config get ").len(), Config::schema().len());
    assert_eq!(complete(&" ".repeat(LINE_BYTES_MAX + 1)), [""; 0]);
}

#[test]
fn tables_are_aligned_and_the_same_as_data() {
    let mut table = Table::new(["name", "frames", "late"]);
    table.row([Cell::from("größe\n"), Cell::from(7), Cell::from(true)]);
    table.row([Cell::from("b"), Cell::from(1.5), Cell::from(false), Cell::from("nobody sees it")]);
    table.row([Cell::from("c")]);
    table.row([Cell::from("d"), Cell::from(f64::NAN), Cell::from("x")]);
    let mut answer = Answer::table(table);
    answer.text = "four".into();
    let expected = "four\n\
                    name     frames  late\n\
                    größe\\n       7  true\n\
                    b           1.5  false\n\
                    c             -  -\n\
                    d             -  x\n";
    assert_eq!(answer.to_string(), expected);
    assert_eq!(
        answer.to_json(),
        r#"{"ok":true,"text":"four","rows":[{"name":"größe\n","frames":7,"late":true},{"name":"b","frames":1.5,"late":false},{"name":"c","frames":null,"late":null},{"name":"d","frames":null,"late":"x"}]}"#
    );
    assert_eq!(Answer::table(Table::new(["a", "b"])).to_string(), "a  b\n");
}

/// A console that knows the configuration only, as every console does.
struct Configured(ConfigStore);

impl Console for Configured {
    fn execute(&mut self, command: Command) -> Answer {
        configure(&command, &self.0, &mut ()).unwrap_or_else(|| Answer::refused("not here"))
    }
}

#[test]
fn the_configuration_is_shown_and_changed() {
    let mut console = Configured(ConfigStore::new(Config::default()));
    let shown = answer("config show", &mut console);
    assert_eq!(shown.to_string().lines().count(), Config::schema().len() + 1);
    for (line, expected) in [
        ("config set metrics.sample_ms 50", "metrics.sample_ms is 50\n"),
        ("config set metrics.sample_ms  50", "metrics.sample_ms is 50 already\n"),
        ("config set flow.strategy block", "flow.strategy is \"block\"\n"),
        (
            "config set audio.channels 2",
            "audio.channels can't change from 1 to 2 while running: set it before the start\n",
        ),
        ("config get flow.priorty", "no key `flow.priorty` (run time): did you mean `flow.priority`?\n"),
        (
            "config get flow.priority",
            "key            value  from     allowed                 live   meaning\n\
             flow.priority  high   default  critical, high, normal  false  Who is served first.\n",
        ),
        ("pool trim", "not here\n"),
    ] {
        assert_eq!(answer(line, &mut console).to_string(), expected, "{line}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&answer("config show", &mut console).to_json()).unwrap();
    let classes =
        json["rows"].as_array().unwrap().iter().find(|row| row["key"] == "memory.class_samples").unwrap();
    assert_eq!(classes["value"], serde_json::json!([256, 512, 1024, 2048, 4096]));
}

/// Lines of words that mean something, and of others.
fn line() -> impl Strategy<Value = String> {
    let known: Vec<&str> =
        WORDS.iter().flat_map(|row| row.path).copied().chain(["flow.priority", "x"]).collect();
    let word = prop_oneof![4 => prop::sample::select(known).prop_map(str::to_owned), 1 => "\\PC{0,6}"];
    prop::collection::vec((word, "[ \t]{1,2}"), 0..5)
        .prop_map(|words| words.into_iter().flat_map(|(word, space)| [word, space]).collect())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let answer = answer(&bytes, &mut Echo);
        prop_assert!(!answer.text.is_empty() || answer.table.is_some());
        complete(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_line_is_a_command_exactly_if_it_fits_a_row(line in line()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // The table read the slow way: some row has these words and as many arguments.
        let fits = WORDS.iter().any(|row| {
            let path = row.path.len();
            let enough = if row.arguments.contains(&Argument::Value) {
                words.len() >= path + row.arguments.len()
            } else {
                words.len() == path + row.arguments.len()
            };
            enough && (0..path).all(|index| words[index] == row.path[index])
        });
        let parsed = Command::parse(&line);
        prop_assert_eq!(parsed.is_ok(), fits, "{:?}", parsed);
        if let Err(error) = parsed {
            prop_assert!(!error.to_string().chars().any(char::is_control));
        }
    }

    #[test]
    fn completing_only_adds_to_what_was_typed(line in line(), cut in any::<prop::sample::Index>()) {
        let ends: Vec<usize> = line.char_indices().map(|(at, _)| at).chain([line.len()]).collect();
        let prefix = &line[..ends[cut.index(ends.len())]];
        let mut typed = prefix.split_whitespace().collect::<Vec<_>>().join(" ");
        if prefix.ends_with(char::is_whitespace) && !typed.is_empty() {
            typed.push(' ');
        }
        for completed in complete(prefix) {
            prop_assert!(completed.starts_with(&typed), "{:?} of {:?}", completed, prefix);
        }
    }
}
