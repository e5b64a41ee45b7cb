//! What the tracker hears, on signals whose pitch is known because they were made from it.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use pcmflow_core::format::{ChannelCount, Frames, Interleaved, SampleRate, StreamPosition};
use pcmflow_pitch::{PitchConfig, PitchEstimate, PitchTracker};
use proptest::prelude::*;
use std::f64::consts::TAU;

fn tracker(rate_hz: u32) -> PitchTracker {
    PitchTracker::new(PitchConfig::new(SampleRate::new(rate_hz).unwrap())).unwrap()
}

/// Feeds `samples` from `position` on in blocks of `len` frames.
fn feed(
    tracker: &mut PitchTracker,
    mut position: StreamPosition,
    samples: &[f32],
    len: usize,
) -> Vec<PitchEstimate> {
    let mut estimates = Vec::new();
    for block in samples.chunks(len) {
        let block = Interleaved::new(block, ChannelCount::MONO).unwrap();
        estimates.push(tracker.block(position, block).unwrap());
        position += block.frames();
    }
    estimates
}

fn track(rate_hz: u32, samples: &[f32]) -> Vec<PitchEstimate> {
    let mut tracker = tracker(rate_hz);
    let mut estimates = feed(&mut tracker, StreamPosition::START, samples, 1024.min(rate_hz as usize / 40));
    estimates.extend(tracker.finish());
    estimates
}

/// `seconds` of partials of `hz(t)`, each with its amplitude; none above 0.45 of the rate.
fn harmonic(rate_hz: u32, seconds: f64, hz: impl Fn(f64) -> f64, partials: &[f64]) -> Vec<f32> {
    let mut phase = 0.0;
    let frames = (seconds * f64::from(rate_hz)) as usize;
    let sample = |n: usize| {
        let hz = hz(n as f64 / f64::from(rate_hz));
        phase += TAU * hz / f64::from(rate_hz);
        let audible =
            partials.iter().zip(1..).filter(|(_, k)| hz * f64::from(*k) < 0.45 * f64::from(rate_hz));
        // Phases spread as the square of the partial's number, so that the peaks do not coincide.
        audible.map(|(amplitude, k)| amplitude * (phase * f64::from(k) + f64::from(k * k)).sin()).sum::<f64>()
            as f32
            * 0.2
    };
    (0..frames).map(sample).collect()
}

/// Uniform white noise from −1 to 1, the same every time.
fn noise(frames: usize) -> impl Iterator<Item = f32> {
    let mut state = 1u64;
    (0..frames).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    })
}

fn cents(hz: f32, truth: f64) -> f64 {
    1200.0 * (f64::from(hz) / truth).log2()
}

/// Asserts that nearly every estimate from 60 ms after the start to 60 ms before the end is within `within` cents.
fn assert_follows(what: &str, rate_hz: u32, samples: &[f32], truth: impl Fn(f64) -> f64, within: f64) {
    let seconds = samples.len() as f64 / f64::from(rate_hz);
    let rate = SampleRate::new(rate_hz).unwrap();
    let inside: Vec<PitchEstimate> = track(rate_hz, samples)
        .into_iter()
        .filter(|estimate| (0.06..seconds - 0.06).contains(&estimate.position.secs(rate)))
        .collect();
    let right = |e: &&PitchEstimate| {
        let truth = truth(e.position.secs(rate));
        // Of the lowest octave hardly two periods are in the window: heard, but with little confidence.
        (e.voiced || truth < 50.0) && e.hz.is_some_and(|hz| cents(hz, truth).abs() <= within)
    };
    let hits = inside.iter().filter(right).count();
    assert!(inside.len() >= 5, "{what}: {} estimates", inside.len());
    assert!(hits * 20 >= inside.len() * 19, "{what}: {hits} of {} right, as {:?}", inside.len(), inside[2]);
}

const SPECTRA: [(&str, &[f64]); 6] = [
    ("sine", &[1.0]),
    ("flute", &[1.0, 0.4, 0.15, 0.05]),
    ("string", &[1.0, 0.5, 0.33, 0.25, 0.2, 0.17, 0.14, 0.12, 0.11, 0.1]),
    ("reed without even partials", &[1.0, 0.0, 0.5, 0.0, 0.3, 0.0, 0.2]),
    ("weak fundamental", &[0.05, 0.5, 1.0, 0.8, 0.5, 0.3]),
    ("no fundamental", &[0.0, 0.0, 1.0, 1.0, 0.8, 0.6]),
];

