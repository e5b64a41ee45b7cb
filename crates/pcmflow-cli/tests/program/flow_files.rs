//! Flow files and the configuration: drawn, checked, shown.

use super::support::{Place, line, pcmflow};
use std::path::PathBuf;

pub(crate) const EXAMPLES: [&str; 5] = ["tuner", "recorder", "transcriber", "monitor", "mixer"];

pub(crate) fn example(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../examples/flows/{name}.toml"));
    path.to_str().unwrap().to_owned()
}

/// The names of a flow file's nodes.
fn nodes(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(example(name)).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("name = \""));
    lines.map(|name| name.trim_end_matches('"').to_owned()).collect()
}

#[test]
fn every_example_is_drawn_with_all_its_nodes() {
    for name in EXAMPLES {
        let dot = pcmflow(["graph", &example(name)]).end().code(0);
        let mermaid = pcmflow(["graph", &example(name), "--mermaid"]).end().code(0);
        assert!(dot.text().starts_with("digraph flow {") && mermaid.text().starts_with("flowchart LR\n"));
        let nodes = nodes(name);
        assert!(nodes.len() >= 3, "{name}: {nodes:?}");
        for node in nodes {
            assert!(dot.text().contains(&format!("  \"{node}\" [label=\"{node}\\n")), "{name}: {node}");
            assert!(mermaid.text().contains(&format!("[\"{node}<br>")), "{name}: {node}");
        }
    }
    let drawn = pcmflow(["graph", &example("transcriber"), "--dot"]).end().code(0);
    for part in ["48000 Hz, 2 channels", "map 2 channels to 1", "high, adaptive"] {
        assert!(drawn.text().contains(part), "{part}\n{}", drawn.text());
    }
}

#[test]
fn drawing_writes_nothing() {
    let place = Place::new();
    let text = std::fs::read_to_string(example("recorder")).unwrap();
    let flow = place.file("recorder.toml", text.as_bytes());
    pcmflow(["graph", &flow]).end().code(0);
    let files: Vec<_> =
        std::fs::read_dir(place.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["recorder.toml"]);
}

#[test]
fn wrong_flow_files_are_told_with_file_and_line() {
    let place = Place::new();
    let text = std::fs::read_to_string(example("tuner")).unwrap();
    let flow = place
        .file("wrong.toml", text.replace("\"pitch\"", "\"pich\"").replace("critical", "crital").as_bytes());
    let said = pcmflow(["graph", &flow]).end().code(2).says(&[
        &format!("pcmflow: {flow}: line "),
        "node tuner: no kind `pich`: did you mean `pitch`?; kinds are file, stdin",
        "pipeline guitar→tuner: `priority` is \"crital\": did you mean `critical`?; allowed: \"critical\", \"high\", \"normal\"",
    ]);
    assert_eq!(said.err.lines().count(), 2, "{}", said.err);
    assert!(said.out.is_empty());
    pcmflow(["graph", &place.at("none.toml")]).end().code(1).says(&["none.toml: can't be read"]);
    let binary = place.file("binary.toml", &[0xff, 0xfe, 0]);
    pcmflow(["graph", &binary]).end().code(2).says(&["binary.toml: a flow file is TOML"]);
    let long = place.file("long.toml", &vec![b' '; 1 << 20]);
    pcmflow(["graph", &long]).end().code(2).says(&["at the most 262144 are read"]);
    let missing = text
        .replace("kind = \"synth\"", "kind = \"file\"")
        .replace("signal = \"melody,seed=7\"", "path = \"no.wav\"");
    let missing = place.file("missing.toml", missing.as_bytes());
    pcmflow(["graph", &missing]).end().code(1).says(&["node guitar: can't open", "no.wav"]);
}

#[test]
fn the_configuration_is_checked_with_all_errors() {
    let place = Place::new();
    let right = place.file("right.toml", b"[flow]\nstrategy = \"block\"\n");
    let said = pcmflow(["config", "check", &right]).end().code(0);
    assert_eq!(said.text(), "the configuration is right\n");
    let wrong = place.file("wrong.toml", b"[flow]\nstratgy = \"block\"\npriority = \"low\"\n");
    let said = pcmflow(["config", "check", &wrong, "--set", "audio.channels=0"]).end().code(2);
    let said = said.says(&[
        "did you mean `flow.strategy`?",
        "flow.priority is \"low\" (file, line 3)",
        "audio.channels is 0 (flag)",
    ]);
    assert_eq!(said.err.lines().count(), 3, "{}", said.err);
    pcmflow(["config", "check", &place.at("none.toml")]).end().code(1).says(&["none.toml: can't be read"]);
    pcmflow(["config", "check", &right, "--config", &wrong]).end().code(2).says(&["named twice"]);
    pcmflow(["graph", &example("tuner"), "--set", "flow.strategy=stop"])
        .end()
        .code(2)
        .says(&["flow.strategy is"]);
}

#[test]
fn the_configuration_is_shown_with_where_it_comes_from() {
    let place = Place::new();
    let file = place.file("a.toml", b"[flow]\nstrategy = \"block\"\n");
    let shown = pcmflow(["config", "show", "--config", &file, "--set", "alerts.hold_ms=7"]).end().code(0);
    for line in ["strategy = \"block\" # file, line 2", "hold_ms = 7 # flag", "channels = 1 # default"] {
        assert!(shown.text().contains(line), "{line}\n{}", shown.text());
    }
    // What is shown can be loaded.
    let again = place.file("again.toml", &shown.out);
    let json = pcmflow(["config", "show", "--json", "--config", &again]).end().code(0);
    let json: serde_json::Value = serde_json::from_slice(&json.out).unwrap();
    assert_eq!(json["alerts.hold_ms"]["value"], 7);
    assert_eq!(json["flow.strategy"]["value"], "block");
    let from = json["flow.strategy"]["from"].as_str().unwrap();
    assert!(from.starts_with("file, line"), "{from}");
}

#[test]
fn the_schema_tells_every_key() {
    let json: serde_json::Value =
        serde_json::from_slice(&line("config schema --json").end().code(0).out).unwrap();
    let (text, toml) = (line("config schema").end().code(0), line("config schema --toml").end().code(0));
    let keys = json.as_array().unwrap();
    assert!(keys.len() > 25, "{}", keys.len());
    for key in keys {
        let name = key["name"].as_str().unwrap();
        assert!(text.text().lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
        assert!(toml.text().contains(&format!("\n#{} = ", name.split_once('.').unwrap().1)), "{name}");
        assert!(!key["doc"].as_str().unwrap().is_empty() && !key["allowed"].as_str().unwrap().is_empty());
    }
    let strategy = keys.iter().find(|key| key["name"] == "flow.strategy").unwrap();
    assert_eq!(strategy["default"], "adaptive");
    let place = Place::new();
    let template = place.file("template.toml", &toml.out);
    pcmflow(["config", "check", &template]).end().code(0);
}
