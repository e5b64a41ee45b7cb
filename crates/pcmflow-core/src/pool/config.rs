//! What a pool is made of: its size classes and its byte budget.

use super::GrowError;
use alloc::vec::Vec;

/// One size class: buffers of one capacity.
///
/// ```
/// use pcmflow_core::pool::ClassConfig;
/// let stereo = ClassConfig { buffers_prewarm: 64, ..ClassConfig::new(2 * 1024) };
/// assert_eq!((stereo.samples, stereo.buffers_max), (2048, 1024));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassConfig {
    /// Capacity of each buffer in samples (frames × channels),
    /// [`ClassConfig::SAMPLES_MIN`]`..=`[`ClassConfig::SAMPLES_MAX`].
    pub samples: usize,
    /// The most buffers this class may ever hold, 1 to [`ClassConfig::BUFFERS_MAX`].
    pub buffers_max: usize,
    /// Buffers that are allocated, and whose memory is faulted in, when the pool is made; rounded up to whole
    /// slabs, never above `buffers_max`.
    pub buffers_prewarm: usize,
}

impl ClassConfig {
    /// The smallest class: one cache line.
    pub const SAMPLES_MIN: usize = 16;
    /// The largest class: 64 MiB a buffer.
    pub const SAMPLES_MAX: usize = 1 << 24;
    /// The most buffers one class may be allowed.
    pub const BUFFERS_MAX: usize = 65_536;

    /// A class of `samples` samples with the usual limits: at most 1024 buffers, 32 from the start.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn new(samples: usize) -> Self {
        Self { samples, buffers_max: 1024, buffers_prewarm: 32 }
    }
}

/// The size classes of a pool, and how many bytes it may hold in all.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, ClassConfig, PoolConfig};
/// // Blocks of 1024 stereo frames are a class of 2048 samples.
/// let config = PoolConfig {
///     classes: vec![ClassConfig { samples: 2048, buffers_max: 64, buffers_prewarm: 16 }],
///     ..PoolConfig::default()
/// };
/// assert_eq!(config.budget_bytes, 52_428_800);
/// assert!(BufferRecyclingPool::new(config).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// The classes, 1 to [`PoolConfig::CLASSES_MAX`], capacities strictly ascending. By default 256, 512, 1024,
    /// 2048 and 4096 samples.
    pub classes: Vec<ClassConfig>,
    /// The most bytes the pool may hold: samples, headers, bitmaps and tables together. By default 50 MiB,
    /// which is 52 428 800 bytes.
    pub budget_bytes: usize,
    /// The most bytes of samples that one [endpoint](super::BufferRecyclingPool::endpoint) keeps to itself, each class
    /// getting the same share; 0 turns the caches off. By default 320 KiB.
    pub endpoint_cache_bytes: usize,
    /// The most endpoints there may be at a time. Each has a block of a few kilobytes inside the budget, which stays the
    /// pool's when the endpoint is dropped, for the next one. By default 64.
    pub endpoints_max: usize,
}

impl PoolConfig {
    /// The most classes a pool may have.
    pub const CLASSES_MAX: usize = 16;
    /// The smallest budget that is accepted.
    pub const BUDGET_BYTES_MIN: usize = 4096;
    /// The largest budget that is accepted.
    pub const BUDGET_BYTES_MAX: usize = isize::MAX as usize;

    /// Checks every number.
    pub(super) fn validate(&self) -> Result<(), PoolConfigError> {
        let classes = self.classes.len();
        if classes == 0 || classes > Self::CLASSES_MAX {
            return Err(PoolConfigError::Classes { classes });
        }
        if !(Self::BUDGET_BYTES_MIN..=Self::BUDGET_BYTES_MAX).contains(&self.budget_bytes) {
            return Err(PoolConfigError::Budget { bytes: self.budget_bytes });
        }
        let mut previous = 0;
        for &ClassConfig { samples, buffers_max, buffers_prewarm } in &self.classes {
            if !(ClassConfig::SAMPLES_MIN..=ClassConfig::SAMPLES_MAX).contains(&samples) {
                return Err(PoolConfigError::ClassSamples { samples });
            }
            if samples <= previous {
                return Err(PoolConfigError::Order { samples, previous });
            }
            if buffers_max == 0 || buffers_max > ClassConfig::BUFFERS_MAX {
                return Err(PoolConfigError::BuffersMax { samples, buffers: buffers_max });
            }
            if buffers_prewarm > buffers_max {
                return Err(PoolConfigError::Prewarm { samples, buffers: buffers_prewarm, buffers_max });
            }
            previous = samples;
        }
        Ok(())
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            classes: [256, 512, 1024, 2048, 4096].map(ClassConfig::new).into(),
            budget_bytes: 50 * 1024 * 1024,
            endpoint_cache_bytes: 320 * 1024,
            endpoints_max: 64,
        }
    }
}

/// Why a pool could not be made.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, ClassConfig, PoolConfig, PoolConfigError};
/// let classes = vec![ClassConfig::new(1024), ClassConfig::new(512)];
/// let error = BufferRecyclingPool::new(PoolConfig { classes, ..PoolConfig::default() }).unwrap_err();
/// assert_eq!(error, PoolConfigError::Order { samples: 512, previous: 1024 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolConfigError {
    /// The number of classes is outside 1 to [`PoolConfig::CLASSES_MAX`].
    #[error("pool.classes: {classes} size classes, allowed are 1 to {max}", max = PoolConfig::CLASSES_MAX)]
    Classes {
        /// The refused number.
        classes: usize,
    },
    /// A class's capacity is out of range.
    #[error(
        "pool.classes: a class of {samples} samples, allowed are {min} to {max}",
        min = ClassConfig::SAMPLES_MIN,
        max = ClassConfig::SAMPLES_MAX
    )]
    ClassSamples {
        /// The refused capacity.
        samples: usize,
    },
    /// The classes are not strictly ascending.
    #[error(
        "pool.classes: the class of {samples} samples follows that of {previous}; list them in ascending order, each once"
    )]
    Order {
        /// The capacity that is out of order.
        samples: usize,
        /// The one before it.
        previous: usize,
    },
    /// A class's limit is out of range.
    #[error(
        "pool.classes: buffers_max of the {samples}-sample class is {buffers}, allowed are 1 to {max}",
        max = ClassConfig::BUFFERS_MAX
    )]
    BuffersMax {
        /// The class.
        samples: usize,
        /// The refused limit.
        buffers: usize,
    },
    /// A class is to start with more buffers than it may ever hold.
    #[error(
        "pool.classes: buffers_prewarm of the {samples}-sample class is {buffers}, allowed are 0 to its buffers_max, {buffers_max}"
    )]
    Prewarm {
        /// The class.
        samples: usize,
        /// The refused number.
        buffers: usize,
        /// The class's limit.
        buffers_max: usize,
    },
    /// The byte budget is out of range.
    #[error(
        "pool.budget_bytes is {bytes}, allowed are {min} to {max}",
        min = PoolConfig::BUDGET_BYTES_MIN,
        max = PoolConfig::BUDGET_BYTES_MAX
    )]
    Budget {
        /// The refused budget.
        bytes: usize,
    },
    /// The empty pool's own tables are larger than the budget: allow more bytes or fewer buffers.
    #[error("pool.budget_bytes is {budget_bytes}, but the tables of an empty pool take {bytes} already")]
    Tables {
        /// What the tables take.
        bytes: usize,
        /// The budget.
        budget_bytes: usize,
    },
    /// The buffers to start with could not be allocated.
    #[error("pool.classes: prewarming failed: {0}")]
    Grow(#[from] GrowError),
}
