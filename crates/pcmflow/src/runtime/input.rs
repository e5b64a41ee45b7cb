//! An input: a source on a thread of its own, and the ring by which it enters a flow.

use super::clock::{Clock, NAP};
use super::config::{InputConfig, InputError, Pacing};
use super::input_thread::{Run, Shared, Streaming};
use super::park::Parker;
use crate::core::block::BufferConstants;
use crate::core::format::{Frames, StreamFormat};
use crate::core::ledger::EdgeSnapshot;
use crate::core::pressure::PressureStats;
use crate::core::stream::{StreamConfig, StreamGauge, StreamReader, StreamWriter, stream};
use crate::engine::flow::StreamInflow;
use crate::io::{Damage, Source};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

/// Plays a device: reads a [`Source`] on a thread, keeps its time, and writes the ring of a stream, which a flow takes in as its
/// source. Between [`stop`](Self::stop) and the next [`start`](Self::start) the device is away: the flow counts the time as a gap.
///
/// A source that hangs in a read holds up nobody: when it was asked to stop, it is given up, and what it reads then is not part of the
/// stream.
///
/// ```
/// use pcmflow::core::format::Frames;
/// use pcmflow::core::pool::{BufferRecyclingPool, PoolConfig};
/// use pcmflow::engine::flow::{DataFlowCoordinator, PipelineConfig, Ports};
/// use pcmflow::engine::transform::Shape;
/// use pcmflow::io::SynthSpec;
/// use pcmflow::nodes::{LevelNode, Levels};
/// use pcmflow::runtime::{Clock, Input, InputConfig, Pacing, Threads, ThreadsConfig};
///
/// let clock = Clock::start();
/// let threads = Threads::start(ThreadsConfig::default(), clock)?;
/// let pool = BufferRecyclingPool::new(PoolConfig::default())?;
/// let mut flow = DataFlowCoordinator::new(threads.clone(), pool);
///
/// let source = Box::new("sine:440,seconds=1,level=-6.0206".parse::<SynthSpec>()?.source()?);
/// let config = InputConfig { pacing: Pacing::Fast, ..InputConfig::default() };
/// let (mut input, inflow) = Input::new("tone", source, config, clock)?;
/// let (peaks, heard) = std::sync::mpsc::channel();
/// let level = LevelNode::new(move |level: Levels| Ok(peaks.send(level.peak)?));
/// flow.add_source("tone", Shape::new(input.format()), input.is_live(), Box::new(inflow))?;
/// flow.add_node("level", Ports::sink(None), Box::new(level))?;
/// flow.connect(PipelineConfig::new("tone", "level"))?;
/// flow.start()?;
/// input.start()?;
///
/// let peak = heard.iter().fold(0.0, |peak: f32, level| peak.max(level)); // until the node is over
/// assert!((peak - 0.5).abs() < 1e-3, "{peak}");
/// while !flow.is_over() {
///     std::thread::yield_now();
/// }
/// let (balance, _) = flow.books().balance(input.frames_in(), &[input.ring()], "level").ok_or("not over")?;
/// assert_eq!((balance.delivered, balance.unaccounted), (Frames(48_000), Frames(0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Input {
    name: String,
    format: StreamFormat,
    config: InputConfig,
    clock: Clock,
    shared: Arc<Shared>,
    /// The rings of streams that have something in them.
    rings: Vec<StreamGauge>,
    /// The books of those that are empty, and over.
    past: EdgeSnapshot,
    state: State,
}

enum State {
    /// The first stream waits for its start.
    New(Box<dyn Source>, Box<StreamWriter>),
    /// A thread reads the source; since when it is asked to stop.
    Streaming { thread: JoinHandle<Option<Box<dyn Source>>>, run: Run, asked: Option<Instant> },
    /// It was stopped.
    Resting(Box<dyn Source>),
    /// Nothing will come any more.
    Over,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New(..) => "New",
            Self::Streaming { .. } => "Streaming",
            Self::Resting(_) => "Resting",
            Self::Over => "Over",
        })
    }
}

