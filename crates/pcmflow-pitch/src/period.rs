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
/// How well a sound must repeat to be voiced.
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
    /// The mean of both correlations.
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

    /// The best period by the normalised square difference `n` and the denoised autocorrelation `d` of one window.
    pub(crate) fn find(&mut self, n: &[f32], d: &[f32]) -> Option<Evidence> {
        let m = &mut self.m[..n.len()];
        for (m, (n, d)) in m.iter_mut().zip(n.iter().zip(d)) {
            *m = 0.5 * (n + d);
        }
        let best = |of: &[f32], cost| peaks::best(of, self.lag_min, self.lag_max, cost);
        // A high note over rumble or a thump: `n` sees the sum, `d` the note. But where the sound has not swung even once by
        // then, the note is low and `d` has lost its partials.
        let swung = n.iter().position(|&n| n <= 0.0)?;
        let top = best(d, TOP_OCTAVE_COST)
            .filter(|top| top.lag <= self.lag_top && top.height >= TOP_HEIGHT && top.lag > swung as f32);
        let lag = top.or_else(|| best(m, OCTAVE_COST))?.lag;
        let near = (lag.round() as usize).saturating_sub(1);
        let clarity = n.iter().skip(near).take(3).copied().fold(0.0, f32::max);
        Some(Evidence { lag, confidence: confidence(clarity) })
    }
}

/// From clarity to confidence: 0 stays 0, 1 stays 1, the threshold becomes one half.
fn confidence(clarity: f32) -> f32 {
    if clarity < CLARITY_VOICED {
        0.5 * clarity / CLARITY_VOICED
    } else {
        0.5 + 0.5 * (clarity - CLARITY_VOICED) / (1.0 - CLARITY_VOICED)
    }
}
