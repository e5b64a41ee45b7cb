//! What measuring nodes of a flow file write: a line for each result.

use crate::core::format::SampleRate;
use crate::core::ledger::Gap;
use crate::engine::flow::NodeError;
use crate::io::{JsonLines, SinkError};
use crate::nodes::{Levels, Listener, Pitched};
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, LineWriter, Write};
use std::path::Path;

type Output = Box<dyn Write + Send>;

/// A file, or standard output, to which each line goes as a whole, so that several can share it.
pub(super) fn output(path: Option<&Path>) -> Result<(Output, String), SinkError> {
    let Some(path) = path else {
        // No line is longer: each reaches standard output by one write, under its lock.
        return Ok((
            Box::new(LineWriter::with_capacity(64 << 10, std::io::stdout())),
            "standard output".into(),
        ));
    };
    let name = path.display().to_string();
    match File::create(path) {
        Ok(file) => Ok((Box::new(BufWriter::with_capacity(64 << 10, file)), name)),
        Err(source) => Err(SinkError::Create { name, source }),
    }
}

/// Writes results of a node by its name.
pub(super) struct Lines {
    name: String,
    form: Form,
}

enum Form {
    Json(JsonLines<Output>),
    Csv { output: Output, place: String, live: bool },
}

impl Lines {
    pub(super) fn json(name: &str, (output, place): (Output, String), live: bool) -> Self {
        Self { name: name.to_owned(), form: Form::Json(JsonLines::new(output, &place, live)) }
    }

    pub(super) fn pitch_csv(
        name: &str,
        (mut output, place): (Output, String),
        live: bool,
    ) -> Result<Self, SinkError> {
        let header = output.write_all(b"file,time_s,f0_hz,confidence\n");
        header.map_err(|error| SinkError::write(&place, error))?;
        let quoted = match name.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", name.replace('"', "\"\"")),
            false => name.to_owned(),
        };
        Ok(Self { name: quoted, form: Form::Csv { output, place, live } })
    }

    fn gap(&mut self, gap: Gap) -> Result<(), NodeError> {
        // CSV has no room for a gap: it shows in the times, and in the summary.
        if let Form::Json(lines) = &mut self.form {
            let Gap { position, frames, cause } = gap;
            let gap = GapFields { position: position.0, frames: frames.0, cause: cause.name() };
            lines.write(&GapLine { file: &self.name, gap })?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), NodeError> {
        match &mut self.form {
            Form::Json(lines) => lines.flush()?,
            Form::Csv { output, place, .. } => {
                output.flush().map_err(|error| SinkError::write(place, error))?;
            }
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct GapLine<'a> {
    file: &'a str,
    gap: GapFields,
}

#[derive(Serialize)]
struct GapFields {
    position: u64,
    frames: u64,
    cause: &'static str,
}

#[derive(Serialize)]
struct PitchLine<'a> {
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

#[derive(Serialize)]
struct LevelLine<'a> {
    file: &'a str,
    position: u64,
    time_s: f64,
    frames: u64,
    peak: f32,
    peak_db: Option<f32>,
    rms: f32,
    rms_db: Option<f32>,
    clipped: u64,
    non_finite: u64,
}

/// `value` with so many decimals: `f32` digits that mean nothing stay out.
fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (value * scale).round() / scale
}

/// The pitch of a node's chunks.
pub(super) struct PitchLines(pub(super) Lines);

impl Listener<Pitched> for PitchLines {
    fn heard(&mut self, Pitched { estimate, rate, delay_ns }: Pitched) -> Result<(), NodeError> {
        let Lines { name, form } = &mut self.0;
        let time_s = estimate.position.secs(rate);
        match form {
            Form::Json(lines) => lines.write(&PitchLine {
                file: name,
                position: estimate.position.0,
                time_s: rounded(time_s, 6),
                hz: estimate.hz.map(|hz| rounded(f64::from(hz), 3)),
                note: estimate.note.map(|note| note.to_string()),
                cents: estimate.note.map(|_| rounded(f64::from(estimate.cents), 2)),
                confidence: rounded(f64::from(estimate.confidence), 4),
                voiced: estimate.voiced,
                delay_ms: rounded(delay_ns as f64 / 1e6, 3),
            })?,
            Form::Csv { output, place, live } => {
                let (hz, confidence) = (estimate.hz.unwrap_or(0.0), estimate.confidence);
                writeln!(output, "{name},{time_s:.6},{hz:.3},{confidence:.4}")
                    .and_then(|()| if *live { output.flush() } else { Ok(()) })
                    .map_err(|error| SinkError::write(place, error))?;
            }
        }
        Ok(())
    }

    fn gap(&mut self, gap: Gap) -> Result<(), NodeError> {
        self.0.gap(gap)
    }

    fn over(&mut self) -> Result<(), NodeError> {
        self.0.flush()
    }
}

/// The levels of a node's chunks, at the times of their source.
pub(super) struct LevelLines {
    pub(super) lines: Lines,
    /// Whose frames positions count.
    pub(super) source_rate: SampleRate,
}

impl Listener<Levels> for LevelLines {
    fn heard(&mut self, levels: Levels) -> Result<(), NodeError> {
        let Lines { name, form } = &mut self.lines;
        if let Form::Json(lines) = form {
            lines.write(&LevelLine {
                file: name,
                position: levels.position.0,
                time_s: levels.position.secs(self.source_rate),
                frames: levels.frames.0,
                peak: levels.peak,
                peak_db: Levels::decibels(levels.peak),
                rms: levels.rms,
                rms_db: Levels::decibels(levels.rms),
                clipped: levels.clipped,
                non_finite: levels.non_finite,
            })?;
        }
        Ok(())
    }

    fn gap(&mut self, gap: Gap) -> Result<(), NodeError> {
        self.lines.gap(gap)
    }

    fn over(&mut self) -> Result<(), NodeError> {
        self.lines.flush()
    }
}
