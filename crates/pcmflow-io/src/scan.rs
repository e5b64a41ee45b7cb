//! What an input holds, from its first frame to its last.

use crate::source::{Damage, Source, SourceError};
use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};

/// Frames read at a time.
const BLOCK_FRAMES: usize = 4096;
/// Silent stretches that are listed; all are counted.
pub const SILENCES_LISTED_MAX: usize = 256;

/// What counts as clipped and as silent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScanOptions {
    /// The magnitude at which a sample may be clipped: by default the largest that 16 bits hold, 32767/32768.
    /// [`MediaInfo::full_scale`](crate::MediaInfo::full_scale) knows better for 8 bit.
    pub full_scale: f32,
    /// Samples of one channel in a row at `full_scale` or beyond that make a clipped run: 3 by default, for a sine of
    /// exactly full scale touches it with one or two.
    pub clip_run: u32,
    /// A frame is silent when no sample of it is louder than this, in dB relative to full scale: −60 by default.
    pub silence_db: f32,
    /// Silent frames in a row that make a silent stretch, in milliseconds: 500 by default.
    pub silence_min_ms: u32,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { full_scale: 32_767.0 / 32_768.0, clip_run: 3, silence_db: -60.0, silence_min_ms: 500 }
    }
}

/// Frames in a row without sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SilentStretch {
    /// The first of them.
    pub start: StreamPosition,
    /// How many.
    pub frames: Frames,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// Rate and channels.
    pub format: StreamFormat,
    /// All frames, counted and not believed.
    pub frames: Frames,
    /// Their duration.
    pub seconds: f64,
    /// Largest finite magnitude of a sample.
    pub peak: f32,
    /// Root of the mean square of all finite samples.
    pub rms: f64,
    /// Samples in clipped runs, all channels.
    pub clipped_samples: u64,
    /// Clipped runs, all channels.
    pub clipped_runs: u64,
    /// Samples that are NaN or infinite; they count as neither silent nor clipped.
    pub non_finite_samples: u64,
    /// The first [`SILENCES_LISTED_MAX`] silent stretches.
    pub silences: Vec<SilentStretch>,
    /// All silent stretches.
    pub silences_count: u64,
    /// Frames in silent stretches.
    pub silent_frames: Frames,
    /// What was wrong with the input.
    pub damage: Option<Damage>,
}

/// Reads `source` to its end. Memory does not grow with its length.
///
/// ```
/// use pcmflow_io::{SynthSpec, scan::{ScanOptions, scan}};
/// let spec: SynthSpec = "sine:440,seconds=1,level=-20".parse()?;
/// let found = scan(&mut spec.source()?, ScanOptions::default())?;
/// assert_eq!(found.frames.0, 48_000);
/// assert!((found.peak - 0.1).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Not RT-safe: blocks, allocates.
///
/// # Errors
/// [`SourceError`] when not one frame could be had.
pub fn scan(source: &mut (impl Source + ?Sized), options: ScanOptions) -> Result<Scan, SourceError> {
    let format = source.format();
    let mut scanner = Scanner::new(format, options);
    let mut block = vec![0.0; BLOCK_FRAMES * format.channels.get()];
    loop {
        let frames = source.read(&mut block)?;
        if frames == Frames::ZERO {
            return Ok(scanner.finish(source.damage().cloned()));
        }
        for frame in block[..frames.samples(format.channels)].chunks_exact(format.channels.get()) {
            scanner.frame(frame);
        }
    }
}

struct Scanner {
    options: ScanOptions,
    silence_level: f32,
    silence_min: Frames,
    /// Samples at full scale in a row, per channel.
    runs: Vec<u64>,
    /// Where the silence that goes on began.
    silent_since: Option<StreamPosition>,
    squares: f64,
    finite: u64,
    found: Scan,
}

impl Scanner {
    fn new(format: StreamFormat, options: ScanOptions) -> Self {
        let found = Scan {
            format,
            frames: Frames::ZERO,
            seconds: 0.0,
            peak: 0.0,
            rms: 0.0,
            clipped_samples: 0,
            clipped_runs: 0,
            non_finite_samples: 0,
            silences: Vec::new(),
            silences_count: 0,
            silent_frames: Frames::ZERO,
            damage: None,
        };
        Self {
            options,
            silence_level: 10f32.powf(options.silence_db / 20.0),
            silence_min: format.rate.ns_to_frames(u64::from(options.silence_min_ms) * 1_000_000),
            runs: vec![0; format.channels.get()],
            silent_since: None,
            squares: 0.0,
            finite: 0,
            found,
        }
    }

    fn position(&self) -> StreamPosition {
        StreamPosition::START + self.found.frames
    }

