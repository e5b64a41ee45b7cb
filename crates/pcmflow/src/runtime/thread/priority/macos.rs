//! macOS: the time-constraint policy. The system plans a part of every period for the thread.

use super::{Granted, RealTime, Refusal, Scheduling};

/// Nothing to remember: a thread goes back to sharing its time.
#[derive(Debug)]
pub(super) struct Before;

/// `mach_time.h`: libc deprecates its own in favour of another crate.
#[repr(C)]
struct Timebase {
    numer: u32,
    denom: u32,
}

unsafe extern "C" {
    fn mach_timebase_info(base: *mut Timebase) -> libc::c_int;
    /// `thread_act.h`. `is_default` comes back true where the thread has no policy of this kind.
    fn thread_policy_get(
        thread: libc::mach_port_t,
        kind: u32,
        policy: *mut libc::integer_t,
        count: *mut libc::mach_msg_type_number_t,
        is_default: *mut libc::boolean_t,
    ) -> libc::kern_return_t;
}

/// `thread_policy.h`: the standard policy carries no data.
const THREAD_STANDARD_POLICY: u32 = 1;

pub(super) fn raise(wish: RealTime) -> (Granted, Option<Before>) {
    if is_time_constrained() {
        return (Granted::Kept(Scheduling::TimeConstraint), None);
    }
    let period_ns = wish.period.as_nanos().min(1_000_000_000) as u64;
    // Half of the period to compute in, within what the kernel accepts (50 µs to 50 ms), at any time within the period.
    let compute_ns = (period_ns / 2).clamp(50_000, 50_000_000);
    let mut policy = libc::thread_time_constraint_policy {
        period: ticks(period_ns),
        computation: ticks(compute_ns),
        constraint: ticks(period_ns.max(compute_ns)),
        preemptible: 1,
    };
    // SAFETY: the policy is of the kind and size that are named, and only read.
    let code = unsafe {
        libc::thread_policy_set(
            this_thread(),
            libc::THREAD_TIME_CONSTRAINT_POLICY as u32,
            (&raw mut policy).cast(),
            libc::THREAD_TIME_CONSTRAINT_POLICY_COUNT,
        )
    };
    if code == libc::KERN_SUCCESS {
        (Granted::TimeConstraint, Some(Before))
    } else {
        (Granted::Nothing { why: Refusal::System { call: "thread_policy_set", code } }, None)
    }
}

pub(super) fn restore(_: &Before) {
    let mut nothing = 0;
    // SAFETY: the standard policy reads nothing.
    unsafe { libc::thread_policy_set(this_thread(), THREAD_STANDARD_POLICY, &raw mut nothing, 0) };
}

/// Whether the current thread has the policy already: the threads of Core Audio do.
fn is_time_constrained() -> bool {
    let mut policy =
        libc::thread_time_constraint_policy { period: 0, computation: 0, constraint: 0, preemptible: 0 };
    let (mut count, mut is_default) = (libc::THREAD_TIME_CONSTRAINT_POLICY_COUNT, 0);
    // SAFETY: there is room for a policy of the kind and size that are named.
    let code = unsafe {
        thread_policy_get(
            this_thread(),
            libc::THREAD_TIME_CONSTRAINT_POLICY as u32,
            (&raw mut policy).cast(),
            &raw mut count,
            &raw mut is_default,
        )
    };
    code == libc::KERN_SUCCESS && is_default == 0
}

pub(super) fn scheduling() -> Scheduling {
    if is_time_constrained() {
        return Scheduling::TimeConstraint;
    }
    let mut policy = 0;
    // SAFETY: all-zero bytes are such a structure.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: writes to both, for which there is room.
    match unsafe { libc::pthread_getschedparam(libc::pthread_self(), &raw mut policy, &raw mut parameters) } {
        0 => Scheduling::Priority(parameters.sched_priority),
        _ => Scheduling::Unknown,
    }
}

/// The current thread's port, which need not be given back.
fn this_thread() -> libc::mach_port_t {
    // SAFETY: the current thread exists.
    unsafe { libc::pthread_mach_thread_np(libc::pthread_self()) }
}

/// Nanoseconds in units of the kernel's clock.
fn ticks(ns: u64) -> u32 {
    let mut base = Timebase { numer: 0, denom: 0 };
    // SAFETY: writes one structure, for which there is room.
    unsafe { mach_timebase_info(&raw mut base) };
    let ticks = u128::from(ns) * u128::from(base.denom) / u128::from(base.numer.max(1));
    u32::try_from(ticks).unwrap_or(u32::MAX)
}
