//! Runs flows for the commands: opens inputs, watches progress, catches Ctrl-C, keeps the summary.

use crate::args::{FlowArgs, InputArgs};
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::summary::Summary;
use indicatif::{ProgressBar, ProgressStyle};
use pcmflow::core::block::BlockSize;
use pcmflow::core::format::{Frames, StreamFormat};
use pcmflow::io::Source;
use pcmflow::runtime::{Consumer, Flow, FlowConfig, FlowError, FlowReport, Pacing, RunningFlow, Stop};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(100);

/// One run of the program over its inputs.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) stop: Stop,
    summary: Summary,
    outcome: Outcome,
}

impl Run {
    /// Catches Ctrl-C: the first asks the flow to end, the second ends the program.
    pub(crate) fn begin() -> Result<Self, Failure> {
        let stop = Stop::new();
        let asked = stop.clone();
        ctrlc::set_handler(move || {
            if asked.is_asked() {
                std::process::exit(130);
            }
            asked.ask();
        })?;
        Ok(Self { stop, summary: Summary::new(), outcome: Outcome::Done })
    }

    /// Opens an input; none when the run is to end. What it is can only be told by reading its first bytes, and a pipe may
    /// keep them for ever: a thread that hangs in that read is left behind.
    fn open(&self, input: &str, args: &InputArgs) -> Result<Option<Box<dyn Source>>, Failure> {
        let (opened, is_opened) = channel();
        let (input, args) = (input.to_owned(), args.clone());
        let opener = std::thread::Builder::new().name("pcmflow opener".into());
        opener
            .spawn(move || {
                // Nobody listens any more once the run is to end.
                let _ = opened.send(input::open(&input, &args));
            })
            .map_err(FlowError::from)?;
        while !self.stop.is_asked() {
            match is_opened.recv_timeout(TICK) {
                Ok(source) => return source.map(Some),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(None)
    }

    /// Carries one source to one consumer; `watch` is called some ten times a second.
    pub(crate) fn flow<C: Consumer>(
        &mut self,
        name: &str,
        source: Box<dyn Source>,
        consumer: C,
        config: FlowConfig,
        mut watch: impl FnMut(&RunningFlow<C>),
    ) -> Result<C, Failure> {
        // A flow that ends asks its own threads to stop, and must not ask those of the next.
        let stop = Stop::new();
        let running = Flow::start(source, consumer, config, stop.clone())?;
        while !running.wait(TICK) {
            if self.stop.is_asked() {
                stop.ask();
            }
            watch(&running);
        }
        let (consumer, report) = running.join();
        self.close(name, report)?;
        Ok(consumer)
    }

    /// Enters the books of a flow that is over.
    fn close(&mut self, name: &str, report: FlowReport) -> Result<(), Failure> {
        self.summary.add(name, &report);
        if let Some(damage) = &report.damage {
            eprintln!("pcmflow: {name}: {damage}");
            self.outcome = self.outcome.worst(Outcome::Damaged);
        }
        if let Some(error) = report.consumer_error {
            return Err(error.into());
        }
        if let Some(error) = report.source_error {
            return Err(error.into());
        }
        Ok(())
    }

    /// Says why one input failed; the others go on.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        eprintln!("pcmflow: {failure}");
        self.outcome = self.outcome.worst(failure.outcome());
    }

    /// Writes the summary, in words to standard error and as JSON where asked.
    pub(crate) fn end(mut self, path: Option<&Path>) -> Result<Outcome, Failure> {
        eprintln!("{}", self.summary.words());
        if let Some(path) = path {
            self.summary.write(path)?;
        }
        if self.summary.has_drops() {
            self.outcome = self.outcome.worst(Outcome::Damaged);
        }
        if !self.summary.balances() {
            eprintln!("pcmflow: the books do not balance; please report this");
            self.outcome = self.outcome.worst(Outcome::Failed);
        }
        Ok(self.outcome)
    }
}

/// Runs each input through a consumer that `make` provides; one bad input does not stop the rest.
pub(crate) fn each_input<C: Consumer>(
    inputs: &[String],
    args: &FlowArgs,
    mut make: impl FnMut(&str, StreamFormat) -> Result<C, Failure>,
    mut done: impl FnMut(C),
) -> Result<Outcome, Failure> {
    let block = args.profile.block(args.block.map(Frames))?;
    let mut run = Run::begin()?;
    for input in inputs {
        if run.stop.is_asked() {
            break;
        }
        let mut one = || -> Result<(), Failure> {
            let Some(source) = run.open(input, &args.input)? else { return Ok(()) };
            let consumer = make(input, source.format())?;
            let pacing = input::pacing(input, args);
            let progress = Progress::new(input::name(input), &*source, pacing);
            let config = config(args, block, pacing);
            let consumer = run.flow(input, source, consumer, config, |running| progress.show(running))?;
            progress.end();
            done(consumer);
            Ok(())
        };
        if let Err(failure) = one() {
            let output_is_gone = matches!(failure, Failure::Consumer(_));
            run.fail(&failure);
            if output_is_gone {
                break;
            }
        }
    }
    run.end(args.summary.as_deref())
}

/// The flow that the command line asks for.
pub(crate) fn config(args: &FlowArgs, block: BlockSize, pacing: Pacing) -> FlowConfig {
    FlowConfig { block, pacing, overflow: args.overflow, inject: args.inject }
}

/// A bar on standard error, where that is a terminal and standard output is not.
#[derive(Debug)]
struct Progress {
    bar: ProgressBar,
    rate_hz: f64,
}

impl Progress {
    fn new(name: &str, source: &dyn Source, pacing: Pacing) -> Self {
        let rate_hz = f64::from(source.format().rate.hz());
        let seen = std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
        let bar = match source.frames_hint() {
            _ if !seen => ProgressBar::hidden(),
            Some(frames) if pacing != Pacing::Live => ProgressBar::new((frames.0 as f64 / rate_hz) as u64)
                .with_style(style("{msg} {wide_bar} {pos}/{len} s {eta}")),
            _ => ProgressBar::no_length().with_style(style("{msg} {spinner} {pos} s")),
        };
        Self { bar: bar.with_message(name.to_owned()), rate_hz }
    }

    fn show<C: Consumer>(&self, running: &RunningFlow<C>) {
        self.bar.set_position((running.snapshot().delivered.0 as f64 / self.rate_hz) as u64);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
