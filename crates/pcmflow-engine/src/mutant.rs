//! Seeded bugs: proof that the proofs can fail; see `pcmflow-core/src/mutant.rs`, whose scheme this is.
//!
//! Built with `--cfg pcmflow_mutants`, the environment variable `PCMFLOW_ENGINE_MUTANT` names one of [`MUTANTS`]. In every other build
//! [`is`] is `false` and the wrong branch is not compiled.

/// A seeded bug and the test that finds it, as `cargo xtask proof --mutants` reads them: `("name", "tests")`. `tests` is a
/// filter of `tests/loom`.
#[cfg(pcmflow_mutants)]
#[rustfmt::skip]
pub(crate) const MUTANTS: &[(&str, &str)] = &[
    ("ready-add-relaxed", "ready::what_was_written"),
    ("ready-drain-relaxed", "ready::what_was_written"),
    ("ready-summary-after-words", "ready::"),
    ("ready-stale-summary", "ready::"),
    ("wake-without-fence", "sleep::"),
    ("sleep-without-fence", "sleep::"),
    ("sleep-without-second-look", "sleep::"),
    ("poll-clears-afterwards", "executor::a_wake_during"),
    ("end-relaxed", "executor::who_sees_the_end"),
    ("spawn-wakes-first", "executor::a_task_comes_in"),
    ("wait-arm-without-fence", "wait::"),
    ("wait-notify-without-fence", "wait::"),
];

/// Whether the seeded bug `name` is to show.
#[cfg(not(pcmflow_mutants))]
#[inline(always)]
pub(crate) const fn is(_name: &'static str) -> bool {
    false
}

/// Whether the seeded bug `name` is to show.
#[cfg(pcmflow_mutants)]
pub(crate) fn is(name: &'static str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<&'static str>> = std::sync::OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let wanted = std::env::var("PCMFLOW_ENGINE_MUTANT").ok().filter(|wanted| !wanted.is_empty())?;
        let known = MUTANTS.iter().find(|(known, _)| *known == wanted);
        Some(
            known
                .map(|(known, _)| *known)
                .unwrap_or_else(|| panic!("PCMFLOW_ENGINE_MUTANT={wanted}: no such seeded bug")),
        )
    });
    debug_assert!(MUTANTS.iter().any(|(known, _)| *known == name), "{name} is not in the list");
    *chosen == Some(name)
}

/// `right`, or `Relaxed` where the seeded bug `name` is to show.
#[inline(always)]
pub(crate) fn weakened(name: &'static str, right: crate::sync::Ordering) -> crate::sync::Ordering {
    if is(name) { crate::sync::Ordering::Relaxed } else { right }
}
