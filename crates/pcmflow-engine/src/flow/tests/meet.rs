//! Two devices with crystals of their own, whose blocks come early and late, meet.
// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::panic)]

use super::super::*;
use super::clock::Random;
use super::witness::{Bench, format};
use crate::pressure::Strategy;
use crate::transform::Shape;
use pcmflow_core::chunk::{AudioChunk, ChunkMeta};
use pcmflow_core::format::{Frames, StreamPosition};
use pcmflow_core::ledger::{Gap, LossCause, Timeline};
use pcmflow_core::pool::Miss;
use std::f64::consts::TAU;
use std::sync::{Arc, Mutex};

const SECOND_NS: u64 = 1_000_000_000;
const TONE_HZ: f64 = 1_000.0;

/// A device: each block arrives up to some time after its last frame was taken.
struct Device {
    /// By its own crystal, in true seconds.
    hz: f64,
    rate_hz: u32,
    block: u64,
    late_ns: u64,
    amplitude: f64,
    starts_ns: u64,
    ends_ns: u64,
    /// Chunks that it loses: from, to.
    loses: std::ops::Range<u64>,
    /// The next block, and when it arrives.
    next: u64,
    arrives_ns: u64,
    random: Random,
}

impl Device {
    fn new(drift_ppm: f64, block: u64, amplitude: f64, secs: u64) -> Self {
        Self {
            hz: 48_000.0 * (1.0 + drift_ppm / 1e6),
            rate_hz: 48_000,
            block,
            late_ns: 5_000_000,
            amplitude,
            starts_ns: 0,
            ends_ns: secs * SECOND_NS,
            loses: 0..0,
            next: 0,
            arrives_ns: 0,
            random: Random(block + 1),
        }
    }
}

impl Inflow for Device {
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError> {
        let before_ns = self.arrives_ns;
        if before_ns <= out.now_ns() && self.next > 0 || self.next == 0 {
            if self.next == 0 {
                let first_ns = self.starts_ns + (self.block as f64 / self.hz * 1e9) as u64;
                if out.now_ns() < first_ns {
                    return Ok(Inflowed::Until(first_ns));
                }
                self.arrives_ns = first_ns;
            }
            if self.arrives_ns >= self.ends_ns {
                out.cut(Frames(0));
                return Ok(Inflowed::End);
            }
            let at = self.next * self.block;
            let (position, frames) = (StreamPosition(at), Frames(self.block));
            if self.loses.contains(&self.next) {
                out.gap(Gap { position, frames, cause: LossCause::Device });
            } else {
                let mut buffer = out.pool().acquire(self.block as usize, Miss::Grow)?;
                for frame in at..at + self.block {
                    let sample = self.amplitude * (TAU * TONE_HZ * frame as f64 / self.hz).sin();
                    let _ = buffer.extend_from_slice(&[sample as f32]);
                }
                let (timestamp_ns, complete_ns) = (self.arrives_ns, self.arrives_ns);
                let format = format(self.rate_hz, 1);
                let meta = ChunkMeta { format, position, sequence: self.next, timestamp_ns, complete_ns };
                out.chunk(AudioChunk::new(buffer.into_shared(), meta)?);
            }
            self.next += 1;
            if self.next.is_multiple_of(50) {
                out.cut(Frames(0));
            }
            let there_ns =
                self.starts_ns + ((self.next + 1) as f64 * self.block as f64 / self.hz * 1e9) as u64;
            self.arrives_ns = self.arrives_ns.max(there_ns + self.random.below(self.late_ns));
        }
        Ok(if self.arrives_ns <= out.now_ns() { Inflowed::More } else { Inflowed::Until(self.arrives_ns) })
    }
}

/// What a sink heard.
#[derive(Default)]
struct Heard {
    samples: Vec<f32>,
    timeline: Timeline,
    sequences: u64,
}

struct Ear(Arc<Mutex<Heard>>);

