//! `pcmflow run` where outputs are awkward: files that are somebody else's, places that can't be written to, pipes that nobody reads.

use super::support::{Output, Place, Running, count, pcmflow};
use std::io::{Read, Write};
use std::time::Duration;

/// A flow of one signal into each of these, as kind and parameters.
fn flow(place: &Place, signal: &str, sinks: &[(&str, &str)]) -> String {
    let mut text = format!("[[nodes]]\nname = 'in'\nkind = 'synth'\nparameters = {{ {signal} }}\n");
    for (n, (kind, parameters)) in sinks.iter().enumerate() {
        text += &format!("[[nodes]]\nname = 'out{n}'\nkind = '{kind}'\nparameters = {{ {parameters} }}\n");
        text += &format!("[[pipelines]]\nfrom = 'in'\nto = 'out{n}'\nstrategy = 'block'\n");
    }
    place.file("flow.toml", text.as_bytes())
}

const SHORT: &str = "signal = 'sine:440,seconds=1'";
const ENDLESS: &str = "signal = 'sine:440,seconds=endless'";

fn names(place: &Place) -> Vec<String> {
    let files = std::fs::read_dir(place.path()).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Each file of a run that must stay as it is, whatever name leads to it.
#[test]
fn no_output_is_a_file_that_is_read_or_written_beside() {
    let place = Place::new();
    let config = place.file("config.toml", b"[flow]\nstrategy = \"block\"\n");
    let other = place.file("other.wav", b"precious");
    for (path, what) in [
        ("flow.toml", "the flow file"),
        ("./config.toml", "the configuration"),
        ("books.json", "the file of --summary"),
    ] {
        let flow =
            flow(&place, SHORT, &[("wav", "path = 'other.wav'"), ("raw", &format!("path = '{path}'"))]);
        let before = std::fs::read(&flow).unwrap();
        pcmflow(["run", &flow, "--config", &config, "--summary", &place.at("books.json")])
            .end()
            .code(2)
            .says(&["line 14: node out1: ", path, what, "give the node another file"]);
        assert_eq!(std::fs::read(&flow).unwrap(), before, "{what}");
    }
    let flow = flow(&place, SHORT, &[("wav", "path = 'other.wav'")]);
    for (summary, what) in [(&flow, "is the flow file"), (&config, "is the configuration")] {
        pcmflow(["run", &flow, "--config", &config, "--summary", summary]).end().code(2).says(&[
            "--summary",
            what,
            "name another file",
        ]);
    }
    assert_eq!(std::fs::read(other).unwrap(), b"precious");
    assert_eq!(names(&place), ["config.toml", "flow.toml", "other.wav"]);
}

#[cfg(unix)]
#[test]
fn two_names_of_one_file_are_told() {
    let place = Place::new();
    place.file("a.wav", b"precious");
    std::fs::hard_link(place.at("a.wav"), place.at("b.wav")).unwrap();
    std::os::unix::fs::symlink("new.wav", place.at("link.wav")).unwrap();
    let shared = |sinks: &[(&str, &str)]| {
        let flow = flow(&place, SHORT, sinks);
        pcmflow(["run", &flow])
            .end()
            .code(2)
            .says(&["line 14: node out1: out0 writes to ", "give one of them another"])
    };
    shared(&[("wav", "path = 'a.wav'"), ("wav", "path = 'b.wav'")]);
    // Only when one of them is there are they seen to be one.
    shared(&[("wav", "path = 'new.wav'"), ("raw", "path = 'link.wav'")]);
    // Where standard output is a file, it is that file.
    let flow = flow(&place, SHORT, &[("raw", "path = '-'"), ("wav", "path = 'a.wav'")]);
    let output = std::fs::File::options().append(true).open(place.at("a.wav")).unwrap();
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_pcmflow"));
    assert_eq!(program.args(["run", &flow]).stdout(output).status().unwrap().code(), Some(2));
    assert_eq!(std::fs::read(place.at("a.wav")).unwrap(), b"precious");
    assert!(!place.path().join("new.wav").exists());
}

#[test]
fn nothing_is_emptied_where_one_output_can_not_be_had() {
    let place = Place::new();
    place.file("old.wav", b"precious");
    std::fs::create_dir(place.at("folder")).unwrap();
    let sinks = [
        ("wav", "path = 'old.wav'"),
        ("raw", "path = 'new.pcm'"),
        ("level", "output = 'nowhere/levels.jsonl'"),
        ("raw", "path = 'folder'"),
    ];
    let flow = flow(&place, SHORT, &sinks);
    let said = pcmflow(["run", &flow, "--summary", &place.at("books.json")]).end().code(1);
    let said = said.says(&[
        "flow.toml: line 22: node out2: can't create ",
        "nowhere/levels.jsonl",
        "flow.toml: line 30: node out3: can't create ",
        "give it another path, or the right to write there",
    ]);
    assert_eq!(said.err.lines().count(), 2, "{}", said.err);
    assert_eq!(std::fs::read(place.at("old.wav")).unwrap(), b"precious");
    assert_eq!(names(&place), ["flow.toml", "folder", "old.wav"]);
    // A summary that can't be had is as bad.
    let flow = self::flow(&place, SHORT, &sinks[..2]);
    pcmflow(["run", &flow, "--summary", &place.at("folder")])
        .end()
        .code(1)
        .says(&["can't write the summary"]);
    assert_eq!(std::fs::read(place.at("old.wav")).unwrap(), b"precious");
    assert_eq!(names(&place), ["flow.toml", "folder", "old.wav"]);
    // With all of them there, what was there is gone.
    pcmflow(["run", &flow]).end().code(0);
    assert_eq!(std::fs::metadata(place.at("old.wav")).unwrap().len(), 44 + 96_000);
}

#[cfg(unix)]
mod pipes {
    use super::*;

    fn pipe(place: &Place, name: &str) -> String {
        let path = place.at(name);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    fn interrupted(mut running: Running) -> Output {
        let out = running.gather_stdout();
        // Time to get there; too short would only make the signal come earlier.
        std::thread::sleep(Duration::from_millis(500));
        running.interrupt();
        running.end(out)
    }

    #[test]
    fn ctrl_c_is_heard_while_nobody_opens_a_pipe() {
        for sink in [("raw", "path = 'pipe'"), ("level", "output = 'pipe'")] {
            let place = Place::new();
            pipe(&place, "pipe");
            place.file("old.wav", b"precious");
            let flow = flow(&place, SHORT, &[("wav", "path = 'old.wav'"), ("raw", "path = 'new.pcm'"), sink]);
            interrupted(pcmflow(["run", &flow]).start()).code(0);
            assert_eq!(names(&place), ["flow.toml", "old.wav", "pipe"]);
            assert_eq!(std::fs::read(place.at("old.wav")).unwrap(), b"precious");
        }
        let place = Place::new();
        let flow = flow(&place, SHORT, &[("discard", "")]);
        interrupted(pcmflow(["run", &flow, "--summary", &pipe(&place, "pipe")]).start()).code(0);
    }

    #[test]
    fn a_pipe_that_is_read_gets_all() {
        let place = Place::new();
        let path = pipe(&place, "pipe");
        let flow = flow(&place, SHORT, &[("raw", "path = 'pipe'")]);
        let reader = std::thread::spawn(move || std::fs::read(path).unwrap());
        pcmflow(["run", &flow]).end().code(0);
        assert_eq!(reader.join().unwrap().len(), 96_000);
    }

    #[test]
    fn a_wav_file_is_no_pipe() {
        let place = Place::new();
        pipe(&place, "pipe");
        let flow = flow(&place, SHORT, &[("wav", "path = 'pipe'")]);
        pcmflow(["run", &flow]).end().code(1).says(&["line 6: node out0: ", "write raw PCM"]);
        pcmflow(["pipe", "synth:sine:440,seconds=1", "-o", &place.at("pipe")])
            .end()
            .code(1)
            .says(&["write raw PCM"]);
    }

    /// The reader opens the pipe, takes a little and stops: what is under way is told frame by frame, and where it is.
    #[test]
    fn what_is_given_up_is_told() {
        let place = Place::new();
        let path = pipe(&place, "pipe");
        let flow = flow(&place, ENDLESS, &[("raw", "path = 'pipe'"), ("discard", "")]);
        let running = pcmflow(["run", &flow, "--summary", &place.at("books.json")]).start();
        let mut reader = std::fs::File::open(path).unwrap();
        reader.read_exact(&mut [0; 4096]).unwrap();
        let output = interrupted(running).code(1);
        let output = output.says(&[
            "takes nothing more",
            " · given up ",
            " in the ring of in",
            " in in→out0",
            "unaccounted 0",
        ]);
        assert!(!output.err.contains("please report"), "{}", output.err);
        let books = place.json("books.json");
        for sink in ["out0", "out1"] {
            let sink = &books["sinks"][sink];
            let given_up: u64 =
                sink["given_up"].as_object().unwrap().values().map(|frames| frames.as_u64().unwrap()).sum();
            assert_eq!(count(sink, "delivered") + given_up, count(sink, "frames_in"), "{sink}");
            assert!(given_up > 0 && count(sink, "unaccounted") == 0, "{sink}");
        }
        drop(reader);
    }

    /// The reader is slow, and stops for a while more than once; as long as it goes on, so does the end.
    #[test]
    fn a_slow_reader_gets_all_that_was_made() {
        let place = Place::new();
        let path = pipe(&place, "pipe");
        let flow = flow(&place, ENDLESS, &[("raw", "path = 'pipe'")]);
        let mut running = pcmflow(["run", &flow, "--summary", &place.at("books.json")]).start();
        let out = running.gather_stdout();
        let mut reader = std::fs::File::open(path).unwrap();
        reader.read_exact(&mut [0; 4096]).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        running.interrupt();
        let slow = std::thread::spawn(move || {
            let (mut all, mut piece) = (4096, vec![0; 32 << 10]);
            let started = std::time::Instant::now();
            loop {
                // Longer in all than the patience with what does not move.
                if started.elapsed() < Duration::from_millis(7500) {
                    std::thread::sleep(Duration::from_millis(2500));
                }
                match reader.read(&mut piece).unwrap() {
                    0 => return all,
                    bytes => all += bytes as u64,
                }
            }
        });
        running.end(out).code(0).says(&["unaccounted 0"]);
        let sink = &place.json("books.json")["sinks"]["out0"];
        assert_eq!(slow.join().unwrap(), 2 * count(sink, "delivered"), "{sink}");
        assert_eq!(count(sink, "delivered"), count(sink, "frames_in"));
    }
}

/// Nobody is left who could start it again.
#[test]
fn a_console_that_ends_with_every_input_stopped_ends_the_flow() {
    let place = Place::new();
    let flow = flow(&place, &format!("{ENDLESS}, pace = 'realtime'"), &[("discard", "")]);
    pcmflow(["run", &flow, "--console"])
        .stdin(b"input stop in\n".to_vec())
        .end()
        .says(&["node in is stopped, and nobody is at the console", "unaccounted 0"]);
}

#[test]
fn the_length_of_what_is_too_long_is_told() {
    let place = Place::new();
    // A flow that goes on until it is told to stop: one that ends by itself may end before the line is read.
    let flow = flow(&place, &format!("{ENDLESS}, pace = 'realtime'"), &[("discard", "")]);
    let mut lines = vec![b'a'; 100_000];
    lines.extend(b"\ninput stop in\n");
    let said = pcmflow(["run", &flow, "--console"]).stdin(lines).end().code(0);
    assert!(
        said.text().contains("the line is 100000 bytes long, at most 1024 are possible"),
        "{}",
        said.text()
    );
    let long = place.file("long.toml", &vec![b'#'; 10 << 20]);
    pcmflow(["run", &long]).end().code(2).says(&["long.toml: the file has more than 262144 bytes"]);
}

/// What the ring holds is what the configuration says.
#[test]
fn the_ring_is_as_long_as_configured() {
    let capacity = |ring_ms: &str| {
        let place = Place::new();
        let flow = flow(&place, &format!("{ENDLESS}, pace = 'realtime'"), &[("discard", "")]);
        let set = format!("audio.ring_ms={ring_ms}");
        let console = b"buffer-status\ninput stop in\n".to_vec();
        let said = pcmflow(["run", &flow, "--console", "--json", "--set", &set]).stdin(console).end();
        count(&said.json()[0]["rows"][0], "capacity")
    };
    assert_eq!((capacity("50"), capacity("200"), capacity("2000")), (4_096, 16_384, 131_072));
}

#[test]
fn a_ring_beyond_all_need_is_refused_and_costs_no_output() {
    let place = Place::new();
    let old = place.file("old.wav", b"precious");
    let flow =
        flow(&place, "signal = 'sine:440,rate=768000,seconds=1,channels=64'", &[("wav", "path = 'old.wav'")]);
    let said = pcmflow(["run", &flow, "--set", "audio.ring_ms=60000"]).end().code(1);
    said.says(&["a ring of 60000 ms", "768000 Hz", "and may take 268435456: ask for a shorter one"]);
    assert_eq!(std::fs::read(old).unwrap(), b"precious");
}

#[test]
fn raw_standard_input_is_what_the_configuration_says() {
    let place = Place::new();
    let flow = flow(&place, "encoding = 's16le'", &[("discard", "")]);
    let text = std::fs::read_to_string(&flow).unwrap().replace("kind = 'synth'", "kind = 'stdin'");
    let flow = place.file("raw.toml", text.as_bytes());
    let set = ["--set", "audio.sample_rate_hz=16000", "--set", "audio.channels=2"];
    let run = pcmflow(["run", &flow].into_iter().chain(set)).stdin(vec![0; 6_400]);
    run.end().code(0).says(&["frames in 1600 "]);
    let graph = pcmflow(["graph", &flow].into_iter().chain(set)).stdin(vec![0; 6_400]).end().code(0);
    assert!(graph.text().contains("16000 Hz"), "{}", graph.text());
}

/// A console shares standard input and output with no audio, whatever that is called.
#[cfg(unix)]
#[test]
fn no_console_stands_in_the_midst_of_samples() {
    let place = Place::new();
    let flow = flow(&place, "path = '/dev/stdin'", &[("discard", "")]);
    let text = std::fs::read_to_string(&flow).unwrap().replace("kind = 'synth'", "kind = 'file'");
    let input = place.file("input.toml", text.as_bytes());
    let said = pcmflow(["run", &input, "--console"]).stdin(b"help\n".to_vec()).end().code(2);
    said.says(&["node in reads standard input"]);
    let flow = self::flow(&place, SHORT, &[("raw", "path = '/dev/stdout'")]);
    let said = pcmflow(["run", &flow, "--console"]).stdin(b"help\n".to_vec()).end().code(0);
    assert_eq!(said.out.len(), 2 * 48_000);
}

#[test]
fn a_flow_that_nobody_hears_any_more_ends_with_the_console() {
    let place = Place::new();
    let flow = flow(&place, ENDLESS, &[("discard", "")]);
    pcmflow(["run", &flow, "--console"])
        .stdin("pipeline remove in→out0\n".as_bytes().to_vec())
        .end()
        .code(3)
        .says(&["unaccounted 0"]);
}

/// A source would go on for nobody.
#[cfg(unix)]
#[test]
fn a_flow_whose_every_output_failed_ends() {
    let place = Place::new();
    let flow = flow(&place, ENDLESS, &[("raw", "path = '/dev/full'"), ("raw", "path = '-'")]);
    let mut running = pcmflow(["run", &flow]).start();
    let mut stdout = running.child.stdout.take().unwrap();
    std::io::Read::read_exact(&mut stdout, &mut [0; 10]).unwrap();
    drop(stdout);
    let said = running.end(std::thread::spawn(Vec::new)).code(1);
    let said = said.says(&[
        "node out0: can't write /dev/full",
        "node out1: nobody reads standard output",
        "unaccounted 0",
    ]);
    assert_eq!(said.err.lines().count(), 4, "{}", said.err);
}

#[cfg(unix)]
#[test]
fn a_configuration_without_end_is_refused() {
    pcmflow(["config", "check", "/dev/zero"])
        .end()
        .code(2)
        .says(&["/dev/zero: the file has more than 262144 bytes"]);
}

/// `pcmflow run flow.toml 2>&1 | head -1`: who reads neither output nor messages gets an end, and no panic.
#[cfg(unix)]
#[test]
fn messages_that_nobody_reads_are_no_panic() {
    use std::process::{Command, Stdio};
    let place = Place::new();
    let flow = flow(&place, SHORT, &[("level", "")]);
    for (arguments, code) in
        [(["run", &flow], 1), (["level", "synth:sine:440,seconds=1"], 1), (["run", "none.toml"], 1)]
    {
        let mut program = Command::new(env!("CARGO_BIN_EXE_pcmflow"));
        let mut child =
            program.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(code), "{arguments:?}");
    }
}

/// A console that never ends, as `yes` makes it: neither the end of the flow nor Ctrl-C waits for it.
#[cfg(unix)]
#[test]
fn an_endless_console_does_not_hold_up_the_end() {
    for (seconds, pace, interrupts) in [("0.2", "fast", false), ("endless", "realtime", true)] {
        let place = Place::new();
        let text = format!(
            "nodes = [{{ name = 'in', kind = 'synth', parameters = {{ signal = 'silence,seconds={seconds}', pace = '{pace}' }} }}, \
             {{ name = 'out', kind = 'discard' }}]\n\
             pipelines = [{{ from = 'in', to = 'out' }}]\n"
        );
        let flow = place.file("flow.toml", text.as_bytes());
        let mut running = pcmflow(["run", &flow, "--console"]).stdin_open().start();
        let (mut lines, mut answers) =
            (running.child.stdin.take().unwrap(), running.child.stdout.take().unwrap());
        let types =
            std::thread::spawn(move || while lines.write_all(&b"buffer-status\n".repeat(4_096)).is_ok() {});
        let hears = std::thread::spawn(move || {
            // Slower than somebody types, so that there is always another line.
            while answers.read(&mut [0; 4_096]).unwrap() > 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            Vec::new()
        });
        if interrupts {
            std::thread::sleep(Duration::from_millis(300));
            running.interrupt();
        }
        running.end(hears).says(&["unaccounted 0"]);
        types.join().unwrap();
    }
}
