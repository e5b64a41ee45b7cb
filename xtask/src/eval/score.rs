//! How good estimates are.
//!
//! Each frame of truth takes the nearest estimate within 30 ms. Of the voiced frames:
//! `RPA50` have an estimate within 50 cents, whether it was called voiced or not; `RCA50` the same after folding octaves;
//! `octave` are those that only the folding saves; `gross` are off by more; `miss` have none. `VR` are called voiced
//! (confidence 0.5 or more); `VFA` is the share of unvoiced frames called voiced; `OA` is right in both. Shares are means over
//! files (`_micro`: over frames); cents are over the frames that count for `RPA50`.

use super::truth::Frame;

/// How far an estimate may lie from the frame it is taken for.
const NEAR_S: f64 = 0.03;
const HIT_CENTS: f64 = 50.0;
const VOICED: f64 = 0.5;

/// One estimate of the program: 0 Hz where it found none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) time_s: f64,
    pub(super) hz: f64,
    pub(super) confidence: f64,
}

/// What was counted in one recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counts {
    voiced: u64,
    unvoiced: u64,
    hit: u64,
    chroma: u64,
    octave: u64,
    gross: u64,
    miss: u64,
    voiced_called: u64,
    unvoiced_called: u64,
    overall: u64,
    cents: Vec<f64>,
}

/// Counts the frames of one recording; `estimates` are in the order of time.
pub(super) fn count(frames: &[Frame], estimates: &[Estimate]) -> Counts {
    let mut counts = Counts::default();
    for frame in frames {
        let estimate = nearest(estimates, frame.time_s);
        let called = estimate.is_some_and(|estimate| estimate.confidence >= VOICED && estimate.hz > 0.0);
        if frame.hz <= 0.0 {
            counts.unvoiced += 1;
            counts.unvoiced_called += u64::from(called);
            counts.overall += u64::from(!called);
            continue;
        }
        counts.voiced += 1;
        counts.voiced_called += u64::from(called);
        let Some(hz) = estimate.map(|estimate| estimate.hz).filter(|&hz| hz > 0.0) else {
            counts.miss += 1;
            continue;
        };
        let cents = 1200.0 * (hz / frame.hz).log2();
        let folded = cents - 1200.0 * (cents / 1200.0).round_ties_even();
        if cents.abs() <= HIT_CENTS {
            counts.hit += 1;
            counts.chroma += 1;
            counts.overall += u64::from(called);
            counts.cents.push(cents.abs());
        } else if folded.abs() <= HIT_CENTS {
            counts.chroma += 1;
            counts.octave += 1;
        } else {
            counts.gross += 1;
        }
    }
    counts
}

/// The two neighbours of `time_s` in `sorted`, or the outermost two where it lies outside; twice the same of one.
pub(super) fn around<T: Copy>(sorted: &[T], time_s: f64, time_of: impl Fn(&T) -> f64) -> Option<(T, T)> {
    let last = sorted.len().checked_sub(1)?;
    let after = sorted.partition_point(|item| time_of(item) < time_s).clamp(1, last.max(1));
    Some((sorted[after - 1], sorted[after.min(last)]))
}

fn nearest(estimates: &[Estimate], time_s: f64) -> Option<Estimate> {
    let (before, after) = around(estimates, time_s, |estimate| estimate.time_s)?;
    let distance = |estimate: &Estimate| (estimate.time_s - time_s).abs();
    let nearest = if distance(&before) <= distance(&after) { before } else { after };
    (distance(&nearest) <= NEAR_S).then_some(nearest)
}

/// One line of `key=value` over several recordings; empty where none has a voiced frame.
pub(super) fn summary(counts: &[&Counts]) -> String {
    let counts: Vec<&Counts> = counts.iter().copied().filter(|counts| counts.voiced > 0).collect();
    if counts.is_empty() {
        return String::new();
    }
    let files = counts.len();
    let sum = |of: fn(&Counts) -> u64| counts.iter().map(|counts| of(counts)).sum::<u64>();
    let share = |part: u64, whole: u64| part as f64 / whole as f64;
    let mean = |of: fn(&Counts) -> u64| {
        100.0 * counts.iter().map(|counts| share(of(counts), counts.voiced)).sum::<f64>() / files as f64
    };
    let overall =
        counts.iter().map(|counts| share(counts.overall, counts.voiced + counts.unvoiced)).sum::<f64>();
    let (voiced, unvoiced) = (sum(|c| c.voiced), sum(|c| c.unvoiced));
    let mut cents: Vec<f64> = counts.iter().flat_map(|counts| counts.cents.iter().copied()).collect();
    cents.sort_by(f64::total_cmp);
    let false_alarms = (unvoiced > 0).then(|| 100.0 * share(sum(|c| c.unvoiced_called), unvoiced));
    let rpa = || counts.iter().map(|counts| share(counts.hit, counts.voiced));
    let number = |number: Option<f64>| number.map_or("None".into(), |number| format!("{number:.1}"));
    format!(
        "files={files} frames={voiced} RPA50={:.1} RPA50_micro={:.1} RCA50={:.1} octave={:.1} gross={:.1} miss={:.1} VR={:.1} \
         VFA={} OA={:.1} med_cents={} p95_cents={} files_rpa_ge90={} worst_file_rpa={:.1}",
        mean(|c| c.hit),
        100.0 * share(sum(|c| c.hit), voiced),
        mean(|c| c.chroma),
        mean(|c| c.octave),
        mean(|c| c.gross),
        mean(|c| c.miss),
        mean(|c| c.voiced_called),
        number(false_alarms),
        100.0 * overall / files as f64,
        number(percentile(&cents, 50.0)),
        number(percentile(&cents, 95.0)),
        rpa().filter(|&rpa| rpa >= 0.9).count(),
        100.0 * rpa().fold(1.0, f64::min),
    )
}

