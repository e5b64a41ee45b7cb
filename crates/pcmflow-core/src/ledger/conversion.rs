//! A node that gives other frames than it takes.

use crate::format::{Frames, SampleRate};

/// The books of a node that changes the rate: what it took must explain what it gave and holds.
///
/// ```
/// use pcmflow_core::format::{Frames, SampleRate};
/// use pcmflow_core::ledger::Conversion;
/// let (from, to) = (SampleRate::HZ_48000, SampleRate::new(16_000)?);
/// let books = Conversion { from, to, taken: Frames(3000), given: Frames(900), held: Frames(100) };
/// assert_eq!(books.imbalance(), Frames(0));
/// # Ok::<(), pcmflow_core::format::FormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion {
    /// The rate of what it takes.
    pub from: SampleRate,
    /// The rate of what it gives.
    pub to: SampleRate,
    /// Frames taken, at `from`.
    pub taken: Frames,
    /// Frames given, at `to`.
    pub given: Frames,
    /// Frames that are still inside, at `to`.
    pub held: Frames,
}

impl Conversion {
    /// Frames, at `to`, by which the two sides differ: 0 when `given + held` is `taken · to / from`, rounded to nearest.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn imbalance(&self) -> Frames {
        let (from, to) = (u128::from(self.from.hz()), u128::from(self.to.hz()));
        let due = (u128::from(self.taken.0) * to * 2 + from) / (from * 2);
        let told = u128::from(self.given.0) + u128::from(self.held.0);
        Frames(u64::try_from(due.abs_diff(told)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_frame_too_few_or_too_many_shows() {
        let rate = |hz| SampleRate::new(hz).unwrap();
        let books = |taken, given| Conversion {
            from: rate(44_100),
            to: rate(16_000),
            taken: Frames(taken),
            given: Frames(given),
            held: Frames(0),
        };
        assert_eq!(books(44_100, 16_000).imbalance(), Frames(0));
        assert_eq!(books(44_100, 15_999).imbalance(), Frames(1));
        assert_eq!(books(44_100, 16_002).imbalance(), Frames(2));
        // 1000 frames are 362.8: rounded up.
        assert_eq!(books(1000, 363).imbalance(), Frames(0));
    }
}
