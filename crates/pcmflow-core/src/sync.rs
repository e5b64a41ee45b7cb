//! The one place that says which atomics the crate uses, so that the model checker can put its own there.
//!
//! Built with `--cfg pcmflow_loom`, atomics and `Arc` are loom's: every interleaving and every value that the memory model
//! allows a load to see is explored by `tests/loom`, within bounds that those tests name. Code of this crate takes atomics
//! and [`Arc`] from here only; statics are the exception, as loom's atomics can't be static.
//!
//! Storage that is not atomic is invisible to loom. Who hands slots of it to several threads keeps [`Cells`] beside it and
//! tells them of each access: two that are not ordered, one of them a write, then fail the model. In every other build
//! `Cells` is nothing.
//!
//! Built with `--cfg pcmflow_tsan`, for ThreadSanitizer, only `Arc` is another.

#[cfg(not(pcmflow_loom))]
mod of_the_machine {
    #[cfg(pcmflow_tsan)]
    pub(crate) use super::loading::Arc;
    #[cfg(not(pcmflow_tsan))]
    pub(crate) use alloc::sync::Arc;
    pub(crate) use core::hint::spin_loop;
    pub(crate) use core::sync::atomic::*;
}
#[cfg(pcmflow_loom)]
mod of_the_machine {
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::*;
}

pub(crate) use of_the_machine::*;

/// An [`Arc`] for ThreadSanitizer: the last drop is ordered by a load where the standard library's has a fence, which TSan
/// does not understand. So what a last drop frees, and drops, is checked like everything else.
#[cfg(pcmflow_tsan)]
mod loading {
    use alloc::boxed::Box;
    use core::ops::Deref;
    use core::ptr::NonNull;
    use core::sync::atomic::{AtomicUsize, Ordering};

    struct Counted<T> {
        handles: AtomicUsize,
        value: T,
    }

    #[derive(Debug)]
    pub(crate) struct Arc<T>(NonNull<Counted<T>>);

    // SAFETY: as for the standard library's: handles share the value, and the last one drops it.
    unsafe impl<T: Send + Sync> Send for Arc<T> {}
    // SAFETY: as above.
    unsafe impl<T: Send + Sync> Sync for Arc<T> {}

    impl<T> Arc<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(NonNull::from(Box::leak(Box::new(Counted { handles: AtomicUsize::new(1), value }))))
        }
    }

    impl<T> Clone for Arc<T> {
        fn clone(&self) -> Self {
            // Relaxed: our own handle keeps it alive meanwhile.
            // SAFETY: alive as long as a handle.
            unsafe { self.0.as_ref() }.handles.fetch_add(1, Ordering::Relaxed);
            Self(self.0)
        }
    }

    impl<T> Deref for Arc<T> {
        type Target = T;
        fn deref(&self) -> &T {
            // SAFETY: alive as long as a handle.
            &unsafe { self.0.as_ref() }.value
        }
    }

    impl<T> Drop for Arc<T> {
        fn drop(&mut self) {
            // Release: our accesses are over before the last handle's drop.
            // SAFETY: alive as long as a handle; no reference but to the count is held across the step.
            if unsafe { &(*self.0.as_ptr()).handles }.fetch_sub(1, Ordering::Release) == 1 {
                // SAFETY: we were the last, so that it is ours; it came from a box.
                unsafe {
                    // Acquire: so are those of the other handles.
                    (*self.0.as_ptr()).handles.load(Ordering::Acquire);
                    drop(Box::from_raw(self.0.as_ptr()));
                }
            }
        }
    }
}

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
