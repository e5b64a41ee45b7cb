//! Pipelines: 10, 100 and 1000 of them at 48 kHz stereo in blocks of 128 frames, in real time.
//!
//! Each has a source of its own that makes a block of a sine when its time has come, spread over the 2.67 ms of a block, and a
//! sink that looks at every sample. Two workers share them, both tasks of a pipeline on one. A block that the sink gets later than
//! one block's time after it was due missed its deadline. Each count runs in processes of its own, in turn.

use crate::engine::{BLOCK, Pair, QUANTUM, Turns, connect, finish, flow, format, give, granted, worker};
use crate::experiment::Size;
use crate::floors::COST_OF_MANY;
use crate::harness::Cores;
use crate::system::{Whose, processor_seconds, resident_mib, stolen_ticks};
use crate::table::Summary;
use pcmflow::core::chunk::AudioChunk;
use pcmflow::core::ledger::Gap;
use pcmflow::engine::Priority;
use pcmflow::engine::flow::{Inflow, Inflowed, Node, NodeError, Out};
use pcmflow::runtime::Clock;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

const COUNTS: [u64; 3] = [10, 100, 1000];
/// Numbers that a process prints.
const FIGURES: usize = 7;

/// One row for each count, and the floor.
pub(crate) fn report(size: Size, _: Cores) -> String {
    let mut rows: [Vec<[f64; FIGURES]>; COUNTS.len()] = Default::default();
    let mut scheduling = String::new();
    for _ in 0..size.rounds {
        for (count, row) in COUNTS.iter().zip(&mut rows) {
            let (figures, granted) = fresh(*count, size.row());
            row.push(figures);
            scheduling = granted;
        }
    }
    let mut text = "### Pipelines in real time, 48 kHz stereo in blocks of 128 frames\n\n\
        | pipelines | cores used | min | max | µs a block | blocks | missed deadlines | worst ms | resident MiB | KiB a pipeline \
        | stolen ms | cost ÷ that at 10 |\n"
        .to_owned();
    let _ = writeln!(text, "| --- |{}", " --: |".repeat(11));
    let per = |row: &Vec<[f64; FIGURES]>, count: u64| {
        Summary::of(row.iter().map(|figures| figures[0] / count as f64)).median
    };
    let few = per(&rows[0], COUNTS[0]);
    let mut ratio = f64::NAN;
    for (count, row) in COUNTS.iter().zip(&rows) {
        let cores = Summary::of(row.iter().map(|figures| figures[0]));
        let median = |index: usize| Summary::of(row.iter().map(|figures| figures[index])).median;
        let sum = |index: usize| row.iter().map(|figures| figures[index]).sum::<f64>();
        let worst = row.iter().map(|figures| figures[3]).fold(0.0, f64::max);
        ratio = per(row, *count) / few;
        let _ = writeln!(
            text,
            "| **{count}** | {:.3} | {:.3} | {:.3} | {:.2} | {:.0} | {:.0} | {:.2} | {:.1} | {:.1} | {:.0} | {ratio:.2} |",
            cores.median,
            cores.min,
            cores.max,
            cores.median * QUANTUM.as_nanos() as f64 / 1e3 / *count as f64,
            sum(1),
            sum(2),
            worst / 1e6,
            median(4),
            (median(4) - median(5)) * 1024.0 / *count as f64,
            sum(6),
        );
    }
    let word = if ratio <= COST_OF_MANY { "met" } else { "missed" };
    let _ = writeln!(
        text,
        "\n- floor {word}: a pipeline of {} takes {ratio:.2} × the processor time of one of {}; the floor is at most {COST_OF_MANY} ×\n\
         - {} rounds of {:.1} s; two workers: {scheduling}\n",
        COUNTS[COUNTS.len() - 1],
        COUNTS[0],
        size.rounds,
        size.row().as_secs_f64()
    );
    text
}

/// Runs so many in a process of their own; its figures, and the scheduling.
fn fresh(count: u64, time: Duration) -> ([f64; FIGURES], String) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--part", "pipelines", &count.to_string(), &time.as_millis().to_string()]);
    let output = command.stderr(Stdio::inherit()).output().expect("this program starts");
    assert!(output.status.success(), "{command:?} ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let numbers: Vec<f64> =
        lines.next().unwrap_or_default().split(' ').filter_map(|word| word.parse().ok()).collect();
    (
        numbers.try_into().expect("as many figures as a process prints"),
        lines.next().unwrap_or_default().into(),
    )
}

/// What sinks count, together with the task that looks.
#[derive(Default)]
struct Tally {
    blocks: AtomicU64,
    missed: AtomicU64,
    worst_ns: AtomicU64,
}

