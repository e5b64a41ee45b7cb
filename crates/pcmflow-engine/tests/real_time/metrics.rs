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
    for waiting in [true, false] {
        let cause = rt("Starved::cause", || Starved::cause(waiting));
        rt("Starved::name", || cause.name());
        rt("Meter::starved", || meter.starved(cause, 10));
    }
    for at_ns in [30, 0] {
        rt("Meter::due", || meter.due(at_ns));
    }
    assert_eq!((reader.read(50).depth, reader.read(50).depth_high), (1, 3));
}
