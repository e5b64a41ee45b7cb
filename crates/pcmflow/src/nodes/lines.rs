//! What [`PitchNode`](super::PitchNode) and [`LevelNode`](super::LevelNode) tell, written: a line for each result, as JSON or CSV.

use super::{Levels, Listener, Pitched};
use crate::core::format::SampleRate;
use crate::core::ledger::Gap;
use crate::engine::flow::NodeError;
use crate::io::{JsonLines, SinkError};
use serde::Serialize;
use std::fmt;
use std::io::Write;

/// Where lines are written to.
type Output = Box<dyn Write + Send>;

/// Lines with the name of what they are about, such as a file or a node, on their way to an output.
///
/// ```
/// use pcmflow::core::format::{Frames, SampleRate, StreamPosition};
/// use pcmflow::nodes::{LevelLines, Levels, Lines, Listener};
/// let (reader, writer) = std::io::pipe()?;
/// let mut lines = LevelLines::new(Lines::json("a.wav", Box::new(writer), "the pipe", true), SampleRate::new(48_000)?);
/// let (position, frames, rate) = (StreamPosition(48_000), Frames(1024), SampleRate::new(48_000)?);
/// lines.heard(Levels { position, frames, rate, peak: 0.5, rms: 0.25, clipped: 0, non_finite: 0 }).unwrap();
/// drop(lines);
/// let line = std::io::read_to_string(reader)?;
/// assert!(line.starts_with(r#"{"file":"a.wav","position":48000,"time_s":1.0,"frames":1024,"peak":0.5,"#), "{line}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Lines {
    name: String,
    form: Form,
}

enum Form {
    Json(JsonLines<Output>),
    Csv { output: Output, place: String, live: bool },
}

impl Lines {
    /// The first line of a file of pitches as CSV.
    pub const PITCH_CSV_HEADER: &str = "file,time_s,f0_hz,confidence\n";

    /// JSON lines about `name` to `output`, which messages call `place`. When `live`, each is flushed, so that a reader sees it at once;
    /// otherwise `output` should be buffered.
    ///
    /// Not RT-safe: allocates.
    pub fn json(name: &str, output: Output, place: &str, live: bool) -> Self {
        Self { name: name.to_owned(), form: Form::Json(JsonLines::new(output, place, live)) }
    }

    /// The same as CSV, without a header. A gap has no line: it shows in the times.
    ///
    /// Not RT-safe: allocates.
    pub fn csv(name: &str, output: Output, place: &str, live: bool) -> Self {
        // Quoted as RFC 4180 wants it, and once, not with each line.
        let name = match name.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", name.replace('"', "\"\"")),
            false => name.to_owned(),
        };
        Self { name, form: Form::Csv { output, place: place.to_owned(), live } }
    }

    fn gap(&mut self, gap: Gap) -> Result<(), NodeError> {
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

    fn csv_line(&mut self, columns: fmt::Arguments<'_>) -> Result<(), NodeError> {
        if let Form::Csv { output, place, live } = &mut self.form {
            let written = writeln!(output, "{},{columns}", self.name);
            let written = written.and_then(|()| if *live { output.flush() } else { Ok(()) });
            written.map_err(|error| SinkError::write(place, error))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The line that stands where frames were lost.
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

/// Levels are over all channels, in dB relative to full scale; null is silence.
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
    /// Samples at or beyond full scale.
    clipped: u64,
    /// Samples that are NaN or infinite; they count in neither peak nor RMS.
    non_finite: u64,
}

/// `value` with so many decimals: `f32` digits that mean nothing stay out.
fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (value * scale).round() / scale
}

/// Pitches as lines.
///
/// ```
/// use pcmflow::core::format::SampleRate;
/// use pcmflow::nodes::{Lines, PitchLines, PitchNode, PitchPace};
/// use pcmflow::pitch::PitchConfig;
/// let (reader, writer) = std::io::pipe()?;
/// let lines = PitchLines::new(Lines::json("mic", Box::new(writer), "the pipe", true));
/// let rate = SampleRate::new(48_000)?;
/// drop(PitchNode::new(PitchConfig::new(rate), rate, PitchPace::Live, lines)?);
/// assert_eq!(std::io::read_to_string(reader)?, ""); // nothing was heard
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PitchLines(Lines);

impl PitchLines {
    /// Writes pitches.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn new(lines: Lines) -> Self {
        Self(lines)
    }
}

impl Listener<Pitched> for PitchLines {
    fn heard(&mut self, Pitched { estimate, rate, delay_ns }: Pitched) -> Result<(), NodeError> {
        let time_s = estimate.position.secs(rate);
        let (hz, confidence) = (estimate.hz.unwrap_or(0.0), estimate.confidence);
        match &mut self.0.form {
            Form::Json(lines) => lines.write(&PitchLine {
                file: &self.0.name,
                position: estimate.position.0,
                time_s: rounded(time_s, 6),
                hz: estimate.hz.map(|hz| rounded(f64::from(hz), 3)),
                note: estimate.note.map(|note| note.to_string()),
                cents: estimate.note.map(|_| rounded(f64::from(estimate.cents), 2)),
                confidence: rounded(f64::from(estimate.confidence), 4),
                voiced: estimate.voiced,
                delay_ms: rounded(delay_ns as f64 / 1e6, 3),
            })?,
            Form::Csv { .. } => self.0.csv_line(format_args!("{time_s:.6},{hz:.3},{confidence:.4}"))?,
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

/// Levels as JSON lines, at the times of their source.
///
/// [`Lines`] has an example.
#[derive(Debug)]
pub struct LevelLines {
    lines: Lines,
    source_rate: SampleRate,
}

impl LevelLines {
    /// Writes levels; positions count frames of `source_rate`.
    ///
    /// Not RT-safe: meant for set-up.
    pub fn new(lines: Lines, source_rate: SampleRate) -> Self {
        Self { lines, source_rate }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        let field = |name| Lines::csv(name, Box::new(Vec::new()), "memory", false).name;
        assert_eq!(field("notes/a.wav"), "notes/a.wav");
        assert_eq!(field("a, \"b\".wav"), "\"a, \"\"b\"\".wav\"");
    }
}
