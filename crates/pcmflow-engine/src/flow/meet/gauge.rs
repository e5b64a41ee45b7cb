//! What is measured where clocks meet, for whoever looks.

use crate::sync::{Arc, AtomicU64, Ordering};

/// Stored by the node; what it does not know is told as this.
const UNKNOWN: i64 = i64::MIN;

#[derive(Debug)]
pub(super) struct Shared {
    drift_ppb: AtomicU64,
    lag_frames: AtomicU64,
}

impl Default for Shared {
    fn default() -> Self {
        let unknown = || AtomicU64::new(UNKNOWN as u64);
        Self { drift_ppb: unknown(), lag_frames: unknown() }
    }
}

impl Shared {
    // Relaxed: each figure speaks for itself.
    pub(super) fn set_drift_ppb(&self, ppb: i32) {
        self.drift_ppb.store(i64::from(ppb) as u64, Ordering::Relaxed);
    }

    pub(super) fn set_lag(&self, frames: Option<i64>) {
        self.lag_frames.store(frames.unwrap_or(UNKNOWN) as u64, Ordering::Relaxed);
    }
}

fn known(figure: &AtomicU64) -> Option<i64> {
    Some(figure.load(Ordering::Relaxed) as i64).filter(|figure| *figure != UNKNOWN)
}

/// Reads how a stream follows the master's clock in a [`Meet`](super::Meet) that runs.
///
/// ```
/// use pcmflow_core::format::{Frames, StreamFormat};
/// use pcmflow_engine::flow::{Meet, MeetConfig};
/// let format = StreamFormat::new(48_000, 2)?;
/// let meet = Meet::new(MeetConfig::new(format))?;
/// let gauge = meet.gauge(1).ok_or("input 1 follows")?;
/// assert_eq!((gauge.drift_ppb(), gauge.lag_frames()), (None, None)); // nothing came yet
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MeetGauge(pub(super) Arc<Shared>);

impl MeetGauge {
    /// By how many billionths its clock is taken to be faster than the master's; `None` before that was measured.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn drift_ppb(&self) -> Option<i32> {
        known(&self.0.drift_ppb).and_then(|ppb| i32::try_from(ppb).ok())
    }

    /// How late it is heard, in frames; `None` while it is not heard.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn lag_frames(&self) -> Option<i64> {
        known(&self.0.lag_frames)
    }
}
