//! Threads and time: a [`Flow`] carries what a source brings to a consumer, through ring, pool and link.
//!
//! ```text
//!  source thread            gather thread                       consumer thread
//!  reads, paces, writes →   cuts blocks, fills pool buffers →   pops chunks, calls the Consumer
//!            StreamWriter ═ ring ═ BufferAnalyzer     ChunkProducer ═ link ═ ChunkConsumer
//! ```
//!
//! Nothing is lost on the way but at the first ring, where a live source meets a flow that is too slow; every such loss
//! is counted by the writer, travels in band as a gap, and is entered by the consumer, so that the books of both ends
//! can be held against each other (see [`crate::core::ledger`]).

mod clock;
mod config;
mod consumer;
mod flow;
mod gather;
mod inject;
mod live;
mod park;
mod report;
mod source;
mod waiting;

pub use clock::{Clock, Stop};
pub use config::{FlowConfig, FlowError, Pacing};
pub use consumer::{ChunkCx, Consumer, ConsumerError};
pub use flow::{Flow, RunningFlow};
pub use inject::{Inject, InjectError};
pub use report::{FlowReport, FlowSnapshot};
#[cfg(feature = "async")]
pub use waiting::AsyncReader;
pub use waiting::{Bell, BlockingReader, Waited};
