//! Interleavings and memory orderings, explored by loom: `cargo xtask proof --only loom`.
//!
//! Each model is small (capacities of 2 to 4, one or two operations a thread), since the number of executions grows
//! exponentially; [`explore`] says how many there were, and with which bound on preemptions. What loom does not show: it takes
//! some `SeqCst` loads for weaker ones (tokio-rs/loom#180), and it knows of plain storage only what the crate's shadow cells
//! tell it. It also keeps only the last access to each atomic: where a thread loads and then stores, its own load hides
//! another thread's earlier one, and "the other looks later" is not tried. A thread that only looks, and finds nothing to
//! change, explores next to nothing; so each model lets both sides change something. And it can't let a load see a store that is
//! still to come, which relaxed orderings allow: that `swap(Acquire)` and `compare_exchange(Release)` in `chunk/slots.rs` forbid it
//! is argued there, and was not explored.
#![cfg(pcmflow_loom)]

mod broadcast;
mod caches;
mod explore;
mod link;
mod pool;
mod ring;
mod stream;

use explore::explore;
