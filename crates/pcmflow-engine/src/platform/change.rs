//! What is no longer as it was: two probes held against each other.

use super::{Platform, RealTimeRight};
use crate::event::types::PlatformChanged;
use crate::event::{EventField, Show};

/// What can change while a program runs, each as one number in which 0 says that it is unknown or not there.
///
/// A number is what the process may have in effect: cores within its quota, memory within its limits. What can't change while a
/// process runs (system, instructions, the size of a page) is not here, nor the memory that is available, which never stands
/// still.
///
/// ```
/// use pcmflow_engine::platform::{Platform, PlatformFact};
/// let mut platform = Platform::default();
/// platform.cores.usable = Some(2);
/// assert_eq!(platform.figure(PlatformFact::CpuThousandths), 2_000);
/// assert_eq!(PlatformFact::CpuThousandths.name(), "cpu_thousandths");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlatformFact {
    /// [`Platform::cpu_thousandths`].
    CpuThousandths,
    /// [`Platform::memory_bytes`].
    MemoryBytes,
    /// [`Platform::lockable_bytes`].
    LockableBytes,
    /// The highest real-time priority; 1 for a class without such numbers.
    RealTimePriority,
    /// The longest run of a real-time thread without sleeping; 0 for no limit.
    RealTimeRunUs,
    /// 20 less the lowest nice value, as `RLIMIT_NICE` counts it: 1 to 40.
    NiceShare,
    /// [`Platform::timer_resolution_ns`].
    TimerResolutionNs,
    /// [`Platform::threads`].
    Threads,
    /// [`Platform::shared_memory`].
    SharedMemory,
}

impl PlatformFact {
    /// Every fact.
    pub const ALL: [PlatformFact; 9] = [
        Self::CpuThousandths,
        Self::MemoryBytes,
        Self::LockableBytes,
        Self::RealTimePriority,
        Self::RealTimeRunUs,
        Self::NiceShare,
        Self::TimerResolutionNs,
        Self::Threads,
        Self::SharedMemory,
    ];

    /// One lower-case word for machines, with the unit.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuThousandths => "cpu_thousandths",
            Self::MemoryBytes => "memory_bytes",
            Self::LockableBytes => "lockable_bytes",
            Self::RealTimePriority => "real_time_priority",
            Self::RealTimeRunUs => "real_time_run_us",
            Self::NiceShare => "nice_share",
            Self::TimerResolutionNs => "timer_resolution_ns",
            Self::Threads => "threads",
            Self::SharedMemory => "shared_memory",
        }
    }
}

impl EventField for PlatformFact {
    const SHOW: Show = Show::Word(|word| Self::from_word(word).name());
    fn to_word(self) -> u64 {
        self as u64
    }
    fn from_word(word: u64) -> Self {
        Self::ALL.get(word as usize).copied().unwrap_or(Self::CpuThousandths)
    }
}

impl Platform {
    /// A fact as its number.
    ///
    /// Not RT-safe: for the control side.
    pub fn figure(&self, fact: PlatformFact) -> u64 {
        let known = match fact {
            PlatformFact::CpuThousandths => self.cpu_thousandths(),
            PlatformFact::MemoryBytes => self.memory_bytes(),
            PlatformFact::LockableBytes => self.lockable_bytes(),
            PlatformFact::RealTimePriority => match self.scheduling.real_time {
                RealTimeRight::Priority { max, .. } => Some(max.into()),
                RealTimeRight::Class { .. } => Some(1),
                RealTimeRight::Unknown | RealTimeRight::Refused { .. } => None,
            },
            PlatformFact::RealTimeRunUs => match self.scheduling.real_time {
                RealTimeRight::Priority { run_limit_us, .. } => run_limit_us,
                _ => None,
            },
            PlatformFact::NiceShare => {
                self.scheduling.nice_min.map(|nice| (20 - i64::from(nice)).max(0) as u64)
            }
            PlatformFact::TimerResolutionNs => self.timer_resolution_ns,
            PlatformFact::Threads => Some(self.threads.into()),
            PlatformFact::SharedMemory => Some(self.shared_memory.into()),
        };
        known.unwrap_or(0)
    }

    /// What is no longer as it was at an earlier probe, ready to be published; nothing where all is the same.
    ///
    /// ```
    /// use pcmflow_engine::event::types::PlatformChanged;
    /// use pcmflow_engine::platform::{Limit, Platform, PlatformFact};
    /// let mut before = Platform::default();
    /// before.memory.total_bytes = Some(8 << 30);
    /// let mut now = before.clone();
    /// now.memory.limit_bytes = Limit::At(1 << 30);
    /// let change = PlatformChanged { fact: PlatformFact::MemoryBytes, before: 8 << 30, after: 1 << 30 };
    /// assert_eq!(now.changes_since(&before), [change]);
    /// ```
    ///
    /// Not RT-safe: allocates.
    pub fn changes_since(&self, earlier: &Platform) -> Vec<PlatformChanged> {
        let change = |fact| PlatformChanged { fact, before: earlier.figure(fact), after: self.figure(fact) };
        PlatformFact::ALL.into_iter().map(change).filter(|change| change.before != change.after).collect()
    }
}
