//! The command line: one definition for parsing, help and completions.

use crate::input::Input;
use clap::{ArgGroup, Args, Parser, Subcommand};
use pcmflow::core::block::{Profile, WindowKind};
use pcmflow::core::format::SampleEncoding;
use pcmflow::core::stream::Overflow;
use pcmflow::nodes::Inject;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done, but the input was damaged or frames were dropped.

Examples:
  pcmflow demo                                     hear a melody tracked, no file or device needed
  pcmflow pitch --csv guitar.flac > guitar.csv     the pitch of a file
  arecord -f S16_LE -r 48000 | pcmflow pitch -     the pitch of a microphone, live
  pcmflow pipe talk.m4a --rate 16000 --channels 1 | recogniser
  pcmflow info *.wav                               what is in these files";

const INPUT_HELP: &str = "\
A file of any common format; - for standard input (WAV, or raw PCM with --raw); or a synthetic signal such as
synth:sine:440,seconds=5 (sine:HZ, sweep:HZ-HZ, noise:white, noise:pink, silence, clicks:250ms, melody;
seconds=5 or endless, rate=48000 channels=1 level=-12 seed=1 detune=0)";

/// The real-time audio data plane: audio in, through rings, pool and links that keep books, to what thinks.
#[derive(Debug, Parser)]
#[command(name = "pcmflow", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Plays a plucked melody through ring, pool, analyser and tracker, and shows what was heard
    #[command(
        after_help = "Examples:\n  pcmflow demo\n  pcmflow demo --fast --seed 7\n  pcmflow demo --detune 30"
    )]
    Demo(DemoArgs),
    /// Tracks the pitch of inputs, as JSON lines or CSV
    #[command(
        after_help = "Each JSON line is for one moment: {file, position, time_s, hz, note, cents, confidence, voiced, delay_ms};\n\
            confidence 0.5 is the threshold of voiced. delay_ms is when the estimate was out less the moment that it is for; with --fast\n\
            arrival times mean nothing, and only gathering and computing count. Where frames were lost: {file, gap: {position, frames, cause}}.\n\n\
            Examples:\n  pcmflow pitch voice.wav\n  pcmflow pitch --csv notes/*.flac > pitch.csv\n  \
            pcmflow pitch --realtime --inject slow-consumer=30ms song.mp3 --summary books.json"
    )]
    Pitch(PitchArgs),
    /// Measures peak, RMS and clipping of inputs, as JSON lines
    #[command(after_help = "Example:\n  pcmflow level --profile development --block 256 talk.wav")]
    Level(LevelArgs),
    /// Carries an input into a WAV file or another program, in another rate or with other channels where asked
    #[command(after_help = "Examples:\n  pcmflow pipe talk.m4a --rate 16000 --channels 1 > talk.pcm\n  \
            pcmflow pipe song.flac -o song.wav --format s24le\n  \
            arecord -f S16_LE -r 48000 | pcmflow pipe - --rate 16000 --channels 1 | recogniser")]
    Pipe(PipeArgs),
    /// Tells what is in inputs: container, codec, format, frames, duration, clipping, silence
    #[command(after_help = "Example:\n  pcmflow info --json recordings/*")]
    Info(InfoArgs),
    /// Runs the flow of a flow file: its sources, transforms, consumers and sinks
    #[command(
        after_help = "What stands in a flow file: `pcmflow::flow_files` in the documentation, and examples/flows.\n\n\
            Examples:\n  pcmflow run examples/flows/tuner.toml\n  pcmflow run examples/flows/monitor.toml --console\n  \
            pcmflow run recorder.toml --set flow.strategy=block --summary books.json"
    )]
    Run(RunArgs),
    /// Draws the flow of a flow file, with formats and delays
    #[command(after_help = "Example:\n  pcmflow graph examples/flows/mixer.toml | dot -Tsvg > mixer.svg")]
    Graph(GraphArgs),
    /// Checks, shows and explains the configuration
    #[command(
        after_help = "A configuration is a TOML file (--config FILE or PCMFLOW_CONFIG), under the environment \
            (PCMFLOW_FLOW__STRATEGY=block), under flags (--set flow.strategy=block).\n\n\
            Examples:\n  pcmflow config check pcmflow.toml\n  pcmflow config show --json\n  \
            pcmflow config schema --toml > pcmflow.toml"
    )]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Prints a completion script for a shell
    #[command(
        after_help = "Example:\n  pcmflow completions bash > ~/.local/share/bash-completion/completions/pcmflow"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What every flow understands.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("pace").args(["fast", "realtime"]))]
