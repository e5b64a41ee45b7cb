//! Linux: `SCHED_FIFO`, or a better nice value.
//!
//! The kernel is called directly: it schedules threads, while POSIX' functions of these names mean processes (and musl's
//! only fail).

use super::super::limit::limit;
use super::{Granted, RealTime, Refusal, Scheduling};
use libc::{c_int, c_long};
use std::io;
use std::time::Duration;

/// The nice value to fall back to.
const NICE: i32 = -11;

/// The kernel's `struct sched_param`.
#[repr(C)]
struct Parameters {
    priority: c_int,
}

/// How a thread was scheduled before.
#[derive(Debug)]
pub(super) struct Before {
    /// With the flag `SCHED_RESET_ON_FORK`, if it was set.
    policy: c_int,
    priority: c_int,
    nice: i32,
}

pub(super) fn raise(wish: RealTime) -> (Granted, Option<Before>) {
    let before = match now() {
        Ok(before) => before,
        Err(why) => return (Granted::Nothing { why }, None),
    };
    let scheduling = before.scheduling();
    if !matches!(scheduling, Scheduling::TimeShared { .. }) {
        return (Granted::Kept(scheduling), None);
    }
    let limit = rtprio_limit();
    let mut error = libc::EPERM;
    for priority in priorities(wish.priority, limit) {
        // Threads that this one starts must not inherit it: they are not known to sleep.
        match set(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, priority.into()) {
            Ok(()) => return (Granted::Fifo { priority, run_limit: run_limit() }, Some(before)),
            Err(code) => error = code,
        }
        if error != libc::EPERM {
            break;
        }
    }
    let why = match error {
        libc::EPERM => Refusal::NotPermitted { rtprio_limit: limit },
        code => Refusal::System { call: "sched_setscheduler", code },
    };
    nicer(before, why)
}

/// The priorities to try: what was asked for, which CAP_SYS_NICE grants beyond any limit; then as much as the limit allows,
/// because some of it is better than nothing.
fn priorities(asked: u8, limit: u64) -> impl Iterator<Item = u8> {
    let less = u8::try_from(limit).ok().filter(|limit| (1..asked).contains(limit));
    [Some(asked), less].into_iter().flatten()
}

/// Falls back to a better nice value.
fn nicer(before: Before, why: Refusal) -> (Granted, Option<Before>) {
    for nice in nice_values(NICE, before.nice, nice_limit()) {
        // SAFETY: takes and returns plain numbers; 0 is the calling thread.
        if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) } == 0 {
            return (Granted::Nice { nice, why }, Some(before));
        }
    }
    (Granted::Nothing { why }, None)
}

/// The nice values to try, each better than the one there is: what was asked for, which CAP_SYS_NICE grants; then what the
/// limit allows.
fn nice_values(asked: i32, now: i32, limit: i32) -> impl Iterator<Item = i32> {
    [asked, limit.max(asked)].into_iter().filter(move |nice| *nice < now)
}

/// The lowest nice value that the current thread is granted: tried, and undone.
pub(in crate::runtime) fn nice_min() -> Option<i32> {
    let before = now().ok()?;
    for nice in nice_values(-20, before.nice, nice_limit()) {
        // SAFETY: takes and returns plain numbers; 0 is the calling thread.
        if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) } == 0 {
            // SAFETY: as above.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, before.nice) };
            return Some(nice);
        }
    }
    Some(before.nice)
}

pub(super) fn restore(before: &Before) {
    // Without CAP_SYS_NICE nobody may clear the flag again; with it set, only the children's nice value differs.
    if set(before.policy, before.priority).is_err() {
        let _ = set(before.policy | libc::SCHED_RESET_ON_FORK, before.priority);
    }
    // SAFETY: takes and returns plain numbers.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, before.nice) };
}

pub(super) fn scheduling() -> Scheduling {
    now().map_or(Scheduling::Unknown, |before| before.scheduling())
}

impl Before {
    fn scheduling(&self) -> Scheduling {
        let priority = u8::try_from(self.priority).unwrap_or(u8::MAX);
        match self.policy & !libc::SCHED_RESET_ON_FORK {
            libc::SCHED_FIFO => Scheduling::Fifo { priority },
            libc::SCHED_RR => Scheduling::RoundRobin { priority },
            libc::SCHED_DEADLINE => Scheduling::Deadline,
            libc::SCHED_OTHER | libc::SCHED_BATCH | libc::SCHED_IDLE => {
                Scheduling::TimeShared { nice: self.nice }
            }
            _ => Scheduling::Unknown,
        }
    }
}