impl Node for Ear {
    fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
        let mut heard = self.0.lock().unwrap();
        heard.timeline.deliver(chunk.position(), chunk.span());
        heard.samples.extend_from_slice(chunk.samples());
        assert_eq!(chunk.sequence(), heard.sequences);
        heard.sequences += 1;
        Ok(())
    }

    fn gap(&mut self, _: usize, gap: Gap, _: &mut Out<'_>) -> Result<(), NodeError> {
        self.0.lock().unwrap().timeline.lose(gap);
        Ok(())
    }
}

struct Place {
    bench: Bench,
    gauge: MeetGauge,
    heard: Arc<Mutex<Heard>>,
}

/// master and follower ═▶ meet ═▶ ear.
fn meeting(master: Device, follower: Device, combine: Combine, correct: bool) -> Place {
    let mut bench = Bench::new();
    let mono = format(48_000, 1);
    let meet = Meet::new(MeetConfig { combine, ..MeetConfig::new(mono) }).unwrap();
    let (gauge, ports) = (meet.gauge(1).unwrap(), meet.ports());
    let meet = if correct { meet } else { meet.uncorrected() };
    for (name, device) in [("master", master), ("follower", follower)] {
        let shape = Shape::new(format(device.rate_hz, 1));
        bench.flow.add_source(name, shape, true, Box::new(device)).unwrap();
    }
    bench.flow.add_node("meet", ports, Box::new(meet)).unwrap();
    let heard = Arc::new(Mutex::new(Heard::default()));
    bench.flow.add_node("ear", Ports::sink(None), Box::new(Ear(heard.clone()))).unwrap();
    bench.connect("master", "meet", Strategy::Block);
    follow(&mut bench.flow, "follower");
    bench.connect("meet", "ear", Strategy::Block);
    bench.flow.start().unwrap();
    Place { bench, gauge, heard }
}

impl Place {
    /// Runs to the end; every book balances, and the follower's are handed back.
    fn finish(&mut self) -> Followed {
        let books = self.bench.finish();
        assert_eq!(books.unaccounted(), Frames(0));
        let heard = self.heard.lock().unwrap();
        assert_eq!(heard.timeline.unaccounted(), Frames(0));
        let [followed] = books.nodes["meet"].followed[..] else { panic!("{books:#?}") };
        // What the pipeline counted, and what the node did with it.
        let taken = books.pipelines["follower→meet.1"].taken.unwrap();
        assert_eq!(followed.taken.position(), taken.position());
        assert_eq!(followed.taken.delivered(), taken.delivered());
        assert_eq!(followed.asked, books.nodes["meet"].given.unwrap().delivered());
        let settled = self.bench.flow.status().nodes["ear"].settled.unwrap();
        assert_eq!(settled.unaccounted, Frames(0));
        followed
    }
}

