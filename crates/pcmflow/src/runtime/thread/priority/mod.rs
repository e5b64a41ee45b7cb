//! Real-time scheduling, where the system grants it.
//!
//! | system | what is asked for | who is granted it |
//! | --- | --- | --- |
//! | Linux | `SCHED_FIFO`, not inherited; else a better nice value | `CAP_SYS_NICE`, or the limits `RLIMIT_RTPRIO` and `RLIMIT_NICE` |
//! | macOS | the time-constraint policy | every thread |
//! | Windows | the "Pro Audio" task of the multimedia class scheduler | every thread, where the service runs |
//!
//! On Linux a user gets the limit by `@audio - rtprio 20` in `/etc/security/limits.d/`, a service by `LimitRTPRIO=20`. rtkit,
//! which hands out priorities on desktops without such limits, is not asked: its clients must lower `RLIMIT_RTTIME` for
//! the whole process, for good, and that is the program's to decide. Workgroups of macOS belong to a device, and come
//! with devices.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
#[path = "unsupported.rs"]
mod system;

#[cfg(target_os = "linux")]
pub(in crate::runtime) use system::nice_min;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// What a thread asks for.
///
/// ```
/// use pcmflow::runtime::thread::{Granted, RealTime, Scheduling, scheduling};
/// use std::time::Duration;
/// let before = scheduling();
/// let raised = RealTime { priority: 5, ..RealTime::every(Duration::from_millis(10)) }.raise();
/// match raised.granted() {
///     // Never more than was asked for.
///     Granted::Fifo { priority, .. } => assert!((1..=5).contains(&priority)),
///     Granted::Nothing { .. } => assert_eq!(scheduling(), before),
///     _ => {}
/// }
/// println!("{}", raised.granted());
/// drop(raised);
/// assert_eq!(scheduling(), before);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealTime {
    /// How often the thread has work to do: the duration of the callback's quantum. macOS plans by it, and stops trusting a
    /// thread that computes for longer.
    pub period: Duration,
    /// Linux: the most priority that is wanted, 1 to 99; others are taken for the nearest. Other systems have no such number.
    pub priority: u8,
}

impl RealTime {
    /// The priority of [`every`](Self::every): above all programs, below the kernel's own interrupt threads (50).
    pub const PRIORITY: u8 = 10;

    /// Asks for a thread that works once in a `period`, at the usual priority.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn every(period: Duration) -> Self {
        Self { period, priority: Self::PRIORITY }
    }

    /// Asks the system for the current thread. The guard says what was granted, and gives it back when dropped.
    ///
    /// A thread that has real-time scheduling already (an audio server made it) is left alone.
    ///
    /// Not RT-safe: makes system calls, 5 µs in all with giving it back. Call it once, at the thread's start.
    #[must_use = "dropping the guard gives the priority back"]
    pub fn raise(self) -> RealTimeGuard {
        let (granted, before) = system::raise(Self { priority: self.priority.clamp(1, 99), ..self });
        RealTimeGuard { granted, before, _this_thread: PhantomData }
    }
}

/// What the system granted.
///
/// ```
/// use pcmflow::runtime::thread::{Granted, Refusal};
/// let granted = Granted::Fifo { priority: 10, run_limit: None };
/// assert!(granted.is_real_time());
/// let nothing = Granted::Nothing { why: Refusal::Unsupported };
/// assert!(!nothing.is_real_time() && nothing.to_string().starts_with("no real-time scheduling: "));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Granted {
    /// Linux: `SCHED_FIFO`. Threads that this one starts don't inherit it.
    Fifo {
        /// The priority: what was asked for, or less where the limit is lower.
        priority: u8,
        /// `RLIMIT_RTTIME`: the longest that this thread may run without sleeping before the system sends SIGXCPU, and
        /// kills the process a little later. None: no limit.
        run_limit: Option<Duration>,
    },
    /// Linux: a larger share of the processor, but no promise of when.
    Nice {
        /// The nice value now.
        nice: i32,
        /// Why it is no real-time scheduling.
        why: Refusal,
    },
    /// macOS: the time-constraint policy.
    TimeConstraint,
    /// Windows: the multimedia class scheduler's "Pro Audio".
    ProAudio,
    /// The thread had real-time scheduling before, and keeps it as it was.
    Kept(Scheduling),
    /// Everything is as it was.
    Nothing {
        /// Why.
        why: Refusal,
    },
}

