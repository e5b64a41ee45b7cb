//! Random numbers that are the same everywhere.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; the constants of
/// Vigna's public-domain version). Small, seeded by any number, good enough for noise and tunes, not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(pub(crate) u64);

impl SplitMix64 {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in −1.0..1.0, 24 bits of it.
    pub(crate) fn bipolar(&mut self) -> f32 {
        ((self.next() >> 40) as f32 - 8_388_608.0) / 8_388_608.0
    }

    /// Uniform in `0..count`; the bias of the modulus is far below what a tune could show.
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        self.next() % count.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence() {
        // The first outputs for seed 1234567, as published with the reference implementation's ports.
        let mut random = SplitMix64(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn uniform_numbers_stay_in_range_and_fill_it() {
        let mut random = SplitMix64(1);
        let samples: Vec<f32> = (0..100_000).map(|_| random.bipolar()).collect();
        assert!(samples.iter().all(|s| (-1.0..1.0).contains(s)));
        assert!(samples.iter().any(|s| *s > 0.99) && samples.iter().any(|s| *s < -0.99));
        assert!(samples.iter().map(|&s| f64::from(s)).sum::<f64>().abs() / 100_000.0 < 0.008);
        assert_eq!(random.below(0), 0);
    }
}
