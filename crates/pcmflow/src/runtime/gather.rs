//! The thread between ring and link: cuts blocks, and fills pool buffers with them.

use super::live::Live;
use super::park::{Turn, Waker};
use crate::core::block::{BufferAnalyzer, Step};
use crate::core::chunk::{AudioChunk, ChunkMeta, ChunkProducer};
use crate::core::pool::{BufferRecyclingPool, Miss};
use crate::core::stream::Mark;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The gathering task.
pub(super) struct GatherTask {
    pub(super) analyzer: BufferAnalyzer,
    pub(super) pool: BufferRecyclingPool,
    pub(super) link: ChunkProducer,
    pub(super) live: Arc<Live>,
    pub(super) sequence: u64,
    /// The source, which may wait for room in the ring.
    pub(super) upstream: Waker,
    /// The consumer.
    pub(super) downstream: Waker,
}

impl GatherTask {
    pub(super) fn turn(&mut self) -> Turn {
        // Closed: the consumer's thread panicked.
        if self.live.consumer_failed.load(Ordering::Acquire) || self.link.is_closed() {
            return Turn::Done;
        }
        if !self.link.has_room() {
            return Turn::Idle;
        }
        let format = self.analyzer.format();
        let sent = match self.analyzer.step() {
            Step::Block(mut block) => {
                // No buffer within the budget: the consumer keeps them all, and wakes us when one may have come back.
                let Ok(mut buffer) = self.pool.acquire(block.samples(), Miss::Grow) else {
                    return Turn::Idle;
                };
                let (timestamp_ns, complete_ns) = block.arrived_ns();
                let position = block.position();
                block.read_in_place(|first, second| {
                    // Acquired for a block, so that all of it fits.
                    let _ = buffer.extend_from_slice(first);
                    let _ = buffer.extend_from_slice(second);
                });
                let meta = ChunkMeta { format, position, sequence: self.sequence, timestamp_ns, complete_ns };
                self.sequence += 1;
                match AudioChunk::new(buffer.into_shared(), meta) {
                    Ok(chunk) => self.link.push(chunk).is_ok(),
                    Err(_) => false,
                }
            }
            Step::Gap(gap) => self.link.mark(Mark::Gap(gap)).is_ok(),
            Step::Cut(cut) => self.link.mark(Mark::Cut(cut)).is_ok(),
            // A source that hangs in a read which nobody can interrupt never closes its end.
            Step::Pending if self.live.read_state.is_abandoned() => {
                self.analyzer.end();
                return Turn::Worked;
            }
            Step::Pending => return Turn::Idle,
            Step::End => return Turn::Done,
            // What other streams may bring one day; this one does not.
            _ => return Turn::Worked,
        };
        self.upstream.wake();
        self.downstream.wake();
        if sent { Turn::Worked } else { Turn::Done }
    }
}
