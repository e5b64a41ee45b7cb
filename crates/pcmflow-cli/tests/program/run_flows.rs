//! `pcmflow run`: the flow files of the examples at work, the console beside one, and flows that don't end well.

use super::flow_files::{EXAMPLES, example};
use super::support::{Output, Place, count, pcmflow};
use serde_json::Value;
use std::io::Write;

/// An example in a folder of its own, run to its end; its summary balances at each sink.
fn run(name: &str) -> (Place, Output, Value) {
    let place = Place::new();
    let text = std::fs::read(example(name)).unwrap();
    let flow = place.file("flow.toml", &text);
    let output = pcmflow(["run", &flow, "--summary", &place.at("books.json")]).end();
    let books = place.json("books.json");
    (place, output, books)
}

#[track_caller]
fn all_delivered(books: &Value, sinks: &[&str], frames: u64) {
    assert_eq!(books["sinks"].as_object().unwrap().len(), sinks.len(), "{books}");
    for sink in sinks {
        let books = &books["sinks"][sink];
        assert_eq!(count(books, "frames_in"), frames, "{sink}: {books}");
        assert_eq!((count(books, "delivered"), count(books, "unaccounted")), (frames, 0), "{sink}: {books}");
        assert_eq!(books["dropped"], serde_json::json!({}), "{sink}");
    }
}

/// Channels, rate, bits and bytes of samples, of a WAV file.
fn wav(place: &Place, name: &str) -> (u16, u32, u16, Vec<u8>) {
    let bytes = std::fs::read(place.path().join(name)).unwrap();
    let find = |id: &[u8]| bytes.windows(4).position(|at| at == id).unwrap();
    let (format, data) = (find(b"fmt ") + 8, find(b"data") + 8);
    let half = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
    let rate = u32::from_le_bytes(bytes[format + 4..format + 8].try_into().unwrap());
    (half(format + 2), rate, half(format + 14), bytes[data..].to_vec())
}

