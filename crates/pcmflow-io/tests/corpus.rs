//! Real files of many kinds, sound, truncated and hostile, against what ffmpeg and libsndfile found in them.
//!
//! Needs the corpus: `PCMFLOW_CORPUS` names the directory that holds `formats.csv`.
// A test may stop at the first surprise; the helpers here are no `#[test]` functions, which is all that clippy exempts.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use pcmflow_io::{Source, SourceError, open_file, open_reader};
use std::path::{Path, PathBuf};

/// Decoders differ by up to two MPEG frames in what they trim.
const LOSSY_FRAMES_MAX: u64 = 2 * 1152;

struct Row {
    path: PathBuf,
    expect: String,
    lossy: bool,
    ffmpeg_frames: u64,
    libsndfile_frames: Option<u64>,
}

fn rows() -> Option<Vec<Row>> {
    let Ok(corpus) = std::env::var("PCMFLOW_CORPUS") else {
        println!("skipped: PCMFLOW_CORPUS is not set");
        return None;
    };
    let corpus = Path::new(&corpus);
    let text = std::fs::read_to_string(corpus.join("formats.csv")).expect("PCMFLOW_CORPUS holds formats.csv");
    let rows: Vec<Row> = text.lines().skip(1).map(|line| row(corpus, &fields(line))).collect();
    assert!(!rows.is_empty(), "formats.csv lists files");
    Some(rows)
}

fn row(corpus: &Path, fields: &[String]) -> Row {
    Row {
        path: corpus.join(&fields[0]),
        lossy: ["mp2", "mp3", "aac", "vorbis", "opus"].contains(&fields[3].as_str()),
        ffmpeg_frames: fields[6].parse().unwrap(),
        libsndfile_frames: fields[8].parse().ok(),
        expect: fields[10].clone(),
    }
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().unwrap().push(other),
        }
    }
    fields
}

/// Frames and whether damage was told.
fn drain(source: &mut impl Source) -> Result<(u64, bool), SourceError> {
    let mut block = vec![0.0; 997 * source.format().channels.get()];
    let mut frames = 0;
    loop {
        match source.read(&mut block)?.0 {
            0 => return Ok((frames, source.damage().is_some())),
            more => frames += more,
        }
    }
}

#[test]
fn sound_files_give_every_frame_and_others_end_well() {
    let Some(rows) = rows() else { return };
    let (mut sound, mut agree) = (0, 0);
    for Row { path, expect, lossy, ffmpeg_frames, libsndfile_frames } in rows {
        let found = open_file(&path).and_then(|mut source| drain(&mut source));
        if expect == "decode" {
            sound += 1;
            let slack = if lossy { LOSSY_FRAMES_MAX } else { 0 };
            match found {
                Ok((frames, _)) if frames.abs_diff(ffmpeg_frames) <= slack => agree += 1,
                // The one codec that is missing says so.
                Err(SourceError::UnsupportedCodec { codec, .. }) => assert_eq!(codec, "Opus"),
                other => panic!("{}: {other:?}, ffmpeg {ffmpeg_frames}", path.display()),
            }
        } else if let Ok((frames, false)) = found {
            assert_eq!(Some(frames), libsndfile_frames, "{}: clean, and yet not all", path.display());
        }
    }
    assert!(agree >= 38, "{agree} of {sound} sound files agree");
}

#[test]
fn pipes_give_what_files_give() {
    let Some(rows) = rows() else { return };
    for Row { path, .. } in rows {
        let from_file = open_file(&path).and_then(|mut source| drain(&mut source));
        let from_pipe = std::fs::File::open(&path)
            .map(|file| open_reader(file, "a pipe", None).and_then(|mut source| drain(&mut source)))
            .unwrap();
        match (from_file, from_pipe) {
            (Ok(file), Ok(pipe)) => assert_eq!(file, pipe, "{}", path.display()),
            (Err(_), Err(_)) => {}
            // These keep at their end what is needed first.
            (Ok(_), Err(SourceError::Unsupported { .. })) if path.extension().is_some_and(|e| e == "m4a") => {
            }
            (file, pipe) => panic!("{}: file {file:?}, pipe {pipe:?}", path.display()),
        }
    }
}
