//! The one place that says which atomics the crate uses, so that a model checker can put its own there.
//!
//! `--cfg pcmflow_loom` is named after this project, so that the dependencies don't switch too.

#[cfg(not(pcmflow_loom))]
pub(crate) use core::sync::atomic::*;
#[cfg(pcmflow_loom)]
pub(crate) use loom::sync::atomic::*;
