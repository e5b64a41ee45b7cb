//! Flows on a stepped clock and one thread, checked by a witness who knows each frame by its sample.

mod books;
mod edits;
mod failures;
mod graphs;
mod model;
mod paths;
mod streams;
mod witness;
