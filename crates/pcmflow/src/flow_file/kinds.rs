//! The one table of what a node can be, and of what can be said of a pipeline.

use super::parameter::{Accepts, Parameter, Unsaid, parameter};
use super::{Kind, Role, Values};
use crate::core::format::{ChannelCount, Frames, SampleEncoding, SampleRate, StreamFormat};
use crate::core::stream::Overflow;
use crate::engine::Priority;
use crate::engine::flow::{Missing, Output, PipelineConfig, Ports};
use crate::engine::pressure::Strategy;
use crate::engine::transform::Shape;
use crate::io::WavFormat;

fn first<T>(all: &[(&'static str, T)]) -> Vec<&'static str> {
    all.iter().map(|(name, _)| *name).collect()
}

/// Who sets the pace of an input.
pub(super) const PACES: [&str; 3] = ["fast", "realtime", "live"];
pub(super) const MISSING: [(&str, Missing); 2] = [("gap", Missing::Gap), ("silence", Missing::Silence)];
pub(super) const GAPS: [&str; 2] = ["silence", "cut"];
pub(super) const FORMS: [&str; 2] = ["json", "csv"];

const RATE: Accepts = Accepts::Whole { min: SampleRate::MIN.hz() as u64, max: SampleRate::MAX.hz() as u64 };
const CHANNELS: Accepts = Accepts::Whole { min: 1, max: ChannelCount::MAX.get() as u64 };
const ENCODING: Accepts = Accepts::Word(|| first(&SampleEncoding::ALL));

const PACE: Parameter = parameter(
    "pace",
    Accepts::Word(|| PACES[..2].to_vec()),
    Unsaid::Is("\"fast\""),
    "as fast as the flow takes it and losing nothing, or in real time as a device would, losing what finds no room",
);
const OVERFLOW: Parameter = parameter(
    "overflow",
    Accepts::Word(|| first(Overflow::ALL)),
    Unsaid::Means("`audio.overflow` of the configuration"),
    "what becomes of frames that find the ring full, where the source can't wait",
);
const BLOCK: Parameter = parameter(
    "block_frames",
    Accepts::Block { max: 8_192 },
    Unsaid::Means("`audio.block_frames` of the configuration"),
    "frames of the chunks that it gives",
);
const FORM: Parameter =
    parameter("form", Accepts::Word(|| FORMS.to_vec()), Unsaid::Is("\"json\""), "JSON lines or CSV");
const LINES: Parameter = parameter(
    "output",
    Accepts::OutputOrStandard,
    Unsaid::Is("\"-\""),
    "where its lines go; several nodes may write JSON lines to `-`, each whole and with the node's name",
);
const GAPS_IN: Parameter = parameter(
    "gaps",
    Accepts::Word(|| GAPS.to_vec()),
    Unsaid::Is("\"silence\""),
    "what stands where frames were lost: silence of the same length, or nothing",
);

/// Never asked of a source: its ports are those of what was opened.
fn no_ports(_: &Values, _: Option<Shape>) -> Ports {
    Ports::default()
}

fn convert(values: &Values, input: Option<Shape>) -> Ports {
    let rate_hz = values.small("rate_hz").or(input.map(|shape| shape.format.rate.hz()));
    let channels = values.small("channels").or(input.map(|shape| shape.format.channels.get() as u32));
    let format =
        rate_hz.zip(channels).and_then(|(rate_hz, channels)| StreamFormat::new(rate_hz, channels).ok());
    Ports::node(format.map(|format| Shape { format, block: values.whole("block_frames").map(Frames) }))
}

fn join(values: &Values, input: Option<Shape>) -> Ports {
    let inputs = values.small("inputs").unwrap_or(2);
    match input {
        Some(shape) => Ports::join(inputs, Shape::new(shape.format)),
        None => Ports { inputs, output: Output::Same, ..Ports::default() },
    }
}

/// Lines and samples are written to files and pipes.
fn writing(_: &Values, _: Option<Shape>) -> Ports {
    Ports { may_block: true, ..Ports::sink(None) }
}

/// Every kind of node.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "file",
        role: Role::Source,
        doc: "an audio file of any common format",
        parameters: &[
            parameter("path", Accepts::Input, Unsaid::Refused, "the file, seen from the flow file's folder"),
            PACE,
            OVERFLOW,
            BLOCK,
        ],
        ports: no_ports,
    },
    Kind {
        name: "stdin",
        role: Role::Source,
        doc: "standard input: WAV or another format that can be piped, or raw PCM",
        parameters: &[
            parameter("encoding", ENCODING, Unsaid::Means("what its header says"), "raw PCM, so written"),
            parameter(
                "rate_hz",
                RATE,
                Unsaid::Means("`audio.sample_rate_hz` of the configuration"),
                "frames a second, of raw PCM",
            ),
            parameter(
                "channels",
                CHANNELS,
                Unsaid::Means("`audio.channels` of the configuration"),
                "samples a frame, of raw PCM",
            ),
            parameter(
                "pace",
                Accepts::Word(|| PACES.to_vec()),
                Unsaid::Is("\"live\""),
                "as the others, or by the arrival of the data, losing what finds no room",
            ),
            OVERFLOW,
            BLOCK,
        ],
        ports: no_ports,
    },
    Kind {
        name: "synth",
        role: Role::Source,
        doc: "a synthetic signal",
        parameters: &[
            parameter(
                "signal",
                Accepts::Signal,
                Unsaid::Refused,
                "sine:HZ, sweep:HZ-HZ, noise:white, noise:pink, silence, clicks:250ms or melody, with seconds=, rate=, \
                 channels=, level=, seed=, detune= behind commas",
            ),
            PACE,
            OVERFLOW,
            BLOCK,
        ],
        ports: no_ports,
    },
    Kind {
        name: "convert",
        role: Role::Transform,
        doc: "passes on what comes in the shape that is said",
        parameters: &[
            parameter("rate_hz", RATE, Unsaid::Means("as it comes"), "frames a second"),
            parameter("channels", CHANNELS, Unsaid::Means("as they come"), "samples a frame"),
            parameter(
                "block_frames",
                Accepts::Whole { min: 1, max: 65_536 },
                Unsaid::Means("as they come"),
                "frames of a chunk",
            ),
        ],
        ports: convert,
    },
    Kind {
        name: "gain",
        role: Role::Transform,
        doc: "makes louder or softer",
        parameters: &[parameter(
            "db",
            Accepts::Number { min: -120.0, max: 60.0 },
            Unsaid::Refused,
            "by so many dB",
        )],
        ports: |_, _| Ports::node(None),
    },
    Kind {
        name: "join",
        role: Role::Transform,
        doc: "adds its inputs up, frame by frame, in the format of input 0, whose rate must be the source's",
        parameters: &[
            parameter("inputs", Accepts::Whole { min: 2, max: 64 }, Unsaid::Is("2"), "how many"),
            parameter(
                "missing",
                Accepts::Word(|| first(&MISSING)),
                Unsaid::Is("\"gap\""),
                "where one input lacks frames: a gap, or silence under the others",
            ),
        ],
        ports: join,
    },
    Kind {
        name: "pitch",
        role: Role::Consumer,
        doc: "tracks the pitch: an estimate a line",
        parameters: &[LINES, FORM],
        ports: writing,
    },
    Kind {
        name: "level",
        role: Role::Consumer,
        doc: "measures peak, RMS and clipping: a line for each chunk",
        parameters: &[LINES],
        ports: writing,
    },
    Kind {
        name: "wav",
        role: Role::Sink,
        doc: "writes a WAV file",
        parameters: &[
            parameter("path", Accepts::Output, Unsaid::Refused, "the file; what is there is overwritten"),
            parameter(
                "format",
                Accepts::Word(|| first(&WavFormat::ALL)),
                Unsaid::Is("\"s16\""),
                "how samples are stored",
            ),
            GAPS_IN,
        ],
        ports: writing,
    },
    Kind {
        name: "raw",
        role: Role::Sink,
        doc: "writes raw PCM, to a file, a named pipe or standard output",
        parameters: &[
            parameter(
                "path",
                Accepts::OutputOrStandard,
                Unsaid::Refused,
                "where to; what is there is overwritten",
            ),
            parameter("encoding", ENCODING, Unsaid::Is("\"s16le\""), "how samples are written"),
            GAPS_IN,
        ],
        ports: writing,
    },
    Kind {
        name: "discard",
        role: Role::Sink,
        doc: "counts what comes and throws it away",
        parameters: &[],
        ports: |_, _| Ports::sink(None),
    },
];

/// What can be said of a node.
pub(super) const NODE: &[Parameter] = &[
    parameter("name", Accepts::Name, Unsaid::Refused, "what it is called, unlike every other"),
    parameter("kind", Accepts::Kind, Unsaid::Refused, "what it is"),
    parameter(
        "parameters",
        Accepts::Table(&[]),
        Unsaid::Means("nothing is said"),
        "what its kind wants to know",
    ),
];

const FORMAT: &[Parameter] = &[
    parameter("rate_hz", RATE, Unsaid::Refused, "frames a second"),
    parameter("channels", CHANNELS, Unsaid::Refused, "samples a frame"),
];

/// What can be said of a pipeline.
pub(super) const PIPELINE: &[Parameter] = &[
    parameter("from", Accepts::Name, Unsaid::Refused, "the node that fills it"),
    parameter("to", Accepts::Name, Unsaid::Refused, "the node that empties it"),
    parameter("input", Accepts::Whole { min: 0, max: 63 }, Unsaid::Is("0"), "which of that node's inputs"),
    parameter(
        "packets",
        Accepts::Whole { min: 2, max: PipelineConfig::PACKETS_MAX as u64 },
        Unsaid::Is("16"),
        "chunks and marks that it holds",
    ),
    parameter(
        "block_frames",
        Accepts::Whole { min: 1, max: 65_536 },
        Unsaid::Means("as they come"),
        "frames of the chunks that come out",
    ),
    parameter(
        "latency_ms_max",
        Accepts::Whole { min: 0, max: 600_000 },
        Unsaid::Means(
            "`flow.latency_ms_max` behind a source that can't wait, otherwise 0: it does not matter",
        ),
        "how old a chunk may be when it is taken; older ones are counted",
    ),
    parameter(
        "priority",
        Accepts::Word(|| Priority::ALL.map(Priority::name).to_vec()),
        Unsaid::Means("`flow.priority`"),
        "who is served first",
    ),
    parameter(
        "strategy",
        Accepts::Word(|| first(&Strategy::ALL)),
        Unsaid::Means("`flow.strategy`"),
        "what is done when it is full",
    ),
    parameter(
        "format",
        Accepts::Table(FORMAT),
        Unsaid::Means("what the node at its end wants"),
        "what comes out",
    ),
];