#[test]
fn steady_tones_of_many_spectra_over_the_range() {
    for (name, partials) in SPECTRA {
        // What is left of a tone without its fundamental is a tone of its own at the top.
        let top = if partials[0] < 0.1 { 1000.0 } else { 4200.0 };
        let mut hz = 31.0;
        while hz < top {
            let samples = harmonic(44_100, 0.4, |_| hz, partials);
            assert_follows(
                &format!("{name} at {hz:.1} Hz"),
                44_100,
                &samples,
                |_| hz,
                if hz < 50.0 { 40.0 } else { 10.0 },
            );
            hz *= 1.31;
        }
    }
}

#[test]
fn every_rate() {
    for rate_hz in
        [3_000, 8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 768_000]
    {
        let (low, high) = tracker(rate_hz).range_hz();
        for hz in [55.0, 220.0, 440.0, 1500.0, 3900.0] {
            if hz > f64::from(low) && hz < f64::from(high) * 0.9 {
                let samples = harmonic(rate_hz, 0.3, |_| hz, &[1.0, 0.5, 0.3]);
                assert_follows(&format!("{hz} Hz at {rate_hz}"), rate_hz, &samples, |_| hz, 20.0);
            }
        }
    }
}

#[test]
fn vibrato_and_glides_are_followed() {
    let vibrato = |t: f64| 440.0 * (0.6 / 12.0 * (TAU * 5.5 * t).sin()).exp2();
    assert_follows("vibrato", 44_100, &harmonic(44_100, 1.5, vibrato, SPECTRA[2].1), vibrato, 45.0);
    let glide = |t: f64| 110.0 * (t * 1.5).exp2();
    assert_follows("glide", 48_000, &harmonic(48_000, 2.0, glide, SPECTRA[2].1), glide, 30.0);
}

/// Plucked strings after K. Karplus and A. Strong (1983), fractional delay by an all-pass (D. Jaffe and J. Smith, 1983).
fn pluck(rate_hz: u32, hz: f64, seconds: f64) -> Vec<f32> {
    let period = f64::from(rate_hz) / hz - 0.5;
    let whole = period.floor() - if period.fract() < 0.2 { 1.0 } else { 0.0 };
    let part = period - whole;
    let (coefficient, loss) = ((1.0 - part) / (1.0 + part), 0.5 * 10f64.powf(-3.0 / (hz * 2.0)));
    let mut line: Vec<f64> = noise(whole as usize).map(f64::from).collect();
    let (mut before, mut x, mut y) = (0.0, 0.0, 0.0);
    (0..(seconds * f64::from(rate_hz)) as usize)
        .map(|n| {
            let at = n % line.len();
            let sample = line[at];
            let mean = loss * (sample + before);
            before = sample;
            y = coefficient * (mean - y) + x;
            x = mean;
            line[at] = y;
            sample as f32 * 0.3
        })
        .collect()
}

#[test]
fn a_plucked_melody_shows_detuning_by_30_cents() {
    let semitones = [0, 4, 7, 12, 9, 5, 2, 16, 11, -5];
    for detune in [-30.0, 0.0, 30.0] {
        let rate = SampleRate::HZ_44100;
        let mut tracker = tracker(rate.hz());
        let mut position = StreamPosition::START;
        for semitone in semitones {
            let hz = 220.0 * ((f64::from(semitone) + detune / 100.0) / 12.0).exp2();
            let samples = pluck(rate.hz(), hz, 0.35);
            let (from, to) = (position.secs(rate) + 0.05, position.secs(rate) + 0.3);
            let heard: Vec<PitchEstimate> = feed(&mut tracker, position, &samples, 1024)
                .into_iter()
                .filter(|e| (from..to).contains(&e.position.secs(rate)))
                .collect();
            position += Frames(samples.len() as u64);
            let right =
                heard.iter().filter(|e| e.voiced && (f64::from(e.cents) - detune).abs() < 8.0).count();
            assert!(right * 10 >= heard.len() * 8, "{hz:.1} Hz: {right} of {}: {heard:?}", heard.len());
        }
    }
}

#[test]
fn silence_and_noise_are_no_notes() {
    let rate_hz = 44_100;
    let silence = vec![0.0; 44_100];
    let offset = vec![0.25; 44_100];
    let whisper: Vec<f32> = noise(44_100).map(|x| x * 1e-3).collect();
    let loud: Vec<f32> = noise(44_100).collect();
    // A tone below hearing, in a silence otherwise digital.
    let faint: Vec<f32> = harmonic(rate_hz, 1.0, |_| 440.0, &[1e-4]);
    for (name, samples) in
        [("silence", silence), ("offset", offset), ("whisper", whisper), ("noise", loud), ("faint", faint)]
    {
        let estimates = track(rate_hz, &samples);
        assert!(
            estimates.iter().skip(3).all(|e| !e.voiced),
            "{name}: {:?}",
            estimates.iter().find(|e| e.voiced)
        );
    }
}