    fn frame(&mut self, frame: &[f32]) {
        let mut silent = true;
        for (channel, &sample) in frame.iter().enumerate() {
            let magnitude = sample.abs();
            silent &= magnitude <= self.silence_level;
            if sample.is_finite() {
                self.found.peak = self.found.peak.max(magnitude);
                self.squares += f64::from(sample).powi(2);
                self.finite += 1;
            } else {
                self.found.non_finite_samples += 1;
            }
            if sample.is_finite() && magnitude >= self.options.full_scale {
                self.runs[channel] += 1;
            } else {
                self.end_run(channel);
            }
        }
        match (silent, self.silent_since) {
            (true, None) => self.silent_since = Some(self.position()),
            (false, Some(since)) => self.end_silence(since),
            _ => {}
        }
        self.found.frames += Frames(1);
    }

    fn end_run(&mut self, channel: usize) {
        let run = std::mem::take(&mut self.runs[channel]);
        if run >= u64::from(self.options.clip_run.max(1)) {
            self.found.clipped_runs += 1;
            self.found.clipped_samples += run;
        }
    }

    fn end_silence(&mut self, since: StreamPosition) {
        self.silent_since = None;
        let frames = self.position() - since;
        if frames >= self.silence_min {
            self.found.silences_count += 1;
            self.found.silent_frames += frames;
            if self.found.silences.len() < SILENCES_LISTED_MAX {
                self.found.silences.push(SilentStretch { start: since, frames });
            }
        }
    }

    fn finish(mut self, damage: Option<Damage>) -> Scan {
        (0..self.runs.len()).for_each(|channel| self.end_run(channel));
        if let Some(since) = self.silent_since {
            self.end_silence(since);
        }
        self.found.seconds = self.found.format.rate.frames_to_secs(self.found.frames);
        self.found.rms = (self.squares / self.finite.max(1) as f64).sqrt();
        self.found.damage = damage;
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RawFormat, SynthSpec, open_reader};

    fn scanned(samples: &[f32], channels: u32, options: ScanOptions) -> Scan {
        let encoding: pcmflow_core::format::SampleEncoding = "f32le".parse().unwrap();
        let mut bytes = vec![0; samples.len() * 4];
        encoding.encode(samples, &mut bytes);
        let raw = RawFormat { encoding, format: StreamFormat::new(1_000, channels).unwrap() };
        scan(&mut open_reader(std::io::Cursor::new(bytes), "memory", Some(raw)).unwrap(), options).unwrap()
    }

    #[test]
    fn clipping_needs_a_run_in_one_channel() {
        // Left: three in a row, right: two, a break, two; interleaved they would be seven.
        let samples = [1.0, 1.0, -1.0, -1.2, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0];
        let found = scanned(&samples, 2, ScanOptions::default());
        assert_eq!((found.clipped_runs, found.clipped_samples), (1, 3));
        assert_eq!(found.peak, 1.2);
        let strict = scanned(&samples, 2, ScanOptions { clip_run: 2, ..Default::default() });
        assert_eq!((strict.clipped_runs, strict.clipped_samples), (3, 7));
        let to_the_end = scanned(&[0.0, 1.0, 1.0, 1.0], 1, ScanOptions::default());
        assert_eq!(to_the_end.clipped_runs, 1);
    }

    #[test]
    fn silences_have_place_and_length() {
        let mut samples = vec![0.5; 3_000];
        samples[500..999].fill(0.0);
        samples[1_200..1_700].fill(0.000_9);
        samples[2_000..].fill(-0.000_1);
        let found = scanned(&samples, 1, ScanOptions::default());
        let stretch = |start, frames| SilentStretch { start: StreamPosition(start), frames: Frames(frames) };
        assert_eq!(found.silences, [stretch(1_200, 500), stretch(2_000, 1_000)]);
        assert_eq!((found.silences_count, found.silent_frames), (2, Frames(1_500)));
    }

    #[test]
    fn the_list_of_silences_is_bounded() {
        let samples: Vec<f32> = (0..2_000).map(|n| if n % 4 == 0 { 0.5 } else { 0.0 }).collect();
        let found = scanned(&samples, 1, ScanOptions { silence_min_ms: 3, ..Default::default() });
        assert_eq!((found.silences.len(), found.silences_count), (SILENCES_LISTED_MAX, 500));
    }

    #[test]
    fn samples_that_are_no_numbers_are_counted_and_left_out() {
        let found = scanned(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5], 1, ScanOptions::default());
        assert_eq!((found.non_finite_samples, found.clipped_runs, found.peak), (3, 0, 0.5));
        assert_eq!(found.rms, 0.5);
        assert_eq!(found.silences_count, 0);
    }

    #[test]
    fn a_sine_of_full_scale_is_not_clipped() {
        let spec: SynthSpec = "sine:997,level=0,seconds=2".parse().unwrap();
        let found = scan(&mut spec.source().unwrap(), ScanOptions::default()).unwrap();
        assert_eq!((found.frames, found.seconds, found.clipped_runs), (Frames(96_000), 2.0, 0));
        assert!((found.rms - 0.5f64.sqrt()).abs() < 1e-4, "{}", found.rms);
        assert_eq!(found.damage, None);
    }

    #[test]
    fn nothing_is_nothing() {
        let found = scanned(&[], 1, ScanOptions::default());
        assert_eq!((found.frames, found.rms, found.peak, found.silences_count), (Frames::ZERO, 0.0, 0.0, 0));
    }
}
