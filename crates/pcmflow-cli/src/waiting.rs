//! Ctrl-C, and what must not hang when it comes: opening inputs and outputs, and a flow that is to end.

use crate::failure::Failure;
use pcmflow::runtime::Stop;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often Ctrl-C is looked for.
const TICK: Duration = Duration::from_millis(20);
/// How long opening may take before that is said.
const SILENCE: Duration = Duration::from_secs(2);
/// How long a flow that is to end may go without any progress.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asked by the first Ctrl-C; the second ends the program.
pub(crate) fn interruptible() -> Result<Stop, Failure> {
    let stop = Stop::new();
    let asked = stop.clone();
    ctrlc::set_handler(move || {
        if asked.is_asked() {
            std::process::exit(130);
        }
        asked.ask();
    })?;
    Ok(stop)
}

/// Opens an input or an output; none when the run is to end before it is open. A pipe may keep its first bytes for ever, and a named
/// one may have nobody at its other end: the thread that hangs in that is left behind then.
pub(crate) fn opened<T: Send + 'static>(
    stop: &Stop,
    what: &str,
    open: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<Option<T>> {
    let (opened, is_opened) = channel();
    let opener = std::thread::Builder::new().name("pcmflow opener".into());
    // Nobody listens any more once the run is to end.
    opener.spawn(move || drop(opened.send(open())))?;
    let (since, mut told) = (Instant::now(), false);
    while !stop.is_asked() {
        match is_opened.recv_timeout(TICK) {
            Ok(opened) => return Ok(Some(opened)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(std::io::Error::other("opening it panicked")),
        }
        if since.elapsed() > SILENCE && !told {
            told = true;
            tell!("pcmflow: {what} keeps us waiting: there is nobody at its other end, or nothing comes");
        }
    }
    Ok(None)
}

/// Watches a flow that is to end: it may take as long as it likes, as long as something moves.
#[derive(Debug)]
pub(crate) struct Patience<T> {
    seen: Option<T>,
    since: Instant,
}

impl<T: PartialEq> Patience<T> {
    pub(crate) fn new() -> Self {
        Self { seen: None, since: Instant::now() }
    }

    /// Whether nothing moved for too long; `now` is anything that changes when something does.
    pub(crate) fn is_over(&mut self, now: T) -> bool {
        if self.seen.as_ref() != Some(&now) {
            *self = Self { seen: Some(now), since: Instant::now() };
        }
        self.since.elapsed() > PATIENCE
    }
}
