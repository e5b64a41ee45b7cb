//! Back-pressure: when a buffer is so full that whoever fills it should hear of it.
//!
//! A pure reducer: fill levels and times in, edges out. It knows no clock and no buffer, computes with integers, and
//! so gives the same edges everywhere and in every replay.

/// At which fill back-pressure begins and ends.
///
/// Between the two nothing changes, so that a fill that wavers round one of them does not flap.
///
/// ```
/// use pcmflow_core::pressure::{BackpressureDetector, PressureThresholds};
/// let half = PressureThresholds { on_percent: 50, off_percent: 25 };
/// let mut detector = BackpressureDetector::new(half)?;
/// assert!(detector.observe(5, 10, 0).is_some());
/// # Ok::<(), pcmflow_core::pressure::PressureError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PressureThresholds {
    /// Back-pressure begins at this fill or above, in percent: 1 to 100, by default 90.
    pub on_percent: u8,
    /// It ends at this fill or below, in percent: 0 to `on_percent` − 1, by default 70.
    pub off_percent: u8,
}

impl Default for PressureThresholds {
    fn default() -> Self {
        Self { on_percent: 90, off_percent: 70 }
    }
}

/// Why thresholds were refused.
///
/// ```
/// use pcmflow_core::pressure::{BackpressureDetector, PressureError, PressureThresholds};
/// let crossed = PressureThresholds { on_percent: 60, off_percent: 60 };
/// let error = BackpressureDetector::new(crossed).unwrap_err();
/// assert_eq!(error, PressureError::Off { off_percent: 60, on_percent: 60 });
/// assert_eq!(error.to_string(), "pressure.off_percent is 60, it must be below on_percent, 60");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PressureError {
    /// The upper threshold is out of range.
    #[error("pressure.on_percent is {on_percent}, allowed are 1 to 100")]
    On {
        /// The refused threshold.
        on_percent: u8,
    },
    /// The lower threshold is not below the upper.
    #[error("pressure.off_percent is {off_percent}, it must be below on_percent, {on_percent}")]
    Off {
        /// The refused threshold.
        off_percent: u8,
        /// The upper one.
        on_percent: u8,
    },
}

/// Back-pressure began or ended.
///
/// ```
/// use pcmflow_core::pressure::{BackpressureDetector, PressureEdge};
/// let mut detector = BackpressureDetector::default();
/// assert_eq!(detector.observe(95, 100, 10), Some(PressureEdge::On { at_ns: 10 }));
/// assert_eq!(detector.observe(50, 100, 25), Some(PressureEdge::Off { at_ns: 25, lasted_ns: 15 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PressureEdge {
    /// The fill reached the upper threshold.
    On {
        /// When.
        at_ns: u64,
    },
    /// The fill fell to the lower threshold.
    Off {
        /// When.
        at_ns: u64,
        /// How long the back-pressure lasted.
        lasted_ns: u64,
    },
}

/// How often and how long there was back-pressure.
///
/// ```
/// use pcmflow_core::pressure::{BackpressureDetector, PressureStats};
/// let mut detector = BackpressureDetector::default();
/// detector.observe(95, 100, 10);
/// let expected = PressureStats { active: true, episodes: 1, current_ns: 30, total_ns: 30 };
/// assert_eq!(detector.stats(40), expected);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PressureStats {
    /// There is now.
    pub active: bool,
    /// How often it began.
    pub episodes: u64,
    /// How long it lasts now; 0 when there is none.
    pub current_ns: u64,
    /// How long all episodes lasted, this one included.
    pub total_ns: u64,
}

/// Detects back-pressure from fill levels, with hysteresis.
///
/// ```
/// use pcmflow_core::pressure::{BackpressureDetector, PressureEdge};
/// let mut detector = BackpressureDetector::default();
/// assert_eq!(detector.observe(899, 1000, 10), None);
/// assert_eq!(detector.observe(900, 1000, 20), Some(PressureEdge::On { at_ns: 20 }));
/// assert_eq!(detector.observe(701, 1000, 30), None);
/// assert_eq!(detector.observe(700, 1000, 50), Some(PressureEdge::Off { at_ns: 50, lasted_ns: 30 }));
/// assert_eq!(detector.stats(60).episodes, 1);
/// ```
#[derive(Debug, Clone, Default)]
pub struct BackpressureDetector {
    thresholds: PressureThresholds,
    /// When the present episode began.
    since_ns: Option<u64>,
    episodes: u64,
    /// How long the episodes before lasted.
    past_ns: u64,
}

impl BackpressureDetector {
    /// Makes a detector without back-pressure.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`PressureError::On`] outside 1 to 100, [`PressureError::Off`] when it is not below.
    pub fn new(thresholds: PressureThresholds) -> Result<Self, PressureError> {
        let PressureThresholds { on_percent, off_percent } = thresholds;
        if !(1..=100).contains(&on_percent) {
            return Err(PressureError::On { on_percent });
        }
        if off_percent >= on_percent {
            return Err(PressureError::Off { off_percent, on_percent });
        }
        Ok(Self { thresholds, ..Self::default() })
    }

