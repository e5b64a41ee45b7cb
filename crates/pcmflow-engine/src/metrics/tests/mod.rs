// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod alerts;
mod sampler;
mod snapshot;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
