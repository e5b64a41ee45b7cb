//! [`NativeProbe`]: what this machine gives to this process.
//!
//! | what | Linux | other Unix (macOS) | Windows |
//! | --- | --- | --- | --- |
//! | cores | affinity, control groups' quota | those switched on | affinity, within one processor group |
//! | memory | `/proc/meminfo`, control groups, `RLIMIT_AS`, `RLIMIT_DATA` | what is built in | `GlobalMemoryStatusEx` |
//! | locked memory | `RLIMIT_MEMLOCK`, and tried beyond it | `RLIMIT_MEMLOCK` | the least working set |
//! | real-time scheduling | tried at the highest priority | tried | tried |
//! | nice value | tried | – | – |
//! | timer | `clock_getres` | `clock_getres` | – |
//!
//! Control groups of both versions are read, up to the root that is mounted. What a dash stands for is left unknown. Rights are
//! tried on a thread of their own, so that nothing is left behind: the real-time priority is held for some
//! microseconds, and locking beyond the limit touches no memory.

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod linux;
mod simd;
#[cfg(unix)]
mod unix;
#[cfg(not(any(unix, windows)))]
mod unsupported;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(all(unix, not(target_os = "linux")))]
use unix as system;
#[cfg(not(any(unix, windows)))]
use unsupported as system;
#[cfg(windows)]
use windows as system;

use super::thread::{Granted, RealTime, Scheduling};
use crate::engine::platform::{Platform, PlatformProbe, RealTimeRight, SchedulingRights};
use std::time::Duration;

/// Probes the machine that the process runs on, for [`PlatformModule`](crate::engine::platform::PlatformModule).
///
/// ```
/// use pcmflow::core::block::Profile;
/// use pcmflow::engine::platform::{PlatformProbe, PlatformSettings};
/// use pcmflow::runtime::NativeProbe;
/// let platform = NativeProbe.probe();
/// assert_eq!(platform.system, std::env::consts::OS);
/// let settings = PlatformSettings::of(&platform, Profile::Production);
/// assert!(settings.workers >= 1);
/// println!("{platform:#?}\n{settings:#?}");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeProbe;

impl PlatformProbe for NativeProbe {
    /// Not RT-safe: reads files, and starts a thread.
    fn probe(&self) -> Platform {
        let tried = std::thread::Builder::new().name("pcmflow probe".into()).spawn(scheduling);
        let tried = tried.ok().and_then(|thread| thread.join().ok());
        let mut platform = Platform::default();
        platform.system = std::env::consts::OS.into();
        platform.architecture = std::env::consts::ARCH.into();
        platform.cores = system::cores();
        platform.simd = simd::features();
        platform.memory = system::memory();
        platform.timer_resolution_ns = system::timer_resolution_ns();
        platform.threads = tried.is_some();
        platform.shared_memory = tried.is_some() && cfg!(target_has_atomic = "64");
        platform.scheduling = tried.unwrap_or_default();
        platform
    }
}

/// What the current thread, which is the probe's own, is granted.
fn scheduling() -> SchedulingRights {
    let mut rights = SchedulingRights::default();
    let wish = RealTime { priority: u8::MAX, ..RealTime::every(Duration::from_millis(3)) };
    rights.real_time = right(wish.raise().granted());
    #[cfg(target_os = "linux")]
    {
        rights.nice_min = super::thread::nice_min().and_then(|nice| i8::try_from(nice).ok());
    }
    rights
}

fn right(granted: Granted) -> RealTimeRight {
    match granted {
        Granted::Fifo { priority, run_limit } => RealTimeRight::Priority {
            max: priority,
            run_limit_us: run_limit.map(|limit| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX)),
        },
        // Inherited from who probes.
        Granted::Kept(Scheduling::Fifo { priority } | Scheduling::RoundRobin { priority }) => {
            RealTimeRight::Priority { max: priority, run_limit_us: None }
        }
        Granted::Nice { why, .. } | Granted::Nothing { why } => {
            RealTimeRight::Refused { why: why.to_string() }
        }
        class => RealTimeRight::Class { name: class.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::super::thread::Refusal;
    use super::*;

    #[test]
    fn what_was_granted_is_the_right_to_it() {
        let priority = |max, run_limit_us| RealTimeRight::Priority { max, run_limit_us };
        let class = |name: &str| RealTimeRight::Class { name: name.into() };
        let refused = RealTimeRight::Refused { why: Refusal::Unsupported.to_string() };
        let ms_200 = Some(Duration::from_millis(200));
        let table = [
            (Granted::Fifo { priority: 7, run_limit: None }, priority(7, None)),
            (Granted::Fifo { priority: 99, run_limit: ms_200 }, priority(99, Some(200_000))),
            (Granted::Fifo { priority: 1, run_limit: Some(Duration::MAX) }, priority(1, Some(u64::MAX))),
            (Granted::Kept(Scheduling::RoundRobin { priority: 3 }), priority(3, None)),
            (Granted::Kept(Scheduling::Deadline), class("kept what the thread had: Deadline")),
            (Granted::TimeConstraint, class("time-constraint policy")),
            (Granted::ProAudio, class("multimedia class \"Pro Audio\"")),
            (Granted::Nice { nice: -5, why: Refusal::Unsupported }, refused.clone()),
            (Granted::Nothing { why: Refusal::Unsupported }, refused),
        ];
        for (granted, expected) in table {
            assert_eq!(right(granted), expected, "{granted}");
        }
    }
}