    /// Takes in that `used` of `capacity` were filled at `now_ns`; says if back-pressure began or ended with that.
    ///
    /// Any unit will do if both have it. An observation without capacity says nothing and is ignored. A clock that
    /// goes back makes an episode last 0 ns, not less.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn observe(&mut self, used: u64, capacity: u64, now_ns: u64) -> Option<PressureEdge> {
        if capacity == 0 {
            return None;
        }
        let fill = u128::from(used) * 100;
        let at = |percent: u8| u128::from(capacity) * u128::from(percent);
        match self.since_ns {
            None if fill >= at(self.thresholds.on_percent) => {
                self.since_ns = Some(now_ns);
                self.episodes += 1;
                Some(PressureEdge::On { at_ns: now_ns })
            }
            Some(since_ns) if fill <= at(self.thresholds.off_percent) => {
                let lasted_ns = now_ns.saturating_sub(since_ns);
                self.since_ns = None;
                self.past_ns = self.past_ns.saturating_add(lasted_ns);
                Some(PressureEdge::Off { at_ns: now_ns, lasted_ns })
            }
            _ => None,
        }
    }

    /// How often and how long there was back-pressure up to `now_ns`.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn stats(&self, now_ns: u64) -> PressureStats {
        let current_ns = self.since_ns.map_or(0, |since_ns| now_ns.saturating_sub(since_ns));
        PressureStats {
            active: self.since_ns.is_some(),
            episodes: self.episodes,
            current_ns,
            total_ns: self.past_ns.saturating_add(current_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn thresholds_are_checked_and_named() {
        let new = |on_percent, off_percent| {
            BackpressureDetector::new(PressureThresholds { on_percent, off_percent }).map(|_| ())
        };
        assert_eq!(new(100, 99), Ok(()));
        assert_eq!(new(1, 0), Ok(()));
        assert_eq!(new(0, 0), Err(PressureError::On { on_percent: 0 }));
        assert_eq!(new(101, 0), Err(PressureError::On { on_percent: 101 }));
        let error = new(70, 70).unwrap_err();
        assert_eq!(error.to_string(), "pressure.off_percent is 70, it must be below on_percent, 70");
    }

    #[test]
    fn edges_by_table() {
        let (on, off) = (
            |at_ns| Some(PressureEdge::On { at_ns }),
            |at_ns, lasted_ns| Some(PressureEdge::Off { at_ns, lasted_ns }),
        );
        // used, capacity, time, edge, episodes, current, total
        let table = [
            (0, 10, 0, None, 0, 0, 0),
            (8, 10, 1, None, 0, 0, 0),
            (9, 10, 2, on(2), 1, 0, 0),
            (10, 10, 5, None, 1, 3, 3),
            (0, 0, 6, None, 1, 4, 4), // no capacity: says nothing
            (8, 10, 7, None, 1, 5, 5),
            (7, 10, 9, off(9, 7), 1, 0, 7),
            (8, 10, 10, None, 1, 0, 7),
            (20, 10, 11, on(11), 2, 0, 7),  // more than full is full
            (0, 10, 4, off(4, 0), 2, 0, 7), // a clock that went back
            (u64::MAX, u64::MAX, 20, on(20), 3, 0, 7),
            (u64::MAX / 10 * 7, u64::MAX, 30, off(30, 10), 3, 0, 17),
        ];
        let mut detector = BackpressureDetector::default();
        for (used, capacity, now_ns, edge, episodes, current_ns, total_ns) in table {
            assert_eq!(detector.observe(used, capacity, now_ns), edge, "at {now_ns}");
            let stats = PressureStats { active: detector.since_ns.is_some(), episodes, current_ns, total_ns };
            assert_eq!(detector.stats(now_ns), stats, "at {now_ns}");
        }
    }

    proptest! {
        #[test]
        fn never_flaps_inside_the_band(
            on_percent in 2u8..=100, below in 1u8..100, fills in proptest::collection::vec(0u64..=1000, 0..200),
        ) {
            let off_percent = on_percent - below.min(on_percent);
            let mut detector = BackpressureDetector::new(PressureThresholds { on_percent, off_percent }).unwrap();
            let mut active = false;
            let mut durations = Vec::new();
            for (now, fill) in fills.iter().enumerate() {
                let (high, low) = (*fill >= u64::from(on_percent) * 10, *fill <= u64::from(off_percent) * 10);
                match detector.observe(*fill, 1000, now as u64) {
                    Some(PressureEdge::On { .. }) => {
                        prop_assert!(!active && high);
                        active = true;
                    }
                    Some(PressureEdge::Off { lasted_ns, .. }) => {
                        prop_assert!(active && low);
                        active = false;
                        durations.push(lasted_ns);
                    }
                    None => prop_assert!(!(active && low || !active && high)),
                }
            }
            let stats = detector.stats(fills.len() as u64);
            prop_assert_eq!(stats.total_ns, durations.iter().sum::<u64>() + stats.current_ns);
            prop_assert_eq!(stats.episodes, durations.len() as u64 + u64::from(active));
        }
    }
}
