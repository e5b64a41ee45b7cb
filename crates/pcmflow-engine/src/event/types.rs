//! The engine's own events. Whoever wants more defines them with [`events!`](crate::events).
//!
//! Names of parts travel as [`NameId`]; ratios are in millionths (`_ppm`); positions and frames are the source's.
//! Pool events are Critical because whoever watches the pool must see them within half a millisecond; they are for a task
//! that takes a buffer for a block, not for each of millions of acquisitions.

use super::{Event, EventField, EventType, NameId, Show};
use crate::module::ModuleState;
use crate::platform::PlatformFact;
use crate::pressure::{Reason, Strategy};
use crate::{Priority, events};
use pcmflow_core::format::{Frames, StreamPosition};
use pcmflow_core::ledger::LossCause;

/// What is wrong with a pipeline.
///
/// ```
/// use pcmflow_engine::event::types::FailureKind;
/// assert_eq!(FailureKind::DeadModule.name(), "dead_module");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// Nothing comes through, though something waits.
    Stalled,
    /// Blocks are missing that nobody gave up.
    SequenceGap,
    /// A block is damaged.
    Corrupt,
    /// The module at its end stopped working.
    DeadModule,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [FailureKind; 4] = [Self::Stalled, Self::SequenceGap, Self::Corrupt, Self::DeadModule];

    /// One lower-case word for machines.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stalled => "stalled",
            Self::SequenceGap => "sequence_gap",
            Self::Corrupt => "corrupt",
            Self::DeadModule => "dead_module",
        }
    }
}

impl EventField for FailureKind {
    const SHOW: Show = Show::Word(|word| Self::from_word(word).name());
    fn to_word(self) -> u64 {
        self as u64
    }
    fn from_word(word: u64) -> Self {
        Self::ALL.get(word as usize).copied().unwrap_or(Self::Stalled)
    }
}

