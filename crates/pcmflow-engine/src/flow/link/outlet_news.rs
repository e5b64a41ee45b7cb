//! What the sending end of a link tells of how full it is: both edges of back-pressure, what is done about it, that it begins to lose,
//! and that a join's other input is too far behind.

use super::outlet::{Outlet, Stall};
use crate::event::types::{
    BackpressureCleared, BackpressureDetected, FailureKind, FlowRecovery, GapOpened, PipelineFailure,
    StrategyChanged,
};
use crate::pressure::{Change, Edge, Slow};
use crate::task::Cx;
use pcmflow_core::format::{Frames, StreamPosition};
use pcmflow_core::ledger::Gap;
use pcmflow_core::pressure::PressureEdge;

/// Looks at the link, once a poll, and publishes what changed.
pub(in crate::flow) fn tell(outlet: &mut Outlet, now_ns: u64, cx: &mut Cx<'_>) {
    let (edge, change) = outlet.observe(now_ns);
    if let Some(edge) = edge {
        tell_pressure(outlet, edge, cx);
    }
    if let Some(Change { from, to, reason, .. }) = change {
        let pipeline = outlet.cell.names.pipeline;
        cx.publish(pipeline, &StrategyChanged { pipeline, from, to, reason });
    }
    if let Some(Gap { position, frames, cause }) = outlet.opened() {
        let edge = outlet.cell.names.pipeline;
        cx.publish(edge, &GapOpened { edge, position, frames, cause });
    }
    let (pipeline, module) = (outlet.cell.names.pipeline, outlet.cell.names.to);
    match outlet.stall(now_ns) {
        Some(Stall::Began) => {
            let position = StreamPosition(outlet.cell.taken.read().position);
            let kind = FailureKind::Stalled;
            cx.publish(pipeline, &PipelineFailure { pipeline, module, kind, position });
        }
        Some(Stall::Ended { lasted_ns: down_ns }) => {
            // What drops is never held up.
            let frames_lost = Frames::ZERO;
            cx.publish(pipeline, &FlowRecovery { pipeline, attempts: 0, frames_lost, down_ns });
        }
        None => {}
    }
}

/// Publishes that back-pressure began or ended.
fn tell_pressure(outlet: &Outlet, edge: Edge, cx: &mut Cx<'_>) {
    let names = outlet.cell.names;
    let (pipeline, slow) = match edge.slow {
        Slow::ConsumerStands | Slow::ConsumerSlow => (names.pipeline, names.to),
        Slow::ProducerFast => (names.pipeline, names.from),
    };
    match edge.edge {
        PressureEdge::On { .. } => {
            let (queued_chunks, capacity_chunks) = outlet.fill();
            cx.publish(pipeline, &BackpressureDetected { pipeline, slow, queued_chunks, capacity_chunks })
        }
        PressureEdge::Off { lasted_ns: duration_ns, .. } => {
            cx.publish(pipeline, &BackpressureCleared { pipeline, slow, duration_ns })
        }
    };
}
