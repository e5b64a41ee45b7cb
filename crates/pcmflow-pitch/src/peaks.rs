//! Which peak of a correlation is the period.

/// A peak of a correlation, between samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    /// Its place in samples.
    pub(crate) lag: f32,
    /// Its height, at most 1.
    pub(crate) height: f32,
}

/// The best peak of `m` between the lags `lag_min` and `lag_max`: the highest after `octave_cost` for each octave that its lag
/// lies above `lag_min`.
///
/// The hill round lag 0 is passed over: peaks count after the first lag where `m` is not positive.
pub(crate) fn best(m: &[f32], lag_min: f32, lag_max: f32, octave_cost: f32) -> Option<Peak> {
    let past_zero = m.iter().position(|&m| m <= 0.0)?;
    let mut best: Option<(f32, Peak)> = None;
    for at in past_zero.max(1)..m.len().saturating_sub(1) {
        if m[at] <= 0.0 || m[at] < m[at - 1] || m[at] <= m[at + 1] {
            continue;
        }
        let peak = between(m, at);
        if peak.lag < lag_min || peak.lag > lag_max {
            continue;
        }
        let score = peak.height - octave_cost * (peak.lag / lag_min).log2();
        if best.is_none_or(|(high, _)| score > high) {
            best = Some((score, peak));
        }
    }
    best.map(|(_, peak)| peak)
}

/// The top of the parabola through `at` and its neighbours.
pub(crate) fn between(m: &[f32], at: usize) -> Peak {
    let (before, here, after) = (m[at - 1], m[at], m[at + 1]);
    let bend = before - 2.0 * here + after;
    // Flat tops have no parabola; `at` is as good as any place then.
    let shift = if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 };
    Peak { lag: at as f32 + shift, height: (here - 0.25 * (before - after) * shift).min(1.0) }
}
