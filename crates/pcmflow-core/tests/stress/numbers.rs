//! Samples that carry their own number, and the random choices.

/// The sample with the number `number`: 31 bits of it, never a NaN, so that two samples are equal when their bits are. A ring
/// or pool would have to hold 2^31 samples for an old one to pass for a new one.
pub(crate) fn sample(number: u64) -> f32 {
    let number = number as u32;
    f32::from_bits((number & 0x3FFF_FFFF) | ((number & 0x4000_0000) << 1))
}

pub(crate) fn fill(samples: &mut [f32], first: u64) {
    for (sample, number) in samples.iter_mut().zip(first..) {
        *sample = self::sample(number);
    }
}

/// Checks that `samples` carry the numbers from `first` on.
#[track_caller]
pub(crate) fn check(samples: &[f32], first: u64) {
    let mut differ = 0;
    for (found, number) in samples.iter().zip(first..) {
        differ |= found.to_bits() ^ sample(number).to_bits();
    }
    if differ != 0 {
        let mut pairs = samples.iter().zip(first..);
        let (found, number) =
            pairs.find(|(found, number)| found.to_bits() != sample(*number).to_bits()).unwrap();
        let bits = found.to_bits();
        let other = (bits & 0x3FFF_FFFF) | ((bits & 0x8000_0000) >> 1);
        panic!(
            "sample {number} ({} of {} from {first}) carries the number {other}",
            number - first,
            samples.len()
        );
    }
}

/// A small generator (Steele, Lea and Flood's SplitMix64).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `n` − 1.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// 1 to `n`, mostly small.
    pub(crate) fn size(&mut self, n: usize) -> usize {
        let most = if self.below(4) == 0 { n } else { n.min(8) };
        1 + self.below(most as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Another generator, for another thread.
    pub(crate) fn fork(&mut self) -> Random {
        Random(self.next())
    }

    /// Now and then lets another thread run, where it may hurt.
    pub(crate) fn stumble(&mut self) {
        if self.one_in(512) {
            std::thread::yield_now();
        }
    }
}
