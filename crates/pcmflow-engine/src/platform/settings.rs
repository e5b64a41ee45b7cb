//! What follows from what was found.

use super::{Platform, RealTimeRight};
use crate::config::Config;
use pcmflow_core::block::{BufferConstants, Profile};
use pcmflow_core::pool::PoolConfig;
use serde::{Deserialize, Serialize};

/// Settings for a platform. `pcmflow run` starts its threads by the first two; the others are recommendations for the keys of the
/// configuration that stand beside them, which nobody applies by himself.
///
/// | setting | rule |
/// | --- | --- |
/// | workers | the cores that the process may have less one for Critical tasks; 1 to 8, none without threads |
/// | Critical in real time | where it is granted, and the system ends no process for a run of less than 50 ms |
/// | block | 1024 frames; with real-time scheduling and two cores the profile's shortest |
/// | ring | 200 ms (the configuration's default); twice that without real-time scheduling, four times if a quota holds the threads too |
/// | pool | the configuration's default, at most an eighth of the memory |
/// | pool locked | where as much may be locked |
///
/// ```
/// use pcmflow_core::block::Profile;
/// use pcmflow_engine::platform::{Platform, PlatformSettings, RealTimeRight};
/// let mut platform = Platform::default();
/// platform.threads = true;
/// platform.cores.usable = Some(4);
/// platform.scheduling.real_time = RealTimeRight::Priority { max: 20, run_limit_us: None };
/// let settings = PlatformSettings::of(&platform, Profile::Development);
/// assert_eq!((settings.workers, settings.critical_real_time), (3, true));
/// assert_eq!((settings.block_frames, settings.ring_ms), (256, 200));
/// assert!(!settings.pool_locked, "nothing is known of what may be locked");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlatformSettings {
    /// Threads that share the High and Normal tasks; 0 where there are no threads, and one driver polls all.
    pub workers: u32,
    /// Whether the thread of the Critical tasks is to ask for real-time scheduling.
    pub critical_real_time: bool,
    /// Frames of a block (`audio.block_frames`).
    pub block_frames: u64,
    /// What the ring behind the source bridges (`audio.ring_ms`).
    pub ring_ms: u64,
    /// The most bytes that all buffers together may take (`memory.budget_bytes`).
    pub pool_budget_bytes: u64,
    /// Whether the pool's memory can be locked.
    pub pool_locked: bool,
}

impl PlatformSettings {
    /// More workers than this only wake each other: what they share is short.
    const WORKERS_MAX: u64 = 8;
    /// A Critical thread sleeps after each block, of 43 ms at 2048 frames and 48 kHz: a limit on its runs below that may well end
    /// the program.
    const RUN_US_MIN: u64 = 50_000;
    /// The part of the memory that buffers may take: one of so many.
    const POOL_PART: u64 = 8;

    /// What follows from what was found.
    ///
    /// Not RT-safe: allocates.
    pub fn of(platform: &Platform, profile: Profile) -> Self {
        let default = Config::default();
        let cpu_thousandths = platform.cpu_thousandths().unwrap_or(0);
        let critical_real_time = platform.real_time_denied().is_none();
        let workers = (cpu_thousandths / 1_000).saturating_sub(1).clamp(1, Self::WORKERS_MAX) as u32;
        let short = profile == Profile::Development && critical_real_time && cpu_thousandths >= 2_000;
        let block = if short { BufferConstants::DEVELOPMENT_MIN } else { BufferConstants::PRODUCTION };
        // A quota stops all threads for the rest of its period, of 100 ms as a rule; real-time threads are exempt.
        let waits = match (critical_real_time, platform.is_held_by_quota()) {
            (true, _) => 1,
            (false, false) => 2,
            (false, true) => 4,
        };
        let part = platform.memory_bytes().map_or(u64::MAX, |bytes| bytes / Self::POOL_PART);
        let pool_budget_bytes =
            default.memory.budget_bytes.min(part).max(PoolConfig::BUDGET_BYTES_MIN as u64);
        Self {
            workers: if platform.threads { workers } else { 0 },
            critical_real_time,
            block_frames: block.frames().0,
            ring_ms: default.audio.ring_ms * waits,
            pool_budget_bytes,
            pool_locked: platform.lockable_bytes().is_some_and(|bytes| bytes >= pool_budget_bytes),
        }
    }
}

impl Platform {
    /// Why Critical tasks are not to run in real time here, in words; none where they are
    /// ([`critical_real_time`](PlatformSettings::critical_real_time)).
    ///
    /// ```
    /// use pcmflow_engine::platform::{Platform, RealTimeRight};
    /// let mut platform = Platform::default();
    /// platform.scheduling.real_time = RealTimeRight::Refused { why: "the limit is 0".into() };
    /// assert_eq!(platform.real_time_denied().unwrap(), "no real-time scheduling: the limit is 0");
    /// platform.scheduling.real_time = RealTimeRight::Priority { max: 20, run_limit_us: None };
    /// assert_eq!(platform.real_time_denied(), None);
    /// ```
    ///
    /// Not RT-safe: allocates.
    pub fn real_time_denied(&self) -> Option<String> {
        match &self.scheduling.real_time {
            RealTimeRight::Unknown => Some("whether there is real-time scheduling is not known".into()),
            RealTimeRight::Refused { why } => Some(format!("no real-time scheduling: {why}")),
            RealTimeRight::Priority { run_limit_us: Some(us), .. } if *us < PlatformSettings::RUN_US_MIN => {
                Some(format!(
                    "real-time scheduling is not used: a thread that runs for {us} µs would end the program; raise the limit \
                     (RLIMIT_RTTIME)"
                ))
            }
            RealTimeRight::Priority { .. } | RealTimeRight::Class { .. } => None,
        }
    }

    /// Whether control groups allow less processor time than the cores have.
    fn is_held_by_quota(&self) -> bool {
        let cores = self.cores.usable.or(self.cores.logical).map(|cores| u64::from(cores) * 1_000);
        matches!((self.cores.quota_thousandths, cores), (super::Limit::At(quota), Some(cores)) if quota < cores)
    }
}
