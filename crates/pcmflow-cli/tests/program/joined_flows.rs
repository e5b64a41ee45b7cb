//! `pcmflow run` where inputs join that are not alike: one shorter than the other, one that loses frames, one that is shut for a while.
//! Whatever comes out, the books balance.

use super::support::{Output, Place, count, pcmflow};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;

/// Sources with their signals, joined; each comes to its input behind a `gain` and over a pipeline with more to be said of it.
fn flow(place: &Place, missing: &str, sources: &[(&str, &str)], ways: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, parameters) in sources {
        text += &format!("[[nodes]]\nname = '{name}'\nkind = 'synth'\nparameters = {{ {parameters} }}\n");
    }
    for (input, (from, more)) in ways.iter().enumerate() {
        text += &format!("[[nodes]]\nname = 'way{input}'\nkind = 'gain'\nparameters = {{ db = -6 }}\n");
        text += &format!("[[pipelines]]\nfrom = '{from}'\nto = 'way{input}'\n{more}\n");
        text +=
            &format!("[[pipelines]]\nfrom = 'way{input}'\nto = 'mix'\ninput = {input}\nstrategy = 'block'\n");
    }
    text += &format!(
        "[[nodes]]\nname = 'mix'\nkind = 'join'\nparameters = {{ inputs = {}, {missing} }}\n\
         [[nodes]]\nname = 'out'\nkind = 'discard'\n\
         [[pipelines]]\nfrom = 'mix'\nto = 'out'\nstrategy = 'block'\n",
        ways.len()
    );
    place.file("flow.toml", text.as_bytes())
}

fn run(place: &Place, flow: &str) -> (Output, Value) {
    let output = pcmflow(["run", flow, "--summary", &place.at("books.json")]).end();
    (output, place.json("books.json")["sinks"]["out"].clone())
}

/// Runs it in real time and says these words to its console, one each quarter of a second: where in the stream they come does not matter.
fn by_hand(place: &Place, flow: &str, words: &[String]) -> Output {
    let mut running = pcmflow(["run", flow, "--console", "--json", "--summary", &place.at("books.json")])
        .stdin_open()
        .start();
    let out = running.gather_stdout();
    let mut console = running.child.stdin.take().unwrap();
    for words in words {
        std::thread::sleep(Duration::from_millis(250));
        writeln!(console, "{words}").unwrap();
    }
    running.end(out)
}

/// What came in is delivered, or lost with a cause.
#[track_caller]
fn balances(books: &Value, frames_in: u64) {
    let dropped: u64 =
        books["dropped"].as_object().unwrap().values().map(|frames| frames.as_u64().unwrap()).sum();
    assert_eq!((count(books, "frames_in"), count(books, "unaccounted")), (frames_in, 0), "{books}");
    assert_eq!(count(books, "delivered") + dropped, frames_in, "{books}");
}

const SHORT: (&str, &str) = ("short", "signal = 'sine:440,seconds=0.5'");
const LONG: (&str, &str) = ("long", "signal = 'sine:220,seconds=1'");
const BLOCK: &str = "strategy = 'block'";

#[test]
fn a_source_that_is_shorter_than_the_other_leaves_a_gap_that_is_told() {
    let place = Place::new();
    let flow = flow(&place, "", &[SHORT, LONG], &[("short", BLOCK), ("long", BLOCK)]);
    let (output, books) = run(&place, &flow);
    balances(&books, 48_000);
    assert_eq!(
        (count(&books, "delivered"), count(&books["dropped"], "removed")),
        (24_000, 24_000),
        "{books}"
    );
    assert_eq!(books["source"], "long, short");
    output.code(3).says(&["out: frames in 48000 (of long, short) · delivered 24000 · dropped 24000"]);
}

#[test]
fn silence_under_the_longer_source_loses_nothing() {
    let place = Place::new();
    let missing = "missing = 'silence'";
    let flow = flow(&place, missing, &[SHORT, LONG], &[("short", BLOCK), ("long", BLOCK)]);
    let (output, books) = run(&place, &flow);
    output.code(0);
    balances(&books, 48_000);
    assert_eq!(count(&books, "delivered"), 48_000, "{books}");
}

