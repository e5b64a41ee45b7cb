//! X6: the hand-off of a chunk from thread to thread in the engine, beside GStreamer's `fakesrc ! queue ! fakesink`.
//!
//! Both run as processes of their own, in turn, each twice: with few buffers and with many. The slope between the two is what
//! one buffer takes, of the clock and of both processors; starting up cancels. Nobody is pinned. GStreamer's elements are told to say nothing, to wait for no clock and
//! to keep no last buffer, and its queue to count buffers only. `fakesrc` allocates 512 bytes and leaves them as they
//! are, or sends buffers without any.
//!
//! Ours is a pipeline of a coordinator, its source on one worker and its sink on another, metered and with events on a bus. For each
//! chunk of 128 frames, 512 bytes too, the source takes a buffer from the pool, writes every sample, and stamps it with the
//! time; the sink looks at position and samples, and the buffer goes back. At the end the books must balance.

use crate::engine::{self, BLOCK, Pair, Turns, connect, finish, flow, worker};
use crate::experiment::Size;
use crate::floors::HAND_OFF;
use crate::harness::Cores;
use crate::system::{Whose, processor_seconds};
use crate::table::Summary;
use pcmflow::core::chunk::{AudioChunk, ChunkMeta};
use pcmflow::core::format::StreamFormat;
use pcmflow::core::pool::{Miss, OwnerId, PoolEndpoint};
use pcmflow::engine::Priority;
use pcmflow::engine::flow::{Inflow, Inflowed, Node, NodeError, Out};
use pcmflow::runtime::Clock;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What types it, where GStreamer is missing.
const MISSING: &str = "GStreamer is not there; to get it: cargo xtask setup --bench";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// With so many bytes a buffer.
    GStreamer(u32),
    Pcmflow,
    /// A handle of the same buffer for each chunk: what is left when nothing is taken from the pool and nothing written.
    OneBuffer,
}

const CONTENDERS: &[(&str, Who, u32)] = &[
    ("GStreamer, queue of 64 buffers of 512 bytes", Who::GStreamer(512), 64),
    ("GStreamer, queue of 64 buffers without bytes", Who::GStreamer(0), 64),
    ("pcmflow, link of 64 chunks of 512 bytes", Who::Pcmflow, 64),
    ("pcmflow, link of 64 chunks of one buffer", Who::OneBuffer, 64),
    ("GStreamer, queue of 1024 buffers of 512 bytes", Who::GStreamer(512), 1024),
    ("GStreamer, queue of 1024 buffers without bytes", Who::GStreamer(0), 1024),
    ("pcmflow, link of 1024 chunks of 512 bytes", Who::Pcmflow, 1024),
];

