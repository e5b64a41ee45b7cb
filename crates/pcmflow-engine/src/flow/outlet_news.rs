//! What the sending end of a link tells of how full it is: both edges of back-pressure, and what is done about it.

use super::outlet::Outlet;
use crate::event::types::{BackpressureCleared, BackpressureDetected, StrategyChanged};
use crate::pressure::{Change, Edge, Slow};
use crate::task::Cx;
use pcmflow_core::pressure::PressureEdge;

/// Looks at the link, once a poll, and publishes what changed.
pub(super) fn tell(outlet: &mut Outlet, now_ns: u64, cx: &mut Cx<'_>) {
    let (edge, change) = outlet.observe(now_ns);
    if let Some(edge) = edge {
        tell_pressure(outlet, edge, cx);
    }
    if let Some(Change { from, to, reason, .. }) = change {
        let pipeline = outlet.cell.names.pipeline;
        cx.publish(pipeline, &StrategyChanged { pipeline, from, to, reason });
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
