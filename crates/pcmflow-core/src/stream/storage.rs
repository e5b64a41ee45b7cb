//! What the frames of a stream lie in: a ring that is full when it is full, or one whose newest frame always finds room.

use super::mark::Arrival;
use super::staging::{Progress, Staging};
use super::{Overflow, StreamConfig};
use crate::broadcast::{BroadcastGauge, BroadcastRing, BroadcastWriter};
use crate::format::{Frames, StreamPosition};
use crate::ring::{BufferState, CircularBuffer, Consumer, Gauge, Producer, RingError};
use crate::sync::Arc;

/// Makes the storage for a stream: samples, and the times of the writes that brought them.
pub(super) fn storage(config: &StreamConfig) -> Result<(Inlet, Outlet, Level), RingError> {
    let channels = config.format.channels;
    if config.overflow != Overflow::EvictOldest {
        let samples = CircularBuffer::with_capacity(config.capacity.samples(channels))?;
        let arrivals = CircularBuffer::with_capacity(2 * config.quanta(samples.capacity()))?;
        let level = Level::Fifo(samples.gauge());
        let (samples_in, samples_out) = samples.split();
        let (arrivals_in, arrivals_out) = arrivals.split();
        return Ok((
            Inlet::Fifo { samples: samples_in, arrivals: arrivals_in },
            Outlet::Fifo { samples: samples_out, arrivals: arrivals_out },
            level,
        ));
    }
    // The product is checked by the ring; in frames, as whole frames are evicted.
    let frames = usize::try_from(config.capacity.0).unwrap_or(usize::MAX);
    let samples = BroadcastRing::with_frames(frames, Frames(1).samples(channels))?;
    let arrivals = BroadcastRing::with_frames(2 * config.quanta(samples.capacity()), Arrival::WORDS)?;
    let progress = Arc::new(Progress::default());
    let level = Level::Evicting { samples: samples.gauge(), progress: progress.clone() };
    let (samples_in, samples_out) = samples.split();
    let (arrivals_in, arrivals_out) = arrivals.split();
    let staging = Staging::new(samples_out, arrivals_out, progress)?;
    Ok((Inlet::Evicting { samples: samples_in, arrivals: arrivals_in }, Outlet::Evicting(staging), level))
}

/// The writer's end of the storage.
#[derive(Debug)]
pub(super) enum Inlet {
    Fifo { samples: Producer<f32>, arrivals: Producer<Arrival> },
    Evicting { samples: BroadcastWriter<f32>, arrivals: BroadcastWriter<u64> },
}

impl Inlet {
    /// Samples of the storage.
    pub(super) fn capacity(&self) -> usize {
        match self {
            Self::Fifo { samples, .. } => samples.capacity(),
            Self::Evicting { samples, .. } => samples.capacity(),
        }
    }

    /// Bytes of storage of samples and arrival times, at both ends.
    pub(super) fn storage_bytes(&self) -> usize {
        match self {
            Self::Fifo { samples, arrivals } => {
                samples.capacity() * size_of::<f32>() + arrivals.capacity() * size_of::<Arrival>()
            }
            Self::Evicting { samples, arrivals } => {
                // Whole frames in storage that is a power of two; what is announced is copied out, to storage as large as they.
                let samples = samples.capacity().next_power_of_two() + samples.capacity();
                samples * size_of::<f32>() + arrivals.capacity() * size_of::<u64>()
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Fifo { samples, .. } => samples.is_closed(),
            Self::Evicting { samples, .. } => samples.is_closed(),
        }
    }

    pub(super) fn has_room(&mut self, count: usize) -> bool {
        match self {
            Self::Fifo { samples, .. } => samples.has_room(count),
            Self::Evicting { .. } => true,
        }
    }

    /// Notes when the next samples arrived, before they are pushed.
    pub(super) fn arrive(&mut self, arrival: Arrival) {
        match self {
            // A full store of arrival times loses precision, never frames: the reader then counts from an earlier arrival.
            Self::Fifo { arrivals, .. } => drop(arrivals.push(arrival)),
            Self::Evicting { arrivals, .. } => drop(arrivals.write(&arrival.to_words())),
        }
    }

    /// Pushes samples for which there is room.
    pub(super) fn push(&mut self, items: &[f32]) {
        match self {
            Self::Fifo { samples, .. } => drop(samples.push_slice(items)),
            Self::Evicting { samples, .. } => drop(samples.write(items)),
        }
    }
}

/// What is there for the reader, in samples.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ahead {
    /// Evicted before the next sample that is there: a writer that never waits may be ahead by more than memory holds.
    pub(super) evicted: u64,
    /// There, without an eviction between.
    pub(super) samples: usize,
    /// An eviction stands behind them.
    pub(super) broken: bool,
}

/// The reader's end of the storage.
#[derive(Debug)]
pub(super) enum Outlet {
    Fifo { samples: Consumer<f32>, arrivals: Consumer<Arrival> },
    Evicting(Staging),
}

