//! The one place that says which atomics the engine uses, so that the model checker can put its own there (see
//! `pcmflow-core/src/sync.rs`).

#[cfg(pcmflow_loom)]
pub(crate) use loom::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering, fence},
};
#[cfg(not(pcmflow_loom))]
pub(crate) use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering, fence},
};
