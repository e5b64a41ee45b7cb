//! The engine of one page: a session with the flow `input` → `pitch`, `level`, driven by whoever calls [`WebEngine::poll`].
//!
//! Its clock stands between two polls, and shows the host's time. Everything that happens follows from the frames that were pushed and
//! the times that were told, so that the same pushes and polls give the same results everywhere.

use crate::capture::Capture;
use crate::events::Told;
use crate::heard::HeardQueue;
use crate::input::SharedStreams;
use crate::messages::{Closed, InputNow, Line, Now, Open, Set, StreamRequest, read, write};
use crate::{INPUT, SINKS, WebError};
use pcmflow::core::block::BlockSize;
use pcmflow::core::format::{Frames, StreamFormat};
use pcmflow::core::pool::BufferRecyclingPool;
use pcmflow::engine::Priority;
use pcmflow::engine::config::{AudioConfig, Config};
use pcmflow::engine::console;
use pcmflow::engine::event::{EventBus, Filter, Received, Record, Subscription};
use pcmflow::engine::flow::{DataFlowCoordinator, FlowBooks, PipelineConfig, Ports, StreamInflow};
use pcmflow::engine::metrics::LedgerSnapshot;
use pcmflow::engine::session::Session;
use pcmflow::engine::task::{Clock, Executor, Rest, StepClock};
use pcmflow::engine::transform::Shape;
use pcmflow::nodes::{LevelNode, PitchNode, PitchPace};
use pcmflow::pitch::PitchConfig;
use std::fmt;
use std::sync::{Arc, PoisonError};

/// Tasks of the executor: the nodes, the bus, and those that were removed and not over yet.
const TASKS_MAX: usize = 64;
/// Runs of the executor in one poll, of some hundred polls of tasks each, so that the host gets to its events.
const RUNS_MAX: usize = 32;
/// How long the flow may take at its end, in steps of a millisecond.
const CLOSING_STEPS: u64 = 2_000;
/// Nothing is due within an hour: so is the next look.
const REST_NS_MAX: u64 = 3_600_000_000_000;

/// The engine.
///
/// Messages and answers are JSON; their forms stand at each method.
///
/// ```
/// use pcmflow_web::WebEngine;
/// let mut engine = WebEngine::open(r#"{"config":{"audio":{"ring_ms":500}},"now_ms":0}"#)?;
/// let capture = engine.stream(r#"{"rate_hz":48000,"channels":1,"quantum":128}"#)?;
/// for quantum in 0..375u32 {
///     let sine = |frame: u32| (std::f32::consts::TAU * 440.0 / 48_000.0 * (quantum * 128 + frame) as f32).sin();
///     capture.fill(0, &std::array::from_fn::<f32, 128, _>(|frame| sine(frame as u32)));
///     let ms = f64::from(quantum * 128) / 48.0;
///     capture.push(128, ms);
///     engine.poll(ms + 2.7);
/// }
/// assert!(engine.events().contains(r#""note":"A4""#));
/// let books: serde_json::Value = serde_json::from_str(&engine.close()).unwrap();
/// assert_eq!((&books["sinks"]["pitch"]["delivered"], &books["unaccounted"]), (&48_000.into(), &0.into()));
/// # Ok::<(), pcmflow_web::WebError>(())
/// ```
pub struct WebEngine {
    executor: Executor,
    clock: Arc<StepClock>,
    session: Session,
    streams: SharedStreams,
    heard: HeardQueue,
    records: Subscription<Record>,
    /// What the session told since it was asked last.
    lines: Vec<String>,
    block: BlockSize,
}

impl WebEngine {
    /// Makes an engine: `{"config":{"audio":{"block_frames":1024},…},"now_ms":0}`, both of which may be left out. Times are the host's,
    /// and never go back.
    ///
    /// # Errors
    /// [`WebError`] for a message that is none, a wrong configuration, and memory that can't be had.
    pub fn open(message: &str) -> Result<Self, WebError> {
        let open: Open = read(Open::FORM, message)?;
        let config = open.config()?;
        let block = block(&config.audio)?;
        let clock = Arc::new(StepClock::default());
        clock.set(ns(open.now_ms));
        let (mut executor, spawner) = Executor::new(TASKS_MAX)?;
        let (bus, task) = EventBus::new(config.events.bus());
        spawner.spawn(Priority::Critical, Box::new(task))?;
        executor.publish_by(bus.publisher(bus.names().id("worker"))?);
        let flow = DataFlowCoordinator::new(spawner, BufferRecyclingPool::new(config.memory.pool())?);
        let events = usize::try_from(config.events.subscriber_events).unwrap_or(1 << 16);
        let records = bus.subscribe_to(Filter::default(), events)?;
        let session = Session::new(flow, bus, clock.clone(), config)?;
        let (streams, heard) = (SharedStreams::new(block), HeardQueue::new(clock.clone()));
        let mut engine = Self { executor, clock, session, streams, heard, records, lines: Vec::new(), block };
        engine.run();
        Ok(engine)
    }

