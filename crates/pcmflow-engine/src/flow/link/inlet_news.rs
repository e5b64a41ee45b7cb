//! What the receiving end of a link tells of what goes through it: events, and the link's meter.

use crate::event::NameId;
use crate::event::types::{DataFlowEnded, DataFlowStarted, DeadlineMissed, GapOpened};
use crate::metrics::{Meter, Starved};
use crate::task::Cx;
use pcmflow_core::chunk::ChunkMeta;
use pcmflow_core::format::{Frames, SampleRate};
use pcmflow_core::ledger::{Gap, LossCause, Timeline};

/// So many times a chunk's own duration may pass before the next one counts as overdue.
const PATIENCE: u64 = 2;

#[derive(Debug)]
pub(in crate::flow) struct InletNews {
    pipeline: NameId,
    /// None: nothing is measured.
    pub(in crate::flow) meter: Option<Meter>,
    /// When the first chunk was taken.
    started_ns: Option<u64>,
    /// Of the last chunk; none before the first, and when nothing more is to come.
    last: Option<Last>,
    /// The last chunk was late: a run of late ones is one event.
    late: bool,
    /// What the link itself has lost, as far as it was told.
    lost: Frames,
}

/// What the last chunk says of the next.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// Its own frames, those of the source that it stands for, and how long that is. Kept, as almost all chunks are alike and a division
    /// takes as long as the rest.
    frames: Frames,
    span: Frames,
    rate: SampleRate,
    lasts_ns: u64,
    /// When the next one is due at the latest.
    due_ns: u64,
}

impl InletNews {
    pub(in crate::flow) fn new(pipeline: NameId) -> Self {
        Self { pipeline, meter: None, started_ns: None, last: None, late: false, lost: Frames::ZERO }
    }

    /// A chunk of this age will be told of in a moment.
    pub(in crate::flow) fn expect(&self, age_ns: u64) {
        if let Some(meter) = &self.meter {
            meter.health.expect_block(age_ns);
        }
    }

    /// A chunk was taken, so much too late; it stands for so many frames of its source, and has so many.
    pub(in crate::flow) fn taken(
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
        let alike = self.last.filter(|last| last.frames == frames && last.rate == rate);
        let lasts_ns = alike.map_or_else(|| rate.frames_to_ns(frames), |last| last.lasts_ns);
        if let Some(last) = self.last.filter(|last| now_ns > last.due_ns) {
            // A chunk that was complete long ago waited here; else it is what is before this link that was empty.
            let waited_ns = now_ns.saturating_sub(meta.complete_ns);
            let cause = Starved::cause(waited_ns > PATIENCE * lasts_ns);
            meter.starved(cause, now_ns - last.due_ns);
        }
        let due_ns = now_ns.saturating_add(PATIENCE * lasts_ns);
        meter.due(due_ns);
        self.last = Some(Last { frames, span, rate, lasts_ns, due_ns });
    }

    /// Nothing more is to come.
    pub(in crate::flow) fn rest(&mut self) {
        self.last = None;
        if let Some(meter) = &mut self.meter {
            meter.due(0);
        }
    }

    /// A gap came by; `lost` is what this link has lost so far. The sending end has told, and the link itself counts it.
    pub(in crate::flow) fn lost(&mut self, gap: Gap, lost: Frames) {
        let here = lost - std::mem::replace(&mut self.lost, lost);
        // What was never sent, or given up on purpose, is not missed here for as long as it lasts.
        if let (Some(last), Some(meter)) = (&mut self.last, &mut self.meter)
            && (here == Frames::ZERO || gap.cause == LossCause::Shed)
        {
            let ns = u128::from(last.lasts_ns) * u128::from(gap.frames.0) / u128::from(last.span.0.max(1));
            last.due_ns = last.due_ns.saturating_add(u64::try_from(ns).unwrap_or(u64::MAX));
            meter.due(last.due_ns);
        }
    }

    /// The sending end went with these frames, and can tell nobody.
    pub(in crate::flow) fn unsent(&self, gap: Gap, cx: &mut Cx<'_>) {
        let Gap { position, frames, cause } = gap;
        cx.publish(self.pipeline, &GapOpened { edge: self.pipeline, position, frames, cause });
    }

    /// The stream is over.
    pub(in crate::flow) fn ended(&mut self, taken: &Timeline, now_ns: u64, cx: &mut Cx<'_>) {
        let (pipeline, frames, frames_lost) = (self.pipeline, taken.delivered(), taken.lost().total());
        let duration_ns = now_ns.saturating_sub(self.started_ns.unwrap_or(now_ns));
        cx.publish(pipeline, &DataFlowEnded { pipeline, frames, frames_lost, duration_ns });
        self.rest();
    }
}