/// The table and the floor.
pub(crate) fn report(size: Size, _: Cores) -> String {
    let version = gstreamer_version();
    let rounds = size.processes * size.rounds;
    let mut slopes = vec![Vec::new(); CONTENDERS.len()];
    for round in 0..rounds {
        for turn in 0..CONTENDERS.len() {
            let index = (turn + round) % CONTENDERS.len();
            let (_, who, depth) = CONTENDERS[index];
            if version.is_some() || !matches!(who, Who::GStreamer(_)) {
                slopes[index].push(slope(who, depth, size.divisor));
            }
        }
    }
    let mut text = "### X6 hand-off from thread to thread in the engine: ns a buffer\n\n".to_owned();
    text += "| contender | median ns | min | max | processor ns | ÷ best peer |\n";
    text += "| --- | --: | --: | --: | --: | --: |\n";
    let mut verdicts = String::new();
    for (index, (name, who, depth)) in CONTENDERS.iter().enumerate() {
        if slopes[index].is_empty() {
            let _ = writeln!(text, "| {name} | – | – | – | – | – |");
            continue;
        }
        let Summary { median, min, max } = Summary::of(slopes[index].iter().map(|slope| slope.ns));
        let processor = Summary::of(slopes[index].iter().map(|slope| slope.processor_ns)).median;
        let peers = (0..CONTENDERS.len())
            .filter(|peer| matches!(CONTENDERS[*peer].1, Who::GStreamer(_)) && CONTENDERS[*peer].2 == *depth)
            .filter(|peer| !slopes[*peer].is_empty());
        let over = |peer: usize| {
            Summary::of(slopes[index].iter().zip(&slopes[peer]).map(|(own, other)| own.ns / other.ns)).median
        };
        // The best of them is the one beside which this looks worst.
        let ratio = peers.map(over).max_by(f64::total_cmp);
        let cell = ratio.map_or("–".into(), |ratio| format!("{ratio:.3}"));
        let name = if matches!(who, Who::GStreamer(_)) { (*name).into() } else { format!("**{name}**") };
        let _ = writeln!(text, "| {name} | {median:.1} | {min:.1} | {max:.1} | {processor:.1} | {cell} |");
        if let (Who::Pcmflow, Some(ratio)) = (who, ratio) {
            let times = 1.0 / ratio;
            let word = if times >= HAND_OFF.0 { "met" } else { "missed" };
            let _ = writeln!(
                verdicts,
                "- floor {word}: {depth} chunks, {times:.1} × the best of GStreamer's with as many; the floor is at least {:.0} ×, the aim {:.0} ×",
                HAND_OFF.0, HAND_OFF.1
            );
        }
    }
    let version = version.unwrap_or_else(|| MISSING.into());
    let _ = writeln!(
        text,
        "\n{verdicts}- {rounds} rounds, the processes in turn; {version}\n- GStreamer: `gst-launch-1.0 {}`\n",
        arguments(512, 64, 0).join(" ").replace("num-buffers=0", "num-buffers=N")
    );
    text
}

