//! What is wrong with an input or a command line is told with its name and the reason, and what could be had is delivered.

use super::support::{Output, Place, Run, count, few, line, pcmflow, sine, wav, wav_f32};

/// Every command that reads inputs: a bad one must be met in the same way by all.
const COMMANDS: [&str; 4] = ["pitch", "level", "pipe", "info"];

/// An input of which nothing can be had: all commands fail, name it and say why.
fn refused(file: &str, why: &[&str]) {
    for command in COMMANDS {
        let run = pcmflow([command, file]).end().code(1).says(&[file]).says(why);
        assert!(run.out.is_empty(), "{command}: {:?}", run.text());
    }
}

fn summary(place: &Place, run: Run) -> (Output, serde_json::Value) {
    let run = run.arg("--summary").arg(place.at("books.json")).end();
    let books = place.json("books.json");
    let dropped: u64 = books["dropped"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(count(&books, "frames_in"), count(&books, "delivered") + dropped + count(&books, "in_flight"));
    assert_eq!(count(&books, "unaccounted"), 0, "{books}");
    (run, books)
}

#[test]
fn nothing_can_be_had() {
    let place = Place::new();
    refused(&place.file("empty.wav", b""), &["is empty"]);
    refused(&place.at("missing.wav"), &["can't open", "No such file"]);
    refused(place.path().to_str().unwrap(), &["is a directory"]);
    let random: Vec<u8> = (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    refused(&place.file("random.bin", &random), &["no audio file of a known kind"]);
    refused(
        &place.file("text.wav", b"This is no sound, but it is long enough to be one."),
        &["no audio file"],
    );
    refused(&place.file("head.wav", &wav(48_000, 1, &[0; 100])[..20]), &["damaged"]);
}

#[test]
fn absurd_formats() {
    let place = Place::new();
    refused(&place.file("mute.wav", &wav(48_000, 0, &[1; 100])), &["channels"]);
    refused(&place.file("crowd.wav", &wav(48_000, 999, &[1; 9990])), &["999 channels", "64"]);
    for rate in [0, 1, 999, 768_001, u32::MAX] {
        refused(&place.file("rate.wav", &wav(rate, 1, &[1; 100])), &[&rate.to_string(), "768000 Hz"]);
    }
}

#[test]
fn a_truncated_file_gives_what_it_holds() {
    let place = Place::new();
    let whole = wav(48_000, 1, &sine(48_000, 440.0, 10_000));
    let file = place.file("cut.wav", &whole[..44 + 2 * 3000 + 1]);
    for command in ["pitch", "level", "pipe"] {
        let (run, books) = summary(&place, pcmflow([command, &file]));
        let run = run.code(3).says(&[&file, "truncated", "20000"]);
        assert_eq!((count(&books, "frames_in"), count(&books, "delivered")), (3000, 3000));
        if command == "pipe" {
            assert_eq!(run.out, whole[44..44 + 6000]);
        }
    }
    let info = pcmflow(["info", "--json", &file]).end().code(3).says(&[&file, "truncated"]).json().remove(0);
    assert_eq!(count(&info, "frames"), 3000);
    assert!(info["damage"].as_str().unwrap().contains("truncated"), "{info}");
}

#[test]
fn a_lying_length_is_not_believed() {
    let place = Place::new();
    let mut bytes = wav(48_000, 1, &sine(48_000, 440.0, 3000));
    // Four gigabytes are promised: neither waited for nor allocated.
    bytes[40..44].copy_from_slice(&0xFFFF_FF00u32.to_le_bytes());
    let file = place.file("long.wav", &bytes);
    let (run, books) = summary(&place, pcmflow(["level", &file]));
    assert!([0, 3].contains(&run.code), "{}", run.err);
    assert_eq!(count(&books, "delivered"), 3000);
    assert!(count(&books, "peak_bytes") < 1 << 20, "{books}");
    // Less is promised than there is.
    bytes[40..44].copy_from_slice(&2000u32.to_le_bytes());
    let file = place.file("short.wav", &bytes);
    let (_, books) = summary(&place, pcmflow(["level", &file]));
    assert_eq!(count(&books, "delivered"), 1000);
}

#[test]
fn samples_that_are_no_numbers() {
    let place = Place::new();
    let mut samples: Vec<f32> =
        sine(48_000, 440.0, 30_000).iter().map(|s| f32::from(*s) / 32_768.0).collect();
    for n in (0..30_000).step_by(100) {
        samples[n] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX][n / 100 % 4];
    }
    let file = place.file("nan.wav", &wav_f32(48_000, 1, &samples));
    let lines = pcmflow(["level", &file]).end().code(0).json();
    assert_eq!(lines.iter().map(|line| count(line, "non_finite")).sum::<u64>(), 225);
    let lines = pcmflow(["pitch", &file]).end().code(0).json();
    assert!(lines.len() >= 30_000 / 1024, "{}", lines.len());
    assert!(lines.iter().all(|line| line["hz"].is_null() || line["hz"].as_f64().unwrap().is_finite()));
    let piped = pcmflow(["pipe", &file, "--rate", "16000", "--format", "s16le"]).end().code(0);
    assert_eq!(piped.out.len(), 2 * 10_000);
    let info = pcmflow(["info", "--json", &file]).end().code(0).json().remove(0);
    assert_eq!((count(&info, "non_finite"), count(&info, "frames")), (225, 30_000));
}

#[test]
fn one_bad_file_does_not_stop_the_rest() {
    let place = Place::new();
    let good = place.file("good.wav", &wav(48_000, 1, &sine(48_000, 440.0, 4000)));
    let bad = place.file("bad.wav", b"no sound");
    let cut = place.file("cut.wav", &wav(48_000, 1, &sine(48_000, 440.0, 4000))[..1044]);
    for command in ["pitch", "level"] {
        let (run, books) = summary(&place, pcmflow([command, &good, &bad, &cut]));
        let run = run.code(1).says(&[&bad, &cut]);
        let lines = run.json();
        for file in [&good, &cut] {
            assert!(lines.iter().any(|line| line["file"] == **file), "{command}: nothing of {file}");
        }
        assert!(lines.iter().all(|line| line["file"] != *bad));
        assert_eq!((count(&books, "delivered"), count(&books, "inputs")), (4500, 2));
    }
    let lines = pcmflow(["info", "--json", &bad, &good, &cut]).end().code(1).says(&[&bad]).json();
    assert_eq!(lines.len(), 2, "{}", few(&lines));
    // Damage alone is a lesser evil.
    pcmflow(["level", &good, &cut]).end().code(3);
}

#[test]
fn standard_input() {
    // Nothing at all.
    for command in COMMANDS {
        line(&format!("{command} -")).end().code(1).says(&["standard input is empty"]);
    }
    line("level - --raw s16le").end().code(0);
    line("level -").stdin(b"neither this nor that".to_vec()).end().code(1).says(&["standard input"]);
    // Raw PCM that ends within a frame.
    line("level - --fast --raw s16le,channels=2").stdin(vec![0; 4003]).end().code(3).says(&["truncated"]);
}

#[test]
fn a_summary_that_can_not_be_written() {
    let place = Place::new();
    let path = place.at("none/books.json");
    let run = pcmflow(["level", "synth:silence,seconds=0.1", "--summary", &path]).end().code(1);
    let run = run.says(&["can't write the summary", &path]);
    assert_eq!((run.text(), run.err.lines().count()), ("", 1), "before the first frame: {}", run.err);
    pcmflow(["demo", "--fast", "--summary", &path]).end().code(1).says(&["can't write the summary"]);
    pcmflow(["pipe", "synth:silence,seconds=0.1", "-o", &place.at("none/out.wav")])
        .end()
        .code(1)
        .says(&["can't create", "none/out.wav"]);
}

#[test]
fn an_input_is_not_overwritten_by_its_own_output() {
    let place = Place::new();
    let bytes = wav(48_000, 1, &sine(48_000, 440.0, 100_000));
    let file = place.file("a.wav", &bytes);
    let roundabout =
        place.at("../").to_owned() + place.path().file_name().unwrap().to_str().unwrap() + "/a.wav";
    for output in [&file, &roundabout] {
        pcmflow(["pipe", &file, "-o", output]).end().code(2).says(&[output, "the input itself"]);
    }
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "it is as it was");
}