#[test]
fn the_end_of_a_high_note_is_still_a_note() {
    // From -38 dBFS down to -83 at 45 dB a second, as on a quiet recording of a piano.
    let mut samples = harmonic(44_100, 1.0, |_| 2093.0, &[0.09]);
    for (n, sample) in samples.iter_mut().enumerate() {
        *sample *= 10f32.powf(-45.0 / 20.0 * n as f32 / 44_100.0);
    }
    assert_follows("a dying C7", 44_100, &samples, |_| 2093.0, 5.0);
}

#[test]
fn a_tone_3_db_over_white_noise_is_voiced() {
    for hz in [196.0, 440.0, 1200.0, 2600.0] {
        // A third of the power is noise: the sum repeats to two thirds only.
        let mut samples = harmonic(44_100, 1.0, |_| hz, &[1.0]);
        let power = samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32;
        let gain = (power / 2.0 * 3.0).sqrt();
        for (sample, noise) in samples.iter_mut().zip(noise(44_100)) {
            *sample += gain * noise;
        }
        assert_follows(&format!("{hz} Hz in loud noise"), 44_100, &samples, |_| hz, 50.0);
    }
}

#[test]
fn a_tone_20_db_over_white_noise_is_heard() {
    for hz in [82.4, 196.0, 440.0, 1200.0, 2600.0] {
        let mut samples = harmonic(44_100, 1.0, |_| hz, SPECTRA[2].1);
        let power = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
        let gain = (power(&samples) / 100.0 * 3.0).sqrt();
        for (sample, noise) in samples.iter_mut().zip(noise(44_100)) {
            *sample += gain * noise;
        }
        assert_follows(&format!("{hz} Hz in noise"), 44_100, &samples, |_| hz, 25.0);
    }
}

#[test]
fn nothing_ahead_is_heard() {
    let glide = |t: f64| 200.0 * (t * 2.0).exp2();
    let whole = harmonic(44_100, 1.0, glide, SPECTRA[2].1);
    let all = track(44_100, &whole);
    for cut in [5_000, 20_480, 30_001] {
        let mut tracker = tracker(44_100);
        let mut heard = feed(&mut tracker, StreamPosition::START, &whole[..cut], 1024);
        // The last block is shorter than that of the whole stream.
        heard.truncate(cut / 1024);
        assert_eq!(heard, all[..heard.len()], "cut at {cut}");
    }
}

#[test]
fn a_step_is_heard_where_it_is() {
    let rate = SampleRate::HZ_44100;
    let heard_at = |before: f64, after: f64| {
        let samples =
            harmonic(rate.hz(), 1.0, |t| if t < 0.5 { before } else { after }, &[1.0, 0.5, 0.3, 0.2]);
        let heard = feed(&mut tracker(rate.hz()), StreamPosition::START, &samples, 256);
        let is_after =
            |e: &PitchEstimate| e.hz.is_some_and(|hz| cents(hz, after).abs() < cents(hz, before).abs());
        let last_before = heard.iter().rposition(|e| !is_after(e)).unwrap();
        heard[last_before].position.secs(rate)
    };
    for (low, high) in [(207.0, 311.0), (375.0, 510.0), (1000.0, 1370.0)] {
        // Of two pitches in one window the same one wins, so that a step up is heard as much too late as one down too early.
        let (up, down) = (heard_at(low, high), heard_at(high, low));
        assert!((0.5 * (up + down) - 0.5).abs() < 0.01, "{low} and {high} Hz: {up:.3} s and {down:.3} s");
    }
}

#[test]
fn the_end_is_heard_only_in_windows_that_hold_its_pitch() {
    for hz in [45.0, 62.0, 110.0, 440.0] {
        let samples = harmonic(44_100, 0.5, |_| hz, SPECTRA[2].1);
        let mut tracker = tracker(44_100);
        feed(&mut tracker, StreamPosition::START, &samples, 1024);
        let tail: Vec<PitchEstimate> = tracker.finish().collect();
        assert!(
            tail.iter().all(|e| e.hz.is_some_and(|hz_| cents(hz_, hz).abs() < 50.0)),
            "{hz} Hz: {tail:?}"
        );
        assert_eq!(tail.is_empty(), hz < 60.0, "{hz} Hz: {tail:?}");
    }
}

#[test]
fn nothing_before_a_gap_is_heard_after_it() {
    let (before, after) =
        (harmonic(44_100, 0.5, |_| 300.0, &[1.0]), harmonic(44_100, 0.5, |_| 523.0, &[1.0, 0.5]));
    let start = StreamPosition(before.len() as u64 + 1);
    let mut with_gap = tracker(44_100);
    feed(&mut with_gap, StreamPosition::START, &before, 1024);
    let heard = feed(&mut with_gap, start, &after, 1024);
    assert_eq!(heard, feed(&mut tracker(44_100), start, &after, 1024));
    assert!(heard.iter().all(|e| e.position >= start));
    // Without a gap the past counts: the check above could fail.
    let mut without = tracker(44_100);
    feed(&mut without, StreamPosition::START, &before, 1024);
    assert_ne!(feed(&mut without, StreamPosition(before.len() as u64), &after, 1024)[0], heard[0]);
}

