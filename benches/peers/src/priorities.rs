//! Priorities: one Critical pipeline while bulk pipelines take all the processor time there is.
//!
//! Two shared workers turn over resampling flows, 48 to 44.1 kHz, as fast as they can. A thread writes a block of 128 frames at 48
//! kHz, stamped with the time, every 2.67 ms; what is measured is how old it is when the sink gets it. The ways take turns:
//!
//! - *woken*: the pipeline is Critical, on a worker of its own that asks for real-time scheduling, and whoever writes wakes the source;
//! - *looked at*: the same, where whoever writes may wake nobody, as an audio callback: the source looks every 100 µs;
//! - *off*: woken, but Normal, on one of the shared workers; nothing asks for real-time scheduling but the thread that writes.

use crate::engine::{BLOCK, Pair, QUANTUM, Turns, connect, finish, flow, format, give, granted, worker};
use crate::experiment::Size;
use crate::floors::CRITICAL_MS;
use crate::harness::Cores;
use crate::tail::Tail;
use crate::witness::{Seen, Witness};
use pcmflow::core::block::BlockSize;
use pcmflow::core::chunk::AudioChunk;
use pcmflow::core::format::{Frames, StreamFormat};
use pcmflow::core::stream::{Overflow, StreamConfig, stream};
use pcmflow::engine::Priority;
use pcmflow::engine::flow::{DataFlowCoordinator, Inflow, Inflowed, Node, NodeError, Out, StreamInflow};
use pcmflow::runtime::thread::RealTime;
use pcmflow::runtime::{Clock, Stop, Worker};
use std::fmt::Write as _;
use std::sync::mpsc::{Sender, channel};
use std::thread::sleep;
use std::time::Duration;

/// How often a source looks whose writer wakes nobody.
const LOOK_NS: u64 = 100_000;

/// Bulk flows of each shared worker.
const BULK: usize = 8;
/// Frames of their chunks.
const BULK_FRAMES: usize = 480;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Woken,
    LookedAt,
    Off,
}

const WAYS: [Way; 3] = [Way::Woken, Way::LookedAt, Way::Off];

/// When it was published, and how old it was when it was observed.
type Observed = (u64, u64);

/// What the turns of one way came to.
#[derive(Default)]
struct Row {
    written: u64,
    observed: Vec<Observed>,
}

/// The table and the floor.
pub(crate) fn report(size: Size, cores: Cores) -> String {
    let clock = Clock::start();
    let critical = worker("critical", clock, true);
    let shared = [1, 2].map(|n| worker(&format!("shared {n}"), clock, false));
    let bulk: Vec<DataFlowCoordinator> = shared.iter().map(|worker| bulk(worker, clock)).collect();
    let mut witness = Witness::start(cores, clock);
    // Bulk flows settle first.
    witness.watch(Duration::from_millis(200));
    let turn = (size.time / 12).clamp(Duration::from_millis(250), Duration::from_secs(10));
    let turns = (size.time.as_secs_f64() / turn.as_secs_f64()).round() as usize;
    let mut rows: [Row; WAYS.len()] = Default::default();
    let mut writer = String::new();
    for number in 0..turns.max(WAYS.len()) {
        let way = WAYS[number % WAYS.len()];
        let on = if way == Way::Off { &shared[0] } else { &critical };
        let row = &mut rows[number % WAYS.len()];
        writer = window(way, on, clock, turn, &mut witness, row);
    }
    let seen = witness.end();
    let bulk_frames: u64 = bulk.into_iter().map(end_bulk).sum();
    let mut text = "### Priorities one pipeline beside bulk flows on both cores: µs from publishing to observing a block\n\n\
        | way; scheduling of its worker | blocks | missing | p50 µs | p99 µs | p99.9 µs | max µs | p99.9 ÷ off |\n"
        .to_owned();
    let _ = writeln!(text, "| --- |{}", " --: |".repeat(7));
    let mut p999 = Vec::new();
    for kept in [false, true] {
        let figures = rows.each_ref().map(|row| figures(row, &seen, kept));
        let off = figures[2].1[2];
        for ((way, row), (blocks, figures)) in WAYS.iter().zip(&rows).zip(&figures) {
            let (name, on) = match way {
                Way::Woken => ("Critical, woken", granted(&critical)),
                Way::LookedAt => ("Critical, looked at", granted(&critical)),
                Way::Off => ("off: Normal, woken", granted(&shared[0])),
            };
            let without = if kept { "; without what the host took" } else { "" };
            let missing =
                if kept { "–".into() } else { (row.written - row.observed.len() as u64).to_string() };
            let cells: Vec<String> = figures.iter().map(|ns| format!("{:.1}", ns / 1000.0)).collect();
            let over = figures[2] / off;
            let mark = if *way == Way::Off { "*" } else { "**" };
            let _ = writeln!(
                text,
                "| {mark}{name}; {on}{without}{mark} | {blocks} | {missing} | {} | {over:.4} |",
                cells.join(" | ")
            );
            p999.push((*way, kept, figures[2] / 1e6));
        }
    }
    text.push('\n');
    let real_time = critical.granted().is_some_and(|granted| granted.is_real_time());
    for (way, kept, ms) in p999.into_iter().filter(|(way, ..)| *way != Way::Off) {
        let word = match (real_time, ms <= CRITICAL_MS.0) {
            (false, _) => "not asked, as no real-time scheduling is granted",
            (true, true) => "met",
            (true, false) => "missed",
        };
        let without = if kept { ", without what the host took" } else { "" };
        let _ = writeln!(
            text,
            "- floor {word}: {way:?}{without}, p99.9 {ms:.3} ms; the floor is at most {} ms, the aim {} ms",
            CRITICAL_MS.0, CRITICAL_MS.1
        );
    }
    let _ = writeln!(
        text,
        "- {:.0} s in turns of {:.1} s; the thread that writes: {writer}; bulk: {} flows, {:.1} million frames resampled\n- {}\n",
        turn.as_secs_f64() * turns.max(WAYS.len()) as f64,
        turn.as_secs_f64(),
        BULK * shared.len(),
        bulk_frames as f64 / 1e6,
        seen.describe()
    );
    for worker in shared.into_iter().chain([critical]) {
        assert_eq!(worker.stop().1, 0, "a task panicked");
    }
    text
}

