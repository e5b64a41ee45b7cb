//! The console's lines, from standard input.

use pcmflow::engine::console::{CommandError, LINE_BYTES_MAX};
use std::io::{BufRead, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait.
pub(super) const LINES_WAITING: usize = 64;

/// A line, or why it is none.
pub(super) type Line = Result<Vec<u8>, CommandError>;

/// Lines of standard input, read by a thread of their own, which is left behind when the flow is over.
pub(super) struct Lines {
    read: Receiver<Line>,
    /// Nobody types any more.
    pub(super) closed: bool,
}

impl Lines {
    pub(super) fn read() -> Self {
        let (lines, read) = sync_channel(LINES_WAITING);
        let reader = std::thread::Builder::new().name("pcmflow console".into());
        // Without a thread there are no lines, as at the end of the input.
        drop(reader.spawn(move || forward(&lines)));
        Self { read, closed: false }
    }

    /// Waits for a line.
    pub(super) fn wait(&mut self, timeout: Duration) -> Option<Line> {
        match self.read.recv_timeout(timeout) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.closed = true;
                std::thread::sleep(timeout);
                None
            }
        }
    }
}

fn forward(lines: &SyncSender<Line>) {
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        // A byte more than may be, and the end of the line: of what is longer, the rest is read away and counted.
        let most = LINE_BYTES_MAX as u64 + 2;
        let mut bytes = match input.by_ref().take(most).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(bytes) => bytes,
        };
        let mut ended = line.ends_with(b"\n");
        while !ended {
            let mut rest = Vec::new();
            match input.by_ref().take(4_096).read_until(b'\n', &mut rest) {
                Ok(0) | Err(_) => break,
                Ok(more) => bytes += more,
            }
            ended = rest.ends_with(b"\n");
        }
        bytes -= usize::from(ended);
        line.truncate(bytes);
        let line = if bytes > LINE_BYTES_MAX { Err(CommandError::TooLong { bytes }) } else { Ok(line) };
        if lines.send(line).is_err() {
            return;
        }
    }
}
