//! Threads and time: the [`Threads`] that a flow's tasks run on, and the [`Input`]s that bring it audio.
//!
//! ```text
//!  input's thread           shared thread                              thread of a node that may block
//!  reads, paces, writes →   StreamInflow cuts blocks,              →   the node's task pops chunks,
//!            ║              fills pool buffers                         calls the Node
//!            StreamWriter ═ ring ═ BufferAnalyzer          Outlet ═ link ═ Inlet
//!
//!  critical thread: what is critical, and the bus of events
//! ```
//!
//! What is connected with what is the [coordinator's](crate::engine::flow::DataFlowCoordinator) to say; it brings each task
//! [where](crate::engine::task::Place) it is polled as it needs. Nothing is lost on the way but at the first ring, where a live
//! source meets a flow that is too slow, and at links that may drop. Every such loss is counted where it happens, and comes in order
//! as a gap, so that the books of both ends can be held against each other (see [`crate::core::ledger`]).
//!
//! A pool in [pages of the system](PageMemory) gives memory back that leaves the process.
//!
//! A [`Worker`] drives the tasks of an [executor](crate::engine::task), and sleeps when they do; [`Workers`] share them.
//!
//! A [`NativeProbe`] finds out what the machine [gives](crate::engine::platform) to the process.
//!
//! [`thread`] holds what a thread that handles audio may ask of the system: priority, memory, denormals, a guard for
//! panics.

mod allowance;
mod clock;
mod config;
mod input;
mod input_thread;
mod pages;
mod park;
mod platform;
mod read_state;
pub mod thread;
mod threads;
mod waiting;
mod worker;

pub use clock::{Clock, Stop};
pub use config::{InputConfig, InputError, Pacing};
pub use input::Input;
pub use pages::PageMemory;
pub use platform::NativeProbe;
pub use threads::{Threads, ThreadsConfig};
#[cfg(feature = "async")]
pub use waiting::AsyncReader;
pub use waiting::{Bell, BellProducer, BlockingReader, Waited};
pub use worker::{Worker, WorkerConfig, WorkerError, Workers};