fn figures(row: &Row, seen: &Seen, kept: bool) -> (usize, Vec<f64>) {
    let mut tail = Tail::with_capacity(row.observed.len() as u64);
    let of = row.observed.iter().filter(|(published_ns, _)| !kept || seen.undisturbed(*published_ns));
    let mut blocks = 0;
    for (_, age_ns) in of {
        tail.add(*age_ns);
        blocks += 1;
    }
    (blocks, tail.figures())
}

/// One turn of one way: a flow of its own, written to for that long. Returns what the writing thread was granted.
fn window(
    way: Way,
    on: &Worker,
    clock: Clock,
    time: Duration,
    witness: &mut Witness,
    row: &mut Row,
) -> String {
    let format = format(2);
    let config = StreamConfig {
        format,
        capacity: Frames(48_000),
        quantum: Frames(BLOCK),
        overflow: Overflow::DropNewest,
    };
    let (mut writer, reader, _) = stream(config).expect("memory for a ring");
    let block = BlockSize::of::<BLOCK>();
    let source = match way {
        Way::LookedAt => {
            StreamInflow::new(reader, block).map(|(feed, source)| (feed, source.looking_every(LOOK_NS)))
        }
        Way::Woken | Way::Off => StreamInflow::woken(reader, block, || {}),
    };
    let (feed, source) = source.expect("memory for a source");
    let caller = (way != Way::LookedAt).then(|| feed.caller());
    // No other stream will follow.
    drop(feed);
    let priority = if way == Way::Off { Priority::Normal } else { Priority::Critical };
    let mut flow = flow(Turns::new([on], 1), on, clock);
    let pair = Pair { name: "live".into(), from: format, wants: None, packets: 16, priority, live: true };
    let (ages, observed) = channel();
    connect(&mut flow, &pair, Box::new(source), Box::new(Observer { ages, kept: Vec::new() }));
    flow.start().expect("room for two tasks");
    let stop = Stop::new();
    let asked = stop.clone();
    let writing = std::thread::spawn(move || {
        let raised = RealTime::every(QUANTUM).raise();
        let samples = [0.25; 2 * BLOCK as usize];
        let (mut written, start_ns) = (0, clock.now_ns());
        while !asked.is_asked() {
            let due_ns = start_ns + written * QUANTUM.as_nanos() as u64;
            sleep(Duration::from_nanos(due_ns.saturating_sub(clock.now_ns())));
            let accepted = writer.write(&samples, clock.now_ns()).accepted;
            written += u64::from(accepted == Frames(BLOCK));
            if let Some(caller) = &caller {
                caller.wake();
            }
        }
        drop(writer);
        if let Some(caller) = caller {
            caller.wake();
        }
        (written, raised.granted().to_string())
    });
    witness.watch(time);
    stop.ask();
    let (written, granted) = writing.join().expect("a thread that writes");
    finish(&flow);
    row.written += written;
    row.observed.extend(observed.into_iter().flatten());
    granted
}

/// Notes when blocks come; hands its notes over at the end.
struct Observer {
    ages: Sender<Vec<Observed>>,
    kept: Vec<Observed>,
}

impl Node for Observer {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        let published_ns = chunk.timestamp_ns();
        self.kept.push((published_ns, out.now_ns().saturating_sub(published_ns)));
        Ok(())
    }

    fn end(&mut self, _: &mut Out<'_>) -> Result<(), NodeError> {
        Ok(self.ages.send(std::mem::take(&mut self.kept))?)
    }
}

/// Starts one shared worker's bulk flows.
fn bulk(on: &Worker, clock: Clock) -> DataFlowCoordinator {
    let mut flow = flow(Turns::new([on], 1), on, clock);
    let wants = Some(StreamFormat::new(44_100, 2).expect("a usual format"));
    for number in 0..BULK {
        let name = format!("bulk {number}");
        let pair =
            Pair { name, from: format(2), wants, packets: 16, priority: Priority::Normal, live: false };
        connect(&mut flow, &pair, Box::new(Endless(format(2))), Box::new(Nothing));
    }
    flow.start().expect("room for all tasks");
    flow
}

/// Ends them; how many frames came out.
fn end_bulk(mut flow: DataFlowCoordinator) -> u64 {
    flow.stop().expect("sources that run");
    finish(&flow);
    let status = flow.status();
    (0..BULK).map(|number| status.nodes[&format!("bulk {number} sink")].given.delivered.0).sum()
}

/// A source that always has more.
struct Endless(StreamFormat);

impl Inflow for Endless {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let now_ns = out.now_ns();
        let given = give(out, self.0, &[0.25; 2 * BULK_FRAMES], now_ns)?;
        Ok(if given { Inflowed::More } else { Inflowed::Until(now_ns + 100_000) })
    }
}

/// A sink that looks at nothing.
struct Nothing;

impl Node for Nothing {
    fn chunk(&mut self, _: usize, _: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        Ok(())
    }
}
