//! One chunk: a pool buffer with what its samples mean.

use super::slots::InWords;
use crate::format::{
    ChannelCount, FormatError, Frames, Interleaved, SampleRate, StreamFormat, StreamPosition,
};
use crate::pool::BufferRef;

/// What the samples of a chunk mean: where they stand, when they came.
///
/// ```
/// use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
/// use pcmflow_core::format::{StreamFormat, StreamPosition};
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut buffer = pool.acquire(256, Miss::Fail)?;
/// buffer.resize(256, 0.0);
/// let meta = ChunkMeta {
///     format: StreamFormat::new(48_000, 2)?,
///     position: StreamPosition(1024),
///     sequence: 8,
///     timestamp_ns: 21_333_333,
///     complete_ns: 24_000_000,
/// };
/// let chunk = AudioChunk::new(buffer.into_shared(), meta)?;
/// assert_eq!((chunk.position(), chunk.end()), (StreamPosition(1024), StreamPosition(1152)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkMeta {
    /// What the samples are.
    pub format: StreamFormat,
    /// Where the first frame stands on the source's timeline, in frames of the source: also where the chunk itself has
    /// another rate.
    pub position: StreamPosition,
    /// Number of this chunk in its stream, from 0, without a gap: a missing number is a lost chunk.
    pub sequence: u64,
    /// When the oldest frame arrived, in nanoseconds of the flow's clock.
    pub timestamp_ns: u64,
    /// When the newest frame arrived, in nanoseconds of the flow's clock.
    pub complete_ns: u64,
}

/// Interleaved samples in a shared pool buffer, with their [`ChunkMeta`]. Cloning adds a reference and copies nothing.
///
/// ```
/// use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
/// use pcmflow_core::format::{StreamFormat, StreamPosition};
/// use pcmflow_core::pool::{BufferRecyclingPool, Miss, PoolConfig};
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut buffer = pool.acquire(256, Miss::Grow)?;
/// buffer.extend_from_slice(&[0.25; 256]);
/// let format = StreamFormat::new(48_000, 2)?;
/// let position = StreamPosition(9_600);
/// let meta = ChunkMeta { format, position, sequence: 0, timestamp_ns: 0, complete_ns: 0 };
/// let chunk = AudioChunk::new(buffer.into_shared(), meta)?;
/// assert_eq!((chunk.frames().0, chunk.end().0), (128, 9_728));
/// assert_eq!(chunk.duration_ns(), 2_666_666);
/// // At a third of its source's rate, the same stretch of time has a third of the samples.
/// let mut thinned = pool.acquire(256, Miss::Grow)?;
/// thinned.extend_from_slice(&[0.25; 84]);
/// let meta = ChunkMeta { format: StreamFormat::new(16_000, 2)?, ..meta };
/// let thinned = AudioChunk::spanning(thinned.into_shared(), meta, chunk.span())?;
/// assert_eq!((thinned.frames().0, thinned.end().0), (42, 9_728));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct AudioChunk {
    buffer: BufferRef,
    meta: ChunkMeta,
    /// Frames of the source.
    span: u32,
}

impl AudioChunk {
    /// Joins samples and what they mean.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`FormatError::PartialFrame`] when the buffer does not hold whole frames.
    #[inline]
    pub fn new(buffer: BufferRef, meta: ChunkMeta) -> Result<Self, FormatError> {
        let span = Frames::in_samples(buffer.len(), meta.format.channels);
        Self::spanning(buffer, meta, span)
    }

    /// Joins samples and what they mean, where they stand for another number of the source's frames than they are: their rate
    /// was changed on the way. The spans of consecutive chunks tile the source's timeline, which is what the books count.
    ///
    /// RT-safe: wait-free, no allocation.
    ///
    /// # Errors
    /// [`FormatError::PartialFrame`] when the buffer does not hold whole frames, [`FormatError::Span`] for 2³² frames and more.
    // Called, it would wait for all stores before it: the metadata is written in words, and copied in pairs of them.
    #[inline(always)]
    pub fn spanning(buffer: BufferRef, meta: ChunkMeta, span: Frames) -> Result<Self, FormatError> {
        Interleaved::new(&buffer, meta.format.channels)?;
        let span = u32::try_from(span.0).map_err(|_| FormatError::Span { frames: span.0 })?;
        Ok(Self { buffer, meta, span })
    }

    /// What the samples mean.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn meta(&self) -> &ChunkMeta {
        &self.meta
    }

    /// The samples, interleaved.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn samples(&self) -> &[f32] {
        &self.buffer
    }

    /// The buffer that holds the samples.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn buffer(&self) -> &BufferRef {
        &self.buffer
    }

    /// Gives the buffer away, for work in place.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn into_buffer(self) -> BufferRef {
        self.buffer
    }

    /// Frames per second.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn sample_rate(&self) -> SampleRate {
        self.meta.format.rate
    }

    /// Samples per frame.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn channels(&self) -> ChannelCount {
        self.meta.format.channels
    }

    /// How many frames it holds.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn frames(&self) -> Frames {
        Frames::in_samples(self.buffer.len(), self.meta.format.channels)
    }

    /// Where its first frame stands.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self) -> StreamPosition {
        self.meta.position
    }

    /// How many frames of the source it stands for: as many as it [holds](Self::frames), unless its rate was changed.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn span(&self) -> Frames {
        Frames(u64::from(self.span))
    }

    /// Where the source's first frame after it stands.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn end(&self) -> StreamPosition {
        self.meta.position + self.span()
    }

    /// Its number in its stream.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn sequence(&self) -> u64 {
        self.meta.sequence
    }

    /// When its oldest frame arrived, in nanoseconds of the flow's clock.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn timestamp_ns(&self) -> u64 {
        self.meta.timestamp_ns
    }

    /// How long it lasts, in nanoseconds.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn duration_ns(&self) -> u64 {
        self.sample_rate().frames_to_ns(self.frames())
    }
}

/// Place of the buffer, format and span, position, sequence, and both times: with its stamp and pointer, a slot is a cache
/// line.
pub(super) const CHUNK_WORDS: usize = 6;

impl InWords<CHUNK_WORDS> for AudioChunk {
    fn into_words(self) -> (*mut (), [u64; CHUNK_WORDS]) {
        let Self { buffer, meta, span } = self;
        let (slab, place) = buffer.into_words();
        let ChunkMeta { format, position, sequence, timestamp_ns, complete_ns } = meta;
        let format = u64::from(span) << 32 | u64::from(format.into_half_word());
        (slab, [place, format, position.0, sequence, timestamp_ns, complete_ns])
    }

    unsafe fn from_words(slab: *mut (), words: [u64; CHUNK_WORDS]) -> Self {
        let span = span_in_words(words).0 as u32;
        let [place, format, position, sequence, timestamp_ns, complete_ns] = words;
        // SAFETY: as the caller says: the reference that the words stand for is the caller's alone.
        let buffer = unsafe { BufferRef::from_words(slab, place) };
        let (format, position) = (StreamFormat::from_half_word(format as u32), StreamPosition(position));
        Self { buffer, meta: ChunkMeta { format, position, sequence, timestamp_ns, complete_ns }, span }
    }
}

/// The span of a chunk, told by its words alone.
pub(super) fn span_in_words(words: [u64; CHUNK_WORDS]) -> Frames {
    let [_, format, ..] = words;
    Frames(format >> 32)
}
