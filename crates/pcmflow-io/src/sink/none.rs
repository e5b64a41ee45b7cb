//! Nowhere.

use super::{Sink, SinkError, whole_frames};
use pcmflow_core::format::{Frames, StreamFormat};

/// Counts frames and forgets them.
#[derive(Debug)]
pub struct NoneSink {
    format: StreamFormat,
    frames: Frames,
}

impl NoneSink {
    /// A sink for frames of `format`.
    pub fn new(format: StreamFormat) -> Self {
        Self { format, frames: Frames::ZERO }
    }
}

impl Sink for NoneSink {
    fn format(&self) -> StreamFormat {
        self.format
    }
    fn write(&mut self, interleaved: &[f32]) -> Result<(), SinkError> {
        self.frames += whole_frames(interleaved, self.format)?;
        Ok(())
    }
    fn finish(self: Box<Self>) -> Result<Frames, SinkError> {
        Ok(self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts() {
        let mut sink = Box::new(NoneSink::new(StreamFormat::new(48_000, 2).unwrap()));
        sink.write(&[1.0; 6]).unwrap();
        sink.write(&[]).unwrap();
        assert_eq!(sink.finish().unwrap(), Frames(3));
    }
}
