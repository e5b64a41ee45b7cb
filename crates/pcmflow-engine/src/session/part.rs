//! A part of a flow as a module: its nodes are there while it runs.

use super::{SharedFlow, locked};
use crate::config::Config;
use crate::flow::{DataFlowCoordinator, FlowError, Node, PipelineConfig, Ports};
use crate::module::{Health, Module, ModuleCx};
use std::error::Error;
use std::fmt;

/// Nodes, and the pipelines that lead to them and away from them.
///
/// ```
/// use pcmflow_engine::session::FlowPart;
/// assert!(FlowPart::default().nodes.is_empty());
/// ```
#[derive(Default)]
pub struct FlowPart {
    /// Name, ports and node of each.
    pub nodes: Vec<(String, Ports, Box<dyn Node>)>,
    /// Also from and to nodes of others, which must be there.
    pub pipelines: Vec<PipelineConfig>,
}

impl fmt::Debug for FlowPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.nodes.iter().map(|(name, ..)| name).collect();
        f.debug_struct("FlowPart").field("nodes", &names).field("pipelines", &self.pipelines).finish()
    }
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Make = Box<dyn FnMut(&Config) -> Outcome<FlowPart> + Send>;

/// A [`Module`] that adds its [`FlowPart`] to a flow when it starts, and takes it out when it stops: what comes meanwhile from the
/// others goes on. It is failed as soon as one of its nodes is.
///
/// ```
/// # use pcmflow_core::chunk::AudioChunk;
/// # use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
/// use pcmflow_engine::config::Config;
/// use pcmflow_engine::flow::{DataFlowCoordinator, Node, NodeError, Out, Ports};
/// use pcmflow_engine::module::{ModuleCx, ModuleRegistry};
/// use pcmflow_engine::session::{FlowModule, FlowPart};
/// # use pcmflow_engine::task::Executor;
/// use std::sync::{Arc, Mutex};
/// struct Listens;
/// impl Node for Listens {
///     fn chunk(&mut self, _: usize, _: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
///         Ok(())
///     }
/// }
/// # let (_executor, spawner) = Executor::new(8)?;
/// # let flow = DataFlowCoordinator::new(spawner, BufferRecyclingPool::new(PoolConfig::default())?);
/// let flow = Arc::new(Mutex::new(flow)); // or `Session::flow`
/// let module = FlowModule::new("listening", &[], flow.clone(), |_| {
///     Ok(FlowPart { nodes: vec![("ear".into(), Ports::sink(None), Box::new(Listens))], ..FlowPart::default() })
/// });
/// let mut modules = ModuleRegistry::default();
/// modules.register(Box::new(module))?;
/// let cx = ModuleCx::new(Config::default().into(), 0);
/// modules.init(&cx)?;
/// modules.start(&cx)?;
/// assert!(flow.lock().unwrap().status().nodes.contains_key("ear"));
/// assert!(modules.stop(&cx).is_empty(), "nothing failed");
/// assert!(flow.lock().unwrap().status().nodes.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FlowModule {
    name: String,
    dependencies: Vec<&'static str>,
    flow: SharedFlow,
    make: Make,
    /// The names of its nodes that are in the flow.
    added: Vec<String>,
}

impl FlowModule {
    /// A module of this name that starts after others; `make` makes its part each time that it starts.
    ///
    /// Not RT-safe: allocates.
    pub fn new(
        name: impl Into<String>,
        dependencies: &[&'static str],
        flow: SharedFlow,
        make: impl FnMut(&Config) -> Outcome<FlowPart> + Send + 'static,
    ) -> Self {
        let (name, dependencies) = (name.into(), dependencies.to_vec());
        Self { name, dependencies, flow, make: Box::new(make), added: Vec::new() }
    }

    /// Takes its nodes out. One whose change must wait is kept for the next time; the others go all the same.
    fn take_out(&mut self, flow: &mut DataFlowCoordinator) -> Result<(), FlowError> {
        let mut failed = None;
        self.added.retain(|name| match flow.remove(name) {
            Ok(()) => false,
            Err(error) => {
                let stays = matches!(error, FlowError::Busy { .. });
                failed = failed.take().or(Some(error));
                stays
            }
        });
        failed.map_or(Ok(()), Err)
    }

    fn add(&mut self, part: FlowPart, flow: &mut DataFlowCoordinator) -> Result<(), FlowError> {
        for (name, ports, node) in part.nodes {
            flow.add_node(&name, ports, node)?;
            self.added.push(name);
        }
        part.pipelines.into_iter().try_for_each(|pipeline| flow.connect(pipeline))?;
        flow.start()
    }
}

impl Module for FlowModule {
    fn name(&self) -> &str {
        &self.name
    }

    fn dependencies(&self) -> &[&str] {
        &self.dependencies
    }

    fn start(&mut self, cx: &ModuleCx) -> Outcome<()> {
        let part = (self.make)(&cx.config)?;
        let flow = self.flow.clone();
        let mut flow = locked(&flow);
        // What could not be taken out when it was stopped.
        self.take_out(&mut flow)?;
        let added = self.add(part, &mut flow);
        if added.is_err() {
            // What was begun must have ended; that it fails, too, is not what matters.
            let _ = self.take_out(&mut flow);
        }
        Ok(added?)
    }

    fn stop(&mut self, _: &ModuleCx) -> Outcome<()> {
        let flow = self.flow.clone();
        Ok(self.take_out(&mut locked(&flow))?)
    }

    fn health(&self) -> Health {
        // Asked often: only of what is its own.
        let flow = locked(&self.flow);
        let failed = |name: &String| Some(format!("{name}: {}", flow.failure(name)?));
        let failed: Vec<_> = self.added.iter().filter_map(failed).collect();
        if failed.is_empty() { Health::Healthy } else { Health::Failed(failed.join("; ")) }
    }
}

impl fmt::Debug for FlowModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowModule")
            .field("name", &self.name)
            .field("added", &self.added)
            .finish_non_exhaustive()
    }
}
