//! Why the pool gave no buffer. Small, `Copy`, and made without allocating.

/// Why no buffer was handed out.
///
/// ```
/// use pcmflow_core::pool::{AcquireError, BufferRecyclingPool, ClassConfig, Miss, PoolConfig};
/// let class = ClassConfig { samples: 256, buffers_max: 1, buffers_prewarm: 1 };
/// let pool = BufferRecyclingPool::new(PoolConfig { classes: vec![class], ..PoolConfig::default() })?;
/// let held = pool.acquire(200, Miss::Fail)?;
/// let refused = pool.acquire(200, Miss::Fail).unwrap_err();
/// assert_eq!(refused, AcquireError::Exhausted { samples: 200, class: 256 });
/// # drop(held);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// No class is that large, so that no policy could help: configure a larger class or ask for less.
    #[error("{samples} samples were asked for, the largest class holds {largest}; configure a larger class")]
    TooLarge {
        /// What was asked for.
        samples: usize,
        /// Capacity of the largest class.
        largest: usize,
    },
    /// Every buffer that the miss policy allows is in use: try again later, prewarm more, or allow another class.
    #[error(
        "no free buffer for {samples} samples: all of the {class}-sample class, and of those the miss policy allows, are in use; drop some, prewarm() more or allow another class"
    )]
    Exhausted {
        /// What was asked for.
        samples: usize,
        /// Capacity of the class that should have served it.
        class: usize,
    },
    /// Buffers of the class are free, but endpoints keep them. They have been called back, and come at each endpoint's next
    /// use: try again then, [flush](super::PoolEndpoint::flush) idle endpoints, or prewarm more.
    #[error(
        "no free buffer for {samples} samples: endpoints cache {cached} of the {class}-sample class; flush() the idle ones, prewarm() more or allow another class"
    )]
    Cached {
        /// What was asked for.
        samples: usize,
        /// Capacity of the class that should have served it.
        class: usize,
        /// Buffers of that class that endpoints keep, about.
        cached: usize,
    },
    /// The class has no memory (yet, or since it was given back), and no other that the miss policy allows had a free buffer:
    /// prewarm it off the audio thread.
    #[error(
        "no free buffer for {samples} samples: the {class}-sample class has none allocated; prewarm() it, or use Miss::Grow off the audio thread"
    )]
    NoneAllocated {
        /// What was asked for.
        samples: usize,
        /// Capacity of the class that should have served it.
        class: usize,
    },
    /// The class was exhausted and could not grow.
    #[error(transparent)]
    Grow(#[from] GrowError),
    /// A shared buffer was to be copied, but every handle of its pool is gone.
    #[error("the pool was dropped: a shared buffer can't be copied any more")]
    PoolDropped,
}

/// Why a class could not grow, or no endpoint be added.
///
/// ```
/// use pcmflow_core::pool::{BufferRecyclingPool, ClassConfig, GrowError, PoolConfig};
/// let class = ClassConfig { samples: 256, buffers_max: 2, buffers_prewarm: 2 };
/// let pool = BufferRecyclingPool::new(PoolConfig { classes: vec![class], ..PoolConfig::default() })?;
/// let refused = pool.grow(256, 1).unwrap_err();
/// assert_eq!(refused, GrowError::ClassFull { class: 256, buffers: 2, buffers_max: 2 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrowError {
    /// No class is that large.
    #[error("{samples} samples were asked for, the largest class holds {largest}; configure a larger class")]
    TooLarge {
        /// What was asked for.
        samples: usize,
        /// Capacity of the largest class.
        largest: usize,
    },
    /// The class is at its own limit: raise `buffers_max`.
    #[error(
        "the {class}-sample class holds {buffers} buffers and may hold {buffers_max}; raise its buffers_max"
    )]
    ClassFull {
        /// Capacity of the class's buffers.
        class: usize,
        /// Buffers it has.
        buffers: usize,
        /// Buffers it may have.
        buffers_max: usize,
    },
    /// The pool is at its byte budget: raise it, or give idle memory back with `clear`.
    #[error(
        "a slab of the {class}-sample class takes {bytes} bytes, but {held_bytes} of a budget of {budget_bytes} are held; raise budget_bytes or clear()"
    )]
    Budget {
        /// Capacity of the class's buffers.
        class: usize,
        /// Bytes the next slab takes.
        bytes: usize,
        /// Bytes held now.
        held_bytes: usize,
        /// The budget.
        budget_bytes: usize,
    },
    /// All endpoints that the pool may have are in use: drop one that is not needed, or raise `endpoints_max`.
    #[error("the pool has all of its {endpoints_max} endpoints in use; drop one, or raise endpoints_max")]
    Endpoints {
        /// Endpoints that there may be at a time.
        endpoints_max: usize,
    },
    /// The pool is at its byte budget, and an endpoint needs some bytes, too.
    #[error(
        "an endpoint takes {bytes} bytes, but {held_bytes} of a budget of {budget_bytes} are held; raise budget_bytes or clear()"
    )]
    EndpointBudget {
        /// Bytes an endpoint takes.
        bytes: usize,
        /// Bytes held now.
        held_bytes: usize,
        /// The budget.
        budget_bytes: usize,
    },
    /// The allocator has no memory.
    #[error("the system gave no {bytes} bytes for a slab of the {class}-sample class")]
    OutOfMemory {
        /// Capacity of the class's buffers.
        class: usize,
        /// Bytes that were asked for.
        bytes: usize,
    },
}