/// Standard output that nobody reads holds up neither the flow nor its end.
#[test]
fn a_console_that_nobody_listens_to_ends_when_it_is_told_to() {
    let place = Place::new();
    let flow = "[[nodes]]\nname = 'a'\nkind = 'synth'\nparameters = { signal = 'sine:440', pace = 'realtime' }\n\
                [[nodes]]\nname = 'b'\nkind = 'discard'\n[[pipelines]]\nfrom = 'a'\nto = 'b'\n";
    let flow = place.file("flow.toml", flow.as_bytes());
    let mut running =
        pcmflow(["run", &flow, "--console", "--summary", &place.at("books.json")]).stdin_open().start();
    let mut console = running.child.stdin.take().unwrap();
    for _ in 0..200 {
        console.write_all(b"help\n").unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    running.interrupt();
    // It ends by itself: what it wrote is read only then.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while running.child.try_wait().unwrap().is_none() {
        assert!(std::time::Instant::now() < until, "it waits for a reader");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let out = running.gather_stdout();
    running.end(out).code(0).says(&["not read in time"]);
    assert_eq!(count(&place.json("books.json")["sinks"]["b"], "unaccounted"), 0);
}

#[test]
fn the_tuner_hears_the_melody() {
    let (_place, output, books) = run("tuner");
    let output = output.code(0);
    let lines = output.json();
    let of = |name: &str| lines.iter().filter(|line| line["file"] == name).cloned().collect::<Vec<_>>();
    let (pitch, level) = (of("tuner"), of("meter"));
    assert_eq!(pitch.len() + level.len(), lines.len(), "each line is whole and somebody's");
    let frames = count(&books["sinks"]["tuner"], "frames_in");
    assert_eq!(level.iter().map(|line| count(line, "frames")).sum::<u64>(), frames);
    all_delivered(&books, &["tuner", "meter"], frames);
    // The same melody by the command that is held against its notes elsewhere.
    let command = pcmflow(["pitch", "synth:melody,seed=7"]).end().code(0).json();
    assert_eq!(pitch.len(), command.len());
    let voiced = pitch.iter().filter(|line| line["voiced"] == true).count();
    assert!(voiced * 2 > pitch.len(), "{voiced} of {}", pitch.len());
    for (line, command) in pitch.iter().zip(&command) {
        for key in ["position", "hz", "note", "confidence"] {
            assert_eq!(line[key], command[key], "{key} at {}", line["position"]);
        }
    }
}

#[test]
fn the_recorder_has_every_frame() {
    let (place, output, books) = run("recorder");
    output
        .code(0)
        .says(&["tape: frames in 144000 (of line-in) · delivered 144000 · dropped 0 · unaccounted 0"]);
    all_delivered(&books, &["tape", "needle"], 144_000);
    let (channels, rate, bits, data) = wav(&place, "take.wav");
    assert_eq!((channels, rate, bits, data.len()), (2, 48_000, 24, 144_000 * 6));
    let levels = std::fs::read_to_string(place.path().join("levels.jsonl")).unwrap();
    let levels: Vec<Value> = levels.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(levels.iter().map(|line| count(line, "frames")).sum::<u64>(), 144_000);
    assert!(
        levels.iter().all(|line| (line["peak_db"].as_f64().unwrap() + 6.0).abs() < 0.3),
        "{:?}",
        levels[0]
    );
}

#[test]
fn the_transcriber_gets_its_format() {
    let (place, output, books) = run("transcriber");
    output.code(0);
    all_delivered(&books, &["recogniser", "archive"], 144_000);
    let speech = std::fs::read(place.path().join("speech.pcm")).unwrap();
    let samples: Vec<i16> =
        speech.chunks_exact(2).map(|at| i16::from_le_bytes(at.try_into().unwrap())).collect();
    assert_eq!(samples.len(), 48_000, "3 s at 16 kHz");
    // 440 Hz: so many times through zero upwards in a second from the middle.
    let middle = &samples[16_000..32_000];
    let rising = middle.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    assert!((439..=441).contains(&rising), "{rising}");
    let (channels, rate, bits, data) = wav(&place, "call.wav");
    assert_eq!((channels, rate, bits, data.len()), (2, 48_000, 16, 144_000 * 4));
}

#[test]
fn the_monitor_tells_what_it_lost() {
    let (place, output, books) = run("monitor");
    // In real time on a busy machine frames may be lost; then that is said.
    let lost =
        books["sinks"].as_object().unwrap().values().any(|sink| sink["dropped"] != serde_json::json!({}));
    output.code(if lost { 3 } else { 0 });
    for sink in ["tape", "screen", "remote"] {
        let books = &books["sinks"][sink];
        let dropped: u64 =
            books["dropped"].as_object().unwrap().values().map(|frames| frames.as_u64().unwrap()).sum();
        assert_eq!(count(books, "delivered") + dropped, 96_000, "{sink}: {books}");
        assert_eq!(count(books, "unaccounted"), 0, "{sink}: {books}");
    }
    // Silence stands where frames were lost.
    assert_eq!(wav(&place, "stage.wav").3.len(), 96_000 * 8);
}

#[test]
fn the_mixer_adds_up() {
    let (place, output, books) = run("mixer");
    output.code(0);
    all_delivered(&books, &["master"], 96_000);
    let (channels, _, bits, data) = wav(&place, "mix.wav");
    assert_eq!((channels, bits, data.len()), (2, 32, 96_000 * 8));
    let peak =
        data.chunks_exact(4).map(|at| f32::from_le_bytes(at.try_into().unwrap()).abs()).fold(0.0, f32::max);
    // −6 dB and −12 dB of the same.
    let expected = 10f32.powf(-6.0 / 20.0) + 10f32.powf(-12.0 / 20.0);
    assert!((peak - expected).abs() < 0.002, "{peak} instead of {expected}");
}

#[test]
fn the_console_answers_and_tells() {
    let place = Place::new();
    let text = std::fs::read(example("monitor")).unwrap();
    let flow = place.file("flow.toml", &text);
    let mut running = pcmflow(["run", &flow, "--console", "--json", "--summary", &place.at("books.json")])
        .stdin_open()
        .start();
    let out = running.gather_stdout();
    let mut console = running.child.stdin.take().unwrap();
    for line in ["buffer-status", "bufer-status", "events on", "pipeline remove stage→screen"] {
        writeln!(console, "{line}").unwrap();
    }
    let output = running.end(out);
    let lines = output.json();
    let status = lines[0]["rows"].as_array().unwrap();
    for name in ["stage", "stage→tape", "stage→screen", "stage→telephone", "telephone→remote"] {
        assert!(status.iter().any(|row| row["buffer"] == name), "{name}: {status:?}");
    }
    assert_eq!(lines[1]["ok"], false);
    assert!(lines[1]["text"].as_str().unwrap().contains("did you mean `buffer-status`?"), "{}", lines[1]);
    let told =
        |what: &str| lines.iter().any(|line| line["told"].as_str().is_some_and(|told| told.contains(what)));
    assert!(told("PipelineRemoved") && told("SourceStopped"), "{lines:?}");
    // What was taken out is in its sink's books.
    let screen = &place.json("books.json")["sinks"]["screen"];
    assert!(count(&screen["dropped"], "removed") > 0 && count(screen, "unaccounted") == 0, "{screen}");
    assert_eq!(output.code, 3);
}

#[test]
fn what_can_not_be_run_is_refused_before_anything_is_written() {
    let place = Place::new();
    let text = std::fs::read_to_string(example("recorder")).unwrap();
    let wrong = place.file("wrong.toml", text.replace("to = \"needle\"", "to = \"neddle\"").as_bytes());
    pcmflow(["run", &wrong])
        .end()
        .code(2)
        .says(&["line 30: pipeline line-in→neddle: there is no node neddle"]);
    let stdin = text
        .replace("kind = \"synth\"", "kind = \"stdin\"")
        .replace("signal = \"sweep:55-1760,seconds=3,channels=2,level=-6\"", "");
    let stdin = place.file("stdin.toml", stdin.as_bytes());
    pcmflow(["run", &stdin, "--console"])
        .end()
        .code(2)
        .says(&["node line-in reads standard input", "--console"]);
    let flow = place.file("flow.toml", text.as_bytes());
    pcmflow(["run", &flow, "--summary", &place.at("take.wav")])
        .end()
        .code(2)
        .says(&["node tape: ", "is the file of --summary"]);
    assert!(!place.path().join("take.wav").exists() && !place.path().join("levels.jsonl").exists());
    let nowhere = place.file("nowhere.toml", text.replace("take.wav", "no/take.wav").as_bytes());
    pcmflow(["run", &nowhere]).end().code(1).says(&["node tape: can't create", "take.wav"]);
}

/// Whatever is allowed in a file finds a buffer, also where no class of the configuration is as large.
#[test]
fn blocks_and_channels_beyond_every_class_are_carried() {
    for (signal, block_frames, frames) in
        [("sine:440,seconds=1,channels=8", 1_024, 48_000), ("sine:440,seconds=3", 65_536, 144_000)]
    {
        let place = Place::new();
        let text = format!(
            "nodes = [{{ name = 'in', kind = 'synth', parameters = {{ signal = '{signal}' }} }}, \
             {{ name = 'big', kind = 'convert', parameters = {{ block_frames = {block_frames} }} }}, \
             {{ name = 'out', kind = 'discard' }}]\n\
             pipelines = [{{ from = 'in', to = 'big' }}, {{ from = 'big', to = 'out' }}]\n"
        );
        let flow = place.file("flow.toml", text.as_bytes());
        pcmflow(["run", &flow, "--summary", &place.at("books.json")]).end().code(0);
        all_delivered(&place.json("books.json"), &["out"], frames);
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_an_endless_flow_with_its_books() {
    let place = Place::new();
    let text = std::fs::read_to_string(example("recorder")).unwrap();
    let endless = "sine:440,seconds=endless,channels=2\", pace = \"realtime";
    let flow = place
        .file("flow.toml", text.replace("sweep:55-1760,seconds=3,channels=2,level=-6", endless).as_bytes());
    let mut running = pcmflow(["run", &flow, "--summary", &place.at("books.json")]).start();
    let out = running.gather_stdout();
    std::thread::sleep(std::time::Duration::from_millis(500));
    running.interrupt();
    let output = running.end(out);
    let tape = place.json("books.json")["sinks"]["tape"].clone();
    assert!(count(&tape, "delivered") > 0 && count(&tape, "unaccounted") == 0, "{tape}");
    let dropped = tape["dropped"] != serde_json::json!({});
    let needle = place.json("books.json")["sinks"]["needle"]["dropped"] != serde_json::json!({});
    output.code(if dropped || needle { 3 } else { 0 });
}

#[test]
fn every_example_is_run_here() {
    let here = include_str!("run_flows.rs");
    for name in EXAMPLES.iter().filter(|name| **name != "monitor") {
        assert!(here.contains(&format!("run(\"{name}\")")), "{name}");
    }
}
