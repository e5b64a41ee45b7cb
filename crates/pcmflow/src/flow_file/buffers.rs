//! Whether the pool can hold what a flow needs at once, before anything starts; and those buffers, made.
//!
//! Each source fills one block while another is on its way. What is made of one chunk on its way through a pipeline is there at
//! once, as is one that a node fills. A source that can wait does so where there is no buffer; what copies or converts can't, and
//! would lose frames of it: where a flow has both, the pool must hold what can wait in its pipelines, too.

use super::{FlowFile, FlowFileError, FlowFileErrors, FlowPlan, Role, Wrong};
use crate::core::format::ChannelCount;
use crate::core::pool::BufferRecyclingPool;
use crate::engine::config::AudioConfig;
use crate::engine::flow::PipelineConfig;
use crate::engine::pressure::{ControllerConfig, Strategy};
use crate::engine::transform::{BufferNeed, Cost, Plan};
use std::collections::BTreeMap;

/// The buffers that somebody needs.
struct Need {
    line: usize,
    place: String,
    channels: ChannelCount,
    need: BufferNeed,
}

impl FlowPlan {
    /// Has the pool make all buffers that the flow needs at once.
    pub(super) fn reserve_buffers(
        &self,
        file: &FlowFile,
        audio: &AudioConfig,
        pool: &BufferRecyclingPool,
    ) -> Result<(), FlowFileErrors> {
        let mut needed: BTreeMap<usize, u64> = BTreeMap::new();
        let classes: Vec<_> = pool.metrics().classes.iter().map(|class| class.samples).collect();
        for Need { line, place, channels, need: BufferNeed { samples, buffers } } in self.needs(file, audio) {
            let size = usize::try_from(samples).unwrap_or(usize::MAX);
            let class = classes.iter().find(|class| **class >= size).copied().unwrap_or(usize::MAX);
            let all = needed.entry(class).or_default();
            *all = all.saturating_add(buffers);
            if let Err(reason) = pool.prewarm(size, usize::try_from(*all).unwrap_or(usize::MAX)) {
                let frames = |samples: u64| samples / channels.get() as u64;
                let (frames, frames_max) = (frames(samples), frames(largest(pool, buffers)));
                let wrong = Wrong::Buffers { place, buffers, samples, frames, reason, frames_max };
                // What comes behind would only be told to find no room either.
                return Err(FlowFileErrors::of(vec![FlowFileError::new(line, wrong)]));
            }
        }
        Ok(())
    }

    fn needs(&self, file: &FlowFile, audio: &AudioConfig) -> Vec<Need> {
        let can_wait = file.nodes.iter().any(|node| node.kind.role == Role::Source && !node.is_live());
        let converts = |plan: &Plan| plan.cost() > Cost::Free;
        let copies = file.nodes.iter().any(|node| matches!(node.kind.name, "gain" | "join"))
            || self.graph.edges().any(|(_, edge)| edge.plan.as_ref().is_some_and(converts));
        // What can wait behind a node.
        let waiting = |name: &str| {
            let behind = file.pipelines.iter().filter(|pipeline| pipeline.config.from == name);
            let packets = behind.map(|pipeline| {
                let factor = match pipeline.config.strategy {
                    Strategy::Buffer | Strategy::Adaptive => ControllerConfig::default().buffer_factor_max,
                    _ => 1,
                };
                u64::from(pipeline.config.packets.next_power_of_two()) * u64::from(factor)
            });
            packets.max().filter(|_| can_wait && copies).unwrap_or(0)
        };
        let mut needs = Vec::new();
        for node in &file.nodes {
            let (frames, channels, filled) = match (node.kind.role, self.sources.get(&node.name)) {
                (Role::Source, Some(source)) => (Some(node.block(audio)), source.format().channels, 2),
                (Role::Transform, _) => match self.shapes.get(&node.name) {
                    Some(shape) => (shape.block, shape.format.channels, 1),
                    None => continue,
                },
                _ => continue,
            };
            let samples = match frames {
                Some(frames) => frames.0.saturating_mul(channels.get() as u64),
                // Behind a change of the rate: as long as the filter makes them.
                None => self
                    .graph
                    .edges()
                    .find_map(|(_, edge)| {
                        let plan = edge
                            .plan
                            .as_ref()
                            .filter(|_| edge.config.to == node.name && edge.config.input == 0)?;
                        Some(plan.buffers().last()?.samples)
                    })
                    .unwrap_or(0),
            };
            let need = BufferNeed { samples, buffers: waiting(&node.name).saturating_add(filled) };
            needs.push(Need { line: node.line, place: format!("node {}", node.name), channels, need });
        }
        for pipeline in &file.pipelines {
            let name = pipeline.config.name();
            let Some((_, edge)) = self.graph.edges().find(|(edge, _)| *edge == name) else { continue };
            let Some(plan) = edge.plan.as_ref().filter(|plan| converts(plan)) else { continue };
            let (line, place) =
                written_at(file, &pipeline.config).unwrap_or((pipeline.line, format!("pipeline {name}")));
            let channels = plan.to().format.channels;
            needs.extend(plan.buffers().iter().map(|need| Need {
                line,
                place: place.clone(),
                channels,
                need: *need,
            }));
        }
        needs
    }
}

/// The node at the end of a pipeline, where that says what comes out.
fn written_at(file: &FlowFile, pipeline: &PipelineConfig) -> Option<(usize, String)> {
    if pipeline.format.is_some() || pipeline.block_frames.is_some() {
        return None;
    }
    let node = file.nodes.iter().find(|node| node.name == pipeline.to)?;
    Some((node.line, format!("node {}", node.name)))
}

/// The largest buffers, in samples, of which the pool could hold so many.
fn largest(pool: &BufferRecyclingPool, buffers: u64) -> u64 {
    let metrics = pool.metrics();
    let bytes = |samples: usize| (samples * size_of::<f32>()) as u64;
    let fits = |samples: &usize| bytes(*samples).saturating_mul(buffers) < metrics.budget_bytes as u64;
    metrics.classes.iter().map(|class| class.samples).filter(fits).max().unwrap_or(0) as u64
}
