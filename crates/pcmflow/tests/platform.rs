//! What the probe finds on this machine, against what the machine tells otherwise: programs, other files of the kernel, and limits
//! that are set here.
#![cfg(target_os = "linux")]
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

mod limits;

use limits::*;
use pcmflow::engine::config::Config;
use pcmflow::engine::event::types::PlatformChanged;
use pcmflow::engine::module::{Health, ModuleCx, ModuleRegistry};
use pcmflow::engine::platform::*;
use pcmflow::runtime::NativeProbe;
use pcmflow::runtime::thread::{Scheduling, scheduling};
use std::process::Command;
use std::thread;

/// What a program prints, in a shell of ours; none where it is not there.
fn printed(command: &str) -> Option<String> {
    let output = Command::new("sh").arg("-c").arg(command).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn number(command: &str) -> Option<u64> {
    let number = printed(command).and_then(|text| text.parse().ok());
    if number.is_none() {
        eprintln!("skipped: no number of `{command}`");
    }
    number
}

/// The cores in a list as `0-3,8`.
fn listed(list: &str) -> u32 {
    let ends = |part: &str| -> (u32, u32) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        (first.parse().unwrap(), last.parse().unwrap())
    };
    list.split(',').map(|part| ends(part).1 - ends(part).0 + 1).sum()
}

#[test]
fn cores_are_those_that_the_system_and_its_programs_count() {
    let cores = NativeProbe.probe().cores;
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online");
    if let Ok(list) = online {
        assert_eq!(cores.logical, Some(listed(list.trim())));
    }
    assert_eq!(cores.usable, Some(listed(&status("Cpus_allowed_list"))));
    let Limit::At(quota) = cores.quota_thousandths else {
        // Newer ones count the quota too.
        if let Some(programs) = number("unset OMP_NUM_THREADS OMP_THREAD_LIMIT; nproc") {
            assert_eq!(cores.usable.map(u64::from), Some(programs));
        }
        let parallel = thread::available_parallelism().unwrap().get();
        assert_eq!(cores.usable.map(|cores| cores as usize), Some(parallel));
        return;
    };
    // The standard library reads control groups by itself, and rounds down to whole cores.
    let parallel = thread::available_parallelism().unwrap().get() as u64;
    assert_eq!(cores.usable.map(|cores| (quota / 1_000).clamp(1, cores.into())), Some(parallel));
}

#[test]
fn a_thread_that_is_bound_to_one_core_has_one() {
    let all = NativeProbe.probe().cores;
    let bound = thread::spawn(|| {
        // SAFETY: all-zero bytes are such a set; the system writes and reads one.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &raw mut set), 0);
            let first = (0..libc::CPU_SETSIZE as usize).find(|core| libc::CPU_ISSET(*core, &set)).unwrap();
            libc::CPU_ZERO(&mut set);
            libc::CPU_SET(first, &mut set);
            assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &raw const set), 0);
        }
        NativeProbe.probe()
    });
    let bound = bound.join().unwrap();
    assert_eq!((bound.cores.usable, bound.cores.logical), (Some(1), all.logical));
    assert_eq!(NativeProbe.probe().cores, all, "of that thread only");
}

/// A line of `/proc/meminfo`, read by a program.
fn meminfo_bytes(key: &str) -> u64 {
    number(&format!("awk '$1 == \"{key}:\" {{ printf \"%.0f\", $2 * 1024 }}' /proc/meminfo")).unwrap()
}

#[test]
fn memory_is_what_the_system_counts() {
    let memory = NativeProbe.probe().memory;
    assert_eq!(memory.total_bytes, Some(meminfo_bytes("MemTotal")));
    assert_eq!(memory.page_bytes, number("getconf PAGESIZE"));
    let available = memory.available_bytes.unwrap();
    // It moves all the time.
    assert!(available > 0 && available <= meminfo_bytes("MemTotal"));
    assert!(available.abs_diff(meminfo_bytes("MemAvailable")) < meminfo_bytes("MemTotal") / 2);
}

#[test]
fn a_limit_on_addresses_limits_the_memory() {
    let _limits = limits();
    const LIMIT: u64 = 1 << 40;
    let before = NativeProbe.probe().memory.limit_bytes;
    with_limit(libc::RLIMIT_AS, LIMIT, move || {
        assert_eq!(NativeProbe.probe().memory.limit_bytes, before.lower(Limit::At(LIMIT)));
    });
}

#[test]
fn locked_memory_is_what_ulimit_says_and_more_with_the_privilege() {
    let _limits = limits();
    let found = || NativeProbe.probe().memory.lock_limit_bytes;
    // In a shell, which has our limits.
    let told = printed("ulimit -l").unwrap();
    let told = told.parse::<u64>().map_or(Limit::Unlimited, |kib| Limit::At(kib * 1024));
    let without = thread::spawn(move || {
        give_up(CAP_IPC_LOCK);
        found()
    });
    assert_eq!(without.join().unwrap(), told);
    const LIMIT: u64 = 256 * 1024;
    let locked = status("VmLck");
    with_limit(libc::RLIMIT_MEMLOCK, LIMIT, move || {
        if has(CAP_IPC_LOCK) {
            // In a user namespace it is no privilege of the machine's.
            let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
            let of_the_machine = map.split_whitespace().eq(["0", "0", "4294967295"]);
            assert_eq!(found(), if of_the_machine { Limit::Unlimited } else { Limit::At(LIMIT) });
        }
        give_up(CAP_IPC_LOCK);
        assert_eq!(found(), Limit::At(LIMIT));
    });
    assert_eq!(status("VmLck"), locked, "nothing stays locked");
}

