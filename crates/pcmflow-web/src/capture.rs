//! The audio side: what an AudioWorklet calls with each quantum.
//!
//! A [`Capture`] is one stream's. Its planes lie in the module's memory: whoever captures copies each channel of a quantum there, and
//! calls [`push`](Capture::push), which interleaves the quantum, gives it its place in the stream and its time of arrival, and writes it
//! into the ring that the engine reads. That never waits, allocates or frees. The engine ends the stream from its own side; what is
//! pushed afterwards is refused, and is part of nothing.
//!
//! Frames are counted here by their own count, apart from the ring's books. Where the audio time leaps forward, quanta were lost before
//! they came here (a worklet that was not called, a batch for which no buffer was left): they are posted as lost by the device.

use crate::WebError;
use crate::audio_clock::{AudioClock, audio_ns};
use crate::gate::Gate;
use pcmflow::core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow::core::ledger::LossCause;
use pcmflow::core::stream::{Overflow, StreamConfig, StreamGauge, StreamReader, StreamWriter, stream};
use pcmflow::engine::task::StepClock;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A leap of the audio time that is longer is none: the time was wrong.
const LEAP_SECONDS_MAX: f64 = 600.0;
/// The frames that a context renders at once. Where batches of them are pushed, single ones may be missing all the same.
const RENDERED: usize = 128;

/// Where captured quanta enter the engine.
///
/// ```
/// use pcmflow_web::WebEngine;
/// let mut engine = WebEngine::open(r#"{"now_ms":0}"#)?;
/// let capture = engine.stream(r#"{"rate_hz":48000,"channels":1,"quantum":128}"#)?;
/// capture.fill(0, &[0.5; 128]);
/// assert_eq!(capture.push(128, 0.0), 128);
/// assert_eq!(capture.pushed(), 128);
/// engine.stream_end();
/// assert_eq!(capture.push(128, 2.667), 0); // the stream is over
/// # Ok::<(), pcmflow_web::WebError>(())
/// ```
pub struct Capture {
    format: StreamFormat,
    quantum: NonZeroUsize,
    /// Of the ring.
    capacity: Frames,
    /// The planes, one behind the other, `quantum` samples each, as bits. Words of their own, since whoever fills them stands outside of
    /// Rust, on another thread.
    planes: Box<[AtomicU32]>,
    audio: Gate<Audio>,
    clock: AudioClock,
    /// Frames that were pushed. Stored by whoever is inside the gate.
    pushed: AtomicU64,
    /// Frames that never came, by the audio time. Likewise.
    missed: AtomicU64,
}

/// What belongs to the thread that pushes.
struct Audio {
    writer: StreamWriter,
    /// A quantum.
    interleaved: Box<[f32]>,
    /// The audio time of the next frame, in frames; none where it is not known.
    next: Option<f64>,
    /// When the last quantum arrived: arrivals never go back.
    arrived_ns: u64,
    cut_at: StreamPosition,
    cut_every: Frames,
}

/// A stream's other ends.
pub(crate) struct Made {
    pub(crate) capture: Capture,
    pub(crate) reader: StreamReader,
    pub(crate) gauge: StreamGauge,
}

impl Capture {
    /// The most frames of a quantum.
    pub const QUANTUM_MAX: u32 = 16_384;
    /// The most memory of one stream's ring.
    pub const RING_BYTES_MAX: u64 = 64 << 20;

    pub(crate) fn make(
        format: StreamFormat,
        quantum: u32,
        capacity: Frames,
        overflow: Overflow,
        clock: Arc<StepClock>,
    ) -> Result<Made, WebError> {
        let (Some(samples_each), true) = (NonZeroUsize::new(quantum as usize), quantum <= Self::QUANTUM_MAX)
        else {
            return Err(WebError::Quantum { quantum });
        };
        let capacity = capacity.max(Frames(2 * u64::from(quantum)));
        let bytes = capacity.0.saturating_mul((format.channels.get() * size_of::<f32>()) as u64);
        if bytes > Self::RING_BYTES_MAX {
            let (rate_hz, channels) = (format.rate.hz(), format.channels.get());
            return Err(WebError::RingTooLong { frames: capacity.0, rate_hz, channels, bytes });
        }
        let config = StreamConfig { format, capacity, quantum: Frames(quantum.into()), overflow };
        let (writer, reader, gauge) = stream(config)?;
        let samples = samples_each.get() * format.channels.get();
        // A cut every quarter of a second: what the books say while frames move.
        let cut_every = Frames(u64::from(format.rate.hz()) / 4);
        let audio = Audio {
            writer,
            interleaved: vec![0.0; samples].into(),
            next: None,
            arrived_ns: 0,
            cut_at: StreamPosition::START + cut_every,
            cut_every,
        };
        let capture = Self {
            format,
            quantum: samples_each,
            capacity: gauge.capacity(),
            planes: (0..samples).map(|_| AtomicU32::new(0)).collect(),
            audio: Gate::new(audio),
            clock: AudioClock::new(clock),
            pushed: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        };
        Ok(Made { capture, reader, gauge })
    }