impl Input {
    /// An input, and what takes it into a flow as a source.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`InputError::Stream`] and [`InputError::Feed`] where memory can't be had.
    pub fn new(
        name: impl Into<String>,
        source: Box<dyn Source>,
        config: InputConfig,
        clock: Clock,
    ) -> Result<(Self, StreamInflow), InputError> {
        let format = source.format();
        let (writer, reader, ring) = ring(format, config)?;
        let parker = Parker::default();
        let waker = parker.waker();
        let (feed, inflow) = match config.pacing {
            Pacing::Fast => StreamInflow::woken(reader, config.block, move || waker.wake())?,
            // Nobody waits for room.
            Pacing::RealTime | Pacing::Live => StreamInflow::woken(reader, config.block, || {})?,
        };
        let past = EdgeSnapshot::default();
        let shared = Arc::new(Shared::new(feed, parker));
        let (rings, state) = (vec![ring], State::New(source, Box::new(writer)));
        Ok((Self { name: name.into(), format, config, clock, shared, rings, past, state }, inflow))
    }

    /// Rate and channels of the stream.
    ///
    /// Not RT-safe: a control thread's.
    pub fn format(&self) -> StreamFormat {
        self.format
    }

    /// Whether its frames come whether there is room or not.
    ///
    /// Not RT-safe: a control thread's.
    pub fn is_live(&self) -> bool {
        self.config.pacing != Pacing::Fast
    }

    /// Starts the stream, or after a stop the next one.
    ///
    /// Not RT-safe: allocates, and starts a thread.
    ///
    /// # Errors
    /// [`InputError::Running`], [`InputError::Hangs`], [`InputError::Over`]; [`InputError::Stream`] and [`InputError::Thread`] where
    /// the system refuses.
    pub fn start(&mut self) -> Result<(), InputError> {
        self.rest();
        let name = self.name.clone();
        let (source, writer) = match std::mem::replace(&mut self.state, State::Over) {
            State::New(source, writer) => (source, *writer),
            State::Resting(source) => match self.follow(&*source) {
                Ok(writer) => (source, writer),
                Err(error) => {
                    self.state = State::Resting(source);
                    return Err(error);
                }
            },
            State::Over => return Err(InputError::Over { name }),
            State::Streaming { thread, run, asked } => {
                let hangs = run.read.is_abandoned();
                self.state = State::Streaming { thread, run, asked };
                return Err(if hangs { InputError::Hangs { name } } else { InputError::Running { name } });
            }
        };
        let Some(ring) = self.rings.last().cloned() else { return Err(InputError::Over { name }) };
        let (run, shared) = (Run::default(), self.shared.clone());
        let (pacing, clock) = (self.config.pacing, self.clock);
        let streaming = Streaming { source, writer, ring, pacing, clock, run: run.clone(), shared };
        let thread = std::thread::Builder::new().name(format!("pcmflow {}", self.name));
        let thread = thread.spawn(move || streaming.run())?;
        self.state = State::Streaming { thread, run, asked: None };
        Ok(())
    }

    /// Makes the ring of the next stream, and brings its reader to the flow.
    fn follow(&mut self, source: &dyn Source) -> Result<StreamWriter, InputError> {
        let (writer, reader, gauge) = ring(source.format(), self.config)?;
        let over = || InputError::Over { name: self.name.clone() };
        self.shared.feed().as_mut().ok_or_else(over)?.bring(reader).map_err(|_| over())?;
        self.format = source.format();
        // What is empty can be summed up: its writer is gone.
        for ring in self.rings.extract_if(.., |ring| ring.occupancy() == Frames::ZERO) {
            self.past = self.past + ring.snapshot();
        }
        self.rings.push(gauge);
        Ok(writer)
    }

    /// Puts another source in the place of one that was stopped: the device came back, perhaps with another format.
    ///
    /// Not RT-safe: a control thread's.
    ///
    /// # Errors
    /// [`InputError::Running`] where it was not stopped; the source is dropped.
    pub fn replace(&mut self, source: Box<dyn Source>) -> Result<(), InputError> {
        self.rest();
        match self.state {
            State::Resting(_) => {
                self.state = State::Resting(source);
                Ok(())
            }
            _ => Err(InputError::Running { name: self.name.clone() }),
        }
    }

