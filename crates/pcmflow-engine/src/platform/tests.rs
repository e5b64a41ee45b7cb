//! The pure parts, by table; the module, with a probe that is told what to find.
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::{Allowed, Config, Key};
use crate::event::types::PlatformChanged;
use crate::module::{Health, Module, ModuleCx};
use pcmflow_core::block::Profile;
use std::sync::{Arc, Mutex};

const MIB: u64 = 1 << 20;

/// A machine that lacks nothing.
fn plenty() -> Platform {
    Platform {
        system: "linux".into(),
        architecture: "x86_64".into(),
        cores: Cores { logical: Some(4), usable: Some(4), quota_thousandths: Limit::Unlimited },
        simd: ["avx2".to_owned(), "sse2".to_owned()].into(),
        memory: Memory {
            total_bytes: Some(8192 * MIB),
            available_bytes: Some(1024 * MIB),
            limit_bytes: Limit::Unlimited,
            lock_limit_bytes: Limit::Unlimited,
            page_bytes: Some(4096),
        },
        scheduling: SchedulingRights {
            real_time: RealTimeRight::Priority { max: 99, run_limit_us: None },
            nice_min: Some(-20),
            deadline: None,
        },
        timer_resolution_ns: Some(1),
        threads: true,
        shared_memory: true,
    }
}

fn with(change: impl FnOnce(&mut Platform)) -> Platform {
    let mut platform = plenty();
    change(&mut platform);
    platform
}

fn refused() -> RealTimeRight {
    RealTimeRight::Refused { why: "no rights".into() }
}

#[test]
fn what_holds_is_the_lowest_of_all_that_is_known() {
    let cpu = |usable, quota| {
        with(|p| p.cores = Cores { logical: Some(8), usable, quota_thousandths: quota }).cpu_thousandths()
    };
    assert_eq!(cpu(Some(4), Limit::Unlimited), Some(4_000));
    assert_eq!(cpu(Some(4), Limit::Unknown), Some(4_000));
    assert_eq!(cpu(Some(4), Limit::At(2_500)), Some(2_500));
    assert_eq!(cpu(Some(1), Limit::At(2_500)), Some(1_000));
    assert_eq!(cpu(None, Limit::Unlimited), Some(8_000));
    let memory = |total, limit, lock| {
        let memory =
            Memory { total_bytes: total, limit_bytes: limit, lock_limit_bytes: lock, ..Memory::default() };
        let platform = with(|p| p.memory = memory);
        (platform.memory_bytes(), platform.lockable_bytes())
    };
    assert_eq!(memory(Some(9), Limit::At(5), Limit::Unlimited), (Some(5), Some(5)));
    assert_eq!(memory(Some(9), Limit::At(12), Limit::At(7)), (Some(9), Some(7)));
    assert_eq!(memory(None, Limit::At(5), Limit::At(7)), (Some(5), Some(5)));
    assert_eq!(memory(None, Limit::Unknown, Limit::At(7)), (None, Some(7)));
    assert_eq!(memory(Some(9), Limit::Unlimited, Limit::Unknown), (Some(9), None));
    let nothing = Platform::default();
    assert_eq!(
        (nothing.cpu_thousandths(), nothing.memory_bytes(), nothing.lockable_bytes()),
        (None, None, None)
    );
}

#[test]
fn the_lower_limit_does_not_depend_on_the_order() {
    let all = [Limit::Unknown, Limit::Unlimited, Limit::At(0), Limit::At(5), Limit::At(u64::MAX)];
    for (index, one) in all.iter().enumerate() {
        for (other_index, other) in all.iter().enumerate() {
            assert_eq!(one.lower(*other), other.lower(*one), "{one:?} and {other:?}");
            // Any number is lower than none, and of two numbers the smaller; knowing of no limit beats knowing nothing.
            let expected = match (index.min(other_index), index.max(other_index)) {
                (0 | 1, high) => high,
                (low, _) => low,
            };
            assert_eq!(one.lower(*other), all[expected], "{one:?} and {other:?}");
        }
    }
}