/// How the calling thread is scheduled.
fn now() -> Result<Before, Refusal> {
    let failed = |call| Refusal::System { call, code: error() };
    // SAFETY: takes and returns plain numbers; 0 is the calling thread.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0 as c_long) };
    if policy < 0 {
        return Err(failed("sched_getscheduler"));
    }
    let mut parameters = Parameters { priority: 0 };
    // SAFETY: the kernel writes one `struct sched_param`, for which there is room.
    if unsafe { libc::syscall(libc::SYS_sched_getparam, 0 as c_long, &raw mut parameters) } != 0 {
        return Err(failed("sched_getparam"));
    }
    // SAFETY: takes and returns plain numbers. It can't fail for the calling thread.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    Ok(Before { policy: policy as c_int, priority: parameters.priority, nice })
}

/// Schedules the calling thread by `policy`; the system's error when it won't.
fn set(policy: c_int, priority: c_int) -> Result<(), c_int> {
    let parameters = Parameters { priority };
    let (thread, policy) = (0 as c_long, c_long::from(policy));
    // SAFETY: the kernel reads one `struct sched_param`.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, thread, policy, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(error()) }
}

fn error() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// `RLIMIT_RTPRIO`: the highest priority that this process may have without privileges.
fn rtprio_limit() -> u64 {
    // SAFETY: the kernel writes one `struct rlimit`, for which there is room.
    limit(|limit| unsafe { libc::getrlimit(libc::RLIMIT_RTPRIO, limit) })
}

/// The lowest nice value that this process may have without privileges: 20 less `RLIMIT_NICE`.
fn nice_limit() -> i32 {
    // SAFETY: as above.
    let limit = limit(|limit| unsafe { libc::getrlimit(libc::RLIMIT_NICE, limit) });
    20 - limit.min(40) as i32
}

/// `RLIMIT_RTTIME`.
fn run_limit() -> Option<Duration> {
    // SAFETY: as above.
    match limit(|limit| unsafe { libc::getrlimit(libc::RLIMIT_RTTIME, limit) }) {
        u64::MAX => None,
        us => Some(Duration::from_micros(us)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_priority_than_asked_and_less_where_the_limit_is_lower() {
        let table: &[(u8, u64, &[u8])] = &[
            (10, 0, &[10]),
            (10, 7, &[10, 7]),
            (10, 10, &[10]),
            (10, 95, &[10]),
            (10, u64::MAX, &[10]),
            (1, 0, &[1]),
        ];
        for (asked, limit, expected) in table {
            assert_eq!(&priorities(*asked, *limit).collect::<Vec<_>>(), expected, "{asked} of {limit}");
        }
    }

    #[test]
    fn a_nice_value_is_only_ever_improved() {
        let table: &[(i32, i32, &[i32])] = &[
            (0, 20, &[NICE]),
            (0, -5, &[NICE, -5]),
            (0, -20, &[NICE, NICE]),
            (10, 3, &[NICE, 3]),
            (-8, -5, &[NICE]),
            (-15, -20, &[]),
        ];
        for (now, limit, expected) in table {
            assert_eq!(
                &nice_values(NICE, *now, *limit).collect::<Vec<_>>(),
                expected,
                "{now}, limit {limit}"
            );
        }
    }

    #[test]
    fn the_lowest_nice_value_is_tried_and_undone() {
        let on_a_thread = || {
            let before = now().unwrap();
            let lowest = nice_min().unwrap();
            assert!(lowest <= before.nice && lowest >= nice_limit().min(-20));
            assert_eq!(scheduling(), Scheduling::TimeShared { nice: before.nice });
        };
        std::thread::spawn(on_a_thread).join().unwrap();
    }

    #[test]
    fn a_better_nice_value_is_given_back() {
        let on_a_thread = || {
            let before = scheduling();
            match nicer(now().unwrap(), Refusal::Unsupported) {
                (Granted::Nice { nice, .. }, Some(kept)) => {
                    assert!(nice >= NICE && scheduling() == Scheduling::TimeShared { nice });
                    restore(&kept);
                }
                (Granted::Nothing { .. }, None) => eprintln!("skipped: no better nice value is permitted"),
                other => panic!("{other:?}"),
            }
            assert_eq!(scheduling(), before);
        };
        std::thread::spawn(on_a_thread).join().unwrap();
    }
}
