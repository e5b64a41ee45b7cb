//! What the system says of this process and of the machine.

/// What of this process is in memory.
pub(crate) fn resident_mib() -> Option<f64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// Whose processor time is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// This process's.
    Own,
    /// That of the processes which it started and waited for.
    Children,
}

/// Seconds of processor time so far.
#[cfg(unix)]
pub(crate) fn processor_seconds(whose: Whose) -> Option<f64> {
    let whose = if whose == Whose::Own { libc::RUSAGE_SELF } else { libc::RUSAGE_CHILDREN };
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the system fills what it is given; zeroes are valid for its plain numbers.
    let (done, usage) = unsafe { (libc::getrusage(whose, usage.as_mut_ptr()), usage.assume_init()) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (done == 0).then(|| seconds(usage.ru_utime) + seconds(usage.ru_stime))
}

/// Seconds of processor time that the calling thread took so far.
#[cfg(unix)]
pub(crate) fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the system fills what it is given.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    if done == 0 { time.tv_sec as f64 + time.tv_nsec as f64 / 1e9 } else { f64::NAN }
}

/// Not asked for here.
#[cfg(not(unix))]
pub(crate) fn thread_seconds() -> f64 {
    f64::NAN
}

/// Not asked for here.
#[cfg(not(unix))]
pub(crate) fn processor_seconds(_: Whose) -> Option<f64> {
    None
}

/// Ticks, of 10 ms mostly, in which the host of this virtual machine had its processors do something else.
pub(crate) fn stolen_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stolen_in(&stat)
}

/// The eighth number behind `cpu`.
fn stolen_in(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("cpu "))?.split_whitespace().nth(7)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eighth_number_is_what_was_stolen() {
        assert_eq!(stolen_in("cpu  10 20 30 40 50 60 70 80 90 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n"), Some(80));
        assert_eq!(stolen_in("intr 5\n"), None);
    }
}
