//! `cargo xtask formats DIR`: decodes every file that `DIR/formats.csv` lists and compares the frames with what ffmpeg
//! and libsndfile found.
//!
//! `expect` is `decode` (ffmpeg was content), `partial` (audio came out, with complaints) or `refuse` (none came out).
//! A file passes when
//! - `decode`: the frames agree with ffmpeg's, exactly for lossless codecs, within [`LOSSY_FRAMES_MAX`] for the others
//!   (decoders differ in whether they trim what the encoder padded);
//! - `partial`, `refuse`: it ends with an error or with damage told, or cleanly with the frames that libsndfile found.
//!
//! A panic or a hang never passes.

use crate::csv::{self, Table};
use pcmflow_io::{Source, SourceError, open_file};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// By how much the frames of a lossy codec may differ: two frames of MPEG audio.
const LOSSY_FRAMES_MAX: u64 = 2 * 1152;
/// How many of the `decode` rows must agree.
const DECODE_ROWS_MIN: usize = 38;
/// A file that takes longer hangs; the longest takes well under a second.
const HANG: Duration = Duration::from_secs(60);

/// Runs the comparison and prints a table.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let [dir] = args else { return Err("usage: cargo xtask formats DIR (where formats.csv is)".into()) };
    let rows = rows(Path::new(dir))?;
    let mut decode = Tally::default();
    let mut others = Tally::default();
    println!(
        "{:<58} {:>7} {:>9} {:>10} {:>9}  {:<5} outcome",
        "file", "expect", "ffmpeg", "libsndfile", "frames", "pass"
    );
    for row in &rows {
        let outcome = outcome(&Path::new(dir).join(&row.file));
        let pass = row.passes(&outcome);
        let tally = if row.expect == "decode" { &mut decode } else { &mut others };
        tally.count(pass);
        println!(
            "{:<58} {:>7} {:>9} {:>10} {:>9}  {:<5} {}",
            shortened(&row.file),
            row.expect,
            row.ffmpeg_frames,
            row.libsndfile_frames.map_or("refused".into(), |frames| frames.to_string()),
            outcome.frames(),
            if pass { "yes" } else { "NO" },
            outcome.reason(),
        );
    }
    println!("decode: {} of {} agree", decode.passed, decode.rows);
    println!("partial and refuse: {} of {} end well", others.passed, others.rows);
    if decode.passed < DECODE_ROWS_MIN {
        return Err(format!("only {} decode rows agree, {DECODE_ROWS_MIN} must", decode.passed));
    }
    if others.passed < others.rows {
        return Err(format!("{} partial or refuse rows end badly", others.rows - others.passed));
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    rows: usize,
    passed: usize,
}

impl Tally {
    fn count(&mut self, pass: bool) {
        self.rows += 1;
        self.passed += usize::from(pass);
    }
}

/// One line of `formats.csv`.
struct Row {
    file: String,
    codec: String,
    ffmpeg_frames: u64,
    libsndfile_frames: Option<u64>,
    expect: String,
}

impl Row {
    fn passes(&self, outcome: &Outcome) -> bool {
        let lossy = ["mp1", "mp2", "mp3", "aac", "vorbis", "opus"].contains(&self.codec.as_str());
        let slack = if lossy { LOSSY_FRAMES_MAX } else { 0 };
        match (self.expect.as_str(), outcome) {
            (_, Outcome::Panicked | Outcome::Hung) => false,
            ("decode", Outcome::Read { frames, .. }) => frames.abs_diff(self.ffmpeg_frames) <= slack,
            ("decode", Outcome::Refused(_)) => false,
            (_, Outcome::Read { damage: None, frames }) => self.libsndfile_frames == Some(*frames),
            (_, Outcome::Read { damage: Some(_), .. } | Outcome::Refused(_)) => true,
        }
    }
}

/// What came of reading a file to its end.
enum Outcome {
    Read { frames: u64, damage: Option<String> },
    Refused(String),
    Panicked,
    Hung,
}

impl Outcome {
    fn frames(&self) -> String {
        match self {
            Outcome::Read { frames, .. } => frames.to_string(),
            _ => "-".into(),
        }
    }

