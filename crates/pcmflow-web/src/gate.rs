//! A gate with one thing behind it: who is inside has it alone, and nobody ever waits at the gate.
//!
//! The audio thread enters for as long as it takes to write a quantum, and turns back where it can't. The control side shuts the gate
//! for good, and takes out what is behind it as soon as nobody is inside. What is behind it may be freed then; the gate itself, which a
//! late caller may still knock at, stays.

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

/// Somebody is inside.
const BUSY: u32 = 1;
/// Nobody comes in any more.
const SHUT: u32 = 2;
/// What was behind it was taken out.
const TAKEN: u32 = 4;

pub(crate) struct Gate<T> {
    state: AtomicU32,
    /// Whoever changed `state` from 0 to `BUSY`, or from `SHUT` to `SHUT | TAKEN`, has it alone.
    inside: UnsafeCell<Option<T>>,
}

// SAFETY: `inside` is reached by whoever set `BUSY` while neither bit was set, until that is cleared, and by whoever set `TAKEN` while
// `BUSY` was not and could not be set any more (`SHUT` stays). Both are compare-exchanges of one word, with Acquire on entry and Release
// on leaving, so that these accesses exclude each other and come one after the other. `T` is thereby moved between threads: `Send`.
unsafe impl<T: Send> Sync for Gate<T> {}

impl<T> Gate<T> {
    pub(crate) fn new(inside: T) -> Self {
        Self { state: AtomicU32::new(0), inside: UnsafeCell::new(Some(inside)) }
    }

    /// Goes in, if the gate is open and nobody is inside.
    pub(crate) fn enter(&self) -> Option<Inside<'_, T>> {
        self.state.compare_exchange(0, BUSY, Ordering::Acquire, Ordering::Relaxed).ok()?;
        Some(Inside { gate: self })
    }

    /// From now on nobody comes in.
    pub(crate) fn shut(&self) {
        self.state.fetch_or(SHUT, Ordering::Relaxed);
    }

    /// What is behind a gate that is shut; none while somebody is inside, where it is open, and where it was taken before.
    pub(crate) fn take(&self) -> Option<T> {
        self.state.compare_exchange(SHUT, SHUT | TAKEN, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // SAFETY: nobody is inside nor comes in, and only one caller gets here: see `Sync`.
        unsafe { (*self.inside.get()).take() }
    }
}

/// What is behind the gate, for whoever is inside.
pub(crate) struct Inside<'a, T> {
    gate: &'a Gate<T>,
}

impl<T> Inside<'_, T> {
    fn get(&mut self) -> Option<&mut T> {
        // SAFETY: this one set `BUSY`, which is cleared when it goes: see `Sync`.
        unsafe { (*self.gate.inside.get()).as_mut() }
    }

    /// Does something with it.
    pub(crate) fn with<R>(mut self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.get().map(work)
    }
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        // Release: who comes in next, or takes it out, sees what was done inside.
        self.gate.state.fetch_and(!BUSY, Ordering::Release);
    }
}

impl<T> fmt::Debug for Gate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("state", &self.state).finish_non_exhaustive()
    }
}
