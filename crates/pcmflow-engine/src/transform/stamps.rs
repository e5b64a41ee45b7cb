//! When the frames that are still inside arrived.

use pcmflow_core::format::StreamPosition;

/// Arrivals that are remembered one by one.
const STAMPS: usize = 32;

/// When one chunk's frames arrived: oldest and newest; and where it ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stamp {
    pub(super) end: StreamPosition,
    pub(super) timestamp_ns: u64,
    pub(super) complete_ns: u64,
}

/// The arrivals of a stretch of the timeline, oldest first. When there are too many, the newest two become one, so that a
/// frame may seem to have arrived earlier than it did, never later than the frames before it.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    ring: [Stamp; STAMPS],
    first: usize,
    len: usize,
}

impl Stamps {
    fn at(&self, index: usize) -> Stamp {
        self.ring[(self.first + index) % STAMPS]
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    pub(super) fn push(&mut self, stamp: Stamp) {
        if self.len == STAMPS {
            let newest = &mut self.ring[(self.first + STAMPS - 1) % STAMPS];
            *newest = Stamp { timestamp_ns: newest.timestamp_ns, ..stamp };
            return;
        }
        self.ring[(self.first + self.len) % STAMPS] = stamp;
        self.len += 1;
    }

    /// When the frame at `start` arrived, and the last one before `end`. What ended before `start` is forgotten.
    pub(super) fn between(&mut self, start: StreamPosition, end: StreamPosition) -> (u64, u64) {
        while self.len > 1 && self.at(0).end <= start {
            self.first = (self.first + 1) % STAMPS;
            self.len -= 1;
        }
        let newest = (0..self.len).map(|index| self.at(index)).find(|stamp| stamp.end >= end);
        let newest = newest.unwrap_or(self.at(self.len.saturating_sub(1)));
        (self.at(0).timestamp_ns, newest.complete_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(end: u64) -> Stamp {
        Stamp { end: StreamPosition(end), timestamp_ns: end * 10, complete_ns: end * 10 + 5 }
    }

    #[test]
    fn each_end_of_a_stretch_has_its_own_time() {
        let mut stamps = Stamps::default();
        (1..=5).for_each(|n| stamps.push(stamp(n * 10)));
        assert_eq!(stamps.between(StreamPosition(0), StreamPosition(10)), (100, 105));
        assert_eq!(stamps.between(StreamPosition(10), StreamPosition(31)), (200, 405));
        assert_eq!(stamps.between(StreamPosition(31), StreamPosition(99)), (400, 505));
        assert_eq!(stamps.between(StreamPosition(99), StreamPosition(99)), (500, 505));
    }

    #[test]
    fn too_many_become_one() {
        let mut stamps = Stamps::default();
        (1..=100).for_each(|n| stamps.push(stamp(n)));
        assert_eq!(stamps.between(StreamPosition(30), StreamPosition(31)), (310, 315));
        assert_eq!(stamps.between(StreamPosition(50), StreamPosition(60)), (320, 1005));
        stamps.clear();
        stamps.push(stamp(7));
        assert_eq!(stamps.between(StreamPosition(0), StreamPosition(7)), (70, 75));
    }
}
