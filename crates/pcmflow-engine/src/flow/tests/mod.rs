//! Flows on a stepped clock and one thread, checked by a witness who knows each frame by its sample.

mod books;
mod edits;
mod failures;
mod model;
mod paths;
mod witness;
