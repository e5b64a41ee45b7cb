//! Pools of buffers of 1024 f32 samples: what X5 drives.

use crossbeam_queue::ArrayQueue;
use lockfree_object_pool::{LinearObjectPool, LinearReusable, SpinLockObjectPool, SpinLockReusable};
use pcmflow_core::pool::{BufferRecyclingPool, Miss, OwnerId, PoolConfig, PoolEndpoint, PooledBuffer};
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Samples of a buffer.
pub(crate) const SAMPLES: usize = 1024;
/// Buffers of a pool.
pub(crate) const BUFFERS: usize = 64;

/// A pool that threads share.
pub(crate) trait BufferPool: Sync {
    /// What one thread holds to use the pool.
    type Handle<'p>: PoolHandle
    where
        Self: 'p;
    fn new() -> Self;
    fn handle(&self) -> Self::Handle<'_>;
}

/// One thread's way to a pool.
pub(crate) trait PoolHandle {
    type Buffer: Send;
    fn acquire(&mut self) -> Self::Buffer;
    fn samples(buffer: &mut Self::Buffer) -> &mut [f32];
    fn release(&mut self, buffer: Self::Buffer);
}

fn buffer() -> Vec<f32> {
    vec![0.0; SAMPLES]
}

/// A pool whose handle is a reference to it.
macro_rules! pool {
    ($pool:ty, new: $new:expr, buffer: $buffer:ty, acquire: $acquire:expr, release: $release:expr $(,)?) => {
        impl BufferPool for $pool {
            type Handle<'p> = &'p Self;
            fn new() -> Self {
                $new
            }
            fn handle(&self) -> &Self {
                self
            }
        }

        impl<'p> PoolHandle for &'p $pool {
            type Buffer = $buffer;
            fn acquire(&mut self) -> Self::Buffer {
                let acquire: fn(&'p $pool) -> $buffer = $acquire;
                acquire(self)
            }
            fn samples(buffer: &mut Self::Buffer) -> &mut [f32] {
                buffer
            }
            fn release(&mut self, buffer: Self::Buffer) {
                let release: fn(&'p $pool, $buffer) = $release;
                release(self, buffer);
            }
        }
    };
}

/// pcmflow's pool with its default classes, counters on.
pub(crate) struct Ours(BufferRecyclingPool);

pool!(
    Ours,
    new: {
        let mut config = PoolConfig::default();
        for class in config.classes.iter_mut().filter(|class| class.samples == SAMPLES) {
            (class.buffers_max, class.buffers_prewarm) = (BUFFERS, BUFFERS);
        }
        Self(BufferRecyclingPool::new(config).expect("memory for one pool"))
    },
    buffer: PooledBuffer,
    acquire: |pool| {
        let mut buffer = pool.0.acquire(SAMPLES, Miss::Fail).expect("fewer are held than there are");
        // A buffer shows what was written since it was acquired, and nothing else: one sample is enough here.
        let _ = buffer.push(0.0);
        buffer
    },
    release: |_, buffer| drop(buffer),
);

/// pcmflow's pool, each thread with an endpoint.
pub(crate) struct OurEndpoints(Ours);

impl BufferPool for OurEndpoints {
    type Handle<'p> = PoolEndpoint;
    fn new() -> Self {
        Self(Ours::new())
    }
    fn handle(&self) -> PoolEndpoint {
        self.0.0.endpoint(OwnerId(1)).expect("memory for an endpoint")
    }
}

impl PoolHandle for PoolEndpoint {
    type Buffer = PooledBuffer;
    fn acquire(&mut self) -> PooledBuffer {
        let mut buffer =
            PoolEndpoint::acquire(self, SAMPLES, Miss::Fail).expect("fewer are held than there are");
        let _ = buffer.push(0.0);
        buffer
    }
    fn samples(buffer: &mut PooledBuffer) -> &mut [f32] {
        buffer
    }
    fn release(&mut self, buffer: PooledBuffer) {
        PoolEndpoint::release(self, buffer);
    }
}

/// lockfree-object-pool, bit masks in a list.
pub(crate) struct Linear(LinearObjectPool<Vec<f32>>);

pool!(
    Linear,
    new: {
        let pool = LinearObjectPool::new(buffer, |_| ());
        drop((0..BUFFERS).map(|_| pool.pull()).collect::<Vec<_>>());
        Self(pool)
    },
    buffer: LinearReusable<'p, Vec<f32>>,
    acquire: |pool| pool.0.pull(),
    release: |_, buffer| drop(buffer),
);

/// lockfree-object-pool, its spin lock.
pub(crate) struct SpinLock(SpinLockObjectPool<Vec<f32>>);

pool!(
    SpinLock,
    new: {
        let pool = SpinLockObjectPool::new(buffer, |_| ());
        drop((0..BUFFERS).map(|_| pool.pull()).collect::<Vec<_>>());
        Self(pool)
    },
    buffer: SpinLockReusable<'p, Vec<f32>>,
    acquire: |pool| pool.0.pull(),
    release: |_, buffer| drop(buffer),
);

/// object-pool: a mutex round a vector.
pub(crate) struct ObjectPool(object_pool::Pool<Vec<f32>>);

pool!(
    ObjectPool,
    new: Self(object_pool::Pool::new(BUFFERS, buffer)),
    buffer: object_pool::Reusable<'p, Vec<f32>>,
    acquire: |pool| pool.0.pull(buffer),
    release: |_, buffer| drop(buffer),
);

/// How opool makes a buffer.
pub(crate) struct Maker;

impl opool::PoolAllocator<Vec<f32>> for Maker {
    fn allocate(&self) -> Vec<f32> {
        buffer()
    }
}

/// opool: a bounded queue of objects.
pub(crate) struct Opool(opool::Pool<Maker, Vec<f32>>);

pool!(
    Opool,
    new: Self(opool::Pool::new_prefilled(BUFFERS, Maker)),
    buffer: opool::RefGuard<'p, Maker, Vec<f32>>,
    acquire: |pool| pool.0.get(),
    release: |_, buffer| drop(buffer),
);

/// Bare atomics: one bit for each buffer in one word that all threads share. It can't grow, count or name anything.
pub(crate) struct Mask {
    free: AtomicU64,
    storage: Box<[UnsafeCell<[f32; SAMPLES]>]>,
}

// SAFETY: a buffer is touched by that thread alone which took its bit.
unsafe impl Sync for Mask {}

/// A buffer whose bit is taken.
pub(crate) struct Masked<'p> {
    samples: &'p mut [f32],
    bit: u32,
}

impl Deref for Masked<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        self.samples
    }
}

