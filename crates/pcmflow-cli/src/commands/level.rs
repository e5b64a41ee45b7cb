//! `pcmflow level`: peak, RMS and clipping of each block, as JSON lines.

use super::{GapLine, standard_output};
use crate::args::LevelArgs;
use crate::failure::{Failure, Outcome};
use crate::flow::Consumer;
use crate::run::Plan;
use pcmflow::core::ledger::Gap;
use pcmflow::engine::flow::NodeError;
use pcmflow::io::JsonLines;
use pcmflow::nodes::{LevelNode, Levels, Listener};
use pcmflow::runtime::Pacing;
use serde::Serialize;
use std::io::{BufWriter, Stdout};

pub(crate) fn run(args: &LevelArgs) -> Result<Outcome, Failure> {
    let plan = Plan { inputs: &args.inputs, args: &args.flow, output: None, prints_lines: true };
    plan.run(|input, _| {
        let live = input.pacing(&args.flow) != Pacing::Fast;
        let lines = JsonLines::new(standard_output(), "standard output", live);
        let node = LevelNode::new(Lines { file: input.label().to_owned(), lines });
        Ok(Consumer { node, wants: None, may_block: true })
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

/// Where the levels go.
struct Lines {
    file: String,
    lines: JsonLines<BufWriter<Stdout>>,
}

impl Listener<Levels> for Lines {
    fn heard(&mut self, levels: Levels) -> Result<(), NodeError> {
        let Levels { position, frames, rate, peak, rms, clipped, non_finite } = levels;
        self.lines.write(&LevelLine {
            file: &self.file,
            position: position.0,
            time_s: position.secs(rate),
            frames: frames.0,
            peak,
            peak_db: Levels::decibels(peak),
            rms,
            rms_db: Levels::decibels(rms),
            clipped,
            non_finite,
        })?;
        Ok(())
    }

    fn gap(&mut self, gap: Gap) -> Result<(), NodeError> {
        Ok(self.lines.write(&GapLine::new(&self.file, gap))?)
    }

    fn over(&mut self) -> Result<(), NodeError> {
        Ok(self.lines.flush()?)
    }
}