impl Granted {
    /// Whether the thread is scheduled in real time now.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn is_real_time(&self) -> bool {
        !matches!(self, Self::Nice { .. } | Self::Nothing { .. })
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fifo { priority, run_limit: None } => write!(f, "SCHED_FIFO, priority {priority}"),
            Self::Fifo { priority, run_limit: Some(limit) } => {
                write!(
                    f,
                    "SCHED_FIFO, priority {priority}, killed when it runs for {limit:?} without a pause"
                )
            }
            Self::Nice { nice, why } => write!(f, "nice {nice}; no real-time scheduling: {why}"),
            Self::TimeConstraint => f.write_str("time-constraint policy"),
            Self::ProAudio => f.write_str("multimedia class \"Pro Audio\""),
            Self::Kept(scheduling) => write!(f, "kept what the thread had: {scheduling:?}"),
            Self::Nothing { why } => write!(f, "no real-time scheduling: {why}"),
        }
    }
}

/// Why the system granted no real-time scheduling.
///
/// ```
/// use pcmflow::runtime::thread::Refusal;
/// let why = Refusal::NotPermitted { rtprio_limit: 0 };
/// assert!(why.to_string().contains("RLIMIT_RTPRIO of at least 1 (it is 0;"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Linux: this process may not have it.
    #[error(
        "it takes a limit RLIMIT_RTPRIO of at least 1 (it is {rtprio_limit}; `rtprio` in limits.conf, `LimitRTPRIO=` of a \
         service) or CAP_SYS_NICE, and a control group or container that allows it"
    )]
    NotPermitted {
        /// `RLIMIT_RTPRIO` now.
        rtprio_limit: u64,
    },
    /// A call failed for another reason.
    #[error("{call} failed with the system's error {code}")]
    System {
        /// The call.
        call: &'static str,
        /// The system's number for what went wrong.
        code: i32,
    },
    /// We know of nothing to ask for on this system.
    #[error("pcmflow knows no real-time scheduling on this system")]
    Unsupported,
}

/// Holds what was granted to a thread; gives it back when dropped, on the same thread.
///
/// ```
/// use pcmflow::runtime::thread::{RealTime, scheduling};
/// use std::time::Duration;
/// let before = scheduling();
/// let raised = RealTime::every(Duration::from_millis(3)).raise();
/// // … the thread's work …
/// drop(raised);
/// assert_eq!(scheduling(), before);
/// ```
#[derive(Debug)]
pub struct RealTimeGuard {
    granted: Granted,
    before: Option<system::Before>,
    /// What is given back is the current thread's: the guard may not be sent to another.
    _this_thread: PhantomData<*const ()>,
}

impl RealTimeGuard {
    /// What was granted.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn granted(&self) -> Granted {
        self.granted
    }
}

impl Drop for RealTimeGuard {
    /// Not RT-safe: makes system calls.
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            system::restore(before);
        }
    }
}

/// How a thread is scheduled.
///
/// ```
/// use pcmflow::runtime::thread::scheduling;
/// // Who asks changes nothing.
/// assert_eq!(scheduling(), scheduling());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheduling {
    /// `SCHED_FIFO`: runs until it sleeps, or a thread of higher priority wants to run.
    Fifo {
        /// 1 to 99.
        priority: u8,
    },
    /// `SCHED_RR`: as FIFO, but takes turns with threads of the same priority.
    RoundRobin {
        /// 1 to 99.
        priority: u8,
    },
    /// `SCHED_DEADLINE`: has a run time in every period.
    Deadline,
    /// macOS: the time-constraint policy.
    TimeConstraint,
    /// Shares the processor with all others.
    TimeShared {
        /// −20 (a large share) to 19 (a small one).
        nice: i32,
    },
    /// By a number of the system's own: Windows' thread priority, 0 normal, 15 the highest; macOS' POSIX priority.
    Priority(i32),
    /// This system doesn't say, or not to us.
    Unknown,
}

/// How the current thread is scheduled now: only asks.
///
/// Not RT-safe: makes system calls.
pub fn scheduling() -> Scheduling {
    system::scheduling()
}