/// The worst that a signal departs from a sine of this frequency, at any place: a frame too many or too few, or a click of any kind,
/// breaks what holds for three samples of a sine in a row.
fn worst_click(samples: &[f32], hz: f64) -> f64 {
    let twice = 2.0 * (TAU * hz / 48_000.0).cos();
    samples
        .windows(3)
        .map(|three| (f64::from(three[0]) + f64::from(three[2]) - twice * f64::from(three[1])).abs())
        .fold(0.0, f64::max)
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// Optimised, as in the deep tier, in twelve minutes of the sources' time; where that takes a minute of ours, in three.
/// The other input of the meeting place, from here on.
fn follow(flow: &mut DataFlowCoordinator, from: &str) {
    let pipeline =
        PipelineConfig { input: 1, strategy: Strategy::Block, ..PipelineConfig::new(from, "meet") };
    flow.connect(pipeline).unwrap();
}

#[test]
fn minutes_at_400_millionths_apart_lose_nothing_and_stay_clean() {
    let long = if cfg!(debug_assertions) { 180 } else { 720 };
    for (ppm, secs) in [(200.0, long), (-200.0, 180)] {
        let mut place =
            meeting(Device::new(ppm, 480, 0.0, secs), Device::new(-ppm, 256, 0.5, secs), Combine::Sum, true);
        let (mut worst_ppm, mut worst_ms): (f64, f64) = (0.0, 0.0);
        let expected_ppm = ((1.0 - ppm / 1e6) / (1.0 + ppm / 1e6) - 1.0) * 1e6;
        // 40 ms, and what resampling holds.
        let target = 1_920.0 + 402.0;
        for second in 1..secs {
            place.bench.run_until(second * SECOND_NS);
            if second >= 120 {
                let off_ppm = f64::from(place.gauge.drift_ppb().unwrap()) / 1e3 - expected_ppm;
                let off_ms = (place.gauge.lag_frames().unwrap() as f64 - target) / 48.0;
                (worst_ppm, worst_ms) = (worst_ppm.max(off_ppm.abs()), worst_ms.max(off_ms.abs()));
            }
        }
        let followed = place.finish();
        assert!(worst_ppm < 10.0, "{worst_ppm} ppm");
        assert!(worst_ms < 1.0, "{worst_ms} ms");
        assert_eq!(followed.silence[LossCause::Deadline], Frames(0));
        assert!(followed.silence.total().0 < 9_600, "before it began: {followed:?}");
        assert!(followed.dropped.total().0 < 2 * 2_400, "when it was over: {followed:?}");
        let heard = place.heard.lock().unwrap();
        let hz = TONE_HZ / (1.0 + ppm / 1e6);
        let clean = &heard.samples[48_000..heard.samples.len() - 9_600];
        let click = worst_click(clean, hz);
        assert!(click < 1e-4, "{click}");
        assert!((peak(clean) - 0.5).abs() < 1e-3);
    }
}

#[test]
fn without_correction_it_runs_empty_or_late() {
    for ppm in [400.0, -400.0] {
        let mut place =
            meeting(Device::new(ppm, 480, 0.0, 330), Device::new(-ppm, 256, 0.5, 330), Combine::Sum, false);
        let followed = place.finish();
        let clean = place.heard.lock().unwrap().samples[48_000..329 * 48_000].to_vec();
        assert!(worst_click(&clean, TONE_HZ / (1.0 + ppm / 1e6)) > 1e-2);
        let lost = followed.silence[LossCause::Deadline] + followed.dropped[LossCause::Deadline];
        assert!(lost > Frames(2_400), "{followed:?}");
    }
}

#[test]
fn side_by_side_each_keeps_its_channels() {
    let master = Device::new(100.0, 480, 0.25, 60);
    let mut place = meeting(master, Device::new(-100.0, 480, 0.5, 60), Combine::SideBySide, true);
    let followed = place.finish();
    assert_eq!(followed.silence[LossCause::Deadline], Frames(0));
    let heard = place.heard.lock().unwrap();
    let channel = |first: usize| heard.samples.iter().skip(first).step_by(2).copied().collect::<Vec<_>>();
    let (left, right) = (channel(0), channel(1));
    // The master's frames are its own.
    assert!(worst_click(&left, TONE_HZ / (1.0 + 100e-6)) < 1e-6);
    assert!((peak(&left) - 0.25).abs() < 1e-4);
    // At first the drift is not known yet.
    let right = &right[48_000..right.len() - 9_600];
    assert!(worst_click(right, TONE_HZ / (1.0 + 100e-6)) < 1e-4);
    assert!((peak(right) - 0.5).abs() < 1e-3);
}

#[test]
fn a_device_of_another_rate_follows_too() {
    let follower =
        Device { hz: 44_100.0 * (1.0 + 150e-6), rate_hz: 44_100, ..Device::new(0.0, 441, 0.5, 120) };
    let mut place = meeting(Device::new(-150.0, 480, 0.0, 120), follower, Combine::Sum, true);
    place.bench.run_until(110 * SECOND_NS);
    let off_ppm = f64::from(place.gauge.drift_ppb().unwrap()) / 1e3 - 300.0;
    assert!(off_ppm.abs() < 15.0, "{off_ppm} ppm");
    let followed = place.finish();
    assert_eq!(followed.silence[LossCause::Deadline], Frames(0));
    let heard = place.heard.lock().unwrap();
    let clean = &heard.samples[30 * 48_000..heard.samples.len() - 9_600];
    assert!(worst_click(clean, TONE_HZ * (1.0 + 150e-6)) < 2e-4);
}

#[test]
fn what_can_not_be_matched_is_counted_by_cause() {
    let mono = |frames: u64| Frames(frames);
    // The follower comes 10 s later, and goes 10 s earlier.
    let late = Device { starts_ns: 10 * SECOND_NS, ..Device::new(-50.0, 256, 0.5, 50) };
    let mut place = meeting(Device::new(50.0, 480, 0.0, 60), late, Combine::Sum, true);
    let followed = place.finish();
    let away = followed.silence[LossCause::Removed];
    assert!(away > mono(20 * 47_900) && away < mono(20 * 48_100 + 9_600), "{followed:?}");
    assert_eq!((followed.silence.total() - away, followed.dropped.total()), (Frames(0), Frames(0)));

    // The master comes 10 s later, and goes 10 s earlier: what waits in the pipeline then is too old.
    let late = Device { starts_ns: 10 * SECOND_NS, ..Device::new(50.0, 480, 0.0, 50) };
    let mut place = meeting(late, Device::new(-50.0, 256, 0.5, 60), Combine::Sum, true);
    let followed = place.finish();
    assert!(followed.dropped[LossCause::Deadline] > mono(9 * 48_000), "{followed:?}");
    assert!(followed.dropped[LossCause::Removed] > mono(9 * 48_000), "{followed:?}");
    assert!(followed.silence[LossCause::Deadline] < mono(4_800), "{followed:?}");
    assert!(followed.heard > mono(39 * 48_000), "{followed:?}");

    // Each loses a second.
    let mut follower = Device::new(-50.0, 480, 0.5, 60);
    follower.loses = 2_000..2_100;
    let mut master = Device::new(50.0, 480, 0.0, 60);
    master.loses = 4_000..4_100;
    let mut place = meeting(master, follower, Combine::Sum, true);
    let followed = place.finish();
    assert_eq!(
        (followed.silence[LossCause::Device], followed.taken.lost().total()),
        (mono(48_000), mono(48_000))
    );
    assert!(followed.dropped[LossCause::Device].0.abs_diff(48_000) < 480, "{followed:?}");
    assert_eq!(followed.silence[LossCause::Deadline], Frames(0));

    // Three thousandths are no crystal: it falls behind, again and again.
    let mut place =
        meeting(Device::new(0.0, 480, 0.0, 120), Device::new(-3_000.0, 256, 0.5, 120), Combine::Sum, true);
    let followed = place.finish();
    assert_eq!(place.gauge.drift_ppb(), Some(-1_000_000));
    assert!(followed.silence[LossCause::Deadline] > mono(2_400), "{followed:?}");
}

#[test]
fn a_meeting_that_is_removed_or_fails_leaves_books_that_balance() {
    let mut place =
        meeting(Device::new(50.0, 480, 0.0, 20), Device::new(-50.0, 256, 0.5, 20), Combine::Sum, true);
    place.bench.run_until(5 * SECOND_NS);
    place.bench.flow.remove("meet").unwrap();
    let books = place.bench.finish();
    let meet = books.nodes.iter().find(|(name, _)| name.starts_with("meet")).unwrap().1;
    assert_eq!(meet.followed[0].unaccounted(), Frames(0));
    assert!(meet.followed[0].heard > Frames(4 * 48_000), "{meet:?}");
    assert!(meet.followed[0].taken_to.is_some(), "{meet:?}");

    /// Fails at its 400th chunk.
    struct Failing(Meet, u32);
    impl Node for Failing {
        fn chunk(&mut self, input: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
            self.1 += 1;
            if self.1 == 400 { Err("told to".into()) } else { self.0.chunk(input, chunk, out) }
        }
        fn wants(&self, input: usize) -> bool {
            self.0.wants(input)
        }
        fn followed(&self) -> Vec<Followed> {
            self.0.followed()
        }
    }
    let mut bench = Bench::new();
    let mono = format(48_000, 1);
    let meet = Meet::new(MeetConfig::new(mono)).unwrap();
    let ports = meet.ports();
    for (name, block) in [("master", 480), ("follower", 256)] {
        let device = Box::new(Device::new(0.0, block, 0.5, 10));
        bench.flow.add_source(name, Shape::new(mono), true, device).unwrap();
    }
    bench.flow.add_node("meet", ports, Box::new(Failing(meet, 0))).unwrap();
    let seen = bench.witness("sink", None, 0.0);
    bench.connect("master", "meet", Strategy::Block);
    follow(&mut bench.flow, "follower");
    bench.connect("meet", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    let books = bench.finish();
    let [followed] = books.nodes["meet"].followed[..] else { panic!("{books:#?}") };
    assert!(followed.taken.lost()[LossCause::DeadModule] > Frames(300_000), "{followed:?}");
    let seen = seen.lock().unwrap();
    seen.assert_tiles(0, books.nodes["master"].given.unwrap().position().0);
    assert!(seen.frames(Some(LossCause::DeadModule)) > 300_000);
}

#[test]
fn another_stream_may_come_to_an_input() {
    let mut place =
        meeting(Device::new(50.0, 480, 0.0, 30), Device::new(-50.0, 256, 0.5, 10), Combine::Sum, true);
    place.bench.run_until(12 * SECOND_NS);
    let flow = &mut place.bench.flow;
    flow.disconnect("follower→meet.1").unwrap();
    let next = Device { starts_ns: 13 * SECOND_NS, ..Device::new(80.0, 441, 0.5, 25) };
    flow.add_source("next", Shape::new(format(48_000, 1)), true, Box::new(next)).unwrap();
    follow(flow, "next");
    flow.start().unwrap();
    let books = place.bench.finish();
    let [first, second] = books.nodes["meet"].followed[..] else { panic!("{books:#?}") };
    assert!(first.heard.0.abs_diff(10 * 48_000) < 2_400, "{first:?}");
    assert!(second.heard.0.abs_diff(12 * 48_000) < 2_400, "{second:?}");
    let asked = books.nodes["meet"].given.unwrap().delivered();
    assert_eq!(first.asked + second.asked, asked);
}

#[test]
fn streams_without_a_clock_are_taken_frame_by_frame() {
    let mut bench = Bench::new();
    let mono = format(48_000, 1);
    let meet = Meet::new(MeetConfig::new(mono)).unwrap();
    let gauge = meet.gauge(1).unwrap();
    bench.flow.add_node("meet", meet.ports(), Box::new(meet)).unwrap();
    for name in ["master", "follower"] {
        bench.source(name, super::witness::Numbers::new(mono, 480, 1_920_000));
    }
    let seen = bench.witness("sink", None, 0.0);
    bench.connect("master", "meet", Strategy::Block);
    follow(&mut bench.flow, "follower");
    bench.connect("meet", "sink", Strategy::Block);
    bench.flow.start().unwrap();
    let books = bench.finish();
    seen.lock().unwrap().assert_tiles(0, 1_920_000);
    let [followed] = books.nodes["meet"].followed[..] else { panic!("{books:#?}") };
    assert_eq!(gauge.drift_ppb(), None);
    assert!(followed.heard > Frames(1_900_000), "{followed:?}");
}
