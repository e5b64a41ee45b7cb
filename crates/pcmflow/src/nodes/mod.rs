//! What is done with audio in a flow: [nodes](crate::engine::flow::Node) for commands, flow files, and anybody's program.
//!
//! | here | takes chunks and |
//! | --- | --- |
//! | [`PitchNode`] | tells their pitch to a [`Listener`] |
//! | [`LevelNode`] | tells their peak, RMS and clipping to a [`Listener`] |
//! | [`SinkNode`] | writes them into any [`Sink`](crate::io::Sink), with silence or nothing where frames are missing |
//! | [`GainNode`] | passes them on, louder or softer |
//!
//! [`PitchLines`] and [`LevelLines`] write what is told as JSON lines or CSV. [`analysis()`] is a module of a session with pitch and level.
//!
//! Two go around any other: [`FaultyNode`] makes trouble on purpose, and [`GapLog`] keeps the gaps that a node met.
//!
//! Where a listener or a sink may wait for something outside (standard output, a disk), give the node
//! [ports](crate::engine::flow::Ports) that say `may_block`: it then has a thread of its own.

mod analysis;
mod gain;
mod gaps;
mod inject;
mod level;
mod lines;
mod listen;
mod pitch;
mod sink;

pub use analysis::analysis;
pub use gain::{GainError, GainNode};
pub use gaps::{GapLog, Gaps};
pub use inject::{FaultyNode, Inject, InjectError};
pub use level::{LevelNode, Levels};
pub use lines::{LevelLines, Lines, PitchLines};
pub use listen::Listener;
pub use pitch::{PitchNode, PitchPace, Pitched};
pub use sink::{Missing, SinkNode};