pub(crate) struct FlowArgs {
    /// As fast as possible, losing nothing (the default for files and synthetic signals)
    #[arg(long)]
    pub(crate) fast: bool,
    /// In real time, as a device would: what a full ring can't take is dropped and counted (the default for -)
    #[arg(long)]
    pub(crate) realtime: bool,
    /// Frames per block, a multiple of 128 [default: 1024]
    #[arg(long, value_name = "FRAMES")]
    pub(crate) block: Option<u64>,
    /// Which block sizes are allowed: production takes 1024, development 256 to 2048
    #[arg(long, default_value_t)]
    pub(crate) profile: Profile,
    /// What becomes of frames that a full ring does not take, at a source that can't wait: reject (they are handed back to
    /// the source, which counts them), drop-newest (the ring drops and counts them) or evict-oldest (the oldest frames on
    /// their way give way to them, and are counted: what arrives is fresh)
    #[arg(long, value_name = "POLICY", default_value_t)]
    pub(crate) overflow: Overflow,
    /// Trouble on purpose: slow-consumer=30ms makes every block take that much longer, stall=500ms@2s stops the consumer
    /// once, two seconds into the stream
    #[arg(long, value_name = "FAULT")]
    pub(crate) inject: Option<Inject>,
    /// Writes what became of every frame to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// What every input understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// Takes - as raw PCM: an encoding, and rate and channels if they aren't 48000 and 1, such as
    /// s16le,rate=16000,channels=2
    #[arg(long, value_name = "ENCODING")]
    pub(crate) raw: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// As fast as possible, not in real time
    #[arg(long)]
    pub(crate) fast: bool,
    /// Which melody
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Plays every note so many cents off
    #[arg(long, value_name = "CENTS", default_value_t = 0.0, allow_negative_numbers = true, value_parser = cents)]
    pub(crate) detune: f64,
    /// Plays silence of the same length: nothing must be heard
    #[arg(long)]
    pub(crate) silence: bool,
    /// Writes what became of every frame to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
}

fn cents(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(cents) if (-1200.0..=1200.0).contains(&cents) => Ok(cents),
        _ => Err("-1200 to 1200 cents are allowed".into()),
    }
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("form").args(["json", "csv"]))]
pub(crate) struct PitchArgs {
    #[arg(value_name = "INPUT", required = true, help = INPUT_HELP, value_parser = Input::parser())]
    pub(crate) inputs: Vec<Input>,
    /// JSON lines (the default)
    #[arg(long)]
    pub(crate) json: bool,
    /// CSV with the header file,time_s,f0_hz,confidence; f0_hz is 0 where there is no pitch
    #[arg(long)]
    pub(crate) csv: bool,
    /// The window of the tracker's autocorrelation: hann, hamming or blackman
    #[arg(long, default_value_t)]
    pub(crate) window: WindowKind,
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LevelArgs {
    #[arg(value_name = "INPUT", required = true, help = INPUT_HELP, value_parser = Input::parser())]
    pub(crate) inputs: Vec<Input>,
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
}

/// What stands in the output where frames were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Gaps {
    /// Silence of the same length: times stay true
    Silence,
    /// Nothing: the output is shorter
    Cut,
}

#[derive(Debug, Args)]
pub(crate) struct PipeArgs {
    #[arg(value_name = "INPUT", help = INPUT_HELP, value_parser = Input::parser())]
    pub(crate) input: Input,
    /// A WAV file, or - for raw PCM to standard output
    #[arg(short, long, value_name = "FILE.wav", default_value = "-")]
    pub(crate) output: PathBuf,
    /// Frames per second of the output [default: as the input]
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(1_000..=768_000))]
    pub(crate) rate: Option<u32>,
    /// Channels of the output [default: as the input]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) channels: Option<u32>,
    /// How samples are written: u8, s8, s16le, s16be, s24le … f64be; a WAV file takes u8, s16le, s24le, s32le, f32le
    #[arg(long, value_name = "ENCODING", default_value = "s16le")]
    pub(crate) format: SampleEncoding,
    /// What stands in the output where frames were lost
    #[arg(long, value_enum, default_value_t = Gaps::Silence)]
    pub(crate) gaps: Gaps,
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
}

/// Where the configuration comes from.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file [default: PCMFLOW_CONFIG, if that is set]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Sets one key, over file and environment
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[arg(value_name = "FLOW.toml", help = "The flow file")]
    pub(crate) flow: PathBuf,
    /// Takes lines from standard input while the flow runs; `help` tells the words. Answers go to standard output, or to
    /// standard error where a node writes to standard output
    #[arg(long)]
    pub(crate) console: bool,
    /// Answers and events as JSON lines
    #[arg(long)]
    pub(crate) json: bool,
    /// Writes what became of every frame to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("language").args(["dot", "mermaid"]))]
pub(crate) struct GraphArgs {
    #[arg(value_name = "FLOW.toml", help = "The flow file")]
    pub(crate) flow: PathBuf,
    /// In Graphviz's language (the default)
    #[arg(long)]
    pub(crate) dot: bool,
    /// In Mermaid's language
    #[arg(long)]
    pub(crate) mermaid: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Tells all that is wrong with the configuration
    Check {
        #[arg(value_name = "FILE", help = "The configuration file; as --config")]
        file: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Shows every key with its value, and where that comes from
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Lists every key with what it takes, its default, and what it means
    #[command(group = ArgGroup::new("form").args(["json", "toml"]))]
    Schema {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// As a configuration file to begin with
        #[arg(long)]
        toml: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    #[arg(value_name = "INPUT", required = true, help = INPUT_HELP, value_parser = Input::parser())]
    pub(crate) inputs: Vec<Input>,
    /// One JSON line per input
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
