//! Flows: sources, nodes and sinks, the pipelines between them, and the coordinator that connects them while they run.
//!
//! A source ([`Inflow`]) brings frames in, a [`Node`] makes others of them, or is a sink and keeps them. Each is owned by one
//! [task](crate::task). A pipeline is a link of chunks between two tasks, with what is done when it is full
//! ([`Strategy`](crate::pressure::Strategy)), how urgent it is, and in which format its chunks come out. The
//! [`DataFlowCoordinator`] registers both against the [`Graph`], which refuses what can't be.
//!
//! ```text
//!  task of a source               task of a node                        task of a sink
//!  Inflow::poll ─▶ Out            Inlet ─▶ Adapter ─▶ Node ─▶ Out       Inlet ─▶ Adapter ─▶ Node
//!                  ├─▶ Outlet ═══▶│                           └▶ Outlet ═══▶│
//!                  └─▶ Outlet ═══▶ (another task: a handle for each)
//! ```
//!
//! # What holds
//!
//! - **Whatever is sent is taken or posted.** A task takes a packet only when each outlet that may not lose has room; what an
//!   outlet that may lose can't send, it posts, and tells in band as one gap as soon as there is room. Where ways
//!   part behind a source that can't wait, every outlet may lose: none holds up the others ([how](crate::pressure)). Such a source
//!   itself loses in the ring before it, where the stream's own time is known.
//! - **Every frame of the source is in one chunk or one gap at every sink**, at its own position, also behind what changes the
//!   rate, joins, or fails. Each hop counts what it sends and what it takes; a cut mark that comes by is compared at each of
//!   them, and goes on as that hop's own books with what was found missing: so a sink that says *settled* speaks for all hops
//!   before it. What ended is compared by [`FlowBooks::unaccounted`].
//! - **Who fails, fails alone.** A node that fails or panics is not called again. Its task goes on: it throws out what comes, posted as
//!   a dead module's, tells the nodes behind it, and never holds up its siblings.
//! - **Edits are ordered, and whole.** Each is made by the task that owns the thing, between two packets; where a task has too many
//!   waiting, a change is refused and nothing of it is made. A pipeline that is removed ends at a
//!   place of the timeline, one that is added begins at one; another kind of ring takes over behind the last packet of the one
//!   before.
//! - **Nobody is woken who does not wait.** A task raises a flag before it idles, at each link it waits for. Whoever sends or
//!   takes looks at that flag once a poll, not once a packet.
//! - **No allocation** for a chunk in a steady flow: handles move, queues before links are as large as what they mostly hold.
//!
//! Inputs of one source are aligned by position ([`Join`]): the one that is furthest behind is taken first. Where that has nothing, it
//! may wait for more of the source, and the source for room in what is ahead: whoever sends that may go on though its link is full,
//! by a second at most. [`GraphError::Ahead`] refuses ways that differ by more. Those of several have no position in common, but time: a [`CaptureClock`]
//! finds out what a stream's positions have to do with it, and a [`Meet`] brings one to the clock of the other.
//!
//! Positions count frames of the source; where it changes its rate in mid-stream, they count on in frames of the new one.

mod balance;
mod books;
mod cell;
mod clock;
mod coordinator;
mod drain;
mod edit;
mod error;
mod followers;
mod gone;
mod graph;
mod join;
mod link;
mod meet;
mod monitor;
mod node;
mod overdue;
mod pipeline;
mod status;
mod stream_inflow;
mod task;
mod telemetry;

pub use books::{FlowBooks, FoldedBooks, LinkBooks, NodeBooks, Passed};
pub use cell::State;
pub use clock::CaptureClock;
pub use coordinator::DataFlowCoordinator;
pub use error::FlowError;
pub use graph::{Edge, Graph, GraphError, Output, Ports};
pub use join::{Join, Missing};
pub use link::LinkError;
/// For the model checker, with threads of its own.
#[cfg(pcmflow_loom)]
pub use link::wait;
pub use meet::{Combine, Followed, Meet, MeetConfig, MeetError, MeetGauge};
pub use monitor::{FlowMonitor, MonitorError};
pub use node::{Inflow, Inflowed, Node, NodeError, Out};
pub use pipeline::{FormatSpec, PipelineConfig};
pub use status::{FlowStatus, NodeStatus, PipelineStatus};
pub use stream_inflow::{StreamCaller, StreamFeed, StreamInflow};
pub use telemetry::Telemetry;

#[cfg(all(test, not(pcmflow_loom)))]
mod tests;
