//! What can be wrong with what the page asks for.

use crate::Capture;
use pcmflow::core::block::BlockSizeError;
use pcmflow::core::format::FormatError;
use pcmflow::core::pool::PoolConfigError;
use pcmflow::core::ring::RingError;
use pcmflow::core::stream::StreamError;
use pcmflow::engine::config::ConfigErrors;
use pcmflow::engine::event::EventError;
use pcmflow::engine::flow::FlowError;
use pcmflow::engine::session::SessionError;
use pcmflow::engine::task::SpawnError;
use pcmflow::pitch::PitchError;
use serde::Serialize;

/// Why the engine refuses something, in words for a person and in one word for a program.
///
/// ```
/// use pcmflow_web::WebEngine;
/// let mut engine = WebEngine::open(r#"{"now_ms":0}"#)?;
/// let error = engine.stream(r#"{"rate_hz":48000,"channels":65,"quantum":128}"#).unwrap_err();
/// assert_eq!((error.what(), error.to_string().as_str()), ("format", "65 channels: 1 to 64 are allowed"));
/// assert_eq!(error.to_json(), r#"{"error":"65 channels: 1 to 64 are allowed","what":"format"}"#);
/// # Ok::<(), pcmflow_web::WebError>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The message is not what was expected.
    #[error("the message is not of the form {form}: {error}")]
    Message {
        /// What was expected.
        form: &'static str,
        /// What the parser says.
        error: serde_json::Error,
    },
    /// The message can't be held.
    #[error("a message of {bytes} bytes, 0 to {max} are allowed", max = crate::MESSAGE_BYTES_MAX)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// There is no engine.
    #[error("no engine is open: open one first")]
    NotOpen,
    /// There is an engine.
    #[error("an engine is open: close it first")]
    IsOpen,
    /// A key or a value of the configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// There is no such block.
    #[error("audio.block_frames: {error}")]
    Block {
        /// Why.
        error: BlockSizeError,
    },
    /// There is no such format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// There is no such quantum.
    #[error("a quantum of {quantum} frames: 1 to {max} are allowed", max = Capture::QUANTUM_MAX)]
    Quantum {
        /// What was asked for.
        quantum: u32,
    },
    /// The ring would take more memory than it may.
    #[error(
        "a ring of {frames} frames takes {bytes} bytes at {rate_hz} Hz with {channels} channels, and may take {max}: set audio.ring_ms lower",
        max = Capture::RING_BYTES_MAX
    )]
    RingTooLong {
        /// Its frames.
        frames: u64,
        /// The stream's rate.
        rate_hz: u32,
        /// The stream's channels.
        channels: usize,
        /// What that takes.
        bytes: u64,
    },
    /// The ring can't be had.
    #[error("the stream's ring: {0}")]
    Stream(#[from] StreamError),
    /// What hands streams to the flow can't be had.
    #[error("the streams' hand-over: {0}")]
    Feed(#[from] RingError),
    /// The source takes no other stream.
    #[error(
        "the source takes no other stream: several wait already, or it failed; close the engine, and open another"
    )]
    SourceGone,
    /// The pool can't be had.
    #[error("the pool: {0}")]
    Pool(#[from] PoolConfigError),
    /// The executor can't be had.
    #[error("the executor: {0}")]
    Executor(#[from] SpawnError),
    /// The bus can't be had.
    #[error("the bus of events: {0}")]
    Events(#[from] EventError),
    /// The pitch of such a stream can't be tracked.
    #[error("the pitch: {0}")]
    Pitch(#[from] PitchError),
    /// The flow refuses it.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// The session refuses it.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl WebError {
    /// One lower-case word for machines.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Message { .. } | Self::TooLong { .. } => "message",
            Self::NotOpen => "not_open",
            Self::IsOpen => "is_open",
            Self::Config(_) | Self::Block { .. } => "config",
            Self::Format(_) => "format",
            Self::Quantum { .. } => "quantum",
            Self::RingTooLong { .. } | Self::Stream(_) | Self::Feed(_) => "ring",
            Self::SourceGone => "source_gone",
            Self::Pool(_) => "pool",
            Self::Executor(_) | Self::Events(_) | Self::Pitch(_) | Self::Flow(_) | Self::Session(_) => {
                "engine"
            }
        }
    }

    /// As the exports answer it.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Told {
            error: String,
            what: &'static str,
        }
        // Two strings can always be written.
        serde_json::to_string(&Told { error: self.to_string(), what: self.what() }).unwrap_or_default()
    }
}