    fn reason(&self) -> String {
        match self {
            Outcome::Read { damage: None, .. } => "clean".into(),
            Outcome::Read { damage: Some(damage), .. } => format!("damaged: {damage}"),
            Outcome::Refused(reason) => format!("refused: {reason}"),
            Outcome::Panicked => "PANIC".into(),
            Outcome::Hung => format!("no end within {HANG:?}"),
        }
    }
}

/// Reads a file on a thread of its own, so that a panic or a hang is seen and not shared.
fn outcome(path: &Path) -> Outcome {
    let (send, receive) = mpsc::channel();
    let path: PathBuf = path.into();
    std::thread::spawn(move || {
        let outcome = match read_to_end(&path) {
            Ok((frames, damage)) => Outcome::Read { frames, damage },
            // The path is in the table's first column already.
            Err(error) => {
                Outcome::Refused(error.to_string().replace(&path.display().to_string(), "the file"))
            }
        };
        // Nobody listens any more once the time is up.
        let _ = send.send(outcome);
    });
    match receive.recv_timeout(HANG) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => Outcome::Hung,
        Err(mpsc::RecvTimeoutError::Disconnected) => Outcome::Panicked,
    }
}

fn read_to_end(path: &Path) -> Result<(u64, Option<String>), SourceError> {
    let mut source = open_file(path)?;
    let mut block = vec![0.0; 1024 * source.format().channels.get()];
    let mut frames = 0;
    loop {
        match source.read(&mut block)?.0 {
            0 => return Ok((frames, source.damage().map(ToString::to_string))),
            more => frames += more,
        }
    }
}

fn rows(dir: &Path) -> Result<Vec<Row>, String> {
    let path = dir.join("formats.csv");
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("can't read {}: {error}", path.display()))?;
    let broken = |why: String| format!("{}: {why}", path.display());
    let table = Table::parse(&text);
    let column = |name: &str| table.column(name).map_err(broken);
    let (file, codec, expect) = (column("file")?, column("codec")?, column("expect")?);
    let (ffmpeg, libsndfile) = (column("ffmpeg_frames")?, column("libsndfile_frames")?);
    let columns = [file, codec, expect, ffmpeg, libsndfile].into_iter().max().unwrap_or(0);
    table
        .rows()
        .iter()
        .map(|row| {
            if row.len() <= columns {
                return Err(broken(format!("short line {}", row.join(","))));
            }
            let text = |column| csv::cell(row, column).to_owned();
            Ok(Row {
                file: text(file),
                codec: text(codec),
                ffmpeg_frames: text(ffmpeg)
                    .parse()
                    .map_err(|_| broken(format!("no number of frames in {}", row.join(","))))?,
                libsndfile_frames: text(libsndfile).parse().ok(),
                expect: text(expect),
            })
        })
        .collect()
}

fn shortened(file: &str) -> String {
    file.rsplit('/').next().unwrap_or(file).chars().take(58).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes() {
        let row = |expect: &str, codec: &str| Row {
            file: "f".into(),
            codec: codec.into(),
            ffmpeg_frames: 10_000,
            libsndfile_frames: Some(9_000),
            expect: expect.into(),
        };
        let read = |frames, damage: Option<&str>| Outcome::Read { frames, damage: damage.map(Into::into) };
        let refused = || Outcome::Refused("no".into());
        assert!(row("decode", "flac").passes(&read(10_000, None)));
        assert!(!row("decode", "flac").passes(&read(10_001, None)));
        assert!(row("decode", "mp3").passes(&read(12_304, None)));
        assert!(!row("decode", "mp3").passes(&read(12_305, None)));
        assert!(!row("decode", "mp3").passes(&refused()));
        for expect in ["partial", "refuse"] {
            assert!(row(expect, "").passes(&refused()));
            assert!(row(expect, "").passes(&read(1, Some("truncated"))));
            assert!(row(expect, "").passes(&read(9_000, None)));
            assert!(!row(expect, "").passes(&read(8_999, None)));
            assert!(!row(expect, "").passes(&Outcome::Panicked));
            assert!(!row(expect, "").passes(&Outcome::Hung));
        }
    }
}
