//! Early ends: Ctrl-C, and a reader that has seen enough. Both come at once, leave books that balance, and no panic.
#![cfg(unix)]

use super::stamps::books;
use super::support::{Place, Running, count, f32le, line};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::ChildStdout;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Waits until the program has said two lines, and so is at work.
fn first_lines(running: &mut Running) -> BufReader<ChildStdout> {
    let mut reader = BufReader::new(running.child.stdout.take().unwrap());
    // CSV has a header before anything is at work.
    for _ in 0..2 {
        assert_ne!(reader.read_line(&mut String::new()).unwrap(), 0, "nothing was said");
    }
    reader
}

fn rest(mut reader: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// Starts, waits for the first line, interrupts, and checks the books; the exit code is 0.
fn interrupted(arguments: &str) -> (Place, serde_json::Value) {
    let place = Place::new();
    let mut running = line(&format!("{arguments} --summary")).arg(place.at("books.json")).start();
    let reader = first_lines(&mut running);
    running.interrupt();
    let run = running.end(rest(reader)).code(0);
    assert!(run.text().is_empty() || run.text().ends_with('\n'), "the last line is cut");
    let books = books(&place, "books.json", &run);
    assert_eq!(books.dropped, 0);
    let summary = place.json("books.json");
    (place, summary)
}

#[test]
fn ctrl_c_ends_an_endless_signal() {
    for pace in ["--realtime", "--fast"] {
        for command in ["level", "pitch --json", "pitch --csv"] {
            let (_, summary) = interrupted(&format!("{command} synth:sine:440,seconds=endless {pace}"));
            assert!(count(&summary, "delivered") > 0, "{command} {pace}: {summary}");
        }
    }
}

#[test]
fn ctrl_c_ends_the_demo() {
    let (_, summary) = interrupted("demo");
    assert!(count(&summary, "frames_in") < 48_000 * 5, "{summary}");
}

#[test]
fn ctrl_c_leaves_a_whole_wav_file() {
    let place = Place::new();
    let running = line("pipe synth:sine:440,seconds=endless --realtime -o")
        .arg(place.at("out.wav"))
        .arg("--summary")
        .arg(place.at("books.json"));
    let mut running = running.start();
    // The header is there once the file is: then some frames come.
    while std::fs::metadata(place.at("out.wav")).map_or(0, |file| file.len()) == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(300));
    running.interrupt();
    let out = running.gather_stdout();
    let run = running.end(out).code(0);
    let delivered = books(&place, "books.json", &run).delivered;
    let info = line("info --json").arg(place.at("out.wav")).end().code(0).json().remove(0);
    assert_eq!(count(&info, "frames"), delivered, "{info}");
    assert!(delivered > 0 && info["damage"].is_null(), "{info}");
}

/// The read that hangs is given up; what had come is counted.
#[test]
fn ctrl_c_while_standard_input_delivers_nothing() {
    let place = Place::new();
    let mut running = line("level - --raw f32le --summary").arg(place.at("books.json")).stdin_open().start();
    let mut stdin = running.child.stdin.take().unwrap();
    stdin.write_all(&f32le(&[0.5; 2048])).unwrap();
    let reader = first_lines(&mut running);
    // The pipe stays open and silent until the program is gone.
    running.interrupt();
    let run = running.end(rest(reader)).code(0);
    drop(stdin);
    assert_eq!(books(&place, "books.json", &run).delivered, 2048);
}

/// Nothing has come yet, not even the bytes that tell what it is: there is no flow yet that could end.
#[test]
fn ctrl_c_before_anything_came() {
    for arguments in ["level - --raw f32le", "level -", "pipe -"] {
        let mut running = line(arguments).stdin_open().start();
        let stdin = running.child.stdin.take().unwrap();
        // Time to get to its read; too short would only make the signal come earlier.
        thread::sleep(Duration::from_millis(300));
        running.interrupt();
        let out = running.gather_stdout();
        running.end(out).code(0).says(&["frames in 0 ", "unaccounted 0"]);
        drop(stdin);
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_program() {
    for arguments in ["pitch --json", "pitch --csv", "level", "pipe"] {
        for pace in ["--fast", "--realtime"] {
            let mut running = line(&format!("{arguments} synth:sine:440,seconds=endless {pace}")).start();
            let mut stdout = running.child.stdout.take().unwrap();
            stdout.read_exact(&mut [0; 10]).unwrap();
            drop(stdout);
            let run = running.end(thread::spawn(Vec::new)).code(1).says(&["nobody reads standard output"]);
            assert!(run.err.contains("unaccounted 0"), "{}", run.err);
        }
    }
    // What is printed at once: the reader had what it wanted.
    for arguments in ["--help", "completions bash", "info synth:silence"] {
        let mut running = line(arguments).start();
        drop(running.child.stdout.take());
        running.end(thread::spawn(Vec::new)).code(0);
    }
}

/// Standard output is open and full: what is under way can't leave, and the program must not wait for ever.
#[cfg(unix)]
#[test]
fn ctrl_c_while_nobody_reads_the_output() {
    let place = Place::new();
    let running = line("pipe synth:sine:440,seconds=endless --fast --summary").arg(place.at("books.json"));
    let mut running = running.start();
    let mut stdout = running.child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    running.interrupt();
    running.end(thread::spawn(Vec::new)).code(1).says(&["takes nothing more", "settled to"]);
    drop(stdout);
    // What was given up was under way.
    let summary = place.json("books.json");
    let [frames_in, delivered, in_flight] =
        ["frames_in", "delivered", "in_flight"].map(|key| count(&summary, key));
    assert!(in_flight > 0 && frames_in == delivered + in_flight, "{summary}");
}