#[test]
fn wrong_usage_is_told_what_would_be_right() {
    for (arguments, says) in [
        ("", &["Usage"][..]),
        ("play x.wav", &["play"]),
        ("pitch", &["INPUT"]),
        ("pitch x.wav --loud", &["--loud"]),
        ("pitch x.wav --csv --json", &["--csv", "--json"]),
        ("pitch x.wav --fast --realtime", &["--fast", "--realtime"]),
        ("pitch x.wav --block 1000", &["1000", "128"]),
        ("pitch x.wav --block 0", &["128"]),
        ("pitch x.wav --block -1", &["-1"]),
        ("pitch x.wav --block 512", &["512", "production", "1024", "development"]),
        ("level x.wav --block 4096 --profile development", &["4096", "256 to 2048"]),
        ("level x.wav --profile fancy", &["production, development"]),
        ("level x.wav --overflow evict", &["reject, drop-newest"]),
        ("level x.wav --inject nonsense", &["nonsense", "slow-consumer=DURATION", "stall=DURATION"]),
        ("level x.wav --inject stall=soon", &["soon", "30ms"]),
        ("pitch x.wav --window square", &["hann, hamming, blackman"]),
        ("pipe x.wav --format mp3", &["s16le"]),
        ("pipe x.wav --rate 10", &["10", "1000"]),
        ("pipe x.wav --channels 65", &["65"]),
        ("pipe x.wav --gaps fill", &["silence, cut"]),
        ("pipe synth:silence --format s16be -o out.wav", &["s16be", "s16le"]),
        ("level x.wav --raw s16le", &["--raw", "standard input", "x.wav"]),
        ("level synth:silence --raw s16le", &["--raw", "standard input", "synth:silence"]),
        ("pipe synth:silence -o out.mp3", &["out.mp3", "WAV"]),
        ("pipe synth:silence -o out.wav --summary out.wav", &["out.wav", "summary"]),
        ("level - --raw s17le", &["--raw s17le", "s16le"]),
        ("level - --raw s16le,rate=10", &["rate", "10 Hz"]),
        ("level - --raw s16le,channels=0", &["0 channels"]),
        ("level - --raw s16le,speed=2", &["speed=2", "rate="]),
        ("level synth:square:440", &["synth:square:440", "sine:440"]),
        ("level synth:sine:30000", &["30000", "half the rate"]),
        ("level synth:sine:440,seconds=-1", &["seconds"]),
        ("level synth:sine:440,volume=3", &["volume=3", "level="]),
        ("info synth:sine:440,seconds=endless", &["endless", "seconds="]),
        ("demo --detune 5000", &["5000", "1200"]),
        ("completions csh", &["bash"]),
    ] {
        let run = line(arguments).end().code(2).says(says);
        assert!(run.out.is_empty(), "{arguments}: {:?}", run.text());
    }
}