impl DerefMut for Masked<'_> {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.samples
    }
}

const _: () = assert!(BUFFERS == u64::BITS as usize, "one bit for each buffer");

pool!(
    Mask,
    new: Self {
        free: AtomicU64::new(u64::MAX),
        storage: (0..BUFFERS).map(|_| UnsafeCell::new([0.0; SAMPLES])).collect(),
    },
    buffer: Masked<'p>,
    acquire: |pool| {
        let mut free = pool.free.load(Ordering::Relaxed);
        loop {
            let bit = free.trailing_zeros();
            // Acquire: the last holder's uses are over.
            match pool.free.compare_exchange_weak(free, free & !(1 << bit), Ordering::Acquire, Ordering::Relaxed) {
                // SAFETY: the bit was set and we cleared it, so the buffer is ours until we set it again.
                Ok(_) => return Masked { samples: unsafe { &mut *pool.storage[bit as usize].get() }, bit },
                Err(now) => free = now,
            }
        }
    },
    release: |pool, buffer| {
        // Release: our uses are over.
        pool.free.fetch_or(1 << buffer.bit, Ordering::Release);
    },
);

/// The allocator itself: a zeroed vector made and dropped.
pub(crate) struct MallocZeroed;

pool!(
    MallocZeroed,
    new: Self,
    buffer: Vec<f32>,
    acquire: |_| buffer(),
    release: |_, buffer| drop(buffer),
);

/// The allocator itself: a vector made and dropped.
pub(crate) struct Malloc;

pool!(
    Malloc,
    new: Self,
    buffer: Vec<f32>,
    acquire: |_| {
        let mut buffer = Vec::with_capacity(SAMPLES);
        // The first sample is the one that is used; the others stay uninitialised, which is malloc at its best.
        buffer.push(0.0);
        buffer
    },
    release: |_, buffer| drop(buffer),
);

/// What people write themselves: a locked list of vectors.
pub(crate) struct MutexVec(Mutex<Vec<Vec<f32>>>);

pool!(
    MutexVec,
    new: Self(Mutex::new((0..BUFFERS).map(|_| buffer()).collect())),
    buffer: Vec<f32>,
    acquire: |pool| pool.0.lock().expect("no thread panicked").pop().expect("fewer are held than there are"),
    release: |pool, buffer| pool.0.lock().expect("no thread panicked").push(buffer),
);

/// crossbeam's bounded queue as a pool.
pub(crate) struct QueuePool(ArrayQueue<Vec<f32>>);

pool!(
    QueuePool,
    new: {
        let queue = ArrayQueue::new(BUFFERS);
        (0..BUFFERS).for_each(|_| queue.push(buffer()).expect("room for all"));
        Self(queue)
    },
    buffer: Vec<f32>,
    acquire: |pool| pool.0.pop().expect("fewer are held than there are"),
    release: |pool, buffer| pool.0.push(buffer).expect("room for all"),
);
