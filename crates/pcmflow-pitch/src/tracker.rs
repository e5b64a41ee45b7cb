//! The tracker: blocks in, estimates out.

use crate::correlate::Correlator;
use crate::history::History;
use crate::period::{Evidence, PeriodFinder};
use crate::{Note, PitchConfig, PitchError, PitchEstimate};
use pcmflow_core::format::{Frames, Interleaved, StreamPosition};

/// The length of the window: nearly two periods of the lowest pitch, and half of it is the delay.
const WINDOW_MS: f64 = 69.66;
/// A window shorter than this share of a full one tells nothing worth saying.
const SHORTEST_SHARE: usize = 8;
/// How much of a full window the end of a stream takes off it, estimate by estimate: its centre moves by half of that.
const TAIL_SHARE: usize = 3;
/// The end of a stream is not heard in windows of fewer periods of its last pitch: they would hear another one.
const TAIL_PERIODS: f32 = 2.5;
/// Quieter sounds are silence: −85 dBFS, as a mean square. Two and a half steps of 16 bits: what repeats below that may
/// be the steps. Noise needs no gate, and a higher one cuts the ends of high notes.
const SILENCE_POWER: f32 = 3.16e-9;

/// Tracks the pitch of one stream, block by block.
///
/// See the [crate's documentation](crate) for how, and for an example.
#[derive(Debug)]
pub struct PitchTracker {
    config: PitchConfig,
    history: History,
    correlator: Correlator,
    finder: PeriodFinder,
    /// The rate of what is analysed.
    rate_hz: f32,
    /// Where the present segment began and where its next block must begin; none before its first block.
    segment: Option<Segment>,
    /// The period that was found last, in samples; 0 where there was none.
    last_lag: f32,
    /// The window in hand.
    window: Box<[f32]>,
    /// Its normalised square difference.
    n: Box<[f32]>,
    /// Its denoised autocorrelation.
    d: Box<[f32]>,
}

/// A stretch of the stream without a gap.
#[derive(Debug, Clone, Copy)]
struct Segment {
    start: StreamPosition,
    end: StreamPosition,
}

impl PitchTracker {
    /// Makes a tracker, with all the memory it will ever use.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`PitchError::Range`], [`PitchError::Rate`] or [`PitchError::Reference`] for what can't work.
    pub fn new(config: PitchConfig) -> Result<Self, PitchError> {
        config.check()?;
        let history = History::new(config.rate, WINDOW_MS);
        let rate_hz = config.rate.hz() as f32 / history.decimation() as f32;
        let window = history.capacity();
        // One more for lag 0 and one more for the neighbour of the longest lag.
        let lags = ((rate_hz / config.hz_min).ceil() as usize).min(Correlator::lag_max(window) - 1) + 2;
        Ok(Self {
            correlator: Correlator::new(config.window, window, rate_hz),
            finder: PeriodFinder::new(rate_hz, config.hz_min, config.hz_max_effective(), lags),
            window: vec![0.0; window].into(),
            n: vec![0.0; lags].into(),
            d: vec![0.0; lags].into(),
            segment: None,
            last_lag: 0.0,
            history,
            rate_hz,
            config,
        })
    }

    /// Takes the next block of the stream, which begins at `position`, and estimates the pitch at the centre of the
    /// window that ends with it.
    ///
    /// Blocks may be of any length and any number of channels; their mean is tracked. Samples that are not finite count
    /// as 0, and absurdly loud ones are clipped. A `position` other than the end of the block before is a gap (or a jump
    /// back): all that was before it is forgotten. None for a block without frames.
    ///
    /// RT-safe: wait-free, no allocation; the cost is that of four transforms, whatever the block's length.
    pub fn block(&mut self, position: StreamPosition, block: Interleaved<'_>) -> Option<PitchEstimate> {
        if block.frames() == Frames::ZERO {
            return None;
        }
        let start = match self.segment {
            Some(segment) if segment.end == position => segment.start,
            _ => {
                self.history.clear();
                position
            }
        };
        self.history.push(block);
        let segment = Segment { start, end: position + block.frames() };
        self.segment = Some(segment);
        Some(self.estimate(segment, self.history.len()))
    }

