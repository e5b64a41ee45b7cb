//! What each command promises, on inputs of which the right answer is known.

use super::support::{Place, count, few, line, pcmflow, sine, wav, wav_f32};
use serde_json::Value;

#[test]
fn help_shows_examples() {
    let help = line("--help").end().code(0);
    for part in ["Exit codes", "Examples:", "pcmflow demo", "pcmflow pitch --csv"] {
        assert!(help.text().contains(part), "{part:?} is missing from\n{}", help.text());
    }
    for command in ["demo", "pitch", "level", "pipe", "info", "completions"] {
        assert!(help.text().contains(&format!("  {command} ")), "{command}");
        let help = pcmflow([command, "--help"]).end().code(0);
        let example = format!("  pcmflow {command}");
        assert!(help.text().contains("Example") && help.text().contains(&example), "{}", help.text());
        let short = pcmflow([command, "-h"]).end().code(0);
        assert!(short.text().contains("Usage: pcmflow"));
    }
    assert!(line("--version").end().code(0).text().starts_with("pcmflow "));
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = pcmflow(["completions", shell]).end().code(0);
        for word in ["demo", "pitch", "level", "pipe", "info", "slow-consumer", "overflow"] {
            // Words of values are in the descriptions, which bash has none of.
            let expected = word != "slow-consumer" || shell != "bash";
            assert!(script.text().contains(word) || !expected, "{shell} lacks {word}");
        }
    }
}

/// The lines of the demo's table: what was played and, in cents, how far from the nearest note it was heard.
fn demo(arguments: &str) -> (usize, Vec<f64>) {
    let place = Place::new();
    let run = line(&format!("demo --fast {arguments} --summary")).arg(place.at("books.json")).end().code(0);
    let books = place.json("books.json");
    assert_eq!((count(&books, "unaccounted"), count(&books, "in_flight")), (0, 0), "{books}");
    assert!(books["dropped"].as_object().unwrap().is_empty() && count(&books, "delivered") > 48_000);
    let rows = run.text().lines().filter(|line| line.contains('✓') || line.contains('✗'));
    let cents = rows.map(|row| {
        let words: Vec<_> = row.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "cents").unwrap_or_else(|| panic!("{row}"));
        words[at - 1].parse().expect(row)
    });
    let cents: Vec<f64> = cents.collect();
    let column = |row: &str| row.split("cents").next().map(|before| before.chars().count());
    let columns: std::collections::BTreeSet<_> =
        run.text().lines().filter(|line| line.contains(" cents ")).map(column).collect();
    assert!(columns.len() <= 1, "the columns don't align: {}", run.text());
    let last = run.text().lines().last().unwrap();
    let told = format!("heard {0} of {0} notes played; {0} notes heard in all", cents.len());
    assert_eq!(last, told, "{}", run.text());
    (cents.len(), cents)
}

#[test]
fn the_demo_hears_what_it_plays() {
    for arguments in ["", "--seed 7"] {
        let (notes, cents) = demo(arguments);
        assert!(notes >= 8, "{notes} notes are no melody");
        assert!(cents.iter().all(|cents| cents.abs() < 1.0), "{arguments}: {cents:?}");
    }
    let melodies = ["--seed 1", "--seed 7"].map(|seed| line(&format!("demo --fast {seed}")).end().out);
    assert_ne!(melodies[0], melodies[1], "another seed is another melody");
}

#[test]
fn the_demo_hears_that_it_is_out_of_tune() {
    for seed in [1, 7] {
        let (_, cents) = demo(&format!("--detune 30 --seed {seed}"));
        assert!(cents.iter().all(|cents| (29.0..=31.5).contains(cents)), "seed {seed}: {cents:?}");
    }
    let (_, cents) = demo("--detune -20");
    assert!(cents.iter().all(|cents| (-21.5..=-18.5).contains(cents)), "{cents:?}");
}

#[test]
fn the_demo_hears_no_note_in_silence() {
    assert_eq!(demo("--silence").0, 0);
}

/// The rows of a CSV file: time, Hz, confidence; after its header was checked.
fn csv(text: &str, file: &str) -> Vec<(f64, f64, f64)> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("file,time_s,f0_hz,confidence"));
    let row = |line: &str| {
        let rest = line.strip_prefix(file).and_then(|rest| rest.strip_prefix(',')).expect(line);
        let fields: Vec<f64> = rest.split(',').map(|field| field.parse().expect(line)).collect();
        let [time, hz, confidence] = fields[..] else { panic!("{line}") };
        (time, hz, confidence)
    };
    lines.map(row).collect()
}

