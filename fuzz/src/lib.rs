//! What the targets share.

use pcmflow_io::{FileSource, Source, SourceError};

/// Frames that are read of one input: a few bytes may well stand for hours of silence.
const FRAMES_MAX: u64 = 1 << 17;

/// Reads a source that could be opened until it ends or [`FRAMES_MAX`] frames came; says how many.
///
/// `None` when nothing could be had, which must then be told in words.
pub fn drain(opened: Result<FileSource, SourceError>) -> Option<u64> {
    let told = |error: SourceError| assert!(!error.to_string().is_empty());
    let mut source = opened.map_err(told).ok()?;
    let channels = source.format().channels.get();
    // No multiple of anything, so that decoded packets are cut at odd places.
    let mut out = vec![0.0; 997 * channels];
    let mut total = 0;
    while total < FRAMES_MAX {
        match source.read(&mut out) {
            Ok(frames) if frames.0 == 0 => {
                assert_eq!(source.read(&mut out).ok()?.0, 0, "the end stays the end");
                break;
            }
            Ok(frames) => {
                assert!(frames.0 <= 997, "more frames than there was room for");
                total += frames.0;
            }
            Err(error) => {
                assert_eq!(total, 0, "a source that gave frames tells by `damage`, not by failing: {error}");
                told(error);
                return None;
            }
        }
    }
    Some(total)
}