/// No name of an input may be written to: not by another path, not by a hard link, not as the summary.
#[cfg(unix)]
#[test]
fn no_output_overwrites_an_input() {
    let place = Place::new();
    let bytes = wav(8_000, 1, &[1; 4_000]);
    let input = place.file("in.wav", &bytes);
    std::fs::hard_link(&input, place.at("hard.wav")).unwrap();
    std::os::unix::fs::symlink(&input, place.at("soft.wav")).unwrap();
    for name in ["in.wav", "hard.wav", "soft.wav"] {
        line("pipe").arg(&input).arg("-o").arg(place.at(name)).end().code(2).says(&[name, "input itself"]);
        line("level").arg(&input).arg("--summary").arg(place.at(name)).end().code(2).says(&[name]);
    }
    assert_eq!(std::fs::read(&input).unwrap(), bytes);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_utf_8_is_a_name() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let odd = place.path().join(std::ffi::OsStr::from_bytes(b"odd\xff.wav"));
    std::fs::write(&odd, wav(8_000, 1, &[1; 1_000])).unwrap();
    let missing = place.path().join(std::ffi::OsStr::from_bytes(b"none\xff.wav"));
    let run = line("level").arg(&missing).arg(&odd).end().code(1).says(&["none\u{fffd}.wav"]);
    assert_eq!(run.json().iter().map(|line| line["frames"].as_u64().unwrap()).sum::<u64>(), 1_000);
}

/// The error, and nothing about books of nothing.
#[test]
fn an_input_that_never_opened_has_no_books() {
    let place = Place::new();
    let bad = place.file("bad.wav", b"no sound");
    for command in ["pitch", "level", "pipe"] {
        let run = pcmflow([command, &bad]).end().code(1).says(&[&bad]);
        assert!(!run.err.contains("health") && !run.err.contains("frames in"), "{}", run.err);
    }
}

/// What an earlier run wrote is replaced when there is something to replace it with, whole, and not before.
#[test]
fn an_old_summary_stays_until_the_new_one_is_there() {
    let place = Place::new();
    let old = "x".repeat(100_000);
    let books = place.file("books.json", old.as_bytes());
    pcmflow(["level", "synth:silence,seconds=0.1", "--block", "7", "--summary", &books]).end().code(2);
    assert_eq!(std::fs::read_to_string(&books).unwrap(), old);
    pcmflow(["level", "synth:silence,seconds=0.1", "--summary", &books]).end().code(0);
    assert_eq!(count(&place.json("books.json"), "delivered"), 4800);
}

/// The name of a file may hold anything; a terminal must not obey it.
#[cfg(unix)]
#[test]
fn names_do_not_reach_the_terminal_as_they_are() {
    let place = Place::new();
    let name = "red\u{1b}[31m\u{9b}2J\r.wav";
    let shown = "red\\u{1b}[31m\\u{9b}2J\\r.wav";
    let at = place.at(name);
    for arguments in [["info", &at], ["level", &at], ["run", &at], ["graph", &at]] {
        pcmflow(arguments).end().code(1).says(&[shown]);
    }
    place.file(name, &wav(8_000, 1, &[0; 800]));
    let info = pcmflow(["info", &at]).end().code(0);
    assert!(info.text().contains(shown), "{}", info.text());
    for output in
        [pcmflow(["config", "check", &at]).end(), pcmflow(["level", "--raw", "s16le", &at]).end(), info]
    {
        let said = output.err.clone() + output.text();
        assert!(!said.chars().any(|letter| letter.is_control() && letter != '\n'), "{said:?}");
    }
}
