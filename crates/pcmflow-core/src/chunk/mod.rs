//! Chunks: samples that travel as a handle, and the queue on which they do.
//!
//! Beyond the first ring, samples lie in a pool; what moves is an [`AudioChunk`]: a reference to a pool buffer and its
//! [`ChunkMeta`]. An [`AudioRingBuffer`] carries chunks, and the marks of the stream between them, from one thread to
//! another.

mod audio;
mod link;

pub use audio::{AudioChunk, ChunkMeta};
pub use link::{AudioRingBuffer, ChunkConsumer, ChunkProducer, LinkGauge, LinkStats, Packet};
