//! Graphs and drawings.

use super::super::*;
use super::witness::format;
use crate::Priority;
use crate::pressure::Strategy;
use crate::transform::Shape;
use pcmflow_core::format::Frames;

/// A source, a node that delays and a sink, with the pipelines that `change` makes of the usual ones.
fn graph(change: impl Fn(&mut [PipelineConfig; 2])) -> Result<Graph, GraphError> {
    let mut graph = Graph::default();
    graph.add("microphone", Ports::source(Shape::new(format(48_000, 2)).in_blocks(Frames(128))))?;
    graph.add("gate", Ports { latency_ns: 2_000_000, ..Ports::node(None) })?;
    graph.add("recogniser", Ports::sink(None))?;
    let (priority, strategy) = (Priority::Critical, Strategy::DropOldest);
    let mut pipelines = [
        PipelineConfig { priority, strategy, ..PipelineConfig::new("microphone", "gate") },
        PipelineConfig {
            block_frames: Some(320),
            latency_ms_max: 50,
            format: Some(FormatSpec { rate_hz: 16_000, channels: 1 }),
            ..PipelineConfig::new("gate", "recogniser")
        },
    ];
    change(&mut pipelines);
    for pipeline in pipelines {
        graph.connect(pipeline)?;
    }
    Ok(graph)
}

#[test]
fn a_graph_knows_formats_and_latencies() {
    let graph = graph(|_| {}).unwrap();
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
fn what_can_not_be_is_an_error_that_names_the_place() {
    type Change = fn(&mut [PipelineConfig; 2]);
    let table: [(Change, &str); 5] = [
        (|pipelines| pipelines[0].to = "gates".into(), "pipeline microphone→gates: there is no node gates"),
        (|pipelines| pipelines[1].to = "gate".into(), "gate→gate"),
        (
            |pipelines| pipelines[1].format = Some(FormatSpec { rate_hz: 1, channels: 1 }),
            "pipeline gate→recogniser: format:",
        ),
        (|pipelines| pipelines[1].block_frames = Some(0), "pipeline gate→recogniser: from"),
        (|pipelines| pipelines[1].packets = 1, "packets is 1, allowed are 2 to 65536"),
    ];
    for (change, says) in table {
        let error = graph(change).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
    let mut graph = graph(|_| {}).unwrap();
    let error = graph.add("gate", Ports::sink(None)).unwrap_err();
    assert!(error.to_string().starts_with("node gate: there is one of that name"), "{error}");
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

/// `v→mix.1` is what both would be called, and whatever is kept by name would be the one's or the other's.
#[test]
fn two_pipelines_of_one_name_are_refused_in_either_order() {
    let to = |to: &str, input| PipelineConfig { input, ..PipelineConfig::new("v", to) };
    for both in
        [[to("mix", 1), to("mix.1", 0)], [to("mix.1", 0), to("mix", 1)], [to("mix.1", 2), to("mix.1.2", 0)]]
    {
        let mut graph = Graph::default();
        let mono = Shape::new(format(48_000, 1));
        graph.add("v", Ports::source(mono)).unwrap();
        for name in ["mix", "mix.1", "mix.1.2"] {
            graph.add(name, Ports::join(3, mono)).unwrap();
        }
        let [first, second] = both;
        let name = graph.connect(first.clone()).unwrap().config.name();
        assert_eq!(second.name(), name);
        let error = graph.connect(second.clone()).unwrap_err();
        assert!(
            matches!(&error, GraphError::DuplicatePipeline { pipeline, .. } if *pipeline == name),
            "{error}"
        );
        let told = format!("the one from v to input {} of {}", first.input, first.to);
        assert!(error.to_string().contains(&told), "{error}");
        assert_eq!(graph.edges().map(|(_, edge)| &edge.config).collect::<Vec<_>>(), [&first]);
        // A third place is free.
        graph.connect(to(&second.to, second.input + 1)).unwrap();
    }
}

#[test]
fn names_that_could_be_those_of_pipelines_or_of_what_was_removed_are_refused() {
    for name in ["", "a→b", "→", "a#1", "a\"b", "a\nb"] {
        let error = Graph::default().add(name, Ports::sink(None)).unwrap_err();
        assert_eq!(error, GraphError::Name { name: name.into() });
    }
    for name in ["mix.1", "a.b", ".1", "a -> b", "ü"] {
        Graph::default().add(name, Ports::sink(None)).unwrap();
    }
}
