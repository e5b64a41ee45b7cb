//! `pcmflow pipe`: the flow into a file or another program, converted where asked.

use crate::args::{Gaps, PipeArgs};
use crate::failure::{Failure, Outcome};
use crate::run::Plan;
use pcmflow::core::chunk::AudioChunk;
use pcmflow::core::format::{
    ByteOrder, ChannelCount, ChannelMap, Frames, SampleEncoding, SampleFormat, SampleRate, StreamFormat,
};
use pcmflow::core::ledger::{Conversion, Gap};
use pcmflow::engine::transform::Resampler;
use pcmflow::io::{RawSink, Sink, WavFormat, WavSink};
use pcmflow::runtime::{ChunkCx, Consumer, ConsumerError};
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
        Pipe::new(from, to, args.gaps, sink(&args.output, args.format, to)?)
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

/// The consumer: channels first where that makes fewer of them to resample, then the rate, then the sink.
struct Pipe {
    channels: ChannelMap,
    /// Frames after the channel map, before the rate changes.
    mapped: Vec<f32>,
    resampler: Resampler,
    /// Frames as they are written.
    converted: Vec<f32>,
    /// The rate before the conversion.
    from: SampleRate,
    gaps: Gaps,
    sink: Option<Box<dyn Sink>>,
    /// Frames that went into the conversion: delivered ones, and silence for lost ones.
    taken: Frames,
}

/// How much silence is written at a time.
const SILENCE_FRAMES: u64 = 1024;

impl Pipe {
    fn new(from: StreamFormat, to: StreamFormat, gaps: Gaps, sink: Box<dyn Sink>) -> Result<Self, Failure> {
        let resampler = Resampler::new(from.rate, to.rate, to.channels).map_err(usage)?;
        Ok(Self {
            channels: ChannelMap::new(from.channels, to.channels),
            mapped: Vec::new(),
            resampler,
            converted: Vec::new(),
            from: from.rate,
            gaps,
            sink: Some(sink),
            taken: Frames::ZERO,
        })
    }

    /// Converts and writes the frames in `self.mapped`.
    fn pass(&mut self) -> Result<(), ConsumerError> {
        self.taken += Frames::in_samples(self.mapped.len(), self.channels.to());
        self.converted.clear();
        self.resampler.process(&self.mapped, &mut self.converted)?;
        self.write()
    }

    fn write(&mut self) -> Result<(), ConsumerError> {
        match &mut self.sink {
            Some(sink) => Ok(sink.write(&self.converted)?),
            None => Ok(()),
        }
    }
}

impl Consumer for Pipe {
    fn chunk(&mut self, chunk: &AudioChunk, _: &ChunkCx) -> Result<(), ConsumerError> {
        self.mapped.resize(chunk.frames().samples(self.channels.to()), 0.0);
        self.channels.map(chunk.samples(), &mut self.mapped);
        self.pass()
    }

    fn gap(&mut self, gap: Gap) -> Result<(), ConsumerError> {
        if self.gaps == Gaps::Cut {
            return Ok(());
        }
        let mut rest = gap.frames;
        while rest > Frames::ZERO {
            let now = rest.min(Frames(SILENCE_FRAMES));
            self.mapped.clear();
            self.mapped.resize(now.samples(self.channels.to()), 0.0);
            self.pass()?;
            rest = rest - now;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConsumerError> {
        self.converted.clear();
        self.resampler.finish(&mut self.converted)?;
        self.write()?;
        let Some(sink) = self.sink.take() else { return Ok(()) };
        let written = sink.finish()?;
        let conversion = Conversion {
            from: self.from,
            to: self.resampler.format().rate,
            taken: self.taken,
            given: written,
            held: self.resampler.frames_held(),
        };
        if conversion.imbalance() > Frames::ZERO {
            return Err(format!("the conversion lost frames: {conversion:?}; please report this").into());
        }
        Ok(())
    }
}
