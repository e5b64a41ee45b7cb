//! Nodes in flows that are driven by hand.
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::panic)]

use pcmflow::core::chunk::{AudioChunk, ChunkMeta};
use pcmflow::core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow::core::ledger::{Gap, LossCause};
use pcmflow::core::pool::{BufferRecyclingPool, ClassConfig, Miss, PoolConfig};
use pcmflow::engine::flow::{
    DataFlowCoordinator, FlowBooks, Inflow, Inflowed, Node, NodeError, Out, PipelineConfig, Ports, State,
};
use pcmflow::engine::pressure::Strategy;
use pcmflow::engine::task::{Executor, StepClock};
use pcmflow::engine::transform::Shape;
use pcmflow::io::{Sink, SinkError};
use pcmflow::nodes::{GainNode, Missing, PitchNode, PitchPace, Pitched, SinkNode};
use pcmflow::pitch::PitchConfig;
use std::sync::{Arc, Mutex};

fn format(hz: u32, channels: u32) -> StreamFormat {
    StreamFormat::new(hz, channels).unwrap()
}

/// Gives blocks of 1000 frames of what a function says, but for the gaps.
struct Signal {
    format: StreamFormat,
    frames: u64,
    /// From, to.
    gaps: Vec<(u64, u64)>,
    at: u64,
    signal: fn(u64) -> f32,
}

impl Inflow for Signal {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        if self.at == self.frames {
            return Ok(Inflowed::End);
        }
        let position = StreamPosition(self.at);
        if let Some((_, to)) = self.gaps.iter().find(|gap| gap.0 == self.at) {
            out.gap(Gap { position, frames: Frames(to - self.at), cause: LossCause::Overflow });
            self.at = *to;
            return Ok(Inflowed::More);
        }
        let next = self.gaps.iter().map(|gap| gap.0).filter(|from| *from > self.at).min();
        let end = (self.at + 1000).min(self.frames).min(next.unwrap_or(u64::MAX));
        let channels = self.format.channels;
        let mut buffer = out.pool().acquire(Frames(end - self.at).samples(channels), Miss::Grow)?;
        for frame in self.at..end {
            let _ = buffer.extend_with(channels.get(), |_| (self.signal)(frame));
        }
        let meta =
            ChunkMeta { format: self.format, position, sequence: self.at, timestamp_ns: 0, complete_ns: 0 };
        self.at = end;
        out.chunk(AudioChunk::new(buffer.into_shared(), meta)?);
        Ok(Inflowed::More)
    }
}

fn signal(hz: u32, channels: u32, frames: u64, gaps: &[(u64, u64)], signal: fn(u64) -> f32) -> Signal {
    Signal { format: format(hz, channels), frames, gaps: gaps.into(), at: 0, signal }
}

/// A flow and who drives it.
struct Bench {
    flow: DataFlowCoordinator,
    executor: Executor,
}

impl Bench {
    fn new(source: Signal) -> Self {
        Self::with_buffers(source, 32)
    }

    fn with_buffers(source: Signal, buffers_prewarm: usize) -> Self {
        let (executor, spawner) = Executor::new(16).unwrap();
        let class = |samples| ClassConfig { samples, buffers_max: 64, buffers_prewarm };
        let classes = vec![class(2_048), class(8_192)];
        let pool = BufferRecyclingPool::new(PoolConfig { classes, ..PoolConfig::default() }).unwrap();
        let mut flow = DataFlowCoordinator::new(spawner, pool);
        flow.add_source("source", Shape::new(source.format), false, Box::new(source)).unwrap();
        Self { flow, executor }
    }

    fn add(&mut self, from: &str, name: &str, ports: Ports, node: impl Node + 'static) {
        self.flow.add_node(name, ports, Box::new(node)).unwrap();
        let strategy = Strategy::Block;
        self.flow.connect(PipelineConfig { strategy, ..PipelineConfig::new(from, name) }).unwrap();
    }

    fn run(&mut self) -> FlowBooks {
        self.flow.start().unwrap();
        let clock = StepClock::default();
        while !self.flow.is_over() {
            let _ = self.executor.run(&clock);
            clock.advance(1_000);
        }
        let books = self.flow.books();
        assert_eq!(books.unaccounted(), Frames(0), "{books:?}");
        books
    }
}

