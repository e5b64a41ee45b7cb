//! The one place where atomics come from, so that model checkers can switch them.

pub(crate) use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
