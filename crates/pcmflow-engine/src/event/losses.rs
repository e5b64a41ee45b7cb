//! What a publisher could not publish, by type: counted where it happens, without a lock, and read by the bus.
//!
//! A type gets one of the counters when it first loses something; which one, the bus learns through a small ring. The writer
//! announces the type, counts, and raises the flag, in this order; the reader lowers the flag, takes the announcements, and reads
//! the counters: what it misses now raised the flag again.

use super::{Event, EventType};
use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering};
use pcmflow_core::ring::{CircularBuffer, Consumer, Producer, RingError};

/// Types that are counted apart for one publisher, the last for all that come after.
const TYPES: usize = 64;

crate::events! {
    /// Stands for the types that found no counter of their own. Critical, as one of them may have been.
    struct OtherEvents: Critical {}
}

#[derive(Debug)]
struct Shared {
    /// Stored by the writer only.
    counts: [AtomicU64; TYPES],
    /// Something was counted that the reader has not seen.
    flag: AtomicBool,
}

/// The publisher's side.
#[derive(Debug)]
pub(super) struct LossWriter {
    shared: Arc<Shared>,
    types: [Option<&'static EventType>; TYPES],
    announcements: Producer<&'static EventType>,
}

/// The bus's side.
#[derive(Debug)]
pub(super) struct LossReader {
    shared: Arc<Shared>,
    announcements: Consumer<&'static EventType>,
    /// The types of the counters, as far as announced, and how much of each was told.
    told: Vec<(&'static EventType, u64)>,
}

pub(super) fn losses() -> Result<(LossWriter, LossReader), RingError> {
    let counts = core::array::from_fn(|_| AtomicU64::new(0));
    let shared = Arc::new(Shared { counts, flag: AtomicBool::new(false) });
    let (producer, consumer) = CircularBuffer::with_capacity(TYPES)?.split();
    let writer = LossWriter { shared: shared.clone(), types: [None; TYPES], announcements: producer };
    Ok((writer, LossReader { shared, announcements: consumer, told: Vec::with_capacity(TYPES) }))
}

impl LossWriter {
    /// Counts one lost event.
    #[cold]
    #[inline(never)]
    pub(super) fn count(&mut self, event_type: &'static EventType) {
        let own = self.types[..TYPES - 1].iter().position(|slot| slot.is_none_or(|of| of == event_type));
        let index = own.unwrap_or(TYPES - 1);
        if self.types[index].is_none() {
            let announced = if own.is_some() { event_type } else { OtherEvents::TYPE };
            self.types[index] = Some(announced);
            // There is a place for each counter.
            let _ = self.announcements.push(announced);
        }
        let count = &self.shared.counts[index];
        // Only this side stores, so that load and store are as good as one step.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        // Release: who sees the flag sees the count.
        self.shared.flag.store(true, Ordering::Release);
    }
}

impl LossReader {
    /// Tells what was lost since it was asked last.
    pub(super) fn tell(&mut self, mut to: impl FnMut(&'static EventType, u64)) {
        // The load comes first, as it is mostly false, and then no line is written.
        if !self.shared.flag.load(Ordering::Relaxed) || !self.shared.flag.swap(false, Ordering::Acquire) {
            return;
        }
        while let Some(event_type) = self.announcements.pop() {
            self.told.push((event_type, 0));
        }
        for ((event_type, told), count) in self.told.iter_mut().zip(&self.shared.counts) {
            let count = count.load(Ordering::Relaxed);
            if count > *told {
                to(event_type, count - *told);
                *told = count;
            }
        }
    }
}

#[cfg(all(test, not(pcmflow_loom)))]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_once_and_by_type_and_beyond_the_counters_together() {
        use crate::event::types::{DeadlineMissed, GapOpened};
        let (mut writer, mut reader) = losses().unwrap();
        let tell = |reader: &mut LossReader| {
            let mut told = Vec::new();
            reader.tell(|event_type, events| told.push((event_type.name(), events)));
            told
        };
        assert_eq!(tell(&mut reader), []);
        for event_type in [GapOpened::TYPE, DeadlineMissed::TYPE, GapOpened::TYPE] {
            writer.count(event_type);
        }
        assert_eq!(tell(&mut reader), [("GapOpened", 2), ("DeadlineMissed", 1)]);
        assert_eq!(tell(&mut reader), []);
        // As if so many types had lost something that only one counter is left.
        for slot in writer.types.iter_mut().take(TYPES - 1).skip(2) {
            *slot = Some(GapOpened::TYPE);
        }
        writer.types[0] = Some(DeadlineMissed::TYPE);
        writer.types[1] = Some(DeadlineMissed::TYPE);
        crate::events! { struct Late: Normal {} struct Later: High {} }
        for event_type in [Late::TYPE, Later::TYPE, Late::TYPE] {
            writer.count(event_type);
        }
        assert_eq!(writer.types[TYPES - 1].map(EventType::name), Some("OtherEvents"));
        assert_eq!(writer.shared.counts[TYPES - 1].load(Ordering::Relaxed), 3);
    }
}