#[test]
fn pitch_says_the_same_as_csv_and_as_json() {
    let place = Place::new();
    let file = place.file("a.wav", &wav(44_100, 1, &sine(44_100, 440.0, 44_100)));
    let rows = csv(pcmflow(["pitch", "--csv", &file]).end().code(0).text(), &file);
    let json = pcmflow(["pitch", "--json", &file]).end().code(0);
    let lines = json.json();
    assert_eq!(rows.len(), lines.len());
    let number = |line: &Value, key: &str| line[key].as_f64().unwrap_or(0.0);
    for (row, line) in rows.iter().zip(&lines) {
        let same = (number(line, "time_s"), number(line, "hz"), number(line, "confidence"));
        assert_eq!(*row, same, "{line}");
        assert_eq!(line["file"], *file);
        assert!((number(line, "position") / 44_100.0 - row.0).abs() < 1e-6, "{line}");
        assert_eq!(line["voiced"], number(line, "confidence") >= 0.5, "{line}");
        assert!(number(line, "delay_ms") >= 0.0);
    }
    let heard = lines.iter().filter(|line| line["voiced"] == true).count();
    assert!(heard * 10 >= lines.len() * 9, "{heard} of {}", lines.len());
    for line in lines.iter().filter(|line| line["voiced"] == true) {
        let (hz, cents) = (number(line, "hz"), number(line, "cents"));
        assert!((hz - 440.0).abs() < 1.0 && cents.abs() < 4.0 && line["note"] == "A4", "{line}");
    }
    let keys: Vec<_> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    let mut documented =
        ["file", "position", "time_s", "hz", "note", "cents", "confidence", "voiced", "delay_ms"];
    documented.sort_unstable();
    assert_eq!(keys, documented);
}

#[test]
fn a_file_is_called_as_it_was_given() {
    let place = Place::new();
    let odd = place.file("a, \"b\".wav", &wav(48_000, 1, &sine(48_000, 440.0, 4_000)));
    let text = pcmflow(["pitch", "--csv", &odd]).end().code(0);
    assert!(!csv(text.text(), &format!("\"{}\"", odd.replace('"', "\"\""))).is_empty());
    let lines = pcmflow(["level", &odd]).end().code(0).json();
    assert!(lines.iter().all(|line| line["file"] == *odd));
    let lines = line("pitch synth:sine:220,seconds=0.2 --json").end().code(0).json();
    assert_eq!(lines[0]["file"], "synth:sine:220,seconds=0.2");
    let lines = line("level - --raw s16le").stdin(vec![0; 200]).end().code(0).json();
    assert_eq!(lines[0]["file"], "-");
}

#[test]
fn level_measures_what_is_known() {
    // Half of full scale is −6.02 dB at the peak, and a sine 3.01 dB less in RMS.
    let lines = line("level synth:sine:1000,seconds=1,level=-6.0206 --profile development --block 256")
        .end()
        .code(0)
        .json();
    assert_eq!(lines.len(), 48_000usize.div_ceil(256));
    for line in &lines {
        let (peak, rms) = (line["peak"].as_f64().unwrap(), line["rms"].as_f64().unwrap());
        assert!((20.0 * peak.log10() + 6.02).abs() < 0.02, "{line}");
        assert!((20.0 * rms.log10() + 9.03).abs() < 0.2, "{line}");
        assert!((line["peak_db"].as_f64().unwrap() + 6.0).abs() < 0.051, "{line}");
    }
    let positions: Vec<u64> = lines.iter().map(|line| count(line, "position")).collect();
    assert!(positions.iter().zip(0u64..).all(|(position, n)| *position == 256 * n), "{}", few(&positions));
    let lines = line("level synth:silence,seconds=0.1").end().code(0).json();
    assert!(lines.iter().all(|line| line["peak_db"].is_null() && line["peak"] == 0.0), "{}", few(&lines));
    let place = Place::new();
    let file = place.file("loud.wav", &wav_f32(48_000, 2, &[1.0, -2.0, 0.5, 0.25]));
    let lines = pcmflow(["level", &file]).end().code(0).json();
    assert_eq!((count(&lines[0], "clipped"), count(&lines[0], "frames")), (2, 2));
    assert_eq!(lines[0]["peak"], 2.0);
}

#[test]
fn a_pipe_changes_no_bit_where_nothing_is_to_be_changed() {
    let place = Place::new();
    let samples: Vec<i16> =
        (0..30_001i32).flat_map(|n| [n.wrapping_mul(7_919) as i16, n.wrapping_mul(104_729) as i16]).collect();
    let bytes = wav(44_100, 2, &samples);
    let file = place.file("in.wav", &bytes);
    assert_eq!(pcmflow(["pipe", &file]).end().code(0).out, bytes[44..]);
    pcmflow(["pipe", &file, "-o", &place.at("out.wav")]).end().code(0);
    let back = pcmflow(["pipe", &place.at("out.wav")]).end().code(0);
    assert_eq!(back.out, bytes[44..]);
    // Through standard input, as WAV and as raw PCM, and through wider formats.
    assert_eq!(line("pipe - --fast").stdin(bytes.clone()).end().code(0).out, bytes[44..]);
    let raw = line("pipe - --fast --raw s16le,rate=44100,channels=2").stdin(bytes[44..].to_vec());
    assert_eq!(raw.end().code(0).out, bytes[44..]);
    for format in ["s24le", "s32le", "f32le"] {
        let wide = place.at(&format!("{format}.wav"));
        pcmflow(["pipe", &file, "--format", format, "-o", &wide]).end().code(0);
        assert_eq!(pcmflow(["pipe", &wide]).end().code(0).out, bytes[44..], "{format}");
    }
}

