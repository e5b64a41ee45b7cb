//! What nodes that join inputs of one source by position need of the graph: one rate, the source's, and ways to them of which none is
//! so much shorter than another that it would have to hold more than it can.

use super::error::GraphError;
use super::{Edge, Graph, Output};
use crate::flow::link::outlet::AHEAD_NS_MAX;
use pcmflow_core::format::{Frames, SampleRate};
use std::collections::{BTreeMap, BTreeSet};

impl Graph {
    /// Checks every join at `name` and behind it.
    pub(in crate::flow) fn check_joins(&self, name: &str) -> Result<(), GraphError> {
        let (mut seen, mut next) = (BTreeSet::from([name]), vec![name]);
        let mut latencies = BTreeMap::new();
        while let Some(name) = next.pop() {
            self.check_join(name, &mut latencies)?;
            let behind = self.edges.values().filter(|edge| edge.config.from == name);
            next.extend(behind.map(|edge| edge.config.to.as_str()).filter(|to| seen.insert(to)));
        }
        Ok(())
    }

    fn check_join<'a>(
        &'a self,
        name: &str,
        latencies: &mut BTreeMap<&'a str, u64>,
    ) -> Result<(), GraphError> {
        let Some(ports) = self.nodes.get(name).filter(|ports| ports.inputs > 1 && !ports.own_clocks) else {
            return Ok(());
        };
        let into = self.edges.iter().filter(|(_, edge)| edge.config.to == name);
        let mut ways = Vec::new();
        for (pipeline, edge) in into {
            if ports.follows_rate {
                self.check_rate(pipeline, edge)?;
            }
            let planned_ns = edge.plan.as_ref().map_or(0, |plan| plan.latency().ns);
            let latency_ns = self.latency_to(&edge.config.from, latencies).saturating_add(planned_ns);
            ways.push((latency_ns, pipeline, edge));
        }
        let Some((longest_ns, behind, _)) = ways.iter().max_by_key(|(latency_ns, ..)| *latency_ns) else {
            return Ok(());
        };
        for (latency_ns, pipeline, edge) in &ways {
            let ahead_ns = longest_ns - latency_ns;
            let Some(shape) = edge.shape.filter(|_| ahead_ns > AHEAD_NS_MAX) else { continue };
            // Chunks of a size that nobody declared may be as short as can be.
            let chunk_ns = shape.format.rate.frames_to_ns(shape.block.unwrap_or(Frames(1))).max(1);
            let (needs, packets) = (ahead_ns.div_ceil(chunk_ns) + 1, edge.config.packets);
            if needs > packets.into() {
                let (pipeline, behind) = ((*pipeline).clone(), (*behind).clone());
                return Err(GraphError::Ahead {
                    pipeline,
                    behind,
                    ahead_ms: ahead_ns / 1_000_000,
                    needs,
                    packets,
                });
            }
        }
        Ok(())
    }

    /// Positions count frames of the source: what is joined by them must have its rate.
    fn check_rate(&self, pipeline: &str, edge: &Edge) -> Result<(), GraphError> {
        let (Some(source), Some(from), Some(wanted)) =
            (self.source_rate(&edge.config.from), edge.shape, edge.wanted)
        else {
            return Ok(());
        };
        let (got, wanted) = (from.format.rate, wanted.format.rate);
        if (source, source) == (got, wanted) {
            return Ok(());
        }
        Err(GraphError::Rate {
            pipeline: pipeline.to_owned(),
            name: edge.config.to.clone(),
            wanted_hz: wanted.hz(),
            source_hz: source.hz(),
            got_hz: got.hz(),
        })
    }

    /// The rate of the source whose frames positions count at this node, where that is connected.
    fn source_rate(&self, name: &str) -> Option<SampleRate> {
        let mut at = name;
        // The graph has no cycles.
        loop {
            let ports = self.nodes.get(at)?;
            if ports.inputs == 0 {
                let Output::Shape(shape) = ports.output else { return None };
                return Some(shape.format.rate);
            }
            let mut into = self.edges.values();
            at = &into.find(|edge| edge.config.to == at && edge.config.input == 0)?.config.from;
        }
    }
}
