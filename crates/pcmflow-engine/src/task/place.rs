//! Where tasks are brought, for whoever has tasks and should not know threads.

use super::{SpawnError, Spawner, Task, TaskHandle};
use crate::Priority;

/// What a task needs of whoever polls it.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::task::Needs;
/// assert_eq!(Needs::default(), Needs { priority: Priority::Normal, may_block: false });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// How urgent it is.
    pub priority: Priority,
    /// Its polls may wait for something outside: a disk, a pipe that nobody reads. It must hold up no other task.
    pub may_block: bool,
}

/// Brings tasks to executors: what is critical to one whose driver is scheduled before all others, what may block to one of its
/// own, where there are such.
///
/// A [`Spawner`] is the simplest: everything to its one executor.
///
/// ```
/// use pcmflow_engine::Priority;
/// use pcmflow_engine::task::*;
/// /// One executor for what is critical, one for everything else.
/// struct Two(Spawner, Spawner);
/// impl Place for Two {
///     fn place(&self, needs: Needs, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
///         match needs.priority {
///             Priority::Critical => self.0.place(needs, task),
///             _ => self.1.place(needs, task),
///         }
///     }
/// }
/// # struct Once;
/// # impl Task for Once {
/// #     fn poll(&mut self, _: &mut Cx<'_>) -> Poll { Poll::Done }
/// # }
/// let ((mut first, one), (_second, other)) = (Executor::new(1)?, Executor::new(1)?);
/// let handle = Two(one, other).place(Needs { priority: Priority::Critical, may_block: false }, Box::new(Once))?;
/// first.run(&StepClock::default());
/// assert!(handle.is_done());
/// # Ok::<(), SpawnError>(())
/// ```
pub trait Place: Send + Sync {
    /// Brings a task to where it is polled as it needs.
    ///
    /// Not RT-safe: may allocate, lock and start threads.
    ///
    /// # Errors
    /// [`SpawnError`] where there is no room; the task is dropped.
    fn place(&self, needs: Needs, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError>;
}

impl Place for Spawner {
    fn place(&self, needs: Needs, task: Box<dyn Task>) -> Result<TaskHandle, SpawnError> {
        self.spawn(needs.priority, task)
    }
}