/// Keeps what is written.
struct Memory(StreamFormat, Arc<Mutex<Vec<f32>>>);

impl Sink for Memory {
    fn format(&self) -> StreamFormat {
        self.0
    }
    fn write(&mut self, interleaved: &[f32]) -> Result<(), SinkError> {
        self.1.lock().unwrap().extend_from_slice(interleaved);
        Ok(())
    }
    fn finish(self: Box<Self>) -> Result<Frames, SinkError> {
        Ok(Frames::in_samples(self.1.lock().unwrap().len(), self.0.channels))
    }
}

/// What a sink of this format holds of a source.
fn written(source: Signal, to: StreamFormat, missing: Missing) -> Vec<f32> {
    let samples = Arc::new(Mutex::new(Vec::new()));
    let node = SinkNode::new(Box::new(Memory(to, samples.clone())), source.format.rate, missing);
    let mut bench = Bench::new(source);
    bench.add("source", "sink", Ports::sink(Some(Shape::new(to))), node);
    bench.run();
    samples.lock().unwrap().clone()
}

/// Many gaps, each of which would cost a part of a frame at another rate.
const GAPS: &[(u64, u64)] =
    &[(5_000, 5_001), (7_000, 7_002), (9_001, 10_777), (12_345, 12_346), (20_000, 25_000), (30_001, 30_002)];

#[test]
fn silence_for_gaps_keeps_times_true_at_the_rate_that_is_written() {
    // Each of these costs a third of a frame at a third of the rate.
    let many: Vec<(u64, u64)> = (0..600).map(|n| (1_000 + 60 * n, 1_001 + 60 * n)).collect();
    for (gaps, to) in [(GAPS, 16_000), (GAPS, 44_100), (GAPS, 48_000), (&many, 16_000), (&many, 44_100)] {
        // One click, behind all gaps.
        let source = signal(48_000, 2, 48_001, gaps, |frame| if frame == 42_000 { 1.0 } else { 0.0 });
        let out = written(source, format(to, 1), Missing::Silence);
        let due = |frames: u64| (frames * u64::from(to) + 24_000) / 48_000;
        assert!(due(48_001).abs_diff(out.len() as u64) <= 1, "{} frames at {to}", out.len());
        let loudest = (0..out.len()).max_by(|a, b| out[*a].abs().total_cmp(&out[*b].abs())).unwrap();
        assert!(due(42_000).abs_diff(loudest as u64) <= 1, "the click is at {loudest} at {to}");
    }
}

#[test]
fn silence_stands_where_frames_are_missing_and_cut_leaves_them_out() {
    let lost: u64 = GAPS.iter().map(|gap| gap.1 - gap.0).sum();
    let numbers = || signal(48_000, 1, 40_000, GAPS, |frame| (frame + 1) as f32);
    let out = written(numbers(), format(48_000, 1), Missing::Silence);
    assert_eq!(out.len(), 40_000);
    for (frame, sample) in (0u64..).zip(&out) {
        let missing = GAPS.iter().any(|gap| (gap.0..gap.1).contains(&frame));
        assert_eq!(*sample, if missing { 0.0 } else { (frame + 1) as f32 }, "frame {frame}");
    }
    let cut = written(numbers(), format(48_000, 1), Missing::Cut);
    assert_eq!(cut.len() as u64, 40_000 - lost);
    assert!(cut.iter().all(|sample| *sample > 0.0));
}

#[test]
fn what_no_pipeline_converted_is_refused() {
    let samples = Arc::new(Mutex::new(Vec::new()));
    let source = signal(48_000, 2, 5_000, &[], |_| 0.5);
    let node = SinkNode::new(Box::new(Memory(format(48_000, 1), samples)), source.format.rate, Missing::Cut);
    let mut bench = Bench::new(source);
    bench.add("source", "sink", Ports::sink(None), node);
    bench.run();
    let sink = &bench.flow.status().nodes["sink"];
    assert_eq!(sink.state, State::Failed);
    assert!(sink.error.as_ref().unwrap().contains("can't be written"), "{:?}", sink.error);
}

