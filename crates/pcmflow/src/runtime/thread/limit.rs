//! What the system lets this process have.

/// The soft limit that `read`, a call of `getrlimit`, finds; the largest number for none.
///
/// The call is the caller's, because the type of a resource's name differs between C libraries.
pub(in crate::runtime) fn limit(read: impl FnOnce(*mut libc::rlimit) -> libc::c_int) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    if read(&raw mut limit) != 0 {
        return 0;
    }
    // Some systems count with 32 bits.
    #[allow(clippy::unnecessary_cast)]
    if limit.rlim_cur == libc::RLIM_INFINITY { u64::MAX } else { limit.rlim_cur as u64 }
}
