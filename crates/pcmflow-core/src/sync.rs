//! The one place that says which atomics the crate uses, so that a model checker can put its own there.

pub(crate) use core::sync::atomic::*;
