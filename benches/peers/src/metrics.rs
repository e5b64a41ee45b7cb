//! Metrics: what meters and the look for trouble take of the processor time of a flow.
//!
//! One thread drives each flow on a clock that is set, as fast as it goes: what the thread takes for ten seconds of audio is
//! processor time of the flow alone, and a clock that costs nothing hides none of it. Without metrics and with them in turn, in
//! pairs whose order alternates; every run builds its flow anew. Timestamps are spread over a millisecond, so that latencies are,
//! too. The interval is of the median of the pairs: 95 %, by bootstrap.

use crate::engine::format;
use crate::experiment::Size;
use crate::floors::METRICS_PERCENT;
use crate::harness::{Cores, Random, pin};
use crate::system::thread_seconds;
use crate::table::Summary;
use pcmflow::core::block::BlockSize;
use pcmflow::core::chunk::{AudioChunk, ChunkMeta};
use pcmflow::core::format::{Frames, SampleRate, StreamFormat};
use pcmflow::core::health::HealthConfig;
use pcmflow::core::pool::{BufferRecyclingPool, Miss, PoolConfig};
use pcmflow::core::stream::{Overflow, StreamConfig, StreamWriter, stream};
use pcmflow::engine::Priority;
use pcmflow::engine::config::Config;
use pcmflow::engine::event::{BusConfig, EventBus, NameId};
use pcmflow::engine::flow::{
    DataFlowCoordinator, FlowMonitor, Inflow, Inflowed, Node, NodeError, Out, PipelineConfig, Ports,
    StreamFeed, StreamInflow, Telemetry,
};
use pcmflow::engine::metrics::{Rule, Sampler};
use pcmflow::engine::pressure::Strategy;
use pcmflow::engine::session::Session;
use pcmflow::engine::task::{Clock, Executor, Rest, StepClock};
use pcmflow::engine::transform::Shape;
use pcmflow::io::{Source, SynthSpec, synth::Signal};
use pcmflow::nodes::{PitchNode, PitchPace, Pitched};
use pcmflow::pitch::PitchConfig;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::{Arc, Mutex};

/// What is measured of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metrics {
    Off,
    /// Only the meters count.
    Meters,
    /// A session that ticks ten times a second and tells what is new, as the program's does.
    On,
    /// All figures of everything, ten times a second: what somebody may ask for who watches.
    Figures,
}

const VARIANTS: [Metrics; 4] = [Metrics::Off, Metrics::Meters, Metrics::On, Metrics::Figures];

/// A flow, or many alike.
struct Row {
    name: &'static str,
    flows: u64,
    /// Of a block at 48 kHz.
    frames: u64,
    channels: u32,
    /// Seconds of audio in a run.
    seconds: u64,
    /// The source reads a ring that a device fills, as the program's does.
    ring: bool,
    sink: fn() -> Sink,
}

const ROWS: &[Row] = &[
    Row {
        name: "64 × 48 kHz stereo → 16 kHz mono, 128 frames",
        flows: 64,
        frames: 128,
        channels: 2,
        seconds: 10,
        ring: false,
        sink: resampled,
    },
    Row {
        name: "64 × 48 kHz stereo → 16 kHz mono, 480 frames",
        flows: 64,
        frames: 480,
        channels: 2,
        seconds: 10,
        ring: false,
        sink: resampled,
    },
    Row {
        name: "`demo`: a melody's pitch, 1024 frames",
        flows: 1,
        frames: 1024,
        channels: 1,
        seconds: 60,
        ring: true,
        sink: pitched,
    },
];

