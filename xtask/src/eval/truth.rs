//! What was really played: `truth.csv` and the contours beside it.
//!
//! A row of kind `note` is one steady note: a frame each 10 ms from `t_start` to `t_end`, all at `f0_measured_hz`. A row of
//! kind `contour` names a table `time_s,f0_hz`; each frame takes the nearest entry (0 or less is unvoiced), and a
//! frame between a voiced and an unvoiced entry is left out. Rows whose note begins with `ALGORITHMIC` are left out.

use super::at;
use crate::csv;
use std::fs;
use std::path::Path;

/// The time between two frames of truth.
const STEP_S: f64 = 0.01;

/// One recording and what is known of it.
#[derive(Debug)]
pub(super) struct Recording {
    /// Its path as `truth.csv` has it.
    pub(super) file: String,
    pub(super) kind: String,
    pub(super) instrument: String,
    pub(super) frames: Vec<Frame>,
}

/// The pitch at one moment; 0 where there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub(super) time_s: f64,
    pub(super) hz: f64,
}

/// Reads `truth.csv` in `dir`, and what it refers to.
pub(super) fn read(dir: &Path) -> Result<Vec<Recording>, String> {
    let path = dir.join("truth.csv");
    let text = fs::read_to_string(&path).map_err(|error| at(&path, error))?;
    let recordings = parse(&text, |contour| {
        let path = dir.join(contour);
        fs::read_to_string(&path).map_err(|error| at(&path, error))
    })
    .map_err(|error| at(&path, error))?;
    if recordings.is_empty() { Err(at(&path, "no recording is listed")) } else { Ok(recordings) }
}

fn parse(text: &str, contour: impl Fn(&str) -> Result<String, String>) -> Result<Vec<Recording>, String> {
    let table = csv::Table::parse(text);
    let column = |name| table.column(name);
    let (file, kind, instrument, note) =
        (column("file")?, column("kind")?, column("instrument")?, column("note")?);
    let (hz, start, end, contour_file) =
        (column("f0_measured_hz")?, column("t_start")?, column("t_end")?, column("contour")?);
    let rows = table.rows().iter().filter(|row| !csv::cell(row, note).starts_with("ALGORITHMIC"));
    rows.map(|row| {
        let frames = if csv::cell(row, kind) == "note" {
            steady(csv::number(row, hz)?, csv::number(row, start)?, csv::number(row, end)?)
        } else {
            follow(&contour(csv::cell(row, contour_file))?)?
        };
        let text = |column| csv::cell(row, column).to_owned();
        Ok(Recording { file: text(file), kind: text(kind), instrument: text(instrument), frames })
    })
    .collect()
}

/// Times from `start` on, before `end`.
fn grid(start: f64, end: f64) -> impl Iterator<Item = f64> {
    let count = ((end - start) / STEP_S).ceil().max(0.0) as u64;
    (0..count).map(move |n| start + n as f64 * STEP_S)
}

fn steady(hz: f64, start: f64, end: f64) -> Vec<Frame> {
    grid(start, end).map(|time_s| Frame { time_s, hz }).collect()
}

fn follow(contour: &str) -> Result<Vec<Frame>, String> {
    let table = csv::Table::parse(contour);
    let rows =
        table.rows().iter().map(|row| Ok(Frame { time_s: csv::number(row, 0)?, hz: csv::number(row, 1)? }));
    let entries = rows.collect::<Result<Vec<Frame>, String>>()?;
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(Vec::new()) };
    // Just beyond the last entry, so that a frame at its very time counts.
    let times = grid(first.time_s, last.time_s + 1e-9);
    Ok(times.filter_map(|time_s| frame_of(&entries, time_s)).collect())
}

/// The frame at `time_s`; none between a voiced and an unvoiced entry.
fn frame_of(entries: &[Frame], time_s: f64) -> Option<Frame> {
    let (before, after) = super::score::around(entries, time_s, |entry| entry.time_s)?;
    let nearest =
        if (before.time_s - time_s).abs() <= (after.time_s - time_s).abs() { before } else { after };
    ((before.hz > 0.0) == (after.hz > 0.0)).then_some(Frame { time_s, hz: nearest.hz.max(0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "file,kind,instrument,note,f0_hz,f0_measured_hz,t_start,t_end,contour";

    #[test]
    fn a_note_is_a_grid_of_its_measured_pitch() {
        let text = format!(
            "{HEADER}\na.wav,note,\"guitar, nylon\",A4,440,441.5,0.05,0.08,\nb.wav,note,x,ALGORITHMIC y,,,,,\n"
        );
        let recordings = parse(&text, |_| Err("no contour".into())).unwrap();
        assert_eq!(recordings.len(), 1);
        assert_eq!(recordings[0].instrument, "guitar, nylon");
        assert_eq!(recordings[0].frames.len(), 3);
        assert!(recordings[0].frames.iter().all(|frame| frame.hz == 441.5));
    }

    #[test]
    fn a_contour_is_read_at_the_nearest_entry_and_edges_are_left_out() {
        let text = format!("{HEADER}\nv.wav,contour,voice,,,,,,v.csv\n");
        let contour = "time_s,f0_hz\n0.000,0\n0.006,-1\n0.012,100\n0.018,110\n0.024,120\n";
        let recordings =
            parse(&text, |name| if name == "v.csv" { Ok(contour.into()) } else { Err(name.into()) }).unwrap();
        // 0.00 lies between two unvoiced entries, 0.01 on an edge, 0.02 nearest to 0.018.
        let frames = &recordings[0].frames;
        assert_eq!(frames.iter().map(|frame| frame.hz).collect::<Vec<_>>(), [0.0, 110.0]);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            parse("file,kind\n", |_| Ok(String::new())).unwrap_err(),
            "there is no column `instrument`"
        );
        let text = format!("{HEADER}\na.wav,note,x,A4,440,?,0,1,\n");
        assert_eq!(parse(&text, |_| Ok(String::new())).unwrap_err(), "`?` is no number");
    }
}