#[test]
fn conversions_have_the_right_number_of_frames() {
    let place = Place::new();
    for (from, frames, to) in
        [(48_000, 10_001, 16_000), (44_100, 10_000, 16_000), (8_000, 999, 44_100), (48_000, 1, 16_000)]
    {
        let file = place.file("in.wav", &wav(from, 2, &sine(from, 440.0, 2 * frames)));
        let due = (frames as f64 * f64::from(to) / f64::from(from)).round() as usize;
        let to = to.to_string();
        let run = pcmflow(["pipe", &file, "--rate", &to, "--channels", "1"]).end().code(0);
        assert_eq!(run.out.len(), 2 * due, "{frames} frames from {from} to {to}");
        pcmflow(["pipe", &file, "--rate", &to, "--channels", "3", "-o", &place.at("out.wav")]).end().code(0);
        let info = pcmflow(["info", "--json", &place.at("out.wav")]).end().code(0).json().remove(0);
        assert_eq!(count(&info, "frames"), due as u64, "{info}");
        assert_eq!((count(&info, "channels"), count(&info, "rate_hz")), (3, to.parse().unwrap()), "{info}");
    }
}

#[test]
fn info_tells_what_is_in_a_file() {
    let place = Place::new();
    // A second of sine, clipped at its tops, and a second of silence; one sample that is no number.
    let mut samples: Vec<f32> =
        sine(8_000, 100.0, 8_000).iter().map(|s| (f32::from(*s) / 8_192.0).clamp(-1.0, 1.0)).collect();
    samples.extend([0.0; 8_000]);
    samples[3] = f32::NAN;
    let expected = samples.iter().filter(|s| s.abs() >= 1.0).count() as u64;
    let file = place.file("odd.wav", &wav_f32(8_000, 1, &samples));
    let info = pcmflow(["info", "--json", &file]).end().code(0).json().remove(0);
    let figures = ["rate_hz", "channels", "frames", "clipped", "non_finite", "silences_total"];
    assert_eq!(figures.map(|key| count(&info, key)), [8_000, 1, 16_000, expected, 1, 1], "{info}");
    assert_eq!(
        (&info["container"], &info["codec"], &info["file"]),
        (&"RIFF".into(), &"PCM".into(), &file.clone().into())
    );
    assert_eq!((info["duration_s"].as_f64(), info["peak"].as_f64()), (Some(2.0), Some(1.0)), "{info}");
    // 100 cycles, two tops each, but for the one with the sample that is no number.
    let runs = count(&info, "clipped_runs");
    assert!((199..=201).contains(&runs), "{runs}");
    assert!((info["silent_s"].as_f64().unwrap() - 1.0).abs() < 0.01, "{info}");
    let words = pcmflow(["info", &file]).end().code(0);
    for part in
        ["RIFF", "8000 Hz", "16000 (2.000 s)", &format!("{expected} samples"), "1 stretches", "from 1.000 s"]
    {
        assert!(words.text().contains(part), "{part:?} is missing from\n{}", words.text());
    }
    let silent = line("info --json synth:silence,seconds=1").end().code(0).json().remove(0);
    assert_eq!((count(&silent, "frames"), silent["silent_s"].as_f64()), (48_000, Some(1.0)));
}

#[test]
fn a_summary_has_its_keys_and_sums_up_all_inputs() {
    let place = Place::new();
    let file = place.file("a.wav", &wav(48_000, 1, &sine(48_000, 440.0, 5_000)));
    for command in ["pitch", "level"] {
        let books = place.at("books.json");
        pcmflow([command, &file, "synth:silence,seconds=0.5", &file, "--summary", &books]).end().code(0);
        let summary = place.json("books.json");
        for key in ["frames_in", "delivered"] {
            assert_eq!(count(&summary, key), 34_000, "{command}: {summary}");
        }
        for key in ["in_flight", "unaccounted", "xruns"] {
            assert_eq!(count(&summary, key), 0, "{command}: {summary}");
        }
        assert!(
            summary["dropped"].as_object().unwrap().is_empty()
                && summary["gaps"].as_array().unwrap().is_empty()
        );
        let latency =
            ["p50", "p95", "p99", "p99_9", "max"].map(|key| summary["latency_ms"][key].as_f64().unwrap());
        assert!(latency.is_sorted() && latency[0] >= 0.0, "{latency:?}");
        assert!(summary["throughput"].as_f64().unwrap() > 0.0 && count(&summary, "peak_bytes") > 0);
    }
}
