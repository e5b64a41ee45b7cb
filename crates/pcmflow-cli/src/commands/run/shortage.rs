//! A flow in which nothing moves because no buffer can be had: it would wait for ever.

use super::sinks;
use crate::commands::graph::Written;
use crate::waiting::Patience;
use pcmflow::core::pool::PoolMetrics;
use pcmflow::engine::flow::{FlowStatus, Passed};

/// Watches for that.
#[derive(Debug)]
pub(super) struct Shortage {
    patience: Patience<Vec<Passed>>,
    /// What the pool had refused of each class when it was looked at last.
    refused: Vec<u64>,
}

impl Shortage {
    pub(super) fn new() -> Self {
        Self { patience: Patience::new(), refused: Vec::new() }
    }

    /// What to raise, where nothing moved for long, buffers are asked for yet, and no sink is at work on anything: one that
    /// is would give its buffers back one day.
    pub(super) fn found(
        &mut self,
        moved: Vec<Passed>,
        pool: &PoolMetrics,
        status: &FlowStatus,
        written: &Written,
    ) -> Option<String> {
        let refused: Vec<u64> = pool.classes.iter().map(|class| class.misses_refused).collect();
        let before = std::mem::replace(&mut self.refused, refused);
        if !self.patience.is_over(moved) || sinks(written).any(|node| is_busy(&node.name, status, written)) {
            return None;
        }
        let before = before.into_iter().chain(std::iter::repeat(0));
        let (class, _) =
            (pool.classes.iter().zip(before)).find(|(class, before)| class.misses_refused > *before)?;
        let (samples, buffers) = (class.samples, class.buffers());
        Some(match buffers >= class.buffers_max {
            true => format!(
                "all {buffers} buffers of {samples} samples that there may be are in use; raise memory.class_buffers_max"
            ),
            false => format!(
                "a further one of {samples} samples does not fit into the {} bytes of the pool; raise memory.budget_bytes",
                pool.budget_bytes
            ),
        })
    }
}

/// Whether a sink has something to take, or took something that it has not dealt with.
fn is_busy(name: &str, status: &FlowStatus, written: &Written) -> bool {
    let position = status.nodes.get(name).map_or(0, |node| node.given.position);
    let into = written.file.pipelines.iter().filter(|pipeline| pipeline.config.to == name);
    into.filter_map(|pipeline| status.pipelines.get(&pipeline.config.name()))
        .any(|pipeline| pipeline.fill > 0 || pipeline.taken.position > position)
}
