//! Chunks: samples that travel as a handle, and the queue on which they do.
//!
//! Beyond the first ring, samples lie in a pool; what moves is an [`AudioChunk`]: a reference to a pool buffer and its
//! [`ChunkMeta`]. An [`AudioRingBuffer`] carries chunks, and the marks of the stream between them, from one thread to
//! another; full, it hands back what is sent or lets the oldest go.

mod audio;
mod consumer;
mod evict;
mod gauge;
mod link;
mod producer;
#[cfg(not(pcmflow_loom))]
mod slots;
/// For the model checker, with handles of its own.
#[cfg(pcmflow_loom)]
pub mod slots;

pub use audio::{AudioChunk, ChunkMeta};
pub use consumer::ChunkConsumer;
pub use gauge::{LinkGauge, LinkStats};
pub use link::{AudioRingBuffer, Packet};
pub use producer::ChunkProducer;

#[cfg(test)]
mod tests;
