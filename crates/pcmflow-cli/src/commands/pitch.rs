//! `pcmflow pitch`: estimates as JSON lines or CSV.

use super::standard_output;
use crate::args::PitchArgs;
use crate::failure::{Failure, Outcome};
use crate::flow::Consumer;
use crate::run::Plan;
use pcmflow::nodes::{Lines, PitchLines, PitchNode, PitchPace};
use pcmflow::pitch::PitchConfig;
use pcmflow::runtime::Pacing;
use std::io::Write;

pub(crate) fn run(args: &PitchArgs) -> Result<Outcome, Failure> {
    if args.csv {
        let mut output = standard_output();
        output
            .write_all(Lines::PITCH_CSV_HEADER.as_bytes())
            .and_then(|()| output.flush())
            .map_err(Failure::Output)?;
    }
    let plan = Plan { inputs: &args.inputs, args: &args.flow, output: None, prints_lines: true };
    plan.run(|input, format| {
        let config = PitchConfig { window: args.window, ..PitchConfig::new(format.rate) };
        let live = input.pacing(&args.flow) != Pacing::Fast;
        let lines = if args.csv { Lines::csv } else { Lines::json };
        let lines = lines(input.label(), Box::new(standard_output()), "standard output", live);
        let pace = if live { PitchPace::Live } else { PitchPace::Fast };
        let node = PitchNode::new(config, format.rate, pace, PitchLines::new(lines))
            .map_err(|error| Failure::Pitch { input: input.name().to_owned(), error })?;
        Ok(Consumer { node, wants: None, may_block: true })
    })
}