    /// Rate and channels.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn format(&self) -> StreamFormat {
        self.format
    }

    /// The frames that the ring holds when full.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn capacity(&self) -> Frames {
        self.capacity
    }

    /// Where the samples of a channel are expected: `quantum` words, each a sample's bits. None where there is no such channel.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn plane(&self, channel: usize) -> Option<&[AtomicU32]> {
        self.planes.chunks_exact(self.quantum.get()).nth(channel)
    }

    /// Puts samples at the start of a channel's plane, as whoever captures does. Those beyond the quantum are left out.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn fill(&self, channel: usize, samples: &[f32]) {
        for (word, sample) in self.plane(channel).unwrap_or_default().iter().zip(samples) {
            word.store(sample.to_bits(), Ordering::Relaxed);
        }
    }

    /// Takes the first `frames` frames of the planes, of which the first was captured at `audio_ms` of the audio context. Returns how
    /// many have found room in the ring; what has not is lost, and counted there. 0 where the stream is over.
    ///
    /// More frames than a quantum have not come: those beyond it are lost, too. No frames only tell the time: what is missing up to
    /// it is posted, where nothing follows that would show it.
    ///
    /// RT-safe: wait-free, no allocation. One thread at a time: another one's quantum is refused.
    pub fn push(&self, frames: u32, audio_ms: f64) -> u32 {
        let Some(inside) = self.audio.enter() else { return 0 };
        inside.with(|audio| self.write(audio, frames, audio_ms)).unwrap_or(0)
    }

    fn write(&self, audio: &mut Audio, frames: u32, audio_ms: f64) -> u32 {
        let offered = Frames(frames.into());
        let frames = (frames as usize).min(self.quantum.get());
        self.leap(audio, audio_ms, offered);
        let channels = self.format.channels.get();
        for (channel, plane) in self.planes.chunks_exact(self.quantum.get()).enumerate() {
            let column = audio.interleaved.iter_mut().skip(channel).step_by(channels);
            for (sample, word) in column.zip(plane.iter().take(frames)) {
                let bits = word.load(Ordering::Relaxed);
                // Denormal numbers slow down whoever calculates with them, and wasm can't switch them off.
                *sample = if bits & 0x7f80_0000 == 0 { 0.0 } else { f32::from_bits(bits) };
            }
        }
        // Loaded and stored: who is inside is alone.
        self.pushed.store(self.pushed.load(Ordering::Relaxed) + offered.0, Ordering::Relaxed);
        let end_ns = audio_ns(audio_ms).map(|ns| ns + self.format.rate.frames_to_ns(offered));
        audio.arrived_ns = audio.arrived_ns.max(self.clock.heard(end_ns));
        let whole = audio.interleaved.get(..frames * channels).unwrap_or_default();
        let written = audio.writer.write(whole, audio.arrived_ns);
        let beyond = offered - Frames(frames as u64);
        // Nobody can ask a device to wait.
        audio.writer.give_up(written.rejected + beyond, LossCause::Overflow);
        // A full store of marks has no room for a cut: the next quantum asks again.
        if audio.writer.position() >= audio.cut_at && audio.writer.cut() {
            audio.cut_at = audio.writer.position() + audio.cut_every;
        }
        written.accepted.0 as u32
    }

    /// Posts what is missing before this quantum, by the audio time.
    fn leap(&self, audio: &mut Audio, audio_ms: f64, frames: Frames) {
        let rate_hz = f64::from(self.format.rate.hz());
        let first = audio_ns(audio_ms).map(|_| audio_ms * rate_hz / 1e3);
        if let (Some(first), Some(next)) = (first, audio.next) {
            let leap = first - next;
            // Contexts render whole quanta; less than half of one is a rounding, or a clock that is none.
            let least = (self.quantum.get().min(RENDERED) as f64 / 2.0).max(1.0);
            if leap >= least && leap <= LEAP_SECONDS_MAX * rate_hz {
                let missed = Frames((leap + 0.5) as u64);
                self.missed.store(self.missed.load(Ordering::Relaxed) + missed.0, Ordering::Relaxed);
                audio.writer.give_up(missed, LossCause::Device);
            }
        }
        audio.next = first.map(|first| first + frames.0 as f64);
    }

    /// Frames that were pushed so far, by this side's own count.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn pushed(&self) -> u64 {
        self.pushed.load(Ordering::Relaxed)
    }

    /// Frames that never came, by the audio time.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    pub(crate) fn clock(&self) -> &AudioClock {
        &self.clock
    }

    /// From now on nothing is taken.
    pub(crate) fn shut(&self) {
        self.audio.shut();
    }

    /// Closes a stream that is shut; false while a push is under way.
    pub(crate) fn close(&self) -> bool {
        // Dropped here: the last gap and the last cut go out.
        self.audio.take().is_some()
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("format", &self.format)
            .field("quantum", &self.quantum)
            .field("pushed", &self.pushed)
            .finish_non_exhaustive()
    }
}
