//! `pcmflow level`: peak, RMS and clipping of each block, as JSON lines.

use super::{GapLine, standard_output};
use crate::args::LevelArgs;
use crate::failure::{Failure, Outcome};
use crate::run::Plan;
use pcmflow::core::chunk::AudioChunk;
use pcmflow::core::ledger::Gap;
use pcmflow::io::JsonLines;
use pcmflow::runtime::{ChunkCx, Consumer, ConsumerError, Pacing};
use serde::Serialize;
use std::io::{BufWriter, Stdout};

pub(crate) fn run(args: &LevelArgs) -> Result<Outcome, Failure> {
    let plan = Plan { inputs: &args.inputs, args: &args.flow, output: None, prints_lines: true };
    plan.run(|input, _| {
        let live = input.pacing(&args.flow) != Pacing::Fast;
        let lines = JsonLines::new(standard_output(), "standard output", live);
        Ok(Level { file: input.label().to_owned(), lines })
    })
}

/// One JSON line. Levels are over all channels, in dB relative to full scale; null is silence.
#[derive(Debug, Serialize)]
struct LevelLine<'a> {
    file: &'a str,
    position: u64,
    time_s: f64,
    frames: u64,
    peak: f32,
    peak_db: Option<f32>,
    rms: f32,
    rms_db: Option<f32>,
    /// Samples at or beyond full scale.
    clipped: u64,
    /// Samples that are NaN or infinite; they count in neither peak nor RMS.
    non_finite: u64,
}

/// The consumer.
struct Level {
    file: String,
    lines: JsonLines<BufWriter<Stdout>>,
}

/// What the samples of one block amount to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Amount {
    peak: f32,
    rms: f32,
    clipped: u64,
    non_finite: u64,
}

fn amount(samples: &[f32]) -> Amount {
    let mut amount = Amount::default();
    let (mut squares, mut finite) = (0.0f64, 0u64);
    for sample in samples {
        if !sample.is_finite() {
            amount.non_finite += 1;
            continue;
        }
        let size = sample.abs();
        amount.peak = amount.peak.max(size);
        amount.clipped += u64::from(size >= 1.0);
        squares += f64::from(size) * f64::from(size);
        finite += 1;
    }
    amount.rms = if finite == 0 { 0.0 } else { (squares / finite as f64).sqrt() as f32 };
    amount
}

fn decibels(level: f32) -> Option<f32> {
    (level > 0.0).then(|| (200.0 * level.log10()).round() / 10.0)
}

impl Consumer for Level {
    fn chunk(&mut self, chunk: &AudioChunk, _: &ChunkCx) -> Result<(), ConsumerError> {
        let Amount { peak, rms, clipped, non_finite } = amount(chunk.samples());
        self.lines.write(&LevelLine {
            file: &self.file,
            position: chunk.position().0,
            time_s: chunk.position().secs(chunk.sample_rate()),
            frames: chunk.frames().0,
            peak,
            peak_db: decibels(peak),
            rms,
            rms_db: decibels(rms),
            clipped,
            non_finite,
        })?;
        Ok(())
    }

    fn gap(&mut self, gap: Gap) -> Result<(), ConsumerError> {
        Ok(self.lines.write(&GapLine::new(&self.file, gap))?)
    }

    fn end(&mut self) -> Result<(), ConsumerError> {
        Ok(self.lines.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_known_samples() {
        let sine: Vec<f32> =
            (0..480).map(|n| (n as f32 * std::f32::consts::TAU / 48.0).sin() * 0.5).collect();
        let level = amount(&sine);
        assert!((level.peak - 0.5).abs() < 1e-6 && (level.rms - 0.353_553_4).abs() < 1e-6);
        assert_eq!((decibels(level.peak), decibels(level.rms)), (Some(-6.0), Some(-9.0)));
        let odd = amount(&[1.0, -1.5, f32::NAN, f32::INFINITY, 0.0]);
        assert_eq!((odd.peak, odd.clipped, odd.non_finite), (1.5, 2, 2));
        assert_eq!((amount(&[]), decibels(0.0)), (Amount::default(), None));
    }
}
