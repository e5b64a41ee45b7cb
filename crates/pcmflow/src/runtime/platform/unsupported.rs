//! Systems that we know nothing of.

use crate::engine::platform::{Cores, Memory};

pub(super) fn cores() -> Cores {
    Cores::default()
}

pub(super) fn memory() -> Memory {
    Memory::default()
}

pub(super) fn timer_resolution_ns() -> Option<u64> {
    None
}
