//! The back-pressure controller, in every strategy and on every step.

use crate::guard::rt;
use pcmflow_engine::pressure::*;

pub(crate) fn entries() {
    for (name, strategy) in Strategy::ALL {
        assert_eq!(rt("Strategy::name", || strategy.name()), name);
        assert_eq!(rt("Reason::name", || Reason::Calm.name()), "calm");
        for producer in [Producer::Live, Producer::Waiting] {
            let config = ControllerConfig { strategy, ..ControllerConfig::default() };
            let mut controller =
                rt("BackpressureController::new", || BackpressureController::new(config)).unwrap();
            for (now_ms, used, consumer_per_s) in
                [(0, 0, 0), (1, 950, 100), (50, 950, 0), (100, 1_000, 0), (101, 0, 900), (2_000, 0, 1_000)]
            {
                let seen = Observation {
                    now_ns: now_ms * 1_000_000,
                    used,
                    capacity: 1_000,
                    producer,
                    consumer_per_s,
                    nominal_per_s: 1_000,
                    latency_limit_ns: 10_000_000_000,
                };
                rt("BackpressureController::observe", || controller.observe(seen));
            }
            rt("BackpressureController::set_strategy", || controller.set_strategy(Strategy::Block));
            assert_eq!(rt("BackpressureController::stats", || controller.stats(3_000_000_000)).episodes, 1);
        }
    }
    let refused = ControllerConfig { buffer_factor_max: 0, ..ControllerConfig::default() };
    assert!(rt("BackpressureController::new", || BackpressureController::new(refused)).is_err());
}