    /// Ends the stream, or the segment before a gap: gives the estimates for what lies after the centre of the last window,
    /// from ever shorter windows, but none too short for the last pitch found.
    ///
    /// The tracker is as new afterwards. Whoever does not want them may leave this out: a gap is noticed by itself.
    ///
    /// RT-safe: wait-free, no allocation; each estimate costs what a block costs.
    pub fn finish(&mut self) -> Tail<'_> {
        let shortest =
            (self.history.capacity() / SHORTEST_SHARE).max((TAIL_PERIODS * self.last_lag) as usize);
        Tail { window: self.history.len(), shortest, segment: self.segment.take(), tracker: self }
    }

    /// How far the centre of a full window lies before the end of its block, in frames of the stream.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn delay_frames(&self) -> Frames {
        Frames(self.delay_of(self.history.capacity()))
    }

    /// The pitches that are looked for, lowest and highest, in Hz: those of the configuration, narrowed by a low rate.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn range_hz(&self) -> (f32, f32) {
        (self.config.hz_min, self.config.hz_max_effective())
    }

    /// Frames of the stream from the middle one of a window of `samples` to its end, that one included.
    fn delay_of(&self, samples: usize) -> u64 {
        ((samples * self.history.decimation()).div_ceil(2) + self.history.filter_delay_frames()) as u64
    }

    /// The estimate from the last `samples` of the history, which end with `segment`.
    fn estimate(&mut self, segment: Segment, samples: usize) -> PitchEstimate {
        let centre = StreamPosition(segment.end.0.saturating_sub(self.delay_of(samples))).max(segment.start);
        self.last_lag = 0.0;
        let nothing = PitchEstimate {
            position: centre,
            hz: None,
            confidence: 0.0,
            voiced: false,
            note: None,
            cents: 0.0,
        };
        if samples < self.history.capacity() / SHORTEST_SHARE {
            return nothing;
        }
        let window = &mut self.window[..samples];
        self.history.copy_last(window);
        let lags = self.n.len().min(Correlator::lag_max(samples) + 1);
        let (n, d) = (&mut self.n[..lags], &mut self.d[..lags]);
        self.correlator.square_difference(window, n);
        let kept = self.correlator.denoised(window, d);
        let Some(Evidence { lag, confidence }) = self.finder.find(n, d, kept) else {
            return nothing;
        };
        self.last_lag = lag;
        // A window whose sound has just ended is silent already.
        let newest = &window[samples - samples.min(self.history.capacity() / 3)..];
        let power = newest.iter().map(|sample| sample * sample).sum::<f32>() / newest.len() as f32;
        let confidence = if power < SILENCE_POWER { 0.0 } else { confidence };
        let hz = self.rate_hz / lag;
        let (note, cents) = Note::nearest(hz, self.config.a4_hz).unzip();
        PitchEstimate {
            position: centre,
            hz: Some(hz),
            confidence,
            voiced: confidence >= 0.5,
            note,
            cents: cents.unwrap_or(0.0),
        }
    }
}

/// The last estimates of a stream: see [`PitchTracker::finish`].
#[derive(Debug)]
pub struct Tail<'a> {
    tracker: &'a mut PitchTracker,
    /// Samples in the last window.
    window: usize,
    /// Samples that a window must hold.
    shortest: usize,
    segment: Option<Segment>,
}

impl Iterator for Tail<'_> {
    type Item = PitchEstimate;

    fn next(&mut self) -> Option<PitchEstimate> {
        let full = self.tracker.history.capacity();
        self.window = self.window.saturating_sub(full / TAIL_SHARE);
        let segment = self.segment.filter(|_| self.window >= self.shortest)?;
        Some(self.tracker.estimate(segment, self.window))
    }
}
