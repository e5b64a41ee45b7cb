//! What a flow is made of: sources, nodes and sinks, as a user's module implements them.

use super::link::outlet::Outlet;
use super::meet::Followed;
use crate::event::types::{FormatChanged, GapOpened, SourceStarted};
use crate::event::{Event, NameId, Publisher};
use crate::metrics::Meter;
use crate::sync::{AtomicBool, Ordering};
use crate::task::{Clock, Waker};
use pcmflow_core::chunk::AudioChunk;
use pcmflow_core::format::{Frames, StreamFormat, StreamPosition};
use pcmflow_core::ledger::{Gap, Timeline};
use pcmflow_core::pool::BufferRecyclingPool;

/// What a source or a node failed with.
pub type NodeError = Box<dyn std::error::Error + Send + Sync>;

/// What takes chunks, and gives chunks unless it is a sink.
///
/// Each is owned by one task, and called by one thread at a time. One that fails or panics is not called again: what it held and
/// what still comes to it is lost ([`DeadModule`](pcmflow_core::ledger::LossCause::DeadModule)), which is told to whoever is
/// behind it, and everything else goes on.
///
/// ```
/// use pcmflow_engine::flow::{Node, NodeError, Out};
/// use pcmflow_core::chunk::AudioChunk;
/// /// A sink that looks for the loudest sample.
/// struct Peak(std::sync::mpsc::Sender<f32>);
/// impl Node for Peak {
///     fn chunk(&mut self, _: usize, chunk: AudioChunk, _: &mut Out<'_>) -> Result<(), NodeError> {
///         let peak = chunk.samples().iter().fold(0.0, |peak: f32, sample| peak.max(sample.abs()));
///         Ok(self.0.send(peak)?)
///     }
/// }
/// let (peaks, heard) = std::sync::mpsc::channel();
/// let sink: Box<dyn Node> = Box::new(Peak(peaks)); // for `DataFlowCoordinator::add_node`
/// drop(sink);
/// assert!(heard.recv().is_err());
/// ```
pub trait Node: Send {
    /// Takes the next chunk of an input, and gives what it makes of it: chunks and gaps that go on where the last one ended, and
    /// stand for the same stretch of the source's timeline, now or later.
    ///
    /// Not RT-safe: what it may do is the node's to say; called on its executor's thread.
    ///
    /// # Errors
    /// Whatever keeps it from going on.
    fn chunk(&mut self, input: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError>;

    /// Learns that frames are missing at this place of an input. Unless told otherwise, passes that on.
    ///
    /// Not RT-safe: as [`chunk`](Self::chunk).
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    fn gap(&mut self, input: usize, gap: Gap, out: &mut Out<'_>) -> Result<(), NodeError> {
        let _ = input;
        out.gap(gap);
        Ok(())
    }

    /// Learns that an input is over, at this place. For nodes with several.
    ///
    /// Not RT-safe: as [`chunk`](Self::chunk).
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    fn ended(&mut self, input: usize, at: StreamPosition, out: &mut Out<'_>) -> Result<(), NodeError> {
        let _ = (input, at, out);
        Ok(())
    }

    /// All inputs are over: gives what was held.
    ///
    /// Not RT-safe: as [`chunk`](Self::chunk).
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    fn end(&mut self, out: &mut Out<'_>) -> Result<(), NodeError> {
        let _ = out;
        Ok(())
    }

    /// Whether a packet of this input should come now, where inputs have [clocks of their own](super::Ports::own_clocks).
    ///
    /// Not RT-safe: as [`chunk`](Self::chunk).
    fn wants(&self, input: usize) -> bool {
        let _ = input;
        true
    }

    /// The books of inputs that have clocks of their own, asked for when the node goes.
    ///
    /// Not RT-safe: as [`chunk`](Self::chunk).
    fn followed(&self) -> Vec<Followed> {
        Vec::new()
    }
}

/// What a source came to when it was polled.
///
/// ```
/// use pcmflow_engine::flow::Inflowed;
/// assert_ne!(Inflowed::More, Inflowed::End);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inflowed {
    /// It gave something, and may have more.
    More,
    /// It has nothing before this time, in nanoseconds of the clock.
    Until(u64),
    /// It has nothing before somebody wakes it, by the [waker](Out::waker) that it was given.
    Woken,
    /// It is over.
    End,
}

