//! By how much a follower is resampled: a pure function of two measured rates and of how late it is.

use pcmflow_core::format::SampleRate;

/// In so many seconds a follower that is late catches up to a third: slow against the jitter that is left in the measured
/// times, fast against a crystal that warms up.
const CATCH_UP_SECS: i64 = 20;
/// The most that is added to the measured drift to catch up: half a cent, which nobody hears.
const CATCH_UP_PPB_MAX: i64 = 300_000;
/// Clocks further from what they say are none: the stream comes as fast as it is taken.
const CLOCK_PPB_MAX: i32 = 10_000_000;

/// What is known of two streams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    /// By how much each clock is faster than it says, where that was measured.
    pub(super) master_ppb: Option<i32>,
    pub(super) follower_ppb: Option<i32>,
    /// How much later than it should be the follower is heard, in frames of the master.
    pub(super) late_frames: i64,
    pub(super) rate: SampleRate,
}

impl Observed {
    /// By how much faster than the master's clock the follower's is to be taken, in billionths; `None` where nothing is known: what
    /// it was taken for before holds.
    pub(super) fn drift_ppb(self) -> Option<i32> {
        let clock = |ppb: Option<i32>| {
            ppb.filter(|ppb| (-CLOCK_PPB_MAX..=CLOCK_PPB_MAX).contains(ppb)).map(i64::from)
        };
        let (master, follower) = (clock(self.master_ppb)?, clock(self.follower_ppb)?);
        let measured = (follower - master) * 1_000_000_000 / (1_000_000_000 + master);
        let catch_up =
            self.late_frames.saturating_mul(1_000_000_000) / (i64::from(self.rate.hz()) * CATCH_UP_SECS);
        i32::try_from(measured + catch_up.clamp(-CATCH_UP_PPB_MAX, CATCH_UP_PPB_MAX)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table() {
        let rate = SampleRate::HZ_48000;
        for (master_ppb, follower_ppb, late_frames, expected) in [
            (Some(0), Some(0), 0, Some(0)),
            (Some(0), Some(200_000), 0, Some(200_000)),
            // Twice 200 millionths, by the master's clock.
            (Some(200_000), Some(-200_000), 0, Some(-399_920)),
            (Some(-200_000), Some(200_000), 0, Some(400_080)),
            // 10 ms late: 500 millionths for 20 s would make up for it, 300 are allowed.
            (Some(0), Some(0), 480, Some(300_000)),
            (Some(0), Some(0), -480, Some(-300_000)),
            (Some(0), Some(0), 48, Some(50_000)),
            (Some(0), Some(0), -48, Some(-50_000)),
            (Some(100_000), Some(100_000), 1, Some(1_041)),
            // Not measured yet, or no clock at all.
            (None, Some(0), 480, None),
            (Some(0), None, 480, None),
            (Some(1_000_000_000), Some(0), 0, None),
            (Some(0), Some(-500_000_000), 0, None),
            (Some(i32::MIN + 1), Some(i32::MAX), i64::MIN, None),
            (Some(0), Some(0), i64::MAX, Some(300_000)),
            (Some(0), Some(0), i64::MIN, Some(-300_000)),
        ] {
            let observed = Observed { master_ppb, follower_ppb, late_frames, rate };
            assert_eq!(observed.drift_ppb(), expected, "{observed:?}");
        }
    }
}
