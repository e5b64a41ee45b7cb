//! Seeded bugs: proof that the proofs can fail.
//!
//! Built with `--cfg pcmflow_mutants`, the environment variable `PCMFLOW_MUTANT` names one of [`MUTANTS`], and the code that
//! asks for it then does the wrong thing there: a weaker ordering, a check left out. `cargo xtask proof --mutants` sees to it
//! that each one makes the named test fail. In every other build [`is`] is `false` and the wrong branch is not compiled.

/// A seeded bug and the test that finds it, as `cargo xtask proof --mutants` reads them: `("name", "tests")`. `tests` is a
/// filter of `tests/loom`.
#[cfg(pcmflow_mutants)]
#[rustfmt::skip]
pub(crate) const MUTANTS: &[(&str, &str)] = &[
    ("ring-publish-relaxed", "ring::"),
    ("ring-release-relaxed", "ring::"),
    ("broadcast-reserve-late", "broadcast::"),
    ("broadcast-no-release-fence", "broadcast::"),
    ("broadcast-no-acquire-fence", "broadcast::"),
    ("broadcast-no-recheck", "broadcast::"),
    ("broadcast-commit-relaxed", "broadcast::"),
    ("broadcast-half-word", "broadcast::halves"),
    ("broadcast-lost-beyond-commit", "stream::"),
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
        let wanted = std::env::var("PCMFLOW_MUTANT").ok().filter(|wanted| !wanted.is_empty())?;
        let known = MUTANTS.iter().find(|(known, _)| *known == wanted);
        Some(
            known
                .map(|(known, _)| *known)
                .unwrap_or_else(|| panic!("PCMFLOW_MUTANT={wanted}: no such seeded bug")),
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