/// (what is found, profile, [workers, real time, block, ring, pool in MiB, locked])
type Row = (&'static str, Platform, Profile, (u32, bool, u64, u64, u64, bool));

#[test]
fn settings_follow_from_what_was_found() {
    let cores = |usable| with(|p| p.cores.usable = Some(usable));
    let run_limit =
        |us| with(|p| p.scheduling.real_time = RealTimeRight::Priority { max: 1, run_limit_us: Some(us) });
    let (production, development) = (Profile::Production, Profile::Development);
    let table: Vec<Row> = vec![
        ("plenty", plenty(), production, (3, true, 1024, 200, 50, true)),
        ("plenty", plenty(), development, (3, true, 256, 200, 50, true)),
        ("one core", cores(1), development, (1, true, 1024, 200, 50, true)),
        ("two cores", cores(2), development, (1, true, 256, 200, 50, true)),
        ("nine cores", cores(9), production, (8, true, 1024, 200, 50, true)),
        ("many cores", cores(256), production, (8, true, 1024, 200, 50, true)),
        (
            "a quota does not hold real-time threads, but the workers",
            with(|p| p.cores.quota_thousandths = Limit::At(2_900)),
            production,
            (1, true, 1024, 200, 50, true),
        ),
        (
            "no real-time scheduling",
            with(|p| p.scheduling.real_time = refused()),
            development,
            (3, false, 1024, 400, 50, true),
        ),
        (
            "no real-time scheduling, and a quota",
            with(|p| {
                p.scheduling.real_time = refused();
                p.cores.quota_thousandths = Limit::At(500);
            }),
            production,
            (1, false, 1024, 800, 50, true),
        ),
        (
            "a quota that holds nobody",
            with(|p| {
                p.scheduling.real_time = refused();
                p.cores.quota_thousandths = Limit::At(4_000);
            }),
            production,
            (3, false, 1024, 400, 50, true),
        ),
        (
            "a class of its own",
            with(|p| p.scheduling.real_time = RealTimeRight::Class { name: "Pro Audio".into() }),
            production,
            (3, true, 1024, 200, 50, true),
        ),
        ("a deadly limit", run_limit(49_999), production, (3, false, 1024, 400, 50, true)),
        ("a limit to live with", run_limit(50_000), production, (3, true, 1024, 200, 50, true)),
        (
            "a small container",
            with(|p| p.memory.limit_bytes = Limit::At(80 * MIB)),
            production,
            (3, true, 1024, 200, 10, true),
        ),
        (
            "little may be locked",
            with(|p| p.memory.lock_limit_bytes = Limit::At(50 * MIB - 1)),
            production,
            (3, true, 1024, 200, 50, false),
        ),
        (
            "just enough may be locked",
            with(|p| p.memory.lock_limit_bytes = Limit::At(50 * MIB)),
            production,
            (3, true, 1024, 200, 50, true),
        ),
        ("no threads", with(|p| p.threads = false), production, (0, true, 1024, 200, 50, true)),
        ("nothing is known", Platform::default(), development, (0, false, 1024, 400, 50, false)),
    ];
    for (
        what,
        platform,
        profile,
        (workers, critical_real_time, block_frames, ring_ms, pool_mib, pool_locked),
    ) in table
    {
        let expected = PlatformSettings {
            workers,
            critical_real_time,
            block_frames,
            ring_ms,
            pool_budget_bytes: pool_mib * MIB,
            pool_locked,
        };
        assert_eq!(PlatformSettings::of(&platform, profile), expected, "{what}");
    }
    // However little there is, it is a budget that a pool takes.
    let tiny = with(|p| p.memory.limit_bytes = Limit::At(1));
    assert_eq!(PlatformSettings::of(&tiny, production).pool_budget_bytes, 4096);
}

#[test]
fn settings_are_what_the_configuration_allows() {
    let quota = with(|p| {
        p.scheduling.real_time = refused();
        p.cores.quota_thousandths = Limit::At(0);
        p.memory.limit_bytes = Limit::At(0);
    });
    for platform in [plenty(), quota, Platform::default()] {
        for (_, profile) in Profile::ALL {
            let settings = PlatformSettings::of(&platform, profile);
            for (key, value) in [
                ("audio.block_frames", settings.block_frames),
                ("audio.ring_ms", settings.ring_ms),
                ("memory.budget_bytes", settings.pool_budget_bytes),
            ] {
                let Allowed::Number { min, max } = Key::find(key).unwrap().allowed else { panic!("{key}") };
                assert!((min..=max).contains(&value), "{key} = {value}");
            }
            let block = pcmflow_core::format::Frames(settings.block_frames);
            assert!(profile.block(Some(block)).is_ok());
        }
    }
}

#[test]
fn each_change_is_told_and_nothing_else() {
    let changes: Vec<(Platform, PlatformFact, u64, u64)> = vec![
        (with(|p| p.cores.usable = Some(3)), PlatformFact::CpuThousandths, 4_000, 3_000),
        (with(|p| p.cores.quota_thousandths = Limit::At(500)), PlatformFact::CpuThousandths, 4_000, 500),
        (with(|p| p.memory.lock_limit_bytes = Limit::At(5)), PlatformFact::LockableBytes, 8192 * MIB, 5),
        (with(|p| p.memory.lock_limit_bytes = Limit::Unknown), PlatformFact::LockableBytes, 8192 * MIB, 0),
        (with(|p| p.scheduling.real_time = refused()), PlatformFact::RealTimePriority, 99, 0),
        (
            with(|p| p.scheduling.real_time = RealTimeRight::Class { name: "x".into() }),
            PlatformFact::RealTimePriority,
            99,
            1,
        ),
        (
            with(|p| p.scheduling.real_time = RealTimeRight::Priority { max: 99, run_limit_us: Some(7) }),
            PlatformFact::RealTimeRunUs,
            0,
            7,
        ),
        (with(|p| p.scheduling.nice_min = Some(19)), PlatformFact::NiceShare, 40, 1),
        (with(|p| p.scheduling.nice_min = Some(i8::MAX)), PlatformFact::NiceShare, 40, 0),
        (with(|p| p.timer_resolution_ns = None), PlatformFact::TimerResolutionNs, 1, 0),
        (with(|p| p.threads = false), PlatformFact::Threads, 1, 0),
        (with(|p| p.shared_memory = false), PlatformFact::SharedMemory, 1, 0),
    ];
    for (now, fact, before, after) in changes {
        assert_eq!(now.changes_since(&plenty()), [PlatformChanged { fact, before, after }]);
        let back = PlatformChanged { fact, before: after, after: before };
        assert_eq!(plenty().changes_since(&now), [back]);
    }
    // What is within a limit is within it.
    let less = with(|p| p.memory.limit_bytes = Limit::At(MIB));
    let told: Vec<_> = less.changes_since(&plenty()).iter().map(|change| change.fact).collect();
    assert_eq!(told, [PlatformFact::MemoryBytes, PlatformFact::LockableBytes]);
    let same = [
        plenty(),
        with(|p| p.memory.available_bytes = None),
        with(|p| p.cores.quota_thousandths = Limit::At(9_000)),
        with(|p| p.memory.limit_bytes = Limit::Unknown),
    ];
    for platform in same {
        assert_eq!(platform.changes_since(&plenty()), []);
    }
    // From nothing to everything, each fact in its turn, but the one that is a limit which is not there.
    let told: Vec<_> =
        plenty().changes_since(&Platform::default()).iter().map(|change| change.fact).collect();
    let all = PlatformFact::ALL.into_iter().filter(|fact| *fact != PlatformFact::RealTimeRunUs);
    assert_eq!(told, all.collect::<Vec<_>>());
}

#[test]
fn what_was_found_survives_as_json_and_missing_parts_are_unknown() {
    for platform in [
        plenty(),
        with(|p| p.scheduling.real_time = refused()),
        with(|p| p.scheduling.real_time = RealTimeRight::Class { name: "x".into() }),
        Platform::default(),
    ] {
        let json = serde_json::to_string(&platform).unwrap();
        assert_eq!(serde_json::from_str::<Platform>(&json).unwrap(), platform, "{json}");
    }
    let some = r#"{"system": "linux", "memory": {"limit_bytes": {"at": 5}, "later": {}}, "devices": []}"#;
    let platform: Platform = serde_json::from_str(some).unwrap();
    assert_eq!((platform.system.as_str(), platform.memory_bytes()), ("linux", Some(5)));
    assert_eq!((platform.cores, platform.memory.lock_limit_bytes), (Cores::default(), Limit::Unknown));
}

/// Finds what it was told last.
#[derive(Debug, Clone)]
struct Told(Arc<Mutex<Platform>>);

impl PlatformProbe for Told {
    fn probe(&self) -> Platform {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn the_module_says_what_is_missing() {
    let scheduling = |right: RealTimeRight| with(|p| p.scheduling.real_time = right);
    let table: Vec<(Platform, &[&str])> = vec![
        (plenty(), &[]),
        (scheduling(RealTimeRight::Class { name: "Pro Audio".into() }), &[]),
        (with(|p| p.memory.lock_limit_bytes = Limit::At(50 * MIB)), &[]),
        (scheduling(refused()), &["no real-time scheduling: no rights"]),
        (
            scheduling(RealTimeRight::Priority { max: 1, run_limit_us: Some(10) }),
            &[
                "real-time scheduling is not used: a thread that runs for 10 µs would end the program; raise the limit (RLIMIT_RTTIME)",
            ],
        ),
        (scheduling(RealTimeRight::Unknown), &["whether there is real-time scheduling is not known"]),
        (
            with(|p| p.memory.lock_limit_bytes = Limit::At(8 * MIB)),
            &[
                "8388608 bytes of memory may be locked, the pool may have 52428800: raise the limit (RLIMIT_MEMLOCK on Unix), or lower memory.budget_bytes",
            ],
        ),
        (
            with(|p| p.memory.lock_limit_bytes = Limit::Unknown),
            &["how much memory may be locked is not known"],
        ),
        (
            with(|p| p.memory.limit_bytes = Limit::At(16 * MIB)),
            &["the process may have 16777216 bytes of memory, its pool 52428800: lower memory.budget_bytes"],
        ),
        (
            with(|p| {
                p.threads = false;
                p.shared_memory = false;
            }),
            &[
                "threads can't be started: one driver must poll all tasks",
                "threads share no memory: audio is copied between them",
            ],
        ),
    ];
    for (platform, reasons) in table {
        let (mut module, _) = PlatformModule::new(Told(Arc::new(Mutex::new(platform))));
        assert_eq!((module.name(), module.health()), ("platform", Health::Healthy), "before the first look");
        module.init(&ModuleCx::new(Config::default().into(), 0)).unwrap();
        let expected = match reasons {
            [] => Health::Healthy,
            reasons => Health::Degraded(reasons.join("; ")),
        };
        assert_eq!(module.health(), expected);
    }
}

#[test]
fn what_is_found_later_is_told_once_and_shared() {
    let told = Told(Arc::new(Mutex::new(plenty())));
    let (mut module, handle) = PlatformModule::new(told.clone());
    assert!(handle.current().is_none());
    module.init(&ModuleCx::new(Config::default().into(), 0)).unwrap();
    let other = handle.clone();
    assert_eq!(*other.current().unwrap(), plenty());
    assert_eq!(handle.probe(), []);
    *told.0.lock().unwrap() = with(|p| p.scheduling.real_time = refused());
    assert_eq!(*handle.current().unwrap(), plenty(), "nobody looked yet");
    let lost = PlatformChanged { fact: PlatformFact::RealTimePriority, before: 99, after: 0 };
    assert_eq!(other.probe(), [lost]);
    assert_eq!(handle.probe(), [], "told once");
    assert_eq!(handle.current().unwrap().scheduling.real_time, refused());
    assert_eq!(module.health(), Health::Degraded("no real-time scheduling: no rights".into()));
}
