//! JSON lines: one value, one line.

use super::SinkError;
use serde::Serialize;
use std::fmt;
use std::io::Write;

/// Writes one JSON value per line.
///
/// ```
/// use pcmflow_io::sink::JsonLines;
/// let mut bytes = Vec::new();
/// let mut lines = JsonLines::new(&mut bytes, "standard output", true);
/// lines.write(&[1, 2])?;
/// lines.flush()?;
/// assert_eq!(bytes, b"[1,2]\n");
/// # Ok::<(), pcmflow_io::SinkError>(())
/// ```
pub struct JsonLines<W> {
    output: W,
    name: String,
    live: bool,
    line: Vec<u8>,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `output`, which messages call `name`. When `live`, each line is flushed, so that a reader sees it at
    /// once; otherwise `output` should be buffered.
    pub fn new(output: W, name: &str, live: bool) -> Self {
        Self { output, name: name.into(), live, line: Vec::new() }
    }

    /// Writes `value` as one line, entire or not at all as far as the writer allows.
    ///
    /// Not RT-safe: makes system calls, allocates.
    ///
    /// # Errors
    /// [`SinkError::Json`] for a value that has no JSON form; nothing is written. [`SinkError::BrokenPipe`] and
    /// [`SinkError::Write`] when the line could not be written.
    pub fn write(&mut self, value: &impl Serialize) -> Result<(), SinkError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)
            .map_err(|source| SinkError::Json { name: self.name.clone(), source })?;
        self.line.push(b'\n');
        let mut written = self.output.write_all(&self.line);
        if self.live {
            written = written.and_then(|()| self.output.flush());
        }
        written.map_err(|source| SinkError::write(&self.name, source))
    }

    /// Flushes what is buffered.
    ///
    /// Not RT-safe: makes system calls.
    ///
    /// # Errors
    /// [`SinkError::BrokenPipe`] and [`SinkError::Write`] when that fails.
    pub fn flush(&mut self) -> Result<(), SinkError> {
        self.output.flush().map_err(|source| SinkError::write(&self.name, source))
    }
}

impl<W> fmt::Debug for JsonLines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").field("name", &self.name).field("live", &self.live).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Failing;
    use super::*;
    use std::collections::BTreeMap;
    use std::io::{BufWriter, ErrorKind};

    #[test]
    fn live_lines_are_there_at_once() {
        for live in [true, false] {
            let mut lines = JsonLines::new(BufWriter::new(Vec::new()), "memory", live);
            lines.write(&BTreeMap::from([("hz", 440)])).unwrap();
            let expected: &[u8] = if live { b"{\"hz\":440}\n" } else { b"" };
            assert_eq!(lines.output.get_ref(), expected);
            assert!(format!("{lines:?}").contains("memory"));
        }
    }

    #[test]
    fn errors_are_told_apart() {
        let mut lines = JsonLines::new(Failing(4, ErrorKind::BrokenPipe), "standard output", true);
        let no_json = BTreeMap::from([(vec![1], 1)]);
        assert!(matches!(lines.write(&no_json), Err(SinkError::Json { .. })));
        lines.write(&1).unwrap();
        assert!(matches!(lines.write(&"long"), Err(SinkError::BrokenPipe { .. })));
    }
}
