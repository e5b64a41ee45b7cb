//! Raw PCM to any writer: standard output, a pipe, a file.

use super::{Sink, SinkError, whole_frames};
use pcmflow_core::format::{Frames, SampleEncoding, StreamFormat};
use std::fmt;
use std::io::Write;

/// Bytes that are encoded at a time, so that a large block needs no large buffer.
const BLOCK_BYTES: usize = 16 << 10;

/// Samples without a header. Each `write` reaches the writer before it returns, so that a reader waits for nothing.
pub struct RawSink<W> {
    output: W,
    name: String,
    encoding: SampleEncoding,
    format: StreamFormat,
    bytes: Vec<u8>,
    frames: Frames,
}

impl<W: Write + Send> RawSink<W> {
    /// Writes to `output`, which messages call `name`.
    ///
    /// Not RT-safe: allocates.
    pub fn new(output: W, name: &str, encoding: SampleEncoding, format: StreamFormat) -> Self {
        Self {
            output,
            name: name.into(),
            encoding,
            format,
            bytes: vec![0; BLOCK_BYTES],
            frames: Frames::ZERO,
        }
    }
}

impl<W> fmt::Debug for RawSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSink")
            .field("name", &self.name)
            .field("encoding", &self.encoding)
            .field("format", &self.format)
            .field("frames", &self.frames)
            .finish()
    }
}

impl<W: Write + Send> Sink for RawSink<W> {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn write(&mut self, interleaved: &[f32]) -> Result<(), SinkError> {
        let frames = whole_frames(interleaved, self.format)?;
        let sample_bytes = self.encoding.format.bytes();
        for samples in interleaved.chunks(BLOCK_BYTES / sample_bytes) {
            let count = self.encoding.encode(samples, &mut self.bytes);
            self.output
                .write_all(&self.bytes[..count * sample_bytes])
                .map_err(|source| SinkError::write(&self.name, source))?;
        }
        self.output.flush().map_err(|source| SinkError::write(&self.name, source))?;
        self.frames += frames;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Frames, SinkError> {
        self.output.flush().map_err(|source| SinkError::write(&self.name, source))?;
        Ok(self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RawFormat, Source, open_reader};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_encoding_comes_back() {
        let format = StreamFormat::new(48_000, 2).unwrap();
        // More than one internal block, and values that 8 bits hold.
        let samples: Vec<f32> = (0..20_000).map(|n| ((n % 256) as f32 - 128.0) / 128.0).collect();
        for (name, encoding) in SampleEncoding::ALL {
            let bytes = Shared::default();
            let mut sink = Box::new(RawSink::new(bytes.clone(), "memory", encoding, format));
            sink.write(&samples).unwrap();
            assert!(format!("{sink:?}").contains("memory"));
            assert_eq!(sink.finish().unwrap(), Frames(10_000));
            let written = std::io::Cursor::new(bytes.0.lock().unwrap().clone());
            let mut source = open_reader(written, "memory", Some(RawFormat { encoding, format })).unwrap();
            let (mut back, mut block) = (Vec::new(), vec![0.0; 4096]);
            loop {
                match source.read(&mut block).unwrap() {
                    Frames::ZERO => break,
                    frames => back.extend_from_slice(&block[..frames.samples(format.channels)]),
                }
            }
            assert!(back == samples, "{name}");
            assert_eq!(source.damage(), None);
        }
    }
}
