//! [`BackpressureController`]: from observations of one link to decisions about it.

use super::{
    Change, ControllerConfig, ControllerError, Decision, Edge, Observation, Outcome, Producer, Reason, Slow,
    Strategy,
};
use pcmflow_core::pressure::{BackpressureDetector, PressureEdge, PressureStats, PressureThresholds};

const NS_PER_S: u128 = 1_000_000_000;

/// Decides what is done about one link's back-pressure: see the module's docs for the order.
///
/// ```
/// use pcmflow_engine::pressure::*;
/// let mut controller = BackpressureController::new(ControllerConfig::default())?;
/// let calm = Observation {
///     now_ns: 0, used: 100, capacity: 1_000, producer: Producer::Live, consumer_per_s: 48_000, nominal_per_s: 48_000,
///     latency_limit_ns: 10_000_000,
/// };
/// assert_eq!(controller.observe(calm).decision.buffer_limit, 1_000);
/// // 10 ms are 480 frames: latency does not allow to buffer. A live producer can't wait.
/// let full = controller.observe(Observation { now_ns: 5, used: 950, consumer_per_s: 0, ..calm });
/// assert_eq!(full.decision.strategy, Strategy::DropOldest);
/// assert_eq!(full.edge.map(|edge| edge.slow), Some(Slow::ConsumerStands));
/// # Ok::<(), ControllerError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BackpressureController {
    config: ControllerConfig,
    detector: BackpressureDetector,
    /// The latest time seen.
    now_ns: u64,
    /// From the first back-pressure until it was calm for `relax_ns`.
    engaged: bool,
    /// When back-pressure last ended.
    calm_since_ns: u64,
    /// Steps up that were taken, 0 to 2.
    rung: u8,
    /// When the strategy last changed.
    changed_ns: Option<u64>,
    slow: Slow,
    decision: Decision,
}

impl BackpressureController {
    /// Makes a controller of a link without back-pressure.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`ControllerError`] for the number that is out of range.
    pub fn new(config: ControllerConfig) -> Result<Self, ControllerError> {
        let ControllerConfig { on_percent, off_percent, .. } = config;
        let detector = BackpressureDetector::new(PressureThresholds { on_percent, off_percent })?;
        if config.buffer_factor_max == 0 {
            return Err(ControllerError::BufferFactor);
        }
        Ok(Self {
            config,
            detector,
            now_ns: 0,
            engaged: false,
            calm_since_ns: 0,
            rung: 0,
            changed_ns: None,
            slow: Slow::ProducerFast,
            decision: Decision { strategy: config.strategy.first(), throttle_ns: 0, buffer_limit: 0 },
        })
    }

