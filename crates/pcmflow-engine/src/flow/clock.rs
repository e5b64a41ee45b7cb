//! A capture clock: what a stream's position has to do with time, from when its blocks arrived.
//!
//! Blocks arrive early and late; the frames in them were taken at one steady rate. A delay-locked loop of second order (F.
//! Adriaensen, *Using a DLL to filter time*, Linux Audio Conference 2005) predicts when the next block comes, and corrects by
//! a part of the error when the last frame came, and by a smaller part how long a frame lasts:
//!
//! ```text
//! error  = arrived − (time + Δ · period)        Δ: frames since the last block
//! time   = time + Δ · period + b · error        b = 2Δ (2W + Δ) / ((W + Δ)(W + 2Δ))
//! period = period + c · error / Δ               c = 6Δ² / ((W + Δ)(W + 2Δ))
//! ```
//!
//! Departures from the paper: blocks may differ in length, and the gains follow from `W`, the frames that the loop remembers,
//! which grows with the stream up to [a minute](WINDOW_SECS). While it grows, the gains are those of the straight line of least
//! squares through everything so far, so that the loop is as quick as it can be at first; then it is Adriaensen's loop with a
//! bandwidth of √6 ÷ 2πW, and damping 0.82. Frames are counted, not seconds, and everything is in integers: the same blocks give the same
//! figures on every machine.

use pcmflow_core::format::{SampleRate, StreamPosition};

/// The most that the loop remembers: milliseconds of jitter then move the rate by a few millionths, and a crystal that warms up is
/// followed.
const WINDOW_SECS: u64 = 60;
/// A rate is told when it was measured for so long: milliseconds of jitter are then some 20 millionths.
const SETTLED_SECS: u64 = 10;
/// A block that comes so much earlier or later than it should is no jitter: the time, or the stream, jumped.
const JUMP_NS: i128 = 250_000_000;
/// Fractions of a nanosecond.
const TIME_BITS: u32 = 16;
const PERIOD_BITS: u32 = 32;
/// Steps of a period in one of a time.
const FINER_BITS: u32 = PERIOD_BITS - TIME_BITS;
/// Frames between two blocks, at most: beyond, everything begins anew.
const BLOCK_FRAMES_MAX: u64 = 1 << 32;

/// Relates positions to times, and measures the rate, of one stream.
///
/// ```
/// use pcmflow_core::format::{SampleRate, StreamPosition};
/// use pcmflow_engine::flow::CaptureClock;
/// let mut clock = CaptureClock::new(SampleRate::HZ_48000);
/// // Its crystal is 100 millionths slow: 480 frames last 10.001 ms.
/// for block in 1..=2_000 {
///     clock.observe(StreamPosition(block * 480), block * 10_001_000);
/// }
/// assert_eq!(clock.drift_ppb(), Some(-99_990));
/// assert_eq!(clock.time_ns(StreamPosition(960_000)), Some(20_002_000_000));
/// assert_eq!(clock.position(20_002_000_000), Some(StreamPosition(960_000)));
/// ```
#[derive(Debug, Clone)]
pub struct CaptureClock {
    rate: SampleRate,
    /// The frames before this one arrived by `time`, as the loop sees it; none before the first block.
    last: Option<(StreamPosition, i128)>,
    /// How long a frame lasts, in 2⁻³² ns; between half and twice what the rate says.
    period: i128,
    /// Frames that the rate was measured over, up to the window.
    remembered: u64,
    /// Frames since the time was taken from one block alone.
    since_jump: u64,
}