#[test]
fn positions_rise_to_the_window_s_centre_and_the_end_is_heard_too() {
    let samples = harmonic(48_000, 0.5, |_| 440.0, &[1.0]);
    let mut tracker = tracker(48_000);
    let mut estimates = feed(&mut tracker, StreamPosition::START, &samples, 1024);
    let delay = tracker.delay_frames();
    assert!((0.03..0.038).contains(&SampleRate::HZ_48000.frames_to_secs(delay)));
    let last = estimates.last().unwrap();
    assert_eq!(last.position + delay, StreamPosition(samples.len() as u64));
    let tail: Vec<PitchEstimate> = tracker.finish().collect();
    assert!(!tail.is_empty() && tail.iter().all(|e| e.voiced), "{tail:?}");
    estimates.extend(tail);
    assert!(estimates.windows(2).all(|pair| pair[0].position < pair[1].position));
    assert_eq!(tracker.finish().count(), 0, "the stream has ended");
    let block = Interleaved::new(&[], ChannelCount::MONO).unwrap();
    assert_eq!(tracker.block(StreamPosition::START, block), None);
    // The middle of one frame is that frame.
    let block = Interleaved::new(&[0.5], ChannelCount::MONO).unwrap();
    assert_eq!(tracker.block(StreamPosition(7), block).unwrap().position, StreamPosition(7));
}

#[test]
fn absurd_samples_do_no_lasting_harm() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, f32::MIN_POSITIVE / 2.0] {
        let mut samples = harmonic(44_100, 1.0, |_| 440.0, SPECTRA[1].1);
        samples[2_000..2_100].fill(bad);
        samples[9_000] = bad;
        let estimates = track(44_100, &samples);
        assert!(
            estimates.iter().all(|e| e.confidence.is_finite() && e.hz.is_none_or(f32::is_finite)),
            "{bad}"
        );
        let late = estimates.iter().filter(|e| e.position.0 > 22_050).collect::<Vec<_>>();
        assert!(late.iter().all(|e| e.voiced && cents(e.hz.unwrap(), 440.0).abs() < 2.0), "{bad}: {late:?}");
    }
}

#[test]
fn equal_channels_change_nothing() {
    let mono = harmonic(44_100, 0.4, |_| 330.0, SPECTRA[2].1);
    let alone = feed(&mut tracker(44_100), StreamPosition::START, &mono, 1024);
    for channels in [2u32, 3, 7, 64] {
        let woven: Vec<f32> = mono.iter().flat_map(|&x| std::iter::repeat_n(x, channels as usize)).collect();
        let mut tracker = tracker(44_100);
        let mut position = StreamPosition::START;
        let mut estimates = Vec::new();
        for block in woven.chunks(1024 * channels as usize) {
            let block = Interleaved::new(block, ChannelCount::new(channels).unwrap()).unwrap();
            estimates.extend(tracker.block(position, block));
            position += block.frames();
        }
        assert_eq!(estimates, alone, "{channels} channels");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_samples_in_any_blocks_give_sane_estimates(
        rate_hz in 1_000u32..200_000,
        blocks in proptest::collection::vec((0usize..3000, any::<u8>(), any::<f32>()), 1..12),
    ) {
        let mut tracker = tracker(rate_hz);
        let (low, high) = tracker.range_hz();
        let mut position = StreamPosition(u64::MAX / 2);
        for (len, skip, x) in blocks {
            // Noise or a tone.
            let step = f32::from(skip) / 300.0;
            let tone = (0..len).map(|n| (n as f32 * step).sin());
            let samples: Vec<f32> =
                noise(len).zip(tone).map(|(noise, tone)| x * if skip % 2 == 0 { noise } else { tone }).collect();
            let block = Interleaved::new(&samples, ChannelCount::MONO).unwrap();
            position += Frames(u64::from(skip / 128) * 7);
            if let Some(e) = tracker.block(position, block) {
                prop_assert!((0.0..=1.0).contains(&e.confidence));
                prop_assert!(e.hz.is_none_or(|hz| hz >= low * 0.999 && hz <= high * 1.001));
                prop_assert!(e.position < position + block.frames());
                prop_assert_eq!(e.voiced, e.confidence >= 0.5);
            }
            position += block.frames();
        }
        prop_assert!(tracker.finish().count() < 4);
    }
}
