//! `pcmflow run`: a flow file at work, with the console beside it where that is asked for.

mod books;
mod console;
mod scheduling;
mod shortage;
mod voice;

use super::config::named;
use super::graph::Written;
use crate::args::RunArgs;
use crate::failure::{Failure, Outcome};
use crate::flow_summary::{FlowSummary, SinkBooks};
use crate::summary::SummaryFile;
use crate::waiting::{Patience, interruptible, opened};
use books::Books;
use console::{LINES_WAITING, Lines};
use indicatif::ProgressBar;
use pcmflow::core::format::Frames;
use pcmflow::core::pool::{BufferRecyclingPool, PoolMetrics};
use pcmflow::engine::flow::{DataFlowCoordinator, FlowStatus, Passed, State};
use pcmflow::engine::platform::PlatformModule;
use pcmflow::engine::session::{InputState, InputStatus, Session};
use pcmflow::flow_file::{BuildError, Feed, FlowNode, FlowOutputs, FlowPlan, OpenError, Role};
use pcmflow::io::{SinkError, is_same_file};
use pcmflow::runtime::{Clock, NativeProbe, PageMemory, Stop, Threads, ThreadsConfig};
use scheduling::Scheduling;
use shortage::Shortage;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, IsTerminal};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use voice::Voice;

/// So long an input may take to end whose source failed.
const INPUTS_END: Duration = Duration::from_secs(5);

/// How often the flow is looked at.
const TICK: Duration = Duration::from_millis(20);

pub(crate) fn run(args: &RunArgs) -> Result<Outcome, Failure> {
    let mut written = Written::read(&args.flow, &args.config)?;
    let mut nodes = written.file.nodes.iter();
    let reads_standard_input = nodes.find(|node| node.reads_standard_input(&written.folder));
    if let (true, Some(node)) = (args.console, reads_standard_input) {
        return Err(Failure::Usage(format!(
            "node {} reads standard input, so there is no console: leave --console out, or take a file",
            node.name
        )));
    }
    if let Some(summary) = &args.summary {
        let mut others = vec![(args.flow.clone(), "the flow file")];
        others.extend(named(&args.config).map(|path| (path, "the configuration")));
        if let Some((_, what)) = others.iter().find(|(path, _)| is_same_file(path, summary)) {
            let summary = summary.display();
            return Err(Failure::Usage(format!("--summary {summary} is {what}; name another file")));
        }
        written.file.reserve(summary, "the file of --summary");
    }
    let stop = interruptible()?;
    let Some((plan, outputs)) = planned(&written, &stop)? else { return Ok(Outcome::Done) };
    let summary = match args.summary.clone() {
        Some(path) => {
            let name = path.display().to_string();
            let failed = |error| Failure::Summary { path: path.clone(), error };
            let opening = path.clone();
            match opened(&stop, &name, move || SummaryFile::open(&opening)).map_err(failed)? {
                Some(summary) => Some(summary?),
                None => return Ok(Outcome::Done),
            }
        }
        None => None,
    };
    let (mut running, scheduling) = Running::build(&written, plan, outputs)?;
    running.session.start().map_err(|error| Failure::Node(error.to_string()))?;
    running.critical = scheduling.told(running.threads.granted());
    if let Some(critical) = &running.critical {
        tell!("pcmflow: critical: {critical}");
    }
    running.attend(args, &written, &stop);
    running.close(&written, summary)
}

/// Opens inputs and outputs; none where the run is to end before.
fn planned(written: &Written, stop: &Stop) -> Result<Option<(FlowPlan, FlowOutputs)>, Failure> {
    let Written { file, config, folder, name } = written;
    let mut open = |node: &FlowNode, folder: &Path| {
        let refused = |error: std::io::Error| OpenError::Refused(error.to_string());
        let (opening, folder) = (node.clone(), folder.to_owned());
        let opened = opened(stop, &format!("node {}", node.name), move || opening.open(&folder));
        opened.map_err(refused)?.unwrap_or_else(|| Err(refused(ErrorKind::Interrupted.into())))
    };
    let mut create = |node: &FlowNode, folder: &Path| {
        let refused = |source| SinkError::Create { name: node.name.clone(), source };
        let (opening, folder) = (node.clone(), folder.to_owned());
        let opened = opened(stop, &format!("node {}", node.name), move || opening.create(&folder));
        opened.map_err(refused)?.unwrap_or_else(|| Err(refused(ErrorKind::Interrupted.into())))
    };
    let planned = file.plan(folder, &config.audio, &mut open);
    match planned.and_then(|plan| Ok((plan, file.outputs(folder, &mut create)?))) {
        Ok(planned) => Ok(Some(planned)),
        Err(_) if stop.is_asked() => Ok(None),
        Err(errors) => Err(Failure::FlowFile { file: name.clone(), errors }),
    }
}

