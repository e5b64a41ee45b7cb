//! What was found. Whatever reads it must bear that a part is unknown: [`Platform::default`] knows nothing.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What this machine or browser gives to this process, as far as it could be found out.
///
/// As data it has no version: a part that is missing is unknown, one that this program does not know is passed over.
///
/// ```
/// use pcmflow_engine::platform::{Limit, Platform};
/// let mut platform = Platform::default();
/// platform.cores.usable = Some(4);
/// platform.cores.quota_thousandths = Limit::At(1_500);
/// assert_eq!(platform.cpu_thousandths(), Some(1_500));
/// let json = serde_json::to_string(&platform)?;
/// assert_eq!(serde_json::from_str::<Platform>(&json)?, platform);
/// assert_eq!(serde_json::from_str::<Platform>("{\"later\": 1}")?, Platform::default());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Platform {
    /// The operating system, as Rust names it (`linux`, `macos`, `windows`); empty where it is unknown.
    pub system: String,
    /// The architecture, as Rust names it (`x86_64`, `aarch64`, `wasm32`); empty where it is unknown.
    pub architecture: String,
    /// Processors.
    pub cores: Cores,
    /// Vector instructions that this processor and system have, by the names of Rust's target features (`avx2`, `neon`).
    pub simd: BTreeSet<String>,
    /// Memory.
    pub memory: Memory,
    /// What a thread may ask for.
    pub scheduling: SchedulingRights,
    /// The step of the clock that sleeps are timed by. How late a sleeper truly wakes is the scheduler's, and longer.
    pub timer_resolution_ns: Option<u64>,
    /// A thread could be started.
    pub threads: bool,
    /// Threads share memory, with 64-bit atomics.
    pub shared_memory: bool,
}

/// Processors of the machine, and how much of them this process may have.
///
/// ```
/// use pcmflow_engine::platform::Cores;
/// assert_eq!(serde_json::from_str::<Cores>("{\"logical\": 8}").unwrap().logical, Some(8));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Cores {
    /// Logical cores that are switched on.
    pub logical: Option<u32>,
    /// Those that the probing thread may run on (its affinity); threads inherit it.
    pub usable: Option<u32>,
    /// The processor time that the process' control groups allow, in thousandths of one core's. Real-time threads are not
    /// held to it.
    pub quota_thousandths: Limit,
}

/// Memory of the machine, and how much of it this process may have.
///
/// ```
/// use pcmflow_engine::platform::{Limit, Memory};
/// assert_eq!(Memory::default().lock_limit_bytes, Limit::Unknown);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Memory {
    /// What is built in.
    pub total_bytes: Option<u64>,
    /// What could be had now without anything else being moved out: true at the moment of the probe only.
    pub available_bytes: Option<u64>,
    /// The most that this process, or a control group that it is in, may have.
    pub limit_bytes: Limit,
    /// The most that this process may lock.
    pub lock_limit_bytes: Limit,
    /// The smallest piece that memory is handed out in.
    pub page_bytes: Option<u64>,
}

/// How a thread of this process may be scheduled.
///
/// ```
/// use pcmflow_engine::platform::{RealTimeRight, SchedulingRights};
/// assert_eq!(SchedulingRights::default().real_time, RealTimeRight::Unknown);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SchedulingRights {
    /// Before all programs.
    pub real_time: RealTimeRight,
    /// The lowest nice value (the largest share) that a thread may have, −20 to 19.
    pub nice_min: Option<i8>,
    /// Whether it may have a run time in every period (`SCHED_DEADLINE`). pcmflow asks for none, so its probes leave this
    /// unknown.
    pub deadline: Option<bool>,
}

/// Whether a thread may have real-time scheduling: tried, not read.
///
/// ```
/// use pcmflow_engine::platform::RealTimeRight;
/// assert!(RealTimeRight::Priority { max: 10, run_limit_us: None }.is_granted());
/// assert!(!RealTimeRight::Refused { why: "no rights".into() }.is_granted());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RealTimeRight {
    /// It was not tried.
    #[default]
    Unknown,
    /// The system refused.
    Refused {
        /// Why, and what would help.
        why: String,
    },
    /// Linux: `SCHED_FIFO` and `SCHED_RR`, which take the same right.
    Priority {
        /// The highest priority that was granted, 1 to 99.
        max: u8,
        /// The longest that such a thread may run without sleeping before the system ends the process.
        run_limit_us: Option<u64>,
    },
    /// A class without such numbers: macOS' time-constraint policy, Windows' "Pro Audio".
    Class {
        /// What it is called there.
        name: String,
    },
}

impl RealTimeRight {
    /// Whether the system granted it.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn is_granted(&self) -> bool {
        matches!(self, Self::Priority { .. } | Self::Class { .. })
    }
}

/// A limit, in the unit that its field names.
///
/// ```
/// use pcmflow_engine::platform::Limit;
/// assert_eq!(Limit::At(5).lower(Limit::At(3)), Limit::At(3));
/// assert_eq!(Limit::Unlimited.lower(Limit::Unknown), Limit::Unlimited);
/// assert_eq!(serde_json::to_string(&Limit::At(5))?, "{\"at\":5}");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// It could not be found out.
    #[default]
    Unknown,
    /// There is none.
    Unlimited,
    /// No more than this.
    At(u64),
}

impl Limit {
    /// The lower one of two that both hold.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn lower(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(one), Self::At(two)) => Self::At(if one < two { one } else { two }),
            (Self::At(_), _) | (Self::Unlimited, Self::Unknown) => self,
            _ => other,
        }
    }

    /// What there is of `whole` under this limit.
    fn of(self, whole: Option<u64>) -> Option<u64> {
        match (self, whole) {
            (Self::At(limit), Some(whole)) => Some(limit.min(whole)),
            (Self::At(limit), None) => Some(limit),
            (Self::Unknown | Self::Unlimited, whole) => whole,
        }
    }
}

impl Platform {
    /// The processor time that this process may have, in thousandths of one core's; none where nothing is known.
    ///
    /// Not RT-safe: for the control side.
    pub fn cpu_thousandths(&self) -> Option<u64> {
        let cores = self.cores.usable.or(self.cores.logical);
        self.cores.quota_thousandths.of(cores.map(|cores| u64::from(cores) * 1_000))
    }

    /// The memory that this process may have; none where nothing is known.
    ///
    /// Not RT-safe: for the control side.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.memory.limit_bytes.of(self.memory.total_bytes)
    }

    /// The memory that this process may lock; none where nothing is known.
    ///
    /// Not RT-safe: for the control side.
    pub fn lockable_bytes(&self) -> Option<u64> {
        match self.memory.lock_limit_bytes {
            Limit::Unknown => None,
            limit => limit.of(self.memory_bytes()),
        }
    }
}
