//! The real-time core of pcmflow: what may run on an audio thread, and what it is made of.
//!
//! Nothing in this crate knows threads, files, browsers or a clock: time is handed in as
//! nanoseconds, and every function that an audio thread may call says so in its *real-time line*
//! (`RT-safe: …`). The crate is `no_std` and needs only `alloc`.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`format`] | rates, channels, frames, positions, sample formats, views |
//! | [`ring`] | [`ring::CircularBuffer`], the wait-free SPSC ring |
//! | [`broadcast`] | [`broadcast::BroadcastRing`], one writer that overwrites the oldest, many readers |
//! | [`stream`] | a ring of frames that keeps books: positions, gaps, marks in band |
//! | [`ledger`] | the double-entry books: edges, gaps, timelines |
//! | [`pool`] | [`pool::BufferRecyclingPool`], slabs and handles |
//! | [`chunk`] | [`chunk::AudioChunk`] and the queue of chunks |
//! | [`block`] | [`block::BufferAnalyzer`], sizes and windows |
//! | [`pressure`] | [`pressure::BackpressureDetector`] |
//! | [`health`] | [`health::BufferHealthMonitor`] and its latency histogram |
#![no_std]

extern crate alloc;
#[cfg(any(test, pcmflow_mutants))]
extern crate std;

pub mod block;
pub mod broadcast;
pub mod chunk;
pub mod format;
pub mod health;
pub mod histogram;
pub mod ledger;
mod mutant;
pub mod pool;
mod prefetch;
pub mod pressure;
pub mod ring;
pub mod stream;
mod sync;
