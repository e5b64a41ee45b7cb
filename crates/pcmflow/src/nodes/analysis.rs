//! Analysis as a module of a session: pitch and level of one node's frames, while it runs.

use super::{LevelNode, Levels, Listener, PitchNode, PitchPace, Pitched};
use crate::core::format::StreamFormat;
use crate::engine::flow::{PipelineConfig, Ports};
use crate::engine::session::{FlowModule, FlowPart, SharedFlow};
use crate::pitch::PitchConfig;
use std::sync::{Arc, Mutex, PoisonError};

/// To one listener, from each of the nodes that the module makes whenever it starts.
struct Shared<L>(Arc<Mutex<L>>);

impl<T, L: Listener<T>> Listener<T> for Shared<L> {
    fn heard(&mut self, result: T) -> Result<(), crate::engine::flow::NodeError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).heard(result)
    }
}

/// The module `analysis`: while it runs, the frames that `from` gives, which are of `format`, are listened to by the nodes `pitch` and
/// `level`, which tell what they hear.
///
/// It belongs into a [`Session`](crate::engine::session::Session), whose flow it is given; the node `from` must be there when it
/// starts. See `examples/own_module.rs`.
///
/// Not RT-safe: meant for set-up.
pub fn analysis<P, L>(flow: SharedFlow, from: &str, format: StreamFormat, pitch: P, level: L) -> FlowModule
where
    P: Listener<Pitched> + 'static,
    L: Listener<Levels> + 'static,
{
    let from = from.to_owned();
    let (pitch, level) = (Arc::new(Mutex::new(pitch)), Arc::new(Mutex::new(level)));
    FlowModule::new("analysis", &["data-management"], flow, move |_| {
        let config = PitchConfig::new(format.rate);
        let node = PitchNode::new(config, format.rate, PitchPace::Live, Shared(pitch.clone()))?;
        let nodes = vec![
            ("pitch".to_owned(), Ports::sink(None), Box::new(node) as _),
            ("level".to_owned(), Ports::sink(None), Box::new(LevelNode::new(Shared(level.clone()))) as _),
        ];
        let pipelines = nodes.iter().map(|(name, ..)| PipelineConfig::new(&from, name)).collect();
        Ok(FlowPart { nodes, pipelines })
    })
}
