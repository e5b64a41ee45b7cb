//! A graph as a drawing, for Graphviz and for Mermaid: nodes with their delay, pipelines with format, plan and delay.

use super::{Edge, Graph};
use std::fmt::Write;

fn ms(ns: u64) -> String {
    format!("{}.{:01} ms", ns / 1_000_000, ns / 100_000 % 10)
}

/// A name within quotes of Graphviz's.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}

/// What stands at a pipeline.
fn label(edge: &Edge) -> Vec<String> {
    let mut lines =
        vec![edge.shape.map_or_else(|| "format not known yet".to_owned(), |shape| shape.to_string())];
    if let Some(plan) = edge.plan.as_ref().filter(|plan| plan.from() != plan.to()) {
        lines.push(format!("{plan}: {}", ms(plan.latency().ns)));
    }
    lines.push(format!("{}, {}", edge.config.priority, edge.config.strategy.name()));
    lines
}

impl Graph {
    /// The graph in Graphviz's language.
    ///
    /// Not RT-safe: allocates.
    pub fn to_dot(&self) -> String {
        let mut text = String::from("digraph flow {\n  rankdir=LR;\n  node [shape=box];\n");
        for name in self.nodes.keys() {
            let (delay, name) = (ms(self.latency_ns(name)), escaped(name));
            let _ = writeln!(text, "  \"{name}\" [label=\"{name}\\n{delay}\"];");
        }
        for edge in self.edges.values() {
            let [from, to] = [&edge.config.from, &edge.config.to].map(|name| escaped(name));
            let label = label(edge).join("\\n");
            let _ = writeln!(text, "  \"{from}\" -> \"{to}\" [label=\"{label}\"];");
        }
        text + "}\n"
    }

    /// The graph in Mermaid's language.
    ///
    /// Not RT-safe: allocates.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        let number = |name: &str| self.nodes.keys().position(|other| other == name).unwrap_or(0);
        for name in self.nodes.keys() {
            let _ = writeln!(text, "  n{}[\"{name}<br>{}\"]", number(name), ms(self.latency_ns(name)));
        }
        for edge in self.edges.values() {
            let (from, to) = (number(&edge.config.from), number(&edge.config.to));
            let _ = writeln!(text, "  n{from} -->|\"{}\"| n{to}", label(edge).join("<br>"));
        }
        text
    }
}