/// A flow at work.
struct Running {
    session: Session,
    feeds: BTreeMap<String, Feed>,
    /// From which source each node's frames come.
    origins: BTreeMap<String, String>,
    threads: Threads,
    since: Instant,
    /// How what is critical is scheduled, where anything is.
    critical: Option<String>,
    /// The nodes whose failure was told.
    failed: BTreeSet<String>,
    hangs: bool,
    /// What kept it from going on, where no buffer could be had.
    shortage: Option<String>,
}

impl Running {
    fn build(written: &Written, plan: FlowPlan, outputs: FlowOutputs) -> Result<(Self, Scheduling), Failure> {
        let config = &written.config;
        let clock = Clock::start();
        let (platform, found) = PlatformModule::new(NativeProbe);
        found.probe();
        let scheduling = Scheduling::of(written, &plan, &found.current().unwrap_or_default());
        let Scheduling { shared, real_time, .. } = scheduling;
        let threads =
            ThreadsConfig { shared, real_time, bus: config.events.bus(), ..ThreadsConfig::default() };
        let threads = Threads::start(threads, clock)?;
        let pool = BufferRecyclingPool::with_memory(config.memory.pool(), &PageMemory)?;
        let flow = DataFlowCoordinator::new(threads.clone(), pool);
        let failed = |error: &dyn std::fmt::Display| Failure::Node(error.to_string());
        let mut session = Session::new(flow, threads.bus().clone(), Arc::new(clock), config.clone())
            .map_err(|error| failed(&error))?;
        session.register(Box::new(platform)).map_err(|error| failed(&error))?;
        let origins = plan.origins.clone();
        let built = plan.build(&written.file, outputs, &mut session, clock);
        let feeds = built.map_err(|error| match error {
            BuildError::Buffers(errors) => Failure::FlowFile { file: written.name.clone(), errors },
            error => failed(&error),
        })?;
        let (since, failed) = (Instant::now(), BTreeSet::new());
        let running = Self {
            session,
            feeds,
            origins,
            threads,
            since,
            critical: None,
            failed,
            hangs: false,
            shortage: None,
        };
        Ok((running, scheduling))
    }

    /// Looks after the flow until it is over: answers lines, tells what is to be told, shows progress.
    fn attend(&mut self, args: &RunArgs, written: &Written, stop: &Stop) {
        let mut lines = args.console.then(Lines::read);
        let to_error = written.file.nodes.iter().any(|node| node.writes_standard_output(&written.folder));
        let mut voice = Voice::new(args.json, to_error);
        if let (true, true, Some(critical)) = (args.console, args.json, &self.critical) {
            voice.tell(&format!("critical: {critical}"));
        }
        let bar = match std::io::stderr().is_terminal() && !args.console && !std::io::stdout().is_terminal() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        let (mut asked, mut patience, mut shortage) = (false, Patience::new(), Shortage::new());
        while !self.session.is_over() {
            match lines.as_mut().filter(|lines| !lines.closed) {
                Some(lines) => {
                    lines.wait(TICK).into_iter().for_each(|line| voice.answer(line, &mut self.session))
                }
                None => std::thread::sleep(TICK),
            }
            self.session.tick();
            self.session.tell().iter().for_each(|line| voice.tell(line));
            let frames: u64 = self.feeds.values().map(|feed| feed.frames_in().0).sum();
            bar.set_message(format!("{frames} frames in, {:.0} s", self.since.elapsed().as_secs_f64()));
            bar.tick();
            self.tell_failures();
            let nobody_types = lines.as_ref().is_some_and(|lines| lines.closed);
            let unheard = (nobody_types || !self.failed.is_empty()) && !self.is_heard(written);
            if !asked && (stop.is_asked() || unheard || nobody_types && self.rests()) {
                asked = true;
                self.feeds.values().for_each(Feed::end);
            }
            self.shortage = shortage.found(self.moved(), &self.pool(), &self.status(), written);
            if self.shortage.is_some() {
                self.hangs = true;
                break;
            }
            if asked && patience.is_over(self.moved()) {
                self.hangs = true;
                break;
            }
        }
        // What had come by now is answered, and what happened at the end is told. What still comes is not waited for: a console need
        // not end.
        for _ in 0..LINES_WAITING {
            match lines.as_mut().and_then(|lines| lines.wait(Duration::ZERO)) {
                Some(line) if !stop.is_asked() => voice.answer(line, &mut self.session),
                _ => break,
            }
        }
        self.session.look();
        self.session.tell().iter().for_each(|line| voice.tell(line));
        bar.finish_and_clear();
        if !voice.finish(|| stop.is_asked()) {
            tell!("pcmflow: some of what the console said was not read in time, and is left out");
        }
    }

    fn status(&self) -> FlowStatus {
        self.session.flow().lock().unwrap_or_else(PoisonError::into_inner).status()
    }

    fn pool(&self) -> PoolMetrics {
        self.session.flow().lock().unwrap_or_else(PoisonError::into_inner).pool().metrics()
    }