/// The percentile of sorted values, on a straight line between the two it falls between.
pub(super) fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = last as f64 * percent / 100.0;
    let (low, part) = ((place as usize).min(last), place.fract());
    let high = (low + 1).min(last);
    Some(sorted[low] + (sorted[high] - sorted[low]) * part)
}

/// The band in which a recording's median pitch lies.
pub(super) fn band(frames: &[Frame]) -> &'static str {
    let mut voiced: Vec<f64> = frames.iter().map(|frame| frame.hz).filter(|&hz| hz > 0.0).collect();
    voiced.sort_by(f64::total_cmp);
    let Some(median) = percentile(&voiced, 50.0) else { return "?" };
    let bands = [
        (82.0, "a <82 Hz"),
        (165.0, "b 82-165"),
        (330.0, "c 165-330"),
        (660.0, "d 330-660"),
        (1320.0, "e 660-1320"),
    ];
    bands.iter().find(|(below, _)| median < *below).map_or("f >=1320 Hz", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(hz: &[f64]) -> Vec<Frame> {
        hz.iter().enumerate().map(|(n, &hz)| Frame { time_s: n as f64 / 10.0, hz }).collect()
    }

    fn estimates(of: &[(f64, f64, f64)]) -> Vec<Estimate> {
        of.iter().map(|&(time_s, hz, confidence)| Estimate { time_s, hz, confidence }).collect()
    }

    /// The numbers are those of the reference scorer for the same two files.
    #[test]
    fn a_small_case_counted_by_hand() {
        let truth = frames(&[100.0, 100.0, 100.0, 100.0, 0.0, 0.0]);
        // A hit 17.2 cents off, an octave called unvoiced, a gross error, a miss (40 ms away), a false alarm, and silence.
        let said = estimates(&[
            (0.0, 101.0, 0.9),
            (0.11, 200.0, 0.2),
            (0.2, 130.0, 0.6),
            (0.34, 100.0, 1.0),
            (0.4, 90.0, 0.5),
            (0.5, 0.0, 0.9),
        ]);
        let first = count(&truth, &said);
        let second = count(&frames(&[440.0, 440.0]), &estimates(&[(0.0, 440.0, 0.1), (0.1, 445.0, 1.0)]));
        assert_eq!(
            summary(&[&first]),
            "files=1 frames=4 RPA50=25.0 RPA50_micro=25.0 RCA50=50.0 octave=25.0 gross=25.0 miss=25.0 VR=50.0 VFA=50.0 \
             OA=33.3 med_cents=17.2 p95_cents=17.2 files_rpa_ge90=0 worst_file_rpa=25.0"
        );
        assert_eq!(
            summary(&[&first, &second]),
            "files=2 frames=6 RPA50=62.5 RPA50_micro=50.0 RCA50=75.0 octave=12.5 gross=12.5 miss=12.5 VR=50.0 VFA=50.0 \
             OA=41.7 med_cents=17.2 p95_cents=19.3 files_rpa_ge90=1 worst_file_rpa=25.0"
        );
    }

    #[test]
    fn nothing_said_is_all_missed_and_nothing_voiced_is_no_line() {
        let counts = count(&frames(&[100.0, 0.0]), &[]);
        assert_eq!((counts.miss, counts.overall), (1, 1));
        assert!(summary(&[&counts]).contains("miss=100.0 VR=0.0 VFA=0.0 OA=50.0 med_cents=None"));
        assert_eq!(summary(&[&count(&frames(&[0.0]), &[])]), "");
    }

    #[test]
    fn neighbours_and_percentiles_at_the_edges() {
        let times = [1.0, 2.0, 3.0];
        let of = |t| around(&times, t, |t| *t);
        assert_eq!(
            (of(0.0), of(2.0), of(2.5), of(9.0)),
            (Some((1.0, 2.0)), Some((1.0, 2.0)), Some((2.0, 3.0)), Some((2.0, 3.0)))
        );
        assert_eq!(around(&[5.0], 1.0, |t| *t), Some((5.0, 5.0)));
        assert_eq!(around(&[], 1.0, |t: &f64| *t), None);
        assert_eq!(
            (percentile(&times, 50.0), percentile(&times, 99.0), percentile(&[], 50.0)),
            (Some(2.0), Some(2.98), None)
        );
    }
}
