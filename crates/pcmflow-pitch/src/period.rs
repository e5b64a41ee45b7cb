//! From two correlations to one period.

use crate::peaks;

/// What a candidate pays for each octave it lies below the top of the range: without it every multiple of a period
/// is as good as the period.
const OCTAVE_COST: f32 = 0.03;
/// The same where only the denoised autocorrelation is asked.
const TOP_OCTAVE_COST: f32 = 0.05;
/// From this pitch on the denoised autocorrelation alone may decide …
const TOP_HZ: f32 = 1000.0;
/// … if it repeats at least so well.
const TOP_HEIGHT: f32 = 0.8;
/// With less than this share of the power above the floor the denoised autocorrelation has its say in proportion only: the
/// partials of the lowest notes lie so close that they pass for a floor, and what is left of them is chance.
const KEPT_ENOUGH: f32 = 0.01;
/// How well a sound must repeat to be voiced: lower calls more of a noisy room a note, higher loses more of the notes in it.
const CLARITY_VOICED: f32 = 0.8;

/// The period that was found, and how far to trust it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Evidence {
    /// The period in samples.
    pub(crate) lag: f32,
    /// 0 to 1; 0.5 is the threshold of voiced.
    pub(crate) confidence: f32,
}

/// Weighs the candidates.
#[derive(Debug)]
pub(crate) struct PeriodFinder {
    lag_min: f32,
    lag_max: f32,
    /// Periods shorter than this are at the top.
    lag_top: f32,
    /// The weighted mean of both correlations.
    m: Box<[f32]>,
}

impl PeriodFinder {
    /// A finder of periods of `hz_min` to `hz_max` in correlations of up to `lags` lags.
    pub(crate) fn new(rate_hz: f32, hz_min: f32, hz_max: f32, lags: usize) -> Self {
        Self {
            lag_min: rate_hz / hz_max,
            lag_max: rate_hz / hz_min,
            lag_top: rate_hz / TOP_HZ,
            m: vec![0.0; lags].into(),
        }
    }

    /// The best period by the normalised square difference `n` and the denoised autocorrelation `d` of one window; `kept`
    /// is the share of the power that `d` was made from.
    pub(crate) fn find(&mut self, n: &[f32], d: &[f32], kept: f32) -> Option<Evidence> {
        let weight = 0.5 * (kept / KEPT_ENOUGH).min(1.0);
        let m = &mut self.m[..n.len()];
        for (m, (n, d)) in m.iter_mut().zip(n.iter().zip(d)) {
            *m = (1.0 - weight) * n + weight * d;
        }
        let best = |of: &[f32], cost| peaks::best(of, self.lag_min, self.lag_max, cost);
        // A high note over rumble or a thump: `n` sees the sum, `d` the note. But where the sound has not swung even once by
        // then, the note is low and `d` has lost its partials.
        let swung = n.iter().position(|&n| n <= 0.0)?;
        let top = best(d, TOP_OCTAVE_COST)
            .filter(|top| top.lag <= self.lag_top && top.height >= TOP_HEIGHT && top.lag > swung as f32);
        let lag = top.or_else(|| best(m, OCTAVE_COST))?.lag;
        Some(Evidence { lag, confidence: confidence(clarity(n, d, kept, lag)) })
    }
}

/// How well the sound repeats after `lag`. What rises above the floor is judged by its own correlation, the rest by that of
/// all: under a note that stands out, noise only makes `n` sink, and `d` tells how it repeats; of noise alone next to
/// nothing stands out, and however well that little repeats by chance, it hardly counts.
fn clarity(n: &[f32], d: &[f32], kept: f32, lag: f32) -> f32 {
    let near = (lag.round() as usize).saturating_sub(1);
    let highest = |of: &[f32]| of.iter().skip(near).take(3).copied().fold(0.0, f32::max);
    kept * highest(d) + (1.0 - kept) * highest(n)
}

/// From clarity to confidence: 0 stays 0, 1 stays 1, the threshold becomes one half.
fn confidence(clarity: f32) -> f32 {
    if clarity < CLARITY_VOICED {
        0.5 * clarity / CLARITY_VOICED
    } else {
        0.5 + 0.5 * (clarity - CLARITY_VOICED) / (1.0 - CLARITY_VOICED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: f32 = 48_000.0;
    const LAGS: usize = 1_700;

    fn find(n: impl Fn(f32) -> f32, d: impl Fn(f32) -> f32) -> Option<Evidence> {
        find_kept(n, d, 0.9)
    }

    fn find_kept(n: impl Fn(f32) -> f32, d: impl Fn(f32) -> f32, kept: f32) -> Option<Evidence> {
        let table = |of: &dyn Fn(f32) -> f32| (0..LAGS).map(|lag| of(lag as f32)).collect::<Vec<f32>>();
        PeriodFinder::new(RATE_HZ, 27.5, 4200.0, LAGS).find(&table(&n), &table(&d), kept)
    }

    fn tone(hz: f32, height: f32) -> impl Fn(f32) -> f32 {
        move |lag| height * (core::f32::consts::TAU * lag * hz / RATE_HZ).cos()
    }

    #[test]
    fn the_period_is_taken_rather_than_its_multiples() {
        let found = find(tone(220.0, 1.0), tone(220.0, 1.0)).unwrap();
        assert!((RATE_HZ / found.lag - 220.0).abs() < 0.1, "{found:?}");
        assert!(found.confidence > 0.95);
    }

    #[test]
    fn a_high_note_over_a_thump_is_heard_by_the_denoised_correlation() {
        // The thump swings at 200 Hz and holds half of the power; only the note rises above the floor.
        let sum = |lag| tone(200.0, 0.5)(lag) + tone(2000.0, 0.5)(lag);
        let found = find(sum, tone(2000.0, 0.95)).unwrap();
        assert!((RATE_HZ / found.lag - 2000.0).abs() < 5.0, "{found:?}");
    }

    #[test]
    fn what_is_left_of_a_low_note_does_not_pass_for_a_high_one() {
        // The floor swallowed all partials of a 110 Hz tone but one.
        let found = find(tone(110.0, 1.0), tone(1210.0, 0.95)).unwrap();
        assert!((RATE_HZ / found.lag - 110.0).abs() < 1.0, "{found:?}");
        // Of a lower one next to nothing rose above it.
        let found = find_kept(tone(40.0, 1.0), tone(1200.0, 0.95), 1e-4).unwrap();
        assert!((RATE_HZ / found.lag - 40.0).abs() < 1.0, "{found:?}");
    }

    #[test]
    fn what_stands_out_is_trusted_by_its_own_repetition_and_chance_by_how_little_it_is() {
        // A note as strong as the noise round it: `n` sinks to the note's share.
        let note = find_kept(tone(440.0, 0.5), tone(440.0, 0.98), 0.7).unwrap();
        assert!(note.confidence > 0.5, "{note:?}");
        // Noise: the few bins above the floor repeat just as well.
        let noise = find_kept(tone(440.0, 0.5), tone(440.0, 0.98), 0.02).unwrap();
        assert!(noise.confidence < 0.4, "{noise:?}");
    }

    #[test]
    fn confidence_turns_at_the_threshold_and_keeps_the_ends() {
        assert_eq!((confidence(0.0), confidence(CLARITY_VOICED), confidence(1.0)), (0.0, 0.5, 1.0));
        assert!(find(tone(300.0, 0.75), tone(300.0, 0.75)).unwrap().confidence < 0.5);
        assert!(find(|_| 0.5, |_| 0.5).is_none(), "what never swings has no period");
    }
}