/// What one process does: `COUNT MILLISECONDS`.
pub(crate) fn part(arguments: &[String]) {
    let number = |index: usize| arguments[index].parse::<u64>().expect("a number");
    let (count, time) = (number(0), Duration::from_millis(number(1)));
    let clock = Clock::start();
    let workers = [1, 2].map(|n| worker(&format!("shared {n}"), clock, true));
    let empty_mib = resident_mib().unwrap_or(f64::NAN);
    let mut flow = flow(Turns::new(&workers, 2), &workers[0], clock);
    let format = format(2);
    let samples: Arc<[f32]> = (0..2 * BLOCK).map(|n| (n as f32 * 0.05).sin()).collect();
    let tallies: Vec<Arc<Tally>> = (0..count).map(|_| Arc::default()).collect();
    // Set when everything stands, however long that takes.
    let start_ns = Arc::new(OnceLock::new());
    for (number, tally) in (0..count).zip(&tallies) {
        let name = format!("{number:04}");
        let pair =
            Pair { name, from: format, wants: None, packets: 16, priority: Priority::Normal, live: true };
        let offset_ns = QUANTUM.as_nanos() as u64 * number / count;
        let source = Paced { samples: samples.clone(), start_ns: start_ns.clone(), offset_ns };
        connect(&mut flow, &pair, Box::new(source), Box::new(Sink { tally: tally.clone(), next: 0 }));
    }
    flow.start().expect("room for all tasks");
    start_ns.set(clock.now_ns() + 10_000_000).expect("set once");
    // Pool and caches warm up.
    sleep(Duration::from_millis(100) + time / 4);
    let read = || {
        let sum = |of: fn(&Tally) -> &AtomicU64| -> u64 {
            tallies.iter().map(|tally| of(tally).load(Ordering::Relaxed)).sum()
        };
        let blocks_missed = [sum(|tally| &tally.blocks), sum(|tally| &tally.missed)];
        (
            Instant::now(),
            processor_seconds(Whose::Own).unwrap_or(f64::NAN),
            blocks_missed,
            stolen_ticks().unwrap_or(0),
        )
    };
    tallies.iter().for_each(|tally| tally.worst_ns.store(0, Ordering::Relaxed));
    let before = read();
    sleep(time);
    let after = read();
    let resident_mib = resident_mib().unwrap_or(f64::NAN);
    let seconds = (after.0 - before.0).as_secs_f64();
    let blocks = after.2[0] - before.2[0];
    let due = seconds * count as f64 * 48_000.0 / BLOCK as f64;
    assert!(
        (blocks as f64) < 1.05 * due + 2.0 * count as f64,
        "{blocks} blocks came where {due:.0} were due"
    );
    // What did not come at all is late, too.
    let absent = (due - blocks as f64 - count as f64).max(0.0);
    let worst_ns = tallies.iter().map(|tally| tally.worst_ns.load(Ordering::Relaxed)).max().unwrap_or(0);
    let cores = (after.1 - before.1) / seconds;
    let missed = (after.2[1] - before.2[1]) as f64 + absent.floor();
    let stolen_ms = 10 * (after.3 - before.3);
    println!("{cores} {blocks} {missed} {worst_ns} {resident_mib} {empty_mib} {stolen_ms}");
    println!("{}", granted(&workers[0]));
    flow.stop().expect("sources that run");
    finish(&flow);
    assert!(flow.status().is_healthy(), "{:#?}", flow.status());
}

/// Makes each block when the clock says that it would be complete.
struct Paced {
    samples: Arc<[f32]>,
    start_ns: Arc<OnceLock<u64>>,
    /// Of its first block, behind that.
    offset_ns: u64,
}

impl Inflow for Paced {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let now_ns = out.now_ns();
        let Some(start_ns) = self.start_ns.get() else { return Ok(Inflowed::Until(now_ns + 1_000_000)) };
        let due_ns = start_ns + self.offset_ns + out.position().0 * 1_000_000 / 48;
        if now_ns < due_ns {
            return Ok(Inflowed::Until(due_ns));
        }
        let given = give(out, format(2), &self.samples, due_ns)?;
        Ok(if given { Inflowed::More } else { Inflowed::Until(now_ns + 100_000) })
    }
}

/// Reads every sample.
struct Sink {
    tally: Arc<Tally>,
    next: u64,
}

impl Node for Sink {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        let late_ns = out.now_ns().saturating_sub(chunk.timestamp_ns());
        let energy: f32 = chunk.samples().iter().map(|sample| sample * sample).sum();
        if chunk.position().0 != self.next || !(1.0..256.0).contains(&energy) {
            return Err(format!("frame {} came where {} was due", chunk.position().0, self.next).into());
        }
        self.next += BLOCK;
        // Relaxed: numbers alone. Only this sink adds to them.
        let Tally { blocks, missed, worst_ns } = &*self.tally;
        blocks.store(blocks.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if late_ns > QUANTUM.as_nanos() as u64 {
            missed.store(missed.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        worst_ns.fetch_max(late_ns, Ordering::Relaxed);
        Ok(())
    }

    /// What found no room is missed as what did not come.
    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        if gap.position.0 != self.next {
            return Err(format!("a gap came at frame {} where {} was due", gap.position.0, self.next).into());
        }
        self.next += gap.frames.0;
        Ok(())
    }
}
