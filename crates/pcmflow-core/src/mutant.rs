//! Seeded bugs: proof that the proofs can fail.
//!
//! Built with `--cfg pcmflow_mutants`, the environment variable `PCMFLOW_MUTANT` names one of [`MUTANTS`], and the code that
//! asks for it then does the wrong thing there: a weaker ordering, a check left out. `cargo xtask proof --only mutants` sees to it
//! that each one makes the named test fail. In every other build [`is`] is `false` and the wrong branch is not compiled.

/// A seeded bug and the test that finds it, as `cargo xtask proof --only mutants` reads them: `("name", "tests")`. `tests` is a
/// filter of `tests/loom`.
///
/// Most show only in some interleavings. These go wrong in any, and prove only that the model looks: `pool-closed-unseen`,
/// `pool-same-generation`, `pool-make-mut-keeps-name`, `pool-recall-ignored`, `pool-spill-twice`, `broadcast-half-word`,
/// `ring-drop-position`.
#[cfg(pcmflow_mutants)]
#[rustfmt::skip]
pub(crate) const MUTANTS: &[(&str, &str)] = &[
    ("ring-publish-relaxed", "ring::"),
    ("ring-release-relaxed", "ring::"),
    ("pool-take-relaxed", "pool::"),
    ("pool-put-relaxed", "pool::"),
    ("pool-take-draining", "pool::"),
    ("pool-give-back-early", "pool::"),
    ("pool-give-back-unchecked", "pool::"),
    ("pool-give-back-relaxed", "pool::"),
    ("pool-refill-relaxed", "pool::"),
    ("pool-advise-once", "pool::"),
    ("pool-header-freed", "pool::"),
    ("pool-closed-unseen", "pool::"),
    ("pool-upgrade-adds", "pool::"),
    ("pool-same-generation", "pool::"),
    ("pool-make-mut-keeps-name", "pool::"),
    ("pool-alone-relaxed", "pool::"),
    ("pool-leave-relaxed", "pool::"),
    ("pool-last-drop-relaxed", "pool::"),
    ("pool-recall-ignored", "caches::"),
    ("pool-spill-twice", "caches::"),
    ("broadcast-reserve-late", "broadcast::"),
    ("broadcast-no-release-fence", "broadcast::"),
    ("broadcast-no-acquire-fence", "broadcast::"),
    ("broadcast-no-recheck", "broadcast::"),
    ("broadcast-commit-relaxed", "broadcast::"),
    ("broadcast-half-word", "broadcast::halves"),
    ("link-take-check-then-use", "link::each"),
    ("link-evict-check-then-use", "link::each"),
    ("link-stamp-unnumbered", "link::each"),
    ("link-written-relaxed", "link::each"),
    ("link-words-after-take", "link::each"),
    ("link-marks-before-chunk", "link::gaps"),
    ("broadcast-lost-beyond-commit", "stream::"),
    ("ring-closed-relaxed", "ring::closed"),
    ("ring-finished-stale", "ring::finished"),
    ("ring-give-back-early", "ring::"),
    ("ring-drop-position", "ring::what_a_leaked"),
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
