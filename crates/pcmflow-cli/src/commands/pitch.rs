//! `pcmflow pitch`: estimates as JSON lines or CSV.

use super::{GapLine, standard_output};
use crate::args::PitchArgs;
use crate::failure::{Failure, Outcome};
use crate::flow::Consumer;
use crate::run::Plan;
use pcmflow::core::format::SampleRate;
use pcmflow::core::ledger::Gap;
use pcmflow::engine::flow::NodeError;
use pcmflow::io::{JsonLines, SinkError};
use pcmflow::nodes::{Listener, PitchNode, PitchPace, Pitched};
use pcmflow::pitch::{PitchConfig, PitchEstimate};
use pcmflow::runtime::Pacing;
use serde::Serialize;
use std::io::{BufWriter, Stdout, Write};

pub(crate) fn run(args: &PitchArgs) -> Result<Outcome, Failure> {
    if args.csv {
        let mut output = standard_output();
        output
            .write_all(b"file,time_s,f0_hz,confidence\n")
            .and_then(|()| output.flush())
            .map_err(Failure::Output)?;
    }
    let plan = Plan { inputs: &args.inputs, args: &args.flow, output: None, prints_lines: true };
    plan.run(|input, format| {
        let config = PitchConfig { window: args.window, ..PitchConfig::new(format.rate) };
        let live = input.pacing(&args.flow) != Pacing::Fast;
        // Quoted once, not with each line.
        let file = if args.csv { csv_field(input.label()) } else { input.label().to_owned() };
        let lines = Lines { file, output: Output::new(args.csv, live) };
        let pace = if live { PitchPace::Live } else { PitchPace::Fast };
        let node = PitchNode::new(config, format.rate, pace, lines)
            .map_err(|error| Failure::Pitch { input: input.name().to_owned(), error })?;
        Ok(Consumer { node, wants: None, may_block: true })
    })
}

/// One JSON line.
#[derive(Debug, Serialize)]
struct EstimateLine<'a> {
    file: &'a str,
    position: u64,
    time_s: f64,
    hz: Option<f64>,
    note: Option<String>,
    cents: Option<f64>,
    confidence: f64,
    voiced: bool,
    delay_ms: f64,
}

/// `value` with so many decimals, so that lines stay short and `f32` digits that mean nothing stay out.
fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (value * scale).round() / scale
}

enum Output {
    Json(JsonLines<BufWriter<Stdout>>),
    Csv { output: BufWriter<Stdout>, live: bool },
}

impl Output {
    fn new(csv: bool, live: bool) -> Self {
        match csv {
            true => Self::Csv { output: standard_output(), live },
            false => Self::Json(JsonLines::new(standard_output(), "standard output", live)),
        }
    }

    fn estimate(
        &mut self,
        file: &str,
        rate: SampleRate,
        estimate: &PitchEstimate,
        delay_ns: u64,
    ) -> Result<(), NodeError> {
        let time_s = estimate.position.secs(rate);
        match self {
            Self::Json(lines) => lines.write(&EstimateLine {
                file,
                position: estimate.position.0,
                time_s: rounded(time_s, 6),
                hz: estimate.hz.map(|hz| rounded(f64::from(hz), 3)),
                note: estimate.note.map(|note| note.to_string()),
                cents: estimate.note.map(|_| rounded(f64::from(estimate.cents), 2)),
                confidence: rounded(f64::from(estimate.confidence), 4),
                voiced: estimate.voiced,
                delay_ms: rounded(delay_ns as f64 / 1e6, 3),
            })?,
            Self::Csv { output, live } => {
                let hz = estimate.hz.unwrap_or(0.0);
                let confidence = estimate.confidence;
                writeln!(output, "{file},{time_s:.6},{hz:.3},{confidence:.4}")
                    .and_then(|()| if *live { output.flush() } else { Ok(()) })
                    .map_err(output_failed)?;
            }
        }
        Ok(())
    }

    fn gap(&mut self, file: &str, gap: Gap) -> Result<(), NodeError> {
        // CSV has no room for a gap: it shows in the times, and in the summary.
        if let Self::Json(lines) = self {
            lines.write(&GapLine::new(file, gap))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), NodeError> {
        match self {
            Self::Json(lines) => Ok(lines.flush()?),
            Self::Csv { output, .. } => Ok(output.flush().map_err(output_failed)?),
        }
    }
}

/// The same words for CSV as for JSON lines.
fn output_failed(source: std::io::Error) -> SinkError {
    SinkError::write("standard output", source)
}

/// A field as RFC 4180 wants it: quoted where it holds a comma, a quote or a line break.
fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Where the estimates go.
struct Lines {
    file: String,
    output: Output,
}

impl Listener<Pitched> for Lines {
    fn heard(&mut self, pitched: Pitched) -> Result<(), NodeError> {
        let Pitched { estimate, rate, delay_ns } = pitched;
        self.output.estimate(&self.file, rate, &estimate, delay_ns)
    }

    fn gap(&mut self, gap: Gap) -> Result<(), NodeError> {
        self.output.gap(&self.file, gap)
    }

    fn over(&mut self) -> Result<(), NodeError> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        assert_eq!(csv_field("notes/a.wav"), "notes/a.wav");
        assert_eq!(csv_field("a, \"b\".wav"), "\"a, \"\"b\"\".wav\"");
    }
}
