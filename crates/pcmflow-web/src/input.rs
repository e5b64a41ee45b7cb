//! The streams of the one input, as the engine and the session have them.

use crate::WebError;
use crate::audio_clock::Offset;
use crate::capture::{Capture, Made};
use pcmflow::core::block::BlockSize;
use pcmflow::core::format::Frames;
use pcmflow::core::ledger::EdgeSnapshot;
use pcmflow::core::stream::StreamGauge;
use pcmflow::engine::flow::{StreamCaller, StreamFeed, StreamInflow};
use pcmflow::engine::session::{Input, InputState, InputStatus};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often a push that is under way is looked at before the stream is ended without its thread.
const LOOKS: u32 = 1 << 20;
/// How soon a block can be looked for, and how long it is not looked for at the most.
const LOOK_NS: (u64, u64) = (500_000, 4_000_000);

/// Everything that feeds the flow: one stream after the other.
#[derive(Debug)]
pub(crate) struct Streams {
    block: BlockSize,
    /// None before the first stream, and when none will follow.
    feed: Option<StreamFeed>,
    caller: Option<StreamCaller>,
    /// The stream that runs.
    current: Option<(Arc<Capture>, Offset)>,
    /// Those that were ended while a push was under way.
    left: Vec<Arc<Capture>>,
    /// Those that are over, with their counts.
    ended_frames: u64,
    /// The rings of streams that have something in them.
    rings: Vec<StreamGauge>,
    /// The books of those that are empty, and over.
    past: EdgeSnapshot,
    /// Whether there was any stream.
    begun: bool,
}

/// Shared by the engine and the session, both on the control side.
#[derive(Debug, Clone)]
pub(crate) struct SharedStreams(Arc<Mutex<Streams>>);

impl SharedStreams {
    pub(crate) fn new(block: BlockSize) -> Self {
        Self(Arc::new(Mutex::new(Streams {
            block,
            feed: None,
            caller: None,
            current: None,
            left: Vec::new(),
            ended_frames: 0,
            rings: Vec::new(),
            past: EdgeSnapshot::default(),
            begun: false,
        })))
    }

    /// Whoever panicked while it was locked left every single change whole.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Streams> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    /// Begins a stream behind the last one. What takes it into the flow, where it is the first.
    pub(crate) fn begin(
        &mut self,
        made: Made,
        now_ns: u64,
    ) -> Result<(Arc<Capture>, Option<StreamInflow>), WebError> {
        self.end();
        let Made { capture, reader, gauge } = made;
        let inflow = match &mut self.feed {
            Some(feed) => {
                feed.bring(reader).map_err(|_| WebError::SourceGone)?;
                None
            }
            None if self.begun => return Err(WebError::SourceGone),
            None => {
                // Looked after by whoever polls: see `look`.
                let (feed, inflow) = StreamInflow::woken(reader, self.block, || {})?;
                self.caller = Some(feed.caller());
                self.feed = Some(feed);
                Some(inflow)
            }
        };
        self.begun = true;
        // What is empty can be summed up: its writer is gone.
        for ring in self.rings.extract_if(.., |ring| ring.occupancy() == Frames::ZERO) {
            self.past = self.past + ring.snapshot();
        }
        self.rings.push(gauge);
        let capture = Arc::new(capture);
        self.current = Some((capture.clone(), Offset::new(now_ns)));
        Ok((capture, inflow))
    }

    /// Ends the stream that runs: what came is still delivered.
    pub(crate) fn end(&mut self) {
        let Some((capture, _)) = self.current.take() else { return };
        capture.shut();
        let closed = (0..LOOKS).any(|_| {
            std::hint::spin_loop();
            capture.close()
        });
        if !closed {
            // Its thread stands or was ended in the midst of a push: the stream is over without it.
            self.caller.iter().for_each(StreamCaller::abandon);
            self.left.push(capture);
        } else {
            self.ended_frames += frames_in(&capture);
            self.wake();
        }
    }

    /// As [`end`](Self::end), and no other stream will follow.
    pub(crate) fn close(&mut self) {
        self.end();
        self.feed = None;
    }

    fn wake(&self) {
        self.caller.iter().for_each(StreamCaller::wake);
    }

    /// Looks whether frames have come, and has the source woken if so.
    pub(crate) fn look(&mut self, now_ns: u64) {
        self.left.retain(|capture| {
            let closed = capture.close();
            self.ended_frames += if closed { frames_in(capture) } else { 0 };
            !closed
        });
        let come = self.current.as_mut().is_some_and(|(capture, offset)| {
            // Both: times that are none don't move the audio clock.
            let counted = offset.count(capture.pushed());
            offset.look(capture.clock(), now_ns) || counted
        });
        if come {
            self.wake();
        }
    }

    /// How long it takes until the next block can be complete, in nanoseconds; none where no stream runs.
    pub(crate) fn next_block_ns(&self) -> Option<u64> {
        let (capture, _) = self.current.as_ref()?;
        let block = self.block.frames().0;
        let missing = Frames(block - capture.pushed() % block);
        Some(capture.format().rate.frames_to_ns(missing).clamp(LOOK_NS.0, LOOK_NS.1))
    }

    /// Frames of all streams, by the audio side's own count, and what never came by the audio time.
    pub(crate) fn frames_in(&self) -> Frames {
        let running = self.current.iter().map(|(capture, _)| capture).chain(&self.left);
        Frames(self.ended_frames + running.map(|capture| frames_in(capture)).sum::<u64>())
    }

    /// The books of the rings, summed over all streams.
    pub(crate) fn ring(&self) -> EdgeSnapshot {
        self.rings.iter().fold(self.past, |all, ring| all + ring.snapshot())
    }
}

fn frames_in(capture: &Capture) -> u64 {
    capture.pushed() + capture.missed()
}

impl Input for SharedStreams {
    fn start(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        match self.lock().current {
            Some(_) => Ok(()),
            None => Err("only the page can begin a stream: start the microphone or the file there".into()),
        }
    }

    fn stop(&mut self) {
        self.lock().end();
    }

    fn status(&self) -> InputStatus {
        let streams = self.lock();
        let state = match (&streams.current, &streams.feed) {
            (Some(_), _) => InputState::Running,
            (None, Some(_)) => InputState::Stopped,
            (None, None) if streams.begun => InputState::Ended,
            (None, None) => InputState::Waiting,
        };
        InputStatus {
            state,
            trouble: None,
            frames_in: streams.frames_in(),
            ring_fill: streams.ring().occupancy,
            ring_capacity: streams.rings.last().map_or(Frames::ZERO, StreamGauge::capacity),
        }
    }
}
