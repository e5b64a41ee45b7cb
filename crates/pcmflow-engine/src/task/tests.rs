//! Tasks, executors and wakers.