    /// Takes the source back from a thread that is over.
    fn rest(&mut self) {
        if !matches!(&self.state, State::Streaming { thread, .. } if thread.is_finished()) {
            return;
        }
        let State::Streaming { thread, .. } = std::mem::replace(&mut self.state, State::Over) else { return };
        if let Some(source) = thread.join().ok().flatten()
            && self.shared.feed().is_some()
        {
            self.state = State::Resting(source);
        }
    }

    /// Asks the stream to end: what the source made so far still comes.
    ///
    /// Not RT-safe: a control thread's.
    pub fn stop(&mut self) {
        match &mut self.state {
            State::Streaming { run, asked, .. } => {
                asked.get_or_insert_with(Instant::now);
                run.stop.ask();
            }
            State::New(..) => {
                if let State::New(source, _) = std::mem::replace(&mut self.state, State::Over) {
                    self.state = State::Resting(source);
                    self.shared.caller.wake();
                }
            }
            State::Resting(_) | State::Over => {}
        }
    }

    /// As [`stop`](Self::stop), and no other stream will follow: the flow's source ends.
    ///
    /// Not RT-safe: a control thread's.
    pub fn end(&mut self) {
        self.stop();
        *self.shared.feed() = None;
    }

    /// Whether a stream runs. One that was asked to stop and hangs in a read is given up here, after a moment's grace.
    ///
    /// Not RT-safe: a control thread's.
    pub fn is_running(&mut self) -> bool {
        self.rest();
        let State::Streaming { run, asked, .. } = &self.state else { return false };
        if asked.is_some_and(|asked| asked.elapsed() >= NAP) && run.read.abandon() {
            self.shared.caller.abandon();
        }
        !run.read.is_abandoned()
    }

    /// Frames that the source made, by its own count.
    ///
    /// Not RT-safe: a control thread's.
    pub fn frames_in(&self) -> Frames {
        // Acquire: who sees that the flow is over sees all of them anyway.
        Frames(self.shared.frames_in.load(Ordering::Acquire))
    }

    /// The books of the ring, summed over all streams.
    ///
    /// Not RT-safe: a control thread's.
    pub fn ring(&self) -> EdgeSnapshot {
        self.rings.iter().fold(self.past, |all, ring| all + ring.snapshot())
    }

    /// Frames that the ring of the last stream holds when full.
    ///
    /// Not RT-safe: a control thread's.
    pub fn ring_capacity(&self) -> Frames {
        self.rings.last().map_or(Frames::ZERO, StreamGauge::capacity)
    }

    /// Bytes that the rings hold: samples, marks and arrival times.
    ///
    /// Not RT-safe: a control thread's.
    pub fn storage_bytes(&self) -> usize {
        self.rings.iter().map(StreamGauge::storage_bytes).sum()
    }

    /// How often and how long the ring was so full that a loss was near, in the last stream, as of the last edge.
    ///
    /// Not RT-safe: locks.
    pub fn pressure(&self) -> PressureStats {
        self.shared.told().pressure
    }

    /// What was wrong with the input, though frames could be had; known when a stream has ended.
    ///
    /// Not RT-safe: locks, and allocates.
    pub fn damage(&self) -> Option<Damage> {
        self.shared.told().damage.clone()
    }

    /// Why it is over, where that is no ordinary end.
    ///
    /// Not RT-safe: locks.
    pub fn error(&self) -> Option<Arc<InputError>> {
        self.shared.told().error.clone()
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if let State::Streaming { run, .. } = &self.state {
            run.stop.ask();
            if run.read.close() {
                self.shared.caller.abandon();
            }
        }
        *self.shared.feed() = None;
    }
}

fn ring(
    format: StreamFormat,
    config: InputConfig,
) -> Result<(StreamWriter, StreamReader, StreamGauge), InputError> {
    let (capacity, quantum) = (config.ring_frames(format.rate), BufferConstants::QUANTUM);
    let (rate_hz, channels) = (format.rate.hz(), format.channels.get());
    let bytes = capacity.0.saturating_mul((channels * size_of::<f32>()) as u64);
    if bytes > InputConfig::RING_BYTES_MAX {
        return Err(InputError::RingTooLong { ring_ms: config.ring_ms, rate_hz, channels, bytes });
    }
    Ok(stream(StreamConfig { format, capacity, quantum, overflow: config.ring_overflow() })?)
}