impl Outlet {
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Fifo { samples, .. } => samples.is_closed(),
            Self::Evicting(staging) => staging.is_closed(),
        }
    }

    /// Asks the writer afresh; what is there stays there until it is read, `wanted` samples of it at least.
    pub(super) fn gather(&mut self, wanted: usize) -> Ahead {
        match self {
            Self::Fifo { samples, .. } => Ahead { samples: samples.available(), ..Ahead::default() },
            Self::Evicting(staging) => {
                staging.gather(wanted);
                staging.ahead()
            }
        }
    }

    /// Samples that were gathered and can be read at once.
    pub(super) fn readable(&mut self) -> usize {
        match self {
            Self::Fifo { samples, .. } => samples.available(),
            Self::Evicting(staging) => staging.ahead().samples,
        }
    }

    /// Passes samples that were evicted.
    pub(super) fn pass_evicted(&mut self, count: u64) {
        if let Self::Evicting(staging) = self {
            staging.pass_evicted(count);
        }
    }

    /// Fills `out` with readable samples, and takes them.
    pub(super) fn read(&mut self, out: &mut [f32]) {
        match self {
            Self::Fifo { samples, .. } => {
                let taken = samples.pop_slice(out);
                debug_assert_eq!(taken, out.len());
            }
            Self::Evicting(staging) => {
                out.copy_from_slice(staging.readable(out.len()));
                staging.take(out.len());
            }
        }
    }

    /// Hands `count` readable samples to `take`, and takes them.
    pub(super) fn read_in_place(&mut self, count: usize, take: impl FnOnce(&[f32], &[f32])) {
        match self {
            Self::Fifo { samples, .. } => {
                if let Ok(chunk) = samples.read_chunk(count) {
                    let (first, second) = chunk.as_slices();
                    take(first, second);
                    chunk.release_all();
                }
            }
            Self::Evicting(staging) => {
                take(staging.readable(count), &[]);
                staging.take(count);
            }
        }
    }

    /// The last arrival at or before `target`, where `passed` is the one at or before the reader's `position`; updates it.
    pub(super) fn arrival(
        &mut self,
        position: StreamPosition,
        target: StreamPosition,
        passed: &mut Arrival,
    ) -> Arrival {
        match self {
            Self::Fifo { arrivals, .. } => {
                let mut found = *passed;
                let available = arrivals.available();
                let Ok(chunk) = arrivals.read_chunk(available) else { return found };
                let (first, second) = chunk.as_slices();
                let mut release = 0;
                for arrival in first.iter().chain(second).take_while(|arrival| arrival.position <= target) {
                    found = *arrival;
                    // What lies at or before the next frame is never asked for again but as `passed`.
                    if arrival.position <= position {
                        *passed = *arrival;
                        release += 1;
                    }
                }
                chunk.release(release);
                found
            }
            Self::Evicting(staging) => staging.arrival(position, target, passed),
        }
    }
}

/// The storage as any thread may measure it, in samples.
#[derive(Debug, Clone)]
pub(super) enum Level {
    Fifo(Gauge<f32>),
    Evicting { samples: BroadcastGauge<f32>, progress: Arc<Progress> },
}

impl Level {
    /// Samples inside, and samples that were evicted and that the reader has not told of yet.
    pub(super) fn measure(&self) -> (u64, u64) {
        match self {
            Self::Fifo(samples) => (samples.occupancy() as u64, 0),
            Self::Evicting { samples, progress } => progress.measure(samples),
        }
    }

    pub(super) fn state(&self, ready: usize, full: usize) -> BufferState {
        match self {
            // Storage is rounded up to a power of two: with 3 channels it may never be full to the last sample.
            Self::Fifo(samples) => match samples.state(ready) {
                BufferState::Filling | BufferState::Ready if samples.occupancy() >= full => {
                    BufferState::Overflowed
                }
                state => state,
            },
            Self::Evicting { samples, progress } => {
                let gone = samples.is_closed();
                match (self.measure().0, gone) {
                    (0, true) => BufferState::Closed,
                    (0, false) => BufferState::Empty,
                    (_, true) => BufferState::Draining,
                    _ if progress.stored(samples) >= full as u64 => BufferState::Overflowed,
                    (inside, _) if inside >= ready as u64 => BufferState::Ready,
                    _ => BufferState::Filling,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;
    use crate::format::{Frames, StreamFormat};

    fn storage_bytes(overflow: Overflow, quantum: u64) -> usize {
        let format = StreamFormat::new(48_000, 2).unwrap();
        let config = StreamConfig { format, capacity: Frames(128), quantum: Frames(quantum), overflow };
        super::super::stream(config).unwrap().2.storage_bytes()
    }

    #[test]
    fn all_storage_is_counted_and_evicting_takes_the_samples_twice() {
        let samples_bytes = 2 * 128 * size_of::<f32>();
        // Two quanta inside and one being written; the rings round 6 arrivals up to 8, 6 marks and 2 for the end are 8.
        let rest_bytes = 8 * size_of::<Arrival>() + 8 * size_of::<Mark>();
        assert_eq!(storage_bytes(Overflow::DropNewest, 64), samples_bytes + rest_bytes);
        assert_eq!(storage_bytes(Overflow::EvictOldest, 64), 2 * samples_bytes + rest_bytes);
    }

    #[test]
    fn small_quanta_cost_more_than_the_samples() {
        let (small, usual) = (storage_bytes(Overflow::Reject, 1), storage_bytes(Overflow::Reject, 128));
        assert!(small > 10 * usual, "{small} and {usual} bytes");
    }
}
