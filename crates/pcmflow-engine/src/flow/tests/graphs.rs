//! Flow files and drawings.

use super::super::*;
use super::witness::format;
use crate::transform::Shape;
use pcmflow_core::format::Frames;

const FILE: &str = r#"
[[nodes]]
name = "microphone"
kind = "source"
[[nodes]]
name = "gate"
kind = "through"
[[nodes]]
name = "recogniser"
kind = "sink"
parameters = { rate_hz = 16000 }
[[pipelines]]
from = "microphone"
to = "gate"
priority = "critical"
strategy = "drop-oldest"
[[pipelines]]
from = "gate"
to = "recogniser"
block_frames = 320
latency_ms_max = 50
format = { rate_hz = 16000, channels = 1 }
"#;

fn graph(text: &str) -> Result<Graph, String> {
    let spec: FlowSpec = toml::from_str(text).map_err(|error| error.to_string())?;
    let ports = |node: &NodeSpec| match node.kind.as_str() {
        "source" => Ok(Ports::source(Shape::new(format(48_000, 2)).in_blocks(Frames(128)))),
        "through" => Ok(Ports { latency_ns: 2_000_000, ..Ports::node(None) }),
        "sink" => Ok(Ports::sink(None)),
        kind => Err(GraphErrorOr(format!("node {}: there is no kind {kind}", node.name))),
    };
    Graph::of(&spec, ports).map_err(|error| error.0)
}

struct GraphErrorOr(String);

impl From<GraphError> for GraphErrorOr {
    fn from(error: GraphError) -> Self {
        Self(error.to_string())
    }
}

#[test]
fn a_flow_file_becomes_a_graph_with_formats_and_latencies() {
    let graph = graph(FILE).unwrap();
    let edge = graph.edges().find(|(name, _)| *name == "gate→recogniser").unwrap().1;
    let plan = edge.plan.as_ref().unwrap();
    assert_eq!(plan.to_string(), "map 2 channels to 1, 48000 Hz to 16000 Hz, blocks of 320 frames");
    assert_eq!(graph.latency_ns("recogniser"), 2_000_000 + plan.latency().ns);
    let dot = graph.to_dot();
    assert!(
        dot.contains("\"gate\" -> \"recogniser\" [label=\"48000 Hz, 2 channels, in blocks of 128 frames"),
        "{dot}"
    );
    assert!(dot.contains("map 2 channels to 1") && dot.contains("critical, drop-oldest"), "{dot}");
    assert!(dot.contains("\"gate\" [label=\"gate\\n2.0 ms\"]"), "{dot}");
    let mermaid = graph.to_mermaid();
    assert!(mermaid.starts_with("flowchart LR\n  n0[\"gate<br>2.0 ms\"]\n"), "{mermaid}");
    assert!(
        mermaid.contains("n1 -->|\"48000 Hz, 2 channels, in blocks of 128 frames<br>critical"),
        "{mermaid}"
    );
}

#[test]
fn a_typo_anywhere_is_an_error_that_names_the_place() {
    for (from, to, says) in [
        ("from = \"gate\"", "form = \"gate\"", "unknown field `form`"),
        ("kind = \"sink\"", "knd = \"sink\"", "unknown field `knd`"),
        ("[[pipelines]]", "[[pipeline]]", "unknown field `pipeline`"),
        ("drop-oldest", "drop_eldest", "unknown variant `drop_eldest`"),
        ("critical", "urgent", "unknown variant `urgent`"),
        ("kind = \"through\"", "kind = \"trough\"", "node gate: there is no kind trough"),
        ("to = \"gate\"", "to = \"gates\"", "pipeline microphone→gates: there is no node gates"),
        ("name = \"gate\"", "name = \"recogniser\"", "node recogniser: there is one of that name"),
        ("rate_hz = 16000, channels = 1", "rate_hz = 1, channels = 1", "pipeline gate→recogniser: format:"),
        ("block_frames = 320", "block_frames = 0", "pipeline gate→recogniser: from"),
        ("block_frames = 320", "packets = 1", "packets is 1, allowed are 2 to 65536"),
    ] {
        assert!(FILE.contains(from), "{from}");
        let error = graph(&FILE.replace(from, to)).unwrap_err();
        assert!(error.contains(says), "{from} → {to}: {error}");
    }
}

#[test]
fn what_was_written_is_read_again() {
    let spec: FlowSpec = toml::from_str(FILE).unwrap();
    assert_eq!(toml::from_str::<FlowSpec>(&toml::to_string(&spec).unwrap()).unwrap(), spec);
}

#[test]
fn diamonds_upon_diamonds_cost_no_more_than_there_are() {
    let mut graph = Graph::default();
    graph.add("0", Ports::source(Shape::new(format(48_000, 1)))).unwrap();
    for n in 0..40 {
        let (here, next) = (n.to_string(), (n + 1).to_string());
        let (left, right) = (format!("{n}l"), format!("{n}r"));
        for side in [&left, &right] {
            graph.add(side, Ports { latency_ns: 1, ..Ports::node(None) }).unwrap();
            graph.connect(PipelineConfig::new(here.as_str(), side.as_str())).unwrap();
        }
        graph.add(&next, Ports::join(2, Shape::new(format(48_000, 1)))).unwrap();
        graph.connect(PipelineConfig::new(left, next.as_str())).unwrap();
        graph.connect(PipelineConfig { input: 1, ..PipelineConfig::new(right, next) }).unwrap();
    }
    assert_eq!(graph.latency_ns("40"), 40);
}
