//! The hot half of a meter.

use crate::guard::rt;
use pcmflow_core::health::HealthConfig;
use pcmflow_engine::metrics::*;

pub(crate) fn entries() {
    let (mut meter, mut reader) = Meter::new(HealthConfig::default(), 0).unwrap();
    rt("Meter::busy", || meter.busy(5));
    for depth in [3, 1] {
        rt("Meter::depth", || meter.depth(depth));
    }
    for (waiting, due) in [(true, true), (false, true), (false, false)] {
        let cause = rt("Starved::cause", || Starved::cause(waiting, due));
        rt("Starved::name", || cause.name());
        for now_ns in [10, 20] {
            rt("Meter::starved", || meter.starved(cause, now_ns));
        }
    }
    for now_ns in [30, 40] {
        rt("Meter::fed", || meter.fed(now_ns));
    }
    assert_eq!((reader.read(50).depth, reader.read(50).depth_high), (1, 3));
}
