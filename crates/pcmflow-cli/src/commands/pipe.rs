//! `pcmflow pipe`: the flow into a file or another program, converted where asked.

use crate::args::{Gaps, PipeArgs};
use crate::failure::{Failure, Outcome};
use crate::flow::Consumer;
use crate::run::Plan;
use pcmflow::core::format::{
    ByteOrder, ChannelCount, ChannelMap, Frames, SampleEncoding, SampleFormat, SampleRate, StreamFormat,
};
use pcmflow::io::{RawSink, Sink, SinkError, WavFormat, WavSink};
use pcmflow::nodes::{Missing, SinkNode};
use std::io::IsTerminal;
use std::path::Path;

pub(crate) fn run(args: &PipeArgs) -> Result<Outcome, Failure> {
    if args.output == Path::new("-") && std::io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "standard output is a terminal: pipe it into a program, or name a file with -o FILE.wav".into(),
        ));
    }
    let to_file = (args.output != Path::new("-")).then_some(args.output.as_path());
    let inputs = std::slice::from_ref(&args.input);
    let plan = Plan { inputs, args: &args.flow, output: to_file, prints_lines: false };
    plan.run(|_, from| {
        let to = StreamFormat {
            rate: args.rate.map_or(Ok(from.rate), SampleRate::new).map_err(usage)?,
            channels: args.channels.map_or(Ok(from.channels), ChannelCount::new).map_err(usage)?,
        };
        let mut sink = sink(&args.output, args.format, to)?;
        let map = ChannelMap::new(from.channels, to.channels);
        if map.keeps_first_only() {
            sink = Box::new(First { sink, map, mapped: Vec::new() });
        }
        let missing = match args.gaps {
            Gaps::Silence => Missing::Silence,
            Gaps::Cut => Missing::Cut,
        };
        let wants = Some(sink.format());
        Ok(Consumer { node: SinkNode::new(sink, from.rate, missing), wants, may_block: true })
    })
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}

/// Where the samples go.
fn sink(output: &Path, encoding: SampleEncoding, format: StreamFormat) -> Result<Box<dyn Sink>, Failure> {
    if output == Path::new("-") {
        return Ok(Box::new(RawSink::new(std::io::stdout(), "standard output", encoding, format)));
    }
    let is_wav = output.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("wav") || extension.eq_ignore_ascii_case("wave")
    });
    if !is_wav && output.extension().is_some() {
        return Err(Failure::Usage(format!(
            "{}: only WAV files are written; name it FILE.wav, or pipe raw PCM with -o -",
            output.display()
        )));
    }
    let wav = match (encoding.format, encoding.order) {
        (SampleFormat::U8, _) => WavFormat::U8,
        (SampleFormat::S16, ByteOrder::Little) => WavFormat::S16,
        (SampleFormat::S24, ByteOrder::Little) => WavFormat::S24,
        (SampleFormat::S32, ByteOrder::Little) => WavFormat::S32,
        (SampleFormat::F32, ByteOrder::Little) => WavFormat::F32,
        _ => {
            return Err(Failure::Usage(format!(
                "--format {encoding} does not fit a WAV file; u8, s16le, s24le, s32le and f32le do"
            )));
        }
    };
    Ok(Box::new(WavSink::create(output, wav, format)?))
}

/// Leaves the last channels out, which no pipeline does unasked: there is no rule which of them become which.
struct First {
    sink: Box<dyn Sink>,
    map: ChannelMap,
    mapped: Vec<f32>,
}

impl Sink for First {
    fn format(&self) -> StreamFormat {
        StreamFormat { channels: self.map.from(), ..self.sink.format() }
    }

    fn write(&mut self, interleaved: &[f32]) -> Result<(), SinkError> {
        let frames = Frames::in_samples(interleaved.len(), self.map.from());
        self.mapped.resize(frames.samples(self.map.to()), 0.0);
        self.map.map(interleaved, &mut self.mapped);
        self.sink.write(&self.mapped)
    }

    fn finish(self: Box<Self>) -> Result<Frames, SinkError> {
        self.sink.finish()
    }
}
