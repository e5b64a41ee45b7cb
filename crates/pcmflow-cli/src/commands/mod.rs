//! One file per command.

pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod graph;
pub(crate) mod info;
pub(crate) mod level;
pub(crate) mod pipe;
pub(crate) mod pitch;
pub(crate) mod run;

use crate::failure::{Failure, Outcome};
use pcmflow::core::ledger::Gap;
use serde::Serialize;
use std::io::{BufWriter, Stdout, Write};

/// Standard output, buffered.
fn standard_output() -> BufWriter<Stdout> {
    BufWriter::with_capacity(64 << 10, std::io::stdout())
}

/// Writes all of `bytes` to standard output. A reader that went away is no failure: it had what it wanted.
pub(crate) fn print(bytes: &[u8]) -> Result<Outcome, Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Outcome::Done),
        Err(error) => Err(Failure::Output(error)),
    }
}

/// The JSON line that stands where frames were lost.
#[derive(Debug, Serialize)]
struct GapLine<'a> {
    file: &'a str,
    gap: GapFields,
}

#[derive(Debug, Serialize)]
struct GapFields {
    position: u64,
    frames: u64,
    cause: &'static str,
}

impl<'a> GapLine<'a> {
    fn new(file: &'a str, gap: Gap) -> Self {
        Self {
            file,
            gap: GapFields { position: gap.position.0, frames: gap.frames.0, cause: gap.cause.name() },
        }
    }
}