/// Whoever loses frames on the way to one input: where the other has them they are delivered, else they are a gap.
#[test]
fn losses_on_the_way_to_one_input_are_covered_by_the_other_or_told() {
    let seconds = ("long", "signal = 'noise:white,seconds=60'");
    for (lossy, missing) in [(0, "silence"), (1, "silence"), (0, "gap"), (1, "gap")] {
        let place = Place::new();
        let mut ways = [("long", BLOCK), ("long", BLOCK)];
        ways[lossy].1 = "strategy = 'drop-newest'\npackets = 2";
        let flow = flow(&place, &format!("missing = '{missing}'"), &[seconds], &ways);
        let (output, books) = run(&place, &flow);
        balances(&books, 60 * 48_000);
        let delivered = count(&books, "delivered");
        assert!(missing == "gap" || delivered == 60 * 48_000, "{lossy}: {books}");
        output.code(if delivered == 60 * 48_000 { 0 } else { 3 });
    }
}

/// Shut for a while, or taken out.
#[test]
fn a_way_to_a_join_that_is_shut_by_hand_leaves_books_that_balance() {
    for missing in ["gap", "silence"] {
        for input in [0, 1] {
            let place = Place::new();
            let voice = ("voice", "signal = 'sine:440,seconds=1.5', pace = 'realtime'");
            let flow =
                flow(&place, &format!("missing = '{missing}'"), &[voice], &[("voice", ""), ("voice", "")]);
            let words = ["stop", "start"].map(|verb| format!("pipeline {verb} voice→way{input}"));
            let output = by_hand(&place, &flow, &words);
            let lines = output.json();
            assert!(lines.iter().filter(|line| line["ok"] == true).count() >= 2, "{lines:?}");
            let books = &place.json("books.json")["sinks"]["out"];
            balances(books, 72_000);
            let shed = books["dropped"]["shed"].as_u64().unwrap_or_default();
            assert_eq!(shed > 0, missing == "gap", "input {input}: {books}");
            // In real time a busy machine may lose more.
            output.code(if books["dropped"] == serde_json::json!({}) { 0 } else { 3 });
        }
    }
}

#[test]
fn an_input_that_is_taken_out_by_hand_leaves_books_that_balance() {
    for removed in ["voice→way0", "voice→way1", "way1→mix.1", "mix→out"] {
        let place = Place::new();
        let voice = ("voice", "signal = 'sine:440,seconds=1', pace = 'realtime'");
        let flow = flow(&place, "missing = 'silence'", &[voice], &[("voice", ""), ("voice", "")]);
        let output = by_hand(&place, &flow, &[format!("pipeline remove {removed}")]);
        let books = &place.json("books.json")["sinks"]["out"];
        balances(books, 48_000);
        let came_to_nobody = books["dropped"]["removed"].as_u64().unwrap_or_default();
        assert!(removed != "mix→out" || came_to_nobody > 0, "{removed}: {books}");
        output.code(if books["dropped"] == serde_json::json!({}) { 0 } else { 3 });
    }
}

/// How long a source's chunks are is known: the packets that are asked for are enough.
#[test]
fn a_way_far_ahead_of_the_other_runs_with_the_packets_that_it_is_told_to_have() {
    let place = Place::new();
    let flow = |packets: u64| {
        let text = format!(
            "nodes = [{{ name = 'in', kind = 'synth', parameters = {{ signal = 'sine:440,rate=44100,seconds=5' }} }}, \
             {{ name = 'slow', kind = 'convert', parameters = {{ block_frames = 65536 }} }}, \
             {{ name = 'mix', kind = 'join' }}, {{ name = 'out', kind = 'discard' }}]\n\
             pipelines = [{{ from = 'in', to = 'slow' }}, {{ from = 'slow', to = 'mix' }}, \
             {{ from = 'in', to = 'mix', input = 1, packets = {packets} }}, {{ from = 'mix', to = 'out' }}]\n"
        );
        place.file("flow.toml", text.as_bytes())
    };
    let refused = pcmflow(["run", &flow(16)]).end().code(2);
    let needs = refused.err.split("it needs ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let (output, books) = run(&place, &flow(needs));
    output.code(0);
    balances(&books, 5 * 44_100);
}
