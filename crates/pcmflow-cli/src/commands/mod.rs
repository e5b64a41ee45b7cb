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
use std::io::{BufWriter, Read, Stdout, Write};
use std::path::Path;

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

/// A file of text that is no longer than `bytes_max`; `what` says what it would be.
fn read_text(path: &Path, bytes_max: usize, what: &str) -> Result<String, Failure> {
    let name = path.display().to_string();
    // One byte more than may be, so that it is told to be too long and not cut; and a device has no end.
    let most = bytes_max as u64 + 1;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| Failure::Read { file: name.clone(), error })?;
    if bytes.len() > bytes_max {
        let long =
            format!("{name}: the file has more than {bytes_max} bytes, at the most {bytes_max} are read");
        return Err(Failure::Usage(long));
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::Usage(format!("{name}: {what} is TOML, and this is no text")))
}
