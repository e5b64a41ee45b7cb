//! What a tracker is told, and why it may refuse.

use pcmflow_core::block::WindowKind;
use pcmflow_core::format::SampleRate;

/// The lowest pitch that may be asked for: not quite two periods of it fill the window.
pub(crate) const HZ_MIN_ALLOWED: f32 = 26.0;
/// A period must be at least this many samples long for its length to be told from samples.
pub(crate) const PERIOD_SAMPLES_MIN: f32 = 4.0;
/// The reference pitches that are understood: from a tone below to a tone above the usual one.
const A4_HZ: core::ops::RangeInclusive<f32> = 390.0..=500.0;

/// Why a tracker could not be made.
///
/// Each variant is cured by another configuration; a retry with the same one fails again.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PitchError {
    /// The range is empty, not finite, or begins below what the window can tell.
    #[error("a pitch range of {hz_min} to {hz_max} Hz: it must rise, begin at 26 Hz or more, and be finite")]
    Range {
        /// The lower end that was asked for.
        hz_min: f32,
        /// The upper end that was asked for.
        hz_max: f32,
    },
    /// The stream's rate is too low for even the lowest pitch asked for (it must be over four times that).
    #[error(
        "at {rate} pitches up to {limit_hz} Hz can be told, but the range begins at {hz_min} Hz: lower hz_min or raise the rate"
    )]
    Rate {
        /// The stream's rate.
        rate: SampleRate,
        /// The highest pitch that can be told at that rate.
        limit_hz: f32,
        /// The lower end of the range that was asked for.
        hz_min: f32,
    },
    /// The reference pitch is outside 390 to 500 Hz.
    #[error("a reference of {a4_hz} Hz for A4 is outside 390 to 500 Hz")]
    Reference {
        /// The reference that was asked for.
        a4_hz: f32,
    },
}

/// What a tracker is told when it is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PitchConfig {
    /// The rate of the stream.
    pub rate: SampleRate,
    /// The window of the denoised autocorrelation.
    pub window: WindowKind,
    /// The lowest pitch looked for, 26 Hz or more.
    pub hz_min: f32,
    /// The highest pitch looked for; a quarter of the rate where that is lower.
    pub hz_max: f32,
    /// What A4 is tuned to, for naming notes.
    pub a4_hz: f32,
}

impl PitchConfig {
    /// The usual configuration: Hamming, 27.5 Hz (the piano's lowest A) to 4200 Hz (its highest C), A4 at 440 Hz.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn new(rate: SampleRate) -> Self {
        Self { rate, window: WindowKind::Hamming, hz_min: 27.5, hz_max: 4200.0, a4_hz: 440.0 }
    }

    /// The highest pitch that will be looked for.
    pub(crate) fn hz_max_effective(&self) -> f32 {
        self.hz_max.min(self.rate.hz() as f32 / PERIOD_SAMPLES_MIN)
    }

    /// Refuses what can't work.
    pub(crate) fn check(&self) -> Result<(), PitchError> {
        let Self { rate, hz_min, hz_max, a4_hz, .. } = *self;
        if !(hz_min >= HZ_MIN_ALLOWED && hz_max > hz_min && hz_max.is_finite()) {
            return Err(PitchError::Range { hz_min, hz_max });
        }
        let limit_hz = self.hz_max_effective();
        if limit_hz <= hz_min {
            return Err(PitchError::Rate { rate, limit_hz, hz_min });
        }
        if !A4_HZ.contains(&a4_hz) {
            return Err(PitchError::Reference { a4_hz });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_by_value() {
        let usual = PitchConfig::new(SampleRate::HZ_48000);
        assert_eq!(usual.check(), Ok(()));
        for (hz_min, hz_max) in
            [(25.9, 100.0), (100.0, 100.0), (f32::NAN, 100.0), (100.0, f32::NAN), (50.0, f32::INFINITY)]
        {
            let refused = PitchConfig { hz_min, hz_max, ..usual }.check();
            assert!(matches!(refused, Err(PitchError::Range { .. })), "{hz_min} {hz_max}");
        }
        for a4_hz in [0.0, 389.0, 501.0, f32::NAN] {
            let refused = PitchConfig { a4_hz, ..usual }.check();
            assert!(matches!(refused, Err(PitchError::Reference { .. })), "{a4_hz}");
        }
    }

    #[test]
    fn a_low_rate_narrows_the_range_until_nothing_is_left() {
        let at = |hz| SampleRate::new(hz).unwrap();
        assert_eq!(PitchConfig::new(at(8_000)).hz_max_effective(), 2_000.0);
        assert_eq!(PitchConfig::new(at(3_000)).check(), Ok(()));
        let piccolo = PitchConfig { hz_min: 800.0, ..PitchConfig::new(at(3_000)) };
        assert_eq!(
            piccolo.check(),
            Err(PitchError::Rate { rate: at(3_000), limit_hz: 750.0, hz_min: 800.0 })
        );
    }
}
