//! The one place that says which atomics the crate uses, so that the model checker can put its own there.
//!
//! Built with `--cfg pcmflow_loom`, atomics and `Arc` are loom's: every interleaving and every value that the memory model
//! allows a load to see is explored by `tests/loom`, within bounds that those tests name. Code of this crate takes atomics
//! and [`Arc`] from here only; statics are the exception, as loom's atomics can't be static.
//!
//! Storage that is not atomic is invisible to loom. Who hands slots of it to several threads keeps [`Cells`] beside it and
//! tells them of each access: two that are not ordered, one of them a write, then fail the model. In every other build
//! `Cells` is nothing.

#[cfg(not(pcmflow_loom))]
mod of_the_machine {
    pub(crate) use alloc::sync::Arc;
    pub(crate) use core::sync::atomic::*;
}
#[cfg(pcmflow_loom)]
mod of_the_machine {
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::*;
}

pub(crate) use of_the_machine::*;

/// Shadows plain storage for the model checker: one cell a slot.
#[derive(Debug)]
pub(crate) struct Cells {
    #[cfg(pcmflow_loom)]
    cells: alloc::vec::Vec<loom::cell::UnsafeCell<()>>,
}

#[cfg_attr(not(pcmflow_loom), allow(clippy::unused_self, unused_variables, reason = "nothing to tell"))]
impl Cells {
    /// Cells for `slots` slots.
    #[inline(always)]
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            #[cfg(pcmflow_loom)]
            cells: (0..slots).map(|_| loom::cell::UnsafeCell::new(())).collect(),
        }
    }

    /// Slots `first..first + count`, modulo the number of slots, are read now.
    #[inline(always)]
    pub(crate) fn read(&self, first: usize, count: usize) {
        #[cfg(pcmflow_loom)]
        for index in first..first + count {
            self.cells[index % self.cells.len()].with(|_| ());
        }
    }

    /// Slots `first..first + count`, modulo the number of slots, are written, moved out of or dropped now.
    #[inline(always)]
    pub(crate) fn write(&self, first: usize, count: usize) {
        #[cfg(pcmflow_loom)]
        for index in first..first + count {
            self.cells[index % self.cells.len()].with_mut(|_| ());
        }
    }
}
