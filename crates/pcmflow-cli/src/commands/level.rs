//! `pcmflow level`: peak, RMS and clipping of each block, as JSON lines.

use super::standard_output;
use crate::args::LevelArgs;
use crate::failure::{Failure, Outcome};
use crate::flow::Consumer;
use crate::run::Plan;
use pcmflow::nodes::{LevelLines, LevelNode, Lines};
use pcmflow::runtime::Pacing;

pub(crate) fn run(args: &LevelArgs) -> Result<Outcome, Failure> {
    let plan = Plan { inputs: &args.inputs, args: &args.flow, output: None, prints_lines: true };
    plan.run(|input, format| {
        let live = input.pacing(&args.flow) != Pacing::Fast;
        let lines = Lines::json(input.label(), Box::new(standard_output()), "standard output", live);
        let node = LevelNode::new(LevelLines::new(lines, format.rate));
        Ok(Consumer { node, wants: None, may_block: true })
    })
}
