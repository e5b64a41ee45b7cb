//! Runs flows for the commands: opens inputs, watches progress, catches Ctrl-C, keeps the summary.

use crate::args::{FlowArgs, InputArgs};
use crate::failure::{Failure, Outcome};
use crate::flow::{Consumer, Flow, FlowConfig, Now, Report};
use crate::input::Input;
use crate::summary::{Summary, SummaryFile};
use crate::tell::printable;
use crate::waiting::{Patience, interruptible, opened};
use indicatif::{ProgressBar, ProgressStyle};
use pcmflow::core::block::BlockSize;
use pcmflow::core::format::{Frames, StreamFormat};
use pcmflow::engine::flow::Node;
use pcmflow::io::{Source, is_same_file};
use pcmflow::runtime::{InputConfig, InputError, Pacing, Stop};
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(100);

/// One run of the program over its inputs.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) stop: Stop,
    summary: Summary,
    summary_file: Option<SummaryFile>,
    outcome: Outcome,
}

impl Run {
    /// Opens the file for the summary, where one is asked for, and catches Ctrl-C: the first asks the flow to end, and gives
    /// what hangs a while; the second ends the program.
    pub(crate) fn begin(summary: Option<&Path>) -> Result<Self, Failure> {
        let summary_file = summary.map(SummaryFile::open).transpose()?;
        let stop = interruptible()?;
        Ok(Self { stop, summary: Summary::new(), summary_file, outcome: Outcome::Done })
    }

    /// Opens an input; none when the run is to end.
    fn open(&self, input: &Input, args: &InputArgs) -> Result<Option<Box<dyn Source>>, Failure> {
        let (opening, args) = (input.clone(), args.clone());
        opened(&self.stop, input.name(), move || opening.open(&args)).map_err(InputError::from)?.transpose()
    }

    /// Carries one source to one consumer; `watch` is called some ten times a second.
    pub(crate) fn flow<N: Node + 'static>(
        &mut self,
        name: &str,
        source: Box<dyn Source>,
        consumer: Consumer<N>,
        config: FlowConfig,
        mut watch: impl FnMut(&Now),
    ) -> Result<(), Failure> {
        let mut flow = Flow::start(source, consumer, config)?;
        let mut patience = Patience::new();
        while !flow.wait(TICK) {
            let now = flow.now();
            watch(&now);
            if self.stop.is_asked() {
                flow.stop();
                if patience.is_over((now.frames_in, now.delivered, now.lost, now.link)) {
                    self.give_up(name, &now);
                }
            }
        }
        self.close(name, flow.close()?)
    }

    /// Ends the program though the consumer hangs, most likely because nobody reads what it writes: says what is known, in the
    /// summary too.
    fn give_up(&mut self, name: &str, now: &Now) -> ! {
        tell!(
            "pcmflow: {name}: stopped, though the output takes nothing more and frames are still under way"
        );
        let lost = now.lost.total();
        tell!(
            "frames in {} · delivered {} · dropped {lost} · given up {}, of which {} in the ring, the rest in the link and at the \
             output · settled to {}: {} unaccounted",
            now.frames_in,
            now.delivered,
            now.under_way(),
            now.ring,
            now.settled.position,
            now.settled.unaccounted,
        );
        self.summary.add_given_up(now);
        if let Some(Err(failure)) = self.summary_file.take().map(|file| file.write(&self.summary)) {
            tell!("pcmflow: {failure}");
        }
        std::process::exit(Outcome::Failed as i32)
    }

    /// Enters the books of a flow that is over.
    fn close(&mut self, name: &str, report: Report) -> Result<(), Failure> {
        self.summary.add(name, &report);
        if let Some(damage) = &report.damage {
            tell!("pcmflow: {name}: {damage}");
            self.outcome = self.outcome.worst(Outcome::Damaged);
        }
        if let Some(error) = report.node_error {
            return Err(Failure::Node(error));
        }
        match report.source_error {
            Some(error) => Err(Failure::Broken(error)),
            None => Ok(()),
        }
    }

    /// Says why one input failed; the others go on.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        tell!("pcmflow: {failure}");
        self.outcome = self.outcome.worst(failure.outcome());
    }

    /// Writes the summary, in words to standard error and as JSON where asked. Where no input could be opened, what went wrong
    /// was said and there are no books.
    pub(crate) fn end(mut self) -> Result<Outcome, Failure> {
        if self.summary.has_inputs() || self.outcome == Outcome::Done {
            tell!("{}", self.summary.words());
        }
        if let Some(file) = self.summary_file.take() {
            file.write(&self.summary)?;
        }
        if self.summary.has_drops() {
            self.outcome = self.outcome.worst(Outcome::Damaged);
        }
        if !self.summary.balances() {
            tell!("pcmflow: the books do not balance; please report this");
            self.outcome = self.outcome.worst(Outcome::Failed);
        }
        Ok(self.outcome)
    }
}

