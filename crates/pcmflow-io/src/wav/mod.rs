//! WAV in all its forms: RIFF, big-endian RIFX, and RF64/BW64 for more than 4 GiB.
//!
//! The header is parsed here and not by a library for three reasons: frames of a pipe must be there as soon as their
//! bytes are, programs that write to pipes leave lengths of 0 or 0xFFFFFFFF behind, and RIFX and RF64 are rarely read
//! elsewhere.

mod codec;
mod header;

pub(crate) use codec::PcmCodec;
pub(crate) use header::{WavError, is_wav, parse};