    /// Begins the first or the next stream: `{"rate_hz":48000,"channels":1,"quantum":128}`. One that runs is ended before; the time
    /// from its last frame to the first one of this is a gap.
    ///
    /// # Errors
    /// [`WebError`] for a message that is none, a format or a quantum that can't be, and memory that can't be had.
    pub fn stream(&mut self, message: &str) -> Result<Arc<Capture>, WebError> {
        let request: StreamRequest = read(StreamRequest::FORM, message)?;
        let (format, config) = (request.format()?, self.session.config());
        let ring = format.rate.ns_to_frames(config.audio.ring_ms * 1_000_000).max(self.block.frames());
        let capacity = self.block.frames() + ring;
        let made =
            Capture::make(format, request.quantum, capacity, config.audio.overflow, self.clock.clone())?;
        let now_ns = self.clock.now_ns();
        let (capture, inflow) = self.streams.lock().begin(made, now_ns)?;
        if let Some(inflow) = inflow {
            self.begin(format, inflow, &config)?;
        }
        self.run();
        Ok(capture)
    }

    /// Makes the flow, behind the first stream.
    fn begin(&mut self, format: StreamFormat, inflow: StreamInflow, config: &Config) -> Result<(), WebError> {
        let pitch =
            PitchNode::new(PitchConfig::new(format.rate), format.rate, PitchPace::Live, self.heard.clone())?;
        let level = LevelNode::new(self.heard.clone());
        let flow = self.session.flow();
        let mut flow = flow.lock().unwrap_or_else(PoisonError::into_inner);
        let shape = Shape::new(format).in_blocks(self.block.frames());
        flow.add_source(INPUT, shape, true, Box::new(inflow))?;
        let [to_pitch, to_level] = SINKS;
        flow.add_node(to_pitch, Ports::sink(None), Box::new(pitch))?;
        flow.add_node(to_level, Ports::sink(None), Box::new(level))?;
        for to in SINKS {
            flow.connect(PipelineConfig {
                strategy: config.flow.strategy,
                latency_ms_max: config.flow.latency_ms_max as u32,
                priority: config.flow.priority,
                ..PipelineConfig::new(INPUT, to)
            })?;
        }
        drop(flow);
        self.session.add_input(INPUT, Box::new(self.streams.clone()))?;
        Ok(self.session.start()?)
    }

    /// Ends the stream, if one runs: the device is gone, or was stopped. What was pushed is still delivered.
    pub fn stream_end(&mut self) {
        self.streams.lock().end();
        self.run();
    }

    /// Does what is due at this time of the host; returns in how many milliseconds to call again, 0 for at once.
    pub fn poll(&mut self, now_ms: f64) -> f64 {
        self.clock.set(ns(now_ms));
        let now_ns = self.clock.now_ns();
        self.streams.lock().look(now_ns);
        self.run();
        self.session.tick();
        self.lines.extend(self.session.tell());
        // What the look published.
        let due_ns = match self.run() {
            Rest::No => return 0.0,
            Rest::Until(due_ns) => due_ns.saturating_sub(now_ns),
            Rest::UntilWoken => REST_NS_MAX,
        };
        let due_ns = due_ns.min(self.session.due_ns().saturating_sub(now_ns));
        let block_ns = self.streams.lock().next_block_ns().unwrap_or(REST_NS_MAX);
        crate::events::ms(due_ns.min(block_ns))
    }

    fn run(&mut self) -> Rest {
        let mut rest = Rest::No;
        for _ in 0..RUNS_MAX {
            rest = self.executor.run(&*self.clock);
            if rest != Rest::No {
                break;
            }
        }
        rest
    }

