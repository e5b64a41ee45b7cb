//! What a flow tells of itself: while it runs, and when it is over.

use super::consumer::ConsumerError;
use crate::core::format::{Frames, StreamFormat};
use crate::core::health::HealthSnapshot;
use crate::core::ledger::{Balance, EdgeSnapshot, Gap, Losses, Settled};
use crate::core::pool::PoolMetrics;
use crate::core::pressure::PressureStats;
use crate::io::{Damage, SourceError};

/// A running flow. Each figure is of its own instant, but for `settled`.
#[derive(Debug, Clone, Copy)]
pub struct FlowSnapshot {
    /// What the source's samples are.
    pub format: StreamFormat,
    /// Nanoseconds since the start.
    pub elapsed_ns: u64,
    /// Frames that the source made.
    pub frames_in: Frames,
    /// Frames that the consumer got.
    pub delivered: Frames,
    /// Frames that ring and link lost or evicted, by cause.
    pub lost: Losses,
    /// Up to where the books of both ends were held against each other, and what differed.
    pub settled: Settled,
    /// Frames in the ring.
    pub ring: Frames,
    /// Frames that the ring holds when full.
    pub ring_capacity: Frames,
    /// Chunks and marks in the link.
    pub link: usize,
    /// Chunks and marks that the link holds when full.
    pub link_capacity: usize,
}

/// A flow that is over: its closed books, and what went wrong.
#[derive(Debug)]
pub struct FlowReport {
    /// What the source's samples were.
    pub format: StreamFormat,
    /// What became of every frame.
    pub balance: Balance,
    /// The books of the ring and of the link.
    pub edges: [EdgeSnapshot; 2],
    /// The last cut mark that arrived.
    pub settled: Settled,
    /// Where frames are missing, in order; at most the first 65 536.
    pub gaps: Vec<Gap>,
    /// How many gaps there were.
    pub gaps_total: u64,
    /// Latency from the arrival of a block's oldest frame to its result, throughput, drops, and the score.
    pub health: HealthSnapshot,
    /// Nanoseconds from start to end.
    pub wall_ns: u64,
    /// How often a run of losses began.
    pub xruns: u64,
    /// Bytes that the ring (samples, marks, arrival times) and the pool (samples, headers, tables) held at the most.
    pub peak_bytes: u64,
    /// The pool's counters at the end.
    pub pool: PoolMetrics,
    /// How often and how long the ring was so full that a loss was near.
    pub pressure: PressureStats,
    /// What was wrong with the input, though frames could be had.
    pub damage: Option<Damage>,
    /// Why the source could not be read.
    pub source_error: Option<SourceError>,
    /// Why the consumer gave up.
    pub consumer_error: Option<ConsumerError>,
}