/// What a command makes of its inputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) inputs: &'a [Input],
    pub(crate) args: &'a FlowArgs,
    /// The file that is written, which must be none of the inputs.
    pub(crate) output: Option<&'a Path>,
    /// Lines go to standard output: where that is a terminal, a bar would stand between them.
    pub(crate) prints_lines: bool,
}

impl Plan<'_> {
    /// Runs each input through a consumer that `make` provides; one bad input does not stop the rest.
    pub(crate) fn run<N: Node + 'static>(
        self,
        mut make: impl FnMut(&Input, StreamFormat) -> Result<Consumer<N>, Failure>,
    ) -> Result<Outcome, Failure> {
        let Plan { inputs, args, output, .. } = self;
        let block = args.profile.block(args.block.map(Frames))?;
        let summary = args.summary.as_deref();
        for written in [output, summary].into_iter().flatten() {
            inputs.iter().try_for_each(|input| input.refuse_as_output(written))?;
        }
        if let (Some(output), Some(summary)) = (output, summary)
            && (output == summary || is_same_file(output, summary))
        {
            return Err(Failure::Usage(format!("{} can't be both output and summary", summary.display())));
        }
        let mut run = Run::begin(summary)?;
        for input in inputs {
            if run.stop.is_asked() {
                break;
            }
            if let Err(failure) = self.one(&mut run, input, block, &mut make) {
                run.fail(&failure);
                // The next input would meet the same output.
                if matches!(failure, Failure::Node(_)) {
                    break;
                }
            }
        }
        run.end()
    }

    fn one<N: Node + 'static>(
        &self,
        run: &mut Run,
        input: &Input,
        block: BlockSize,
        make: &mut impl FnMut(&Input, StreamFormat) -> Result<Consumer<N>, Failure>,
    ) -> Result<(), Failure> {
        let Some(source) = run.open(input, &self.args.input)? else { return Ok(()) };
        let consumer = make(input, source.format())?;
        let pacing = input.pacing(self.args);
        let seen = std::io::stderr().is_terminal() && !(self.prints_lines && std::io::stdout().is_terminal());
        let progress = Progress::new(input.name(), &*source, pacing, seen);
        let input_config =
            InputConfig { block, pacing, overflow: self.args.overflow, ..InputConfig::default() };
        let config = FlowConfig { input: input_config, inject: self.args.inject };
        run.flow(input.label(), source, consumer, config, |now| progress.show(now))?;
        progress.end();
        Ok(())
    }
}

/// A bar on standard error.
#[derive(Debug)]
struct Progress {
    bar: ProgressBar,
    rate_hz: f64,
}

impl Progress {
    fn new(name: &str, source: &dyn Source, pacing: Pacing, seen: bool) -> Self {
        let rate_hz = f64::from(source.format().rate.hz());
        let bar = match source.frames_hint() {
            _ if !seen => ProgressBar::hidden(),
            Some(frames) if pacing != Pacing::Live => ProgressBar::new((frames.0 as f64 / rate_hz) as u64)
                .with_style(style("{msg} {wide_bar} {pos}/{len} s {eta}")),
            _ => ProgressBar::no_length().with_style(style("{msg} {spinner} {pos} s")),
        };
        Self { bar: bar.with_message(printable(name)), rate_hz }
    }

    fn show(&self, now: &Now) {
        self.bar.set_position((now.delivered.0 as f64 / self.rate_hz) as u64);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
