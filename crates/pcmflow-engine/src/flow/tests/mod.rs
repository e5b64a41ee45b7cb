//! Flows on a stepped clock and one thread, checked by a witness who knows each frame by its sample.
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

mod books;
mod clock;
mod edits;
mod ending;
mod everything;
mod failures;
mod gone;
mod graphs;
mod joins;
mod live;
mod meet;
mod model;
mod paths;
mod postings;
mod refused;
mod starving;
mod streams;
mod watch;
mod witness;
