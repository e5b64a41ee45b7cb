//! What the receiving end of a link tells of what goes through it: events, and the link's meter.

use crate::event::NameId;
use crate::event::types::{DataFlowEnded, DataFlowStarted, DeadlineMissed, GapOpened};
use crate::metrics::{Meter, Starved};
use crate::task::Cx;
use pcmflow_core::chunk::ChunkMeta;
use pcmflow_core::format::Frames;
use pcmflow_core::ledger::{Gap, Timeline};

/// So many times a chunk's own duration may pass before the next one counts as overdue.
const PATIENCE: u64 = 2;

#[derive(Debug)]
pub(super) struct InletNews {
    pipeline: NameId,
    /// None: nothing is measured.
    pub(super) meter: Option<Meter>,
    /// When the first chunk was taken.
    started_ns: Option<u64>,
    /// When the last chunk was taken, how many frames it had, and how many of them are a second.
    last: Option<(u64, u64, u32)>,
    /// The last chunk was late: a run of late ones is one event.
    late: bool,
    /// What the link itself has lost, as far as it was told.
    lost: Frames,
}

impl InletNews {
    pub(super) fn new(pipeline: NameId) -> Self {
        Self { pipeline, meter: None, started_ns: None, last: None, late: false, lost: Frames::ZERO }
    }

    /// A chunk of this age will be told of in a moment.
    pub(super) fn expect(&self, age_ns: u64) {
        if let Some(meter) = &self.meter {
            meter.health.expect_block(age_ns);
        }
    }

    /// A chunk was taken, so much too late; it stands for so many frames of its source, and has so many.
    pub(super) fn taken(
        &mut self,
        meta: &ChunkMeta,
        (span, frames): (Frames, Frames),
        now_ns: u64,
        late_ns: u64,
        cx: &mut Cx<'_>,
    ) {
        let pipeline = self.pipeline;
        if self.started_ns.is_none() {
            self.started_ns = Some(now_ns);
            let (rate_hz, channels) = (meta.format.rate.hz(), meta.format.channels.get() as u16);
            cx.publish(pipeline, &DataFlowStarted { pipeline, position: meta.position, rate_hz, channels });
        }
        let was_late = std::mem::replace(&mut self.late, late_ns > 0);
        if self.late && !was_late {
            cx.publish(pipeline, &DeadlineMissed { pipeline, position: meta.position, late_ns });
        }
        let Some(meter) = &mut self.meter else { return };
        meter.health.block(span.0, now_ns.saturating_sub(meta.timestamp_ns));
        if late_ns > 0 {
            meter.health.deadline_missed();
        }
        let rate = meta.format.rate;
        if let Some((last_ns, last_frames, hz)) = self.last.replace((now_ns, frames.0, rate.hz())) {
            // Multiplied out, as almost no chunk is overdue, and a division takes as long as the rest.
            let patience = u128::from(PATIENCE) * u128::from(last_frames) * 1_000_000_000;
            if u128::from(now_ns.saturating_sub(last_ns)) * u128::from(hz) > patience {
                let lasts_ns = rate.frames_to_ns(frames);
                let overdue_ns = last_ns.saturating_add((patience / u128::from(hz)) as u64);
                // A chunk that was complete long ago waited here; else it is what is before this link that was empty.
                let waited_ns = now_ns.saturating_sub(meta.complete_ns);
                meter.starved(Starved::cause(waited_ns > PATIENCE * lasts_ns, true), overdue_ns);
                meter.fed(now_ns);
            }
        }
    }

    /// A gap came by; `lost` is what this link has lost so far.
    pub(super) fn lost(&mut self, gap: Gap, lost: Frames, cx: &mut Cx<'_>) {
        let here = lost - std::mem::replace(&mut self.lost, lost);
        if here == Frames::ZERO {
            return;
        }
        let Gap { position, frames, cause } = gap;
        cx.publish(self.pipeline, &GapOpened { edge: self.pipeline, position, frames, cause });
        if let Some(meter) = &mut self.meter {
            meter.health.frames_dropped(here.0);
            meter.health.overrun();
        }
    }

    /// The stream is over.
    pub(super) fn ended(&mut self, taken: &Timeline, now_ns: u64, cx: &mut Cx<'_>) {
        let (pipeline, frames, frames_lost) = (self.pipeline, taken.delivered(), taken.lost().total());
        let duration_ns = now_ns.saturating_sub(self.started_ns.unwrap_or(now_ns));
        cx.publish(pipeline, &DataFlowEnded { pipeline, frames, frames_lost, duration_ns });
    }
}