/// One row for each, and the floor.
pub(crate) fn report(size: Size, cores: Cores) -> String {
    pin(cores.0);
    let pairs = 10 * size.rounds;
    let mut text = "### Metrics: what they take of a flow's processor time\n\n\
        | flow | ns a block, off | on | metrics, ns a block | meters alone | of a processor, in real time % | metrics % | 95 % of it | meters alone % | all figures ten times a second % | alerts |\n"
        .to_owned();
    let _ = writeln!(text, "| --- |{}", " --: |".repeat(10));
    let mut missed = Vec::new();
    for row in ROWS {
        let seconds = (row.seconds / u64::from(size.divisor)).max(1);
        let blocks = (row.flows * seconds * 48_000 / row.frames) as f64;
        // Caches, and the processor's clock.
        row.run(Metrics::On, 1);
        let mut runs: [Vec<f64>; VARIANTS.len()] = Default::default();
        let mut alerts = 0;
        for pair in 0..pairs {
            let mut order: Vec<usize> = (0..VARIANTS.len()).collect();
            if pair % 2 == 1 {
                order.reverse();
            }
            for at in order {
                let (took, at_end) = row.run(VARIANTS[at], seconds);
                runs[at].push(took);
                alerts = alerts.max(at_end);
            }
        }
        let [off, meters, on, figures] = runs;
        let ns = |runs: &[f64]| median(runs) / blocks * 1e9;
        let own = |runs: &[f64]| -> Vec<f64> {
            runs.iter().zip(&off).map(|(with, without)| (with - without) / blocks * 1e9).collect()
        };
        let percent = |runs: &[f64]| -> Vec<f64> {
            runs.iter().zip(&off).map(|(with, without)| 100.0 * (with / without - 1.0)).collect()
        };
        let cost = percent(&on);
        let (low, high) = interval(&cost);
        let _ = writeln!(
            text,
            "| **{}** | {:.0} | {:.0} | {:.1} | {:.1} | {:.3} | {:.2} | {low:.2} .. {high:.2} | {:.2} | {:.1} | {alerts} |",
            row.name,
            ns(&off),
            ns(&on),
            median(&own(&on)),
            median(&own(&meters)),
            median(&own(&on)) * 1e-9 * blocks / seconds as f64 * 100.0,
            median(&cost),
            median(&percent(&meters)),
            median(&percent(&figures)),
        );
        if high >= METRICS_PERCENT {
            missed.push(row.name);
        }
    }
    let word = if missed.is_empty() { "met".into() } else { format!("missed by {}", missed.join("; ")) };
    let _ = writeln!(
        text,
        "\n- floor {word}: all of the interval is to be below {METRICS_PERCENT:.2} %\n\
         - {pairs} interleaved pairs a flow; processor time of the one thread; interval of the median by bootstrap\n"
    );
    text
}

fn median(values: &[f64]) -> f64 {
    Summary::of(values.iter().copied()).median
}

/// Within which the median is with 95 %: the middle of the medians of 10 000 draws, each of as many with replacement.
fn interval(values: &[f64]) -> (f64, f64) {
    const DRAWS: usize = 10_000;
    let mut random = Random::new(1);
    let mut draw = || values[random.below(values.len() as u64) as usize];
    let mut medians: Vec<f64> =
        (0..DRAWS).map(|_| median(&(0..values.len()).map(|_| draw()).collect::<Vec<_>>())).collect();
    medians.sort_by(f64::total_cmp);
    (medians[DRAWS / 40], medians[DRAWS - 1 - DRAWS / 40])
}

