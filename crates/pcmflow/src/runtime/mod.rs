//! Threads and time: a [`Flow`] carries what a source brings to a consumer, through ring, pool and link.
//!
//! ```text
//!  source thread            gather thread                       consumer thread
//!  reads, paces, writes →   cuts blocks, fills pool buffers →   pops chunks, calls the Consumer
//!            StreamWriter ═ ring ═ BufferAnalyzer     ChunkProducer ═ link ═ ChunkConsumer
//! ```
//!
//! Nothing is lost on the way but at the first ring, where a live source meets a flow that is too slow, and at the link, where
//! the oldest frames are to go ([`Overflow::EvictOldest`](crate::core::stream::Overflow::EvictOldest)). Every such loss is
//! counted where it happens, comes in order as a gap, and is entered by the consumer, so that the books of both ends can
//! be held against each other (see [`crate::core::ledger`]).
//!
//! A flow's pool is in [pages of the system](PageMemory), so that memory that it gives back leaves the process.
//!
//! A [`Worker`] drives the tasks of an [executor](crate::engine::task), and sleeps when they do; [`Workers`] share them.
//!
//! A [`NativeProbe`] finds out what the machine [gives](crate::engine::platform) to the process.
//!
//! [`thread`] holds what a thread that handles audio may ask of the system: priority, memory, denormals, a guard for
//! panics.

mod clock;
mod config;
mod consumer;
mod flow;
mod gather;
mod inject;
mod live;
mod pages;
mod park;
mod platform;
mod report;
mod source;
pub mod thread;
mod waiting;
mod worker;

pub use clock::{Clock, Stop};
pub use config::{FlowConfig, FlowError, Pacing};
pub use consumer::{ChunkCx, Consumer, ConsumerError};
pub use flow::{Flow, RunningFlow};
pub use inject::{Inject, InjectError};
pub use pages::PageMemory;
pub use platform::NativeProbe;
pub use report::{FlowReport, FlowSnapshot};
#[cfg(feature = "async")]
pub use waiting::AsyncReader;
pub use waiting::{Bell, BellProducer, BlockingReader, Waited};
pub use worker::{Worker, WorkerConfig, WorkerError, Workers};