/// Where rates have no common measure, positions are rounded to frames of the source, which must not look like gaps: the tracker
/// would begin anew at each, and a low tone needs a long window.
#[test]
fn the_pitch_of_a_converted_stream_has_the_sources_times() {
    fn sine(frame: u64, hz: f32) -> f32 {
        (frame as f32 * 55.0 / hz * std::f32::consts::TAU).sin() * 0.5
    }
    let high = |frame| sine(frame, 44_100.0);
    let low = |frame| sine(frame, 8_001.0);
    for (hz, signal_of, to) in [(44_100, high as fn(u64) -> f32, 16_000), (8_001, low, 48_000)] {
        let frames = 2 * u64::from(hz);
        let source = signal(hz, 1, frames, &[], signal_of);
        let (told, heard) = std::sync::mpsc::channel();
        let config = PitchConfig::new(format(to, 1).rate);
        let listener = move |pitched: Pitched| Ok(told.send(pitched)?);
        let node = PitchNode::new(config, source.format.rate, PitchPace::Fast, listener).unwrap();
        let mut bench = Bench::new(source);
        bench.add("source", "pitch", Ports::sink(Some(Shape::new(format(to, 1)))), node);
        bench.run();
        drop(bench);
        let heard: Vec<Pitched> = heard.iter().collect();
        let voiced = heard.iter().filter(|pitched| pitched.estimate.voiced);
        let right = voiced.filter(|pitched| (pitched.estimate.hz.unwrap() - 55.0).abs() < 0.5).count();
        assert!(right * 10 > heard.len() * 8 && right > 50, "{right} of {} from {hz} to {to}", heard.len());
        assert!(heard.is_sorted_by_key(|pitched| pitched.estimate.position));
        let last = heard.last().unwrap();
        assert_eq!(last.rate, format(hz, 1).rate);
        assert!((frames * 9 / 10..=frames).contains(&last.estimate.position.0), "{:?}", last.estimate);
    }
}

/// Notes where each chunk's samples lie, and their first one.
struct Where(Arc<Mutex<Vec<(usize, f32)>>>, bool);

impl Node for Where {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
        self.0.lock().unwrap().push((chunk.samples().as_ptr() as usize, chunk.samples()[0]));
        if self.1 {
            out.chunk(chunk);
        }
        Ok(())
    }
}

#[test]
fn gain_is_in_place_where_it_is_alone_and_leaves_what_others_hold() {
    let half = || GainNode::new(-6.020_6).unwrap();
    let places = || Arc::new(Mutex::new(Vec::new()));
    // Alone.
    let (before, after) = (places(), places());
    let mut bench = Bench::new(signal(48_000, 1, 10_000, &[], |_| 1.0));
    bench.add("source", "before", Ports::node(None), Where(before.clone(), true));
    bench.add("before", "gain", Ports::node(None), half());
    bench.add("gain", "after", Ports::sink(None), Where(after.clone(), false));
    bench.run();
    let (before, after) = (before.lock().unwrap(), after.lock().unwrap());
    assert_eq!(before.len(), 10);
    assert!(before.iter().zip(&*after).all(|(before, after)| before.0 == after.0), "it was copied");
    assert!(after.iter().all(|after| (after.1 - 0.5).abs() < 1e-6));
    // Not alone: the other branch hears what it was.
    let (other, after) = (places(), places());
    let mut bench = Bench::new(signal(48_000, 1, 10_000, &[], |_| 1.0));
    bench.add("source", "gain", Ports::node(None), half());
    bench.add("gain", "after", Ports::sink(None), Where(after.clone(), false));
    bench.add("source", "other", Ports::sink(None), Where(other.clone(), false));
    bench.run();
    assert!(other.lock().unwrap().iter().all(|other| other.1 == 1.0));
    assert!(after.lock().unwrap().iter().all(|after| (after.1 - 0.5).abs() < 1e-6));
    // There is no buffer for the copies before they are asked for.
    let (other, after) = (places(), places());
    let mut bench = Bench::with_buffers(signal(48_000, 8, 40_000, &[], |_| 1.0), 0);
    bench.add("source", "gain", Ports::node(None), half());
    bench.add("gain", "after", Ports::sink(None), Where(after.clone(), false));
    bench.add("source", "other", Ports::sink(None), Where(other.clone(), false));
    bench.run();
    assert_eq!((other.lock().unwrap().len(), after.lock().unwrap().len()), (40, 40));
}