    /// What happened since it was asked last, oldest first: a list of objects whose `type` is `pitch`, `level`, `event`, `line` (what
    /// the console tells unasked) or `missed` (so many did not fit the queue; stands first).
    pub fn events(&mut self) -> String {
        self.run();
        let (heard, mut missed) = self.heard.fetch();
        let mut told: Vec<_> =
            heard.into_iter().map(|(at_ns, heard)| (at_ns, Told::of(at_ns, heard))).collect();
        while let Some(received) = self.records.receive() {
            match received {
                Received::Event(record) => {
                    told.push((record.time_ns(), Told::record(&record, self.session.bus().names())));
                }
                Received::Gap(events) => missed += events,
            }
        }
        let now_ns = self.clock.now_ns();
        told.extend(self.lines.drain(..).map(|text| (now_ns, Told::Line { text })));
        // Stable: of one moment, each kind keeps its order.
        told.sort_by_key(|(at_ns, _)| *at_ns);
        let missed = (missed > 0).then_some(Told::Missed { events: missed });
        write(&missed.into_iter().chain(told.into_iter().map(|(_, told)| told)).collect::<Vec<_>>())
    }

    /// The engine's [`Snapshot`](pcmflow::engine::metrics::Snapshot), and how the inputs are under `inputs`.
    pub fn snapshot(&mut self) -> String {
        let inputs = self.session.inputs().into_iter();
        let inputs = inputs.map(|(name, status)| (name, InputNow::from(status))).collect();
        let snapshot = self.session.look();
        write(&Now { snapshot, inputs })
    }

    /// Answers a line of the console: `{"line":"buffer-status","json":true}`. `{"ok":true,"text":"…"}`, or with `json`, which may be
    /// left out, `{"ok":true,"answer":{…}}`.
    ///
    /// # Errors
    /// [`WebError::Message`]; a line that is refused is an answer, too.
    pub fn command(&mut self, message: &str) -> Result<String, WebError> {
        let Line { line, json } = read(Line::FORM, message)?;
        let answer = console::answer(line, &mut self.session);
        self.run();
        Ok(write(&match json {
            true => serde_json::json!({ "ok": answer.ok, "answer": answer }),
            false => serde_json::json!({ "ok": answer.ok, "text": answer.to_string() }),
        }))
    }

    /// Changes the configuration, all keys or none: `{"set":{"flow.latency_ms_max":40}}`. Answers what is in force.
    ///
    /// # Errors
    /// [`WebError::Message`], and [`WebError::Config`] with all that is wrong.
    pub fn configure(&mut self, message: &str) -> Result<String, WebError> {
        let set: Set = read(Set::FORM, message)?;
        let patch = set.patch();
        let patch: Vec<(&str, &str)> =
            patch.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let change = self.session.change(&patch)?;
        self.run();
        Ok(write(&*change.config))
    }

    /// Ends the input, delivers what is under way, and answers the books: those of all sinks together, and of each under `sinks`.
    pub fn close(mut self) -> String {
        self.streams.lock().close();
        let mut is_over = false;
        for _ in 0..CLOSING_STEPS {
            let now_ns = self.clock.now_ns();
            self.streams.lock().look(now_ns);
            self.run();
            is_over = self.session.is_over();
            if is_over {
                break;
            }
            // Something waits for a time.
            self.clock.advance(1_000_000);
        }
        let mut closed = Closed { is_over, ..Closed::default() };
        let snapshot = self.session.look();
        closed.ledger = snapshot.ledger.clone();
        let books = self.session.flow().lock().unwrap_or_else(PoisonError::into_inner).books();
        closed.sinks =
            SINKS.iter().filter_map(|sink| Some(((*sink).to_owned(), self.books(&books, sink)?))).collect();
        let unaccounted = closed.sinks.values().map(|books| books.unaccounted).sum();
        closed.ledger.unaccounted = closed.ledger.unaccounted.max(unaccounted);
        self.session.stop();
        self.run();
        write(&closed)
    }

    /// The books of a sink that is over, with those of the rings before the flow.
    fn books(&self, books: &FlowBooks, sink: &str) -> Option<LedgerSnapshot> {
        let streams = self.streams.lock();
        let balance = books.sink_balance(sink, |_| Some((streams.frames_in(), vec![streams.ring()])))?;
        Some(LedgerSnapshot::of(&balance, None))
    }
}

impl fmt::Debug for WebEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebEngine").field("session", &self.session).finish_non_exhaustive()
    }
}

/// A time of the host. One that is none is the earliest: the clock never goes back.
fn ns(ms: f64) -> u64 {
    // What is no number becomes 0; so far from the end, nobody's sum overflows.
    ((ms * 1e6) as u64).min(1 << 62)
}

fn block(audio: &AudioConfig) -> Result<BlockSize, WebError> {
    // What the configuration allows the profile does; it is said in the configuration's words before.
    BlockSize::new(Frames(audio.block_frames)).map_err(|error| WebError::Block { error })
}
