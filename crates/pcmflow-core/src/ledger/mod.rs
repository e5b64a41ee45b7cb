//! The books: no frame is ever lost silently.
//!
//! Double entry, so that the books can fail:
//!
//! - per edge (a ring, a link), [`EdgeSnapshot`]: what the writer says it put in equals what the reader says it took
//!   out plus what is *measured* to be inside;
//! - per node that changes the rate, [`Conversion`]: what it took explains what it gave and holds;
//! - per consumer, [`Timeline`]: what was delivered and what is known to be lost *tile* the source's timeline, without
//!   a hole and without an overlap. Positions come from the source, so a lost and a doubled block can't cancel out;
//! - per flow, [`Balance`]: what the source counted equals delivered plus lost plus in flight; what is left is
//!   *unaccounted*, and must be 0.
//!
//! Positions and books count frames of the source, also behind a node that changes the rate: its chunks say how many of them
//! they stand for ([`span`](crate::chunk::AudioChunk::span)).
//!
//! While frames move nothing can be claimed about all of them at one instant. A live reading is made by a [`CutMark`]
//! that travels in band: the writer's books at a position, compared with the reader's when they get there.

mod balance;
mod books;
mod conversion;
mod gap;
mod timeline;

pub use balance::Balance;
pub use books::{EdgeSnapshot, ReaderBooks, WriterBooks};
pub use conversion::Conversion;
pub use gap::{CutMark, Gap, LossCause, Losses};
pub use timeline::{Settled, Timeline};