impl Row {
    /// Seconds of processor time for so many of audio, and the alerts there are at the end.
    fn run(&self, metrics: Metrics, seconds: u64) -> (f64, usize) {
        let (mut executor, spawner) = Executor::new(1024).expect("memory");
        let (bus, task) = EventBus::new(BusConfig::default());
        spawner.spawn(Priority::Critical, Box::new(task)).expect("room for the bus's task");
        executor.publish_by(bus.publisher(NameId::NONE).expect("memory"));
        let clock = Arc::new(StepClock::default());
        let pool = BufferRecyclingPool::new(PoolConfig::default()).expect("memory");
        let mut flow = DataFlowCoordinator::new(spawner, pool);
        // What waits in the resampler is some blocks old: no trouble here.
        let limits = HealthConfig { latency_limit_ns: 100_000_000, ..HealthConfig::default() };
        let mut session = None;
        let flow = if metrics == Metrics::On {
            let mut config = Config::default();
            let limit_ms = limits.latency_limit_ns / 1_000_000;
            config.flow.latency_ms_max = limit_ms;
            (config.alerts.latency_ms_on, config.alerts.latency_ms_off) = (limit_ms, limit_ms * 9 / 10);
            let session =
                session.insert(Session::new(flow, bus.clone(), clock.clone(), config).expect("memory"));
            session.flow()
        } else {
            let meters = (metrics != Metrics::Off).then_some(limits);
            flow.observe(Telemetry { bus: bus.clone(), clock: clock.clone(), meters }).expect("memory");
            Arc::new(Mutex::new(flow))
        };
        let lock = || flow.lock().expect("nobody panics");
        self.fill(&mut lock());
        let mut monitor =
            FlowMonitor::new(Sampler::INTERVAL_NS, Rule::defaults(), 0).expect("usual settings");
        match &mut session {
            Some(session) => session.start().expect("room for all tasks"),
            None => lock().start().expect("room for all tasks"),
        }
        // Looks, and says when that is due again.
        let mut look = |now_ns| match (&mut session, metrics) {
            (Some(session), _) => {
                session.tick();
                black_box(session.tell());
                session.due_ns()
            }
            (None, Metrics::Figures) => {
                black_box(monitor.sample(now_ns, &mut lock(), &BTreeMap::new(), bus.snapshot()));
                monitor.due_ns()
            }
            _ => u64::MAX,
        };
        // The first second fills pools and caches.
        drive(&mut executor, &clock, &mut look, 1);
        let before = thread_seconds();
        drive(&mut executor, &clock, &mut look, 1 + seconds);
        let took = thread_seconds() - before;
        let status = lock().status();
        let frames = (1 + seconds) * 48_000;
        for number in 0..self.flows {
            let delivered = status.nodes[&format!("sink {number}")].given.delivered.0;
            // The filter holds some, and the last block may not be due.
            assert!(delivered + 2048 > frames, "{delivered} of {frames} frames came");
        }
        let alerts = session.as_mut().map_or(0, |session| session.look().alerts.len());
        (took, alerts)
    }

    /// Adds every source, its sink, and the pipeline between them.
    fn fill(&self, flow: &mut DataFlowCoordinator) {
        for number in 0..self.flows {
            let Sink { node, wants, samples } = (self.sink)();
            let (source, sink) = (format!("source {number}"), format!("sink {number}"));
            let from = format(self.channels);
            let paced =
                Paced { format: from, frames: self.frames, samples, due_ns: 0, random: Random::new(number) };
            let inflow: Box<dyn Inflow> =
                if self.ring { Box::new(Ringed::new(paced)) } else { Box::new(paced) };
            flow.add_source(&source, Shape::new(from), false, inflow).expect("a new name");
            flow.add_node(&sink, Ports::sink(wants.map(Shape::new)), node).expect("a new name");
            let pipeline =
                PipelineConfig { strategy: Strategy::Block, ..PipelineConfig::new(&source, &sink) };
            flow.connect(pipeline).expect("a pipeline that can be");
        }
    }
}

/// Until so many seconds have passed by the clock.
fn drive(executor: &mut Executor, clock: &StepClock, look: &mut dyn FnMut(u64) -> u64, seconds: u64) {
    let mut look_ns = 0;
    loop {
        match executor.run(clock) {
            Rest::No => continue,
            Rest::Until(due_ns) if due_ns <= seconds * 1_000_000_000 => clock.set(due_ns),
            _ => break,
        }
        let now_ns = clock.now_ns();
        if look_ns <= now_ns {
            look_ns = look(now_ns);
        }
    }
}

/// Makes each block when the clock says that it would be complete.
struct Paced {
    format: StreamFormat,
    frames: u64,
    /// What is played, over and over.
    samples: Arc<[f32]>,
    due_ns: u64,
    random: Random,
}