/// What brings frames into a flow: it is polled whenever there is room for more.
///
/// ```
/// use pcmflow_engine::flow::{Inflow, Inflowed, NodeError, Out};
/// struct Nothing;
/// impl Inflow for Nothing {
///     fn poll(&mut self, _: &mut Out<'_>) -> Result<Inflowed, NodeError> {
///         Ok(Inflowed::End)
///     }
/// }
/// let source: Box<dyn Inflow> = Box::new(Nothing); // for `DataFlowCoordinator::add_source`
/// assert_eq!(std::mem::size_of_val(&*source), 0);
/// ```
pub trait Inflow: Send {
    /// Gives the next chunk or gap, if it is there. Never waits for it.
    ///
    /// Not RT-safe: as [`Node::chunk`].
    ///
    /// # Errors
    /// Whatever keeps it from going on; the stream then ends.
    fn poll(&mut self, out: &mut Out<'_>) -> Result<Inflowed, NodeError>;
}

/// Where a source or a node gives what it makes: each link that begins at it gets a handle.
///
/// ```
/// use pcmflow_core::chunk::AudioChunk;
/// use pcmflow_engine::flow::{Node, NodeError, Out};
/// /// Passes on what comes.
/// struct Pass;
/// impl Node for Pass {
///     fn chunk(&mut self, _: usize, chunk: AudioChunk, out: &mut Out<'_>) -> Result<(), NodeError> {
///         assert_eq!(out.position(), chunk.position());
///         out.chunk(chunk);
///         Ok(())
///     }
/// }
/// # let _: Box<dyn Node> = Box::new(Pass);
/// ```
#[derive(Debug)]
pub struct Out<'a> {
    pub(super) outlets: &'a mut [Outlet],
    pub(super) given: &'a mut Timeline,
    pub(super) pool: &'a BufferRecyclingPool,
    pub(super) clock: &'a dyn Clock,
    pub(super) waker: &'a Waker,
    pub(super) events: Option<&'a mut Publisher>,
    pub(super) meter: Option<&'a mut Meter>,
    /// The node's name.
    pub(super) id: NameId,
    /// When this poll began or the last packet was taken.
    pub(super) at_ns: u64,
    pub(super) role: Role,
    /// Whether nothing is due from a source.
    pub(super) rests: &'a AtomicBool,
    /// What a source gave last.
    pub(super) format: &'a mut Option<StreamFormat>,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Source,
    Node,
    /// It gives nothing: what it was handed counts as consumed.
    Sink,
}

impl Out<'_> {
    /// Gives a chunk.
    ///
    /// Not RT-safe: where a link is buffered, may allocate.
    pub fn chunk(&mut self, chunk: AudioChunk) {
        if self.role == Role::Sink {
            return;
        }
        let meta = chunk.meta();
        if self.role == Role::Source && *self.format != Some(meta.format) {
            self.announce(meta.format, meta.position);
        }
        if self.role == Role::Source && self.rests.load(Ordering::Relaxed) {
            self.rests.store(false, Ordering::Relaxed);
        }
        let (span, latency_ns) = (chunk.span(), self.at_ns.saturating_sub(meta.timestamp_ns));
        if let Some(meter) = &self.meter {
            meter.health.expect_block(latency_ns);
        }
        self.given.deliver(chunk.position(), span);
        if let Some((last, others)) = self.outlets.split_last_mut() {
            for outlet in others {
                outlet.chunk(chunk.clone());
            }
            last.chunk(chunk);
        }
        if let Some(meter) = &mut self.meter {
            meter.health.block(span.0, latency_ns);
        }
    }

    /// Tells that frames are missing here.
    ///
    /// Not RT-safe: as [`chunk`](Self::chunk).
    pub fn gap(&mut self, gap: Gap) {
        if self.role == Role::Sink || gap.frames == Frames::ZERO {
            return;
        }
        if self.role == Role::Source {
            // Of other nodes' gaps most are only passed on.
            let Gap { position, frames, cause } = gap;
            self.publish(&GapOpened { edge: self.id, position, frames, cause });
            if let Some(meter) = &mut self.meter {
                meter.health.frames_dropped(frames.0);
                meter.health.overrun();
            }
        }
        self.given.lose(gap);
        for outlet in self.outlets.iter_mut() {
            outlet.gap(gap);
        }
    }

    /// A source has no stream now, until its next chunk: whoever is behind it misses nothing meanwhile.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn rest(&mut self) {
        // Relaxed: for whoever looks from time to time.
        self.rests.store(true, Ordering::Relaxed);
    }

    /// Sends the books of each link along with the frames, to be compared at its other end: a source does so from time to time,
    /// and nodes pass it on by themselves. `unaccounted` frames were found missing before.
    ///
    /// Not RT-safe: as [`chunk`](Self::chunk).
    pub fn cut(&mut self, unaccounted: Frames) {
        let unaccounted = unaccounted.max(self.given.unaccounted());
        for outlet in self.outlets.iter_mut() {
            outlet.cut(unaccounted);
        }
    }

    /// The first frame of the timeline that was not given yet.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn position(&self) -> StreamPosition {
        self.given.position()
    }

    /// The flow's pool, for the samples of new chunks.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn pool(&self) -> &BufferRecyclingPool {
        self.pool
    }

    /// The time now, in nanoseconds of the driver's clock.
    ///
    /// Not RT-safe: may make a system call.
    pub fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// The time when this call began, in nanoseconds of the driver's clock.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn began_ns(&self) -> u64 {
        self.at_ns
    }

    /// Publishes an event in the name of this node, and wakes the bus. False where it was lost, which the bus counts, or where the
    /// executor publishes nothing.
    ///
    /// Not RT-safe: makes a system call where the bus's driver sleeps.
    pub fn publish<E: Event>(&mut self, event: &E) -> bool {
        let now_ns = self.clock.now_ns();
        let Some(events) = &mut self.events else { return false };
        let taken = events.publish_as(self.id, event, now_ns);
        events.wake();
        taken
    }

    /// A source's first frames, or its first in another format.
    fn announce(&mut self, format: StreamFormat, position: StreamPosition) {
        let (rate_hz, channels) = (format.rate.hz(), format.channels.get() as u16);
        match self.format.replace(format) {
            None => self.publish(&SourceStarted { source: self.id, rate_hz, channels }),
            Some(_) => self.publish(&FormatChanged { stream: self.id, position, rate_hz, channels }),
        };
    }

    /// What wakes the task of this node: for whoever brings it something.
    ///
    /// RT-safe: wait-free, no allocation.
    pub fn waker(&self) -> &Waker {
        self.waker
    }
}
