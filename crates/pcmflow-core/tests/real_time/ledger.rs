//! The books, and the detector of back-pressure.

use crate::guard::rt;
use pcmflow_core::format::{Frames, SampleRate, StreamPosition};
use pcmflow_core::ledger::*;
use pcmflow_core::pressure::{BackpressureDetector, PressureThresholds};

pub(crate) fn entries() {
    edges();
    timelines();
    pressure();
}

fn edges() {
    let (writer, reader) = (WriterBooks::default(), ReaderBooks::default());
    rt("WriterBooks::post_accepted", || writer.post_accepted(Frames(9)));
    rt("WriterBooks::post_lost", || writer.post_lost(Frames(4), LossCause::Overflow));
    rt("WriterBooks::post_overrun", || writer.post_overrun());
    rt("ReaderBooks::post_popped", || reader.post_popped(Frames(6)));
    rt("ReaderBooks::post_evicted", || reader.post_evicted(Frames(2), LossCause::Shed));
    let snapshot = EdgeSnapshot {
        accepted: rt("WriterBooks::accepted", || writer.accepted()),
        popped: rt("ReaderBooks::popped", || reader.popped()),
        evicted: rt("ReaderBooks::evicted", || reader.evicted()),
        occupancy: Frames(1),
        lost: rt("WriterBooks::lost", || writer.lost()),
        overruns: rt("WriterBooks::overruns", || writer.overruns()),
    };
    assert_eq!(rt("EdgeSnapshot::imbalance", || snapshot.imbalance()), Frames::ZERO);
    rt("WriterBooks::post_evicted", || writer.post_evicted(Frames(1), LossCause::Shed));
    rt("WriterBooks::evicted", || writer.evicted());
    rt("ReaderBooks::post_overrun", || reader.post_overrun());
    rt("ReaderBooks::overruns", || reader.overruns());
    rt("Balance::close", || Balance::close(Frames(13), &[snapshot], &Timeline::default()));
    let (from, to) = (SampleRate::HZ_48000, SampleRate::HZ_48000);
    let books = Conversion { from, to, taken: Frames(1), given: Frames(1), held: Frames(0) };
    assert_eq!(rt("Conversion::imbalance", || books.imbalance()), Frames::ZERO);
}

fn timelines() {
    let mut timeline = rt("Timeline::starting_at", || Timeline::starting_at(StreamPosition::START));
    assert_eq!(rt("Timeline::start", || timeline.start()), StreamPosition::START);
    let gap = Gap { position: StreamPosition(5), frames: Frames(3), cause: LossCause::Device };
    rt("Timeline::deliver", || timeline.deliver(StreamPosition::START, Frames(5)));
    rt("Timeline::lose", || timeline.lose(gap));
    assert_eq!(rt("Gap::end", || gap.end()), rt("Timeline::position", || timeline.position()));
    let lost = rt("Timeline::lost", || timeline.lost());
    assert_eq!(rt("Losses::total", || lost.total()), Frames(3));
    assert_eq!(rt("Losses::iter", || lost.iter().count()), 1);
    assert_eq!(rt("LossCause::name", || LossCause::Device.name()), "device");
    let cut = CutMark { position: StreamPosition(8), accepted: Frames(5), lost };
    assert_eq!(rt("Timeline::settle", || timeline.settle(&cut)).unaccounted, Frames::ZERO);
    let cut = rt("CutMark::after_eviction", || cut.after_eviction(Frames(1), LossCause::Shed));
    assert_eq!(cut.accepted, Frames(4));
    rt("Timeline::end", || timeline.end());
    assert!(rt("Timeline::has_ended", || timeline.has_ended()));
    assert_eq!(rt("Timeline::delivered", || timeline.delivered()), Frames(5));
    assert_eq!(rt("Timeline::unaccounted", || timeline.unaccounted()), Frames::ZERO);
}

fn pressure() {
    let mut detector =
        rt("BackpressureDetector::new", || BackpressureDetector::new(PressureThresholds::default())).unwrap();
    let refused = PressureThresholds { on_percent: 0, off_percent: 0 };
    assert!(rt("BackpressureDetector::new", || BackpressureDetector::new(refused)).is_err());
    for (used, now_ns) in [(0, 0), (95, 10), (80, 20), (10, 30)] {
        rt("BackpressureDetector::observe", || detector.observe(used, 100, now_ns));
    }
    assert_eq!(rt("BackpressureDetector::stats", || detector.stats(40)).episodes, 1);
}
