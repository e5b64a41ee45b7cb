//! What a flow tells of itself: events on a bus, and meters at its nodes and pipelines.

use crate::event::{Event, EventBus, EventError, NameId, Publisher};
use crate::metrics::{Meter, MeterReader};
use crate::task::Clock;
use pcmflow_core::health::HealthConfig;
use std::sync::Arc;

/// To whom a flow tells what happens, and by what it measures. For
/// [`DataFlowCoordinator::observe`](super::DataFlowCoordinator::observe).
///
/// Tasks publish by their executor ([`Executor::publish_by`](crate::task::Executor::publish_by)), which must have a publisher of
/// the same bus: names are its.
///
/// ```
/// use pcmflow_core::health::HealthConfig;
/// use pcmflow_core::pool::{BufferRecyclingPool, PoolConfig};
/// use pcmflow_engine::event::{BusConfig, EventBus, Received, types::PipelineRegistered};
/// use pcmflow_engine::flow::{DataFlowCoordinator, Ports, PipelineConfig, Telemetry};
/// # use pcmflow_engine::flow::{Node, NodeError, Out};
/// # struct Pass;
/// # impl Node for Pass {
/// #     fn chunk(&mut self, _: usize, c: pcmflow_core::chunk::AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
/// #         out.chunk(c);
/// #         Ok(())
/// #     }
/// # }
/// use pcmflow_engine::task::{Executor, StepClock};
/// use std::sync::Arc;
/// let (mut executor, spawner) = Executor::new(16)?;
/// let (bus, task) = EventBus::new(BusConfig::default());
/// spawner.spawn(pcmflow_engine::Priority::Critical, Box::new(task))?;
/// executor.publish_by(bus.publisher(bus.names().id("worker"))?);
/// let clock = Arc::new(StepClock::default());
/// let mut flow = DataFlowCoordinator::new(spawner, BufferRecyclingPool::new(PoolConfig::default())?);
/// flow.observe(Telemetry { bus: bus.clone(), clock: clock.clone(), meters: Some(HealthConfig::default()) })?;
/// let mut registered = bus.subscribe::<PipelineRegistered>(16)?;
/// flow.add_node("a", Ports::node(None), Box::new(Pass))?;
/// flow.add_node("b", Ports::node(None), Box::new(Pass))?;
/// flow.connect(PipelineConfig::new("a", "b"))?;
/// executor.run(&*clock);
/// let Some(Received::Event(told)) = registered.receive() else { panic!() };
/// assert_eq!(bus.names().name(told.event.pipeline).as_deref(), Some("a→b"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Where what happens is published.
    pub bus: EventBus,
    /// The clock that drives the tasks.
    pub clock: Arc<dyn Clock>,
    /// What counts as healthy; none: nothing is measured. A pipeline's own
    /// [`latency_ms_max`](super::PipelineConfig::latency_ms_max) comes before the limit there.
    pub meters: Option<HealthConfig>,
}

/// What the coordinator needs for it.
#[derive(Debug)]
pub(super) struct Observed {
    telemetry: Telemetry,
    publisher: Publisher,
}

impl Observed {
    pub(super) fn new(telemetry: Telemetry) -> Result<Self, EventError> {
        let publisher = telemetry.bus.publisher(NameId::NONE)?;
        Ok(Self { telemetry, publisher })
    }

    pub(super) fn id(&self, name: &str) -> NameId {
        self.telemetry.bus.names().id(name)
    }

    pub(super) fn publish<E: Event>(&mut self, source: NameId, event: &E) {
        let _ = self.publisher.publish_as(source, event, self.telemetry.clock.now_ns());
        self.publisher.wake();
    }

    /// A meter for one node or pipeline, where one is wanted; of so much latency at most, unless that is 0.
    pub(super) fn meter(&self, latency_ns_max: u64) -> Option<(Meter, MeterReader)> {
        let mut config = self.telemetry.meters?;
        if latency_ns_max > 0 {
            config.latency_limit_ns = latency_ns_max;
        }
        // Refused only where the limit is out of its range: then that one is not measured.
        Meter::new(config, self.telemetry.clock.now_ns()).ok()
    }
}
