//! [`BroadcastRing`]: one writer, any number of readers, and the newest always finds room.
//!
//! The writer overwrites the oldest items and never waits: no reader can hold it up, and it knows of none but their number.
//! Each reader has a position of its own; one that was too slow learns exactly how many items it lost and where, and
//! reads on with the oldest that are left. Every call of every end is wait-free: a read that the writer overtakes does
//! not try again, it reports the loss and returns.
//!
//! For a reader that must have everything take [`ring`](crate::ring): there the writer is told that it does not fit.
//!
//! # How it works
//! Copying out of memory that another thread may overwrite, and looking afterwards whether it did, is a data race and so
//! undefined behaviour, however well it seems to work. Here the storage is made of atomic 64-bit words, loaded and stored
//! relaxed: no race, at the price of one move a word. Items are [`Plain`] numbers, packed into words (two `f32` to one); no
//! slice into the storage leaves it. The writer publishes what it is *going to* overwrite, then overwrites, then
//! publishes what can be read; a reader copies, then looks what may have been overwritten meanwhile. This is a sequence
//! lock turned into a ring; that it needs the two fences, and where, is H.-J. Boehm, "Can seqlocks get along with
//! programming language memory models?", MSPC 2012. The proof stands with the code ([`BroadcastReader::read`]'s), and
//! loom explores it.
//!
//! # How much a reader may lag
//! At rest a full ring can be read to its last item. While the writer writes `n` items, the `n` oldest count as lost from
//! the moment it begins. So a reader that never lags more than the capacity less one write loses nothing: make the ring
//! one write longer than the lag you allow for.
//!
//! # Frames
//! A ring [of frames](BroadcastRing::with_frames) is written, read and lost in whole frames of interleaved items.
//!
//! ```
//! use pcmflow_core::broadcast::BroadcastRing;
//! let (mut writer, mut reader) = BroadcastRing::<f32>::with_capacity(4)?.split();
//! writer.write(&[0.0, 0.1, 0.2]);
//! writer.write(&[0.3, 0.4, 0.5]); // overwrites 0.0 and 0.1
//! let mut out = [0.0; 8];
//! let read = reader.read(&mut out);
//! assert_eq!((read.lost, read.position, read.count), (2, 2, 4));
//! assert_eq!(out[..4], [0.2, 0.3, 0.4, 0.5]);
//! # Ok::<(), pcmflow_core::ring::RingError>(())
//! ```

mod gauge;
mod plain;
mod reader;
mod shared;
mod writer;

pub use gauge::BroadcastGauge;
pub use plain::Plain;
pub use reader::{BroadcastReader, Read};
pub use writer::BroadcastWriter;

use crate::ring::RingError;
use crate::sync::Arc;
use shared::Shared;

/// A ring whose newest item always finds room, before it is split into its writer and a first reader.
///
/// ```
/// use pcmflow_core::broadcast::BroadcastRing;
/// let ring = BroadcastRing::<f32>::with_capacity(100)?; // rounded up to a power of two
/// assert_eq!(ring.capacity(), 128);
/// let (mut writer, mut reader) = ring.split();
/// writer.write(&[0.5; 130]);
/// let read = reader.read(&mut [0.0; 128]);
/// assert_eq!((read.lost, read.count), (2, 128));
/// # Ok::<(), pcmflow_core::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct BroadcastRing<T: Plain> {
    shared: Arc<Shared<T>>,
}

impl<T: Plain> BroadcastRing<T> {
    /// Makes a ring for at least `items` items: the capacity is rounded up to a power of two, and to one word.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`RingError::Empty`] for none, [`RingError::TooLarge`] and [`RingError::OutOfMemory`] for too many.
    pub fn with_capacity(items: usize) -> Result<Self, RingError> {
        Self::with_frames(items, 1)
    }

    /// Makes a ring for at least `frames` frames of `channels` interleaved items each, which are written, read and lost
    /// as a whole.
    ///
    /// Not RT-safe: allocates.
    ///
    /// ```
    /// use pcmflow_core::broadcast::BroadcastRing;
    /// let (mut writer, mut reader) = BroadcastRing::<f32>::with_frames(2, 3)?.split();
    /// assert_eq!(writer.capacity(), 6); // of the 8 items of the storage
    /// assert_eq!(writer.write(&[1.0, 1.1, 1.2, 2.0, 2.1, 2.2, 3.0, 3.1, 3.2, 9.0]), 9);
    /// let mut out = [0.0; 7];
    /// let read = reader.read(&mut out);
    /// assert_eq!((read.lost, read.count), (3, 6));
    /// assert_eq!(out[..2], [2.0, 2.1]);
    /// # Ok::<(), pcmflow_core::ring::RingError>(())
    /// ```
    ///
    /// # Errors
    /// As [`with_capacity`](Self::with_capacity).
    pub fn with_frames(frames: usize, channels: usize) -> Result<Self, RingError> {
        Ok(Self { shared: Arc::new(Shared::new(frames, channels)?) })
    }

    /// The items that can be read when the ring is full, whole frames.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> usize {
        self.shared.capacity as usize
    }

    /// A reader of its state for any thread.
    ///
    /// Not RT-safe: what it returns may be the last to free the storage.
    pub fn gauge(&self) -> BroadcastGauge<T> {
        BroadcastGauge::new(self.shared.clone())
    }

    /// Splits the ring into its writer and a first reader, which starts at item 0. More come from
    /// [`BroadcastReader::subscribe`] and [`BroadcastWriter::subscribe`].
    ///
    /// Not RT-safe: meant for set-up.
    pub fn split(self) -> (BroadcastWriter<T>, BroadcastReader<T>) {
        (BroadcastWriter::new(self.shared.clone()), BroadcastReader::new(self.shared, 0))
    }
}

#[cfg(test)]
mod tests;
