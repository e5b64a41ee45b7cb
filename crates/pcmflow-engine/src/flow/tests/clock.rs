//! Capture clocks beside streams whose true rate is known.

use super::super::CaptureClock;
use pcmflow_core::format::{SampleRate, StreamPosition};
use proptest::prelude::*;

/// A small generator: xorshift.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Blocks of a stream as they arrive.
struct Stream {
    clock: CaptureClock,
    hz: f64,
    position: u64,
    random: Random,
    /// Frames `position` are there at this time.
    now_ns: f64,
}

impl Stream {
    fn new(drift_ppm: f64) -> Self {
        let (clock, hz) = (CaptureClock::new(SampleRate::HZ_48000), 48_000.0 * (1.0 + drift_ppm / 1e6));
        Self { clock, hz, position: 0, random: Random(7), now_ns: 5e9 }
    }

    fn run(&mut self, secs: u64, block: u64, late_ns: u64) {
        for _ in 0..secs * 48_000 / block {
            self.position += block;
            self.now_ns += block as f64 / self.hz * 1e9;
            let late_ns = if late_ns > 0 { self.random.below(late_ns) } else { 0 };
            self.clock.observe(StreamPosition(self.position), self.now_ns as u64 + late_ns);
        }
    }

    fn off_ppm(&self) -> f64 {
        f64::from(self.clock.drift_ppb().unwrap()) / 1e3 - (self.hz / 48_000.0 - 1.0) * 1e6
    }

    /// How much later than the truth the clock says the last frame came.
    fn late_ms(&self) -> f64 {
        (self.clock.time_ns(StreamPosition(self.position)).unwrap() as f64 - self.now_ns) / 1e6
    }
}

#[test]
fn rates_and_times_are_found_under_jitter() {
    for (drift_ppm, block, late_ms, secs, ppm, ms) in [
        (0.0, 480, 0, 11, 0.01, 0.001),
        (200.0, 128, 0, 11, 0.01, 0.001),
        (-200.0, 441, 0, 11, 0.01, 0.001),
        (200.0, 480, 6, 11, 60.0, 0.4),
        (200.0, 480, 6, 30, 12.0, 0.3),
        (-200.0, 480, 6, 120, 6.0, 0.2),
        (300.0, 128, 10, 120, 6.0, 0.2),
        (-50.0, 4_800, 6, 600, 12.0, 0.6),
        (900.0, 256, 2, 600, 2.0, 0.1),
    ] {
        let mut stream = Stream::new(drift_ppm);
        stream.run(secs, block, late_ms * 1_000_000);
        let (off_ppm, mean_ms) = (stream.off_ppm(), late_ms as f64 / 2.0);
        assert!(
            off_ppm.abs() < ppm,
            "{drift_ppm} ppm, {block} frames, {late_ms} ms, {secs} s: {off_ppm} ppm off"
        );
        let off_ms = stream.late_ms() - mean_ms;
        assert!(
            off_ms.abs() < ms,
            "{drift_ppm} ppm, {block} frames, {late_ms} ms, {secs} s: {off_ms} ms off"
        );
    }
}

#[test]
fn a_settled_clock_stays_within_some_millionths_for_an_hour() {
    let mut stream = Stream::new(-120.0);
    stream.run(120, 480, 8_000_000);
    let mut worst: f64 = 0.0;
    for _ in 0..3_600 {
        stream.run(1, 480, 8_000_000);
        worst = worst.max(stream.off_ppm().abs());
    }
    assert!(worst < 8.0, "{worst} ppm");
}

#[test]
fn nothing_is_told_before_it_is_known() {
    let mut stream = Stream::new(100.0);
    assert_eq!((stream.clock.time_ns(StreamPosition(0)), stream.clock.position(0)), (None, None));
    stream.run(9, 480, 0);
    assert_eq!(stream.clock.drift_ppb(), None);
    assert!(stream.clock.position(1).is_some());
    stream.run(2, 480, 0);
    assert!(stream.clock.drift_ppb().is_some());
}