impl CaptureClock {
    /// A clock of a stream that says it has this rate; for a stream of another, make another.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn new(rate: SampleRate) -> Self {
        let mut clock = Self { rate, last: None, period: 0, remembered: 0, since_jump: 0 };
        clock.period = clock.told();
        clock
    }

    /// How long a frame lasts by what the stream says.
    fn told(&self) -> i128 {
        (1_000_000_000_i128 << PERIOD_BITS) / i128::from(self.rate.hz())
    }

    fn frames(&self, secs: u64) -> u64 {
        u64::from(self.rate.hz()) * secs
    }

    /// Enters that all frames before `position` had arrived at this time, and not earlier.
    ///
    /// A position that is not behind the last one begins a stretch of its own, as does a time that no jitter explains: the
    /// rate is remembered, the time is taken anew.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn observe(&mut self, position: StreamPosition, arrived_ns: u64) {
        let arrived = i128::from(arrived_ns) << TIME_BITS;
        let known = self.last.filter(|(last, _)| *last < position && (position - *last).0 < BLOCK_FRAMES_MAX);
        let Some((last, time)) = known else {
            // The same place again says nothing.
            if self.last.is_none_or(|(last, _)| last != position) {
                self.jump(position, arrived);
            }
            return;
        };
        let block = (position - last).0;
        let expected = time + ((i128::from(block) * self.period) >> FINER_BITS);
        let error = arrived - expected;
        if error.abs() > JUMP_NS << TIME_BITS {
            return self.jump(position, arrived);
        }
        let (window, delta) = (i128::from(self.remembered), i128::from(block));
        let scale = (window + delta) * (window + 2 * delta);
        let line = (2 * delta * (2 * window + delta) * error).div_euclid(scale);
        // After a jump, the mean of what came since.
        let mean = (delta * error).div_euclid(i128::from(self.since_jump) + delta);
        let time = expected + if line.abs() > mean.abs() { line } else { mean };
        self.last = Some((position, time));
        self.period += ((6 * delta * error) << FINER_BITS).div_euclid(scale);
        let told = self.told();
        self.period = self.period.clamp(told / 2, told * 2);
        let window = self.frames(WINDOW_SECS);
        self.remembered = self.remembered.saturating_add(block).min(window);
        self.since_jump = self.since_jump.saturating_add(block).min(window);
    }

    fn jump(&mut self, position: StreamPosition, arrived: i128) {
        self.last = Some((position, arrived));
        self.since_jump = 0;
    }

    /// Frames are missing, and nobody knows exactly how many: the next block's time is taken as it comes.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn interrupt(&mut self) {
        self.last = None;
    }

    /// By how many billionths the stream's clock is faster than its rate says; `None` before that is known.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn drift_ppb(&self) -> Option<i32> {
        if self.remembered < self.frames(SETTLED_SECS) {
            return None;
        }
        // The period is no less than half of what the rate says: a factor of two at most.
        let told = (1_000_000_000_000_000_000_i128 << PERIOD_BITS) / i128::from(self.rate.hz());
        i32::try_from((told + self.period / 2) / self.period - 1_000_000_000).ok()
    }

    /// The last block, and how long a frame lasts; none where blocks come at no steady rate, as those of a file.
    fn line(&self) -> Option<(StreamPosition, i128, i128)> {
        let told = self.told();
        let steady = (self.period - told).abs() <= told / 4;
        let (last, time) = self.last.filter(|_| steady)?;
        // A rate measured over some blocks is further off than any crystal.
        let settled = self.remembered >= self.frames(SETTLED_SECS);
        Some((last, time, if settled { self.period } else { told }))
    }

    /// When the frames before `position` were all there, without the jitter; `None` before the first block, and where blocks
    /// come at no steady rate, as those of a file.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn time_ns(&self, position: StreamPosition) -> Option<u64> {
        let (last, time, period) = self.line()?;
        let frames = i128::from(position.0) - i128::from(last.0);
        let time = time + ((frames * period) >> FINER_BITS);
        // Rounded; before the clock's beginning is at it.
        Some(u64::try_from(((time + (1 << (TIME_BITS - 1))) >> TIME_BITS).max(0)).unwrap_or(u64::MAX))
    }

    /// The first frame that was not there at this time; `None` as for [`time_ns`](Self::time_ns).
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self, time_ns: u64) -> Option<StreamPosition> {
        let (last, time, period) = self.line()?;
        let passed = ((i128::from(time_ns) << TIME_BITS) - time) << FINER_BITS;
        let frames = (passed + period / 2).div_euclid(period);
        Some(StreamPosition(u64::try_from((i128::from(last.0) + frames).max(0)).unwrap_or(u64::MAX)))
    }
}
