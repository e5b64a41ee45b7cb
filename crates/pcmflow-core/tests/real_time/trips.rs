//! The guard trips: both checkers, on what an audio thread must not do.

use crate::guard::rt as forbidden;
use std::hint::black_box;

#[test]
#[cfg(not(pcmflow_rtsan))]
fn the_counting_allocator_trips() {
    use crate::guard::calls;
    use std::panic::catch_unwind;
    assert_eq!(calls(|| drop(black_box(Box::new(1)))), 2);
    assert!(catch_unwind(|| forbidden("Box::new", || Box::new(1))).is_err(), "an allocation");
    let held = Box::new(1);
    assert!(catch_unwind(|| forbidden("Box::drop", || drop(held))).is_err(), "a free");
    let mut held = vec![1];
    assert!(catch_unwind(move || forbidden("Vec::reserve", || held.reserve(1000))).is_err(), "a growth");
    assert!(catch_unwind(|| forbidden("nothing", || ())).is_ok());
}

/// What RealtimeSanitizer is to see: a name, the call that it must report, and the deed.
#[cfg(pcmflow_rtsan)]
const DEEDS: &[(&str, &str, fn())] = &[
    ("allocation", "malloc", || drop(forbidden("Box::new", || black_box(Box::new(1))))),
    ("free", "free", || {
        let held = black_box(Box::new(1));
        forbidden("Box::drop", || drop(held));
    }),
    ("lock", "syscall", || {
        // One that nobody holds is taken without a call of the system, and is not seen.
        let lock = std::sync::Mutex::new(0);
        let held = lock.lock();
        std::thread::scope(|scope| {
            scope.spawn(|| forbidden("Mutex::lock", || drop(lock.lock())));
            std::thread::sleep(std::time::Duration::from_millis(200));
            drop(held);
        });
    }),
    ("yield", "sched_yield", || forbidden("yield_now", std::thread::yield_now)),
    ("output", "write", || {
        forbidden("Write::write", || std::io::Write::write(&mut std::io::stdout(), b"heard\n")).unwrap();
    }),
];

/// The deeds are done in child processes, since the report ends the process.
#[test]
#[cfg(pcmflow_rtsan)]
fn realtime_sanitizer_trips() {
    use std::process::Command;
    for (name, call, _) in DEEDS {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "trips::a_deed", "--ignored", "--nocapture"]).env("PCMFLOW_DEED", name);
        let output = child.output().unwrap();
        let report = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name} was not seen");
        let expected = format!("Intercepted call to real-time unsafe function `{call}`");
        assert!(
            report.contains("RealtimeSanitizer: unsafe-library-call") && report.contains(&expected),
            "{name}: {report}"
        );
    }
    println!("real time: RealtimeSanitizer stopped {} forbidden deeds", DEEDS.len());
}

#[test]
#[cfg(pcmflow_rtsan)]
#[ignore = "kills the process: a child of `realtime_sanitizer_trips`"]
fn a_deed() {
    let wanted = std::env::var("PCMFLOW_DEED").unwrap();
    DEEDS.iter().find(|(name, ..)| *name == wanted).unwrap().2();
}