#[test]
fn real_time_rights_are_those_that_are_granted() {
    let _limits = limits();
    let before = scheduling();
    let found = NativeProbe.probe().scheduling;
    println!("{found:?}");
    with_limit(libc::RLIMIT_RTPRIO, 0, || {
        give_up(CAP_SYS_NICE);
        let RealTimeRight::Refused { why } = NativeProbe.probe().scheduling.real_time else {
            panic!("granted without rights")
        };
        assert!(why.contains("RLIMIT_RTPRIO of at least 1 (it is 0;"), "{why}");
    });
    with_limit(libc::RLIMIT_RTPRIO, 4, || {
        give_up(CAP_SYS_NICE);
        match NativeProbe.probe().scheduling.real_time {
            RealTimeRight::Priority { max, .. } => assert_eq!(max, 4),
            // A container forbids it.
            RealTimeRight::Refused { why } => assert!(why.contains("(it is 4;"), "{why}"),
            right => panic!("{right:?}"),
        }
    });
    if has(CAP_SYS_NICE) {
        match found.real_time {
            RealTimeRight::Priority { max, .. } => {
                // SAFETY: takes and returns plain numbers.
                assert_eq!(i32::from(max), unsafe { libc::sched_get_priority_max(libc::SCHED_FIFO) });
            }
            RealTimeRight::Refused { why } => eprintln!("skipped: {why}"),
            right => panic!("{right:?}"),
        }
    }
    assert_eq!(scheduling(), before, "who probes is left as he was");
}

#[test]
fn a_run_limit_is_found_and_a_short_one_heeded() {
    let _limits = limits();
    with_limit(libc::RLIMIT_RTTIME, 20_000, || {
        let platform = NativeProbe.probe();
        match platform.scheduling.real_time {
            RealTimeRight::Priority { run_limit_us, .. } => assert_eq!(run_limit_us, Some(20_000)),
            ref right => eprintln!("skipped: {right:?}"),
        }
        assert!(!PlatformSettings::of(&platform, Default::default()).critical_real_time);
    });
}

#[test]
fn the_nice_value_is_as_low_as_the_limit_or_the_privilege_allows() {
    let _limits = limits();
    let nice = || NativeProbe.probe().scheduling.nice_min;
    let Scheduling::TimeShared { nice: before } = scheduling() else { return };
    with_limit(libc::RLIMIT_NICE, 25, move || {
        if has(CAP_SYS_NICE) {
            let found = nice();
            assert!([Some(-20), Some(-5)].contains(&found), "{found:?}");
        }
        give_up(CAP_SYS_NICE);
        assert_eq!(nice().map(i32::from), Some(before.min(-5)));
    });
    with_limit(libc::RLIMIT_NICE, 0, move || {
        give_up(CAP_SYS_NICE);
        assert_eq!(nice().map(i32::from), Some(before), "no worse than it is");
        assert_eq!(scheduling(), Scheduling::TimeShared { nice: before });
    });
}

#[test]
fn instructions_are_those_that_the_system_lists() {
    let platform = NativeProbe.probe();
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let line = info.lines().find(|line| line.starts_with("flags") || line.starts_with("Features"));
    let Some((_, listed)) = line.and_then(|line| line.split_once(':')) else {
        return eprintln!("skipped: no list");
    };
    let listed: Vec<_> = listed.split_whitespace().collect();
    // Names that are the same there, but for these.
    let name = |ours: &str| match ours {
        "sse3" => "pni".to_owned(),
        "neon" => "asimd".to_owned(),
        "fp16" => "asimdhp".to_owned(),
        "dotprod" => "asimddp".to_owned(),
        other => other.replace('.', "_"),
    };
    assert!(!platform.simd.is_empty());
    for feature in &platform.simd {
        assert!(listed.contains(&name(feature).as_str()), "{feature}");
    }
    if cfg!(target_arch = "x86_64") {
        assert_eq!(platform.simd.contains("avx2"), listed.contains(&"avx2"));
        assert_eq!(platform.simd.contains("avx512f"), listed.contains(&"avx512f"));
    }
    assert_eq!(platform.architecture, std::env::consts::ARCH);
}

#[test]
fn the_rest_is_there_and_nothing_changes_between_two_looks() {
    let _limits = limits();
    let first = NativeProbe.probe();
    assert!(first.threads && first.shared_memory && first.system == "linux");
    assert!(first.timer_resolution_ns.is_some_and(|ns| (1..=10_000_000).contains(&ns)));
    assert_eq!(NativeProbe.probe().changes_since(&first), []);
}

#[test]
fn the_module_tells_what_this_machine_denies_and_what_it_takes_away() {
    let _limits = limits();
    const LIMIT: u64 = 256 * 1024;
    with_limit(libc::RLIMIT_MEMLOCK, LIMIT, || {
        give_up(CAP_IPC_LOCK);
        let (module, platform) = PlatformModule::new(NativeProbe);
        let mut modules = ModuleRegistry::default();
        modules.register(Box::new(module)).unwrap();
        let cx = ModuleCx::new(Config::default().into(), 0);
        modules.init(&cx).unwrap();
        modules.start(&cx).unwrap();
        let status = modules.status();
        let Health::Degraded(reason) = &status[0].health else { panic!("{status:?}") };
        assert!(
            reason.contains("262144 bytes of memory may be locked, the pool may have 52428800"),
            "{reason}"
        );
        assert!(!PlatformSettings::of(&platform.current().unwrap(), Default::default()).pool_locked);
        assert!(set_limit(libc::RLIMIT_MEMLOCK, LIMIT / 2));
        let fact = PlatformFact::LockableBytes;
        assert_eq!(platform.probe(), [PlatformChanged { fact, before: LIMIT, after: LIMIT / 2 }]);
        assert_eq!(platform.probe(), []);
    });
}
