//! `pcmflow run` and its pool: what it can't hold is refused before anything starts, and what it can is not lost.

use super::support::{Place, count, pcmflow};
use std::io::Write as _;

/// A node, in one line.
fn node(name: &str, kind: &str, parameters: &str) -> String {
    format!("[[nodes]]\nname = '{name}'\nkind = '{kind}'\nparameters = {{ {parameters} }}\n")
}

/// A pipeline, with more keys.
fn way(from: &str, to: &str, more: &str) -> String {
    format!("[[pipelines]]\nfrom = '{from}'\nto = '{to}'\n{more}\n")
}

fn set(pairs: &[&str]) -> Vec<String> {
    pairs.iter().flat_map(|pair| ["--set".to_owned(), (*pair).to_owned()]).collect()
}

/// Runs a flow that can wait, and looks that nothing of it is missing.
fn arrives(flow: &[String], sinks: &[(&str, u64)]) {
    let place = Place::new();
    let file = place.file("flow.toml", flow.concat().as_bytes());
    pcmflow(["run", &file, "--summary", &place.at("books.json")]).end().code(0);
    let books = place.json("books.json");
    for (sink, frames) in sinks {
        let sink = &books["sinks"][sink];
        assert_eq!((count(sink, "frames_in"), count(sink, "delivered")), (*frames, *frames), "{sink}");
    }
}

#[test]
fn what_can_wait_loses_nothing_for_want_of_buffers() {
    // Large chunks that a node must copy, as another has them too.
    arrives(
        &[
            node("in", "synth", "signal = 'sine:440,seconds=10,channels=2', block_frames = 8192"),
            node("soft", "gain", "db = -3"),
            node("out", "wav", "path = 'o.wav'"),
            node("ear", "pitch", "output = 'o.p'"),
            way("in", "soft", ""),
            way("soft", "out", ""),
            way("in", "ear", ""),
        ],
        &[("out", 480_000), ("ear", 480_000)],
    );
    // Thousands of chunks of one.
    arrives(
        &[
            node("in", "synth", "signal = 'sine:440,seconds=2', block_frames = 8192"),
            node("out", "discard", ""),
            way("in", "out", "block_frames = 4"),
        ],
        &[("out", 96_000)],
    );
}

#[test]
fn what_the_pool_can_not_hold_is_refused_with_its_line() {
    let place = Place::new();
    let precious = place.file("o.wav", b"precious");
    let source = node("in", "synth", "signal = 'sine:440,seconds=1,channels=64', block_frames = 8192");
    let out = node("out", "wav", "path = 'o.wav', format = 'f32'");
    let plain = [source.clone(), out.clone(), way("in", "out", "")].concat();
    let gain = [source.clone(), node("soft", "gain", "db = -3"), out.clone()].concat();
    let deep = gain + &way("in", "soft", "packets = 65536") + &way("soft", "out", "");
    let convert = [source, node("big", "convert", "block_frames = 65536"), out].concat();
    let block = "strategy = 'block'";
    let long = convert + &way("in", "big", block) + &way("big", "out", block);
    let small = (16..32).map(|samples: u32| samples.to_string()).collect::<Vec<_>>().join(",");
    let small = format!("memory.class_samples=[{small}]");
    let cases: [(&str, &[&str], &[&str]); 5] = [
        (
            &plain,
            &[&small],
            &[
                "line 2: node in",
                "2 buffers of 524288 samples (8192 frames)",
                "hold 31",
                "memory.class_samples",
            ],
        ),
        (
            &plain,
            &["memory.budget_bytes=1500000"],
            &["line 2: node in", "2048 frames", "memory.budget_bytes"],
        ),
        (
            &plain,
            &["memory.class_buffers_max=1", "memory.class_buffers_prewarm=0"],
            &["line 2: node in", "memory.class_buffers_max"],
        ),
        (&deep, &[], &["line 2: node in", "262146 buffers", "fewer packets"]),
        (
            &long,
            &[],
            &["line 6: node big", "4194304 samples (65536 frames)", "8192 frames", "memory.budget_bytes"],
        ),
    ];
    for (flow, pairs, says) in cases {
        let file = place.file("flow.toml", flow.as_bytes());
        let arguments = ["run".to_owned(), file].into_iter().chain(set(pairs));
        pcmflow(arguments).end().code(2).says(says);
        assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    }
    pcmflow(["config", "check", "--set", "memory.budget_bytes=4096"])
        .end()
        .code(2)
        .says(&["memory.budget_bytes is 4096", "tables of an empty pool"]);
}

/// One input of a join takes every buffer while the other has nothing yet: neither can ever go on.
#[test]
fn a_flow_that_waits_for_buffers_for_ever_is_ended() {
    let place = Place::new();
    let flow = [
        node("a", "synth", "signal = 'sine:440,seconds=endless', pace = 'realtime'"),
        node("b", "stdin", "encoding = 'f32le', pace = 'realtime'"),
        node("both", "join", "inputs = 2"),
        node("out", "discard", ""),
        way("a", "both", ""),
        way("b", "both", "input = 1"),
        way("both", "out", ""),
    ];
    let file = place.file("flow.toml", flow.concat().as_bytes());
    let few = set(&["memory.class_buffers_max=5", "memory.class_buffers_prewarm=0"]);
    let run = pcmflow(["run".to_owned(), file].into_iter().chain(few)).stdin_open();
    let mut running = run.start();
    let mut pipe = running.child.stdin.take().unwrap();
    pipe.write_all(&[0; 4 * 128]).unwrap();
    let out = running.gather_stdout();
    running
        .end(out)
        .code(1)
        .says(&["nothing moves and no buffer can be had", "raise memory.class_buffers_max"]);
    drop(pipe);
}