    /// Says which nodes failed, once of each: the others go on.
    fn tell_failures(&mut self) {
        for (name, node) in self.status().nodes.iter().filter(|(_, node)| node.state == State::Failed) {
            if self.failed.insert(name.clone()) {
                tell!("pcmflow: node {name}: {}", node.error.as_deref().unwrap_or("it failed"));
            }
        }
    }

    /// Whether any consumer or sink is left: where each failed or is over, a source would go on for nobody.
    fn is_heard(&self, written: &Written) -> bool {
        let status = self.status();
        let over = |name| {
            status.nodes.get(name).is_none_or(|node| !matches!(node.state, State::Waiting | State::Running))
        };
        !sinks(written).all(|node| over(&node.name))
    }

    /// Whether nothing comes unless somebody starts an input that was stopped; that is said then.
    fn rests(&self) -> bool {
        let inputs = self.session.inputs();
        if inputs.values().any(|input| input.state == InputState::Running) {
            return false;
        }
        let waits = |state| matches!(state, InputState::Stopped | InputState::Waiting);
        let Some((name, _)) = inputs.iter().find(|(_, input)| waits(input.state)) else { return false };
        tell!(
            "pcmflow: node {name} is stopped, and nobody is at the console to start it again: this is the end"
        );
        true
    }

    /// What is another thing when anything moved.
    fn moved(&self) -> Vec<Passed> {
        let status = self.status();
        let nodes = status.nodes.values().map(|node| node.given);
        nodes.chain(status.pipelines.values().map(|pipeline| pipeline.taken)).collect()
    }

    /// Where a source failed, its input learns so only now: its books are whole when it is over.
    fn await_inputs(&mut self) {
        self.tell_failures();
        let failed = |name: &String| self.failed.contains(name);
        let feeds = self.feeds.iter().filter(|(name, _)| failed(name));
        feeds.for_each(|(_, feed)| feed.end());
        let (mut inputs, since) = (self.session.inputs(), Instant::now());
        let runs = |inputs: &BTreeMap<String, InputStatus>| {
            inputs.iter().any(|(name, input)| failed(name) && input.state == InputState::Running)
        };
        while runs(&inputs) && since.elapsed() < INPUTS_END {
            std::thread::sleep(TICK);
            inputs = self.session.inputs();
        }
    }

    fn close(mut self, written: &Written, summary: Option<SummaryFile>) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::Done;
        self.await_inputs();
        for error in self.session.stop() {
            tell!("pcmflow: {error}");
            outcome = outcome.worst(Outcome::Failed);
        }
        let flow = self.session.flow();
        let flow = flow.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, books) = (flow.status(), flow.books());
        drop(flow);
        self.tell_failures();
        if !self.failed.is_empty() {
            outcome = outcome.worst(Outcome::Failed);
        }
        for (name, feed) in &self.feeds {
            if let Some(error) = feed.error() {
                tell!("pcmflow: node {name}: {error}");
                outcome = outcome.worst(Outcome::Failed);
            }
            if let Some(damage) = feed.damage() {
                tell!("pcmflow: node {name}: {damage}");
                outcome = outcome.worst(Outcome::Damaged);
            }
        }
        if let Some(shortage) = &self.shortage {
            tell!("pcmflow: stopped, as nothing moves and no buffer can be had: {shortage}");
            outcome = outcome.worst(Outcome::Failed);
        } else if self.hangs {
            tell!(
                "pcmflow: stopped, though an output takes nothing more and frames are still under way; what is given up is told"
            );
            outcome = outcome.worst(Outcome::Failed);
        }
        let wall_s = self.since.elapsed().as_secs_f64();
        let mut told = FlowSummary { wall_s, critical: self.critical.take(), ..FlowSummary::default() };
        let all = Books { feeds: &self.feeds, status: &status, books: &books };
        for node in sinks(written) {
            let Some(origin) = self.origins.get(&node.name) else { continue };
            let books = match self.hangs {
                true => all.given_up(&node.name, origin),
                false => all.closed(&node.name, origin),
            };
            told.sinks.insert(node.name.clone(), books);
        }
        tell!("{}", told.words().trim_end());
        if let Some(file) = summary {
            file.write(&told)?;
        }
        if told.sinks.values().any(SinkBooks::has_drops) {
            outcome = outcome.worst(Outcome::Damaged);
        }
        let differ = books.unaccounted() > Frames::ZERO;
        if !self.hangs && (differ || told.sinks.values().any(|books| books.unaccounted > 0)) {
            tell!("pcmflow: the books do not balance; please report this");
            outcome = outcome.worst(Outcome::Failed);
        }
        for panic in self.threads.stop() {
            tell!("pcmflow: a task failed: {panic:?}");
            outcome = outcome.worst(Outcome::Failed);
        }
        if self.hangs {
            // Threads that wait for an output would be waited for.
            std::process::exit(outcome as i32);
        }
        Ok(outcome)
    }
}

/// Where frames end.
fn sinks(written: &Written) -> impl Iterator<Item = &FlowNode> {
    written.file.nodes.iter().filter(|node| matches!(node.kind.role, Role::Consumer | Role::Sink))
}