#[test]
fn a_burst_moves_little_and_passes() {
    let mut stream = Stream::new(50.0);
    stream.run(120, 480, 2_000_000);
    // Nothing comes for 100 ms, then everything at once.
    for n in 0..10 {
        stream.position += 480;
        stream.now_ns += 480.0 / stream.hz * 1e9;
        let waits = (9 - n) as f64 * 480.0 / stream.hz * 1e9;
        stream.clock.observe(StreamPosition(stream.position), (stream.now_ns + waits) as u64);
    }
    assert!(stream.off_ppm().abs() < 15.0, "{} ppm", stream.off_ppm());
    stream.run(120, 480, 2_000_000);
    assert!(stream.off_ppm().abs() < 3.0, "{} ppm", stream.off_ppm());
}

#[test]
fn gaps_and_jumps_of_time_or_place_keep_the_rate() {
    let jumps: [fn(&mut Stream); 6] = [
        // Frames are missing, and it is known how many.
        |stream| {
            stream.position += 48_000;
            stream.now_ns += 48_000.0 / stream.hz * 1e9;
        },
        // It is not.
        |stream| {
            stream.position += 1_000;
            stream.now_ns += 3e9;
            stream.clock.interrupt();
        },
        // The stream begins again at 0.
        |stream| stream.position = 0,
        // The system's clock is set forward, and back.
        |stream| stream.now_ns += 3_600e9,
        |stream| stream.now_ns -= 4e9,
        // The machine slept.
        |stream| stream.now_ns += 60e9,
    ];
    for (n, jump) in jumps.into_iter().enumerate() {
        let mut stream = Stream::new(150.0);
        stream.run(120, 480, 4_000_000);
        jump(&mut stream);
        stream.run(1, 480, 4_000_000);
        assert!(stream.off_ppm().abs() < 8.0, "{n}: {} ppm", stream.off_ppm());
        assert!((stream.late_ms() - 2.0).abs() < 1.0, "{n}: {} ms late", stream.late_ms());
        stream.run(60, 480, 4_000_000);
        assert!(stream.off_ppm().abs() < 8.0, "{n}: {} ppm", stream.off_ppm());
        assert!((stream.late_ms() - 2.0).abs() < 0.3, "{n}: {} ms late", stream.late_ms());
    }
}

#[test]
fn a_stream_of_another_format_has_a_clock_of_its_own() {
    let mut clock = CaptureClock::new(SampleRate::new(16_000).unwrap());
    for block in 1..=1_500_u64 {
        clock.observe(StreamPosition(block * 160), block * 9_999_000);
    }
    assert_eq!(clock.drift_ppb(), Some(100_010));
}

#[test]
fn a_crystal_that_warms_up_is_followed() {
    let mut stream = Stream::new(0.0);
    stream.run(300, 480, 4_000_000);
    // 30 millionths in five minutes.
    for second in 0..300 {
        stream.hz = 48_000.0 * (1.0 + f64::from(second) * 0.1e-6);
        stream.run(1, 480, 4_000_000);
        assert!(stream.off_ppm().abs() < 9.0, "{} ppm", stream.off_ppm());
    }
}

proptest! {
    /// Whatever comes: nothing overflows, and time does not run backwards with positions.
    #[test]
    fn nothing_harms_it(hz in 1_000_u32..=768_000, blocks in proptest::collection::vec((any::<u64>(), any::<u64>(), 0_u8..4), 0..60)) {
        let mut clock = CaptureClock::new(SampleRate::new(hz).unwrap());
        let (mut position, mut now_ns) = (0_u64, 0_u64);
        for (frames, ns, kind) in blocks {
            match kind {
                0 => (position, now_ns) = (frames, ns),
                1 => clock.interrupt(),
                _ => (position, now_ns) = (position.saturating_add(frames % 5_000), now_ns.saturating_add(ns % 500_000_000)),
            }
            clock.observe(StreamPosition(position), now_ns);
            let around = [position.saturating_sub(48_000), position.saturating_sub(1), position, position.saturating_add(1), position.saturating_add(48_000)];
            if clock.time_ns(StreamPosition(position)).is_none() {
                continue;
            }
            let times = around.map(|position| clock.time_ns(StreamPosition(position)).unwrap());
            prop_assert!(times.is_sorted(), "{times:?}");
            if let Some(ppb) = clock.drift_ppb() {
                prop_assert!((-500_000_001..=1_000_000_001).contains(&ppb), "{ppb}");
            }
            // There and back again.
            if times[2] > 0 && times[2] < u64::MAX {
                let back = clock.position(times[2]).unwrap().0;
                prop_assert!(back.abs_diff(position) <= 1, "{back}, not {position}");
            }
        }
    }
}
