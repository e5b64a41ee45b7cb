//! How long a block's oldest frame is under way, told by a clock that is not the program's.
//!
//! The test plays a device: it writes a quantum into standard input each time one would have been sampled, with one click
//! in each block, whose height is the block's number. The line that shows this height is the block's, and its
//! arrival on standard output less the moment at which the block's first quantum was written is the latency:
//! gathering, transport, computing and both pipes. Beside it stands what the program says of itself.
//!
//! The figures are always printed. That they keep the limits (p99 at most 30 ms with blocks of 1024 frames, 50 ms with
//! 2048, at 48 kHz) is asserted only where `PCMFLOW_TIMED` is 1, as `cargo xtask proof` sets it, and then nothing
//! else should run: a machine that is busy otherwise is late for reasons of its own. What is not timing is asserted
//! always.

use super::stamps::{Span, assert_tiles, books, gap};
use super::support::{Place, count, f32le, line};
use std::io::{BufRead, BufReader, Write};
use std::thread;
use std::time::{Duration, Instant};

const RATE: u64 = 48_000;
const QUANTUM: u64 = 128;

/// Whether the limits are asserted, and so over how many blocks.
fn timed() -> bool {
    std::env::var_os("PCMFLOW_TIMED").is_some_and(|value| value == "1")
}

/// The height of the click in a block: exact in `f32`, and no two the same.
fn height(block: u64) -> f32 {
    (block + 1) as f32 / 1024.0
}

/// One block: silence but for its click, which stands elsewhere in each.
fn clicked(block: u64, frames: u64) -> Vec<f32> {
    let mut samples = vec![0.0; frames as usize];
    samples[(block * 389 % frames) as usize] = height(block);
    samples
}

fn run(block: u64, blocks: u64, limit_ms: f64) {
    assert!(blocks < 1024);
    let place = Place::new();
    let mut running =
        line(&format!("level --realtime - --raw f32le --profile development --block {block} --summary"))
            .arg(place.at("books.json"))
            .stdin_open()
            .start();
    let mut stdin = running.child.stdin.take().unwrap();
    let stdout = running.child.stdout.take().unwrap();
    let reader = thread::spawn(move || {
        let lines = BufReader::new(stdout).lines();
        lines.map(|line| (Instant::now(), line.unwrap())).collect::<Vec<_>>()
    });

    let start = Instant::now() + Duration::from_millis(50);
    let mut written = Vec::new();
    for number in 0..blocks {
        for (n, quantum) in (0u64..).zip(clicked(number, block).chunks(QUANTUM as usize)) {
            // A device hands a quantum over when its last frame was sampled.
            let sampled = number * block + (n + 1) * QUANTUM;
            let due = start + Duration::from_nanos(sampled * 1_000_000_000 / RATE);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if n == 0 {
                written.push(Instant::now());
            }
            stdin.write_all(&f32le(quantum)).unwrap();
        }
    }
    drop(stdin);
    let lines = reader.join().unwrap();
    // The whole of standard output is in `lines`.
    let output = running.end(thread::spawn(Vec::new));

    let (mut spans, mut gaps, mut latencies_ms) = (Vec::new(), Vec::new(), Vec::new());
    for (arrived, line) in &lines {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["gap"].is_object() {
            gaps.push(gap(&line["gap"]));
            continue;
        }
        let (position, frames) = (count(&line, "position"), count(&line, "frames"));
        spans.push(Span { start: position, end: position + frames });
        let peak = line["peak"].as_f64().unwrap() as f32;
        if frames == block && position.is_multiple_of(block) {
            // By its click, not by its number: it is the right block, at the right place.
            assert_eq!(peak, height(position / block), "the block at {position} is another one");
            let latency = *arrived - written[(position / block) as usize];
            latencies_ms.push(latency.as_secs_f64() * 1e3);
        }
    }
    // Only a machine that stands still for a third of a second loses frames here; then it says which.
    assert_tiles(&spans, &gaps, blocks * block);
    let books = books(&place, "books.json", &output);
    assert_eq!(books.delivered, spans.iter().map(|span| span.end - span.start).sum::<u64>());
    if gaps.is_empty() {
        assert_eq!(spans.len() as u64, blocks, "each block is reported once");
    }
    let output = output.code(if gaps.is_empty() { 0 } else { 3 });
    drop(output);

    latencies_ms.sort_by(f64::total_cmp);
    let at = |share: f64| latencies_ms[((latencies_ms.len() - 1) as f64 * share).ceil() as usize];
    let own = &place.json("books.json")["latency_ms"];
    println!(
        "block {block}, {} blocks: by clicks p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms; by the program p50 {} ms, p99 {} ms, max {} ms",
        latencies_ms.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        own["p50"],
        own["p99"],
        own["max"],
    );
    if timed() {
        let own_ms = own["p99"].as_f64().unwrap();
        assert!(at(0.99) <= limit_ms, "p99 is {} ms, {limit_ms} are allowed", at(0.99));
        assert!(own_ms <= limit_ms, "p99 is {own_ms} ms by the program, {limit_ms} are allowed");
        // The last quantum of a block is written so much after its first: whoever is faster did not wait for it.
        let least_ms = (block - QUANTUM) as f64 * 1e3 / RATE as f64;
        assert!(at(0.5) >= least_ms * 0.95, "a block was there before it was complete: {} ms", at(0.5));
        assert!(
            (at(0.5) - own["p50"].as_f64().unwrap()).abs() < 3.0,
            "the two clocks tell different stories"
        );
    }
}

#[test]
fn a_block_of_1024_frames() {
    run(1024, if timed() { 400 } else { 64 }, 30.0);
}

#[test]
fn a_block_of_2048_frames() {
    run(2048, if timed() { 200 } else { 48 }, 50.0);
}