events! {
    /// A publisher's ring had no room for Critical events. Published by the bus, in the name of that publisher.
    pub struct CriticalLost: Critical {
        /// How many were lost since it was told last.
        pub events: u64,
    }

    /// Pools and buffers can be used.
    pub struct DataManagementReady: Normal {
        /// The pool.
        pub pool: NameId,
        /// Buffers that are ready.
        pub buffers: u64,
        /// Bytes of their storage.
        pub pool_bytes: u64,
    }

    /// A task took a buffer from a pool.
    pub struct BufferAllocation: Critical {
        /// The pool.
        pub pool: NameId,
        /// The samples that a buffer of its class holds.
        pub class_samples: u32,
        /// It was there; else the pool was asked for something else, or grew.
        pub hit: bool,
        /// Buffers of the class that are in use now.
        pub in_use_buffers: u64,
    }

    /// Buffers came back to a pool.
    pub struct BufferRecycling: Critical {
        /// The pool.
        pub pool: NameId,
        /// The samples that a buffer of their class holds.
        pub class_samples: u32,
        /// How many came back.
        pub buffers: u64,
        /// Buffers of the class that are in use now.
        pub in_use_buffers: u64,
    }

    /// A pool's class was made larger or smaller to fit its use.
    pub struct PoolOptimization: Normal {
        /// The pool.
        pub pool: NameId,
        /// The samples that a buffer of the class holds.
        pub class_samples: u32,
        /// Buffers of the class before.
        pub buffers_before: u64,
        /// Buffers of the class after.
        pub buffers_after: u64,
        /// Bytes that the whole pool holds after.
        pub pool_bytes: u64,
    }

    /// More of a pool's memory than allowed can't be given back, as buffers in use are scattered over it.
    pub struct PoolFragmentation: Normal {
        /// The pool.
        pub pool: NameId,
        /// That part of its memory.
        pub fragmentation_ppm: u32,
        /// The bytes that the pool holds.
        pub pool_bytes: u64,
    }

    /// More is allocated at the boundary to JavaScript than allowed. A page can't see collections; this is what causes them.
    pub struct JsGcPressure: High {
        /// Allocations per second.
        pub allocations_per_s: u64,
        /// Bytes per second.
        pub bytes_per_s: u64,
        /// The bytes per second that are allowed.
        pub allowed_bytes_per_s: u64,
    }

    /// How much of a pool's class is used, now and then.
    pub struct BufferUtilization: Normal {
        /// The pool.
        pub pool: NameId,
        /// The samples that a buffer of the class holds.
        pub class_samples: u32,
        /// Buffers in use.
        pub in_use_buffers: u64,
        /// Buffers there are.
        pub buffers: u64,
    }

    /// A pipeline can be used.
    pub struct PipelineRegistered: Normal {
        /// The pipeline.
        pub pipeline: NameId,
        /// The module that it leads from.
        pub from: NameId,
        /// The module that it leads to.
        pub to: NameId,
        /// How urgent it is.
        pub priority: Priority,
    }

    /// A pipeline is no more.
    pub struct PipelineRemoved: Normal {
        /// The pipeline.
        pub pipeline: NameId,
        /// Frames that it lost while it was there. What waits in it is still taken.
        pub frames_lost: Frames,
    }

    /// The first data of a pipeline moved.
    pub struct DataFlowStarted: Normal {
        /// The pipeline.
        pub pipeline: NameId,
        /// Its first frame.
        pub position: StreamPosition,
        /// Frames per second.
        pub rate_hz: u32,
        /// Channels.
        pub channels: u16,
    }

    /// A pipeline's stream came to its end.
    pub struct DataFlowEnded: Normal {
        /// The pipeline.
        pub pipeline: NameId,
        /// Frames that were delivered.
        pub frames: Frames,
        /// Frames that were lost.
        pub frames_lost: Frames,
        /// From its start to its end.
        pub duration_ns: u64,
    }

    /// A consumer is too slow: what waits for it went over the limit.
    pub struct BackpressureDetected: High {
        /// The pipeline.
        pub pipeline: NameId,
        /// Who is too slow.
        pub slow: NameId,
        /// Chunks that wait.
        pub queued_chunks: u64,
        /// Chunks that can.
        pub capacity_chunks: u64,
    }

    /// A consumer that was too slow has caught up.
    pub struct BackpressureCleared: High {
        /// The pipeline.
        pub pipeline: NameId,
        /// Who was too slow.
        pub slow: NameId,
        /// For how long.
        pub duration_ns: u64,
    }

    /// Something else is done about back-pressure from now on.
    pub struct StrategyChanged: High {
        /// The pipeline.
        pub pipeline: NameId,
        /// What was done.
        pub from: Strategy,
        /// What is done now.
        pub to: Strategy,
        /// Why.
        pub reason: Reason,
    }

    /// A pipeline does not work any more.
    pub struct PipelineFailure: Critical {
        /// The pipeline.
        pub pipeline: NameId,
        /// Where in it, as far as is known.
        pub module: NameId,
        /// What is wrong.
        pub kind: FailureKind,
        /// The last frame that came through is before this one.
        pub position: StreamPosition,
    }

    /// A pipeline that had failed works again.
    pub struct FlowRecovery: High {
        /// The pipeline.
        pub pipeline: NameId,
        /// Attempts that it took.
        pub attempts: u32,
        /// From the failure until now.
        pub down_ns: u64,
        /// Frames lost meanwhile.
        pub frames_lost: Frames,
    }

    /// From some frame on, a stream has another format.
    pub struct FormatChanged: High {
        /// The stream.
        pub stream: NameId,
        /// The first frame of the new format.
        pub position: StreamPosition,
        /// Frames per second from there.
        pub rate_hz: u32,
        /// Channels from there.
        pub channels: u16,
    }

    /// A block was done too late.
    pub struct DeadlineMissed: Critical {
        /// The pipeline.
        pub pipeline: NameId,
        /// Its first frame.
        pub position: StreamPosition,
        /// By how much it was late.
        pub late_ns: u64,
    }

    /// Frames were lost. A link tells when a run of losses begins at its sending end, whether its other end takes anything or not.
    pub struct GapOpened: Critical {
        /// The edge, stream or pipeline that lost them.
        pub edge: NameId,
        /// The first lost frame.
        pub position: StreamPosition,
        /// How many were lost from there, as far as is known then.
        pub frames: Frames,
        /// Why.
        pub cause: LossCause,
    }

    /// A source gives frames.
    pub struct SourceStarted: High {
        /// The source.
        pub source: NameId,
        /// Frames per second.
        pub rate_hz: u32,
        /// Channels.
        pub channels: u16,
    }

    /// A source gives no more frames.
    pub struct SourceStopped: High {
        /// The source.
        pub source: NameId,
        /// The first frame that it did not give.
        pub position: StreamPosition,
        /// It came to its end or was told to; else it failed.
        pub as_planned: bool,
    }

    /// A task panicked, and was dropped.
    pub struct TaskPanicked: Critical {
        /// The task.
        pub task: NameId,
        /// Panics of tasks so far.
        pub panics: u64,
    }

    /// The configuration was exchanged.
    pub struct ConfigChanged: Normal {
        /// How often it was so far.
        pub revision: u64,
        /// Keys that have another value.
        pub keys: u32,
    }

    /// A figure went past its limit.
    pub struct AlertRaised: High {
        /// The alert.
        pub alert: NameId,
        /// Whose figure it is.
        pub subject: NameId,
        /// The figure, in the alert's unit.
        pub value: u64,
        /// The limit, in the alert's unit.
        pub limit: u64,
    }

    /// A figure is well within its limit again.
    pub struct AlertCleared: High {
        /// The alert.
        pub alert: NameId,
        /// Whose figure it is.
        pub subject: NameId,
        /// The figure, in the alert's unit.
        pub value: u64,
        /// How long it was raised.
        pub duration_ns: u64,
    }

    /// A module is in another state.
    pub struct ModuleStateChanged: High {
        /// The module.
        pub module: NameId,
        /// The state that it was in.
        pub from: ModuleState,
        /// The state that it is in.
        pub to: ModuleState,
    }

    /// The platform gives this process more or less than it did.
    pub struct PlatformChanged: High {
        /// What changed.
        pub fact: PlatformFact,
        /// What it was, in the unit of the fact; 0 where it was unknown or not there.
        pub before: u64,
        /// What it is, likewise.
        pub after: u64,
    }
}

/// All of them: where a console looks names up.
pub const ALL: &[&EventType] = &[
    CriticalLost::TYPE,
    DataManagementReady::TYPE,
    BufferAllocation::TYPE,
    BufferRecycling::TYPE,
    PoolOptimization::TYPE,
    PoolFragmentation::TYPE,
    JsGcPressure::TYPE,
    BufferUtilization::TYPE,
    PipelineRegistered::TYPE,
    PipelineRemoved::TYPE,
    DataFlowStarted::TYPE,
    DataFlowEnded::TYPE,
    BackpressureDetected::TYPE,
    BackpressureCleared::TYPE,
    StrategyChanged::TYPE,
    PipelineFailure::TYPE,
    FlowRecovery::TYPE,
    FormatChanged::TYPE,
    DeadlineMissed::TYPE,
    GapOpened::TYPE,
    SourceStarted::TYPE,
    SourceStopped::TYPE,
    TaskPanicked::TYPE,
    ConfigChanged::TYPE,
    AlertRaised::TYPE,
    AlertCleared::TYPE,
    ModuleStateChanged::TYPE,
    PlatformChanged::TYPE,
];
