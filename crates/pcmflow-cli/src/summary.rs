//! What became of every frame, over all inputs: as JSON for programs, in words for people.

use crate::failure::Failure;
use crate::flow::{Now, Report};
use pcmflow::core::histogram::LatencySnapshot;
use pcmflow::core::ledger::LossCause;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// How many gaps a summary lists; the rest are counted.
const GAPS_LISTED: usize = 10_000;

/// One gap, with the input it was found in.
#[derive(Debug, Serialize)]
pub(crate) struct GapEntry {
    file: String,
    position: u64,
    frames: u64,
    cause: &'static str,
}

#[derive(Debug, Default, Serialize)]
struct LatencyMs {
    p50: f64,
    p95: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

/// Where the summary goes. Opened before the first frame, so that a place which can't be written to is known at once; what is
/// there stays until there is something to write.
#[derive(Debug)]
pub(crate) struct SummaryFile {
    path: PathBuf,
    file: File,
}

impl SummaryFile {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let path = path.to_owned();
        match File::options().write(true).create(true).truncate(false).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => Err(Failure::Summary { path, error }),
        }
    }

    /// Writes `summary` in the place of what is there, as JSON.
    pub(crate) fn write(mut self, summary: &impl Serialize) -> Result<(), Failure> {
        let written = serde_json::to_string_pretty(summary).map_err(Into::into).and_then(|text| {
            // A pipe or a device has no length.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            writeln!(self.file, "{text}")
        });
        written.map_err(|error| Failure::Summary { path: self.path, error })
    }
}

/// The books of one run, summed over its inputs.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    frames_in: u64,
    delivered: u64,
    dropped: BTreeMap<&'static str, u64>,
    in_flight: u64,
    unaccounted: u64,
    /// Where frames are missing: the first 10 000.
    gaps: Vec<GapEntry>,
    /// How many gaps there were in all.
    gaps_total: u64,
    /// From the arrival of a block's oldest frame to its result.
    latency_ms: LatencyMs,
    /// Frames delivered per second of time spent.
    throughput: f64,
    xruns: u64,
    /// Bytes that rings and pools held at the most, over all inputs.
    peak_bytes: u64,
    inputs: u64,
    audio_s: f64,
    wall_s: f64,
    /// 0 to 100; of several inputs the lowest.
    health: u8,
    #[serde(skip)]
    latency: LatencySnapshot,
}

impl Summary {
    pub(crate) fn new() -> Self {
        Self {
            frames_in: 0,
            delivered: 0,
            dropped: BTreeMap::new(),
            in_flight: 0,
            unaccounted: 0,
            gaps: Vec::new(),
            gaps_total: 0,
            latency_ms: LatencyMs::default(),
            throughput: 0.0,
            xruns: 0,
            peak_bytes: 0,
            inputs: 0,
            audio_s: 0.0,
            wall_s: 0.0,
            health: 100,
            latency: LatencySnapshot::empty(),
        }
    }

    /// Adds the books of one flow.
    pub(crate) fn add(&mut self, file: &str, report: &Report) {
        let balance = &report.balance;
        self.frames_in += balance.frames_in.0;
        self.delivered += balance.delivered.0;
        for (cause, frames) in balance.dropped.iter() {
            *self.dropped.entry(LossCause::name(cause)).or_default() += frames.0;
        }
        self.in_flight += balance.in_flight.0;
        self.unaccounted += report.unaccounted.0;
        self.gaps_total += report.gaps.total;
        let room = GAPS_LISTED.saturating_sub(self.gaps.len());
        self.gaps.extend(report.gaps.first.iter().take(room).map(|gap| GapEntry {
            file: file.to_owned(),
            position: gap.position.0,
            frames: gap.frames.0,
            cause: gap.cause.name(),
        }));
        self.latency.merge(&report.health.latency);
        let ms = |ns: u64| ns as f64 / 1e6;
        self.latency_ms = LatencyMs {
            p50: ms(self.latency.p50_ns()),
            p95: ms(self.latency.p95_ns()),
            p99: ms(self.latency.p99_ns()),
            p99_9: ms(self.latency.p99_9_ns()),
            max: ms(self.latency.max_ns()),
        };
        self.inputs += 1;
        self.audio_s += report.format.rate.frames_to_secs(balance.frames_in);
        self.wall_s += report.wall_ns as f64 / 1e9;
        self.throughput = self.delivered as f64 / self.wall_s.max(1e-9);
        self.xruns += report.xruns;
        self.peak_bytes = self.peak_bytes.max(report.peak_bytes);
        self.health = self.health.min(report.score);
    }

    /// Adds what is known of a flow that is given up: what is still under way counts as in flight. Latencies and gaps stay with it.
    pub(crate) fn add_given_up(&mut self, now: &Now) {
        self.frames_in += now.frames_in.0;
        self.delivered += now.delivered.0;
        for (cause, frames) in now.lost.iter().filter(|(_, frames)| frames.0 > 0) {
            *self.dropped.entry(LossCause::name(cause)).or_default() += frames.0;
        }
        self.in_flight += now.under_way().0;
        self.unaccounted += now.settled.unaccounted.0;
        self.inputs += 1;
        self.audio_s += now.format.rate.frames_to_secs(now.frames_in);
        self.wall_s += now.elapsed_ns as f64 / 1e9;
        self.throughput = self.delivered as f64 / self.wall_s.max(1e-9);
    }

    /// Whether frames were dropped.
    pub(crate) fn has_drops(&self) -> bool {
        !self.dropped.is_empty()
    }

    /// Whether every frame is accounted for.
    pub(crate) fn balances(&self) -> bool {
        self.unaccounted == 0
    }

    /// Whether an input was opened and carried to its end, or as far as it went.
    pub(crate) fn has_inputs(&self) -> bool {
        self.inputs > 0
    }

    /// The same for people.
    pub(crate) fn words(&self) -> String {
        let mut words = String::new();
        let dropped: u64 = self.dropped.values().sum();
        // Writing to a string can't fail.
        let _ =
            write!(words, "frames in {} · delivered {} · dropped {dropped}", self.frames_in, self.delivered);
        if dropped > 0 {
            let causes: Vec<_> =
                self.dropped.iter().map(|(cause, frames)| format!("{cause} {frames}")).collect();
            let _ = write!(words, " ({}, {} gaps)", causes.join(", "), self.gaps_total);
        }
        let _ = writeln!(words, " · in flight {} · unaccounted {}", self.in_flight, self.unaccounted);
        let LatencyMs { p50, p95, p99, p99_9, max } = self.latency_ms;
        let _ = write!(
            words,
            "latency {p50:.1} ms (p95 {p95:.1}, p99 {p99:.1}, p99.9 {p99_9:.1}, max {max:.1}) · {:.1} s of audio in {:.2} s \
             ({:.0} frames/s) · {} xruns · {} KiB · health {}/100",
            self.audio_s,
            self.wall_s,
            self.throughput,
            self.xruns,
            self.peak_bytes.div_ceil(1024),
            self.health,
        );
        words
    }
}
