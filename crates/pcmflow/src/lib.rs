//! pcmflow, the real-time audio data plane: rings, recycled pools, flows, and books that balance.
//!
//! This is the crate to add. It re-exports the parts and runs them on threads:
//!
//! | here | what |
//! | --- | --- |
//! | [`core`] | what may run on an audio thread: rings, pool, chunks, blocks, ledger |
//! | [`engine`] | what carries audio between the parts of a program: tasks, events, modules, transforms, metrics |
//! | [`io`] | sources and sinks: files, standard streams, synthetic signals |
//! | [`pitch`] | the pitch tracker |
//! | [`flow_file`] | flows in writing: checked, drawn, built; the guide is [Flow files](flow_files) |
//! | [`nodes`] | what is done with audio in a flow: pitch, level, gain, any sink |
//! | [`runtime`] | the threads that flows run on, inputs that read sources; priorities and memory |
//!
//! Which buffer for what, and how large: [Choosing a buffer](choosing_a_buffer).

pub use pcmflow_core as core;
pub use pcmflow_engine as engine;
pub use pcmflow_io as io;
pub use pcmflow_pitch as pitch;

pub mod flow_file;
pub mod nodes;
pub mod runtime;

#[doc = include_str!("../docs/choosing-a-buffer.md")]
pub mod choosing_a_buffer {}

#[doc = include_str!("../docs/flow-files.md")]
pub mod flow_files {}

/// The README's code, so that it is tested with the rest.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