    /// Another strategy from now on. Back-pressure that is on goes on: it ends, and is counted, as the one that it is.
    ///
    /// ```
    /// use pcmflow_engine::pressure::{BackpressureController, ControllerConfig, Observation, Producer, Strategy};
    /// let mut controller = BackpressureController::new(ControllerConfig::default())?;
    /// let mut seen = Observation { now_ns: 1, used: 16, capacity: 16, producer: Producer::Waiting, consumer_per_s: 0,
    ///     nominal_per_s: 100, latency_limit_ns: 10_000_000 };
    /// assert!(controller.observe(seen).edge.is_some());
    /// controller.set_strategy(Strategy::DropNewest);
    /// assert!(controller.stats(5).active);
    /// (seen.now_ns, seen.used) = (101, 0);
    /// assert_eq!(controller.observe(seen).decision.strategy, Strategy::DropNewest);
    /// assert_eq!((controller.stats(101).episodes, controller.stats(101).total_ns), (1, 100));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn set_strategy(&mut self, strategy: Strategy) {
        if strategy != self.config.strategy {
            self.config.strategy = strategy;
            (self.rung, self.changed_ns) = (0, None);
            self.decision.strategy = strategy.first();
        }
    }

    /// Takes in how the link is; says what is to be done, and what changed with it.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn observe(&mut self, seen: Observation) -> Outcome {
        if seen.capacity == 0 {
            return Outcome { decision: self.decision, edge: None, change: None };
        }
        self.now_ns = self.now_ns.max(seen.now_ns);
        let edge = self.detector.observe(seen.used, seen.capacity, self.now_ns);
        match edge {
            Some(PressureEdge::On { .. }) => {
                self.engaged = true;
                self.slow = slow(&seen);
            }
            Some(PressureEdge::Off { .. }) => self.calm_since_ns = self.now_ns,
            None => {}
        }
        let pressed = self.stats(self.now_ns).active;
        let mut reason = Reason::OtherProducer;
        if self.engaged && !pressed && self.now_ns - self.calm_since_ns >= self.config.relax_ns {
            self.engaged = false;
            self.rung = 0;
            reason = Reason::Calm;
        }
        let buffer_limit = self.buffer_limit(&seen);
        if pressed && self.may_escalate(&seen, buffer_limit) {
            self.rung += 1;
            reason = Reason::Exhausted;
        }
        let strategy = self.strategy(seen.producer);
        let throttle_ns =
            if self.engaged && strategy == Strategy::Throttle { self.throttle_ns(&seen) } else { 0 };
        let from = self.decision.strategy;
        self.decision = Decision { strategy, throttle_ns, buffer_limit };
        let change = (strategy != from).then(|| {
            self.changed_ns = Some(self.now_ns);
            Change { at_ns: self.now_ns, from, to: strategy, reason }
        });
        let edge = edge.map(|edge| Edge { edge, slow: self.slow });
        Outcome { decision: self.decision, edge, change }
    }

    /// How often and how long there was back-pressure up to `now_ns`.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn stats(&self, now_ns: u64) -> PressureStats {
        self.detector.stats(now_ns)
    }

    /// Whether what is in force has failed, and was given the time to work.
    fn may_escalate(&self, seen: &Observation, limit: u64) -> bool {
        let full = match (self.rung, seen.producer) {
            (0, _) => u128::from(seen.used) * 100 >= u128::from(limit) * u128::from(self.config.on_percent),
            // What was buffered is still worked off while the producer pauses: only a link that is full is a failure.
            (1, Producer::Waiting) => seen.used >= limit,
            _ => false,
        };
        let rested =
            self.changed_ns.is_none_or(|changed_ns| self.now_ns - changed_ns >= self.config.escalate_ns);
        self.config.strategy == Strategy::Adaptive && full && rested
    }

    /// The strategy in force. What would make a live producer wait is what a full link does to it anyway.
    fn strategy(&self, producer: Producer) -> Strategy {
        match (self.config.strategy, self.rung, producer) {
            (Strategy::Adaptive, 0, _) => Strategy::Buffer,
            (Strategy::Adaptive, _, Producer::Live) => Strategy::DropOldest,
            (Strategy::Adaptive, 1, Producer::Waiting) => Strategy::Throttle,
            (Strategy::Adaptive, _, Producer::Waiting) => Strategy::Block,
            (Strategy::Throttle | Strategy::Block, _, Producer::Live) => Strategy::DropNewest,
            (fixed, ..) => fixed,
        }
    }

    /// Units that the link may hold now. Shrinks at once, grows by an eighth of the capacity or not at all.
    fn buffer_limit(&self, seen: &Observation) -> u64 {
        if !self.engaged || !matches!(self.config.strategy, Strategy::Buffer | Strategy::Adaptive) {
            return seen.capacity;
        }
        let by_latency = u128::from(seen.consumer_per_s) * u128::from(seen.latency_limit_ns) / NS_PER_S;
        let by_factor = seen.capacity.saturating_mul(self.config.buffer_factor_max.into());
        let by_latency = by_latency.try_into().unwrap_or(u64::MAX);
        let allowed = by_factor.min(by_latency).max(seen.capacity);
        let before = self.decision.buffer_limit.max(seen.capacity);
        let worth_while = allowed - seen.capacity >= before - seen.capacity + (seen.capacity / 8).max(1);
        if allowed < before || worth_while { allowed } else { before }
    }

    /// How long the consumer needs to work off what lies above the middle of the thresholds.
    fn throttle_ns(&self, seen: &Observation) -> u64 {
        let percent = u128::from(self.config.on_percent) + u128::from(self.config.off_percent);
        let above = u128::from(seen.used).saturating_sub(u128::from(seen.capacity) * percent / 200);
        let (most, rate) = (u128::from(self.config.throttle_ns_max), u128::from(seen.consumer_per_s));
        // When it stands still, as long as may be.
        let needed = (above * NS_PER_S).checked_div(rate).unwrap_or(if above > 0 { most } else { 0 });
        needed.min(most) as u64
    }
}

/// Who can't keep up.
fn slow(seen: &Observation) -> Slow {
    if seen.consumer_per_s == 0 {
        Slow::ConsumerStands
    } else if u128::from(seen.consumer_per_s) * 100 < u128::from(seen.nominal_per_s) * 95 {
        Slow::ConsumerSlow
    } else {
        Slow::ProducerFast
    }
}
