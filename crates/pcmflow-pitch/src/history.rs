//! The last window of a stream as the analysis wants it: mono, finite, without rumble, at a moderate rate.

use pcmflow_core::format::{Interleaved, SampleRate};

/// Streams of twice this rate and more are decimated, so that the cost of a window stays bounded.
const ANALYSIS_RATE_HZ: u32 = 44_100;
/// The corner of the high-pass: under the lowest pitch, above most rumble and every offset.
const HIGH_PASS_HZ: f64 = 20.0;
/// Louder samples are clipped: 36 dB over full scale leaves room for odd gains, and what rings after one absurd
/// sample dies away within a tenth of a second.
const SAMPLE_MAX: f32 = 64.0;
/// Taps of the decimating filter per frame of the decimated stream: about 80 dB at its folding frequency.
const TAPS_PER_FRAME: usize = 24;

/// A decimating filter and a ring of the frames it made.
#[derive(Debug)]
pub(crate) struct History {
    /// Frames of the stream per frame kept.
    decimation: usize,
    /// The decimating low-pass; empty without decimation.
    taps: Box<[f32]>,
    /// The last `taps.len()` filtered frames at the stream's rate, oldest at `delay_at`.
    delay: Box<[f32]>,
    delay_at: usize,
    /// Frames until the next one is kept, 1 to `decimation`.
    until_kept: usize,
    high_pass: HighPass,
    /// A ring of the frames kept, oldest at `at` once it is full.
    ring: Box<[f32]>,
    at: usize,
    /// How many frames in the ring belong to the present segment.
    filled: usize,
}

impl History {
    /// A history of `window_ms` of a stream at `rate`.
    pub(crate) fn new(rate: SampleRate, window_ms: f64) -> Self {
        let decimation = (rate.hz() / ANALYSIS_RATE_HZ).max(1) as usize;
        let taps = if decimation == 1 { Box::default() } else { low_pass(decimation) };
        let window = (f64::from(rate.hz()) / decimation as f64 * window_ms / 1000.0).round() as usize;
        Self {
            decimation,
            delay: vec![0.0; taps.len()].into(),
            taps,
            delay_at: 0,
            until_kept: decimation,
            high_pass: HighPass::new(rate),
            ring: vec![0.0; window].into(),
            at: 0,
            filled: 0,
        }
    }

    /// Frames of the stream per frame kept.
    pub(crate) fn decimation(&self) -> usize {
        self.decimation
    }

    /// How late the frames kept are, in frames of the stream.
    pub(crate) fn filter_delay_frames(&self) -> usize {
        self.taps.len() / 2
    }

    /// How many frames are kept at most.
    pub(crate) fn capacity(&self) -> usize {
        self.ring.len()
    }

    /// How many frames of the present segment are kept.
    pub(crate) fn len(&self) -> usize {
        self.filled
    }

    /// Forgets everything: what follows is another segment.
    pub(crate) fn clear(&mut self) {
        self.delay.fill(0.0);
        self.until_kept = self.decimation;
        self.high_pass.clear();
        self.filled = 0;
    }

    /// Takes one block.
    pub(crate) fn push(&mut self, block: Interleaved<'_>) {
        let channels = block.channels().get();
        for frame in block.samples().chunks_exact(channels) {
            // In f64 the mean of equal channels is that channel to the bit, however many there are.
            let sum: f64 = frame.iter().map(|&sample| f64::from(tame(sample))).sum();
            let sample = self.high_pass.next((sum / channels as f64) as f32);
            if self.taps.is_empty() {
                self.keep(sample);
                continue;
            }
            self.delay[self.delay_at] = sample;
            self.delay_at = (self.delay_at + 1) % self.delay.len();
            self.until_kept -= 1;
            if self.until_kept == 0 {
                self.until_kept = self.decimation;
                let (newer, older) = self.delay.split_at(self.delay_at);
                let kept = dot(older, &self.taps[..older.len()]) + dot(newer, &self.taps[older.len()..]);
                self.keep(kept);
            }
        }
    }

    fn keep(&mut self, sample: f32) {
        self.ring[self.at] = sample;
        self.at = (self.at + 1) % self.ring.len();
        self.filled = (self.filled + 1).min(self.ring.len());
    }

    /// Copies the last frames kept to `out`, oldest first; `out` must not be longer than [`Self::len`].
    pub(crate) fn copy_last(&self, out: &mut [f32]) {
        let first = (self.at + self.ring.len() - out.len()) % self.ring.len();
        let until_end = (self.ring.len() - first).min(out.len());
        let (before, after) = out.split_at_mut(until_end);
        before.copy_from_slice(&self.ring[first..first + until_end]);
        after.copy_from_slice(&self.ring[..after.len()]);
    }
}

/// A sample that can be reckoned with.
fn tame(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-SAMPLE_MAX, SAMPLE_MAX) } else { 0.0 }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A windowed-sinc low-pass (Blackman), symmetric, of odd length and unit gain, whose stop band begins about at the
/// decimated stream's half rate.
fn low_pass(decimation: usize) -> Box<[f32]> {
    let half = (TAPS_PER_FRAME / 2 * decimation) as i32;
    // The cut-off lies half a transition below the folding frequency; Blackman's transition is 5.5 / length wide.
    let cut_off = (0.5 - 2.75 / TAPS_PER_FRAME as f64) / decimation as f64;
    let weight = |n: i32| {
        let phase = core::f64::consts::PI * f64::from(n) / f64::from(half + 1);
        let x = core::f64::consts::TAU * cut_off * f64::from(n);
        let sinc = if n == 0 { 1.0 } else { x.sin() / x };
        sinc * (0.42 + 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos())
    };
    let sum: f64 = (-half..=half).map(weight).sum();
    (-half..=half).map(|n| (weight(n) / sum) as f32).collect()
}

/// `y[n] = a (y[n−1] + x[n] − x[n−1])`: one pole, one zero at 0 Hz.
#[derive(Debug)]
struct HighPass {
    a: f64,
    x: f64,
    y: f64,
}

impl HighPass {
    fn new(rate: SampleRate) -> Self {
        let a = (-core::f64::consts::TAU * HIGH_PASS_HZ / f64::from(rate.hz())).exp();
        Self { a, x: 0.0, y: 0.0 }
    }

    fn clear(&mut self) {
        (self.x, self.y) = (0.0, 0.0);
    }

    fn next(&mut self, sample: f32) -> f32 {
        let x = f64::from(sample);
        // Below 1e-30 the tail is set to 0: f64 has no denormals there, but the f32 it is rounded to would.
        let y = self.a * (self.y + x - self.x);
        self.y = if y.abs() < 1e-30 { 0.0 } else { y };
        self.x = x;
        self.y as f32
    }
}
