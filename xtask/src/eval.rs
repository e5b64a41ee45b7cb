//! `cargo xtask eval DIR`: runs `pcmflow pitch` over the recordings that `DIR/truth.csv` lists and scores what it says.
//!
//! The program under test is the built program itself, run as a user runs it, so that decoding and everything else
//! between a file and its estimates is part of the score. The scorer ([`score`]) is that of the usual
//! pitch-tracking literature; its definitions stand there. After the table come the CPU time of the run and, from a
//! second run with `--json`, the delay of the estimates.

mod noise;
mod program;
mod score;
mod truth;

use program::Program;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use truth::Recording;

const USAGE: &str = "usage: cargo xtask eval DIR (where truth.csv is) [--noise pinkDB] [--by band|file|instrument|kind] \
                     [--seed N] [--program PATH]";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
struct Request {
    dir: PathBuf,
    /// By how many dB the noise lies under the loudest 30 ms of each recording; none without noise.
    noise_db: Option<f64>,
    by: Option<Group>,
    seed: u64,
    /// The program to run instead of building the workspace's own.
    program: Option<PathBuf>,
}

/// What the rows of the table are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Group {
    Band,
    File,
    Instrument,
    Kind,
}

/// Runs the evaluation and prints the table.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let request = parse(args)?;
    let recordings = truth::read(&request.dir)?;
    let program = Program::find(request.program.as_deref())?;
    let files = match request.noise_db {
        None => recordings.iter().map(|recording| request.dir.join(&recording.file)).collect(),
        Some(db) => noise::write_all(&recordings, &request.dir, db, request.seed)?,
    };
    let (estimates, cpu_s) = program.estimates(&files)?;
    let rows: Vec<(&Recording, score::Counts)> = recordings
        .iter()
        .zip(&files)
        .map(|(recording, file)| {
            let of_file = estimates.get(file).map_or(&[][..], Vec::as_slice);
            (recording, score::count(&recording.frames, of_file))
        })
        .collect();
    for line in table(&rows, request.by) {
        println!("{line}");
    }
    for file in files.iter().filter(|file| !estimates.contains_key(*file)) {
        println!("no estimates for {}", file.display());
    }
    let mut audio_s = 0.0;
    let mut by_rate: BTreeMap<u32, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let (rate_hz, seconds) = noise::measure(&file)?;
        audio_s += seconds;
        by_rate.entry(rate_hz).or_default().push(file);
    }
    match cpu_s {
        Some(cpu_s) => {
            println!("cpu: {cpu_s:.2} s for {audio_s:.1} s of audio = {:.4} s per s", cpu_s / audio_s)
        }
        None => println!("cpu: can't be told on this system ({audio_s:.1} s of audio)"),
    }
    for (rate_hz, files) in by_rate {
        let mut delays_ms = program.delays_ms(&files)?;
        delays_ms.sort_by(f64::total_cmp);
        match (score::percentile(&delays_ms, 50.0), score::percentile(&delays_ms, 99.0)) {
            (Some(p50), Some(p99)) => println!(
                "delay at {rate_hz} Hz: p50={p50:.1} ms p99={p99:.1} ms over {} estimates",
                delays_ms.len()
            ),
            _ => println!("delay at {rate_hz} Hz: the program told none"),
        }
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<Request, String> {
    let mut request = Request { dir: PathBuf::new(), noise_db: None, by: None, seed: 1, program: None };
    let mut dir = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value\n{USAGE}"));
        match arg.as_str() {
            "--noise" => request.noise_db = Some(parse_noise(value()?)?),
            "--seed" => {
                let text = value()?;
                request.seed =
                    text.parse().map_err(|_| format!("--seed wants a whole number, not `{text}`"))?;
            }
            "--program" => request.program = Some(PathBuf::from(value()?)),
            "--by" => {
                request.by = Some(match value()?.as_str() {
                    "band" => Group::Band,
                    "file" => Group::File,
                    "instrument" => Group::Instrument,
                    "kind" => Group::Kind,
                    other => return Err(format!("--by wants band, file, instrument or kind, not `{other}`")),
                });
            }
            option if option.starts_with('-') => {
                return Err(format!("there is no option `{option}` here\n{USAGE}"));
            }
            word if dir.is_none() => dir = Some(PathBuf::from(word)),
            word => return Err(format!("`{word}` means nothing here\n{USAGE}")),
        }
    }
    request.dir = dir.ok_or(USAGE)?;
    Ok(request)
}

fn parse_noise(text: &str) -> Result<f64, String> {
    text.strip_prefix("pink")
        .and_then(|db| db.parse::<f64>().ok())
        .filter(|db| (-40.0..=120.0).contains(db))
        .ok_or_else(|| {
            format!("--noise wants pink and by how many dB it is softer, as in pink20, not `{text}`")
        })
}

/// The lines of the table: all files, then each group in order of its name.
fn table(rows: &[(&Recording, score::Counts)], by: Option<Group>) -> Vec<String> {
    let line = |name: &str, summary: String| {
        let name: String = name.chars().take(34).collect();
        format!("{name:<34} {summary}").trim_end().to_owned()
    };
    let all: Vec<&score::Counts> = rows.iter().map(|(_, counts)| counts).collect();
    let mut lines = vec![line("ALL", score::summary(&all))];
    let mut groups: BTreeMap<String, Vec<&score::Counts>> = BTreeMap::new();
    if let Some(by) = by {
        for (recording, counts) in rows {
            let name = match by {
                Group::Band => score::band(&recording.frames).to_owned(),
                Group::File => recording.file.clone(),
                Group::Instrument => recording.instrument.clone(),
                Group::Kind => recording.kind.clone(),
            };
            groups.entry(name).or_default().push(counts);
        }
    }
    lines.extend(groups.iter().map(|(name, counts)| line(name, score::summary(counts))));
    lines
}

/// Turns a path into an error message's first words.
fn at(path: &Path, what: impl std::fmt::Display) -> String {
    format!("{}: {what}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn the_command_line() {
        let asked = parse(&words("corpus --noise pink20 --by band --seed 7")).unwrap();
        assert_eq!(
            asked,
            Request {
                dir: "corpus".into(),
                noise_db: Some(20.0),
                by: Some(Group::Band),
                seed: 7,
                program: None
            }
        );
        for wrong in [
            "",
            "a b",
            "a --noise",
            "a --noise white20",
            "a --noise pinknan",
            "a --by x",
            "a --seed x",
            "a --x",
        ] {
            assert!(parse(&words(wrong)).is_err(), "`{wrong}`");
        }
    }

    #[test]
    fn groups_are_ordered_and_long_names_cut() {
        let recording = |file: &str, hz: f64| Recording {
            file: file.into(),
            kind: "note".into(),
            instrument: "x".into(),
            frames: vec![truth::Frame { time_s: 0.0, hz }],
        };
        let (low, high) = (recording(&"z".repeat(40), 50.0), recording("a", 2000.0));
        let rows = [(&low, score::count(&low.frames, &[])), (&high, score::count(&high.frames, &[]))];
        let lines = table(&rows, Some(Group::Band));
        assert!(
            lines[0].starts_with("ALL                                files=2 frames=2 RPA50=0.0 "),
            "{}",
            lines[0]
        );
        assert!(lines[1].starts_with("a <82 Hz ") && lines[2].starts_with("f >=1320 Hz "));
        assert!(table(&rows, Some(Group::File))[2].starts_with(&format!("{} files=1", "z".repeat(34))));
    }
}
