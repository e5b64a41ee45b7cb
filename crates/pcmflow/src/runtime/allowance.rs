//! How far a live source may run ahead of time.

/// How far a live source may run ahead of time: what comes at its own pace is never held up, even if its clock runs fast,
/// and a file that somebody pipes in is not poured into a full ring.
///
/// The generic cell rate algorithm (ITU-T I.371) with time as its currency.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    /// When the next quantum would be due if all had come at the highest rate that is allowed for long.
    next_ns: u64,
}

impl Allowance {
    /// Ahead of time by so much at the most: what devices and pipes deliver at once.
    const BURST_NS: u64 = 100_000_000;
    /// In the long run, a source may be faster than time by a twentieth.
    const FASTER: u64 = 20;

    /// When a quantum that lasts `lasts_ns` and is there now may be passed on.
    pub(super) fn due_ns(&mut self, now_ns: u64, lasts_ns: u64) -> u64 {
        let expected_ns = self.next_ns.max(now_ns);
        self.next_ns = expected_ns + lasts_ns - lasts_ns / (Self::FASTER + 1);
        expected_ns.saturating_sub(Self::BURST_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTUM_NS: u64 = 2_666_666;

    #[test]
    fn a_source_in_time_is_never_held_up() {
        let mut allowance = Allowance::default();
        // A clock that runs 4 % fast, and one delivery of 30 quanta at once.
        for quantum in 0..100_000u64 {
            let now_ns = quantum * QUANTUM_NS * 96 / 100;
            assert!(allowance.due_ns(now_ns, QUANTUM_NS) <= now_ns, "quantum {quantum}");
        }
        let now_ns = 100_000 * QUANTUM_NS;
        for _ in 0..30 {
            assert!(allowance.due_ns(now_ns, QUANTUM_NS) <= now_ns);
        }
    }

    #[test]
    fn a_file_that_is_poured_in_is_read_a_little_faster_than_time() {
        let mut allowance = Allowance::default();
        let mut now_ns = 0;
        for _ in 0..10_000 {
            now_ns = allowance.due_ns(now_ns, QUANTUM_NS).max(now_ns);
        }
        let stream_ns = 10_000 * QUANTUM_NS - Allowance::BURST_NS;
        let speed = stream_ns as f64 / now_ns as f64;
        assert!((1.04..=1.06).contains(&speed), "{speed}");
    }
}
