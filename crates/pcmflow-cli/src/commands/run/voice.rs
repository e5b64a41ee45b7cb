//! What the console says: answers, and what is told without being asked.
//!
//! A thread of its own writes it: whoever looks after the flow waits for no reader.

use super::console::Line;
use pcmflow::engine::console::{Answer, answer};
use pcmflow::engine::session::Session;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

/// What may wait for a reader: answers, and lines that are told.
const WAITING_MAX: usize = 1024;
/// So long without anything being read, and the rest is given up at the end.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Voice {
    json: bool,
    texts: SyncSender<String>,
    writer: Option<JoinHandle<()>>,
    written: Arc<AtomicU64>,
    /// Something found no place among what waits.
    cut_short: bool,
}

impl Voice {
    /// `to_error`: a node writes to standard output.
    pub(super) fn new(json: bool, to_error: bool) -> Self {
        let (texts, waiting) = sync_channel(WAITING_MAX);
        let written = Arc::new(AtomicU64::new(0));
        let count = written.clone();
        let writer = std::thread::Builder::new().name("pcmflow voice".into());
        // Without a thread nothing is said, as where nobody reads.
        let writer = writer.spawn(move || write(&waiting, &count, to_error)).ok();
        Self { json, texts, writer, written, cut_short: false }
    }

    pub(super) fn answer(&mut self, line: Line, session: &mut Session) {
        let answer = match line {
            Ok(line) if line.trim_ascii().is_empty() => return,
            Ok(line) => answer(line, session),
            Err(error) => Answer::refused(error.to_string()),
        };
        match self.json {
            true => self.say(answer.to_json() + "\n"),
            false => self.say(answer.to_string()),
        }
    }

    pub(super) fn tell(&mut self, line: &str) {
        match self.json {
            true => self.say(format!("{}\n", serde_json::json!({ "told": line }))),
            false => self.say(format!("{line}\n")),
        }
    }

    fn say(&mut self, text: String) {
        self.cut_short |= matches!(self.texts.try_send(text), Err(TrySendError::Full(_)));
    }

    /// Waits until all of it is read; where nobody reads, or `stop` says so, not for long. Returns whether it was.
    pub(super) fn finish(self, stop: impl Fn() -> bool) -> bool {
        let Self { texts, writer, written, cut_short, .. } = self;
        drop(texts);
        let Some(writer) = writer else { return !cut_short };
        let (mut seen, mut since) = (written.load(Ordering::Relaxed), Instant::now());
        while !writer.is_finished() {
            // Relaxed: a number alone.
            let now = written.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            if since.elapsed() > if stop() { PATIENCE / 10 } else { PATIENCE } {
                return false;
            }
            sleep(Duration::from_millis(1));
        }
        !cut_short
    }
}

fn write(waiting: &Receiver<String>, written: &AtomicU64, to_error: bool) {
    for text in waiting {
        // A reader that went away misses nothing but this.
        let _ = match to_error {
            true => std::io::stderr().lock().write_all(text.as_bytes()),
            false => {
                let mut output = std::io::stdout().lock();
                output.write_all(text.as_bytes()).and_then(|()| output.flush())
            }
        };
        written.fetch_add(1, Ordering::Relaxed);
    }
}
