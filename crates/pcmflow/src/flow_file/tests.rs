//! Flow files: what is read of right ones, and that whatever is wrong is told where it stands.

use super::*;
use crate::engine::config::Config;
use crate::engine::flow::Missing;
use std::path::Path;

const EXAMPLES: &[(&str, &str)] = &[
    ("tuner", include_str!("../../../../examples/flows/tuner.toml")),
    ("recorder", include_str!("../../../../examples/flows/recorder.toml")),
    ("transcriber", include_str!("../../../../examples/flows/transcriber.toml")),
    ("monitor", include_str!("../../../../examples/flows/monitor.toml")),
    ("mixer", include_str!("../../../../examples/flows/mixer.toml")),
];

/// A flow that is right, for those that are not.
const SMALL: &str = "\
[[nodes]]
name = \"mic\"
kind = \"synth\"
parameters = { signal = \"sine:440,seconds=1,channels=2\" }
[[nodes]]
name = \"out\"
kind = \"wav\"
parameters = { path = \"a.wav\" }
[[pipelines]]
from = \"mic\"
to = \"out\"
";

fn parse(text: &str) -> Result<FlowFile, FlowFileErrors> {
    FlowFile::parse(text, &Config::default())
}

fn plan(text: &str) -> Result<FlowPlan, FlowFileErrors> {
    parse(text)?.plan(Path::new("nowhere"), &Config::default().audio, &mut |node, folder| node.open(folder))
}

fn told(text: &str) -> String {
    match plan(text) {
        Ok(_) => panic!("nothing is found wrong with:\n{text}"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn the_examples_fit_together() {
    for (name, text) in EXAMPLES {
        let plan = plan(text).unwrap_or_else(|errors| panic!("{name}: {errors}"));
        let file = parse(text).unwrap();
        for node in &file.nodes {
            assert!(plan.graph.to_dot().contains(&format!("\"{}\"", node.name)), "{name}: {}", node.name);
            assert_eq!(plan.shapes.contains_key(&node.name), node.kind.role != Role::Source, "{}", node.name);
        }
    }
    let mixer = plan(EXAMPLES[4].1).unwrap();
    assert_eq!(mixer.shapes["mix"].to_string(), "48000 Hz, 2 channels, in blocks of 1024 frames");
    assert_eq!(mixer.shapes["soft"].to_string(), "48000 Hz, 1 channel, in blocks of 1024 frames");
    assert_eq!(mixer.shapes["master"].to_string(), "48000 Hz, 2 channels");
    assert_eq!(plan(EXAMPLES[2].1).unwrap().shapes["recogniser"].to_string(), "16000 Hz, 1 channel");
}

/// A limit that the delay of a filter alone comes near to would be missed by every chunk, whatever the machine does.
#[test]
fn the_examples_have_limits_that_can_be_kept() {
    for (name, text) in EXAMPLES {
        let graph = plan(text).unwrap().graph;
        for (pipeline, edge) in graph.edges().filter(|(_, edge)| edge.config.latency_ms_max > 0) {
            let (limit_ms, delay_ns) = (edge.config.latency_ms_max, graph.latency_ns(&edge.config.from));
            assert!(
                2 * delay_ns < u64::from(limit_ms) * 1_000_000,
                "{name}: {pipeline} has {limit_ms} ms for a filter's {delay_ns} ns"
            );
        }
    }
}

/// Every key of a file, by where it stands: what is before an equals sign, outside strings and comments.
fn keys(text: &str) -> Vec<(usize, String)> {
    let mut keys = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(header) = line.trim().strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
            keys.push((at + 2, header.to_owned()));
        } else if !line.trim_start().starts_with('#') {
            let mut quoted = false;
            let mut start = None;
            for (offset, letter) in line.char_indices() {
                match letter {
                    '"' => quoted = !quoted,
                    _ if quoted => {}
                    'a'..='z' | '_' => start = start.or(Some(offset)),
                    '=' => {
                        let begin = start.take().unwrap();
                        keys.push((at + begin, line[begin..offset].trim().to_owned()));
                    }
                    ' ' => {}
                    _ => start = None,
                }
            }
        }
        at += line.len();
    }
    keys
}

#[test]
fn a_typing_error_in_any_key_is_told_where_it_stands() {
    let mut looked_at = 0;
    for (name, text) in EXAMPLES {
        for (at, key) in keys(text) {
            let line = text[..at].matches('\n').count() + 1;
            let swapped = |n: usize| {
                let mut letters: Vec<char> = key.chars().collect();
                letters[n] = if letters[n] == 'x' { 'y' } else { 'x' };
                letters.into_iter().collect::<String>()
            };
            let wrong_keys = (0..key.len()).map(swapped).chain([key[1..].to_owned(), format!("{key}s")]);
            for wrong in wrong_keys.filter(|wrong| !wrong.is_empty()) {
                let mutated = format!("{}{wrong}{}", &text[..at], &text[at + key.len()..]);
                let told = told(&mutated);
                let place = format!("line {line}: ");
                let named = told
                    .lines()
                    .any(|told| told.contains(&format!("no key `{wrong}`")) && told.contains(&place));
                assert!(named, "{name}, line {line}: {key} as {wrong}:\n{told}");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 500, "{looked_at}");
}

#[test]
fn every_error_says_what_where_and_what_is_possible() {
    let with = |from: &str, to: &str| {
        assert!(SMALL.contains(from), "{from}");
        SMALL.replacen(from, to, 1)
    };
    let mut unlike = Vec::new();
    for (text, expected) in [
        (with("nodes", "node"), "line 1: no key `node`: did you mean `nodes`?; keys are nodes, pipelines"),
        (with("kind = \"wav\"", "kind = \"wv\""), "line 7: node out: no kind `wv`: did you mean `wav`?; kinds are file, "),
        (
            with("path = \"a.wav\"", "pth = \"a.wav\""),
            "line 8: node out (wav): no key `pth`: did you mean `path`?; keys are path, format, gaps",
        ),
        (
            with("path = \"a.wav\"", "format = \"s24\""),
            "line 8: node out (wav): `path` is missing: the file; what is there is overwritten (a path, in quotes; not \"-\")",
        ),
        (
            with("path = \"a.wav\"", "path = \"a.wav\", format = \"s25\""),
            "line 8: node out (wav): `format` is \"s25\": did you mean `s24`?; allowed: \"u8\", \"s16\", \"s24\", \"s32\", \"f32\"",
        ),
        (with("path = \"a.wav\"", "path = 7"), "line 8: node out (wav): `path` is 7; allowed: a path"),
        (with("path = \"a.wav\"", "path = \"-\""), "line 8: node out (wav): `path` is \"-\"; allowed: a path"),
        (with("sine:440", "sin:440"), "line 4: node mic (synth): `signal` is \"sin:440,seconds=1,channels=2\"; allowed: no synthetic"),
        (with("name = \"mic\"\n", ""), "line 2: node 1 (no name): `name` is missing"),
        (with("name = \"out\"", "name = \"mic\""), "line 6: node mic: there is one of that name already"),
        (
            with("name = \"out\"", "name = \"o\\u001b[31mut\""),
            "line 6: node o\\u{1b}[31mut: `name` is \"o\\u001b[31mut\"; allowed: the name of a node, in quotes: up to 64 bytes, no spaces",
        ),
        (with("to = \"out\"", "to = \"outt\""), "line 10: pipeline mic→outt: there is no node outt; there are: mic, out"),
        (with("to = \"out\"", "too = \"out\""), "line 11: pipeline 1: no key `too`: did you mean `to`?"),
        (
            with("to = \"out\"", "to = \"out\"\npackets = 1"),
            "line 12: pipeline mic→out: `packets` is 1; allowed: a whole number, 2 to 65536",
        ),
        (
            with("to = \"out\"", "to = \"out\"\nstrategy = \"drop-odlest\""),
            "line 12: pipeline mic→out: `strategy` is \"drop-odlest\": did you mean `drop-oldest`?; allowed: \"throttle\"",
        ),
        (
            with("to = \"out\"", "to = \"out\"\nformat = { rate = 1 }"),
            "line 12: pipeline mic→out: format: no key `rate`: did you mean `rate_hz`?; keys are rate_hz, channels",
        ),
        (
            with("to = \"out\"", "to = \"out\"\n[[pipelines]]\nfrom = \"mic\"\nto = \"out\""),
            "line 13: pipeline mic→out: input 0 of out is fed by mic already",
        ),
        (
            format!("{SMALL}[[nodes]]\nname = \"b\"\nkind = \"gain\"\nparameters = {{ db = 1 }}\n"),
            "line 13: node b (gain): no pipeline goes to its input 0; add one with `to = \"b\"`\n\
             line 13: node b (gain): no pipeline begins at it",
        ),
        (
            format!(
                "{SMALL}[[nodes]]\nname = \"b\"\nkind = \"raw\"\nparameters = {{ path = \"./a.wav\" }}\n[[pipelines]]\nfrom = \"mic\"\nto = \"b\"\n"
            )
            .replace("./a.wav", "a.wav"),
            "line 13: node b: out writes to nowhere/a.wav already; give one of them another",
        ),
        (with("from = \"mic\"", "from = \"mic\"\nfrom = \"mic\""), "line 11: not TOML: duplicate key"),
        (
            with("kind = \"synth\"\nparameters = { signal = \"sine:440,seconds=1,channels=2\" }", "kind = \"stdin\"\nparameters = { rate_hz = 8000 }"),
            "line 4: node mic (stdin): `rate_hz` is 8000; allowed: only of raw PCM, whose `encoding` is said",
        ),
        (
            with("kind = \"synth\"\nparameters = { signal = \"sine:440,seconds=1,channels=2\" }", "kind = \"file\"\nparameters = { path = \"b.wav\" }"),
            "line 2: node mic: can't open nowhere/b.wav: ",
        ),
        (String::new(), "line 1: `nodes` is missing"),
        ("nodes = 5\npipelines = [7]".to_owned(), "line 1: `nodes` is no list; allowed: tables, one `[[nodes]]` for each\nline 2: "),
        ("nodes = [{}]\npipelines = []".to_owned(), "line 1: node 1 (no name): `name` is missing: what it is called"),
        (" ".repeat(FlowFile::BYTES_MAX + 1), "line 1: the file has 262145 bytes, at the most 262144 are read"),
        ("[[nodes]]\n".repeat(257), "line 1: the file has 257 nodes, at the most 256 are read"),
    ] {
        let told = told(&text);
        if !told.contains(expected) {
            unlike.push(format!("{expected}\n{told}\n"));
        }
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let wrong = SMALL.replace("synth", "sinth").replace("path", "pfad").replace("to =", "tu =");
    let told = told(&wrong);
    for line in ["line 3: ", "line 8: ", "line 11: "] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let many = format!("{SMALL}{}", (0..80).map(|n| format!("k{n} = 1\n")).collect::<String>());
    assert!(told_lines(&many) == 51 && self::told(&many).ends_with("and 30 more"), "{}", self::told(&many));
}

fn told_lines(text: &str) -> usize {
    told(text).lines().count()
}

#[test]
fn cycles_are_refused_and_end() {
    let text = "
        nodes = [{ name = \"a\", kind = \"gain\", parameters = { db = 0 } }, { name = \"b\", kind = \"convert\" }]
        pipelines = [{ from = \"a\", to = \"b\" }, { from = \"b\", to = \"a\" }]";
    assert!(told(text).contains("pipeline b→a would make a cycle: b → a → b"), "{}", told(text));
}

/// `short` and `long` → `mix` → `out`, both by a synthetic signal unless said otherwise.
fn joined(short: &str, long: &str, more: &str) -> String {
    format!(
        "nodes = [{{ name = 'short', {short} }}, {{ name = 'long', {long} }}, {{ name = 'mix', kind = 'join' }},
                  {{ name = 'mix.1', kind = 'gain', parameters = {{ db = 1 }} }}, {{ name = 'out', kind = 'discard' }},
                  {{ name = 'other', kind = 'discard' }}]
         pipelines = [{{ from = 'short', to = 'mix' }}, {{ from = 'mix', to = 'out' }}, {{ from = 'mix.1', to = 'other' }}, {more}]"
    )
}

#[test]
fn a_join_of_two_clocks_is_refused() {
    let more = "{ from = 'long', to = 'mix', input = 1 }, { from = 'mix', to = 'mix.1' }";
    let synth =
        |pace: &str| format!("kind = 'synth', parameters = {{ signal = 'silence', pace = '{pace}' }}");
    let stdin =
        |pace: &str| format!("kind = 'stdin', parameters = {{ encoding = 's16le', pace = '{pace}' }}");
    // What is opened does not matter here.
    let told = |first: &str, second: &str| {
        let mut open = |node: &FlowNode, folder: &Path| match node.kind.name {
            "synth" => node.open(folder),
            _ => "silence,rate=48000"
                .parse::<crate::io::SynthSpec>()
                .unwrap()
                .source()
                .map_err(Into::into)
                .map(|source| Box::new(source) as _),
        };
        let file = parse(&joined(first, second, more)).unwrap();
        let planned = file.plan(Path::new("nowhere"), &Config::default().audio, &mut open);
        planned.map_or_else(|errors| errors.to_string(), |_| String::new())
    };
    for (first, second) in [(stdin("live"), synth("realtime")), (synth("realtime"), stdin("live"))] {
        let told = told(&first, &second);
        assert!(
            told.starts_with("line 1: node mix (join): ")
                && told.contains("is live and keeps time by a clock of its own"),
            "{told}"
        );
    }
    for (first, second) in [
        (stdin("live"), synth("fast")),
        (stdin("realtime"), synth("realtime")),
        (synth("realtime"), synth("realtime")),
        (synth("fast"), synth("fast")),
    ] {
        assert_eq!(told(&first, &second), "", "{first} {second}");
    }
}

#[test]
fn two_pipelines_of_one_name_are_refused() {
    let synth = "kind = 'synth', parameters = { signal = 'silence' }";
    let more = "{ from = 'short', to = 'mix', input = 1 }, { from = 'short', to = 'mix.1' }, { from = 'long', to = 'other' }";
    let told = told(&joined(synth, synth, more).replace("{ from = 'mix.1', to = 'other' }, ", ""));
    assert!(
        told.contains("pipeline short→mix.1: the one from short to input 1 of mix is called so already"),
        "{told}"
    );
}

/// How long the chunks of a source are is known: whoever holds them needs to hold no more of them.
#[test]
fn the_blocks_of_sources_count_where_one_way_is_ahead_of_another() {
    let text = |packets: &str, block: &str| {
        format!(
            "nodes = [{{ name = 'in', kind = 'synth', parameters = {{ signal = 'sine:440,rate=44100'{block} }} }},
                      {{ name = 'slow', kind = 'convert', parameters = {{ block_frames = 65536 }} }},
                      {{ name = 'mix', kind = 'join' }}, {{ name = 'out', kind = 'discard' }}]
             pipelines = [{{ from = 'in', to = 'slow' }}, {{ from = 'slow', to = 'mix' }}, {{ from = 'mix', to = 'out' }},
                          {{ from = 'in', to = 'mix', input = 1{packets} }}]"
        )
    };
    let block = Config::default().audio.block_frames;
    let needs = |told: &str| {
        told.split("it needs ").nth(1).unwrap().split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let ahead = told(&text("", ""));
    let needed = needs(&ahead);
    assert!((65_536 / block - 1..=65_536 / block + 2).contains(&needed), "{ahead}");
    assert!(ahead.contains("raise packets"), "{ahead}");
    let plan = plan(&text(&format!(", packets = {needed}"), "")).unwrap();
    let edge = plan.graph.edges().find(|(name, _)| *name == "in→mix.1").unwrap().1;
    assert_eq!(edge.shape.unwrap().block, Some(crate::core::format::Frames(block)));
    assert!(needs(&told(&text("", ", block_frames = 128"))) > 500);
    // A node that changes the channels does not change that.
    let mono = text("", "")
        .replace("rate=44100", "rate=44100,channels=2")
        .replace(
            "{ name = 'out'",
            "{ name = 'mono', kind = 'convert', parameters = { channels = 1 } }, { name = 'out'",
        )
        .replace("{ from = 'in', to = 'mix'", "{ from = 'in', to = 'mono' }, { from = 'mono', to = 'mix'");
    assert_eq!(needs(&told(&mono)), needed, "{}", told(&mono));
    assert!(self::plan(&text("", ", block_frames = 8192")).is_ok());
}

#[test]
fn standard_output_is_shared_by_whole_lines_alone() {
    let flow = |nodes: &[&str]| {
        let list: String = nodes
            .iter()
            .enumerate()
            .map(|(n, node)| {
                format!("[[nodes]]\nname = \"n{n}\"\n{node}\n[[pipelines]]\nfrom = \"s\"\nto = \"n{n}\"\n")
            })
            .collect();
        format!("[[nodes]]\nname = \"s\"\nkind = \"synth\"\nparameters = {{ signal = \"silence\" }}\n{list}")
    };
    let raw = "kind = \"raw\"\nparameters = { path = \"-\" }";
    let csv = "kind = \"pitch\"\nparameters = { form = \"csv\" }";
    let (pitch, level) = ("kind = \"pitch\"", "kind = \"level\"");
    assert!(plan(&flow(&[pitch, level, level])).is_ok());
    for refused in [[raw, raw], [raw, level], [level, csv], [csv, csv]] {
        assert!(
            told(&flow(&refused)).contains("node n1: n0 writes to standard output already"),
            "{refused:?}"
        );
    }
}

#[test]
fn what_is_not_said_comes_from_the_configuration() {
    let mut config = Config::default();
    config.flow.priority = crate::engine::Priority::Critical;
    config.flow.latency_ms_max = 77;
    let read = |text: &str| FlowFile::parse(text, &config).unwrap().pipelines[0].config.clone();
    assert_eq!(
        (read(SMALL).priority, read(SMALL).latency_ms_max),
        (config.flow.priority, 0),
        "a file can wait"
    );
    let live = SMALL.replace("channels=2\"", "channels=2\", pace = \"realtime\"");
    assert_eq!((read(&live).latency_ms_max, read(&live).strategy), (77, config.flow.strategy));
    let said = format!("{live}latency_ms_max = 0\npriority = \"normal\"\n");
    assert_eq!((read(&said).latency_ms_max, read(&said).priority), (0, crate::engine::Priority::Normal));
}

#[test]
fn the_table_of_kinds_is_sound() {
    for kind in KINDS {
        assert_eq!(KINDS.iter().filter(|other| other.name == kind.name).count(), 1, "{}", kind.name);
        for parameter in kind.parameters {
            if let Unsaid::Is(text) = parameter.unsaid {
                let value = toml::de::DeValue::parse(text).unwrap();
                assert!(parameter.accepts.read(value.get_ref()).is_ok(), "{}: {text}", parameter.name);
            }
        }
    }
    assert_eq!(kinds::MISSING[0], ("gap", Missing::default()));
}

/// The list of kinds as it stands in the guide.
fn list() -> String {
    let mut text = String::from(
        "| kind | what it does | parameter | values | unless said |\n| --- | --- | --- | --- | --- |\n",
    );
    for kind in KINDS {
        let about = format!("`{}` ({}) | {}", kind.name, kind.role.name(), kind.doc);
        let mut first = about.as_str();
        if kind.parameters.is_empty() {
            text += &format!("| {first} | – | – | – |\n");
        }
        for parameter in kind.parameters {
            let (accepts, unsaid) = (parameter.accepts, parameter.unsaid);
            text +=
                &format!("| {first} | `{}`: {} | {accepts} | {unsaid} |\n", parameter.name, parameter.doc);
            first = " | ";
        }
    }
    text
}

#[test]
fn the_guide_lists_every_kind_as_it_is() {
    let guide = include_str!("../../docs/flow-files.md");
    let list = list();
    if !guide.contains(&list) {
        panic!("the guide's list of kinds should be:\n\n{list}");
    }
    for (name, _) in EXAMPLES {
        assert!(guide.contains(&format!("{name}.toml")), "the guide says nothing of {name}");
    }
}