fn gstreamer_version() -> Option<String> {
    let output = Command::new("gst-launch-1.0").arg("--gst-version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn arguments(bytes: u32, depth: u32, buffers: u64) -> Vec<String> {
    let size = if bytes == 0 { "sizetype=empty".into() } else { format!("sizetype=fixed sizemax={bytes}") };
    let text = format!(
        "-q fakesrc num-buffers={buffers} {size} filltype=nothing silent=true ! queue max-size-buffers={depth} \
         max-size-bytes=0 max-size-time=0 silent=true ! fakesink sync=false silent=true enable-last-sample=false"
    );
    text.split(' ').map(Into::into).collect()
}

/// What one buffer takes.
#[derive(Clone, Copy)]
struct Slope {
    ns: f64,
    /// Of all threads together.
    processor_ns: f64,
}

fn slope(who: Who, depth: u32, divisor: u32) -> Slope {
    let unit = match who {
        Who::GStreamer(_) => 50_000,
        Who::Pcmflow | Who::OneBuffer => 500_000,
    } / u64::from(divisor);
    let (few, many) = (unit, 9 * unit);
    let [first, second] = [few, many].map(|buffers| {
        let mut command = match who {
            Who::GStreamer(bytes) => {
                let mut command = Command::new("gst-launch-1.0");
                command.args(arguments(bytes, depth, buffers));
                command
            }
            Who::Pcmflow | Who::OneBuffer => {
                let mut command = Command::new(std::env::current_exe().expect("this program"));
                let one = (who == Who::OneBuffer).to_string();
                command.args(["--part", "hand-off", &depth.to_string(), &buffers.to_string(), &one]);
                command
            }
        };
        let processor = || processor_seconds(Whose::Children).unwrap_or(f64::NAN);
        let (start, before) = (Instant::now(), processor());
        let status = command.stdout(Stdio::null()).status().expect("a program that was there just now");
        assert!(status.success(), "{command:?} ended with {status}");
        (start.elapsed().as_secs_f64(), processor() - before)
    });
    let a_buffer = |from: f64, to: f64| (to - from) * 1e9 / (many - few) as f64;
    Slope { ns: a_buffer(first.0, second.0), processor_ns: a_buffer(first.1, second.1) }
}

/// What one process of ours does: `DEPTH CHUNKS ONE`.
pub(crate) fn part(arguments: &[String]) {
    let number = |index: usize| arguments[index].parse::<u64>().expect("a number");
    let (packets, chunks, one) = (number(0) as u32, number(1), arguments[2] == "true");
    let clock = Clock::start();
    let workers = ["sink", "source"].map(|name| worker(name, clock, false));
    let mut flow = flow(Turns::new(&workers, 1), &workers[0], clock);
    let format = engine::format(1);
    let pair = Pair {
        name: "x6".into(),
        from: format,
        wants: None,
        packets,
        priority: Priority::Normal,
        live: false,
    };
    let source =
        Source { format, left: chunks, samples: [0.0; BLOCK as usize], one, chunk: None, endpoint: None };
    connect(&mut flow, &pair, Box::new(source), Box::new(Sink { next: 0, end: chunks * BLOCK, one }));
    flow.start().expect("room for two tasks");
    finish(&flow);
    let status = flow.status();
    assert!(status.is_healthy(), "{status:#?}");
    assert_eq!(status.nodes["x6 sink"].given.delivered.0, chunks * BLOCK);
}

struct Source {
    format: StreamFormat,
    left: u64,
    samples: [f32; BLOCK as usize],
    one: bool,
    chunk: Option<AudioChunk>,
    /// A source that gives chunk after chunk has its own way to the pool.
    endpoint: Option<PoolEndpoint>,
}

impl Inflow for Source {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        if self.left == 0 {
            return Ok(Inflowed::End);
        }
        let now_ns = out.began_ns();
        if self.one {
            if self.chunk.is_none() {
                let mut buffer = out.pool().acquire(BLOCK as usize, Miss::Grow)?;
                let _ = buffer.extend_from_slice(&self.samples);
                let meta = ChunkMeta {
                    format: self.format,
                    position: out.position(),
                    sequence: 0,
                    timestamp_ns: now_ns,
                    complete_ns: now_ns,
                };
                self.chunk = Some(AudioChunk::new(buffer.into_shared(), meta)?);
            }
            if let Some(chunk) = &self.chunk {
                let position = out.position();
                let meta = ChunkMeta {
                    position,
                    sequence: position.0 / BLOCK,
                    timestamp_ns: now_ns,
                    ..*chunk.meta()
                };
                out.chunk(AudioChunk::new(chunk.buffer().clone(), meta)?);
            }
        } else {
            self.samples[0] = (out.position().0 % (1 << 20)) as f32;
            self.samples[BLOCK as usize - 1] = self.samples[0];
            if self.endpoint.is_none() {
                self.endpoint = Some(out.pool().endpoint(OwnerId(1))?);
            }
            let Some(endpoint) = &mut self.endpoint else { return Ok(Inflowed::End) };
            let Ok(mut buffer) = endpoint.acquire(BLOCK as usize, Miss::Grow) else {
                return Ok(Inflowed::Until(now_ns + 100_000));
            };
            let _ = buffer.extend_from_slice(&self.samples);
            let (format, position) = (self.format, out.position());
            let meta = ChunkMeta {
                format,
                position,
                sequence: position.0 / BLOCK,
                timestamp_ns: now_ns,
                complete_ns: now_ns,
            };
            out.chunk(AudioChunk::new(buffer.into_shared(), meta)?);
        }
        self.left -= 1;
        Ok(Inflowed::More)
    }
}

struct Sink {
    next: u64,
    end: u64,
    one: bool,
}

impl Node for Sink {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        let samples = chunk.samples();
        let stamp = if self.one { 0.0 } else { (self.next % (1 << 20)) as f32 };
        let whole =
            samples.len() == BLOCK as usize && samples[0] == stamp && samples[BLOCK as usize - 1] == stamp;
        if chunk.position().0 != self.next || !whole {
            return Err(format!("chunk {} came where {} was due", chunk.position().0, self.next).into());
        }
        self.next += BLOCK;
        Ok(())
    }

    fn end(&mut self, _: &mut Out<'_>) -> Result<(), NodeError> {
        if self.next == self.end {
            Ok(())
        } else {
            Err(format!("{} of {} frames came", self.next, self.end).into())
        }
    }
}