impl Inflow for Paced {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let now_ns = out.now_ns();
        if now_ns < self.due_ns {
            return Ok(Inflowed::Until(self.due_ns));
        }
        let position = out.position();
        let length = self.frames as usize * self.format.channels.get();
        let at = position.0 as usize * self.format.channels.get() % self.samples.len();
        let mut buffer = out.pool().acquire(length, Miss::Grow)?;
        let samples = self.samples.get(at..at + length).ok_or("the signal is no whole number of blocks")?;
        let _ = buffer.extend_from_slice(samples);
        let timestamp_ns = now_ns.saturating_sub(self.random.below(1_000_000));
        let (format, sequence) = (self.format, position.0 / self.frames);
        let meta = ChunkMeta { format, position, sequence, timestamp_ns, complete_ns: now_ns };
        out.chunk(AudioChunk::new(buffer.into_shared(), meta)?);
        self.due_ns = (position.0 + self.frames) * 1_000_000 / 48;
        Ok(Inflowed::More)
    }
}

/// A ring that is filled as [`Paced`] would give its blocks, and the source that reads it.
struct Ringed {
    device: Paced,
    position: u64,
    writer: StreamWriter,
    inflow: StreamInflow,
    _feed: StreamFeed,
}

impl Ringed {
    fn new(device: Paced) -> Self {
        let (format, capacity) = (device.format, Frames(8 * device.frames));
        let config =
            StreamConfig { format, capacity, quantum: Frames(device.frames), overflow: Overflow::DropNewest };
        let (writer, reader, _) = stream(config).expect("memory");
        let (feed, inflow) = StreamInflow::new(reader, BlockSize::of::<1024>()).expect("memory");
        Self { device, position: 0, writer, inflow, _feed: feed }
    }
}

impl Inflow for Ringed {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let (now_ns, device) = (out.now_ns(), &mut self.device);
        while device.due_ns <= now_ns {
            let length = device.frames as usize * device.format.channels.get();
            let at = self.position as usize * device.format.channels.get() % device.samples.len();
            let samples =
                device.samples.get(at..at + length).ok_or("the signal is no whole number of blocks")?;
            let written = self.writer.write(samples, now_ns.saturating_sub(device.random.below(1_000_000)));
            assert_eq!(written.accepted, Frames(device.frames));
            self.position += device.frames;
            device.due_ns = self.position * 1_000_000 / 48;
        }
        self.inflow.poll(out)
    }
}

/// What a flow ends at, what that wants, and what the source plays.
struct Sink {
    node: Box<dyn Node>,
    wants: Option<StreamFormat>,
    samples: Arc<[f32]>,
}

struct Reads(f32);

impl Node for Reads {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.0 += chunk.samples().first().copied().unwrap_or_default();
        Ok(())
    }
}

fn resampled() -> Sink {
    let wants = StreamFormat::new(16_000, 1).ok();
    let samples = (0..2 * 480 * 128).map(|n| (n as f32 * 0.05).sin()).collect();
    Sink { node: Box::new(Reads(0.0)), wants, samples }
}

fn pitched() -> Sink {
    let spec = SynthSpec::new(Signal::Melody { audible: true });
    let mut source = spec.source().expect("the demonstration's melody");
    let mut samples = vec![0.0; 1024 * 470];
    let mut filled = 0;
    while filled < samples.len() {
        match source.read(&mut samples[filled..]).expect("a signal that is made").0 as usize {
            0 => break,
            frames => filled += frames,
        }
    }
    samples.truncate(filled / 1024 * 1024);
    let rate = SampleRate::HZ_48000;
    let hear = |pitched: Pitched| {
        black_box(pitched);
        Ok(())
    };
    let node = PitchNode::new(PitchConfig::new(rate), rate, PitchPace::Fast, hear).expect("usual settings");
    Sink { node: Box::new(node), wants: None, samples: samples.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_around_the_median_and_narrow_where_pairs_agree() {
        let values: Vec<f64> = (0..30).map(f64::from).collect();
        let (low, high) = interval(&values);
        assert!(low > 5.0 && low < 14.5 && high > 14.5 && high < 24.0, "{low} .. {high}");
        assert_eq!(interval(&[0.5; 30]), (0.5, 0.5));
    }
}
